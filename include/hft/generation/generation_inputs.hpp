// The state of a batch while it grows: ids, padding, and what the next forward pass gets of them.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include <hft/error.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// Rows of token ids that grow by a column at a time.
class token_rows {
 public:
  token_rows() = default;
  explicit token_rows(const Tensor<i64, 2>& ids)
      : token_rows({ids.dense().data(), ids.extent(0), ids.extent(1), ids.extent(1)}, ids.extent(1) + 64) {}

  isize rows() const { return rows_; }
  isize length() const { return length_; }
  std::span<const i64> row(isize b) const { return {data_.data() + b * room_, std::size_t(length_)}; }
  matrix<const i64> view() const { return {data_.data(), rows_, length_, room_}; }

  void append(std::span<const i64> column) { append(column.data(), 1); }
  /// The same token to each row.
  void append(i64 token) { append(&token, 0); }
  /// Makes row i what row rows[i] was.
  void reorder(std::span<const isize> rows) {
    spare_.resize(rows.size() * std::size_t(room_));
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::copy_n(row_data(rows[i]), length_, spare_.data() + isize(i) * room_);
    data_.swap(spare_);
    rows_ = isize(rows.size());
  }
  /// Forgets the columns from `length` on.
  void crop(isize length) { length_ = length; }
  /// Moves the first n tokens of a row behind the others.
  void turn(isize b, isize n) {
    const std::vector<i64> old(row(b).data(), row(b).data() + length_);
    for (isize i = 0; i < length_; ++i) row_data(b)[i] = old[std::size_t((i + n) % length_)];
  }
  /// (B, length)
  Tensor<i64, 2> tensor() const { return tensor(0, length_); }
  /// (B, end - first): the columns from `first` to `end`.
  Tensor<i64, 2> tensor(isize first, isize end) const {
    Tensor<i64, 2> t({rows_, end - first});
    for (isize b = 0; b < rows_; ++b) std::copy_n(row(b).data() + first, t.extent(1), t.data() + b * t.extent(1));
    return t;
  }

 private:
  [[gnu::noinline]] void append(const i64* column, isize stride) {
    if (length_ == room_) *this = token_rows(view(), 2 * room_);
    for (isize b = 0; b < rows_; ++b) row_data(b)[length_] = column[b * stride];
    ++length_;
  }
  i64* row_data(isize b) { return data_.data() + b * room_; }
  token_rows(matrix<const i64> from, isize room)
      : data_(std::size_t(from.rows * room)), rows_(from.rows), length_(from.cols), room_(room) {
    for (isize b = 0; b < rows_; ++b) std::copy_n(from.row(b), length_, row_data(b));
  }

  std::vector<i64> data_, spare_;  // (rows, room)
  isize rows_ = 0, length_ = 0, room_ = 0;
};

/// Ids with their attention mask. Positions count the tokens that the mask shows, as Transformers' generate counts
/// them.
class generation_inputs {
 public:
  /// mask: (B,T) or empty, where all tokens are shown. A prompt whose padding is on the right is turned, so that its
  /// last token stands last; `turn` says whether that is possible.
  [[gnu::cold]] generation_inputs(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& mask, bool turn)
      : ids(input_ids), prompt_length_(ids.length()) {
    if (!mask) return;
    if (mask.shape() != input_ids.shape())
      throw shape_error("generate", "attention_mask", shape_text(input_ids.shape()), shape_text(mask.shape()));
    mask_ = token_rows(mask);
    longest_prompt_ = 0;
    for (isize b = 0; b < ids.rows(); ++b) {
      isize shown = 0, end = 0;  // of the tokens that are shown
      for (isize i = 0; i < prompt_length_; ++i)
        if (mask_.row(b)[std::size_t(i)] != 0) {
          ++shown;
          end = i + 1;
        }
      if (shown == 0)
        throw value_error("generate", "attention_mask", "at least one token in each row", joined("none in row ", b));
      masked_ = masked_ || shown < prompt_length_;
      longest_prompt_ = std::max(longest_prompt_, shown);
      if (turn && end < prompt_length_) {
        mask_.turn(b, end);
        ids.turn(b, end);
      }
    }
  }

  token_rows ids;  // (B,T)

  isize prompt_length() const { return prompt_length_; }
  /// Tokens of padding on the left of each row; empty where there is no padding.
  std::vector<isize> padding() const {
    std::vector<isize> out(std::size_t(masked_ ? ids.rows() : 0));
    for (std::size_t b = 0; b < out.size(); ++b)
      while (mask_.row(isize(b))[std::size_t(out[b])] == 0) ++out[b];
    return out;
  }
  /// The tokens of the longest prompt, padding not counted.
  isize longest_prompt() const { return longest_prompt_; }

  void append(std::span<const i64> tokens) {
    ids.append(tokens);
    if (masked_) mask_.append(1);
  }
  void crop(isize length) {
    ids.crop(length);
    if (masked_) mask_.crop(length);
  }
  void reorder(std::span<const isize> rows) {
    ids.reorder(rows);
    if (masked_) mask_.reorder(rows);
  }

  // ---- the arguments of a forward pass over the tokens from `past` to `end`

  Tensor<i64, 2> input_ids(isize past, isize end) const { return ids.tensor(past, end); }
  /// Empty where nothing is hidden.
  Tensor<i64, 2> attention_mask(isize end) const { return masked_ ? mask_.tensor(0, end) : Tensor<i64, 2>(); }
  /// Said even where nothing is hidden: a model that skips padding (RoBERTa) would else begin elsewhere, and count anew
  /// with each token.
  Tensor<i64, 2> position_ids(isize past, isize end) const {
    Tensor<i64, 2> t({ids.rows(), end - past});
    i64* out = t.data();
    for (isize b = 0; b < ids.rows(); ++b) {
      i64 position = 0;
      for (isize i = 0; i < end; ++i) {
        const bool shown = !masked_ || mask_.row(b)[std::size_t(i)] != 0;
        if (i >= past) *out++ = shown ? position : 0;
        position += shown;
      }
    }
    return t;
  }

 private:
  isize prompt_length_ = 0, longest_prompt_ = prompt_length_;
  bool masked_ = false;  // whether some token is hidden
  token_rows mask_;      // (B,T) where masked_
};

}  // namespace hft::detail
