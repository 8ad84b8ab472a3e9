// Products of queries or keys with the rows of a table that pairs of places choose, and their gradients, on the CPU.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y(b,h,t,s) = x(b, t, h) . row(index(b,t,s), h), or of key s in the place of t where `of_keys`; 0 where the index is
/// below 0. The index was checked.
template <class T>
struct relative_scores_problem {
  heads_view<const T> x;     // (B,T|S,H,D)
  heads_view<const T> rows;  // (1,P,H,D)
  const i64* index;          // (1|B,T,S)
  isize index_stride;        // between its batch rows
  isize queries, keys;
  bool of_keys;

  isize chosen(isize b, isize t, isize s) const { return isize(index[b * index_stride + t * keys + s]); }
};

/// y (B,H,T,S)
template <class T>
void relative_scores_kernel(cpu, T* y, const relative_scores_problem<T>& p);

/// From dy (B,H,T,S) dx (B,T|S,H,D), dense, or += if `add`.
template <class T>
void relative_scores_input_gradient_kernel(cpu, T* dx, const T* dy, const relative_scores_problem<T>& p, bool add);

/// From dy (B,H,T,S) drows (P,H,D), dense, or += if `add`.
template <class T>
void relative_scores_rows_gradient_kernel(cpu, T* drows, const T* dy, const relative_scores_problem<T>& p, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>

#include <hft/parallel.hpp>

namespace hft {

template <class T>
void relative_scores_kernel(cpu, T* y, const relative_scores_problem<T>& p) {
  const isize H = p.x.heads, D = p.x.dim;
  parallel_for(p.x.batch * H * p.queries, 8, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      const isize t = i % p.queries, h = i / p.queries % H, b = i / (p.queries * H);
      for (isize s = 0; s < p.keys; ++s) {
        const isize r = p.chosen(b, t, s);
        T sum = 0;
        if (r >= 0) {
          const T *x = p.x.at(b, p.of_keys ? s : t, h), *row = p.rows.at(0, r, h);
          for (isize d = 0; d < D; ++d) sum += x[d] * row[d];
        }
        y[i * p.keys + s] = sum;
      }
    }
  });
}

template <class T>
void relative_scores_input_gradient_kernel(cpu, T* dx, const T* dy, const relative_scores_problem<T>& p, bool add) {
  const isize H = p.x.heads, D = p.x.dim, N = p.x.tokens;
  parallel_for(p.x.batch * H, 1, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      const isize h = i % H, b = i / H;
      const auto at = [&](isize n) { return dx + ((b * N + n) * H + h) * D; };
      for (isize n = 0; n < N && !add; ++n) std::fill_n(at(n), D, T(0));
      for (isize t = 0; t < p.queries; ++t)
        for (isize s = 0; s < p.keys; ++s) {
          const isize r = p.chosen(b, t, s);
          if (r < 0) continue;
          const T g = dy[(i * p.queries + t) * p.keys + s], *row = p.rows.at(0, r, h);
          T* to = at(p.of_keys ? s : t);
          for (isize d = 0; d < D; ++d) to[d] += g * row[d];
        }
    }
  });
}

template <class T>
void relative_scores_rows_gradient_kernel(cpu, T* drows, const T* dy, const relative_scores_problem<T>& p, bool add) {
  const isize H = p.x.heads, D = p.x.dim;
  parallel_for(H, 1, [&](isize begin, isize end) {
    for (isize h = begin; h < end; ++h) {
      for (isize r = 0; r < p.rows.tokens && !add; ++r) std::fill_n(drows + (r * H + h) * D, D, T(0));
      for (isize b = 0; b < p.x.batch; ++b)
        for (isize t = 0; t < p.queries; ++t)
          for (isize s = 0; s < p.keys; ++s) {
            const isize r = p.chosen(b, t, s);
            if (r < 0) continue;
            const T g = dy[((b * H + h) * p.queries + t) * p.keys + s], *x = p.x.at(b, p.of_keys ? s : t, h);
            T* to = drows + (r * H + h) * D;
            for (isize d = 0; d < D; ++d) to[d] += g * x[d];
          }
    }
  });
}

HFT_INSTANTIATE(void relative_scores_kernel(cpu, f32*, const relative_scores_problem<f32>&))
HFT_INSTANTIATE(void relative_scores_kernel(cpu, f64*, const relative_scores_problem<f64>&))
HFT_INSTANTIATE(void relative_scores_input_gradient_kernel(cpu, f32*, const f32*, const relative_scores_problem<f32>&,
                                                           bool))
HFT_INSTANTIATE(void relative_scores_input_gradient_kernel(cpu, f64*, const f64*, const relative_scores_problem<f64>&,
                                                           bool))
HFT_INSTANTIATE(void relative_scores_rows_gradient_kernel(cpu, f32*, const f32*, const relative_scores_problem<f32>&,
                                                          bool))
HFT_INSTANTIATE(void relative_scores_rows_gradient_kernel(cpu, f64*, const f64*, const relative_scores_problem<f64>&,
                                                          bool))

}  // namespace hft
#endif  // HFT_DEFINES
