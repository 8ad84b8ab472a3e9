// Clipping of gradients by their global norm.
#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>
#include <hft/train/trainable.hpp>

namespace hft {

namespace detail {

/// Parts of all gradients together, so that threads share the work whatever the sizes of the tensors.
struct gradient_part {
  f32* data;
  isize size;
};
inline std::vector<gradient_part> gradient_parts(std::span<const trainable> parameters) {
  constexpr isize part = 16384;
  std::vector<gradient_part> parts;
  for (const trainable& p : parameters)
    if (p.grad)
      for (isize i = 0, n = p.size(); i < n; i += part) parts.push_back({p.grad + i, std::min(part, n - i)});
  return parts;
}

}  // namespace detail

/// The L2 norm of all gradients as one vector, in f64. NaN or infinite exactly where one of them is (no finite f32
/// overflows it). Does not depend on the number of threads.
inline f64 grad_norm(std::span<const trainable> parameters) {
  const auto parts = detail::gradient_parts(parameters);
  std::vector<f64> sums(parts.size());
  parallel_for(isize(parts.size()), 1, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      const f32* g = parts[std::size_t(i)].data;
      const isize n = parts[std::size_t(i)].size;
      f64 lane[8] = {};
      isize k = 0;
      for (; k + 8 <= n; k += 8)
        for (isize j = 0; j < 8; ++j) lane[j] += f64(g[k + j]) * f64(g[k + j]);
      for (; k < n; ++k) lane[0] += f64(g[k]) * f64(g[k]);
      f64 total = 0;
      for (const f64 x : lane) total += x;
      sums[std::size_t(i)] = total;
    }
  });
  f64 total = 0;
  for (const f64 s : sums) total += s;
  return std::sqrt(total);
}

/// Multiplies all gradients by a number: the inverse of a loss scale, or of a number of accumulated steps.
inline void scale_grads(std::span<const trainable> parameters, f64 factor) {
  using V = isa::lanes<f32>;
  const auto parts = detail::gradient_parts(parameters);
  const V by = V::set(f32(factor));
  parallel_for(isize(parts.size()), 1, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      f32* g = parts[std::size_t(i)].data;
      isa::for_lanes<V>(parts[std::size_t(i)].size,
                        [&](isize k, auto part) { part.store(part.template load<V>(g + k) * by, g + k); });
    }
  });
}

/// Shortens all gradients together so that their norm is at most max_norm, and returns the norm they had. Where that is
/// NaN or infinite they are left as they are; the caller decides what to do. (torch.nn.utils.clip_grad_norm_)
inline f64 clip_grad_norm_(std::span<const trainable> parameters, f64 max_norm) {
  const f64 norm = grad_norm(parameters), factor = max_norm / (norm + 1e-6);
  if (std::isfinite(norm) && factor < 1) scale_grads(parameters, factor);
  return norm;
}

}  // namespace hft
