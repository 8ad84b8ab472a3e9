// Caches: what each kind of layer gives back, that a window forgets, and what works on all of them.
#include <boost/test/unit_test.hpp>

#include <hft/generation/cache.hpp>
#include <hft/random.hpp>

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
        const auto [k, v, first] = cache.update(0, keys, values);
        BOOST_TEST_REQUIRE(first == seen - kept - T);
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

namespace {
// Tokens [from, to) of a batch of two: token n of row b holds 100 b + n, and its value the negative.
std::pair<Tensor<f32, 4>, Tensor<f32, 4>> tokens(isize from, isize to) {
  Tensor<f32, 4> k({2, to - from, 1, 1}), v({2, to - from, 1, 1});
  for (isize i = 0; i < k.size(); ++i) {
    k.data()[i] = f32(100 * (i / (to - from)) + from + i % (to - from));
    v.data()[i] = -k.data()[i];
  }
  return {k, v};
}
std::vector<f32> row(const Tensor<f32, 4>& x, isize b) {
  const auto d = x.slice(0, b, b + 1).dense();
  return {d.data(), d.data() + d.size()};
}
using numbers = std::vector<f32>;
}  // namespace

// Layers 0 to 2 see everything, the last two tokens, and a state.
BOOST_AUTO_TEST_CASE(layers_of_different_types_stand_side_by_side) {
  LayeredCache<> cache(
      {.layer_types = {"full_attention", "sliding_attention", "linear_attention"}, .sliding_window = 2});
  const auto step = [&](isize from, isize to) {
    const auto [k, v] = tokens(from, to);
    auto full = cache.update(0, k, v), sliding = cache.update(1, k, v);
    cache.state(2)["ssm"] = k.slice(1, to - from - 1, to - from).clone();  // the last token
    cache.state(2).tokens += to - from;
    return std::pair{full, sliding};
  };
  step(0, 3);
  const auto [full, sliding] = step(3, 4);
  BOOST_TEST(row(full.keys, 0) == numbers({0, 1, 2, 3}), boost::test_tools::per_element());
  BOOST_TEST(row(full.values, 1) == numbers({-100, -101, -102, -103}), boost::test_tools::per_element());
  BOOST_TEST(full.first == 0);
  BOOST_TEST(row(sliding.keys, 0) == numbers({2, 3}), boost::test_tools::per_element());
  BOOST_TEST(sliding.first == 2);
  BOOST_TEST(cache.get_seq_length() == 4);

  cache.cross(1) = {tokens(7, 9).first, tokens(7, 9).second};
  const isize rows[] = {1, 0, 1};
  cache.reorder(rows);
  BOOST_TEST(row(cache.state(2)["ssm"], 2) == numbers({103}), boost::test_tools::per_element());
  BOOST_TEST(row(cache.state(2)["ssm"], 1) == numbers({3}), boost::test_tools::per_element());
  BOOST_TEST(row(cache.cross(1).keys, 0) == numbers({107, 108}), boost::test_tools::per_element());
  const Tensor<f32, 4> more = Tensor<f32, 4>::filled({3, 1, 1, 1}, 9);
  BOOST_TEST(row(cache.update(0, more, more).keys, 2) == numbers({100, 101, 102, 103, 9}),
             boost::test_tools::per_element());
  BOOST_TEST(row(cache.update(1, more, more).keys, 1) == numbers({3, 9}), boost::test_tools::per_element());

  BOOST_CHECK_THROW(cache.crop(3), unsupported_error);  // neither the window nor the state goes back
  BOOST_CHECK_THROW(cache.update(2, more, more), unsupported_error);
  BOOST_CHECK_THROW(cache.state(0), unsupported_error);
  const isize wrong[] = {3};
  BOOST_CHECK_THROW(cache.reorder(wrong), value_error);
  cache.reset();
  BOOST_TEST(cache.get_seq_length() == 0);
  BOOST_TEST(!cache.cross(1).keys);
  BOOST_TEST(cache.state(2).tensors.empty());
  step(0, 2);
  BOOST_TEST(cache.get_seq_length() == 2);
}

// Rows that take each other's places, as beams do, hold what copies of whole rows would.
BOOST_AUTO_TEST_CASE(reordered_rows_hold_what_their_sources_held) {
  DynamicCache<> dynamic;
  StaticCache<> fixed_room(64);
  SlidingWindowCache<> window(6);
  const auto check = [&](auto& cache, std::uint64_t seed, bool may_crop) {
    std::vector<std::vector<f32>> texts(4);
    f32 next = 0;
    const auto say = [&](isize T) {
      Tensor<f32, 4> keys({isize(texts.size()), T, 2, 3}), values(keys.shape());
      for (std::size_t b = 0; b < texts.size(); ++b)
        for (isize t = 0; t < T; ++t) {
          texts[b].push_back(++next);
          for (isize i = 0; i < 6; ++i) {
            const isize at = (isize(b) * T + t) * 6 + i;
            keys.data()[at] = next + f32(i) / 8;
            values.data()[at] = -next - f32(i) / 8;
          }
        }
      const auto view = cache.update(0, keys, values);
      for (std::size_t b = 0; b < texts.size(); ++b)
        for (isize s = 0; s < view.keys.extent(1); ++s)
          for (isize i = 0; i < 6; ++i) {
            const f32 expected = texts[b][std::size_t(view.first + s)] + f32(i) / 8;
            BOOST_REQUIRE((view.keys[isize(b)][s][i / 3][i % 3] == expected));
            BOOST_REQUIRE((view.values[isize(b)][s][i / 3][i % 3] == -expected));
          }
    };
    say(5);
    const random_stream random(seed);
    for (std::uint64_t n = 0; n < 40; ++n) {
      const auto draw = [&](std::uint64_t i) { return isize(random.bits(8 * n + i) % texts.size()); };
      if (n == 30) {
        cache.reset();
        for (auto& t : texts) t.clear();
        say(4);
      }
      if (may_crop && n % 7 == 3) {
        cache.crop(cache.get_seq_length() - 2);
        for (auto& t : texts) t.resize(t.size() - 2);
      }
      std::vector<isize> rows;
      for (std::size_t b = 0; b < texts.size(); ++b) rows.push_back(n % 5 == 1 ? isize(3 - b) : draw(b));
      auto moved = texts;
      for (std::size_t b = 0; b < texts.size(); ++b) moved[b] = texts[std::size_t(rows[b])];
      texts = moved;
      cache.reorder(rows);
      say(1);
    }
  };
  for (const std::uint64_t seed : {1, 2, 3}) {
    check(dynamic, seed, true);
    check(fixed_room, seed, true);
    check(window, seed, false);
    for (CacheBase* c : std::initializer_list<CacheBase*>{&dynamic, &fixed_room, &window}) c->reset();
  }
}

// What beams of one prompt see of its encoder is not moved as they change places.
BOOST_AUTO_TEST_CASE(rows_of_one_source_are_not_moved) {
  LayeredCache<> cache{CacheOptions()};
  cache.cross(0) = {tokens(7, 9).first, tokens(7, 9).second};
  const isize expanded[] = {0, 0, 1, 1}, within[] = {1, 0, 3, 3}, across[] = {2, 0, 1, 3};
  cache.reorder(expanded);
  const f32* where = cache.cross(0).keys.data();
  cache.reorder(within);
  BOOST_TEST(cache.cross(0).keys.data() == where);
  cache.reorder(across);
  for (const isize b : {0, 3}) BOOST_TEST(row(cache.cross(0).keys, b) == numbers({107, 108}));
  for (const isize b : {1, 2}) BOOST_TEST(row(cache.cross(0).keys, b) == numbers({7, 8}));
}

BOOST_AUTO_TEST_CASE(a_crop_forgets_the_last_tokens) {
  DynamicCache<> dynamic;
  StaticCache<> fixed_room(8);
  SlidingWindowCache<> window(4);
  const auto crops = [](auto& cache) {
    cache.update(0, tokens(0, 4).first, tokens(0, 4).second);
    cache.crop(2);
    BOOST_TEST(cache.get_seq_length() == 2);
    const auto now = cache.update(0, tokens(7, 8).first, tokens(7, 8).second);
    BOOST_TEST(row(now.keys, 1) == numbers({100, 101, 107}), boost::test_tools::per_element());
    BOOST_CHECK_THROW(cache.crop(4), value_error);
  };
  crops(dynamic);
  crops(fixed_room);
  crops(window);
  BOOST_TEST(fixed_room.get_max_cache_shape() == 8);
  BOOST_TEST(dynamic.get_max_cache_shape() == 0);
  BOOST_CHECK_THROW(fixed_room.update(0, tokens(0, 6).first, tokens(0, 6).second), value_error);
  window.update(0, tokens(8, 13).first, tokens(8, 13).second);
  window.update(0, tokens(13, 14).first, tokens(13, 14).second);
  BOOST_CHECK_THROW(window.crop(5), unsupported_error);
}

BOOST_AUTO_TEST_CASE(what_a_cache_cannot_be_made_of_is_an_error) {
  BOOST_CHECK_THROW(StaticCache<>(0), value_error);
  BOOST_CHECK_THROW(SlidingWindowCache<>(0), value_error);
  BOOST_CHECK_THROW(LayeredCache<>({.layer_types = {"sliding_attention"}}), value_error);
  BOOST_CHECK_THROW(LayeredCache<>({.layer_types = {"full"}}), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
