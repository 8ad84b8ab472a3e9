// The logits processors against Transformers, alone and in the order of generate.
#include <boost/test/unit_test.hpp>

#include <hft/generation/logits_process.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(logits_process)

namespace {

using scores_t = std::vector<f32>;
constexpr f32 out = filter_value;

// One row through one processor.
template <class P>
scores_t process(P processor, scores_t scores, std::vector<i64> ids = {1}) {
  processor(matrix<const i64>{ids.data(), 1, isize(ids.size()), isize(ids.size())},
            matrix<f32>{scores.data(), 1, isize(scores.size()), isize(scores.size())});
  return scores;
}

void check(const scores_t& a, const scores_t& b) {
  BOOST_TEST_REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    BOOST_TEST((a[i] == b[i] || (std::isfinite(b[i]) && std::abs(a[i] - b[i]) <= 1e-6f * std::abs(b[i]))),
               i << ": " << a[i] << ", " << b[i]);
}

// Scores whose probabilities are these.
scores_t logs(std::initializer_list<f64> probabilities) {
  scores_t s;
  for (const f64 p : probabilities) s.push_back(f32(std::log(p)));
  return s;
}

}  // namespace

BOOST_AUTO_TEST_CASE(processors_give_transformers_scores) {
  const golden g(data("generation/processors.safetensors"));
  for (const auto& entry : hft::test::filled(read_json(data("generation/processors.json")))) {
    const auto name = entry["name"].get<std::string>();
    BOOST_TEST_CONTEXT(name) {
      GenerationConfig config{.do_sample = true, .top_k = 0};
      config.update(entry["config"], name);
      config.check();
      const auto input_ids = g.ids(name + ".input_ids"), mask = g.ids(name + ".attention_mask");
      const auto& stored = g.at(name + ".scores");
      const auto& expected = g.at(name + ".processed");
      const isize B = stored.shape[0], V = stored.shape[1], T = input_ids.extent(1);
      scores_t scores(std::size_t(B * V)), processed(scores.size());
      std::memcpy(scores.data(), stored.bytes.data(), stored.bytes.size());
      std::memcpy(processed.data(), expected.bytes.data(), expected.bytes.size());

      LogitsProcessorContext context;
      context.input_ids = {input_ids.data(), B, T, T};
      context.prompt_length = entry["prompt_length"].get<isize>();
      context.max_length = config.max_length.value_or(20);
      if (mask)
        for (isize b = 0; b < B; ++b)
          context.padding.push_back(std::find(mask.data() + b * T, mask.data() + (b + 1) * T, 1) - mask.data() - b * T);
      const auto processors = make_logits_processors(config, context);
      BOOST_TEST((!processors.empty() || name == "forced_eos_before"));
      apply(processors, context.input_ids, {scores.data(), B, V, V});
      for (std::size_t i = 0; i < scores.size(); ++i) {
        const f32 a = scores[i], e = processed[i];
        BOOST_TEST((a == e || (std::isfinite(e) && std::abs(a - e) <= 1e-5f * std::max(1.0f, std::abs(e)))),
                   "row " << i / std::size_t(V) << ", token " << i % std::size_t(V) << ": " << a << ", expected " << e);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(warpers_keep_what_their_definition_says) {
  const auto p = logs({0.1, 0.4, 0.2, 0.3});
  check(process(TopKLogitsWarper(2), p), {out, p[1], out, p[3]});
  check(process(TopKLogitsWarper(1, 3), p), {out, p[1], p[2], p[3]});
  check(process(TopPLogitsWarper(0.65), p), {out, p[1], out, p[3]});  // 0.4 + 0.3
  check(process(TopPLogitsWarper(0), p), {out, p[1], out, out});
  check(process(TopPLogitsWarper(0, 2), p), {out, p[1], out, p[3]});
  check(process(MinPLogitsWarper(0.6), p), {out, p[1], out, p[3]});  // 0.6 * 0.4 = 0.24
  check(process(MinPLogitsWarper(1, 2), p), {out, p[1], out, p[3]});
  check(process(EpsilonLogitsWarper(0.15), p), {out, p[1], p[2], p[3]});
  check(process(EpsilonLogitsWarper(0.9, 2), p), {out, p[1], out, p[3]});
  check(process(TemperatureLogitsWarper(2), {3, -1}), {1.5, -0.5});
}

// The thresholds of a large vocabulary come from a partial selection; a full sort says the same.
BOOST_AUTO_TEST_CASE(large_vocabularies_are_ranked_as_by_a_sort) {
  const isize V = 5000;
  scores_t scores;
  for (isize i = 0; i < V; ++i) scores.push_back(f32(random_stream(1).normal(std::uint64_t(i))));
  auto sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  for (const isize k : {1, 50, 1024, 1025, 4999, 5000, 6000}) {
    const auto kept = process(TopKLogitsWarper(k), scores);
    const f32 threshold = sorted[std::size_t(std::min(k, V) - 1)];
    for (std::size_t i = 0; i < kept.size(); ++i) BOOST_REQUIRE(kept[i] == (scores[i] >= threshold ? scores[i] : out));
  }
  f64 total = 0;
  for (const f32 s : scores) total += std::exp(f64(s));
  for (const f64 top_p : {0.01, 0.3, 0.9, 0.999, 1.0}) {
    const auto kept = process(TopPLogitsWarper(top_p), scores);
    std::size_t n = 0;
    for (f64 mass = 0; n < sorted.size() && mass < top_p * total; ++n) mass += std::exp(f64(sorted[n]));
    BOOST_TEST(isize(std::count(kept.begin(), kept.end(), out)) == V - isize(n));
  }
}

BOOST_AUTO_TEST_CASE(prompts_and_prefixes_constrain) {
  check(process(EncoderRepetitionPenaltyLogitsProcessor(2, {{1, 3, 3}}), {1, 1, 1, -1}), {1, 2, 1, -0.5});
  check(process(EncoderNoRepeatNGramLogitsProcessor(2, {{0, 2, 0, 3}}), {1, 1, 1, 1}, {1, 0}), {1, 1, out, out});
  check(process(ForcedBOSTokenLogitsProcessor(2), {1, 1, 1}, {0}), {out, out, 0});
  check(process(ForcedBOSTokenLogitsProcessor(2), {1, 1, 1}, {0, 1}), {1, 1, 1});
  const auto allow = [](isize, std::span<const i64> ids) { return std::vector<i64>{ids.back(), 0}; };
  check(process(PrefixConstrainedLogitsProcessor(allow), {1, 2, 3}, {1}), {1, 2, out});
  check(process(PrefixConstrainedLogitsProcessor(allow), {out, out, 3}, {1}), {0, 0, out});
}

BOOST_AUTO_TEST_CASE(a_processor_of_the_users_takes_the_place_of_its_class) {
  GenerationConfig config{.top_k = 0, .suppress_tokens = {0}, .begin_suppress_tokens = {1}};
  LogitsProcessorContext context;
  context.prompt_length = 1;
  context.custom = {std::make_shared<SuppressTokensLogitsProcessor>(std::vector<i64>{2})};
  const auto list = make_logits_processors(config, context);
  BOOST_TEST(list.size() == 2u);
  BOOST_TEST(list[0] == context.custom[0]);
}

BOOST_AUTO_TEST_CASE(an_end_given_twice_decays_once) {
  const scores_t scores{1, 2, 4};
  check(process(ExponentialDecayLengthPenalty(0, 1.5, {2, 2}, 1), scores, {1, 1}), {1, 2, 6});
}

// As in Transformers, of several of one class only the first takes a place; the others are kept.
BOOST_AUTO_TEST_CASE(processors_of_the_users_of_one_class_all_stay) {
  GenerationConfig config{.top_k = 0, .suppress_tokens = {0}};
  LogitsProcessorContext context;
  const auto made = [](i64 id) { return std::make_shared<SuppressTokensLogitsProcessor>(std::vector<i64>{id}); };
  const auto other = std::make_shared<InfNanRemoveLogitsProcessor>();
  context.custom = {made(1), other, made(2), other};
  const auto list = make_logits_processors(config, context);
  BOOST_TEST_REQUIRE(list.size() == 3u);
  BOOST_TEST(list[0] == context.custom[0]);
  BOOST_TEST(list[1] == context.custom[1]);
  BOOST_TEST(list[2] == context.custom[2]);
}

BOOST_AUTO_TEST_CASE(the_last_bias_of_a_sequence_counts) {
  using Processor = SequenceBiasLogitsProcessor;
  check(process(Processor(Processor::Biases{{{2}, 1}, {{1, 0}, 4}, {{2}, 3}}), {0, 0, 0}, {1}), {4, 0, 3});
}

BOOST_AUTO_TEST_CASE(settings_out_of_range_are_refused) {
  BOOST_CHECK_THROW(TemperatureLogitsWarper(0), value_error);
  BOOST_CHECK_THROW(TopKLogitsWarper(0), value_error);
  BOOST_CHECK_THROW(TopPLogitsWarper(1.5), value_error);
  BOOST_CHECK_THROW(MinPLogitsWarper(-1), value_error);
  BOOST_CHECK_THROW(TypicalLogitsWarper(1), value_error);
  BOOST_CHECK_THROW(EpsilonLogitsWarper(0), value_error);
  BOOST_CHECK_THROW(EtaLogitsWarper(1), value_error);
  BOOST_CHECK_THROW(TopHLogitsWarper(NAN), value_error);
  BOOST_CHECK_THROW(RepetitionPenaltyLogitsProcessor(0), value_error);
  BOOST_CHECK_THROW(NoRepeatNGramLogitsProcessor(0), value_error);
  BOOST_CHECK_THROW(process(SequenceBiasLogitsProcessor(SequenceBiasLogitsProcessor::Biases{{{7}, 1.0}}), {1, 2}),
                    value_error);
  BOOST_CHECK_THROW(process(ForcedBOSTokenLogitsProcessor(7), {1, 2}), value_error);
  const auto none = [](isize, std::span<const i64>) { return std::vector<i64>{}; };
  BOOST_CHECK_THROW(process(PrefixConstrainedLogitsProcessor(none), {1, 2}), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
