// Philox against its authors' known answers, and the streams made of it.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include <hft/random.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(random_numbers)

BOOST_AUTO_TEST_CASE(philox_gives_the_known_answers) {  // Random123, kat_vectors, philox4x32 10
  using four = std::array<std::uint32_t, 4>;
  BOOST_TEST((philox({0, 0, 0, 0}, {0, 0}) == four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  BOOST_TEST((philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  BOOST_TEST((philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

BOOST_AUTO_TEST_CASE(streams_are_functions_of_their_place) {
  const random_stream a(5, 1), b(5, 1), c(5, 2);
  BOOST_TEST(a.bits(1000) == b.bits(1000));
  BOOST_TEST(a.bits(1000) != c.bits(1000));
  f64 mean = 0, square = 0, low = 1, high = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const f64 z = a.normal(std::uint64_t(i)), u = a.uniform(std::uint64_t(i));
    mean += z / n, square += z * z / n;
    low = std::min(low, u), high = std::max(high, u);
  }
  BOOST_TEST(std::abs(mean) < 0.03);
  BOOST_TEST(std::abs(square - 1) < 0.05);
  BOOST_TEST(low >= 0);
  BOOST_TEST(high < 1);
}

BOOST_AUTO_TEST_SUITE_END()
