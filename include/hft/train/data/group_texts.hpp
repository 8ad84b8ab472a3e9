// Packing: all sequences joined and cut into blocks of one length, so that no position is padding. (group_texts of
// Transformers' run_clm.py)
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include <hft/linkage.hpp>
#include <hft/train/data/dataset.hpp>

namespace hft {

namespace detail {

class packed_rows final : public RowSource {
 public:
  packed_rows(std::vector<std::int32_t> ids, std::vector<std::int32_t> labels, isize block)
      : ids_(std::move(ids)), labels_(std::move(labels)), block_(block) {}
  isize size() const override { return isize(ids_.size()) / block_; }
  json row(isize i) const override {
    json out = json::object();
    out["input_ids"] = part(ids_, i);
    out["labels"] = part(labels_.empty() ? ids_ : labels_, i);
    return out;
  }

 private:
  json part(const std::vector<std::int32_t>& values, isize i) const {
    const auto begin = values.begin() + i * block_;
    return std::vector<i64>(begin, begin + block_);
  }
  std::vector<std::int32_t> ids_, labels_;  // labels: empty where they are the ids
  isize block_;
};

}  // namespace detail

/// The tokens of all rows, one after another, in blocks of `block_size` with labels; what does not fill a block at the
/// end is left out. Rows need input_ids, and are read once; tokens take 4 bytes of memory each, 8 with labels of their
/// own. Throws value_error where the rows do not fill one block, or only some have labels.
Dataset group_texts(const Dataset& rows, isize block_size);

#if HFT_DEFINES(TRAIN)

HFT_INLINE Dataset group_texts(const Dataset& rows, isize block_size) {
  if (block_size < 1) throw value_error("group_texts", "block_size", "at least 1", detail::joined(block_size));
  std::vector<std::int32_t> ids, labels;
  bool all_labelled = false;
  isize i = 0;
  rows.for_each_row("packing", [&](const json& row) {
    const auto where = detail::cat("row ", i);
    const auto row_ids = require<std::vector<std::int32_t>>(row, "input_ids", where);
    const bool labelled = find_member(row, "labels", where) != nullptr;
    if (i++ == 0) all_labelled = labelled;
    if (labelled != all_labelled)
      throw value_error("group_texts", where, "labels in all rows or in none", labelled ? "labels" : "none");
    ids.insert(ids.end(), row_ids.begin(), row_ids.end());
    if (!labelled) return;
    const auto row_labels = require<std::vector<std::int32_t>>(row, "labels", where);
    if (row_labels.size() != row_ids.size())
      throw value_error("group_texts", where, detail::joined(row_ids.size(), " labels"),
                        detail::joined(row_labels.size()));
    labels.insert(labels.end(), row_labels.begin(), row_labels.end());
  });
  if (isize(ids.size()) < block_size)
    throw value_error("group_texts", "block_size", detail::joined("at most the ", ids.size(), " tokens of all rows"),
                      detail::joined(block_size));
  return Dataset(std::make_shared<detail::packed_rows>(std::move(ids), std::move(labels), block_size));
}

#endif  // HFT_DEFINES

}  // namespace hft
