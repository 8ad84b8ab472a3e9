// Tensors of a batch of encodings, as models take them.
#pragma once
#include <hft/tensor.hpp>
#include <hft/tokenizers/batch_encoding.hpp>

namespace hft {

/// Columns of a BatchEncoding as tensors (B,T). Those that the batch lacks are empty.
struct BatchTensors {
  Tensor<i64, 2> input_ids, attention_mask, token_type_ids, special_tokens_mask, labels;
};

/// Throws shape_error for rows of different lengths: pad the batch.
inline BatchTensors to_tensors(const BatchEncoding& batch) {
  BatchTensors out;
  const auto fill = [](Tensor<i64, 2>& to, const BatchEncoding::Rows& rows) {
    if (!rows.empty()) to = ids_tensor(rows);
  };
  fill(out.input_ids, batch.input_ids);
  fill(out.attention_mask, batch.attention_mask);
  fill(out.token_type_ids, batch.token_type_ids);
  fill(out.special_tokens_mask, batch.special_tokens_mask);
  fill(out.labels, batch.labels);
  return out;
}

}  // namespace hft
