// Attention layers: one projection or three, two rotary bases in one pass, neighbours that turn together, and attention
// to another sequence, each against ops that are called by hand.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <optional>

#include <hft/generation/cache.hpp>
#include <hft/layers/cross_attention.hpp>
#include <hft/layers/fused_attention.hpp>
#include <hft/random.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(attention_layers)

namespace {

using B = build<f32>;

template <std::size_t R>
Tensor<f32, R> normal(const Shape<R>& shape, std::uint64_t seed, f32 size = 1) {
  Tensor<f32, R> t(shape);
  const random_stream stream(seed);
  for (isize i = 0; i < t.size(); ++i) t.data()[i] = size * f32(stream.normal(std::uint64_t(i)));
  return t;
}

RopeScaling base_of(f64 theta, isize dim = 4) { return {{.rope_theta = theta}, dim, 64}; }

AttentionOptions options() {
  AttentionOptions o{.hidden_size = 12, .num_heads = 4, .num_kv_heads = 2, .head_dim = 4};
  o.bias = o.output_bias = true;
  o.rope = base_of(100);
  return o;
}

template <class L>
void fill(L& linear, std::uint64_t seed) {
  linear.weight = normal(linear.weight.shape(), seed, 0.4f);
  linear.bias = normal(linear.bias.shape(), seed + 1, 0.4f);
}
template <class L>
void fill(std::optional<L>& linear, std::uint64_t seed) {
  if (linear) fill(*linear, seed);
}
template <class Layer>
void fill_all(Layer& a) {
  fill(a.q_proj, 1), fill(a.k_proj, 3), fill(a.v_proj, 5), fill(a.o_proj, 7);
}

ForwardContext<f32> context_of(isize batch, isize from, isize to, Cache<f32>* cache = nullptr) {
  ForwardContext<f32> c;
  c.position_ids = Tensor<i64, 2>({batch, to - from});
  for (isize i = 0; i < c.position_ids.size(); ++i) c.position_ids.data()[i] = from + i % (to - from);
  c.key_length = to;
  c.cache = cache;
  return c;
}

f32 difference(const Tensor<f32, 3>& a, const Tensor<f32, 3>& b) {
  BOOST_TEST_REQUIRE((a.shape() == b.shape()));
  const auto x = a.dense(), y = b.dense();
  f32 worst = 0;
  for (isize i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x.data()[i] - y.data()[i]));
  return worst;
}

constexpr f32 tolerance = 1e-5f;

}  // namespace

BOOST_AUTO_TEST_CASE(one_projection_is_three) {
  SelfAttention<B, rope> apart(options());
  fill_all(apart);
  FusedSelfAttention<B, rope> fused(options());
  fused.qkv_proj.weight = Tensor<f32, 2>({32, 12});
  fused.qkv_proj.bias = Tensor<f32, 1>({32});
  isize at = 0;
  for (const auto* part : {&apart.q_proj, &apart.k_proj, &apart.v_proj}) {
    std::copy_n(part->weight.data(), part->weight.size(), fused.qkv_proj.weight.data() + at * 12);
    std::copy_n(part->bias.data(), part->bias.size(), fused.qkv_proj.bias.data() + at);
    at += part->weight.extent(0);
  }
  fused.o_proj = apart.o_proj;
  const auto x = normal<3>({2, 5, 12}, 9);
  auto c = context_of(2, 0, 5);
  BOOST_TEST(difference(apart(x, c), fused(x, c)) <= tolerance);
}

// Rows of a fused projection by groups: what grouped heads and CodeGen's partitions store.
BOOST_AUTO_TEST_CASE(rows_of_a_projection_in_groups) {
  SelfAttention<B, rope> apart(options());
  fill_all(apart);
  const auto x = normal<3>({2, 5, 12}, 9);
  auto c = context_of(2, 0, 5);
  for (const bool values_first : {false, true}) {
    auto o = options();
    o.qkv = {.groups = 2, .values_before_keys = values_first};
    FusedSelfAttention<B, rope> fused(o);
    fused.qkv_proj.weight = Tensor<f32, 2>({32, 12});
    fused.qkv_proj.bias = Tensor<f32, 1>({32});
    isize at = 0;
    for (isize group = 0; group < 2; ++group)
      for (const auto* part : {&apart.q_proj, values_first ? &apart.v_proj : &apart.k_proj,
                               values_first ? &apart.k_proj : &apart.v_proj}) {
        const isize rows = part->weight.extent(0) / 2;
        std::copy_n(part->weight.data() + group * rows * 12, rows * 12, fused.qkv_proj.weight.data() + at * 12);
        std::copy_n(part->bias.data() + group * rows, rows, fused.qkv_proj.bias.data() + at);
        at += rows;
      }
    fused.o_proj = apart.o_proj;
    BOOST_TEST(difference(apart(x, c), fused(x, c)) <= tolerance);
  }
}

// A layer turns by its own base, interleaved or not, and all of a head or a part; layers of one base share a table.
BOOST_AUTO_TEST_CASE(each_layer_turns_by_its_own_base) {
  const auto x = normal<3>({2, 5, 12}, 9);
  auto shared = context_of(2, 0, 5);
  for (const bool interleaved : {false, true})
    for (const isize dim : {4, 2})
      for (const f64 theta : {100.0, 10.0}) {
        auto o = options();
        o.rope = base_of(theta, dim);
        o.interleaved = interleaved;
        SelfAttention<B, rope> layer(o);
        fill_all(layer);
        Tensor<f32, 2> cos({10, dim / 2}), sin({10, dim / 2});
        for (isize i = 0; i < cos.size(); ++i) {
          const f64 angle = f64(i / (dim / 2) % 5) / std::pow(theta, 2.0 * f64(i % (dim / 2)) / f64(dim));
          cos.data()[i] = f32(std::cos(angle)), sin.data()[i] = f32(std::sin(angle));
        }
        const auto q = apply_rotary(layer.q_proj(x).template reshape<4>({2, 5, 4, 4}), cos, sin, interleaved);
        const auto k = apply_rotary(layer.k_proj(x).template reshape<4>({2, 5, 2, 4}), cos, sin, interleaved);
        const auto v = layer.v_proj(x).template reshape<4>({2, 5, 2, 4});
        const auto expected = layer.o_proj(attention(q, k, v, {.scale = 0.5}).template reshape<3>({2, 5, 16}));
        BOOST_TEST(difference(layer(x, shared), expected) <= tolerance);
      }
  const auto* first = &shared.rotary->of(base_of(100), shared.position_ids);
  BOOST_TEST(first == &shared.rotary->of(base_of(100), shared.position_ids));
  BOOST_TEST(first != &shared.rotary->of(base_of(10), shared.position_ids));
}

// Token by token through a cache, with a key hidden: what a pass over all tokens gives.
BOOST_AUTO_TEST_CASE(a_cache_changes_nothing) {
  const isize T = 9;
  for (const isize window : {isize(0), isize(3)}) {
    auto o = options();
    if (window) o.visible = visibility::window(window);
    o.softcap = 2;
    SelfAttention<B, rope> layer(o);
    fill_all(layer);
    const auto x = normal<3>({2, T, 12}, 9);
    auto mask = Tensor<u8, 2>::filled({2, T}, 1);
    mask.data()[0] = mask.data()[T + 5] = 0;
    auto whole = context_of(2, 0, T);
    whole.key_mask = mask;
    const auto expected = layer(x, whole);
    LayeredCache<> cache(window ? CacheOptions{.layer_types = {"sliding_attention"}, .sliding_window = window}
                                : CacheOptions{});
    for (isize t = 0; t < T;) {
      const isize to = t ? t + 1 : 4;
      auto c = context_of(2, t, to, &cache);
      c.key_mask = mask.slice(1, 0, to);
      const Tensor<f32, 3> y = layer(x.slice(1, t, to).dense(), c);
      BOOST_TEST(difference(y, expected.slice(1, t, to)) <= tolerance);
      t = to;
    }
  }
}

// Chunks are counted from the first token that is no padding, also where a cache has forgotten it.
BOOST_AUTO_TEST_CASE(chunks_begin_behind_padding) {
  const isize T = 11, pad = 2;
  auto o = options();
  o.visible = visibility::chunks(4);
  SelfAttention<B, rope> layer(o);
  fill_all(layer);
  const auto x = normal<3>({1, T, 12}, 9);
  auto mask = Tensor<u8, 2>::filled({1, T}, 1);
  mask.data()[0] = mask.data()[1] = 0;
  auto whole = context_of(1, 0, T), alone = context_of(1, pad, T);
  whole.key_mask = mask;
  alone.key_length = T - pad;
  const auto expected = layer(x, whole);
  BOOST_TEST(difference(layer(x.slice(1, pad, T).dense(), alone), expected.slice(1, pad, T)) <= tolerance);
  // A token of the second chunk sees no change in the first.
  auto changed = x.clone();
  for (isize i = 3 * 12; i < 5 * 12; ++i) changed.data()[i] += 1;
  const auto after = layer(changed, whole);
  BOOST_TEST(difference(after.slice(1, 6, T), expected.slice(1, 6, T)) == 0);
  BOOST_TEST(difference(after.slice(1, 5, 6), expected.slice(1, 5, 6)) > 1e-3f);

  LayeredCache<> cache({.layer_types = {"sliding_attention"}, .sliding_window = 4});
  for (isize t = 0; t < T;) {
    const isize to = t ? t + 1 : 3;
    auto c = context_of(1, t, to, &cache);
    c.key_mask = mask.slice(1, 0, to);
    BOOST_TEST(difference(layer(x.slice(1, t, to).dense(), c), expected.slice(1, t, to)) <= tolerance);
    t = to;
  }
}

// Of a layer without positions, by the place among all tokens, cached ones included.
BOOST_AUTO_TEST_CASE(queries_grow_with_their_place) {
  auto o = options();
  o.rotary = false;
  o.temperature = TemperatureOptions{.step = 3, .strength = 0.5};
  SelfAttention<B, rope> layer(o);
  fill_all(layer);
  const auto x = normal<3>({2, 5, 12}, 9);
  auto c = context_of(2, 0, 5);
  auto q = layer.q_proj(x).clone();
  for (isize i = 0; i < q.size(); ++i)  // the third, fourth and fifth: floor((p + 1) / 3) = 1
    if (i / 16 % 5 >= 2) q.data()[i] *= 1 + 0.5f * std::log(2.0f);
  const auto k = layer.k_proj(x).template reshape<4>({2, 5, 2, 4}),
             v = layer.v_proj(x).template reshape<4>({2, 5, 2, 4});
  const auto y = attention(q.template reshape<4>({2, 5, 4, 4}), k, v, {.scale = 0.5});
  const auto expected = layer.o_proj(y.template reshape<3>({2, 5, 16}));
  BOOST_TEST(difference(layer(x, c), expected) <= tolerance);
  DynamicCache<> cache;
  auto first = context_of(2, 0, 4, &cache), next = context_of(2, 4, 5, &cache);
  layer(x.slice(1, 0, 4).dense(), first);
  BOOST_TEST(difference(layer(x.slice(1, 4, 5).dense(), next), expected.slice(1, 4, 5)) <= tolerance);
}

BOOST_AUTO_TEST_CASE(another_sequence_may_be_shorter_and_is_projected_once) {
  auto o = options();
  o.source_size = 7;
  CrossAttention<B> layer(o);
  fill_all(layer);
  const auto x = normal<3>({2, 5, 12}, 9);
  const cross_source<Tensor<f32, 3>> source{normal<3>({2, 3, 7}, 11), Tensor<u8, 2>::from({1, 1, 0, 1, 1, 1}, {2, 3})};
  auto c = context_of(2, 0, 5);
  const auto y = layer(x, source, c);
  const auto q = layer.q_proj(x).template reshape<4>({2, 5, 4, 4});
  const auto k = (*layer.k_proj)(source.states).template reshape<4>({2, 3, 2, 4});
  const auto v = (*layer.v_proj)(source.states).template reshape<4>({2, 3, 2, 4});
  const AttentionArgs<> args{.scale = 0.5, .visible = visibility::everything(), .key_mask = source.mask};
  BOOST_TEST(difference(y, layer.o_proj(attention(q, k, v, args).template reshape<3>({2, 5, 16}))) <= tolerance);

  DynamicCache<> cache;
  c.cache = &cache;
  BOOST_TEST(difference(layer(x, source, c), y) <= tolerance);
  const void* keys = cache.cross(0).keys.data();
  const cross_source<Tensor<f32, 3>> ignored{normal<3>({2, 3, 7}, 12), source.mask};
  BOOST_TEST(difference(layer(x, ignored, c), y) <= tolerance);
  BOOST_TEST(cache.cross(0).keys.data() == keys);
}

BOOST_AUTO_TEST_CASE(rotary_positions_need_frequencies_that_fit) {
  auto o = options();
  o.rope.reset();
  BOOST_CHECK_THROW(rope{o}, value_error);
  o.rope = base_of(100, 6);
  BOOST_CHECK_THROW(rope{o}, value_error);
}

BOOST_AUTO_TEST_SUITE_END()
