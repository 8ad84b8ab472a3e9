// SynthID-Text's detectors against Transformers' and synthid-text's (generation_processors.py), and its settings.
#include <boost/test/unit_test.hpp>

#include <hft/generation/logits_process.hpp>
#include <hft/generation/synthid_detector.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"
#include "../throws.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(synthid)

namespace {

const SynthIDTextWatermarkingConfig config{.ngram_len = 3, .keys = {11, 22, 33, 44, 55}, .context_history_size = 8};

std::vector<i64> flat(const json& list) {
  std::vector<i64> out;
  for (const json& element : list)
    if (element.is_array())
      for (const i64 n : flat(element)) out.push_back(n);
    else
      out.push_back(element.is_boolean() ? element.get<bool>() : element.get<i64>());
  return out;
}
Tensor<i64, 2> ids(const json& rows) {
  return Tensor<i64, 2>::from(flat(rows), {isize(rows.size()), isize(rows[0].size())});
}

template <std::size_t R>
std::vector<i64> values(const Tensor<i64, R>& t) {
  return {t.data(), t.data() + t.size()};
}
void close(const std::vector<f64>& a, const json& expected, f64 tolerance) {
  const auto b = json_as<std::vector<f64>>(expected, "golden", "");
  BOOST_TEST_REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST(std::abs(a[i] - b[i]) <= tolerance, a[i] << " " << b[i]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(detectors_say_what_the_originals_say) {
  const json golden = read_json(data("generation/synthid.json"));
  const auto text = ids(golden["input_ids"]);
  const SynthIDTextWatermarkLogitsProcessor processor(config);
  const auto g = processor.compute_g_values(text);
  BOOST_TEST(values(g) == flat(golden["g_values"]), boost::test_tools::per_element());
  BOOST_TEST(values(processor.compute_context_repetition_mask(text)) == flat(golden["repetition_mask"]),
             boost::test_tools::per_element());
  BOOST_TEST(values(SynthIDTextWatermarkLogitsProcessor::compute_eos_token_mask(text, 2)) == flat(golden["eos_mask"]),
             boost::test_tools::per_element());
  BOOST_TEST(std::abs(SynthIDTextWatermarkLogitsProcessor::expected_mean_g_value(43) -
                      golden["expected_mean"].get<f64>()) < 1e-15);

  const auto model = BayesianDetectorModel::from_pretrained(data("generation/bayesian_detector"));
  BOOST_TEST(model.config.model_name == "llama");
  BOOST_TEST(model.config.base_rate == 0.3);
  const auto trained = SynthIDTextWatermarkingConfig::from_json(model.config.watermarking_config);
  BOOST_TEST(trained.keys == config.keys, boost::test_tools::per_element());
  const SynthIDTextWatermarkDetector detector(model, SynthIDTextWatermarkLogitsProcessor(trained), 2);
  close(detector(text), golden["posterior"], 1e-5);
  close(synthid_mean_score(g, detector.mask(text)), golden["mean"], 1e-12);
  close(synthid_weighted_mean_score(g, detector.mask(text)), golden["weighted_mean"], 1e-12);
}

BOOST_AUTO_TEST_CASE(a_config_is_its_json) {
  const GenerationConfig settings{.watermarking_config = config};
  const auto list = make_logits_processors(settings, {});
  BOOST_TEST_REQUIRE(list.size() == 1u);
  const auto* processor = dynamic_cast<SynthIDTextWatermarkLogitsProcessor*>(list[0].get());
  BOOST_TEST_REQUIRE(processor);
  BOOST_TEST(processor->config().ngram_len == 3);
  BOOST_TEST(processor->config().context_history_size == 8);
}

BOOST_AUTO_TEST_CASE(what_is_out_of_range_is_refused) {
  const auto made = [](SynthIDTextWatermarkingConfig c) { return [c] { SynthIDTextWatermarkLogitsProcessor{c}; }; };
  throws<value_error>(made({.ngram_len = 1, .keys = {1}}),
                      "[SynthIDTextWatermarkingConfig] ngram_len: expected 2 to 65536, got 1");
  throws<value_error>(made({.ngram_len = 2}), "[SynthIDTextWatermarkingConfig] keys: expected at least one key, got 0");
  throws<value_error>(made({.ngram_len = 2, .keys = {1}, .sampling_table_size = 1 << 25}),
                      "[SynthIDTextWatermarkingConfig] sampling_table_size: expected 1 to 2^24, got 33554432");
  throws<format_error>(
      [] {
        SynthIDTextWatermarkingConfig::from_json(json{{"ngram_len", 5}});
      },
      "[watermarking_config] 'keys' is missing");

  SynthIDTextWatermarkLogitsProcessor processor(config);
  const std::vector<i64> text{4, 5};
  std::vector<f32> scores{1, 2, 3, 4};
  throws<shape_error>(
      [&] {
        processor.compute_g_values(Tensor<i64, 2>::from({4, 5}, {1, 2}));
      },
      "[compute_g_values] input_ids: expected at least ngram_len = 3 tokens, got 2");
  processor({text.data(), 1, 2, 2}, {scores.data(), 1, 4, 4});
  throws<shape_error>(
      [&] {
        processor({text.data(), 2, 1, 1}, {scores.data(), 2, 2, 2});
      },
      "[SynthIDTextWatermarkLogitsProcessor] scores: expected 1 rows as in its first call, got 2");

  const auto model = BayesianDetectorModel::from_pretrained(data("generation/bayesian_detector"));
  throws<shape_error>(
      [&] {
        model(Tensor<i64, 3>::zeros({1, 2, 4}), Tensor<i64, 2>::zeros({1, 2}));
      },
      "[BayesianDetectorModel] g_values: expected a depth of 5, got (1, 2, 4)");
  throws<shape_error>(
      [&] {
        model(Tensor<i64, 3>::zeros({1, 2, 5}), Tensor<i64, 2>::zeros({1, 3}));
      },
      "[BayesianDetectorModel] mask: expected (1, 2) as g_values, got (1, 3)");
}

BOOST_AUTO_TEST_SUITE_END()
