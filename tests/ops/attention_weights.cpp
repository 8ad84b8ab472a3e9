// The weights of attention: what attention gives with values that are the unit vectors, and rows that add up.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include <hft/ops/attention_weights.hpp>
#include <hft/random.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(attention_weights_op)

static Tensor<f32, 4> normal(const Shape<4>& shape, std::uint64_t seed) {
  Tensor<f32, 4> t(shape);
  const random_stream stream(seed);
  for (isize i = 0; i < t.size(); ++i) t.data()[i] = f32(stream.normal(std::uint64_t(i)));
  return t;
}

BOOST_AUTO_TEST_CASE(are_what_attention_multiplies_values_with) {
  const isize B = 2, H = 4, Hk = 2, C = 5;
  for (const auto& [T, S] : {std::pair<isize, isize>{3, 7}, {5, 2}, {1, 6}})
    for (int options = 0; options < 32; ++options)
      BOOST_TEST_CONTEXT("T " << T << " S " << S << " options " << options) {
        const auto q = normal({B, T, H, C}, 1), k = normal({B, S, Hk, C}, 2);
        auto units = Tensor<f32, 4>::zeros({B, S, Hk, S});  // key s has the s-th unit vector
        for (isize i = 0; i < B * S * Hk; ++i) units.data()[i * S + i / Hk % S] = 1;
        AttentionArgs<> args{.scale = 0.6};
        if (options & 1) args.visible = options & 2 ? visibility::chunks(3) : visibility::around(2, 1);
        if (options & 2) args.softcap = 1.5, args.alibi = Tensor<f32, 1>::from({0.1f, 0.2f, 0.3f, 0.4f}, {4});
        if (options & 4) {
          args.key_mask = Tensor<u8, 2>::filled({B, S}, 1);
          args.key_mask.data()[0] = args.key_mask.data()[S] = args.key_mask.data()[S + 1] = 0;
        }
        const auto bias = options & 8 ? normal({1, H, T, S}, 3) : Tensor<f32, 4>();
        const auto sinks = options & 16 ? Tensor<f32, 1>::from({-1, 0, 1, 2}, {4}) : Tensor<f32, 1>();
        const auto weights = attention_weights(q, k, args, bias, sinks);
        const auto y = attention(q, k, units, args, bias, sinks);
        BOOST_TEST((weights.shape() == Shape<4>{B, H, T, S}));
        for (isize b = 0; b < B; ++b)
          for (isize t = 0; t < T; ++t)
            for (isize h = 0; h < H; ++h) {
              f64 sum = 0;
              for (isize s = 0; s < S; ++s) {
                const f32 w = weights[b][h][t][s];
                sum += w;
                BOOST_TEST(std::abs(w - y[b][t][h][s]) <= 2e-6);
              }
              if (sum > 0 && !sinks) BOOST_TEST(std::abs(sum - 1) <= 1e-6);
              if (sinks) BOOST_TEST(sum < 1);
            }
      }
}

// Scores log 1, log 2, log 5, and a sink of log 8.
BOOST_AUTO_TEST_CASE(can_be_redone_by_hand) {
  const auto q = Tensor<f32, 4>::from({1}, {1, 1, 1, 1});
  const auto k = Tensor<f32, 4>::from({0, std::log(2.0f), std::log(5.0f)}, {1, 3, 1, 1});
  const auto w = attention_weights(q, k, {});
  BOOST_TEST(w.data()[0] == 0.125f, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(w.data()[1] == 0.25f, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(w.data()[2] == 0.625f, boost::test_tools::tolerance(1e-6f));
  const auto sunk = attention_weights(q, k, {}, {}, Tensor<f32, 1>::from({std::log(8.0f)}, {1}));
  BOOST_TEST(sunk.data()[2] == 0.3125f, boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_SUITE_END()
