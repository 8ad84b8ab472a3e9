// Logits processors that are made by themselves, against Transformers' (generation_processors.py): their scores call by
// call.
#include <boost/test/unit_test.hpp>
#include <map>

#include <hft/generation/logits_process/synthid.hpp>
#include <hft/generation/logits_process/watermark.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(processors_alone)

namespace {

using made = std::unique_ptr<LogitsProcessor>;
const std::map<std::string, made (*)(const json&)> classes{
    {"SynthIDTextWatermarkLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<SynthIDTextWatermarkLogitsProcessor>(SynthIDTextWatermarkingConfig::from_json(a));
     }},
    {"WatermarkLogitsProcessor",
     [](const json& a) -> made {
       return std::make_unique<WatermarkLogitsProcessor>(WatermarkingConfig::from_json(a));
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
          BOOST_TEST((a == e || std::abs(a - e) <= 1e-4f * std::max(1.0f, std::abs(e))),
                     "call " << call << ", score " << i << ": " << a << ", expected " << e);
        }
      }
    }
  }
  BOOST_TEST(seen.size() == classes.size());
}

BOOST_AUTO_TEST_SUITE_END()
