// build<W, D, L, S>: the axes along which a model is compiled, as one type.
//
//   W  weight dtype     f32, bf16, q4_0, any_q, ..., or weights<Linears, Embeddings>
//   D  device policy    cpu, ...
//   L  layer kind       plain, ...: what `Linear` is
//   S  specialisation   runtime, or fixed<S>: a type that holds a config, whose extents the compiler then knows
//
// A layer takes one parameter, `template <class B> struct RMSNorm`, and an error message names one.
#pragma once
#include <type_traits>

#include <hft/device.hpp>
#include <hft/dtype.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// A known mix of weight dtypes: linear layers in one, embeddings (and the head, which is often tied to them) in
/// another.
template <WeightDtype Linears, WeightDtype Embeddings>
struct weights {};

/// No specialisation: every extent is a run-time number.
struct runtime {};

/// A specialised build. S holds a config: `struct smollm2_135m { static constexpr LlamaConfig config{...}; };`
/// A model of this build accepts checkpoints of exactly that config.
template <class S>
struct fixed {};

template <class B>
class Linear;

/// The layer kind of inference and full training: a linear layer is a Linear.
struct plain {
  template <class B>
  using linear = Linear<B>;
};

namespace detail {
template <class W>
struct split_weights {
  static_assert(
      WeightDtype<W>,
      "hft: the weight dtype must be a floating dtype, a block format, any_q, or weights<Linears, Embeddings>");
  using linears = W;
  using embeddings = W;
};
template <class Linears, class Embeddings>
struct split_weights<weights<Linears, Embeddings>> {
  using linears = Linears;
  using embeddings = Embeddings;
};
}  // namespace detail

template <class W, Device D = cpu, class L = plain, class S = runtime>
struct build {
  using weight = typename detail::split_weights<W>::linears;
  using embedding_weight = typename detail::split_weights<W>::embeddings;
  using device = D;
  using base = typename D::base;
  using activation = typename base::template activation<weight>;
  using linear = typename L::template linear<build>;
  using specialisation = S;

  /// The same build with the head's and the embeddings' dtype for its linear layers.
  using embeddings = build<embedding_weight, D, L, S>;
  template <std::size_t Rank>
  using tensor = Tensor<activation, Rank, D>;
};

namespace detail {
template <class F>
auto with_extent(runtime*, isize n, F& f) {
  return f(n);
}
template <class S, std::size_t I = 0, class F>
auto with_extent(fixed<S>* s, isize n, F& f) {
  constexpr auto extents = S::config.extents();
  if constexpr (I == extents.size()) {
    return f(n);
  } else {
    if (n == extents[I]) return f(Int<extents[I]>{});
    return with_extent<S, I + 1>(s, n, f);
  }
}
}  // namespace detail

/// Calls f with the extent n: as Int<N> where the build is specialised and its config has that extent, else as isize.
/// It is how a layer meets its specialised kernels without knowing which extent it has.
template <class B, class F>
auto with_extent(isize n, F&& f) {
  return detail::with_extent(static_cast<typename B::specialisation*>(nullptr), n, f);
}

}  // namespace hft
