// The stopping criteria alone.
#include <boost/test/unit_test.hpp>

#include <hft/generation/stopping_criteria.hpp>

using namespace hft;

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

BOOST_AUTO_TEST_SUITE_END()
