// The weights of attention on the CPU, as a matrix.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Writes y (B,H,T,S), dense; the problem's values and result are not looked at.
template <class A>
void attention_weights_kernel(cpu, A* y, const attention_problem_of<A>& p);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>

#include <hft/ops/cpu/attention.hpp>
#include <hft/parallel.hpp>

namespace hft {

template <class A>
void attention_weights_kernel(cpu, A* y, const attention_problem_of<A>& p) {
  const isize T = p.q.tokens, H = p.q.heads, S = p.k.tokens;
  parallel_for(p.q.batch * H * T, std::max<isize>(1, 16384 / (S * p.q.dim + 1)), [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      const isize b = i / T / H, h = i / T % H, t = i % T;
      A* row = y + i * S;
      f64 top = p.sinks ? p.sinks[h] : -INFINITY;
      for (isize s = 0; s < S; ++s) {
        row[s] = detail::sees_key(p, b, t, s) ? A(detail::attention_score(p, b, t, h, s)) : A(-INFINITY);
        top = std::max(top, f64(row[s]));
      }
      f64 sum = p.sinks ? std::exp(p.sinks[h] - top) : 0;
      for (isize s = 0; s < S; ++s) {
        row[s] = row[s] == A(-INFINITY) ? A(0) : A(std::exp(row[s] - top));
        sum += row[s];
      }
      for (isize s = 0; s < S && sum > 0; ++s) row[s] = A(row[s] / sum);
    }
  });
}

HFT_INSTANTIATE(void attention_weights_kernel(cpu, f32*, const attention_problem_of<f32>&))
HFT_INSTANTIATE(void attention_weights_kernel(cpu, f64*, const attention_problem_of<f64>&))

}  // namespace hft
#endif  // HFT_DEFINES
