// What all collators share: the tokens of a tokenizer that they need, padding, and stacking columns to tensors.
#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/linkage.hpp>
#include <hft/train/data/batch.hpp>

namespace hft {

/// What collators know of a tokenizer. Made of one by CollatorTokens::of(tokenizer), so that these headers need none.
struct CollatorTokens {
  std::optional<i64> pad_token_id = {};
  std::optional<i64> mask_token_id = {};
  i64 pad_token_type_id = 0;
  bool pad_left = false;
  bool attention_mask = true;  // whether batches get one (model_input_names)
  isize vocab_size = 0;        // with added tokens
  std::vector<i64> special_ids = {};

  /// Of a PreTrainedTokenizerFast.
  template <class Tokenizer>
  static CollatorTokens of(const Tokenizer& t) {
    CollatorTokens out;
    out.pad_token_id = t.pad_token_id();
    out.mask_token_id = t.mask_token_id();
    out.pad_left = int(t.padding_side) == int(decltype(t.padding_side)::Left);
    out.attention_mask = std::find(t.model_input_names.begin(), t.model_input_names.end(), "attention_mask") !=
                         t.model_input_names.end();
    out.vocab_size = isize(t.size());
    for (const auto id : t.all_special_ids()) out.special_ids.push_back(id);
    return out;
  }
  bool is_special(i64 id) const { return std::find(special_ids.begin(), special_ids.end(), id) != special_ids.end(); }
};

/// How a batch is filled up to one length.
struct PaddingOptions {
  std::optional<isize> max_length = {};  // to this length; default: that of the longest row
  std::optional<isize> pad_to_multiple_of = {};
};

namespace detail {

/// The length of a batch whose longest row has `longest` tokens.
inline isize padded_length(isize longest, const PaddingOptions& o) {
  isize length = std::max(longest, o.max_length.value_or(0));
  if (const isize m = o.pad_to_multiple_of.value_or(0); m > 0) length = (length + m - 1) / m * m;
  return length;
}

/// A list of integers of a row.
inline std::vector<i64> integers_of(const json& row, std::string_view key, std::string_view where = "collator") {
  return require<std::vector<i64>>(row, key, where);
}

/// Sequences side by side, (rows, length), filled up with `fill`.
BatchTensor pad_sequences(const std::vector<std::vector<i64>>& sequences, isize length, i64 fill, bool left);

inline void demand_rows(std::span<const json> rows) {
  if (rows.empty()) throw value_error("collator", "rows", "at least one", "none");
}

/// The columns of the first row, but `left_out`, that hold numbers in all rows, stacked. Texts are left out, as no
/// model takes them; label and label_ids are called labels.
void stack_columns(Batch& batch, std::span<const json> rows, std::initializer_list<std::string_view> left_out);

/// tokenizer.pad: input_ids, attention_mask, token_type_ids and special_tokens_mask filled up to one length; an
/// attention_mask is made where there is none; other columns are stacked. Returns the length.
isize pad_rows(Batch& batch, std::span<const json> rows, const CollatorTokens& tokens, const PaddingOptions& o,
               std::initializer_list<std::string_view> left_out = {});

}  // namespace detail

#if HFT_DEFINES(TRAIN)

namespace detail {

HFT_INLINE BatchTensor pad_sequences(const std::vector<std::vector<i64>>& sequences, isize length, i64 fill,
                                     bool left) {
  BatchTensor out;
  out.shape = {isize(sequences.size()), length};
  out.integers.assign(sequences.size() * std::size_t(length), fill);
  auto row = out.integers.begin();
  for (const auto& s : sequences) {
    std::copy(s.begin(), s.end(), left ? row + (length - isize(s.size())) : row);
    row += length;
  }
  return out;
}

HFT_INLINE void stack_columns(Batch& batch, std::span<const json> rows,
                              std::initializer_list<std::string_view> left_out) {
  for (const auto& [key, first] : rows[0].items()) {
    if (std::find(left_out.begin(), left_out.end(), key) != left_out.end()) continue;
    if (first.is_null() || first.is_string() || first.is_object()) continue;
    if (first.is_array() && !first.empty() && (first[0].is_string() || first[0].is_object())) continue;
    std::vector<const json*> values;
    for (const json& row : rows) {
      const json* value = find_member(row, key, "collator");
      if (!value) throw value_error("collator", joined("'", key, "'"), "in every row of a batch", "a row without it");
      values.push_back(value);
    }
    const bool label = key == "label" || key == "label_ids";
    batch[label ? "labels" : key] = stack(values, key);
  }
}

HFT_INLINE isize pad_rows(Batch& batch, std::span<const json> rows, const CollatorTokens& tokens,
                          const PaddingOptions& o, std::initializer_list<std::string_view> left_out) {
  demand_rows(rows);
  std::vector<std::vector<i64>> ids;
  isize longest = 0, shortest = -1;
  for (const json& row : rows) {
    ids.push_back(integers_of(row, "input_ids"));
    const isize n = isize(ids.back().size());
    longest = std::max(longest, n);
    shortest = shortest < 0 ? n : std::min(shortest, n);
  }
  const isize length = padded_length(longest, o);
  if (length != shortest && !tokens.pad_token_id)
    throw value_error("collator", "padding rows of different lengths", "a tokenizer with a pad_token", "none");
  std::vector<std::string_view> skipped{"input_ids", "attention_mask"};
  skipped.insert(skipped.end(), left_out);
  batch["input_ids"] = pad_sequences(ids, length, tokens.pad_token_id.value_or(0), tokens.pad_left);

  const auto pad_column = [&](const char* key, i64 fill) {
    std::vector<std::vector<i64>> column;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      column.push_back(integers_of(rows[i], key));
      if (column.back().size() != ids[i].size())
        throw value_error("collator", joined("'", key, "'"), joined(ids[i].size(), " values, as input_ids"),
                          joined(column.back().size()));
    }
    batch[key] = pad_sequences(column, length, fill, tokens.pad_left);
  };
  if (find_member(rows[0], "token_type_ids")) pad_column("token_type_ids", tokens.pad_token_type_id);
  if (find_member(rows[0], "attention_mask")) {
    pad_column("attention_mask", 0);
  } else if (tokens.attention_mask) {
    std::vector<std::vector<i64>> ones;
    for (const auto& s : ids) ones.emplace_back(s.size(), 1);
    batch["attention_mask"] = pad_sequences(ones, length, 0, tokens.pad_left);
  }
  if (find_member(rows[0], "special_tokens_mask")) pad_column("special_tokens_mask", 1);
  std::vector<json> rest;  // what was padded is not stacked again
  for (const json& row : rows) {
    json other = json::object();
    for (const auto& [key, value] : row.items())
      if (!batch.contains(key) && std::find(skipped.begin(), skipped.end(), key) == skipped.end()) other[key] = value;
    rest.push_back(std::move(other));
  }
  stack_columns(batch, rest, {});
  return length;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
