// TransformerBlock: what its options mean, written out.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include <hft/layers/block.hpp>
#include <hft/layers/positions.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(block)

namespace {

using B = build<f32>;
using Block = TransformerBlock<LayerNorm<B>, SelfAttention<B, no_positions>, MLP<B>>;
constexpr isize C = 12;

template <class Set>
Block made(const Set& set) {
  BlockOptions o{.norm = {.size = C},
                 .attention = {.hidden_size = C, .num_heads = 3, .num_kv_heads = 3, .head_dim = 4},
                 .mlp = {.hidden_size = C, .intermediate_size = 20, .activation = Activation::gelu}};
  set(o);
  Block block(o);
  isize n = 0;
  visiting fill([&](const std::string&, parameter& p) {
    p.allocate(dtype_id::f32);
    for (isize i = 0; i < p.size(); ++i) static_cast<f32*>(p.data())[i] = 0.4f * std::sin(f32(++n * 7 % 101));
  });
  block.visit(fill);
  return block;
}

Tensor<f32, 3> input() {
  Tensor<f32, 3> x({2, 5, C});
  for (isize i = 0; i < x.size(); ++i) x.data()[i] = std::cos(f32(i * 5 % 37));
  return x;
}

template <class Set, class F>
void check(const Set& set, const F& expected) {
  const auto block = made(set);
  ForwardContext<f32, cpu> context;
  const auto x = input(), y = block(x, context), e = expected(block, x, context);
  f32 worst = 0;
  for (isize i = 0; i < y.size(); ++i) worst = std::max(worst, std::abs(y.data()[i] - e.data()[i]));
  BOOST_TEST(worst < 1e-5f);
}

}  // namespace

BOOST_AUTO_TEST_CASE(norms_before_after_both_and_of_the_sum) {
  check([](BlockOptions&) {},
        [](const Block& b, const auto& x, auto& c) {
          const auto h = add(x, b.self_attn(b.input_layernorm(x), c));
          return add(h, b.mlp((*b.post_attention_layernorm)(h)));
        });
  check([](BlockOptions& o) { o.norms = norms::after; },
        [](const Block& b, const auto& x, auto& c) {
          const auto h = add(x, b.input_layernorm(b.self_attn(x, c)));
          return add(h, (*b.post_attention_layernorm)(b.mlp(h)));
        });
  check([](BlockOptions& o) { o.norms = norms::both; },
        [](const Block& b, const auto& x, auto& c) {
          const auto h = add(x, (*b.post_self_attn_layernorm)(b.self_attn(b.input_layernorm(x), c)));
          return add(h, (*b.post_mlp_layernorm)(b.mlp((*b.post_attention_layernorm)(h))));
        });
  check([](BlockOptions& o) { o.norms = norms::of_the_sum; },
        [](const Block& b, const auto& x, auto& c) {
          const auto h = b.input_layernorm(add(x, b.self_attn(x, c)));
          return (*b.post_attention_layernorm)(add(h, b.mlp(h)));
        });
}

BOOST_AUTO_TEST_CASE(in_parallel_over_two_norms_and_one) {
  check([](BlockOptions& o) { o.parallel = true; },
        [](const Block& b, const auto& x, auto& c) {
          return add(add(x, b.self_attn(b.input_layernorm(x), c)), b.mlp((*b.post_attention_layernorm)(x)));
        });
  check(
      [](BlockOptions& o) {
        o.parallel = true;
        o.shared_norm = true;
      },
      [](const Block& b, const auto& x, auto& c) {
        const auto n = b.input_layernorm(x);
        return add(add(x, b.self_attn(n, c)), b.mlp(n));
      });
}

BOOST_AUTO_TEST_CASE(residuals_from_what_is_normed_and_by_a_factor) {
  check([](BlockOptions& o) { o.from_normed = true; },
        [](const Block& b, const auto& x, auto& c) {
          const auto n = b.input_layernorm(x), h = add(n, b.self_attn(n, c)), m = (*b.post_attention_layernorm)(h);
          return add(m, b.mlp(m));
        });
  check([](BlockOptions& o) { o.residual_scale = 0.3; },
        [](const Block& b, const auto& x, auto& c) {
          const auto h = add(x, scale(b.self_attn(b.input_layernorm(x), c), 0.3));
          return add(h, scale(b.mlp((*b.post_attention_layernorm)(h)), 0.3));
        });
}

BOOST_AUTO_TEST_CASE(options_that_exclude_each_other_are_refused) {
  BOOST_CHECK_THROW(made([](BlockOptions& o) {
                      o.norms = norms::after;
                      o.parallel = true;
                    }),
                    value_error);
  BOOST_CHECK_THROW(made([](BlockOptions& o) { o.shared_norm = true; }), value_error);
  BOOST_CHECK_THROW(made([](BlockOptions& o) {
                      o.parallel = true;
                      o.from_normed = true;
                    }),
                    value_error);
}

BOOST_AUTO_TEST_SUITE_END()
