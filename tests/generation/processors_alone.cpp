// Logits processors that are made by themselves, against Transformers' (generation_processors.py): their scores call by
// call.
#include <boost/test/unit_test.hpp>
#include <map>

#include <hft/generation/logits_process/audio.hpp>
#include <hft/generation/logits_process/guidance.hpp>
#include <hft/generation/logits_process/synthid.hpp>
#include <hft/generation/logits_process/watermark.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"
#include "../throws.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(processors_alone)

namespace {

using made = std::unique_ptr<LogitsProcessor>;
// An argument; Python's None is an empty optional.
template <class T>
T argument(const json& arguments, const char* name) {
  return require<T>(arguments, name, "arguments");
}

const std::map<std::string, made (*)(const json&)> classes{
    {"AlternatingCodebooksLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<AlternatingCodebooksLogitsProcessor>(argument<isize>(a, "input_start_len"),
                                                                    argument<isize>(a, "semantic_vocab_size"),
                                                                    argument<isize>(a, "codebook_size"));
     }},
    {"BarkEosPrioritizerLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<BarkEosPrioritizerLogitsProcessor>(argument<std::vector<i64>>(a, "eos_token_id"),
                                                                  get_optional<f64>(a, "min_eos_p"));
     }},
    {"ClassifierFreeGuidanceLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<ClassifierFreeGuidanceLogitsProcessor>(argument<f64>(a, "guidance_scale"));
     }},
    {"DiaClassifierFreeGuidanceLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<DiaClassifierFreeGuidanceLogitsProcessor>(argument<f64>(a, "guidance_scale"),
                                                                         get_optional<isize>(a, "guidance_top_k"));
     }},
    {"DiaEOSChannelFilterLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<DiaEOSChannelFilterLogitsProcessor>(argument<isize>(a, "num_channels"),
                                                                   argument<i64>(a, "eos_token_id"));
     }},
    {"DiaEOSDelayPatternLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<DiaEOSDelayPatternLogitsProcessor>(argument<std::vector<isize>>(a, "delay_pattern"),
                                                                  argument<i64>(a, "eos_token_id"),
                                                                  argument<isize>(a, "max_generation_len"));
     }},
    {"SynthIDTextWatermarkLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<SynthIDTextWatermarkLogitsProcessor>(SynthIDTextWatermarkingConfig::from_json(a));
     }},
    {"WatermarkLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<WatermarkLogitsProcessor>(WatermarkingConfig::from_json(a));
     }},
    {"WhisperTimeStampLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<WhisperTimeStampLogitsProcessor>(
           WhisperTimeStampOptions{.eos_token_id = argument<i64>(a, "eos_token_id"),
                                   .no_timestamps_token_id = argument<i64>(a, "no_timestamps_token_id"),
                                   .max_initial_timestamp_index = get_optional<isize>(a, "max_initial_timestamp_index"),
                                   .detect_timestamp_from_logprob = argument<bool>(a, "detect_timestamp_from_logprob")},
           2);
     }},
};

}  // namespace

BOOST_AUTO_TEST_CASE(they_give_transformers_scores) {
  const golden g(data("generation/alone.safetensors"));
  std::map<std::string, int> seen;
  for (const auto& entry : filled(read_json(data("generation/alone.json")))) {
    const auto name = entry["name"].get<std::string>(), kind = entry["class"].get<std::string>();
    BOOST_TEST_CONTEXT(name) {
      const auto processor = classes.at(kind)(entry["arguments"]);
      ++seen[kind];
      for (int call = 0; call < entry["calls"].get<int>(); ++call) {
        const std::string at = name + "." + std::to_string(call);
        const auto input_ids = g.ids(at + ".input_ids");
        const auto numbers = [&](const char* what) {
          const auto& stored = g.at(at + what);
          std::vector<f32> values(stored.bytes.size() / sizeof(f32));
          std::memcpy(values.data(), stored.bytes.data(), stored.bytes.size());
          return values;
        };
        auto scores = numbers(".scores");
        const auto expected = numbers(".processed");
        const auto& shape = g.at(at + ".scores").shape;
        const isize T = input_ids.extent(1);
        (*processor)({input_ids.data(), input_ids.extent(0), T, T}, {scores.data(), shape[0], shape[1], shape[1]});
        for (std::size_t i = 0; i < expected.size(); ++i) {
          const f32 a = scores[i], e = expected[i];
          BOOST_TEST((a == e || (std::isfinite(e) && std::abs(a - e) <= 1e-4f * std::max(1.0f, std::abs(e)))),
                     "call " << call << ", score " << i << ": " << a << ", expected " << e);
        }
      }
    }
  }
  BOOST_TEST(seen.size() == classes.size());
}

BOOST_AUTO_TEST_CASE(what_is_out_of_range_is_refused) {
  std::vector<f32> scores(12);
  const std::vector<i64> ids{1, 2};
  const matrix<const i64> texts{ids.data(), 2, 1, 1};
  const matrix<f32> rows{scores.data(), 3, 4, 4};
  throws<value_error>([] { ClassifierFreeGuidanceLogitsProcessor{1}; },
                      "[ClassifierFreeGuidanceLogitsProcessor] guidance_scale: expected above 1, got 1");
  throws<shape_error>(
      [&] { ClassifierFreeGuidanceLogitsProcessor{2}(texts, rows); },
      "[ClassifierFreeGuidanceLogitsProcessor] scores: expected 4 rows, with and without the condition, "
      "got 3");
  throws<value_error>([] { DiaClassifierFreeGuidanceLogitsProcessor(2, 0); },
                      "[DiaClassifierFreeGuidanceLogitsProcessor] guidance_top_k: expected at least 1, got 0");
  throws<value_error>([] { AlternatingCodebooksLogitsProcessor(-1, 2, 3); },
                      "[AlternatingCodebooksLogitsProcessor] input_start_len: expected at least 0, got -1");
  throws<value_error>([] { BarkEosPrioritizerLogitsProcessor({1}, 0.0); },
                      "[BarkEosPrioritizerLogitsProcessor] min_eos_p: expected above 0, got 0");
  throws<value_error>([&] { BarkEosPrioritizerLogitsProcessor({4}, 0.5)(texts, rows); },
                      "[BarkEosPrioritizerLogitsProcessor] eos_token_id: expected 0 <= id < 4, got 4");
  throws<value_error>([] { DiaEOSChannelFilterLogitsProcessor(0, 1); },
                      "[DiaEOSChannelFilterLogitsProcessor] num_channels: expected at least 1, got 0");
  throws<shape_error>([&] { DiaEOSChannelFilterLogitsProcessor(2, 1)(texts, rows); },
                      "[DiaEOSChannelFilterLogitsProcessor] scores: expected rows of 2 channels each, got 3");
  throws<value_error>([] { DiaEOSDelayPatternLogitsProcessor({}, 1, 3); },
                      "[DiaEOSDelayPatternLogitsProcessor] delay_pattern: expected a delay of each channel, got none");
  throws<value_error>(
      [&] { WhisperTimeStampLogitsProcessor({.eos_token_id = 1, .no_timestamps_token_id = 4}, 1)(texts, rows); },
      "[WhisperTimeStampLogitsProcessor] scores: expected a vocabulary with token 4, got 4 tokens");
}

BOOST_AUTO_TEST_SUITE_END()
