// Dropout in a layer, and noise on embeddings: in a training pass only, and nothing at all on a device that does not
// record.
#pragma once
#include <cmath>

#include <hft/layers/context.hpp>

namespace hft {

/// x, or, in a training pass, x with a share p of its elements dropped.
template <class X, class Context>
X apply_dropout(const X& x, f64 p, Context& context) {
  if constexpr (requires { context.training; })
    if (context.training && p > 0) return dropout(x, context.dropout.next(p));
  return x;
}

/// Embeddings x (B,T,C), or, in a training pass that asks for it, x plus uniform noise of at most alpha / sqrt(T C).
/// (NEFTune: Jain et al. 2023, arXiv 2310.05914)
template <class X, class Context>
X apply_neftune(const X& x, const Context& context) {
  if constexpr (requires { context.training; })
    if (context.training && context.neftune_noise_alpha > 0) {
      static_assert(X::device::base::host_memory, "hft: the noise is made on the host");
      typename X::inner noise(x.shape());
      const f64 most = context.neftune_noise_alpha / std::sqrt(f64(x.extent(1) * x.extent(2)));
      const auto stream = context.dropout.noise();
      for (isize i = 0; i < noise.size(); ++i)
        noise.data()[i] = typename X::dtype_t(most * (2 * stream.uniform(std::uint64_t(i)) - 1));
      return add(x, noise);
    }
  return x;
}

}  // namespace hft
