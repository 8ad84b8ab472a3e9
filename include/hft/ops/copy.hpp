// copy_into: writes one (B,T,H,D) view over another; how caches take in keys and values.
#pragma once
#include <cstring>

#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

template <class T>
void copy_kernel(cpu, heads_view<T> to, heads_view<const T> from) {
  for (isize b = 0; b < to.batch; ++b)
    for (isize t = 0; t < to.tokens; ++t)
      for (isize h = 0; h < to.heads; ++h)
        std::memcpy(to.at(b, t, h), from.at(b, t, h), std::size_t(to.dim) * sizeof(T));
}

/// Copies `from` into the memory of `to`; throws shape_error unless their shapes are equal.
template <Scalar A, BaseDevice D>
void copy_into(const Tensor<A, 4, D>& to, const Tensor<A, 4, D>& from) {
  if (to.shape() != from.shape())
    throw shape_error("copy_into", "", detail::shape_text(to.shape()), detail::shape_text(from.shape()));
  copy_kernel(D{}, heads(to), heads_view<const A>(heads(from)));
}

HFT_COMPILED_IN(KERNELS, void copy_into(const Tensor<f32, 4>&, const Tensor<f32, 4>&))

}  // namespace hft
