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

BOOST_AUTO_TEST_SUITE_END()
