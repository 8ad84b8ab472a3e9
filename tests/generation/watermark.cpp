// The watermark of green tokens: its detector against Transformers', its settings, and texts that have it.
#include <boost/test/unit_test.hpp>

#include <hft/generation/logits_process.hpp>
#include <hft/generation/logits_process/watermark.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"
#include "../throws.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(watermark)

namespace {
std::vector<f64> numbers(const json& list) { return json_as<std::vector<f64>>(list, "golden", ""); }

Tensor<i64, 2> tensor(const std::vector<std::vector<i64>>& rows) {
  Tensor<i64, 2> ids({isize(rows.size()), isize(rows.at(0).size())});
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy(rows[i].begin(), rows[i].end(), ids.data() + i * rows[0].size());
  return ids;
}
}  // namespace

BOOST_AUTO_TEST_CASE(the_detector_says_what_transformers_says) {
  for (const auto& entry : filled(read_json(data("generation/watermarks.json")))) {
    const auto config = WatermarkingConfig::from_json(entry["config"]);
    const WatermarkDetector detector(
        43, config, {.bos_token_id = 1, .ignore_repeated_ngrams = entry["ignore_repeated_ngrams"].get<bool>()});
    const auto out = detector(tensor(json_as<std::vector<std::vector<i64>>>(entry["input_ids"], "golden", "")), 2.0);
    const auto close = [&](const std::vector<f64>& a, const char* name) {
      const auto b = numbers(entry[name]);
      BOOST_TEST_REQUIRE(a.size() == b.size());
      for (std::size_t i = 0; i < a.size(); ++i)
        BOOST_TEST(std::abs(a[i] - b[i]) <= 1e-12, name << " " << a[i] << " " << b[i]);
    };
    close(out.num_tokens_scored, "num_tokens_scored");
    close(out.num_green_tokens, "num_green_tokens");
    close(out.green_fraction, "green_fraction");
    close(out.z_score, "z_score");
    close(out.p_value, "p_value");
    close(out.confidence, "confidence");
    BOOST_TEST(out.prediction == json_as<std::vector<bool>>(entry["prediction"], "golden", ""));
  }
}

BOOST_AUTO_TEST_CASE(a_config_is_its_json) {
  GenerationConfig config{.watermarking_config = WatermarkingConfig{.greenlist_ratio = 0.3, .context_width = 2}};
  const auto back = WatermarkingConfig::from_json(config.watermarking_config);
  BOOST_TEST(back.greenlist_ratio == 0.3);
  BOOST_TEST(back.context_width == 2);
  BOOST_TEST(back.bias == 2.0);
  BOOST_TEST(config.to_json()["watermarking_config"]["seeding_scheme"].get<std::string>() == "lefthash");

  config.renormalize_logits = true;
  const auto list = make_logits_processors(config, {});
  BOOST_TEST_REQUIRE(list.size() == 2u);
  BOOST_TEST(dynamic_cast<WatermarkLogitsProcessor*>(list[0].get()));
}

BOOST_AUTO_TEST_CASE(a_config_out_of_range_is_refused) {
  throws<value_error>([] { WatermarkLogitsProcessor({.greenlist_ratio = 1}); },
                      "[WatermarkingConfig] greenlist_ratio: expected above 0, below 1, got 1");
  throws<value_error>([] { WatermarkLogitsProcessor({.seeding_scheme = "righthash"}); },
                      "[WatermarkingConfig] seeding_scheme: expected 'lefthash' or 'selfhash', got 'righthash'");
  throws<value_error>([] { WatermarkLogitsProcessor({.context_width = 0}); },
                      "[WatermarkingConfig] context_width: expected at least 1, got 0");
  throws<value_error>(
      [] {
        make_logits_processors({.watermarking_config = json{{"green_ratio", 0.5}}}, {});
      },
      "[watermarking_config] unknown field: expected one of its fields; the nearest is "
      "'greenlist_ratio', got 'green_ratio'");
  throws<format_error>([] { make_logits_processors({.watermarking_config = 3}, {}); },
                       "[GenerationConfig] 'watermarking_config': expected a WatermarkingConfig or a "
                       "SynthIDTextWatermarkingConfig, got 3");
}

BOOST_AUTO_TEST_CASE(a_program_without_the_header_is_told_which) {
  const auto compiled = std::exchange(detail::rare_processors::watermark, nullptr);
  throws<unsupported_error>([] { make_logits_processors({.watermarking_config = WatermarkingConfig()}, {}); },
                            "[generate] watermarking_config: expected #include "
                            "<hft/generation/logits_process/watermark.hpp>, got a program without it");
  detail::rare_processors::watermark = compiled;
}

BOOST_AUTO_TEST_CASE(texts_that_cannot_be_scored_are_refused) {
  const WatermarkDetector detector(43, {.context_width = 3}, {.bos_token_id = 1});
  throws<value_error>(
      [&] {
        detector(tensor({{1, 5, 6, 7, 8}, {5, 6, 7, 8, 9}}));
      },
      "[WatermarkDetector] input_ids: expected all or no rows to begin with bos_token_id = 1, got 1 of 2");
  throws<value_error>(
      [&] {
        detector(tensor({{1, 5, 6, 7}}));
      },
      "[WatermarkDetector] input_ids: expected a token to score behind the context_width = 3 first, got "
      "3 tokens");
}

BOOST_AUTO_TEST_CASE(too_short_a_context_has_no_watermark) {
  const std::vector<i64> ids{4, 5};
  std::vector<f32> scores{1, 2, 3};
  WatermarkLogitsProcessor processor({.context_width = 3});
  processor({ids.data(), 1, 2, 2}, {scores.data(), 1, 3, 3});
  BOOST_TEST(scores == (std::vector<f32>{1, 2, 3}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
