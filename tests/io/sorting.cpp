// Sorting against the standard library's.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <numeric>
#include <string>

#include <hft/io/sorting.hpp>
#include <hft/random.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(sorting)

BOOST_AUTO_TEST_CASE(equal_ones_keep_their_order) {
  for (std::size_t n = 0; n < 70; ++n) {
    std::vector<std::uint64_t> values;
    for (std::size_t i = 0; i < n; ++i) values.push_back(random_stream(n).bits(i) % 9);
    const auto less = [&](std::size_t a, std::size_t b) { return values[a] < values[b]; };
    std::vector<std::size_t> expected(n);
    std::iota(expected.begin(), expected.end(), std::size_t{0});
    std::stable_sort(expected.begin(), expected.end(), less);
    BOOST_TEST(detail::sorted_positions(n, less) == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(names_are_sorted_by_their_bytes) {
  std::vector<std::string> names{"b", "", "\xc3\xa9", "ab", "a", "B", "ab"};
  const std::vector<std::string> sorted{"", "B", "a", "ab", "ab", "b", "\xc3\xa9"};
  std::vector<std::string_view> views(names.begin(), names.end());
  detail::sort_names(views);
  BOOST_TEST(views == std::vector<std::string_view>(sorted.begin(), sorted.end()), boost::test_tools::per_element());
  detail::sort_names(names);
  BOOST_TEST(names == sorted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
