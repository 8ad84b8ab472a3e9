// Linear: y = x W^T + b, with the weight in any dtype.
#pragma once
#include <array>
#include <type_traits>

#include <hft/layers/build.hpp>
#include <hft/module.hpp>
#include <hft/ops/linear.hpp>
#include <hft/ops/round_rows.hpp>

namespace hft {

/// torch.nn.Linear: weight (out, in), bias (out). Checkpoint names: weight, bias.
template <class B>
class Linear {
 public:
  Linear(isize in, isize out, bool has_bias = false)
      : weight(decltype(weight)::unallocated({out, in})), has_bias_(has_bias) {
    if (has_bias) bias = decltype(bias)::unallocated({out});
  }

  /// (..., in) => (..., out)
  template <class X>
  auto operator()(const X& x) const {
    return with_extent<B>(weight.extent(1), [&](auto k) { return linear(seen(x), compute_weight(), bias, k); });
  }

  /// The weight in the dtype that products take it in: a trained half-precision one is held as an f32 master.
  decltype(auto) compute_weight() const {
    if constexpr (std::is_same_v<typename decltype(weight)::dtype_t, typename B::weight>)
      return (weight);
    else
      return cast<typename B::weight>(weight);
  }

  /// What products take of x: where a checkpoint's method of quantisation rounds activations, too, x so rounded.
  template <class X>
  X seen(const X& x) const {
    return rounds_ ? round_rows(x) : x;
  }
  bool rounds() const { return rounds_; }

  void visit(visitor& v) {
    v.linear(rounds_);
    v("weight", weight);
    if (has_bias_) v("bias", bias);
    v.when_loaded([this] { prepare(); });
  }
  /// Lays the weight out as the device's products read it best. While others train, memory is worth more.
  void prepare() {
    if constexpr (!B::device::tracked) prepare_linear(weight);
  }
  /// Of a layer kind with adapters, those alone.
  void visit_adapters(visitor&) {}

  typename B::template parameter<typename B::weight, 2> weight;    // (out, in)
  typename B::template parameter<typename B::activation, 1> bias;  // (out), or empty

 private:
  bool has_bias_, rounds_ = false;
};

namespace detail {
template <class L>
inline constexpr bool is_plain_linear = false;
template <class B>
inline constexpr bool is_plain_linear<Linear<B>> = true;
}  // namespace detail

/// A layer that is its weight and bias and nothing else, so that ops may take these in its place.
template <class L>
concept PlainLinear = detail::is_plain_linear<L>;

/// Applies several linear layers to one x; plain ones together, so that x is read once.
template <class X, class L, class... Ls>
requires(std::is_same_v<L, Ls>&&...) auto project(const X& x, const L& first, const Ls&... others) {
  const auto plain_products = [&] {
    return linears(first.seen(x), std::array{first.compute_weight(), others.compute_weight()...},
                   std::array{first.bias, others.bias...});
  };
  if constexpr (requires { first.rounds(); })
    if (((others.rounds() != first.rounds()) || ...)) return std::array{first(x), others(x)...};
  if constexpr (PlainLinear<L>) {
    return plain_products();
  } else if constexpr (requires { first.adapt(x, first.bias); }) {  // what adapters add comes on top
    auto y = plain_products();
    std::size_t i = 0;
    for (const L* layer : {&first, &others...}) y[i] = layer->adapt(x, y[i]), ++i;
    return y;
  } else {
    return std::array{first(x), others(x)...};
  }
}

}  // namespace hft
