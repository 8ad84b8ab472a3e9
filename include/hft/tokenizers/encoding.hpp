// Encoding: what a tokenizer makes of an input. Truncation and padding act on it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>

namespace hft {

/// Code points [start, end) of the input.
struct Offsets {
  std::int64_t start = 0, end = 0;
  friend bool operator==(const Offsets&, const Offsets&) = default;
};

enum class TruncationDirection { Left, Right };
enum class TruncationStrategy { LongestFirst, OnlyFirst, OnlySecond };
enum class PaddingDirection { Left, Right };

struct TruncationParams {
  std::size_t max_length = 512;
  std::size_t stride = 0;  // tokens that neighbouring overflowing parts share
  TruncationStrategy strategy = TruncationStrategy::LongestFirst;
  TruncationDirection direction = TruncationDirection::Right;
};

struct PaddingParams {
  std::optional<std::size_t> fixed_length = {};        // none: to the longest of the batch
  std::optional<std::size_t> pad_to_multiple_of = {};  // none, or 0: no rounding up
  PaddingDirection direction = PaddingDirection::Right;
  std::int64_t pad_id = 0;
  std::int64_t pad_type_id = 0;
  std::string pad_token = "[PAD]";
};

/// A sequence of the input (0: the text, 1: its pair) and what was found in it.
struct SequenceOffsets {
  std::size_t sequence = 0;
  Offsets offsets;
  friend bool operator==(const SequenceOffsets&, const SequenceOffsets&) = default;
};
struct SequenceWord {
  std::size_t sequence = 0;
  std::int64_t word = 0;
  friend bool operator==(const SequenceWord&, const SequenceWord&) = default;
};
/// Tokens [start, end) of an encoding.
struct TokenSpan {
  std::size_t start = 0, end = 0;
  friend bool operator==(const TokenSpan&, const TokenSpan&) = default;
};

/// The tokens of one input (tokenizers' Encoding): parallel vectors, one entry per token.
struct Encoding {
  std::vector<std::int64_t> ids;
  std::vector<std::string> tokens;
  std::vector<Offsets> offsets;
  std::vector<std::int64_t> type_ids;
  std::vector<std::int64_t> attention_mask;       // 0: padding
  std::vector<std::int64_t> special_tokens_mask;  // 1: added by the post-processor or by padding
  std::vector<std::optional<std::int64_t>> word_ids;
  std::vector<std::optional<std::int64_t>> sequence_ids;
  std::vector<Encoding> overflowing;  // what truncation cut off

  std::size_t size() const noexcept { return ids.size(); }
  bool empty() const noexcept { return ids.empty(); }

  void reserve(std::size_t n) {
    ids.reserve(n);
    tokens.reserve(n);
    offsets.reserve(n);
    type_ids.reserve(n);
    attention_mask.reserve(n);
    special_tokens_mask.reserve(n);
    word_ids.reserve(n);
  }
  void push_back(std::int64_t id, std::string token, Offsets offset, std::optional<std::int64_t> word,
                 std::int64_t type_id, bool special = false) {
    ids.push_back(id);
    tokens.push_back(std::move(token));
    offsets.push_back(offset);
    type_ids.push_back(type_id);
    attention_mask.push_back(1);
    special_tokens_mask.push_back(special);
    word_ids.push_back(word);
  }

  void set_type_ids(std::int64_t type_id) { type_ids.assign(size(), type_id); }
  /// All tokens belong to sequence `id`.
  void set_sequence_id(std::size_t id) { set_sequence_range(id, 0, size()); }
  void set_sequence_range(std::size_t id, std::size_t begin, std::size_t end) {
    for (auto& r : sequence_ranges_)
      if (r.id == id) return void(r = {id, begin, end});
    sequence_ranges_.push_back({id, begin, end});
  }
  void clear_sequence_ranges() { sequence_ranges_.clear(); }

  /// How many sequences the input has: 1, or 2 for a pair.
  std::size_t n_sequences() const noexcept { return sequence_ranges_.empty() ? 1 : sequence_ranges_.size(); }
  /// The tokens of a sequence, without special tokens; all of them where the sequence is not known.
  TokenSpan sequence_range(std::size_t sequence) const {
    for (const auto& r : sequence_ranges_)
      if (r.id == sequence) return {r.begin, std::max(r.begin, std::min(r.end, size()))};
    return {0, size()};
  }

  // From characters (code points) and words of the input to tokens and back. Nothing where there is no such thing:
  // special tokens and padding have no words, spaces that no token covers have no token.

  /// The sequence that a token belongs to; none for special tokens.
  std::optional<std::size_t> token_to_sequence(std::size_t token) const {
    if (token >= size()) return {};
    if (sequence_ranges_.empty()) return 0;
    for (const auto& r : sequence_ranges_)
      if (token >= r.begin && token < r.end) return r.id;
    return {};
  }
  std::optional<SequenceOffsets> token_to_chars(std::size_t token) const {
    const auto sequence = token_to_sequence(token);
    if (!sequence) return {};
    return SequenceOffsets{*sequence, offsets[token]};
  }
  std::optional<SequenceWord> token_to_word(std::size_t token) const {
    const auto sequence = token_to_sequence(token);
    if (!sequence || !word_ids[token]) return {};
    return SequenceWord{*sequence, *word_ids[token]};
  }
  /// The tokens of a word.
  std::optional<TokenSpan> word_to_tokens(std::int64_t word, std::size_t sequence = 0) const {
    const auto range = sequence_range(sequence);
    std::optional<TokenSpan> out;
    for (std::size_t i = range.start; i < range.end && !(word_ids[i] > word); ++i)
      if (word_ids[i] == word) out = {out ? out->start : i, i + 1};
    return out;
  }
  std::optional<Offsets> word_to_chars(std::int64_t word, std::size_t sequence = 0) const {
    const auto span = word_to_tokens(word, sequence);
    if (!span) return {};
    return Offsets{offsets[span->start].start, offsets[span->end - 1].end};
  }
  /// The first token that covers a character.
  std::optional<std::size_t> char_to_token(std::int64_t character, std::size_t sequence = 0) const {
    const auto range = sequence_range(sequence);
    for (std::size_t i = range.start; i < range.end; ++i)
      if (character >= offsets[i].start && character < offsets[i].end) return i;
    return {};
  }
  std::optional<std::int64_t> char_to_word(std::int64_t character, std::size_t sequence = 0) const {
    const auto token = char_to_token(character, sequence);
    const auto word = token ? token_to_word(*token) : std::nullopt;
    return word ? std::optional(word->word) : std::nullopt;
  }

  /// Several encodings as one. With `growing_offsets` each goes on where the one before it ended.
  static Encoding merge(std::span<const Encoding> encodings, bool growing_offsets = true) {
    Encoding out;
    for (const auto& e : encodings) out.merge_with(e, growing_offsets);
    out.finish();
    return out;
  }

  /// Appends `other`; overflowing parts of both sides are combined each with each.
  void merge_with(Encoding other, bool growing_offsets = false) {
    if (empty() && overflowing.empty() && sequence_ranges_.empty()) return void(*this = std::move(other));
    const std::int64_t shift = growing_offsets && !offsets.empty() ? offsets.back().end : 0;
    std::vector<Encoding> combined;
    for (const auto& mine : overflowing) {
      combined.push_back(mine);
      combined.back().merge_with(other, growing_offsets);
      for (const auto& theirs : other.overflowing) {
        combined.push_back(mine);
        combined.back().merge_with(theirs, growing_offsets);
      }
    }
    for (const auto& theirs : other.overflowing) {
      combined.push_back(*this);
      combined.back().merge_with(theirs, growing_offsets);
    }
    const std::size_t before = size();
    for (const auto& r : other.sequence_ranges_) set_sequence_range(r.id, before + r.begin, before + r.end);
    for (auto& o : other.offsets) o.start += shift, o.end += shift;
    const auto append = [](auto& to, auto& from) {  // the shorter one moves
      const bool in_front = to.size() < from.size();
      if (in_front) to.swap(from);
      to.insert(in_front ? to.begin() : to.end(), std::make_move_iterator(from.begin()),
                std::make_move_iterator(from.end()));
    };
    append(ids, other.ids);
    append(tokens, other.tokens);
    append(offsets, other.offsets);
    append(type_ids, other.type_ids);
    append(attention_mask, other.attention_mask);
    append(special_tokens_mask, other.special_tokens_mask);
    append(word_ids, other.word_ids);
    overflowing = std::move(combined);
  }

  /// Keeps `max_length` tokens; the rest goes to `overflowing` in parts that share `stride` tokens.
  /// Throws value_error where the stride leaves no progress.
  void truncate(std::size_t max_length, std::size_t stride, TruncationDirection direction) {
    const std::size_t n = size();
    if (max_length >= n) return;
    if (max_length == 0) {
      Encoding rest = std::move(*this);
      *this = {};
      overflowing.push_back(std::move(rest));
      return;
    }
    if (stride >= max_length)
      throw value_error("truncation", "stride",
                        detail::joined("less than max_length without special tokens, ", max_length),
                        detail::joined(stride));
    const std::size_t step = max_length - stride;
    std::vector<Encoding> parts;
    if (direction == TruncationDirection::Right) {
      for (std::size_t start = 0;; start += step) {
        parts.push_back(part(start, std::min(start + max_length, n)));
        if (start + max_length >= n) break;
      }
    } else {
      for (std::size_t stop = n;; stop -= step) {
        const std::size_t start = stop > max_length ? stop - max_length : 0;
        parts.push_back(part(start, stop));
        if (start == 0) break;
      }
    }
    Encoding first = std::move(parts.front());
    parts.erase(parts.begin());
    first.overflowing = std::move(parts);
    *this = std::move(first);
  }

  /// Fills up to `length` tokens, overflowing parts too.
  void pad(std::size_t length, const PaddingParams& p) {
    for (auto& o : overflowing) o.pad(length, p);
    if (size() >= length) return;
    const std::size_t n = length - size();
    const bool left = p.direction == PaddingDirection::Left;
    const auto fill = [&](auto& v, const auto& value) { v.insert(left ? v.begin() : v.end(), n, value); };
    fill(ids, p.pad_id);
    fill(tokens, p.pad_token);
    fill(offsets, Offsets{});
    fill(type_ids, p.pad_type_id);
    fill(attention_mask, std::int64_t{0});
    fill(special_tokens_mask, std::int64_t{1});
    fill(word_ids, std::optional<std::int64_t>{});
    if (left)
      for (auto& r : sequence_ranges_) r.begin += n, r.end += n;
  }

  /// Fills sequence_ids from what the pipeline knows, here and in the overflowing parts.
  void finish() {
    sequence_ids.assign(size(), {});
    const std::size_t n = sequence_ranges_.empty() ? 1 : sequence_ranges_.size();
    for (std::size_t id = 0; id < n; ++id) {
      std::size_t begin = 0, end = size();
      for (const auto& r : sequence_ranges_)
        if (r.id == id) begin = r.begin, end = std::min(r.end, size());
      for (std::size_t i = begin; i < end; ++i) sequence_ids[i] = std::int64_t(id);
    }
    for (auto& o : overflowing) o.finish();
  }

 private:
  struct range_of_sequence {
    std::size_t id, begin, end;
  };

  Encoding part(std::size_t begin, std::size_t end) const {
    const auto cut = [&](const auto& v) {
      using vector = std::remove_cvref_t<decltype(v)>;
      return vector(v.begin() + std::ptrdiff_t(begin), v.begin() + std::ptrdiff_t(end));
    };
    Encoding out;
    out.ids = cut(ids);
    out.tokens = cut(tokens);
    out.offsets = cut(offsets);
    out.type_ids = cut(type_ids);
    out.attention_mask = cut(attention_mask);
    out.special_tokens_mask = cut(special_tokens_mask);
    out.word_ids = cut(word_ids);
    return out;
  }

  std::vector<range_of_sequence> sequence_ranges_;
};

/// Cuts an encoding, or a pair of them (`pair` may be null), to max_length tokens together.
/// Throws value_error where the strategy cannot reach that.
inline void truncate_encodings(Encoding& encoding, Encoding* pair, const TruncationParams& p) {
  if (p.max_length == 0) {
    encoding.truncate(0, p.stride, p.direction);
    if (pair) pair->truncate(0, p.stride, p.direction);
    return;
  }
  const std::size_t total = encoding.size() + (pair ? pair->size() : 0);
  if (total <= p.max_length) return;
  const std::size_t excess = total - p.max_length;
  if (p.strategy == TruncationStrategy::LongestFirst) {
    if (!pair) return encoding.truncate(p.max_length, p.stride, p.direction);
    // The shorter side keeps what it has while the longer one can give enough; then they share evenly.
    std::size_t n1 = encoding.size(), n2 = pair->size();
    const bool swapped = n1 > n2;
    if (swapped) std::swap(n1, n2);
    n2 = n1 > p.max_length ? n1 : std::max(n1, p.max_length - n1);
    if (n1 + n2 > p.max_length) {
      n1 = p.max_length / 2;
      n2 = n1 + p.max_length % 2;
    }
    if (swapped) std::swap(n1, n2);
    encoding.truncate(n1, p.stride, p.direction);
    pair->truncate(n2, p.stride, p.direction);
    return;
  }
  Encoding* target = p.strategy == TruncationStrategy::OnlyFirst ? &encoding : pair;
  if (!target) throw value_error("truncation", "OnlySecond", "a pair", "a single sequence");
  if (target->size() <= excess)
    throw value_error("truncation", "sequence to truncate", detail::joined("more than ", excess, " tokens"),
                      detail::joined(target->size()));
  target->truncate(target->size() - excess, p.stride, p.direction);
}

/// Pads all encodings to the length that the parameters give.
inline void pad_encodings(std::span<Encoding> encodings, const PaddingParams& p) {
  std::size_t length = 0;
  for (const auto& e : encodings) length = std::max(length, e.size());
  if (p.fixed_length) length = *p.fixed_length;
  const std::size_t multiple = p.pad_to_multiple_of.value_or(0);
  if (multiple && length % multiple) length += multiple - length % multiple;
  for (auto& e : encodings) e.pad(length, p);
}

}  // namespace hft
