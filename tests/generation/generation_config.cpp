// GenerationConfig: JSON in and out, and what wins over what.
#include <boost/test/unit_test.hpp>

#include <hft/models/generation_config.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(generation_config)

namespace {
GenerationConfig from(const char* text) {
  GenerationConfig config;
  config.update(parse_json(text, "generation_config.json"), "generation_config.json");
  return config;
}
}  // namespace

BOOST_AUTO_TEST_CASE(every_field_returns_from_json) {
  BOOST_TEST(GenerationConfig::field_names().size() == 59u);
  for (const std::string_view key : GenerationConfig::field_names()) {
    BOOST_TEST_CONTEXT(key) {
      // One of these values is of the field's type.
      bool accepted = false;
      for (const char* value : {"3", "0.5", "true", "[3, 4]", "[\"a\"]", "[[3, 4], [5]]", "[[[3], 0.5]]", "\"a\""}) {
        try {
          const auto config = from(detail::cat("{\"", key, "\": ", value, "}").c_str());
          const json object = config.to_json();
          if (key == "seed")  // which Transformers does not know
            BOOST_TEST((object.empty() && config.seed == 3u));
          else
            BOOST_TEST(json(object[key]) == parse_json(value, ""));
          accepted = true;
          break;
        } catch (const format_error&) {
        }
      }
      BOOST_TEST(accepted);
    }
  }
}

BOOST_AUTO_TEST_CASE(some_fields_have_several_spellings) {
  BOOST_TEST((from(R"({"early_stopping": "never"})").early_stopping == EarlyStopping("never")));
  BOOST_TEST(from(R"({"early_stopping": "never"})").to_json()["early_stopping"] == "never");
  BOOST_TEST(from(R"({"stop_strings": "a"})").stop_strings.size() == 1u);
  BOOST_TEST((from(R"({"eos_token_id": 5})").eos_token_id == TokenIds(5)));
  BOOST_TEST((from(R"({"eos_token_id": [5, 6]})").eos_token_id == TokenIds{5, 6}));
  BOOST_TEST((from(R"({"eos_token_id": []})").eos_token_id == TokenIds{}));
  BOOST_TEST(!from(R"({"eos_token_id": null})").eos_token_id);
  BOOST_TEST(GenerationConfig{.eos_token_id = 5}.eos_token_id->ids.size() == 1u);
}

BOOST_AUTO_TEST_CASE(unknown_fields_are_kept) {
  const auto config = from(R"({"transformers_version": "5.0", "cache_implementation": "hybrid", "nothing": null})");
  BOOST_TEST(config.to_json()["transformers_version"] == "5.0");
  BOOST_TEST(config.to_json().size() == 2u);
  config.check();
}

BOOST_AUTO_TEST_CASE(what_is_set_wins) {
  GenerationConfig config{.top_k = 5, .eos_token_id = TokenIds{}};
  config.fill_unset(from(R"({"top_k": 7, "temperature": 0.5, "eos_token_id": 2, "suppress_tokens": [1]})"));
  config.fill_unset(GenerationConfig::defaults());
  BOOST_TEST(*config.top_k == 5);
  BOOST_TEST(*config.temperature == 0.5);
  BOOST_TEST(config.eos_token_id->empty());
  BOOST_TEST(config.suppress_tokens.size() == 1u);
  BOOST_TEST(*config.num_beams == 1);
}

BOOST_AUTO_TEST_CASE(bad_files_are_refused) {
  for (const char* text : {R"([])", R"({"top_k": "many"})", R"({"top_k": 1.5})", R"({"do_sample": 1})",
                           R"({"stop_strings": [1]})", R"({"bad_words_ids": [1]})", R"({"sequence_bias": [[1]]})",
                           R"({"exponential_decay_length_penalty": [1]})", R"({"eos_token_id": "</s>"})"})
    BOOST_CHECK_THROW(from(text), format_error);
  BOOST_CHECK_THROW(from(R"({"early_stopping": "sometimes"})"), value_error);
}

BOOST_AUTO_TEST_CASE(settings_that_hft_does_not_know_are_refused) {
  for (const char* text : {R"({"token_healing": true})", R"({"use_mtp": true})", R"({"constraints": [1]})"})
    BOOST_CHECK_THROW(from(text).check(), unsupported_error);
  from(R"({"num_beam_groups": 1, "penalty_alpha": 0, "guidance_scale": 1.0, "diversity_penalty": 0.0})").check();
}

BOOST_AUTO_TEST_SUITE_END()
