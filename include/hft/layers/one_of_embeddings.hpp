// OneOfEmbeddings: embeddings that are one of several kinds, as their options say: one type for models of any of them,
// as OneOf is of layers.
#pragma once
#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>
#include <variant>

#include <hft/layers/context.hpp>
#include <hft/layers/forward_args.hpp>
#include <hft/layers/inputs.hpp>
#include <hft/module.hpp>

namespace hft {

/// Kinds derive from TextEmbeddings, and have options of different types. Checkpoint names: those of the kind it is.
template <class... Kinds>
class OneOfEmbeddings {
 public:
  using options = std::variant<typename Kinds::options...>;
  using inputs = TextInputs;

  template <class Config>
  static auto model_of(const Config& config) {
    return config.text_model();
  }

  explicit OneOfEmbeddings(const options& o) : kind(made(o)) {}

  /// The context of a pass over `in`. Throws what the kind throws.
  template <Scalar A, Device D>
  ForwardContext<A, D> begin(const char* where, const TextInputs& in, const ForwardArgs<A, D>& args) const {
    return std::visit([&](const auto& e) { return e.begin(where, in, args); }, kind);
  }
  /// Tokens (B,T) => (B,T,C), or what else the kind makes
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    return std::visit([&](const auto& e) { return e(in, context); }, kind);
  }

  void visit(visitor& v) {
    std::visit([&](auto& e) { e.visit(v); }, kind);
  }
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) {
    std::visit([&](auto& e) { e.leave_out_absent(stored); }, kind);
  }
  const char* main_parameter() const {
    return std::visit([](const auto& e) { return e.main_parameter(); }, kind);
  }
  isize max_positions() const {
    return std::visit([](const auto& e) { return e.max_positions(); }, kind);
  }
  unsigned ignored_inputs() const {
    return std::visit([](const auto& e) { return e.ignored_inputs(); }, kind);
  }
  isize padding_row() const {
    return std::visit([](const auto& e) { return e.padding_row(); }, kind);
  }
  /// The table of the tokens, which heads are tied to.
  const auto& token_table() const {
    return std::visit(
        [](const auto& e) -> const auto& { return e.token_table(); }, kind);
  }
  auto& token_table() {
    return std::visit(
        [](auto& e) -> auto& { return e.token_table(); }, kind);
  }

  std::variant<Kinds...> kind;

 private:
  template <std::size_t I = 0>
  static std::variant<Kinds...> made(const options& o) {
    if constexpr (I + 1 < sizeof...(Kinds))
      if (o.index() != I) return made<I + 1>(o);
    return std::variant<Kinds...>(std::in_place_index<I>, std::get<I>(o));
  }
};

}  // namespace hft
