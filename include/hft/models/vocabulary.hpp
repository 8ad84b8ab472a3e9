// Weights over the vocabulary, the embeddings and the head: ending a tie of them, and other sizes of the vocabulary.
#pragma once
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <hft/layers/low_rank.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// A parameter in place of another, trained where that was.
template <class Weight>
void replace_parameter(Weight& weight, std::decay_t<decltype(parameter_values(weight))> values) {
  if constexpr (requires { weight.history(); }) {
    const bool trained = weight.requires_grad();
    weight = Weight::leaf(std::move(values));
    weight.requires_grad(trained);
  } else {
    weight = std::move(values);
  }
}

/// Makes a tied weight a parameter of its own, with the values that it has. It shares their memory until it gets other.
template <class Weight>
void end_tie(Weight& weight) {
  replace_parameter(weight, parameter_values(weight));
}

/// A weight of other rows: as many as there were are kept, further ones are the mean of those, as Transformers'
/// resize_token_embeddings begins them. (There with a noise of 1e-9 of their deviation.)
template <class Weight>
void resize_rows(Weight& weight, isize rows) {
  const auto& from = parameter_values(weight);
  auto shape = from.shape();
  const isize old_rows = shape[0], kept = std::min(rows, old_rows);
  if (rows == old_rows) return;
  shape[0] = rows;
  auto to = std::decay_t<decltype(from)>::unallocated(shape);
  to.allocate(from.format());
  const isize cols = from.size() / old_rows, row_bytes = from.bytes() / old_rows;
  const auto* old = reinterpret_cast<const std::byte*>(from.data());
  auto* at = reinterpret_cast<std::byte*>(to.data());
  std::memcpy(at, old, std::size_t(kept * row_bytes));
  if (rows > kept) {
    std::vector<f64> sum(static_cast<std::size_t>(cols));
    std::vector<f32> row(static_cast<std::size_t>(cols));
    for (isize r = 0; r < old_rows; ++r) {
      convert_rows(dtype_id::f32, row.data(), from.format(), old + r * row_bytes, 1, cols);
      for (isize c = 0; c < cols; ++c) sum[std::size_t(c)] += f64(row[std::size_t(c)]);
    }
    for (isize c = 0; c < cols; ++c) row[std::size_t(c)] = f32(sum[std::size_t(c)] / f64(old_rows));
    for (isize r = kept; r < rows; ++r)
      convert_rows(from.format(), at + r * row_bytes, dtype_id::f32, row.data(), 1, cols);
  }
  replace_parameter(weight, std::move(to));
}

}  // namespace hft::detail
