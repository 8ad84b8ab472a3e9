// A model's inputs from tensors under names: of a file, of a batch, or of what a tokenizer returns.
#pragma once
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/io/stored_tensor.hpp>
#include <hft/layers/forward_args.hpp>
#include <hft/layers/inputs.hpp>
#include <hft/linkage.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

/// What becomes of tensors that a model does not take.
enum class other_inputs { refused, ignored };

namespace detail {
class input_reader final : public input_visitor {
 public:
  input_reader(std::span<const stored_tensor> tensors, std::string_view where) : tensors_(tensors), where_(where) {}

  /// Throws value_error for the first tensor that no slot had the name of.
  void check_all_taken() const;

 private:
  // Inline, so that a program that reads none holds none of it: a virtual function that is not has the class emitted.
  void on_input(const input_slot& slot) override { read(slot); }
  void read(const input_slot& slot);

  std::span<const stored_tensor> tensors_;
  std::string_view where_;
  std::string known_;
};

/// A tensor's numbers as T, i64 of integers and booleans or f32 of floating dtypes. Throws value_error for others.
template <class T>
void read_numbers(const stored_tensor& t, T* to, std::string_view where);
template <>
void read_numbers(const stored_tensor& t, i64* to, std::string_view where);
template <>
void read_numbers(const stored_tensor& t, f32* to, std::string_view where);
}  // namespace detail

/// Inputs from the tensors of their names. `where` names these in errors. Throws value_error for a dtype that does not
/// fit, a tensor that is missing, and unless they are ignored for others; shape_error for another rank.
template <class Inputs>
Inputs read_inputs(std::span<const stored_tensor> tensors, std::string_view where,
                   other_inputs others = other_inputs::refused) {
  Inputs inputs;
  detail::input_reader reader(tensors, where);
  inputs.fields(reader);
  if (others == other_inputs::refused) reader.check_all_taken();
  return inputs;
}

/// What a tokenizer returns: rows of ids, and of what goes with them, for each text.
template <class Batch>
concept TokenBatch = requires(const Batch& b) {
  ids_tensor(b.input_ids);
  ids_tensor(b.attention_mask);
  ids_tensor(b.token_type_ids);
};

namespace detail {
/// Rows of one length as tensors under the names of Transformers' forward. Throws shape_error for others.
std::vector<stored_tensor> batch_tensors(const std::vector<std::vector<i64>>& input_ids,
                                         const std::vector<std::vector<i64>>& attention_mask,
                                         const std::vector<std::vector<i64>>& token_type_ids);
template <TokenBatch Batch>
std::vector<stored_tensor> batch_tensors(const Batch& batch) {
  return batch_tensors(batch.input_ids, batch.attention_mask, batch.token_type_ids);
}

/// What a model with such Inputs is called with: them, the main one alone, or what a tokenizer returns.
template <class In, class Inputs>
concept ModelInput = std::is_convertible_v<const In&, const Inputs&> ||
    std::is_convertible_v<const In&, const typename Inputs::main&> ||
    (TokenBatch<In>&& std::is_same_v<typename Inputs::main, Tensor<i64, 2>>);

/// Does not compile for an In that a model with such Inputs is not called with, and says what it is called with.
template <class In, class Inputs>
constexpr void check_model_input() {
  constexpr bool tokens = std::is_same_v<typename Inputs::main, Tensor<i64, 2>>;
  constexpr bool fits = ModelInput<In, Inputs>, text = std::is_convertible_v<const In&, std::string_view>;
  constexpr bool text_for_ids = text && !fits, container = !text && !fits && requires(const In&x) { x.begin(); };
  static_assert(!text_for_ids, "hft: a model takes no text, but what a tokenizer makes of it: model(tokenizer(text))");
  static_assert(!container,
                "hft: a model takes tensors: Tensor<i64, 2>::from({1, 2, 3}, {1, 3}), or ids_tensor(rows) of vectors");
  static_assert(fits || text || container || !tokens,
                "hft: a model over tokens takes a Tensor<i64, 2> of ids (B,T), {.input_ids = ids, ...}, or what a "
                "tokenizer returns");
  static_assert(fits || text || container || tokens,
                "hft: this model takes its inputs in braces, {.pixel_values = images} for one over images, or the "
                "first of them alone: hft/layers/inputs.hpp has their types");
}

template <class Inputs, class In>
requires ModelInput<In, Inputs> Inputs model_inputs(const In& in) {
  if constexpr (std::is_convertible_v<const In&, const Inputs&>)
    return in;
  else if constexpr (std::is_convertible_v<const In&, const typename Inputs::main&>)
    return Inputs{in};
  else
    return read_inputs<Inputs>(batch_tensors(in), "a tokenizer's batch", other_inputs::ignored);
}
}  // namespace detail

/// Whether a tensor of this name says whether texts belong together.
inline bool is_sentence_label(std::string_view name) {
  return name == "next_sentence_label" || name == "sentence_order_label";
}
/// Whether a tensor of this name says what a model should have found.
inline bool is_label(std::string_view name) {
  return name == "labels" || name == "start_positions" || name == "end_positions" || is_sentence_label(name) ||
         name == "entity_labels" || name == "mc_labels";
}

/// Gives a pass the labels that a tensor of such a name holds: integers (B), (B,T) or, of the tokens of several texts,
/// (B,N,T), or reals (B) or (B,labels).
/// Throws value_error, shape_error.
template <Scalar A, Device D>
void set_labels(ForwardArgs<A, D>& args, const stored_tensor& labels, std::string_view where) {
  const bool texts = labels.shape.size() == 3 && labels.name == "labels" && !info(labels.dtype).floating;
  if (labels.shape.empty() || (labels.shape.size() > 2 && !texts))
    throw shape_error(std::string(where), "'" + labels.name + "'", "(batch) or (batch, labels)",
                      detail::shape_text(labels.shape));
  Shape<2> shape{labels.shape[0], labels.shape.size() == 2 ? labels.shape[1] : 1};
  if (texts) shape = {labels.shape[0] * labels.shape[1], labels.shape[2]};
  if (labels.name == "labels" && info(labels.dtype).floating) {
    args.values = Tensor<f32, 2>(shape);
    detail::read_numbers(labels, args.values.data(), where);
  } else {
    auto& to = labels.name == "labels"            ? args.labels
               : is_sentence_label(labels.name)   ? args.sentence_labels
               : labels.name == "entity_labels"   ? args.entity_labels
               : labels.name == "mc_labels"       ? args.mc_labels
               : labels.name == "start_positions" ? args.start_positions
                                                  : args.end_positions;
    to = Tensor<i64, 2>(shape);
    detail::read_numbers(labels, to.data(), where);
  }
}

#if HFT_DEFINES(MODELS)

namespace detail {

template <>
HFT_INLINE_ONCE void read_numbers(const stored_tensor& t, i64* to, std::string_view where) {
  const auto read = [&]<class T>(std::type_identity<T>) {
    for (isize i = 0, n = t.numel(); i < n; ++i) {
      T value;
      std::memcpy(&value, t.bytes.data() + std::size_t(i) * sizeof(T), sizeof(T));
      to[i] = i64(value);
    }
  };
  switch (t.dtype) {
    case dtype_id::i64:
      return read(std::type_identity<i64>{});
    case dtype_id::i32:
      return read(std::type_identity<i32>{});
    case dtype_id::i16:
      return read(std::type_identity<i16>{});
    case dtype_id::i8:
      return read(std::type_identity<i8>{});
    case dtype_id::u8:
    case dtype_id::boolean:
      return read(std::type_identity<u8>{});
    default:
      throw value_error(std::string(where), cat("'", t.name, "'"), "an integer or boolean dtype",
                        std::string(name(t.dtype)));
  }
}

template <>
HFT_INLINE_ONCE void read_numbers(const stored_tensor& t, f32* to, std::string_view where) {
  if (!info(t.dtype).floating || info(t.dtype).block > 1)
    throw value_error(std::string(where), cat("'", t.name, "'"), "a floating dtype", std::string(name(t.dtype)));
  convert_to_float(dtype_id::f32, to, t.dtype, t.bytes.data(), t.numel());
}

HFT_INLINE_ONCE std::vector<stored_tensor> batch_tensors(const std::vector<std::vector<i64>>& input_ids,
                                                         const std::vector<std::vector<i64>>& attention_mask,
                                                         const std::vector<std::vector<i64>>& token_type_ids) {
  std::vector<stored_tensor> out;
  const auto add = [&](const char* name, const std::vector<std::vector<i64>>& rows) {
    if (rows.empty()) return;
    const auto held = std::make_shared<const Tensor<i64, 2>>(ids_tensor(rows));
    stored_tensor t;
    t.name = name;
    t.dtype = dtype_id::i64;
    t.shape.assign(held->shape().begin(), held->shape().end());
    t.bytes = std::as_bytes(std::span(held->data(), std::size_t(held->size())));
    t.owner = held;
    out.push_back(std::move(t));
  };
  add("input_ids", input_ids);
  add("attention_mask", attention_mask);
  add("token_type_ids", token_type_ids);
  return out;
}

HFT_INLINE_ONCE void input_reader::read(const input_slot& slot) {
  known_ += (known_.empty() ? "" : ", ") + std::string(slot.name);
  for (const stored_tensor& t : tensors_) {
    if (t.name != slot.name) continue;
    if (t.shape.size() != slot.rank)
      throw shape_error(std::string(where_), cat("'", t.name, "'"), cat(slot.rank, " dimensions"), shape_text(t.shape));
    if (slot.real)
      read_numbers(t, static_cast<f32*>(slot.allocate(slot.tensor, t.shape.data())), where_);
    else
      read_numbers(t, static_cast<i64*>(slot.allocate(slot.tensor, t.shape.data())), where_);
    return;
  }
  if (slot.required) throw value_error(std::string(where_), "", cat("an input '", slot.name, "'"), "none");
}

HFT_INLINE_ONCE void input_reader::check_all_taken() const {
  for (const stored_tensor& t : tensors_)
    if (cat(", ", known_, ",").find(cat(" ", t.name, ",")) == std::string::npos)
      throw value_error(std::string(where_), "input", known_, t.name);
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
