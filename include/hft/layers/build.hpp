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
///   freezes   whether half-precision weights stay as they are while others are trained, as adapters over them need
struct plain {
  static constexpr bool freezes = false;
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

// Where a weight of dtype T lies. On a device that records, floating weights are recorded in the dtype that gradients
// have (half-precision ones as f32 masters), and those of block formats, which have no gradient, lie on the device
// beneath. An any_q weight is recorded, and has a gradient where it holds f32.
template <class T, class D, bool Freezes>
struct parameter_type {
  using dtype = T;
  using device = D;
};
template <class T, class D, bool Freezes>
requires(D::tracked && !std::is_floating_point_v<T>) struct parameter_type<T, D, Freezes> {
  static constexpr bool half = std::is_same_v<T, bf16> || std::is_same_v<T, f16>;
  using dtype = std::conditional_t<half && !Freezes, f32, T>;
  using device = std::conditional_t<(half && !Freezes) || std::is_same_v<T, any_q>, D, typename D::base>;
};
}  // namespace detail

template <class W, Device D = cpu, class L = plain, class S = runtime>
struct build {
  using weight = typename detail::split_weights<W>::linears;
  using embedding_weight = typename detail::split_weights<W>::embeddings;
  using device = D;
  using base = typename D::base;
  using activation = typename base::template activation<weight>;
  // A linear layer by its role: what a block's projections into heads or the width of an MLP are, whose outputs several
  // devices could divide, what its projections back are, whose inputs they could, and all others. One type today.
  using linear = typename L::template linear<build>;
  using column_linear = linear;
  using row_linear = linear;
  using specialisation = S;

  /// The same build with the head's and the embeddings' dtype for its linear layers.
  using embeddings = build<embedding_weight, D, L, S>;
  using layer_kind = L;
  template <std::size_t Rank>
  using tensor = Tensor<activation, Rank, D>;
  /// The tensor that holds a weight of dtype T.
  template <class T, std::size_t Rank>
  using parameter = Tensor<typename detail::parameter_type<T, D, L::freezes>::dtype, Rank,
                           typename detail::parameter_type<T, D, L::freezes>::device>;
  /// The same build on another device.
  template <Device Other>
  using on = build<W, Other, L, S>;
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
