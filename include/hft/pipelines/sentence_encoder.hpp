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

/// What texts' vectors are made with, and nothing of it changes.
class SentenceEncoder {
 public:
  virtual ~SentenceEncoder() = default;
  /// Tokens (B,T) => last_hidden_state (B,T,C), and hidden_states where the model's config or args ask for them.
  virtual BaseModelOutput<f32, cpu> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) const = 0;
  /// The field of its config that has this name, which is an integer; 0 where there is none.
  virtual isize field(std::string_view name) const = 0;
  /// C, 0 where it is not known.
  isize hidden_size() const {
    for (const char* name : {"hidden_size", "d_model", "dim", "n_embd"})
      if (const isize size = field(name)) return size;
    return 0;
  }
};

/// Model: a class whose output has last_hidden_state, or AnyModel over one.
template <class Model>
class SentenceEncoderOf final : public SentenceEncoder {
 public:
  explicit SentenceEncoderOf(Model its) : model(std::move(its)) {}

  BaseModelOutput<f32, cpu> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) const override {
    auto y = model(input_ids, args);
    return {.last_hidden_state = std::move(y.last_hidden_state), .hidden_states = std::move(y.hidden_states)};
  }
  isize field(std::string_view name) const override { return get_field(model.any_config().ref(), name).value_or(0); }

  const Model model;
};

template <>
class SentenceEncoderOf<AnyModel<>> final : public SentenceEncoder {
 public:
  explicit SentenceEncoderOf(AnyModel<> its) : model(std::move(its)) {}

  /// Throws unsupported_error for a model without last_hidden_state.
  BaseModelOutput<f32, cpu> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) const override;
  isize field(std::string_view name) const override;

  const AnyModel<> model;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE BaseModelOutput<f32, cpu> SentenceEncoderOf<AnyModel<>>::operator()(const Tensor<i64, 2>& input_ids,
                                                                               const ForwardArgs<>& args) const {
  BaseModelOutput<f32, cpu> out;
  for (const auto& stored : model.forward(input_ids, args)) {
    const bool last = stored.name == "last_hidden_state";
    if (!last && !stored.name.starts_with("hidden_states.")) continue;
    if (last)
      out.last_hidden_state = detail::output_tensor<3>(stored);
    else
      out.hidden_states.push_back(detail::output_tensor<3>(stored));
  }
  if (!out.last_hidden_state) throw unsupported_error(model.architecture(), "its output", "last_hidden_state", "none");
  return out;
}

HFT_INLINE isize SentenceEncoderOf<AnyModel<>>::field(std::string_view name) const {
  if (name == "max_position_embeddings") return model.max_position_embeddings();
  const json* value = find_member(model.config().fields, name);
  return value && value->is_number_integer() ? value->get<isize>() : 0;
}

#endif  // HFT_DEFINES

}  // namespace hft
