// Which values of generation settings are ignored, refused or applied: as Transformers does (generation_settings.py).
#include <boost/test/unit_test.hpp>

#include <hft/generation/logits_process.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(generation_settings)

namespace {

GenerationConfig resolved(const json& settings) {
  GenerationConfig config;
  config.update(settings, "settings");
  config.fill_unset(GenerationConfig::defaults());
  config.check();
  return config;
}

// The scores after all processors, each infinity null.
json processed(const json& golden, const json& settings) {
  GenerationConfig config = resolved(settings);
  config.eos_token_id = golden["eos_token_id"].get<i64>();
  const auto ids = golden["prompt"].get<std::vector<i64>>();
  auto scores = golden["scores"].get<std::vector<f32>>();
  LogitsProcessorContext context;
  context.input_ids = {ids.data(), 1, isize(ids.size()), isize(ids.size())};
  context.prompt_length = isize(ids.size());
  context.max_length = context.prompt_length + 1;
  apply(make_logits_processors(config, context), context.input_ids,
        {scores.data(), 1, isize(scores.size()), isize(scores.size())});
  json out = json::array();
  for (const f32 s : scores) out.push_back(std::isfinite(s) ? json(f64(s)) : json());
  return out;
}

bool close(const json& a, const json& b) {
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (a[i].is_null() != b[i].is_null()) return false;
    if (b[i].is_null()) continue;
    const f64 x = a[i].get<f64>(), y = b[i].get<f64>();
    if (std::abs(x - y) > 1e-5 * std::max(1.0, std::abs(y))) return false;
  }
  return a.size() == b.size();
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_value_is_ignored_refused_or_applied_as_by_transformers) {
  const json golden = read_json(data("generation/settings.json"));
  isize refused = 0, applied = 0;
  for (const json& c : golden["cases"].get<std::vector<json>>()) BOOST_TEST_CONTEXT(c["settings"].dump()) {
      if (c.contains("raises")) {
        BOOST_CHECK_THROW(processed(golden, c["settings"]), value_error);
        ++refused;
        continue;
      }
      try {
        const json mine = processed(golden, c["settings"]);
        BOOST_TEST(close(mine, c["scores"]), mine.dump() << ", expected " << c["scores"].dump());
      } catch (const error& e) {
        BOOST_ERROR(e.what());
      }
      ++applied;
    }
  BOOST_TEST(refused == 70);
  BOOST_TEST(applied == 242);
}

BOOST_AUTO_TEST_CASE(names_that_no_field_has_are_refused_with_the_nearest) {
  const auto says = [](const char* text) -> std::string {
    try {
      GenerationConfig::check_names(parse_json(text, ""), "--config");
    } catch (const value_error& e) {
      return e.what();
    }
    return "";
  };
  BOOST_TEST(says(R"({"temprature": 1})").find("the nearest is 'temperature'") != std::string::npos);
  BOOST_TEST(says(R"({"max_tokens": 1})").find("got 'max_tokens'") != std::string::npos);
  BOOST_TEST(says(R"({"topk": 1})").find("the nearest is 'top_k'") != std::string::npos);
  BOOST_TEST(says(R"({"temperature": 1, "seed": 3, "output_scores": true, "cache_implementation": "static"})") == "");
}

BOOST_AUTO_TEST_SUITE_END()
