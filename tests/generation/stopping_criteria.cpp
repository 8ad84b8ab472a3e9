// The stopping criteria alone.
#include <boost/test/unit_test.hpp>

#include <hft/generation/confidence_criteria.hpp>
#include <hft/generation/stopping_criteria.hpp>
#include <hft/tokenizers/tokenizer.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"
#include "../throws.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(stopping_criteria)

namespace {
const std::vector<std::string> pieces{"He", "llo", " wor", "ld", "!", "\xc3", "\xa9", "", "\n\nUser"};

// Bytes joined; incomplete characters at the end become U+FFFD, as tokenizers do it.
std::string decode(std::span<const i64> ids) {
  std::string text;
  for (const i64 id : ids) text += pieces[std::size_t(id)];
  if (text.ends_with("\xc3")) text.replace(text.size() - 1, 1, "\xef\xbf\xbd");
  return text;
}

bool stops(std::vector<std::string> strings, std::vector<i64> ids) {
  return StopStringCriteria(std::move(strings), decode)(ids);
}
}  // namespace

BOOST_AUTO_TEST_CASE(a_stop_string_ends_in_the_last_token) {
  BOOST_TEST(stops({"world"}, {0, 1, 2, 3}));
  BOOST_TEST(stops({"orl"}, {0, 1, 2, 3}));
  BOOST_TEST(stops({"\n"}, {0, 8}));         // and is followed by more
  BOOST_TEST(!stops({"Hello"}, {0, 1, 2}));  // it was there before
  BOOST_TEST(stops({"no", "ld!"}, {2, 3, 4}));
  BOOST_TEST(!stops({"world"}, {0, 1, 2}));
  BOOST_TEST(stops({"ld"}, {2, 7, 7, 7, 3}));  // across tokens without text
  BOOST_TEST(!stops({"ld"}, {2, 3, 7}));
}

BOOST_AUTO_TEST_CASE(a_stop_string_may_hold_a_character_of_several_tokens) {
  BOOST_TEST(!stops({"\xc3\xa9"}, {4, 5}));
  BOOST_TEST(stops({"\xc3\xa9"}, {4, 5, 6}));
  BOOST_TEST(stops({"!\xc3\xa9"}, {4, 5, 6}));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_found_is_refused) {
  BOOST_CHECK_THROW(stops({""}, {0}), value_error);
  BOOST_CHECK_THROW(StopStringCriteria({"a"}, nullptr), value_error);
}

BOOST_AUTO_TEST_CASE(length_time_and_end_tokens) {
  const std::vector<i64> ids{1, 2, 3};
  BOOST_TEST(MaxLengthCriteria(3)(ids));
  BOOST_TEST(!MaxLengthCriteria(4)(ids));
  BOOST_TEST(EosTokenCriteria({7, 3})(ids));
  BOOST_TEST(!EosTokenCriteria({2})(ids));
  BOOST_TEST(!MaxTimeCriteria(3600)(ids));
  MaxTimeCriteria at_once(0);
  while (!at_once(ids)) {
  }
}

// Random tokens of three kinds of tokenizers, cut within characters and strings. (stop_strings.py)
BOOST_AUTO_TEST_CASE(stop_strings_end_where_transformers_ends) {
  const json golden = read_json(data("generation/stop_strings.json"));
  for (const auto& entry : filled(golden["tokenizers"])) {
    const auto tokenizer = Tokenizer::from_json(entry["tokenizer"].dump());
    for (const auto& one : filled(entry["cases"])) {
      const auto strings = json_as<std::vector<std::string>>(one[0], "golden", "");
      const auto ids = json_as<std::vector<i64>>(one[1], "golden", "");
      StopStringCriteria criteria(strings,
                                  [&](std::span<const i64> tokens) { return tokenizer.decode(tokens, false); });
      BOOST_TEST(criteria(ids) == one[2].get<bool>(), entry["name"].dump() << " " << one.dump());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_token_in_doubt_ends) {
  const std::vector<f32> scores{1, 2, 3};  // probabilities 0.09, 0.24, 0.67
  const std::vector<i64> ids{0, 1};
  BOOST_TEST(ConfidenceCriteria(0.25).with_scores(ids, scores));
  BOOST_TEST(!ConfidenceCriteria(0.24).with_scores(ids, scores));
  BOOST_TEST(is_done({std::make_shared<ConfidenceCriteria>(0.25)}, ids, scores));
  throws<value_error>([&] { ConfidenceCriteria(0.25)(ids); },
                      "[ConfidenceCriteria] scores: expected those that the last token was chosen from, got 0 scores");
}

BOOST_AUTO_TEST_CASE(a_function_is_a_criterion) {
  const std::vector<i64> ids{0, 1};
  const std::vector<f32> scores{1, 2, 3};
  const StoppingCriteriaList list{
      [](std::span<const i64> all) { return all.size() == 3; }, std::make_shared<EosTokenCriteria>(std::vector<i64>{7}),
      [n = 0](std::span<const i64>, std::span<const f32> s) mutable { return ++n > 1 && s[0] == 1; }};
  BOOST_TEST(!is_done(list, ids, scores));
  BOOST_TEST(is_done(list, ids, scores));
  BOOST_TEST(is_done(list, std::vector<i64>{1, 2, 3}, std::vector<f32>{0}));
}

BOOST_AUTO_TEST_SUITE_END()
