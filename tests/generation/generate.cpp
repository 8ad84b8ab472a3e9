// generate and generate_detailed against Transformers, and what they promise beside the ids.
#include <boost/test/unit_test.hpp>
#include <thread>

#include <hft/generation/confidence_criteria.hpp>
#include <hft/generation/generate.hpp>
#include <hft/generation/logits_process/synthid.hpp>
#include <hft/generation/logits_process/watermark.hpp>
#include <hft/generation/transition_scores.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/mamba.hpp>
#include <hft/models/qwen2.hpp>

#include "../golden_list.hpp"
#include "../log_of.hpp"
#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(generation)

namespace {

// The vocabulary of the tiny models, as text: letters where stop strings want some.
std::string letters(std::span<const i64> ids) {
  std::string text;
  for (const i64 id : ids) text += char('a' + id % 26);
  return text;
}

using rows_t = std::vector<std::vector<i64>>;

rows_t rows(const Tensor<i64, 2>& t) {
  const auto dense = t.dense();
  rows_t out;
  for (isize b = 0; b < t.extent(0); ++b)
    out.emplace_back(dense.data() + b * t.extent(1), dense.data() + (b + 1) * t.extent(1));
  return out;
}

void check_ids(const Tensor<i64, 2>& ids, const Tensor<i64, 2>& expected) {
  const auto a = rows(ids), b = rows(expected);
  BOOST_TEST_REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST(a[i] == b[i], boost::test_tools::per_element());
}

const LlamaForCausalLM<f32>& tiny_llama() {
  static const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  return model;
}
const GPT2LMHeadModel<f32>& tiny_gpt2() {
  static const auto model = GPT2LMHeadModel<f32>::from_pretrained(data("models/gpt2/base").string());
  return model;
}

const auto prompt = Tensor<i64, 2>::from({5, 7, 11, 40, 13}, {1, 5});

// Three prompts of 5, 8 and 3 tokens, padded with 0 on one side.
struct padded {
  Tensor<i64, 2> input_ids, attention_mask;
  std::vector<Tensor<i64, 2>> alone;
  explicit padded(bool left) {
    const rows_t prompts{{5, 7, 11, 40, 13}, {9, 8, 7, 6, 5, 4, 3, 31}, {60, 61, 62}};
    input_ids = Tensor<i64, 2>::zeros({3, 8});
    attention_mask = Tensor<i64, 2>::zeros({3, 8});
    for (isize b = 0; b < 3; ++b) {
      const auto& p = prompts[std::size_t(b)];
      const isize n = isize(p.size()), at = b * 8 + (left ? 8 - n : 0);
      std::copy(p.begin(), p.end(), input_ids.data() + at);
      std::fill_n(attention_mask.data() + at, n, 1);
      alone.push_back(Tensor<i64, 2>::from(p, {1, n}));
    }
  }
};

// The new tokens of a row.
std::vector<i64> said(const Tensor<i64, 2>& sequences, isize row, isize prompt_length) {
  const auto r = rows(sequences)[std::size_t(row)];
  return {r.begin() + prompt_length, r.end()};
}

}  // namespace

template <class Model>
void check_greedy(const std::string& arch, const std::string& architecture) {
  int checked = 0;
  for (const auto& folder : cases(arch, architecture)) BOOST_TEST_CONTEXT(folder.filename().string()) {
      const auto model = Model::from_pretrained(folder.string());
      const golden g(folder / "golden.safetensors");
      for (const auto& pass : g.passes("sequences")) BOOST_TEST_CONTEXT(pass) {
          const auto input_ids = g.ids(pass + ".input_ids"), expected = g.ids(pass + ".sequences");
          const auto ids = generate(model, input_ids,
                                    {.max_new_tokens = expected.extent(1) - input_ids.extent(1),
                                     .do_sample = false,
                                     .pad_token_id = 0,
                                     .eos_token_id = 2},
                                    {.attention_mask = g.ids(pass + ".attention_mask")});
          check_ids(ids, expected);
          ++checked;
        }
    }
  BOOST_TEST(checked > 0);
}

BOOST_AUTO_TEST_CASE(greedy_gives_transformers_ids) {
  check_greedy<LlamaForCausalLM<f32>>("llama", "LlamaForCausalLM");
  check_greedy<GPT2LMHeadModel<f32>>("gpt2", "GPT2LMHeadModel");
  check_greedy<Qwen2ForCausalLM<f32>>("qwen2", "Qwen2ForCausalLM");
  check_greedy<MambaForCausalLM<f32>>("mamba", "MambaForCausalLM");
}

// What is returned beside the sequences, where it is asked for.
void check_kept(GenerationConfig config, const Tensor<i64, 2>& input_ids, const GenerateOptions& options,
                const std::string& name, const golden& g) {
  config.output_scores = config.output_logits = true;
  const auto out = name.starts_with("llama") ? generate_detailed(tiny_llama(), input_ids, config, options)
                                             : generate_detailed(tiny_gpt2(), input_ids, config, options);
  check_ids(out.sequences, g.ids(name + ".sequences"));
  BOOST_REQUIRE(!out.scores.empty());
  BOOST_TEST(out.scores.size() == out.logits.size());
  if (g.has(name + ".last_scores")) {
    check_close(out.scores.back(), g.at(name + ".last_scores"));
    check_close(out.logits.back(), g.at(name + ".last_logits"));
  }
  check_close(compute_transition_scores(out), g.at(name + ".transition_scores"));
  check_close(compute_transition_scores(out, true), g.at(name + ".transition_scores_normalized"));
  if (config.num_beams.value_or(1) > 1) check_ids(out.beam_indices, g.ids(name + ".beam_indices"));
}

BOOST_AUTO_TEST_CASE(strategies_give_transformers_ids) {
  const golden g(data("generation/generate.safetensors"));
  for (const auto& entry : hft::test::filled(read_json(data("generation/generate.json")))) {
    const auto name = entry["name"].get<std::string>();
    BOOST_TEST_CONTEXT(name) {
      GenerationConfig config{.do_sample = false, .pad_token_id = 0};
      config.update(entry["config"], name);
      const GenerateOptions options{.attention_mask = g.ids(name + ".attention_mask")};
      const auto input_ids = g.ids(name + ".input_ids");
      const auto out = name.starts_with("llama") ? generate_detailed(tiny_llama(), input_ids, config, options)
                                                 : generate_detailed(tiny_gpt2(), input_ids, config, options);
      check_ids(out.sequences, g.ids(name + ".sequences"));
      BOOST_TEST((out.sequences_scores.size() > 0) == (config.num_beams.value_or(1) > 1));
      if (config.num_beams.value_or(1) > 1) check_close(out.sequences_scores, g.at(name + ".sequences_scores"));
      check_kept(config, input_ids, options, name, g);
    }
  }
}

BOOST_AUTO_TEST_CASE(transition_scores_need_scores_that_fit) {
  const auto ids = Tensor<i64, 2>::from({1, 2, 3, 4}, {2, 2});
  BOOST_CHECK_EXCEPTION(compute_transition_scores(GenerateOutput{}), value_error, [](const auto& e) {
    return e.what() ==
           std::string("[compute_transition_scores] scores: expected those of output_scores = true, got none");
  });
  const std::vector<Tensor<f32, 2>> one{Tensor<f32, 2>::zeros({2, 4})};
  BOOST_CHECK_THROW(compute_transition_scores(ids, one), value_error);                       // token 4 of 4
  BOOST_CHECK_THROW(compute_transition_scores(ids, {one[0], one[0], one[0]}), shape_error);  // longer than ids
  BOOST_CHECK_THROW(compute_transition_scores(ids, one, Tensor<i64, 2>::zeros({3, 1})), shape_error);  // of other rows
  BOOST_CHECK_THROW(compute_transition_scores(ids, one, Tensor<i64, 2>::filled({2, 1}, 2)), value_error);
}

// A batch says what each of its rows says alone, whatever the side of its padding.
template <class Model>
void check_batches(const Model& model) {
  for (const bool left : {true, false}) {
    const padded batch(left);
    for (const bool use_cache : {true, false}) {
      const GenerationConfig config{
          .max_new_tokens = 9, .use_cache = use_cache, .repetition_penalty = 1.2, .eos_token_id = TokenIds{}};
      const auto ids = generate(model, batch.input_ids, config, {.attention_mask = batch.attention_mask});
      const auto inferred = generate(model, batch.input_ids, config);  // from pad_token_id, which is 0
      for (isize b = 0; b < 3; ++b) {
        const auto& alone = batch.alone[std::size_t(b)];
        const auto expected = said(generate(model, alone, config), 0, alone.extent(1));
        BOOST_TEST(said(ids, b, 8) == expected, boost::test_tools::per_element());
        BOOST_TEST(said(inferred, b, 8) == expected, boost::test_tools::per_element());
        const auto prompt_of = rows(ids)[std::size_t(b)];
        BOOST_TEST(std::equal(prompt_of.begin(), prompt_of.begin() + 8, batch.input_ids.data() + b * 8));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_batch_says_what_its_rows_say_alone) {
  check_batches(tiny_llama());
  check_batches(tiny_gpt2());
}

BOOST_AUTO_TEST_CASE(samples_depend_on_seed_row_and_place_alone) {
  const auto batch = padded(true);
  const GenerationConfig config{.max_new_tokens = 10, .do_sample = true, .eos_token_id = TokenIds{}, .seed = 7};
  const auto with_seed = [&](std::uint64_t seed) {
    auto c = config;
    c.seed = seed;
    return rows(generate(tiny_llama(), batch.input_ids, c));
  };
  BOOST_TEST((with_seed(7) == with_seed(7)));
  BOOST_TEST((with_seed(7) != with_seed(8)));
  // The first row of a batch draws what it draws alone.
  const auto alone = generate(tiny_llama(), batch.alone[0], config);
  BOOST_TEST(said(generate(tiny_llama(), batch.input_ids, config), 0, 8) == said(alone, 0, 5),
             boost::test_tools::per_element());
  // With no cache as with one.
  auto no_cache = config;
  no_cache.use_cache = false;
  BOOST_TEST((rows(generate(tiny_llama(), batch.input_ids, no_cache)) == with_seed(7)));
  // A temperature near 0 is greedy search.
  auto cold = config;
  cold.temperature = 1e-4;
  auto greedy = config;
  greedy.do_sample = false;
  check_ids(generate(tiny_llama(), batch.input_ids, cold), generate(tiny_llama(), batch.input_ids, greedy));
}

BOOST_AUTO_TEST_CASE(several_samples_of_a_prompt_differ) {
  const GenerationConfig config{.max_new_tokens = 8, .do_sample = true, .num_return_sequences = 3, .seed = 3};
  const auto batch = padded(true);
  const auto ids = generate(tiny_llama(), batch.input_ids, config);
  BOOST_TEST((ids.shape() == Shape<2>{9, ids.extent(1)}));
  const auto r = rows(ids);
  for (std::size_t i = 0; i < 9; ++i)
    BOOST_TEST(std::equal(r[i].begin(), r[i].begin() + 8, batch.input_ids.data() + i / 3 * 8));
  BOOST_TEST((r[0] != r[1] && r[1] != r[2]));
  // As if the prompt had been given three times.
  auto once = config;
  once.num_return_sequences = 1;
  Tensor<i64, 2> repeated({9, 8});
  for (isize i = 0; i < 9; ++i) std::copy_n(batch.input_ids.data() + i / 3 * 8, 8, repeated.data() + i * 8);
  check_ids(ids, generate(tiny_llama(), repeated, once));
}

BOOST_AUTO_TEST_CASE(beams_may_sample) {
  const GenerationConfig config{.max_new_tokens = 8, .do_sample = true, .num_beams = 3, .seed = 5};
  const auto a = generate_detailed(tiny_llama(), prompt, config), b = generate_detailed(tiny_llama(), prompt, config);
  check_ids(a.sequences, b.sequences);
  auto other = config;
  other.seed = 6;
  BOOST_TEST((rows(generate(tiny_llama(), prompt, other)) != rows(a.sequences)));
}

BOOST_AUTO_TEST_CASE(threads_change_nothing) {
  const auto batch = padded(true);
  const int before = num_threads();
  const GenerationConfig greedy{.max_new_tokens = 12}, drawn{.max_new_tokens = 12, .do_sample = true, .seed = 2};
  for (const auto& config : {greedy, drawn}) {
    set_num_threads(1);
    const auto one = generate(tiny_llama(), batch.input_ids, config);
    set_num_threads(2);
    check_ids(generate(tiny_llama(), batch.input_ids, config), one);
  }
  set_num_threads(before);
}

BOOST_AUTO_TEST_CASE(one_model_serves_several_threads) {
  const auto batch = padded(true);
  const GenerationConfig config{.max_new_tokens = 12, .eos_token_id = TokenIds{}};
  std::vector<rows_t> alone(3), together(12);
  for (std::size_t b = 0; b < 3; ++b) alone[b] = rows(generate(tiny_llama(), batch.alone[b], config));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t b = 0; b < 3; ++b)
        together[t * 3 + b] = rows(generate(tiny_llama(), batch.alone[(b + t) % 3], config));
    });
  for (auto& t : threads) t.join();
  for (std::size_t i = 0; i < 12; ++i) BOOST_TEST((together[i] == alone[(i % 3 + i / 3) % 3]));
}

BOOST_AUTO_TEST_CASE(caches_of_the_users_are_used) {
  const GenerationConfig config{.max_new_tokens = 12, .eos_token_id = TokenIds{}};
  const auto expected = generate(tiny_llama(), prompt, config);
  DynamicCache<> dynamic;
  check_ids(generate(tiny_llama(), prompt, config, {.past_key_values = &dynamic}), expected);
  BOOST_TEST(dynamic.get_seq_length() == 16);
  StaticCache<> fixed_room(16);
  check_ids(generate(tiny_llama(), prompt, config, {.past_key_values = &fixed_room}), expected);
  SlidingWindowCache<> window(32);
  check_ids(generate(tiny_llama(), prompt, config, {.past_key_values = &window}), expected);

  // A text goes on where its cache ends.
  const auto more = generate(tiny_llama(), expected, {.max_new_tokens = 5}, {.past_key_values = &dynamic});
  check_ids(more, generate(tiny_llama(), expected, {.max_new_tokens = 5}));
  BOOST_CHECK_THROW(generate(tiny_llama(), prompt, config, {.past_key_values = &dynamic}), value_error);

  StaticCache<> small(15);
  BOOST_CHECK_THROW(generate(tiny_llama(), prompt, config, {.past_key_values = &small}), value_error);
  BOOST_TEST(small.get_seq_length() == 0);
  DynamicCache<bf16> other_type;
  BOOST_CHECK_THROW(generate(tiny_llama(), prompt, config, {.past_key_values = &other_type}), value_error);
}

BOOST_AUTO_TEST_CASE(beams_reorder_every_cache) {
  const GenerationConfig config{.max_new_tokens = 9, .num_beams = 3, .num_return_sequences = 2};
  const auto batch = padded(true);
  const auto expected = generate_detailed(tiny_llama(), batch.input_ids, config);
  StaticCache<> fixed_room(16);
  SlidingWindowCache<> window(32);
  for (CacheBase* cache : {static_cast<CacheBase*>(&fixed_room), static_cast<CacheBase*>(&window)})
    check_ids(generate(tiny_llama(), batch.input_ids, config, {.past_key_values = cache}), expected.sequences);
  auto no_cache = config;
  no_cache.use_cache = false;
  check_ids(generate(tiny_llama(), batch.input_ids, no_cache), expected.sequences);
}

BOOST_AUTO_TEST_CASE(stop_strings_stop) {
  const GenerationConfig plain{.max_new_tokens = 16, .eos_token_id = TokenIds{}};
  const auto all = rows(generate(tiny_llama(), prompt, plain))[0];
  auto config = plain;
  config.stop_strings = {letters(std::span(all).subspan(8, 2))};
  const auto ids = rows(generate(tiny_llama(), prompt, config, {.decode = letters}))[0];
  BOOST_TEST(ids.size() <= 10u);
  BOOST_TEST(letters(ids).ends_with(config.stop_strings[0]));
  BOOST_CHECK_THROW(generate(tiny_llama(), prompt, config), value_error);
}

BOOST_AUTO_TEST_CASE(settings_without_effect_are_said_once_a_call) {
  ::test::log_of log;
  generate(tiny_llama(), prompt, {.max_new_tokens = 3, .temperature = 0.7, .top_k = 50, .top_p = 0.9, .min_p = 0.1});
  BOOST_TEST_REQUIRE(log.messages.size() == 1u);
  BOOST_TEST(log.messages[0] ==
             "[generate] without do_sample = true, these settings are ignored: temperature = 0.7, top_p = 0.9, "
             "min_p = 0.1");
  generate(tiny_llama(), prompt, {.max_new_tokens = 3, .num_beams = 1, .early_stopping = true, .length_penalty = 2.0});
  BOOST_TEST_REQUIRE(log.messages.size() == 2u);
  BOOST_TEST(log.messages[1] ==
             "[generate] without num_beams above 1, these settings are ignored: length_penalty = 2, early_stopping");
  // Those that count, and those that are a checkpoint's, are nothing to speak of.
  generate(tiny_llama(), prompt, {.max_new_tokens = 3, .do_sample = true, .temperature = 0.7, .top_p = 0.9});
  generate(tiny_llama(), prompt, {.max_new_tokens = 3, .num_beams = 2, .early_stopping = true, .length_penalty = 2.0});
  auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  model.generation_config.temperature = 0.6;
  generate(model, prompt, {.max_new_tokens = 3, .do_sample = false});
  BOOST_TEST(log.messages.size() == 2u);
}

struct recording : BaseStreamer {
  std::vector<std::vector<i64>> pieces;
  int ends = 0;
  void put(std::span<const i64> tokens) override { pieces.emplace_back(tokens.begin(), tokens.end()); }
  void end() override { ++ends; }
};

BOOST_AUTO_TEST_CASE(a_streamer_gets_the_prompt_and_each_token) {
  recording streamer;
  std::vector<isize> progress;
  const auto ids = rows(generate(
      tiny_llama(), prompt, {.max_new_tokens = 6, .eos_token_id = TokenIds{}},
      {.streamer = &streamer, .progress = [&](isize n, isize most) { progress.push_back(10 * n + most); }}))[0];
  std::vector<i64> joined;
  for (const auto& piece : streamer.pieces) joined.insert(joined.end(), piece.begin(), piece.end());
  BOOST_TEST(joined == ids, boost::test_tools::per_element());
  BOOST_TEST(streamer.pieces.size() == 7u);
  BOOST_TEST(streamer.ends == 1);
  BOOST_TEST(progress == (std::vector<isize>{16, 26, 36, 46, 56, 66}), boost::test_tools::per_element());
  BOOST_CHECK_THROW(generate(tiny_llama(), padded(true).input_ids, {}, {.streamer = &streamer}), value_error);
  BOOST_CHECK_THROW(generate(tiny_llama(), prompt, {.num_beams = 2}, {.streamer = &streamer}), value_error);
}

BOOST_AUTO_TEST_CASE(a_stop_request_returns_what_there_is) {
  for (const isize beams : {1, 2})
    for (const isize after : {0, 3}) {
      std::stop_source source;
      if (after == 0) source.request_stop();
      const auto ids =
          generate(tiny_llama(), prompt, {.max_new_tokens = 12, .num_beams = beams, .eos_token_id = TokenIds{}},
                   {.stop = source.get_token(), .progress = [&](isize n, isize) {
                      if (n == after) source.request_stop();
                    }});
      BOOST_TEST(ids.extent(1) == 5 + after);
    }
}

// Bans a token, and ends after another.
struct ban final : RowLogitsProcessor {
  i64 id;
  explicit ban(i64 i) : id(i) {}
  void process(std::span<const i64>, std::span<f32> scores, isize) override { scores[std::size_t(id)] = filter_value; }
};
struct end_after final : StoppingCriteria {
  i64 id;
  explicit end_after(i64 i) : id(i) {}
  bool operator()(std::span<const i64> ids) override { return ids.back() == id; }
};

BOOST_AUTO_TEST_CASE(processors_and_criteria_of_the_users_are_asked) {
  const GenerationConfig config{.max_new_tokens = 8, .eos_token_id = TokenIds{}};
  const auto plain = rows(generate(tiny_llama(), prompt, config))[0];
  const auto banned =
      rows(generate(tiny_llama(), prompt, config, {.logits_processor = {std::make_shared<ban>(plain[5])}}))[0];
  BOOST_TEST(std::count(banned.begin() + 5, banned.end(), plain[5]) == 0);
  const auto ended =
      rows(generate(tiny_llama(), prompt, config, {.stopping_criteria = {std::make_shared<end_after>(plain[6])}}))[0];
  BOOST_TEST(ended.size() <= 7u);
  const auto allowed =
      rows(generate(tiny_llama(), prompt, config,
                    {.prefix_allowed_tokens_fn = [](isize, auto ids) { return std::vector<i64>{ids.back() + 1}; }}))[0];
  BOOST_TEST(allowed == (std::vector<i64>{5, 7, 11, 40, 13, 14, 15, 16, 17, 18, 19, 20, 21}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lengths_that_contradict_each_other_are_both_named) {
  const auto says = [](GenerationConfig config, std::string_view text) {
    config.eos_token_id = TokenIds{};
    ::test::log_of log;
    BOOST_TEST(generate(tiny_llama(), prompt, config).extent(1) == 9);
    return text.empty() ? log.messages.empty() : log.has(text);
  };
  BOOST_TEST(says({.max_new_tokens = 4, .min_new_tokens = 5},
                  "min_new_tokens = 5 is more than max_new_tokens = 4 of a prompt of 5 allows"));
  BOOST_TEST(says({.max_length = 9, .min_length = 12}, "min_length = 12 is more than max_length = 9"));
  BOOST_TEST(says({.max_new_tokens = 4, .min_new_tokens = 4}, ""));
}

// generation_processors.py
BOOST_AUTO_TEST_CASE(texts_with_a_watermark_are_transformers) {
  for (const auto& entry : filled(read_json(data("generation/watermarked.json")))) {
    GenerationConfig config;
    config.update(entry["config"], "golden");
    const auto ids = [&](const char* name) {
      return ids_tensor(json_as<std::vector<std::vector<i64>>>(entry[name], "golden", name));
    };
    const auto out = generate(tiny_llama(), ids("input_ids"), config, {.attention_mask = ids("attention_mask")});
    BOOST_TEST((rows(out) == rows(ids("sequences"))), entry["name"].get<std::string>());
  }
}

BOOST_AUTO_TEST_CASE(functions_are_processors_and_criteria) {
  const GenerationConfig config{.max_new_tokens = 8, .eos_token_id = TokenIds{}};
  const auto plain = rows(generate(tiny_llama(), prompt, config))[0];
  const auto banned =
      rows(generate(tiny_llama(), prompt, config, {.logits_processor = {std::make_shared<ban>(plain[5])}}));
  const i64 id = plain[5];
  const auto by_function = [id](matrix<const i64> ids, matrix<f32> scores) {
    for (isize row = 0; row < ids.rows; ++row) scores.row(row)[id] = filter_value;
  };
  BOOST_TEST((rows(generate(tiny_llama(), prompt, config, {.logits_processor = {by_function}})) == banned));
  const auto ended =
      rows(generate(tiny_llama(), prompt, config,
                    {.stopping_criteria = {[&](std::span<const i64> ids) { return ids.back() == plain[6]; }}}))[0];
  const auto end = std::find(plain.begin() + 5, plain.end(), plain[6]) + 1;
  BOOST_TEST(ended == std::vector<i64>(plain.begin(), end), boost::test_tools::per_element());
}

// Those of the row that the token was chosen from, after all processors.
BOOST_AUTO_TEST_CASE(criteria_see_the_scores) {
  for (const isize beams : {1, 3}) {
    int asked = 0;
    generate(tiny_llama(), prompt, {.max_new_tokens = 4, .num_beams = beams, .eos_token_id = TokenIds{}},
             {.logits_processor = {[](matrix<const i64>, matrix<f32> scores) {
                for (isize row = 0; row < scores.rows; ++row) scores.row(row)[3] = 100 + f32(row);
              }},
              .stopping_criteria = {[&](std::span<const i64> ids, std::span<const f32> scores) {
                ++asked;
                BOOST_TEST(argmax(scores) == 3);
                if (beams == 1) BOOST_TEST(ids.back() == 3);
                return false;
              }}});
    BOOST_TEST(asked >= 3);
  }
  // A token of a probability of 1 is in no doubt, one of the model's own is.
  const GenerationConfig config{.max_new_tokens = 4, .eos_token_id = TokenIds{}};
  const GenerateOptions doubt{.stopping_criteria = {std::make_shared<ConfidenceCriteria>(0.999)}};
  BOOST_TEST(generate(tiny_llama(), prompt, config, doubt).extent(1) == 6);
  GenerateOptions sure = doubt;
  sure.logits_processor = {[](matrix<const i64>, matrix<f32> scores) { scores.row(0)[3] = 100; }};
  BOOST_TEST(generate(tiny_llama(), prompt, config, sure).extent(1) == 9);
}

BOOST_AUTO_TEST_CASE(lengths_come_from_the_call_the_model_and_the_defaults) {
  BOOST_TEST(generate(tiny_llama(), prompt, {.eos_token_id = TokenIds{}}).extent(1) == 25);  // 20 new ones
  BOOST_TEST(generate(tiny_llama(), prompt, {.max_length = 9, .eos_token_id = TokenIds{}}).extent(1) == 9);
  BOOST_TEST(generate(tiny_llama(), prompt, {.max_length = 9, .max_new_tokens = 2}).extent(1) == 7);
  auto model = tiny_llama();
  model.generation_config.max_new_tokens = 3;
  BOOST_TEST(generate(model, prompt).extent(1) == 8);
  BOOST_TEST(generate(model, prompt, {.max_new_tokens = 2}).extent(1) == 7);
}

// Transformers takes a pad id of 0 for none in beam search, and for 0 elsewhere.
BOOST_AUTO_TEST_CASE(short_beams_end_with_the_first_end_id_where_the_pad_id_is_0) {
  const auto batch = padded(true);
  const auto plain = generate(tiny_llama(), batch.input_ids, {.max_new_tokens = 8, .eos_token_id = TokenIds{}});
  const i64 end = said(plain, 0, 8)[1];
  for (const auto& [beams, pad, filled] : {std::tuple{2, 0, end}, {2, 3, i64(3)}, {1, 0, i64(0)}, {1, 3, i64(3)}}) {
    const auto ids = generate(tiny_llama(), batch.input_ids,
                              {.max_new_tokens = 8,
                               .num_beams = beams,
                               .early_stopping = true,
                               .length_penalty = 0,
                               .pad_token_id = pad,
                               .eos_token_id = end},
                              {.attention_mask = batch.attention_mask});
    int short_rows = 0;
    for (isize b = 0; b < 3; ++b) {
      const auto row = said(ids, b, 8);
      const auto at = std::find(row.begin(), row.end(), end);
      if (at == row.end() || at + 1 == row.end()) continue;
      ++short_rows;
      BOOST_TEST(std::all_of(at + 1, row.end(), [&, f = filled](i64 id) { return id == f; }));
    }
    BOOST_TEST(short_rows > 0);
  }
}

BOOST_AUTO_TEST_CASE(an_empty_prompt_begins_with_bos) {
  const auto begun = rows(generate(tiny_llama(), Tensor<i64, 2>{}, {.max_new_tokens = 3}))[0];
  BOOST_TEST(begun == rows(generate(tiny_llama(), Tensor<i64, 2>::from({1}, {1, 1}), {.max_new_tokens = 3}))[0],
             boost::test_tools::per_element());
  auto model = tiny_llama();
  model.generation_config.bos_token_id.reset();
  BOOST_CHECK_THROW(generate(model, Tensor<i64, 2>{}), value_error);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_the_positions_is_refused_at_once) {
  const isize most = tiny_gpt2().config().n_positions;
  const auto refused = [&](isize prompt_length, const GenerationConfig& config) {
    recording streamer;
    BOOST_CHECK_THROW(
        generate(tiny_gpt2(), Tensor<i64, 2>::filled({1, prompt_length}, 5), config, {.streamer = &streamer}),
        value_error);
    BOOST_TEST(streamer.pieces.empty());
  };
  refused(most + 1, {});
  refused(most + 1, {.max_new_tokens = 1});
  refused(most, {.max_new_tokens = 2});
  refused(5, {.max_length = most + 2});
  refused(5, {.max_length = 5});
  refused(5, {.max_new_tokens = std::numeric_limits<isize>::max()});
  const GenerationConfig fits{.max_new_tokens = 2, .eos_token_id = TokenIds{}};
  BOOST_TEST(generate(tiny_gpt2(), Tensor<i64, 2>::filled({1, most - 1}, 5), fits).extent(1) == most + 1);
  // The default length ends with the positions.
  BOOST_TEST(generate(tiny_gpt2(), Tensor<i64, 2>::filled({1, most - 3}, 5), {.eos_token_id = TokenIds{}}).extent(1) ==
             most);
}

BOOST_AUTO_TEST_CASE(bad_arguments_are_refused) {
  const auto refused = [&](const GenerationConfig& config, const GenerateOptions& options = {}) {
    BOOST_CHECK_THROW(generate(tiny_llama(), prompt, config, options), error);
  };
  refused({.max_new_tokens = 0});
  refused({.max_new_tokens = -1});
  refused({.do_sample = true, .temperature = 0});
  refused({.do_sample = true, .temperature = NAN});
  refused({.do_sample = true, .top_p = -0.5});  // above 1 it is off, as in Transformers
  refused({.do_sample = true, .top_k = -1});
  refused({.repetition_penalty = 0});
  refused({.num_beams = 0});
  refused({.num_return_sequences = 2});
  refused({.num_beams = 2, .num_return_sequences = 3});
  refused({.num_beams = 2, .num_return_sequences = 0});
  refused({.num_beams = isize(1) << 40});
  refused({.bad_words_ids = {{}}});
  refused({.forced_eos_token_id = -1});
  refused({.bad_words_ids = {{99999}}});
  refused({}, {.attention_mask = Tensor<i64, 2>::filled({1, 4}, 1)});
  refused({}, {.attention_mask = Tensor<i64, 2>::zeros({1, 5})});
  DynamicCache<> cache;
  refused({.use_cache = false}, {.past_key_values = &cache});
  BOOST_CHECK_THROW(generate(tiny_llama(), Tensor<i64, 2>::from({1, 99}, {1, 2})), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
