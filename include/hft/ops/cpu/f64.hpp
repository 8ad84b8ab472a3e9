// The ops' kernels in f64, plain: for checks of gradients by finite differences, and for models in double precision.
// Opt-in header; linear and attention have theirs beside the others.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/activation_kind.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

void add_kernel(cpu, matrix<f64> y, matrix<const f64> a, matrix<const f64> b);
void mul_kernel(cpu, matrix<f64> y, matrix<const f64> a, matrix<const f64> b);
void scale_kernel(cpu, matrix<f64> y, matrix<const f64> x, f64 s);
void activation_kernel(cpu, matrix<f64> y, matrix<const f64> x, Activation f);
void gated_activation_kernel(cpu, matrix<f64> y, matrix<const f64> gate, matrix<const f64> up, Activation f);
void rms_norm_kernel(cpu, matrix<f64> y, matrix<const f64> x, const f64* weight, f64 eps, isize);
void layer_norm_kernel(cpu, matrix<f64> y, matrix<const f64> x, const f64* weight, const f64* bias, f64 eps, isize);
void embedding_kernel(cpu, matrix<f64> y, const i64* ids, weight_matrix<f64> table);
void rope_kernel(cpu, heads_view<f64> y, heads_view<const f64> x, matrix<const f64> cos, matrix<const f64> sin,
                 bool interleaved);
void softmax_kernel(cpu, matrix<f64> y, matrix<const f64> x);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <cmath>

#include <hft/ops/cpu/activation_backward.hpp>
#include <hft/parallel.hpp>

namespace hft {

HFT_INLINE void add_kernel(cpu, matrix<f64> y, matrix<const f64> a, matrix<const f64> b) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = a.row(i)[j] + b.row(i)[j];
}
HFT_INLINE void mul_kernel(cpu, matrix<f64> y, matrix<const f64> a, matrix<const f64> b) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = a.row(i)[j] * b.row(i)[j];
}
HFT_INLINE void scale_kernel(cpu, matrix<f64> y, matrix<const f64> x, f64 s) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = x.row(i)[j] * s;
}

namespace detail {
inline void activate_f64(matrix<f64> y, matrix<const f64> x, const matrix<const f64>* up, Activation f) {
  with_slope<f64>(f, [&]<class G, class V>(G g, V) {
    for (isize i = 0; i < y.rows; ++i)
      for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = g(V{x.row(i)[j]}).value.v * (up ? up->row(i)[j] : 1);
  });
}

inline void norm_f64(matrix<f64> y, matrix<const f64> x, const f64* weight, const f64* bias, f64 eps, bool centred) {
  for (isize i = 0; i < x.rows; ++i) {
    f64 sum = 0, squares = 0;
    for (isize j = 0; j < x.cols; ++j) sum += x.row(i)[j];
    const f64 mean = centred ? sum / f64(x.cols) : 0;
    for (isize j = 0; j < x.cols; ++j) squares += (x.row(i)[j] - mean) * (x.row(i)[j] - mean);
    const f64 scale = 1 / std::sqrt(squares / f64(x.cols) + eps);
    for (isize j = 0; j < x.cols; ++j) y.row(i)[j] = (x.row(i)[j] - mean) * scale * weight[j] + (bias ? bias[j] : 0);
  }
}
}  // namespace detail

HFT_INLINE void activation_kernel(cpu, matrix<f64> y, matrix<const f64> x, Activation f) {
  detail::activate_f64(y, x, nullptr, f);
}
HFT_INLINE void gated_activation_kernel(cpu, matrix<f64> y, matrix<const f64> gate, matrix<const f64> up,
                                        Activation f) {
  detail::activate_f64(y, gate, &up, f);
}

HFT_INLINE void rms_norm_kernel(cpu, matrix<f64> y, matrix<const f64> x, const f64* weight, f64 eps, isize) {
  detail::norm_f64(y, x, weight, nullptr, eps, false);
}
HFT_INLINE void layer_norm_kernel(cpu, matrix<f64> y, matrix<const f64> x, const f64* weight, const f64* bias, f64 eps,
                                  isize) {
  detail::norm_f64(y, x, weight, bias, eps, true);
}

HFT_INLINE void embedding_kernel(cpu, matrix<f64> y, const i64* ids, weight_matrix<f64> table) {
  for (isize i = 0; i < y.rows; ++i) std::copy_n(table.row(isize(ids[i])), y.cols, y.row(i));
}

HFT_INLINE void rope_kernel(cpu, heads_view<f64> y, heads_view<const f64> x, matrix<const f64> cos,
                            matrix<const f64> sin, bool interleaved) {
  const isize pairs = cos.cols, step = interleaved ? 2 : 1, partner = interleaved ? 1 : pairs;
  for (isize i = 0; i < x.batch * x.tokens; ++i)
    for (isize h = 0; h < x.heads; ++h) {
      const f64* in = x.at(i / x.tokens, i % x.tokens, h);
      f64* out = y.at(i / x.tokens, i % x.tokens, h);
      for (isize j = 0; j < pairs; ++j) {
        const f64 first = in[j * step], second = in[j * step + partner], c = cos.row(i)[j], s = sin.row(i)[j];
        out[j * step] = first * c - second * s;
        out[j * step + partner] = second * c + first * s;
      }
      for (isize j = 2 * pairs; j < x.dim; ++j) out[j] = in[j];
    }
}

HFT_INLINE void softmax_kernel(cpu, matrix<f64> y, matrix<const f64> x) {
  for (isize i = 0; i < x.rows; ++i) {
    f64 top = -INFINITY, sum = 0;
    for (isize j = 0; j < x.cols; ++j) top = std::max(top, x.row(i)[j]);
    for (isize j = 0; j < x.cols; ++j) sum += y.row(i)[j] = std::exp(x.row(i)[j] - top);
    for (isize j = 0; j < x.cols; ++j) y.row(i)[j] /= sum;
  }
}

}  // namespace hft
#endif  // HFT_DEFINES
