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
  explicit token_rows(const Tensor<i64, 2>& ids) : rows_(ids.extent(0)), length_(ids.extent(1)), room_(length_ + 64) {
    data_.resize(std::size_t(rows_ * room_));
    const auto from = ids.dense();
    for (isize b = 0; b < rows_; ++b) std::copy_n(from.data() + b * length_, length_, row_data(b));
  }

  isize rows() const { return rows_; }
  isize length() const { return length_; }
  std::span<const i64> row(isize b) const { return {data_.data() + b * room_, std::size_t(length_)}; }
  i64* row_data(isize b) { return data_.data() + b * room_; }
  matrix<const i64> view() const { return {data_.data(), rows_, length_, room_}; }

  void append(std::span<const i64> column) {
    if (length_ == room_) {
      const isize room = 2 * room_;
      std::vector<i64> grown(std::size_t(rows_ * room));
      for (isize b = 0; b < rows_; ++b) std::copy_n(row_data(b), length_, grown.data() + b * room);
      data_.swap(grown);
      room_ = room;
    }
    for (isize b = 0; b < rows_; ++b) row_data(b)[length_] = column[std::size_t(b)];
    ++length_;
  }
  /// Makes row i what row rows[i] was.
  void reorder(std::span<const isize> rows) {
    std::vector<i64> data(rows.size() * std::size_t(room_));
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::copy_n(row_data(rows[i]), length_, data.data() + isize(i) * room_);
    data_.swap(data);
    rows_ = isize(rows.size());
  }

 private:
  std::vector<i64> data_;
  isize rows_ = 0, length_ = 0, room_ = 0;
};

/// Ids with the attention mask of their prompt. Positions count the tokens that the mask shows, as Transformers'
/// generate counts them.
class generation_inputs {
 public:
  /// mask: (B,T) or empty, where all tokens are shown. A prompt whose padding is on the right is turned, so that its
  /// last token stands last; `turn` says whether that is possible.
  generation_inputs(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& mask, bool turn)
      : ids(input_ids), prompt_length_(ids.length()) {
    if (!mask) return;
    if (mask.shape() != input_ids.shape())
      throw shape_error("generate", "attention_mask", shape_text(input_ids.shape()), shape_text(mask.shape()));
    const auto dense = mask.dense();
    mask_.assign(dense.data(), dense.data() + dense.size());
    masked_ = std::find(mask_.begin(), mask_.end(), 0) != mask_.end();
    if (!masked_) return;
    for (isize b = 0; b < ids.rows(); ++b) {
      i64* const m = mask_.data() + b * prompt_length_;
      const isize shown = prompt_length_ - std::count(m, m + prompt_length_, 0);
      if (shown == 0)
        throw value_error("generate", "attention_mask", "at least one token in each row", joined("none in row ", b));
      isize end = prompt_length_;
      while (m[end - 1] == 0) --end;
      if (turn && end < prompt_length_) {
        std::rotate(m, m + end, m + prompt_length_);
        std::rotate(ids.row_data(b), ids.row_data(b) + end, ids.row_data(b) + prompt_length_);
      }
      shown_.push_back(shown);
    }
  }

  token_rows ids;  // (B,T)

  isize prompt_length() const { return prompt_length_; }
  /// Tokens of padding on the left of each row; empty where there is no padding.
  std::vector<isize> padding() const {
    std::vector<isize> out;
    if (masked_)
      for (isize b = 0; b < ids.rows(); ++b) {
        const i64* m = mask_.data() + b * prompt_length_;
        out.push_back(std::find_if(m, m + prompt_length_, [](i64 x) { return x != 0; }) - m);
      }
    return out;
  }
  /// The tokens of the longest prompt, padding not counted.
  isize longest_prompt() const { return masked_ ? *std::max_element(shown_.begin(), shown_.end()) : prompt_length_; }

  void reorder(std::span<const isize> rows) {
    ids.reorder(rows);
    if (!masked_) return;
    std::vector<i64> mask;
    std::vector<isize> shown;
    for (const isize r : rows) {
      mask.insert(mask.end(), mask_.begin() + r * prompt_length_, mask_.begin() + (r + 1) * prompt_length_);
      shown.push_back(shown_[std::size_t(r)]);
    }
    mask_.swap(mask);
    shown_.swap(shown);
  }

  // ---- the arguments of a forward pass over the tokens from `past` on

  Tensor<i64, 2> input_ids(isize past) const {
    Tensor<i64, 2> t({ids.rows(), ids.length() - past});
    for (isize b = 0; b < ids.rows(); ++b)
      std::copy_n(ids.row(b).data() + past, t.extent(1), t.data() + b * t.extent(1));
    return t;
  }
  /// Empty where nothing is hidden.
  Tensor<i64, 2> attention_mask() const {
    if (!masked_) return {};
    Tensor<i64, 2> t = Tensor<i64, 2>::filled({ids.rows(), ids.length()}, 1);
    for (isize b = 0; b < ids.rows(); ++b)
      std::copy_n(mask_.data() + b * prompt_length_, prompt_length_, t.data() + b * ids.length());
    return t;
  }
  /// Empty where they are counted from the cache's length.
  Tensor<i64, 2> position_ids(isize past) const {
    if (!masked_) return {};
    Tensor<i64, 2> t({ids.rows(), ids.length() - past});
    for (isize b = 0; b < ids.rows(); ++b) {
      i64 position = 0;
      for (isize i = 0; i < ids.length(); ++i) {
        const bool shown = i >= prompt_length_ || mask_[std::size_t(b * prompt_length_ + i)] != 0;
        if (i >= past) t.data()[b * t.extent(1) + i - past] = shown ? position : 0;
        position += shown;
      }
    }
    return t;
  }

 private:
  isize prompt_length_ = 0;
  bool masked_ = false;
  std::vector<i64> mask_;     // (B, prompt) where masked_
  std::vector<isize> shown_;  // (B) likewise
};

}  // namespace hft::detail
