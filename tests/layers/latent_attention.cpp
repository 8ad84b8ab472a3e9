// Latent attention, and what stands in attention's place (a decay, the gated delta rule, gated convolutions and
// recurrences): token by token as all at once, and padding. Their values are those of the models' goldens.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include <hft/generation/cache.hpp>
#include <hft/layers/decay_attention.hpp>
#include <hft/layers/gated_delta_net.hpp>
#include <hft/layers/gated_recurrence.hpp>
#include <hft/layers/hybrid_attention.hpp>
#include <hft/layers/latent_attention.hpp>
#include <hft/layers/short_convolution.hpp>
#include <hft/random.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(latent_and_decaying_attention)

namespace {

using B = build<f32>;

Tensor<f32, 3> normal(const Shape<3>& shape, std::uint64_t seed) {
  Tensor<f32, 3> t(shape);
  const random_stream stream(seed);
  for (isize i = 0; i < t.size(); ++i) t.data()[i] = f32(stream.normal(std::uint64_t(i)));
  return t;
}

AttentionOptions latent_options(isize query_rank) {
  AttentionOptions o{.hidden_size = 12, .num_heads = 3, .num_kv_heads = 3, .head_dim = 10};
  o.bias = o.output_bias = true;
  o.interleaved = true;
  o.rope = RopeScaling({.rope_theta = 100}, 4, 64);
  o.latent = LatentOptions{.query_rank = query_rank, .key_value_rank = 7, .rope_size = 4, .value_size = 5};
  return o;
}
AttentionOptions decay_options() {
  AttentionOptions o{.hidden_size = 12, .num_heads = 3, .num_kv_heads = 1, .head_dim = 5};
  o.decay = DecayOptions{.factor = 0.7};
  return o;
}
AttentionOptions convolution_options(isize taps) {
  AttentionOptions o{.hidden_size = 12, .num_heads = 3, .num_kv_heads = 1, .head_dim = 4};
  o.convolution = ShortConvolutionOptions{.taps = taps, .bias = true};
  return o;
}
AttentionOptions delta_options(bool fused, isize taps = 4) {
  AttentionOptions o{.hidden_size = 12, .num_heads = 3, .num_kv_heads = 1, .head_dim = 5};
  o.delta = GatedDeltaOptions{
      .num_key_heads = 2, .num_value_heads = 4, .key_size = 3, .value_size = 5, .conv_kernel = taps, .fused = fused};
  return o;
}
AttentionOptions recurrence_options(isize taps) {
  AttentionOptions o{.hidden_size = 12, .num_heads = 3, .num_kv_heads = 1, .head_dim = 4};
  o.recurrence = RecurrenceOptions{.width = 15, .taps = taps};
  return o;
}

template <class Layer>
Layer filled(const AttentionOptions& o) {
  Layer layer(o);
  std::uint64_t seed = 0;
  for_each_parameter(layer, [&](const std::string&, parameter& p) {
    p.allocate(dtype_id::f32);
    const random_stream stream(++seed);
    for (isize i = 0; i < p.size(); ++i) static_cast<f32*>(p.data())[i] = f32(0.4 * stream.normal(std::uint64_t(i)));
  });
  return layer;
}

ForwardContext<f32> context_of(isize from, isize to, Cache<f32>* cache = nullptr) {
  ForwardContext<f32> c;
  c.position_ids = Tensor<i64, 2>({2, to - from});
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

template <class Layer>
void token_by_token(const AttentionOptions& o) {
  const auto layer = filled<Layer>(o);
  const auto x = normal({2, 6, 12}, 99);
  auto whole = context_of(0, 6);
  const auto expected = layer(x, whole);
  DynamicCache<f32> cache;
  auto first = context_of(0, 3, &cache);
  BOOST_TEST(difference(layer(x.slice(1, 0, 3).dense(), first), expected.slice(1, 0, 3)) < 1e-5f);
  for (isize t = 3; t < 6; ++t) {
    auto next = context_of(t, t + 1, &cache);
    BOOST_TEST(difference(layer(x.slice(1, t, t + 1).dense(), next), expected.slice(1, t, t + 1)) < 1e-5f);
  }
  BOOST_TEST(cache.get_seq_length() == 6);
}

}  // namespace

BOOST_AUTO_TEST_CASE(latent_by_tokens) {
  token_by_token<LatentAttention<B>>(latent_options(0));
  token_by_token<LatentAttention<B>>(latent_options(8));
}

BOOST_AUTO_TEST_CASE(decaying_by_tokens) { token_by_token<HybridAttention<B>>(decay_options()); }

BOOST_AUTO_TEST_CASE(convolutions_by_tokens) {
  for (const isize taps : {1, 3, 5}) token_by_token<HybridAttention<B>>(convolution_options(taps));
}

BOOST_AUTO_TEST_CASE(by_the_delta_rule_by_tokens) {
  using Layer = HybridAttention<B>;
  for (const isize taps : {1, 2, 4, 5}) token_by_token<Layer>(delta_options(false, taps));
  token_by_token<Layer>(delta_options(true));
}

BOOST_AUTO_TEST_CASE(recurring_by_tokens) {
  token_by_token<HybridAttention<B>>(recurrence_options(4));
  token_by_token<HybridAttention<B>>(recurrence_options(1));
}

// Where positions begin anew, a text's tokens are what they are alone, but for the convolution.
BOOST_AUTO_TEST_CASE(a_position_of_zero_begins_a_text) {
  const auto layer = filled<GatedRecurrence<B>>(recurrence_options(1));
  const auto x = normal({2, 6, 12}, 99);
  auto alone = context_of(0, 4), packed = context_of(0, 6);
  packed.position_ids = Tensor<i64, 2>::from({0, 1, 0, 1, 2, 3, 0, 0, 0, 1, 2, 3}, {2, 6});
  const auto expected = layer(x.slice(1, 2, 6).dense(), alone);
  BOOST_TEST(difference(layer(x, packed).slice(1, 2, 6), expected) < 1e-5f);
}

namespace {

template <class Layer>
void without_padding(const AttentionOptions& o) {
  const auto layer = filled<Layer>(o);
  const auto x = normal({2, 6, 12}, 99);
  auto alone = context_of(0, 4), padded = context_of(0, 6);
  padded.key_mask = Tensor<u8, 2>::from({0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1}, {2, 6});
  const auto expected = layer(x.slice(1, 2, 6).dense(), alone);
  BOOST_TEST(difference(layer(x, padded).slice(1, 2, 6), expected) < 1e-5f);
}

}  // namespace

BOOST_AUTO_TEST_CASE(padding_adds_nothing) {
  without_padding<DecayAttention<B>>(decay_options());
  for (const bool fused : {false, true}) without_padding<GatedDeltaNet<B>>(delta_options(fused));
  auto o = convolution_options(3);
  o.convolution->bias = false;
  without_padding<ShortConvolution<B>>(o);
}

BOOST_AUTO_TEST_CASE(without_options) {
  const AttentionOptions plain{.hidden_size = 12, .num_heads = 3, .num_kv_heads = 3, .head_dim = 4};
  BOOST_CHECK_THROW(LatentAttention<B>{plain}, value_error);
  BOOST_CHECK_THROW(DecayAttention<B>{plain}, value_error);
  BOOST_CHECK_THROW(ShortConvolution<B>{plain}, value_error);
  BOOST_CHECK_THROW(GatedDeltaNet<B>{plain}, value_error);
  BOOST_CHECK_THROW(GatedRecurrence<B>{plain}, value_error);
}

BOOST_AUTO_TEST_SUITE_END()
