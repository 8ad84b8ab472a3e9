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
  void untie(std::string_view copy) override {
    if (copy.starts_with("model.")) model.untie(copy.substr(6));
  }
  void set_tie_word_embeddings(bool tied) override { model.set_tie_word_embeddings(tied); }
  /// Of the base model's members those alone that can be computed: a head needs the others.
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) override {
    const auto in_model = [&](std::string_view path) { return stored(detail::cat("model.", path)); };
    if constexpr (requires { model.leave_out_computed(in_model); }) model.leave_out_computed(in_model);
  }
  void resize_token_embeddings(isize vocab_size) override { model.resize_token_embeddings(vocab_size); }
  CacheOptions cache_options() const override { return model.cache_options(); }
  isize max_positions() const override { return model.max_positions(); }
  std::string input_embeddings() const override { return "model." + model.input_embeddings(); }
  isize padding_row() const override { return model.padding_row(); }
  unsigned ignored_inputs() const requires requires(const Base& b) { b.ignored_inputs(); }
  { return model.ignored_inputs(); }
  const auto& token_table() const requires requires(const Base& b) { b.token_table(); }
  { return model.token_table(); }
  auto& token_table() requires requires(Base& b) { b.token_table(); }
  { return model.token_table(); }

  Base model;
};

namespace detail {

template <class Inputs>
inline constexpr bool has_decoder = false;
template <Scalar A, Device D>
inline constexpr bool has_decoder<Seq2SeqInputs<A, D>> = true;

/// The output of a head by the base model that it stands on: beside an encoder and a decoder their states, too.
template <class Base, class Output, class Seq2SeqOutput>
using output_over = std::conditional_t<has_decoder<typename Base::inputs>, Seq2SeqOutput, Output>;

/// The options of the backbone that a head sees: of an encoder and a decoder the decoder's.
template <class Options>
auto& last_backbone(Options& o) {
  if constexpr (requires { o.decoder; })
    return o.decoder;
  else
    return o;
}

}  // namespace detail

}  // namespace hft
