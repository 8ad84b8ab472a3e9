// Joins: tensors of a GGUF file that are one parameter together, as llama.cpp splits what it multiplies apart, and
// parameters that it has no tensors of (name_rules.hpp says which).
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/io/gguf.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/linkage.hpp>
#include <hft/name_rules.hpp>
#include <hft/quantization/convert.hpp>

namespace hft::detail {

/// The tensors of a file, in the place of two that are one parameter the rows of both: in their own dtype where they
/// share it and none is transposed, else in f32. One whose other half is missing, or has rows of another length, stays
/// what it is.
std::vector<stored_tensor> joined_tensors(std::span<const stored_tensor> tensors, std::span<const join_rule> rules);

/// Parameters that stand in the metadata.
std::vector<stored_tensor> tensors_of_metadata(const gguf_file& file, std::span<const value_rule> rules);

/// (rows, cols) => (cols, rows)
void transpose(f32* to, const f32* from, isize rows, isize cols);

}  // namespace hft::detail

#if HFT_DEFINES(MODELS)

namespace hft::detail {

HFT_INLINE_ONCE void transpose(f32* to, const f32* from, isize rows, isize cols) {
  for (isize r = 0; r < rows; ++r)
    for (isize c = 0; c < cols; ++c) to[c * rows + r] = from[r * cols + c];
}

// Appends the rows of a tensor, in its own dtype or in f32.
inline void append_rows(std::vector<std::byte>& to, const stored_tensor& t, bool transposed, bool as_stored) {
  if (as_stored) {
    to.insert(to.end(), t.bytes.begin(), t.bytes.end());
    return;
  }
  const isize cols = t.shape.back(), rows = t.shape[t.shape.size() - 2], count = t.numel();
  std::vector<f32> values(static_cast<std::size_t>(count));
  convert_to_float(dtype_id::f32, values.data(), t.dtype, t.bytes.data(), count);
  const std::size_t begin = to.size();
  to.resize(begin + values.size() * sizeof(f32));
  f32* out = reinterpret_cast<f32*>(to.data() + begin);
  if (!transposed) {
    std::copy(values.begin(), values.end(), out);
    return;
  }
  for (isize at = 0; at < count; at += rows * cols) transpose(out + at, values.data() + at, rows, cols);
}

inline std::optional<stored_tensor> joined_tensor(const stored_tensor& a, const stored_tensor& b, bool transposed) {
  if (a.shape.size() < 2 || b.shape.size() < 2) return {};
  const isize cols = transposed ? a.shape[a.shape.size() - 2] : a.shape.back();
  if (b.shape.back() != cols || !cols || !a.numel() || !info(a.dtype).floating || !info(b.dtype).floating) return {};
  const bool as_stored = !transposed && a.dtype == b.dtype;
  auto bytes = std::make_shared<std::vector<std::byte>>();
  append_rows(*bytes, a, transposed, as_stored);
  append_rows(*bytes, b, false, as_stored);
  stored_tensor out;
  out.dtype = as_stored ? a.dtype : dtype_id::f32;
  out.shape = {(a.numel() + b.numel()) / cols, cols};
  out.bytes = *bytes;
  out.owner = std::move(bytes);
  return out;
}

HFT_INLINE_ONCE std::vector<stored_tensor> joined_tensors(std::span<const stored_tensor> tensors,
                                                          std::span<const join_rule> rules) {
  std::vector<stored_tensor> out(tensors.begin(), tensors.end());
  for (const join_rule& rule : rules)
    for (const stored_tensor& t : tensors) {
      const auto found = fit(rule.first, t.name);
      if (!found || !found->rest.empty()) continue;
      const std::string name = filled(rule.second, *found);
      const auto other = std::find_if(tensors.begin(), tensors.end(), [&](const auto& o) { return o.name == name; });
      if (other == tensors.end()) continue;
      auto whole = joined_tensor(t, *other, rule.transposed);
      if (!whole) continue;
      whole->name = filled(rule.whole, *found);
      std::erase_if(out, [&](const stored_tensor& o) { return o.name == t.name || o.name == name; });
      out.push_back(*std::move(whole));
    }
  return out;
}

HFT_INLINE_ONCE std::vector<stored_tensor> tensors_of_metadata(const gguf_file& file,
                                                               std::span<const value_rule> rules) {
  std::vector<stored_tensor> out;
  for (const value_rule& rule : rules) {
    const auto* array = file.find(rule.key);
    if (!array) continue;
    const auto values = std::make_shared<std::vector<f32>>(array->as_f32s());
    for (std::size_t i = 0; i < values->size(); ++i) {
      const std::string layer = std::to_string(i);
      stored_tensor t;
      t.name = filled(rule.path, {.numbers = {layer}});
      t.shape = {1};
      t.bytes = std::as_bytes(std::span(*values)).subspan(i * sizeof(f32), sizeof(f32));
      t.owner = values;
      out.push_back(std::move(t));
    }
  }
  return out;
}

}  // namespace hft::detail

#endif  // HFT_DEFINES
