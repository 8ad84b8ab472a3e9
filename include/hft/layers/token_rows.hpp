// Rows of a table over the vocabulary that adapters replace: peft's trainable_token_indices.
//
// An embedding has them, or a head, or both in common where the two are tied.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <hft/layers/lora_layer.hpp>
#include <hft/layers/low_rank.hpp>
#include <hft/module.hpp>
#include <hft/ops/linear.hpp>
#include <hft/ops/replace.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// Rows is the tensor of a trained parameter, (n, C).
template <class Rows>
struct token_rows_of : TokenRows {
  struct entry {
    std::string name;
    std::vector<i64> ids;
    Rows rows;  // of ids, in their order
  };
  std::vector<entry> entries;

  bool has(const std::string& name) const override { return find(name) != nullptr; }
  bool empty() const override { return entries.empty(); }
  void copy_shapes(const TokenRows& other) override {
    for (const auto& [name, ids, cols] : other.sets())
      entries.push_back({name, ids, zero_parameter<Rows>({isize(ids.size()), cols})});
  }
  std::vector<set> sets() const override {
    std::vector<set> out;
    for (const entry& e : entries) out.push_back({e.name, e.ids, e.rows.extent(1)});
    return out;
  }
  void remove(const std::string& name) override {
    std::erase_if(entries, [&](const entry& e) { return e.name == name; });
  }
  const entry* find(const std::string& name) const {
    for (const entry& e : entries)
      if (e.name == name) return &e;
    return nullptr;
  }

  /// Adds a set with the values that `weight` has there.
  template <class Weight>
  void add(const std::string& name, const std::vector<i64>& ids, const Weight& weight) {
    entry e{name, ids, zero_parameter<Rows>({isize(ids.size()), weight.extent(1)})};
    std::vector<f32> row(static_cast<std::size_t>(weight.extent(1)));
    auto& values = parameter_values(e.rows);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      read_weight_row(weight, isize(ids[i]), row.data());
      for (std::size_t c = 0; c < row.size(); ++c) values.data()[i * row.size() + c] = typename Rows::dtype_t(row[c]);
    }
    entries.push_back(std::move(e));
  }
  void visit(visitor& v) {
    for (entry& e : entries) v("token_adapter.trainable_tokens_delta." + e.name, e.rows);
  }

  /// The rows of a table at `ids`, y (B,T,C), with those that `active` sets replace.
  template <class Y>
  Y embed(Y y, const Tensor<i64, 2>& ids, const std::vector<std::string>& active, i64 padding_idx) const {
    for (const std::string& name : active)
      if (const entry* e = find(name)) {
        const auto dense = ids.dense();
        std::vector<i64> slots(static_cast<std::size_t>(dense.size()), -1);
        for (std::size_t i = 0; i < slots.size(); ++i)
          for (std::size_t k = 0; k < e->ids.size(); ++k)
            if (e->ids[k] == dense.data()[i]) slots[i] = i64(k);
        const auto padding = std::find(e->ids.begin(), e->ids.end(), padding_idx);
        if constexpr (Y::device::tracked)
          y = replace_rows(y, slots, e->rows, padding == e->ids.end() ? -1 : i64(padding - e->ids.begin()));
        else
          y = replace_rows(y, slots, e->rows);
      }
    return y;
  }
  /// The products of x (..., C) with a table's rows, y (..., V), with those that `active` sets replace.
  template <class X, class Y>
  Y project(const X& x, Y y, const std::vector<std::string>& active) const {
    for (const std::string& name : active)
      if (const entry* e = find(name)) y = replace_columns(y, e->ids, Y(linear(x, e->rows)));
    return y;
  }
  /// Writes the rows of `active` sets into a weight.
  template <class Weight>
  void write(Weight& weight, const std::vector<std::string>& active) const {
    const isize bytes = weight.bytes() / weight.extent(0), cols = weight.extent(1);
    for (const std::string& name : active)
      if (const entry* e = find(name)) {
        const auto values = scaled_values(parameter_values(e->rows), 1);
        for (std::size_t i = 0; i < e->ids.size(); ++i)
          convert_rows(weight.format(), reinterpret_cast<std::byte*>(weight.data()) + isize(e->ids[i]) * bytes,
                       dtype_id::f32, values.data() + isize(i) * cols, 1, cols);
      }
  }
};

}  // namespace hft::detail
