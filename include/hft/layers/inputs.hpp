// What models take in: tensors under the names of Transformers' forward, listed once for whoever reads them from a file
// or a batch.
//
//   struct TextInputs {
//     Tensor<i64, 2> input_ids, ...;
//     void fields(input_visitor& v) { v("input_ids", input_ids, v.required); ... }
//   };
#pragma once
#include <type_traits>

#include <hft/tensor.hpp>

namespace hft {

/// Where a named tensor goes, its type erased.
struct input_slot {
  const char* name;
  bool required;
  std::size_t rank;
  bool real;  // f32, else i64
  void* tensor;
  void* (*allocate)(void* tensor, const isize* shape);  // memory for so many elements, which become the tensor's
  void (*keep_row)(void* tensor, isize row);            // of its rows that one alone
};

/// Walks the tensors that a model takes in.
class input_visitor {
 public:
  static constexpr bool required = true;

  virtual ~input_visitor() = default;

  template <class T, std::size_t Rank>
  requires(std::is_same_v<T, i64> || std::is_same_v<T, f32>) void operator()(const char* name, Tensor<T, Rank>& tensor,
                                                                             bool needed = false) {
    on_input({name, needed, Rank, std::is_same_v<T, f32>, &tensor,
              [](void* place, const isize* extents) -> void* {
                Shape<Rank> shape;
                for (std::size_t d = 0; d < Rank; ++d) shape[d] = extents[d];
                auto& made = *static_cast<Tensor<T, Rank>*>(place) = Tensor<T, Rank>(shape);
                return made.data();
              },
              [](void* place, isize row) {
                auto& whole = *static_cast<Tensor<T, Rank>*>(place);
                if (whole) whole = whole.slice(0, row, row + 1).dense();
              }});
  }
  /// A flag, which a file or a batch has as one integer.
  void operator()(const char* name, i64& flag) {
    on_input({name, false, 1, false, &flag,
              [](void* place, const isize* extents) -> void* {
                if (extents[0] != 1) throw shape_error("input", "a flag", "(1)", detail::joined("(", extents[0], ")"));
                return place;
              },
              [](void*, isize) {}});
  }

 protected:
  virtual void on_input(const input_slot& slot) = 0;
};

/// Inputs and options that a model may have no use for, as bits of a sum.
namespace without_effect {
inline constexpr unsigned token_type_ids = 1, task_type_ids = 2, position_ids = 4, output_attentions = 8, labels = 16;
}  // namespace without_effect

struct MultipleChoiceInputs;

/// Of models over tokens. Empty tensors mean Transformers' None.
struct TextInputs {
  using main = Tensor<i64, 2>;          // its first
  using choice = MultipleChoiceInputs;  // of a choice between texts

  Tensor<i64, 2> input_ids = {};       // (B,T)
  Tensor<i64, 2> attention_mask = {};  // (B, cached + T): 0 hides a position; empty: all visible
  Tensor<i64, 2> position_ids = {};    // (B,T) or (1,T); empty: counted from the cache's length, whatever the mask
  Tensor<i64, 2> token_type_ids = {};  // (B,T), BERT and GPT-2
  Tensor<i64, 2> task_type_ids = {};   // (B,T), ERNIE
  Tensor<i64, 2> global_attention_mask = {};  // (B,T), of Longformer: 1 where a token sees all others; empty: its own
  Tensor<f32, 3> perm_mask = {};              // (B,T,T), of XLNet: 1 where a token does not see another; empty: all do
  Tensor<f32, 3> target_mapping = {};         // (B,M,T), of XLNet: the places that are asked for; empty: all tokens

  void fields(input_visitor& v) {
    v("input_ids", input_ids, v.required);
    v("attention_mask", attention_mask);
    v("position_ids", position_ids);
    v("token_type_ids", token_type_ids);
    v("task_type_ids", task_type_ids);
    v("global_attention_mask", global_attention_mask);
    v("perm_mask", perm_mask);
    v("target_mapping", target_mapping);
  }
};

/// Of models that choose between N texts.
struct MultipleChoiceInputs {
  using main = Tensor<i64, 3>;

  Tensor<i64, 3> input_ids = {};  // (B,N,T)
  // (B,N,T), or empty
  Tensor<i64, 3> attention_mask = {}, position_ids = {}, token_type_ids = {}, task_type_ids = {};

  void fields(input_visitor& v) {
    v("input_ids", input_ids, v.required);
    v("attention_mask", attention_mask);
    v("position_ids", position_ids);
    v("token_type_ids", token_type_ids);
    v("task_type_ids", task_type_ids);
  }

  /// The same as texts one below the other, (B*N,T). Throws shape_error unless all tensors have the shape of the ids.
  TextInputs texts() const {
    const auto rows = [&](const Tensor<i64, 3>& x) {
      if (!x) return Tensor<i64, 2>();
      if (x.shape() != input_ids.shape())
        throw shape_error("MultipleChoiceInputs", "", detail::shape_text(input_ids.shape()),
                          detail::shape_text(x.shape()));
      return x.dense().reshape<2>({x.extent(0) * x.extent(1), x.extent(2)});
    };
    return {rows(input_ids), rows(attention_mask), rows(position_ids), rows(token_type_ids), rows(task_type_ids)};
  }
};

/// Of models over images.
struct ImageInputs {
  using main = Tensor<f32, 4>;

  Tensor<f32, 4> pixel_values = {};     // (B,C,H,W)
  Tensor<i64, 2> bool_masked_pos = {};  // (B,N): 1 where a patch is hidden; empty: none is
  i64 interpolate_pos_encoding = 0;     // 1: images may have another size, and positions are made to fit it

  void fields(input_visitor& v) {
    v("pixel_values", pixel_values, v.required);
    v("bool_masked_pos", bool_masked_pos);
    v("interpolate_pos_encoding", interpolate_pos_encoding);
  }
};

/// Of an encoder and a decoder over tokens.
template <Scalar A, Device D>
struct Seq2SeqInputs {
  using main = Tensor<i64, 2>;

  Tensor<i64, 2> input_ids = {};               // (B,S)
  Tensor<i64, 2> attention_mask = {};          // (B,S): 0 hides a position, from the decoder, too; empty: all visible
  Tensor<i64, 2> global_attention_mask = {};   // (B,S), of LED: 1 where a token sees all others; empty: its own
  Tensor<i64, 2> decoder_input_ids = {};       // (B,T); empty where the labels say them
  Tensor<i64, 2> decoder_attention_mask = {};  // (B, cached + T)
  Tensor<A, 3, D> encoder_outputs = {};        // (B,S,C), what the encoder made of input_ids; empty: it is run

  void fields(input_visitor& v) {
    v("input_ids", input_ids, v.required);
    v("attention_mask", attention_mask);
    v("global_attention_mask", global_attention_mask);
    v("decoder_input_ids", decoder_input_ids);
    v("decoder_attention_mask", decoder_attention_mask);
  }
};

}  // namespace hft
