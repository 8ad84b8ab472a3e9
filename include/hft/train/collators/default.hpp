// Collators that only stack or pad: DefaultDataCollator, DataCollatorWithPadding, DataCollatorForTokenClassification,
// DataCollatorForMultipleChoice, DataCollatorWithFlattening. (transformers/data/data_collator.py)
#pragma once
#include <hft/train/collators/padding.hpp>

namespace hft {

/// Stacks the columns of rows that have one shape; `label` and `label_ids` become labels. Texts are left out.
struct DefaultDataCollator {
  Batch operator()(std::span<const json> rows, std::uint64_t = 0) const {
    detail::demand_rows(rows);
    Batch batch;
    detail::stack_columns(batch, rows, {});
    return batch;
  }
};

/// Pads input_ids and what belongs to them; stacks the rest.
struct DataCollatorWithPadding {
  CollatorTokens tokens;
  PaddingOptions padding = {};

  Batch operator()(std::span<const json> rows, std::uint64_t = 0) const {
    Batch batch;
    detail::pad_rows(batch, rows, tokens, padding);
    return batch;
  }
};

/// Pads labels, one a token, as well.
struct DataCollatorForTokenClassification {
  CollatorTokens tokens;
  PaddingOptions padding = {};
  i64 label_pad_token_id = -100;

  Batch operator()(std::span<const json> rows, std::uint64_t = 0) const {
    detail::demand_rows(rows);
    const char* key = find(rows[0]);
    Batch batch;
    const isize length = detail::pad_rows(batch, rows, tokens, padding, {"label", "labels"});
    if (!key) return batch;
    std::vector<std::vector<i64>> labels;
    for (const json& row : rows) {
      labels.push_back(detail::integers_of(row, key));
      if (isize(labels.back().size()) > length)
        throw value_error("collator", "labels", detail::joined("at most ", length, ", one a token"),
                          detail::joined(labels.back().size()));
    }
    batch["labels"] = detail::pad_sequences(labels, length, label_pad_token_id, tokens.pad_left);
    return batch;
  }

 private:
  static const char* find(const json& row) {
    return find_member(row, "label") ? "label" : find_member(row, "labels") ? "labels" : nullptr;
  }
};

/// Rows of several choices, input_ids (choices, tokens) and a label: padded together to (batch, choices, tokens).
struct DataCollatorForMultipleChoice {
  CollatorTokens tokens;
  PaddingOptions padding = {};

  Batch operator()(std::span<const json> rows, std::uint64_t = 0) const {
    detail::demand_rows(rows);
    const char* key = find_member(rows[0], "label") ? "label" : "labels";
    const json* first = find_member(rows[0], "input_ids", "collator");
    if (!first || !first->is_array() || first->empty())
      throw value_error("collator", "'input_ids'", "a list of choices", first ? detail::describe(*first) : "nothing");
    const std::size_t choices = first->size();
    std::vector<json> flat;
    std::vector<const json*> labels;
    for (const json& row : rows) {
      const json* label = find_member(row, key, "collator");
      if (!label) throw value_error("collator", "row", "a label", "none");
      labels.push_back(label);
      for (std::size_t c = 0; c < choices; ++c) {
        json choice = json::object();
        for (const auto& [name, value] : row.items()) {
          if (name == key || !value.is_array()) continue;
          if (value.size() != choices)
            throw value_error("collator", detail::joined("'", name, "'"), detail::joined(choices, " choices"),
                              detail::describe(value));
          choice[name] = value[c];
        }
        flat.push_back(std::move(choice));
      }
    }
    Batch padded, batch;
    detail::pad_rows(padded, flat, tokens, padding);
    for (const auto& [name, tensor] : padded) {
      BatchTensor t = tensor;
      t.shape[0] = isize(choices);
      t.shape.insert(t.shape.begin(), isize(rows.size()));
      batch[name] = std::move(t);
    }
    batch["labels"] = detail::stack(labels, key);
    return batch;
  }
};

/// All rows as one sequence (1, tokens) without padding: position_ids begin again with each row, and the first label of
/// each is the separator. The model must not attend from one row to another.
struct DataCollatorWithFlattening {
  bool return_position_ids = true;
  i64 separator_id = -100;
  bool return_seq_idx = false;
  i64 position_ids_start = 0;

  Batch operator()(std::span<const json> rows, std::uint64_t = 0) const {
    detail::demand_rows(rows);
    const bool labelled = find_member(rows[0], "labels") != nullptr;
    std::vector<i64> ids, labels, positions, sequence;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row_ids = detail::integers_of(rows[i], "input_ids");
      const auto row_labels = labelled ? detail::integers_of(rows[i], "labels") : row_ids;
      if (row_labels.size() != row_ids.size() || row_ids.empty())
        throw value_error("collator", "row", "as many labels as input_ids, at least one",
                          detail::joined(row_labels.size()));
      ids.insert(ids.end(), row_ids.begin(), row_ids.end());
      labels.push_back(separator_id);
      labels.insert(labels.end(), row_labels.begin() + 1, row_labels.end());
      for (std::size_t t = 0; t < row_ids.size(); ++t) positions.push_back(position_ids_start + i64(t));
      sequence.insert(sequence.end(), row_ids.size(), i64(i));
    }
    const isize n = isize(ids.size());
    Batch batch;
    const auto add = [&](const char* name, std::vector<i64> values) {
      batch[name].shape = {1, n};
      batch[name].integers = std::move(values);
    };
    add("input_ids", std::move(ids));
    add("labels", std::move(labels));
    if (return_position_ids) add("position_ids", std::move(positions));
    if (return_seq_idx) add("seq_idx", std::move(sequence));
    return batch;
  }
};

}  // namespace hft
