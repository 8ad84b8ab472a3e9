// The generic kernels against their definitions in f64. They are what the other instruction sets are compared with, and
// all that a build for x86-64 has.
#include <hft/ops/cpu/attention.hpp>
#include <hft/ops/cpu/elementwise.hpp>
#include <hft/ops/cpu/linear.hpp>
#include <hft/ops/cpu/norm.hpp>
#include <hft/ops/cpu/rope.hpp>
#include <hft/ops/cpu/softmax.hpp>

#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(generic_kernels)

namespace {

/// The largest |y(i, j) - exact(i, j)| / max(1, |exact(i, j)|).
template <class Exact>
f64 error(const strided& y, Exact exact) {
  f64 worst = 0;
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) {
      const f64 e = exact(i, j), d = std::abs(y.view().row(i)[j] - e) / std::max(1.0, std::abs(e));
      worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
    }
  return worst;
}

}  // namespace

BOOST_AUTO_TEST_CASE(sums_products_multiples) {
  for (const isize cols : widths) BOOST_TEST_CONTEXT("cols " << cols) {
      const strided a(5, cols, 3, 1), b(5, cols, 1, 2);
      const auto at = [](const strided& m, isize i, isize j) { return f64(m.view().row(i)[j]); };
      strided y(5, cols, 2, 3);
      add_kernel(isa::generic{}, y.view(), a.view(), b.view());
      BOOST_TEST(error(y, [&](isize i, isize j) { return at(a, i, j) + at(b, i, j); }) <= 0x1p-24);
      mul_kernel(isa::generic{}, y.view(), a.view(), b.view());
      BOOST_TEST(error(y, [&](isize i, isize j) { return at(a, i, j) * at(b, i, j); }) <= 0x1p-24);
      scale_kernel(isa::generic{}, y.view(), a.view(), 0.3f);
      BOOST_TEST(error(y, [&](isize i, isize j) { return at(a, i, j) * f64(0.3f); }) <= 0x1p-24);
      BOOST_TEST(y.intact());
    }
}

BOOST_AUTO_TEST_CASE(softmax) {
  for (const isize cols : widths)
    for (const f32 size : {1.0f, 60.0f}) BOOST_TEST_CONTEXT("cols " << cols << " size " << size) {
        const strided x(4, cols, 3, 1, -size, size);
        strided y(4, cols, 2, 2);
        softmax_kernel(isa::generic{}, y.view(), x.view());
        const auto exact = [&](isize i, isize j) {
          const f32* row = x.view().row(i);
          f64 sum = 0;
          for (isize k = 0; k < cols; ++k) sum += std::exp(f64(row[k]) - row[j]);
          return 1 / sum;
        };
        BOOST_TEST(error(y, exact) <= 1e-6);
        BOOST_TEST(y.intact());
      }
}

BOOST_AUTO_TEST_CASE(norms) {
  for (const isize cols : widths) BOOST_TEST_CONTEXT("cols " << cols) {
      const strided x(4, cols, 3, 1, -2, 2), w(1, cols, 0, 2), b(1, cols, 0, 3);
      strided y(4, cols, 2, 4);
      const auto moment = [&](isize i, f64 mean) {
        f64 sum = 0;
        for (isize k = 0; k < cols; ++k) sum += (x.view().row(i)[k] - mean) * (x.view().row(i)[k] - mean);
        return sum / f64(cols);
      };
      rms_norm_kernel(isa::generic{}, y.view(), x.view(), w.memory.data(), 1e-6f, cols);
      BOOST_TEST(error(y, [&](isize i, isize j) {
                   return x.view().row(i)[j] / std::sqrt(moment(i, 0) + f64(1e-6f)) * w.memory[std::size_t(j)];
                 }) <= 2e-6);
      for (const f32* bias : {static_cast<const f32*>(nullptr), b.memory.data()}) {
        layer_norm_kernel(isa::generic{}, y.view(), x.view(), w.memory.data(), bias, 1e-5f, cols);
        BOOST_TEST(error(y, [&](isize i, isize j) {
                     f64 mean = 0;
                     for (isize k = 0; k < cols; ++k) mean += f64(x.view().row(i)[k]) / f64(cols);
                     const f64 normal = (x.view().row(i)[j] - mean) / std::sqrt(moment(i, mean) + f64(1e-5f));
                     return normal * w.memory[std::size_t(j)] + (bias ? bias[j] : 0);
                   }) <= 4e-6);
      }
      BOOST_TEST(y.intact());
    }
}

BOOST_AUTO_TEST_CASE(rotary_embedding) {
  const isize T = 6, D = 12;
  for (const isize pairs : {6, 4})
    for (const bool interleaved : {false, true}) {
      const strided x(T, D, 3, 1), cos(T, pairs, 1, 2), sin(T, pairs, 2, 3);
      strided y(T, D, 2, 4);
      const auto heads = [&](auto m) {
        return heads_view<std::remove_pointer_t<decltype(m.data)>>{m.data, 1, T, 1, D, T * m.stride, m.stride, D};
      };
      rope_kernel(isa::generic{}, heads(y.view()), heads(x.view()), cos.view(), sin.view(), interleaved);
      const auto exact = [&](isize t, isize j) -> f64 {
        const f32* row = x.view().row(t);
        if (j >= 2 * pairs) return row[j];
        const isize pair = interleaved ? j / 2 : j % pairs;
        const bool second = interleaved ? j % 2 : j >= pairs;
        const f64 a = row[interleaved ? 2 * pair : pair], b = row[interleaved ? 2 * pair + 1 : pair + pairs];
        const f64 c = cos.view().row(t)[pair], s = sin.view().row(t)[pair];
        return second ? b * c + a * s : a * c - b * s;
      };
      BOOST_TEST(error(y, exact) <= 2e-7);
    }
}

BOOST_AUTO_TEST_CASE(dense_products) {
  for (const isize M : {1, 3, 17})
    for (const isize K : {1, 37, 576}) BOOST_TEST_CONTEXT("M " << M << " K " << K) {
        const strided x(M, K, 3, 1), w(21, K, 0, 2), bias(1, 21, 0, 3);
        strided y(M, 21, 2, 4);
        detail::dot_rows(isa::generic{}, y.view(), x.view(), w.view(), bias.memory.data());
        const auto exact = [&](isize i, isize j) {
          f64 sum = bias.memory[std::size_t(j)];
          for (isize k = 0; k < K; ++k) sum += f64(x.view().row(i)[k]) * w.view().row(j)[k];
          return sum;
        };
        BOOST_TEST(error(y, exact) <= 0x1p-24 * f64(K + 1));  // K + 1 roundings of sums near 1
        BOOST_TEST(y.intact());
      }
}

BOOST_AUTO_TEST_CASE(attention) {
  struct shape {
    isize T, S, H, Hk, D, Dv;
  };
  for (const shape& s :
       {shape{1, 5, 3, 1, 10, 10}, shape{7, 7, 4, 2, 12, 12}, shape{5, 130, 2, 2, 16, 7}, shape{6, 3, 2, 1, 8, 8}})
    for (int options = 0; options < 64; ++options)
      BOOST_TEST_CONTEXT("T " << s.T << " S " << s.S << " options " << options) {
        const auto heads = [](const strided& m, isize tokens, isize n, isize d) {
          return heads_view<f32>{const_cast<f32*>(m.memory.data()), 1, tokens, n, d, tokens * m.stride, m.stride, d};
        };
        const strided q(s.T, s.H * s.D, 1, 1), k(s.S, s.Hk * s.D, 2, 2), v(s.S, s.Hk * s.Dv, 0, 3);
        strided y(s.T, s.H * s.Dv, 3, 4);
        std::vector<u8> mask(std::size_t(s.S), 1);
        std::vector<f32> slopes;
        for (isize h = 0; h < s.H; ++h) slopes.push_back(std::exp2(-f32(h + 1)));
        attention_problem p{.q = heads(q, s.T, s.H, s.D),
                            .k = heads(k, s.S, s.Hk, s.D),
                            .v = heads(v, s.S, s.Hk, s.Dv),
                            .y = heads(y, s.T, s.H, s.Dv)};
        p.scale = 0.7f;
        const bool causal = !(options & 1), window = options & 2;
        p.visible = causal   ? window ? visibility::window(3) : visibility::causal()
                      : window ? visibility::around(2, 1)
                             : visibility::everything();
        const strided bias(s.H * s.T, s.S, 2, 5);
        const std::vector<f32> sinks(std::size_t(s.H), 0.4f);
        if (options & 16) p.bias = {bias.memory.data(), 1, s.T, s.H, s.S, 0, bias.stride, s.T * bias.stride};
        if (options & 32) p.sinks = sinks.data();
        if (options & 4) mask[1] = mask[std::size_t(s.S - 1)] = 0, p.key_mask = mask.data(), p.mask_stride = s.S;
        if (options & 8) p.softcap = 3, p.alibi_slopes = slopes.data();
        attention_kernel(isa::generic{}, p);
        const auto exact = [&](isize t, isize column) {
          const isize h = column / s.Dv, d = column % s.Dv, group = h / (s.H / s.Hk);
          const isize at = s.S - s.T + t;  // the query's place among the keys
          f64 sum = 0, weights = p.sinks ? std::exp(f64(sinks[std::size_t(h)])) : 0;
          for (isize i = 0; i < s.S; ++i) {
            if (!mask[std::size_t(i)] || (causal && i > at) || (window && (at - i > 2 || i - at > 1))) continue;
            f64 score = 0;
            for (isize c = 0; c < s.D; ++c)
              score += f64(q.view().row(t)[h * s.D + c]) * k.view().row(i)[group * s.D + c];
            score *= p.scale;
            if (p.bias.data) score += bias.view().row(h * s.T + t)[i];
            if (p.softcap) score = p.softcap * std::tanh(score / p.softcap);
            if (p.alibi_slopes) score += slopes[std::size_t(h)] * f64(i - at);
            const f64 weight = std::exp(score);
            weights += weight;
            sum += weight * v.view().row(i)[group * s.Dv + d];
          }
          return weights ? sum / weights : 0;
        };
        BOOST_TEST(error(y, exact) <= 2e-6);
        BOOST_TEST(y.intact());
      }
}

BOOST_AUTO_TEST_SUITE_END()
