// Factors that begin as a part of a weight: PiSSA (Meng et al. 2024, arXiv 2404.02948) and OLoRA (Bueyuekakyuez 2024,
// arXiv 2406.01775). Computed in f64.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>

namespace hft::detail {

/// A (r, in) and B (out, r).
using factor_values = std::pair<std::vector<f32>, std::vector<f32>>;

inline f64 dot_f64(const f64* a, const f64* b, isize n) {
  f64 sum = 0;
  for (isize i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// The r largest singular values S of weight (out, in) and their vectors: A = sqrt(S / scaling) V^T and
/// B = U sqrt(S / scaling). One-sided Jacobi rotations (Hestenes 1958) make the rows of the smaller side orthogonal.
inline factor_values principal_factors(const f32* weight, isize out, isize in, isize r, f64 scaling) {
  const bool turned = out > in;  // rotate the fewer
  const isize n = std::min(out, in), m = std::max(out, in);
  std::vector<f64> rows(static_cast<std::size_t>(n * m)), turn(static_cast<std::size_t>(n * n));
  for (isize o = 0; o < out; ++o)
    for (isize c = 0; c < in; ++c) rows[std::size_t(turned ? c * m + o : o * m + c)] = f64(weight[o * in + c]);
  for (isize i = 0; i < n; ++i) turn[std::size_t(i * n + i)] = 1;  // rows = turn^T weight, in the end
  const auto rotate = [](f64* a, f64* b, isize count, f64 cosine, f64 sine) {
    for (isize i = 0; i < count; ++i) {
      const f64 x = a[i], y = b[i];
      a[i] = cosine * x - sine * y;
      b[i] = sine * x + cosine * y;
    }
  };
  for (int sweep = 0; sweep < 40; ++sweep) {
    bool rotated = false;
    for (isize p = 0; p < n; ++p)
      for (isize q = p + 1; q < n; ++q) {
        f64 *a = rows.data() + p * m, *b = rows.data() + q * m;
        const f64 aa = dot_f64(a, a, m), bb = dot_f64(b, b, m), ab = dot_f64(a, b, m);
        if (std::abs(ab) <= 1e-12 * std::sqrt(aa * bb)) continue;
        rotated = true;
        const f64 zeta = (bb - aa) / (2 * ab);
        const f64 tangent = (zeta >= 0 ? 1 : -1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const f64 cosine = 1 / std::sqrt(1 + tangent * tangent), sine = cosine * tangent;
        rotate(a, b, m, cosine, sine);
        rotate(turn.data() + p * n, turn.data() + q * n, n, cosine, sine);
      }
    if (!rotated) break;
  }
  std::vector<f64> singular(static_cast<std::size_t>(n));
  for (isize i = 0; i < n; ++i)
    singular[std::size_t(i)] = std::sqrt(dot_f64(rows.data() + i * m, rows.data() + i * m, m));
  std::vector<isize> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), isize(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](isize a, isize b) { return singular[std::size_t(a)] > singular[std::size_t(b)]; });
  factor_values result{std::vector<f32>(static_cast<std::size_t>(r * in)),
                       std::vector<f32>(static_cast<std::size_t>(out * r))};
  for (isize k = 0; k < r; ++k) {
    const isize i = order[std::size_t(k)];
    const f64 s = singular[std::size_t(i)], root = std::sqrt(s / scaling);
    for (isize c = 0; c < in; ++c)
      result.first[std::size_t(k * in + c)] = f32(turned  ? root * turn[std::size_t(i * n + c)]
                                                  : s > 0 ? root / s * rows[std::size_t(i * m + c)]
                                                          : 0);
    for (isize o = 0; o < out; ++o)
      result.second[std::size_t(o * r + k)] = f32(!turned ? root * turn[std::size_t(i * n + o)]
                                                  : s > 0 ? root / s * rows[std::size_t(i * m + o)]
                                                          : 0);
  }
  return result;
}

/// The first r columns of Q and rows of R of weight (out, in) = Q R: B = Q, A = R. Gram-Schmidt, twice; the signs
/// are free: A and B change theirs together.
inline factor_values orthonormal_factors(const f32* weight, isize out, isize in, isize r) {
  std::vector<f64> q(static_cast<std::size_t>(r * out));
  factor_values result{std::vector<f32>(static_cast<std::size_t>(r * in)),
                       std::vector<f32>(static_cast<std::size_t>(out * r))};
  for (isize k = 0; k < r; ++k) {
    f64* column = q.data() + k * out;
    for (isize o = 0; o < out; ++o) column[o] = f64(weight[o * in + k]);
    for (int pass = 0; pass < 2; ++pass)
      for (isize j = 0; j < k; ++j) {
        const f64 part = dot_f64(q.data() + j * out, column, out);
        for (isize o = 0; o < out; ++o) column[o] -= part * q[std::size_t(j * out + o)];
      }
    const f64 norm = std::sqrt(dot_f64(column, column, out));
    for (isize o = 0; o < out; ++o) column[o] = norm > 0 ? column[o] / norm : 0;
    for (isize o = 0; o < out; ++o) result.second[std::size_t(o * r + k)] = f32(column[o]);
    for (isize c = k; c < in; ++c) {
      f64 sum = 0;
      for (isize o = 0; o < out; ++o) sum += column[o] * f64(weight[o * in + c]);
      result.first[std::size_t(k * in + c)] = f32(sum);
    }
  }
  return result;
}

}  // namespace hft::detail
