// argmax and sample.
#include <boost/test/unit_test.hpp>

#include <hft/generation/sampling.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(sampling)

BOOST_AUTO_TEST_CASE(argmax_is_the_first_of_the_largest) {
  for (const std::size_t n : {1u, 15u, 16u, 17u, 100u})
    for (std::size_t at = 0; at < n; ++at) {
      std::vector<f32> s(n, -3);
      s[at] = s[n - 1] = 2;
      BOOST_REQUIRE(argmax(s) == i64(at));
    }
  BOOST_TEST(argmax(std::vector<f32>{NAN, 1, 2, NAN}) == 2);
  BOOST_TEST(argmax(std::vector<f32>(20, -INFINITY)) == 0);
  BOOST_TEST(argmax(std::vector<f32>(20, NAN)) == 0);
}

BOOST_AUTO_TEST_CASE(sample_inverts_the_distribution) {
  const std::vector<f32> s{std::log(0.25f), -INFINITY, std::log(0.5f), std::log(0.25f)};
  BOOST_TEST(sample(s, 0) == 0);
  BOOST_TEST(sample(s, 0.24) == 0);
  BOOST_TEST(sample(s, 0.26) == 2);
  BOOST_TEST(sample(s, 0.74) == 2);
  BOOST_TEST(sample(s, 0.76) == 3);
  BOOST_TEST(sample(s, std::nextafter(1.0, 0.0)) == 3);
}

BOOST_AUTO_TEST_CASE(sample_refuses_what_is_no_distribution) {
  BOOST_CHECK_THROW(sample(std::vector<f32>{1, NAN}, 0.5), value_error);
  BOOST_CHECK_THROW(sample(std::vector<f32>{1, INFINITY}, 0.5), value_error);
  BOOST_CHECK_THROW(sample(std::vector<f32>{-INFINITY, -INFINITY}, 0.5), value_error);
}

BOOST_AUTO_TEST_CASE(the_best_candidates_are_those_of_a_sort) {
  std::vector<detail::candidate> all;
  for (i64 i = 0; i < 300; ++i) all.push_back({f32(random_stream(3).bits(std::uint64_t(i)) % 50), i});
  auto sorted = all;
  std::sort(sorted.begin(), sorted.end(), detail::better);
  const auto equal = [](const auto& a, const auto& b) { return a.score == b.score && a.id == b.id; };
  for (const std::size_t n : {0u, 1u, 2u, 7u, 299u, 300u, 400u}) {
    auto selected = all;
    detail::select_best(selected, n);
    const std::size_t k = std::min(n, all.size());
    BOOST_TEST(std::equal(sorted.begin(), sorted.begin() + std::ptrdiff_t(k), selected.begin(), equal));
    if (n == 0 || n > all.size()) continue;
    detail::best_candidates best(n);
    for (const auto& c : all) best.push(c);
    BOOST_TEST(best.worst().id == sorted[n - 1].id);
    const auto kept = best.sorted();
    BOOST_TEST(std::equal(kept.begin(), kept.end(), sorted.begin(), sorted.begin() + std::ptrdiff_t(n), equal));
    best.clear();  // as it was made
    best.push(all[0]);
    BOOST_TEST(best.sorted()[0].id == 0);
  }
}

BOOST_AUTO_TEST_SUITE_END()
