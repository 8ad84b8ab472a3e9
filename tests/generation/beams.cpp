// Beams, groups of beams and beams with words, over decoders and encoder-decoders, against Transformers: ids and
// scores.
#include <boost/test/unit_test.hpp>

#include <hft/generation/constrained_beam_search.hpp>
#include <hft/generation/generate.hpp>
#include <hft/generation/group_beam_search.hpp>
#include <hft/generation/transition_scores.hpp>
#include <hft/models/bart.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/mistral.hpp>
#include <hft/models/t5.hpp>

#include "../golden_list.hpp"
#include "../log_of.hpp"
#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(beams)

namespace {

template <class Model>
const Model& tiny(const char* folder) {
  static const auto model = Model::from_pretrained(data(std::string("models/") + folder).string());
  return model;
}
const LlamaForCausalLM<f32>& tiny_llama() { return tiny<LlamaForCausalLM<f32>>("llama/base"); }

GenerateOutput generated(const std::string& name, const Tensor<i64, 2>& input_ids, const GenerationConfig& config,
                         const GenerateOptions& options) {
  const auto by = [&](const auto& model) { return generate_detailed(model, input_ids, config, options); };
  if (name.starts_with("llama.")) return by(tiny_llama());
  if (name.starts_with("gpt2.")) return by(tiny<GPT2LMHeadModel<f32>>("gpt2/base"));
  if (name.starts_with("mistral.")) return by(tiny<MistralForCausalLM<f32>>("mistral/window"));
  if (name.starts_with("t5.")) return by(tiny<T5ForConditionalGeneration<f32>>("t5/base"));
  BOOST_TEST_REQUIRE(name.starts_with("bart."));
  return by(tiny<BartForConditionalGeneration<f32>>("bart/base"));
}

// tests/oracle/beams.py says the same.
std::vector<i64> allowed(isize modulus, isize prompt, std::span<const i64> ids) {
  std::vector<i64> out;
  for (i64 id = (ids.back() + prompt) % modulus; id < 41; id += modulus) out.push_back(id);
  return out;
}

void check_ids(const Tensor<i64, 2>& ids, const Tensor<i64, 2>& expected) {
  BOOST_TEST_REQUIRE((ids.shape() == expected.shape()));
  const auto a = ids.dense(), b = expected.dense();
  BOOST_TEST(std::vector<i64>(a.data(), a.data() + a.size()) == std::vector<i64>(b.data(), b.data() + b.size()),
             boost::test_tools::per_element());
}

void check_score(f64 score, f64 expected) {  // of a token that is ruled out -inf
  BOOST_TEST((score == expected || std::abs(score - expected) < 1e-4), score << " instead of " << expected);
}

// What the tokens of each sequence were chosen by sums to its score.
void check_sums(const GenerateOutput& out, f64 length_penalty) {
  const auto scores = compute_transition_scores(out);
  const isize length = out.beam_indices.extent(1);
  for (isize i = 0; i < scores.extent(0); ++i) {
    f64 sum = 0;
    isize n = 0;
    for (; n < length && out.beam_indices.data()[i * length + n] >= 0; ++n) sum += f64(scores.data()[i * length + n]);
    check_score(sum / std::pow(f64(n), length_penalty), f64(out.sequences_scores.data()[i]));
  }
}

void check_file(const std::string& file) {
  const golden g(data("generation/" + file + ".safetensors"));
  for (const auto& entry : filled(read_json(data("generation/" + file + ".json")))) {
    const auto name = entry["name"].get<std::string>();
    BOOST_TEST_CONTEXT(name) {
      GenerationConfig config{.do_sample = false, .pad_token_id = 0};
      auto settings = entry["config"];
      GenerateOptions options{.attention_mask = g.ids(name + ".attention_mask")};
      if (settings.contains("allowed"))
        options.prefix_allowed_tokens_fn = [n = settings["allowed"].get<isize>()](isize prompt,
                                                                                  std::span<const i64> ids) {
          return allowed(n, prompt, ids);
        };
      settings.erase("allowed");
      config.update(settings, name);
      const auto out = generated(name, g.ids(name + ".input_ids"), config, options);
      check_ids(out.sequences, g.ids(name + ".sequences"));
      config.use_cache = false;
      check_ids(generated(name, g.ids(name + ".input_ids"), config, options).sequences, out.sequences);
      if (config.num_beams.value_or(1) == 1) continue;
      const auto* expected = reinterpret_cast<const f32*>(g.at(name + ".sequences_scores").bytes.data());
      for (isize i = 0; i < out.sequences_scores.size(); ++i)
        check_score(f64(out.sequences_scores.data()[i]), f64(expected[i]));
      config.use_cache = true;
      config.output_scores = true;
      const auto kept = generated(name, g.ids(name + ".input_ids"), config, options);
      check_ids(kept.sequences, out.sequences);
      // Of an end that is another one than the first the sequence does not say which it was.
      if (config.eos_token_id && config.eos_token_id->ids.size() < 2)
        check_sums(kept, config.length_penalty.value_or(1));
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(greedy_search_and_beams_are_those_of_transformers) { check_file("beams"); }
BOOST_AUTO_TEST_CASE(groups_and_words_are_those_of_transformers_4) { check_file("beams_moved"); }

namespace {

const auto prompt = Tensor<i64, 2>::from({5, 7, 11, 40, 13}, {1, 5});

void check_refused(const GenerationConfig& config, const char* what, const GenerateOptions& options = {}) {
  BOOST_CHECK_EXCEPTION(generate(tiny_llama(), prompt, config, options), value_error, [&](const auto& e) {
    BOOST_TEST(e.what() == std::string(what));
    return true;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(groups_that_contradict_other_settings_are_refused) {
  check_refused({.num_beams = 4, .num_beam_groups = 3, .diversity_penalty = 0.5},
                "[generate] num_beam_groups: expected a divisor of num_beams = 4, got 3");
  check_refused({.num_beam_groups = 2, .diversity_penalty = 0.5},
                "[generate] num_beam_groups: expected a divisor of num_beams = 1, got 2");
  check_refused({.do_sample = true, .num_beams = 4, .num_beam_groups = 2, .diversity_penalty = 0.5},
                "[generate] num_beam_groups: expected 1 beside do_sample = true, got 2");
  check_refused(
      {.num_beams = 4, .num_beam_groups = 2},
      "[generate] diversity_penalty: expected above 0 beside num_beam_groups = 2, which would else be alike, got 0");
  check_refused({.num_beams = 4, .diversity_penalty = 0.5},
                "[GenerationConfig] diversity_penalty: expected 0, or num_beam_groups above 1, got 0.5");
  check_refused({.num_beams = 4, .num_beam_groups = 0},
                "[GenerationConfig] num_beam_groups: expected 1 to 65536, got 0");
  check_refused({.num_beams = 4, .num_beam_groups = 2, .diversity_penalty = 0.5, .force_words_ids = {{5, 6}, {7, 8}}},
                "[generate] force_words_ids: expected not to be set beside num_beam_groups, got both");
}

BOOST_AUTO_TEST_CASE(words_that_contradict_other_settings_are_refused) {
  const json words = {{5, 6}, {7, 8}};
  check_refused({.force_words_ids = words},
                "[generate] force_words_ids: expected num_beams above 1 beside force_words_ids, got 1");
  check_refused({.do_sample = true, .num_beams = 3, .force_words_ids = words},
                "[generate] force_words_ids: expected do_sample = false beside force_words_ids, got true");
  check_refused(
      {.max_new_tokens = 3, .num_beams = 3, .force_words_ids = words},
      "[generate] force_words_ids: expected words of at most 3 tokens, the room for new ones, got words of 4");
  check_refused(
      {.max_new_tokens = 1, .num_beams = 3, .force_words_ids = json::array({{{5, 6}, {7, 8, 9}}})},
      "[generate] force_words_ids: expected words of at most 1 tokens, the room for new ones, got words of 2");
  check_refused(
      {.num_beams = 3, .force_words_ids = words, .suppress_tokens = {8}},
      "[generate] force_words_ids: expected words that suppress_tokens lets be said, got one of 2 tokens from "
      "7 on that it does not");
  check_refused(
      {.num_beams = 3, .force_words_ids = words, .bad_words_ids = {{9}, {5, 6}}},
      "[generate] force_words_ids: expected words that bad_words_ids lets be said, got one of 2 tokens from 5 "
      "on that it does not");
  check_refused({.num_beams = 3, .force_words_ids = words, .eos_token_id = 6},
                "[generate] force_words_ids: expected words that eos_token_id, the end, lets be said, got one of 2 "
                "tokens from 5 on that it does not");
  check_refused({.num_beams = 3, .force_words_ids = {{5, 6}, {7, 99}}},
                "[generate] force_words_ids: expected token ids below 99, got 99");
  check_refused({.num_beams = 3, .force_words_ids = {{5, 6}, {7, -1}}},
                "[PhrasalConstraint] token id: expected at least 0, got -1");
  check_refused({.num_beams = 3, .force_words_ids = json::array({{{5, 6}, {5, 6, 7}}})},
                "[DisjunctiveConstraint] nested_token_ids: expected sequences that no other begins with, got one of 2 "
                "tokens from 5 on that does");
  const std::string list = "a list of lists of token ids, or of lists of such, got ";
  check_refused({.num_beams = 3, .force_words_ids = 5}, ("[generate] force_words_ids: expected " + list + "5").c_str());
  check_refused({.num_beams = 3, .force_words_ids = json::array({5})},
                ("[generate] force_words_ids: expected " + list + "5").c_str());
  check_refused({.num_beams = 3, .force_words_ids = json::array({json::array({"a"})})},
                ("[generate] force_words_ids: expected " + list + "the string 'a'").c_str());
  struct : BaseStreamer {
    void put(std::span<const i64>) override {}
    void end() override {}
  } streamer;
  check_refused({.num_beams = 3, .force_words_ids = words},
                "[generate] streamer: expected not to be set beside num_beams: beams have no text before they end, got "
                "num_beams = 3",
                {.streamer = &streamer});
}

BOOST_AUTO_TEST_CASE(what_the_prompt_says_counts) {
  // 11 40 13 stands in it, so that 11 40 is no word any more that beams would have to find room for.
  const GenerationConfig config{.max_new_tokens = 2, .num_beams = 3, .force_words_ids = {{11, 40}, {5, 7}}};
  BOOST_TEST(generate(tiny_llama(), prompt, config).extent(1) > 5);
}

BOOST_AUTO_TEST_CASE(constraints_of_the_caller_are_met_beside_words) {
  const GenerateOptions options{.constraints = {std::make_shared<PhrasalConstraint>(std::vector<i64>{21, 22})}};
  const GenerationConfig both{.max_new_tokens = 8, .num_beams = 4, .force_words_ids = {{30}, {31, 32}}};
  const GenerationConfig words{.max_new_tokens = 8, .num_beams = 4, .force_words_ids = {{21, 22}, {30}, {31, 32}}};
  check_ids(generate(tiny_llama(), prompt, both, options), generate(tiny_llama(), prompt, words));
  const GenerationConfig none{.max_new_tokens = 8, .num_beams = 4},
      one{.max_new_tokens = 8, .num_beams = 4, .force_words_ids = {{21, 22}, {21, 22}}};
  const GenerateOptions twice{.constraints = {options.constraints[0], options.constraints[0]}};
  check_ids(generate(tiny_llama(), prompt, none, twice), generate(tiny_llama(), prompt, one));
}

BOOST_AUTO_TEST_CASE(beams_that_end_without_their_words_are_logged) {
  const GenerationConfig config{.max_new_tokens = 4,
                                .num_beams = 2,
                                .num_return_sequences = 2,
                                .force_words_ids = {{21, 22}, {30, 31}},
                                .eos_token_id = TokenIds{}};
  const ::test::log_of log;
  generate(tiny_llama(), prompt, config);
  BOOST_TEST(log.has("of 2 beams end without all of the words that they must say"));
}

BOOST_AUTO_TEST_CASE(a_search_that_is_stopped_returns_what_there_is) {
  for (const bool groups : {true, false}) {
    GenerationConfig config{.max_new_tokens = 8, .num_beams = 4, .num_return_sequences = 2, .eos_token_id = TokenIds{}};
    if (groups)
      config.num_beam_groups = 2, config.diversity_penalty = 0.5;
    else
      config.force_words_ids = {{21, 22}, {30, 31}};
    for (const isize after : {0, 1, 3}) {
      std::stop_source stop;
      if (after == 0) stop.request_stop();
      const auto ids =
          generate(tiny_llama(), prompt, config, {.stop = stop.get_token(), .progress = [&](isize n, isize) {
                                                    if (n == after) stop.request_stop();
                                                  }});
      BOOST_TEST((ids.shape() == Shape<2>{2, 5 + after}));
    }
  }
}

// A long prompt in pieces, one of which is padding alone for a row.
BOOST_AUTO_TEST_CASE(low_memory_changes_nothing) {
  auto ids = Tensor<i64, 2>::zeros({2, 300}), mask = Tensor<i64, 2>::zeros({2, 300});
  for (isize i = 0; i < 600; ++i)
    if (i >= 140) ids.data()[i] = 3 + i * 31 % 90, mask.data()[i] = 1;
  const auto check = [&](const auto& model) {
    for (const isize beams : {1, 3}) {
      GenerationConfig config{.max_new_tokens = 6, .num_beams = beams, .eos_token_id = TokenIds{}};
      const auto whole = generate_detailed(model, ids, config, {.attention_mask = mask});
      config.low_memory = true;
      config.output_logits = true;
      const auto pieces = generate_detailed(model, ids, config, {.attention_mask = mask});
      check_ids(pieces.sequences, whole.sequences);
      config.low_memory = false;
      const auto logits = generate_detailed(model, ids, config, {.attention_mask = mask}).logits;
      for (isize i = 0; i < logits[0].size(); ++i)
        BOOST_REQUIRE(std::abs(pieces.logits[0].data()[i] - logits[0].data()[i]) < 1e-4f);
    }
  };
  check(tiny_llama());
  check(tiny<MistralForCausalLM<f32>>("mistral/window"));
}

BOOST_AUTO_TEST_SUITE_END()
