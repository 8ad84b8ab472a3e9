// Weights over the vocabulary, the embeddings and the head: ending a tie of them, and other sizes of the vocabulary.
#pragma once
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <hft/layers/low_rank.hpp>
#include <hft/linkage.hpp>
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

struct rows_of_table {
  dtype_id format;
  isize rows, cols, bytes;  // bytes of a row
  decltype(&convert_rows) convert;
};
/// The rows of a table in memory for so many: as many as there were are kept, further ones are the mean of those.
void copy_resized(const rows_of_table& table, const std::byte* old, std::byte* at, isize rows);

/// A weight of other rows: as many as there were are kept, further ones are the mean of those, as Transformers'
/// resize_token_embeddings begins them. (There with a noise of 1e-9 of their deviation.)
template <class Weight>
void resize_rows(Weight& weight, isize rows) {
  const auto& from = parameter_values(weight);
  auto shape = from.shape();
  if (rows == shape[0]) return;
  shape[0] = rows;
  auto to = std::decay_t<decltype(from)>::unallocated(shape);
  to.allocate(from.format());
  const isize old_rows = from.extent(0);
  copy_resized({.format = from.format(),
                .rows = old_rows,
                .cols = from.size() / old_rows,
                .bytes = from.bytes() / old_rows,
                .convert = convert_rows_to<typename std::decay_t<decltype(from)>::dtype_t>},
               reinterpret_cast<const std::byte*>(from.data()), reinterpret_cast<std::byte*>(to.data()), rows);
  replace_parameter(weight, std::move(to));
}

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE void copy_resized(const rows_of_table& table, const std::byte* old, std::byte* at, isize rows) {
  const auto [format, old_rows, cols, row_bytes, convert] = table;
  const isize kept = std::min(rows, old_rows);
  std::memcpy(at, old, std::size_t(kept * row_bytes));
  if (rows > kept) {
    std::vector<f64> sum(static_cast<std::size_t>(cols));
    std::vector<f32> row(static_cast<std::size_t>(cols));
    for (isize r = 0; r < old_rows; ++r) {
      convert_rows_to_float(dtype_id::f32, row.data(), format, old + r * row_bytes, 1, cols);
      for (isize c = 0; c < cols; ++c) sum[std::size_t(c)] += f64(row[std::size_t(c)]);
    }
    for (isize c = 0; c < cols; ++c) row[std::size_t(c)] = f32(sum[std::size_t(c)] / f64(old_rows));
    for (isize r = kept; r < rows; ++r) convert(format, at + r * row_bytes, dtype_id::f32, row.data(), 1, cols);
  }
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
