// Batch: named tensors on the host, what a collator makes of rows and a model is given.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// A dense tensor of integers or of reals, of any rank.
struct BatchTensor {
  std::vector<isize> shape;
  std::vector<i64> integers;
  std::vector<f32> reals;  // where they are what it holds
  bool real = false;

  isize size() const { return real ? isize(reals.size()) : isize(integers.size()); }
};

/// Tensors by the names that a model's forward gives them: input_ids, attention_mask, labels, ...
class Batch {
 public:
  using member = std::pair<std::string, BatchTensor>;

  BatchTensor& operator[](std::string_view name) {
    if (BatchTensor* found = find(name)) return *found;
    return members_.emplace_back(std::string(name), BatchTensor{}).second;
  }
  BatchTensor* find(std::string_view name) { return const_cast<BatchTensor*>(std::as_const(*this).find(name)); }
  const BatchTensor* find(std::string_view name) const {
    for (const auto& [key, value] : members_)
      if (key == name) return &value;
    return nullptr;
  }
  const BatchTensor& at(std::string_view name) const {
    if (const BatchTensor* found = find(name)) return *found;
    throw value_error("Batch", detail::joined("'", name, "'"), "in the batch", names());
  }
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  void erase(std::string_view name) {
    std::erase_if(members_, [&](const member& m) { return m.first == name; });
  }
  auto begin() const { return members_.begin(); }
  auto end() const { return members_.end(); }
  std::string names() const {
    std::string out;
    for (const auto& [key, value] : members_) out += (out.empty() ? "" : ", ") + key;
    return out;
  }

  /// Views of its tensors, good while the batch lives and is not changed.
  std::vector<stored_tensor> tensors() const {
    std::vector<stored_tensor> out;
    for (const auto& [name, t] : members_)
      out.push_back({name, t.real ? dtype_id::f32 : dtype_id::i64, t.shape,
                     t.real ? std::as_bytes(std::span(t.reals)) : std::as_bytes(std::span(t.integers)), nullptr});
    return out;
  }

  /// A (rows, columns) tensor of integers; empty where the batch has none of that name. A vector is one column. Throws
  /// value_error for another rank or for reals.
  Tensor<i64, 2> ids(std::string_view name) const {
    const BatchTensor* t = find(name);
    if (!t) return {};
    if (t->real || t->shape.empty() || t->shape.size() > 2)
      throw value_error("Batch", detail::joined("'", name, "'"), "integers (batch, tokens)",
                        detail::joined(t->real ? "reals " : "integers ", detail::shape_text(t->shape)));
    return Tensor<i64, 2>::from(t->integers, matrix_shape(*t));
  }
  /// The same of reals.
  Tensor<f32, 2> values(std::string_view name) const {
    const BatchTensor* t = find(name);
    if (!t) return {};
    if (!t->real || t->shape.empty() || t->shape.size() > 2)
      throw value_error("Batch", detail::joined("'", name, "'"), "reals (batch, values)",
                        detail::joined(t->real ? "reals " : "integers ", detail::shape_text(t->shape)));
    return Tensor<f32, 2>::from(t->reals, matrix_shape(*t));
  }

 private:
  static Shape<2> matrix_shape(const BatchTensor& t) { return {t.shape[0], t.shape.size() == 2 ? t.shape[1] : 1}; }
  std::vector<member> members_;
};

namespace detail {

// Appends the numbers of a nested list; `shape` is empty at first, and then what all have.
inline void append_numbers(BatchTensor& out, const json& value, std::size_t depth, std::size_t& rank, bool fresh,
                           std::string_view where) {
  if (value.is_array()) {
    if (rank != std::size_t(-1) && depth >= rank) throw value_error(where, "", "a number", describe(value));
    if (fresh && out.shape.size() == depth) out.shape.push_back(isize(value.size()));
    if (depth >= out.shape.size() || out.shape[depth] != isize(value.size()))
      throw value_error(where, "", depth < out.shape.size() ? cat("lists of ", out.shape[depth]) : "numbers",
                        describe(value));
    for (const json& e : value) append_numbers(out, e, depth + 1, rank, fresh, where);
    return;
  }
  if (rank == std::size_t(-1)) rank = depth;
  if (depth != rank) throw value_error(where, "", "lists nested equally deep", describe(value));
  if (value.is_boolean())
    out.integers.push_back(value.get<bool>());
  else if (!value.is_number())
    throw value_error(where, "", "numbers", describe(value));
  else if (out.real)
    out.reals.push_back(value.get<f32>());
  else if (value.is_number_integer())
    out.integers.push_back(json_as<i64>(value, where, ""));
  else if (!std::exchange(out.real, true)) {  // the first real among integers
    out.reals.assign(out.integers.begin(), out.integers.end());
    out.integers.clear();
    out.reals.push_back(value.get<f32>());
  }
}

/// A tensor of as many values as there are; each a number or a nested list of numbers, all of one shape. Throws
/// value_error that names `name` where they differ.
inline BatchTensor stack(const std::vector<const json*>& values, std::string_view name) {
  BatchTensor out;
  std::size_t rank = std::size_t(-1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string where = cat("collator, '", name, "' of row ", i, " of the batch");
    append_numbers(out, *values[i], 0, rank, i == 0, where);
  }
  out.shape.insert(out.shape.begin(), isize(values.size()));
  return out;
}

}  // namespace detail

}  // namespace hft
