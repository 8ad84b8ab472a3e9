// Assisted generation: drafts change how soon a text comes, and nothing of it.
#include <boost/test/unit_test.hpp>

#include <hft/generation/assisted_generation.hpp>
#include <hft/generation/generate.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/mamba.hpp>
#include <hft/models/mistral.hpp>
#include <hft/models/t5.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(assisted)

namespace {

template <class Model>
Model loaded(const char* folder) {
  return Model::from_pretrained(data(folder).string());
}
const auto& llama() {
  static const auto model = loaded<LlamaForCausalLM<f32>>("models/llama/base");
  return model;
}

// A model that agrees with another most of the time: its weights and a little of something else.
LlamaForCausalLM<f32> almost(f32 share) {
  auto model = loaded<LlamaForCausalLM<f32>>("models/llama/base");
  auto& head = model.lm_head.weight;
  f32* w = head.data();
  for (isize i = 0; i < head.size(); ++i) w[i] += share * f32(random_stream(3).normal(std::uint64_t(i)));
  return model;
}

std::vector<i64> ids_of(const Tensor<i64, 2>& t) { return {t.data(), t.data() + t.size()}; }

// Counts the passes of a draft's offers by the tokens that come at once.
const auto prompt = Tensor<i64, 2>::from({5, 7, 11, 40, 13, 5, 7}, {1, 7});

// Greedy texts are the same with a draft of each kind; returns how many comparisons were made.
template <class Model>
int check_greedy(const Model& model, const Model& draft, const Tensor<i64, 2>& ids) {
  const i64 end = generate(model, ids, {.max_new_tokens = 12}).data()[ids.size() + 7];
  const GenerationConfig settings[] = {{.max_new_tokens = 25, .eos_token_id = TokenIds()},
                                       {.max_new_tokens = 25, .repetition_penalty = 1.3, .eos_token_id = TokenIds()},
                                       {.max_new_tokens = 25, .no_repeat_ngram_size = 2, .eos_token_id = TokenIds()},
                                       {.max_new_tokens = 25, .eos_token_id = TokenIds{end}},
                                       {.max_new_tokens = 25, .min_new_tokens = 16, .eos_token_id = TokenIds{end}},
                                       {.max_new_tokens = 1}};
  int n = 0;
  for (const auto& config : settings) {
    const auto plain = ids_of(generate(model, ids, config));
    for (const isize most : {1, 3, 20}) {
      GenerationConfig drafted = config;
      drafted.num_assistant_tokens = most;
      drafted.num_assistant_tokens_schedule = most == 3 ? "heuristic" : "constant";
      drafted.assistant_confidence_threshold = 0;
      BOOST_TEST(ids_of(generate(model, ids, drafted, {.assistant_model = draft})) == plain,
                 boost::test_tools::per_element());
      BOOST_TEST(ids_of(generate(model, ids, drafted, {.assistant_model = model})) == plain,
                 boost::test_tools::per_element());
      drafted.assistant_early_exit = 1;
      BOOST_TEST(ids_of(generate(model, ids, drafted)) == plain, boost::test_tools::per_element());
      drafted = config;
      drafted.prompt_lookup_num_tokens = most;
      BOOST_TEST(ids_of(generate(model, ids, drafted)) == plain, boost::test_tools::per_element());
      n += 4;
    }
  }
  return n;
}

}  // namespace

BOOST_AUTO_TEST_CASE(greedy_is_what_the_model_says_alone) {
  BOOST_TEST(check_greedy(llama(), almost(0.02f), prompt) == 72);
  const auto gpt2 = loaded<GPT2LMHeadModel<f32>>("models/gpt2/base");
  BOOST_TEST(check_greedy(gpt2, gpt2, prompt) == 72);
}

BOOST_AUTO_TEST_CASE(windows_and_encoders) {
  const auto mistral = loaded<MistralForCausalLM<f32>>("models/mistral/window");
  BOOST_TEST(check_greedy(mistral, mistral, prompt) == 72);
  const auto t5 = loaded<T5ForConditionalGeneration<f32>>("models/t5/base");
  BOOST_TEST(check_greedy(t5, t5, prompt) == 72);
}

namespace {

// How often each pair of tokens follows the prompt in `n` texts, of what settings do with each seed.
template <class Generate>
std::vector<isize> counted(isize vocab, isize n, const Generate& generate_with) {
  std::vector<isize> counts(std::size_t(vocab * vocab), 0);
  for (isize i = 0; i < n; ++i) {
    const auto ids = generate_with(std::uint64_t(i));
    const i64* said = ids.data() + prompt.size();
    ++counts[std::size_t(said[0] * vocab + said[1])];
  }
  return counts;
}

// Pearson's statistic of two samples of one size, over what was seen often enough, in standard deviations.
f64 difference(const std::vector<isize>& a, const std::vector<isize>& b) {
  f64 chi = 0, cells = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const f64 sum = f64(a[i] + b[i]), d = f64(a[i] - b[i]);
    if (sum < 16) continue;
    chi += d * d / sum;
    ++cells;
  }
  BOOST_TEST(cells > 20);
  return (chi - cells) / std::sqrt(2 * cells);
}

}  // namespace

// The tokens are others than those of the model alone with the same seed; their distribution is its.
BOOST_AUTO_TEST_CASE(samples_have_the_distribution_of_the_model_alone) {
  const auto draft = almost(0.05f);
  const isize V = llama().config().vocab_size, n = 4000;
  const GenerationConfig config{.max_new_tokens = 3, .do_sample = true, .top_k = 12, .eos_token_id = TokenIds()};
  const auto with = [&](const GenerateOptions& options, std::uint64_t seed, f64 temperature) {
    auto own = config;
    own.seed = seed;
    own.temperature = temperature;
    own.assistant_confidence_threshold = 0;
    return generate(llama(), prompt, own, options);
  };
  const auto alone = counted(V, n, [&](auto seed) { return with({}, seed, 1); });
  const auto again = counted(V, n, [&](auto seed) { return with({}, seed + 1000000, 1); });
  const auto drafted = counted(V, n, [&](auto seed) { return with({.assistant_model = draft}, seed, 1); });
  const auto warmer = counted(V, n, [&](auto seed) { return with({}, seed, 1.15); });
  BOOST_TEST(difference(alone, again) < 4);
  BOOST_TEST(difference(alone, drafted) < 4);
  BOOST_TEST(difference(alone, warmer) > 4);  // what the test can tell
}

// Looked up drafts have no distribution: the tokens are those that are drawn without them.
BOOST_AUTO_TEST_CASE(looked_up_drafts_change_no_sample) {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    GenerationConfig config{.max_new_tokens = 25, .do_sample = true, .temperature = 0.5, .seed = seed};
    const auto alone = ids_of(generate(llama(), prompt, config));
    config.prompt_lookup_num_tokens = 4;
    BOOST_TEST(ids_of(generate(llama(), prompt, config)) == alone, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(padding_stopping_scores_and_streams) {
  const auto padded = Tensor<i64, 2>::from({0, 0, 5, 7, 11, 40, 13, 5, 7}, {1, 9});
  const auto mask = Tensor<i64, 2>::from({0, 0, 1, 1, 1, 1, 1, 1, 1}, {1, 9});
  GenerationConfig config{
      .max_new_tokens = 20, .eos_token_id = TokenIds(), .output_scores = true, .output_logits = true};
  const GenerateOptions plain{.attention_mask = mask};
  auto drafted = plain;
  const auto draft = almost(0.02f);
  drafted.assistant_model = draft;
  const auto a = generate_detailed(llama(), padded, config, plain),
             b = generate_detailed(llama(), padded, config, drafted);
  BOOST_TEST(ids_of(a.sequences) == ids_of(b.sequences), boost::test_tools::per_element());
  BOOST_TEST_REQUIRE((b.scores.size() == 20 && b.logits.size() == 20));
  for (std::size_t t = 0; t < 20; ++t)
    for (isize v = 0; v < b.scores[t].size(); ++v) {
      BOOST_TEST(std::abs(a.scores[t].data()[v] - b.scores[t].data()[v]) < 1e-3);
      BOOST_TEST(std::abs(a.logits[t].data()[v] - b.logits[t].data()[v]) < 1e-3);
    }

  struct collector final : BaseStreamer {
    std::vector<i64> tokens;
    int ends = 0;
    void put(std::span<const i64> ids) override { tokens.insert(tokens.end(), ids.begin(), ids.end()); }
    void end() override { ++ends; }
  } streamer;
  struct third_of final : StoppingCriteria {
    isize length;
    explicit third_of(isize n) : length(n) {}
    bool operator()(std::span<const i64> ids) override { return isize(ids.size()) == length; }
  };
  drafted.streamer = &streamer;
  drafted.assistant_model = llama();
  drafted.stopping_criteria = {std::make_shared<third_of>(12)};
  const auto stopped = generate(llama(), padded, config, drafted);
  BOOST_TEST(stopped.extent(1) == 12);
  BOOST_TEST(streamer.tokens == ids_of(stopped), boost::test_tools::per_element());
  BOOST_TEST(streamer.ends == 1);
}

namespace {

// Two ways to cut one text: letters, and pairs of them, of which some have no token.
struct letters {
  std::vector<i64> encode(const std::string& text, bool special) const {
    std::vector<i64> ids;
    if (special) ids.push_back(1);
    for (const char c : text) ids.push_back(i64(c));
    return ids;
  }
  std::string decode(std::span<const i64> ids, bool) const {
    std::string text;
    for (const i64 id : ids)
      if (id > 3) text += char(id);
    return text;
  }
};
struct shifted {
  std::vector<i64> encode(const std::string& text, bool special) const {
    std::vector<i64> ids;
    if (special) ids.push_back(1);
    for (const char c : text) ids.push_back((i64(c) + 40) % 93 + 4);
    return ids;
  }
  std::string decode(std::span<const i64> ids, bool) const {
    std::string text;
    for (const i64 id : ids)
      if (id > 3) text += char((id - 4 + 93 - 40 % 93) % 93);
    return text;
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_draft_may_have_another_tokenizer) {
  const auto other = loaded<MistralForCausalLM<f32>>("models/mistral/window");
  for (const bool drawn : {false, true}) {
    const GenerationConfig config{.max_new_tokens = 25,
                                  .do_sample = drawn,
                                  .assistant_confidence_threshold = 0,
                                  .eos_token_id = TokenIds(),
                                  .seed = 4};
    const auto plain = ids_of(generate(llama(), prompt, config));
    const letters own;
    const shifted others;
    BOOST_TEST(ids_of(generate(llama(), prompt, config, {.assistant_model = {other, others, own}})) == plain,
               boost::test_tools::per_element());
    BOOST_TEST(ids_of(generate(llama(), prompt, config, {.assistant_model = {llama(), own, own}})) == plain,
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(settings_that_do_not_fit) {
  const auto fails = [](const GenerationConfig& config, const GenerateOptions& options, const char* text) {
    BOOST_CHECK_EXCEPTION(generate(llama(), prompt, config, options), error, [&](const auto& e) {
      BOOST_TEST(e.what() == std::string(text));
      return true;
    });
  };
  const GenerateOptions drafted{.assistant_model = llama()};
  fails({.num_beams = 2}, drafted, "[generate] assistant_model: expected num_beams = 1, got 2 beams");
  fails({.use_cache = false}, drafted, "[generate] assistant_model: expected use_cache = true, got false");
  fails({.prompt_lookup_num_tokens = 3}, drafted,
        "[generate] assistant_model: expected not to be set beside prompt_lookup_num_tokens, got both");
  fails({.num_assistant_tokens = 0}, drafted, "[generate] num_assistant_tokens: expected at least 1, got 0");
  fails({.num_assistant_tokens_schedule = "x"}, drafted,
        "[generate] num_assistant_tokens_schedule: expected constant, heuristic or heuristic_transient, got 'x'");
  fails({.prompt_lookup_num_tokens = 3, .max_matching_ngram_size = 0}, {},
        "[generate] max_matching_ngram_size: expected at least 1, got 0");
  fails({.do_sample = true, .num_return_sequences = 2}, drafted,
        "[generate] assistant_model: expected one sequence of one prompt, got 1 prompts, 2 of each");
  const auto mamba = loaded<MambaForCausalLM<f32>>("models/mamba/base");
  fails({}, {.assistant_model = mamba},
        "[generate] assistant_model: expected a model whose cache forgets tokens one by one, got one with a recurrent "
        "state");
  const auto other = loaded<MistralForCausalLM<f32>>("models/mistral/window");
  fails({}, {.assistant_model = other}, "[generate] assistant_model: expected the model's vocabulary of 99, got 97");
  const auto t5 = loaded<T5ForConditionalGeneration<f32>>("models/t5/base");
  fails({}, {.assistant_model = t5}, "[generate] assistant_model: expected a decoder, got a model with an encoder");
}

BOOST_AUTO_TEST_SUITE_END()
