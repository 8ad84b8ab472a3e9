// The sliding-window cache: what it gives back, and that it forgets.
#include <boost/test/unit_test.hpp>

#include <hft/generation/cache.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(caches)

BOOST_AUTO_TEST_CASE(a_sliding_window_keeps_the_last_tokens_in_bounded_memory) {
  for (const isize window : {1, 2, 5, 16}) BOOST_TEST_CONTEXT("window " << window) {
      SlidingWindowCache<> cache(window);
      isize seen = 0;
      for (int step = 0; step < 300; ++step) {
        const isize T = step == 0 ? 7 : 1 + step % 3;
        Tensor<f32, 4> keys({1, T, 2, 3}), values({1, T, 2, 3});  // token n holds n and -n
        for (isize i = 0; i < keys.size(); ++i) {
          keys.data()[i] = f32(seen + i / 6);
          values.data()[i] = -f32(seen + i / 6);
        }
        const isize kept = std::min(seen, window - 1);
        seen += T;
        const auto [k, v] = cache.update(0, keys, values);
        BOOST_TEST_REQUIRE(k.extent(1) == kept + T);  // the oldest new token sees window - 1 before it
        BOOST_TEST_REQUIRE(v.extent(1) == kept + T);
        const auto k_all = k.dense(), v_all = v.dense();
        for (isize i = 0; i < k_all.size(); ++i) {
          BOOST_REQUIRE(k_all.data()[i] == f32(seen - kept - T + i / 6));
          BOOST_REQUIRE(v_all.data()[i] == -f32(seen - kept - T + i / 6));
        }
        // heads lie one after the other: a head's room is what one takes
        BOOST_TEST_REQUIRE(k.stride(2) / 3 <= 2 * window + 7);
      }
      BOOST_TEST(cache.get_seq_length() == seen);
    }
}

BOOST_AUTO_TEST_SUITE_END()
