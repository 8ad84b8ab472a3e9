// OneOf: a layer that is one of several kinds, as its options say: one type for models of any of them, and so one
// compilation of what stands on it.
#pragma once
#include <type_traits>
#include <utility>
#include <variant>

#include <hft/module.hpp>

namespace hft {

/// Layers have options of different types. Checkpoint names: those of the layer it is.
template <class... Layers>
class OneOf {
 public:
  using options = std::variant<typename Layers::options...>;

  explicit OneOf(const options& o) : layer(made(o)) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return std::visit([&](const auto& l) { return X(l(x, context)); }, layer);
  }
  void visit(visitor& v) {
    std::visit([&](auto& l) { l.visit(v); }, layer);
  }

  std::variant<Layers...> layer;

 private:
  template <std::size_t I = 0>
  static std::variant<Layers...> made(const options& o) {
    if constexpr (I + 1 < sizeof...(Layers))
      if (o.index() != I) return made<I + 1>(o);
    return std::variant<Layers...>(std::in_place_index<I>, std::get<I>(o));
  }
};

}  // namespace hft
