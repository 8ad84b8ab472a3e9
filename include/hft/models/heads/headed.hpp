// Headed: what all heads share, the base model as the member `model`, whose parts they pass on.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include <hft/models/model_parts.hpp>
#include <hft/models/output.hpp>

namespace hft {

/// Checkpoint name: model.
template <class Base>
class Headed : public ModelParts {
 public:
  using build_type = typename Base::build_type;
  using A = typename Base::A;
  using D = typename Base::D;
  using inputs = typename Base::inputs;

  explicit Headed(const typename Base::options& o) : model(o) {}

  void visit(visitor& v) override { v("model", model); }
  void tie_weights() override { model.tie_weights(); }
  tied_pairs tied_parameters() const override {
    auto pairs = model.tied_parameters();
    for (auto& [copy, original] : pairs) copy.insert(0, "model."), original.insert(0, "model.");
    return pairs;
  }
  /// Of the base model's members those alone that can be computed: a head needs the others.
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) override {
    const auto in_model = [&](std::string_view path) { return stored(std::string("model.").append(path)); };
    if constexpr (requires { model.leave_out_computed(in_model); }) model.leave_out_computed(in_model);
  }
  void resize_token_embeddings(isize vocab_size) override { model.resize_token_embeddings(vocab_size); }
  CacheOptions cache_options() const override { return model.cache_options(); }
  isize max_positions() const override { return model.max_positions(); }
  std::string input_embeddings() const override { return "model." + model.input_embeddings(); }
  isize padding_row() const override { return model.padding_row(); }
  const auto& token_table() const requires requires(const Base& b) { b.token_table(); }
  { return model.token_table(); }
  auto& token_table() requires requires(Base& b) { b.token_table(); }
  { return model.token_table(); }

  Base model;
};

}  // namespace hft
