// SentenceEncoder: the model of a folder's Transformer, its class erased: of one class, or AnyModel.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <hft/models/any_model.hpp>
#include <hft/models/output.hpp>
#include <hft/models/pretrained.hpp>

namespace hft {

namespace detail {
/// An output that AnyModel gives under a name, f32 with R dimensions.
template <std::size_t R>
Tensor<f32, R> output_tensor(const stored_tensor& stored) {
  if (stored.shape.size() != R)
    throw shape_error("a model's output", stored.name, joined(R, " dimensions"), shape_text(stored.shape));
  Shape<R> shape;
  std::copy(stored.shape.begin(), stored.shape.end(), shape.begin());
  Tensor<f32, R> t(shape);
  if (t.size()) std::memcpy(t.data(), stored.bytes.data(), stored.bytes.size());
  return t;
}
}  // namespace detail

/// What makes vectors of tokens.
class SentenceEncoder {
 public:
  virtual ~SentenceEncoder() = default;
  /// Tokens (B,T) => last_hidden_state (B,T,C), and hidden_states where the model's config or args ask for them.
  virtual BaseModelOutput<f32, cpu> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) const = 0;
  /// The field of its config that has this name, which is an integer; 0 where there is none.
  virtual isize field(std::string_view name) const = 0;
  /// C, 0 where it is not known.
  virtual isize output_size() const = 0;
};

namespace detail {

// Of a typed model, and of AnyModel: a config's integer, what vectors are made of, and what finds masked tokens.
template <class Model>
isize model_field(const Model& model, std::string_view name) {
  return get_field(model.any_config().ref(), name).value_or(0);
}
isize model_field(const AnyModel<>& model, std::string_view name);

template <class Model>
BaseModelOutput<f32, cpu> token_states(const Model& model, const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) {
  auto y = model(unnamed_ids<Model>(input_ids), args);
  return {.last_hidden_state = std::move(y.last_hidden_state), .hidden_states = std::move(y.hidden_states)};
}
/// Throws unsupported_error for a model without last_hidden_state.
BaseModelOutput<f32, cpu> token_states(const AnyModel<>& model, const Tensor<i64, 2>& input_ids,
                                       const ForwardArgs<>& args);

template <class Model>
Tensor<f32, 3> token_logits(const Model& model, const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) {
  return model(unnamed_ids<Model>(input_ids), args).logits;
}
/// Throws unsupported_error for a model without logits.
Tensor<f32, 3> token_logits(const AnyModel<>& model, const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args);

}  // namespace detail

/// Model: a class whose output has last_hidden_state, or AnyModel over one.
template <class Model>
class SentenceEncoderOf final : public SentenceEncoder {
 public:
  explicit SentenceEncoderOf(Model its) : model(std::move(its)) {}

  BaseModelOutput<f32, cpu> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) const override {
    return detail::token_states(model, input_ids, args);
  }
  isize field(std::string_view name) const override { return detail::model_field(model, name); }
  isize output_size() const override {
    for (const char* name : {"hidden_size", "d_model", "dim", "n_embd"})
      if (const isize size = field(name)) return size;
    return 0;
  }

  const Model model;
};

/// The same with the logits (B,T,V) of a masked language model as last_hidden_state.
template <class Model>
class MaskedLMEncoderOf final : public SentenceEncoder {
 public:
  explicit MaskedLMEncoderOf(Model its) : model(std::move(its)) {}

  BaseModelOutput<f32, cpu> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) const override {
    return {.last_hidden_state = detail::token_logits(model, input_ids, args)};
  }
  isize field(std::string_view name) const override { return detail::model_field(model, name); }
  isize output_size() const override { return field("vocab_size"); }

  const Model model;
};

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE isize model_field(const AnyModel<>& model, std::string_view name) {
  if (name == "max_position_embeddings") return model.max_position_embeddings();
  const json* value = find_member(model.config().fields, name);
  return value && value->is_number_integer() ? value->get<isize>() : 0;
}

HFT_INLINE BaseModelOutput<f32, cpu> token_states(const AnyModel<>& model, const Tensor<i64, 2>& input_ids,
                                                  const ForwardArgs<>& args) {
  BaseModelOutput<f32, cpu> out;
  for (const auto& stored : model.forward(input_ids, args)) {
    if (stored.name == "last_hidden_state")
      out.last_hidden_state = output_tensor<3>(stored);
    else if (stored.name.starts_with("hidden_states."))
      out.hidden_states.push_back(output_tensor<3>(stored));
  }
  if (!out.last_hidden_state) throw unsupported_error(model.architecture(), "its output", "last_hidden_state", "none");
  return out;
}

HFT_INLINE Tensor<f32, 3> token_logits(const AnyModel<>& model, const Tensor<i64, 2>& input_ids,
                                       const ForwardArgs<>& args) {
  for (const auto& stored : model.forward(input_ids, args))
    if (stored.name == "logits") return output_tensor<3>(stored);
  throw unsupported_error(model.architecture(), "its output", "logits", "none");
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
