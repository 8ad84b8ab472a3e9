// BatchEncoding: what a call of a tokenizer returns, one row an input, and the way from tokens to words and characters
// and back. TokenizerCallOptions: what may be asked of a call. batch_tensors.hpp makes tensors of the rows.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/encoding.hpp>

namespace hft {

enum class PaddingStrategy { do_not_pad, longest, max_length };

/// Transformers' `padding`: a strategy, or true for the longest row and false for none.
struct Padding {
  PaddingStrategy strategy = PaddingStrategy::do_not_pad;

  constexpr Padding(PaddingStrategy s) : strategy(s) {}  // NOLINT
  template <std::same_as<bool> Bool>                     // and nothing that becomes one, such as a text
  constexpr Padding(Bool pad) : strategy(pad ? PaddingStrategy::longest : PaddingStrategy::do_not_pad) {}  // NOLINT
  constexpr operator PaddingStrategy() const { return strategy; }                                          // NOLINT
};

/// The arguments of a tokenizer call, named as in Transformers.
struct TokenizerCallOptions {
  bool add_special_tokens = true;
  Padding padding = PaddingStrategy::do_not_pad;
  std::optional<bool> truncation = {};  // none: where max_length is given and no padding asked for
  TruncationStrategy truncation_strategy = TruncationStrategy::LongestFirst;
  std::optional<std::size_t> max_length = {};  // none: model_max_length
  std::size_t stride = 0;                      // tokens that neighbouring overflowing parts share
  bool is_split_into_words = false;            // a vector of strings is one input, word by word, and not a batch
  std::size_t pad_to_multiple_of = 0;
  std::optional<PaddingDirection> padding_side = {};  // none: the tokenizer's
  // What the result has. None: what the tokenizer's model_input_names list.
  std::optional<bool> return_token_type_ids = {};
  std::optional<bool> return_attention_mask = {};
  bool return_overflowing_tokens = false;  // a row for each part that truncation cut off
  bool return_special_tokens_mask = false;
  bool return_offsets_mapping = false;
  bool return_length = false;
  bool split_special_tokens = false;          // special tokens in a text are text like any other
  std::vector<std::string> text_target = {};  // one a text: their ids are the result's labels
};

/// Rows of numbers, and the encodings they come from (transformers.BatchEncoding). Columns that were not asked for are
/// empty.
struct BatchEncoding {
  using Rows = std::vector<std::vector<std::int64_t>>;

  Rows input_ids;                                        // (B, T); rows of equal length where padding is on
  Rows token_type_ids;                                   // (B, T)
  Rows attention_mask;                                   // (B, T); 0: padding
  Rows special_tokens_mask;                              // (B, T); 1: added by the tokenizer
  std::vector<std::vector<Offsets>> offset_mapping;      // (B, T); code points of the text, or of the word
  std::vector<std::int64_t> overflow_to_sample_mapping;  // (B); the input that a row is a part of
  std::vector<std::int64_t> length;                      // (B); padding counts
  Rows labels;                                           // (B, T); ids of text_target
  std::vector<Encoding> encodings;                       // (B); none after pad()

  std::size_t size() const noexcept { return input_ids.size(); }
  bool empty() const noexcept { return input_ids.empty(); }
  /// The names of the columns that there are.
  std::vector<std::string> keys() const {
    std::vector<std::string> out;
    const auto add = [&](const char* name, const auto& column) {
      if (!column.empty()) out.emplace_back(name);
    };
    add("input_ids", input_ids);
    add("token_type_ids", token_type_ids);
    add("attention_mask", attention_mask);
    add("special_tokens_mask", special_tokens_mask);
    add("offset_mapping", offset_mapping);
    add("length", length);
    add("overflow_to_sample_mapping", overflow_to_sample_mapping);
    add("labels", labels);
    return out;
  }
  /// How many sequences an input has: 1, or 2 for pairs.
  std::size_t n_sequences() const { return row(0).n_sequences(); }

  // Of row b. All of these throw value_error where there is no such row.
  const std::vector<std::string>& tokens(std::size_t b = 0) const { return row(b).tokens; }
  const std::vector<std::optional<std::int64_t>>& word_ids(std::size_t b = 0) const { return row(b).word_ids; }
  const std::vector<std::optional<std::int64_t>>& sequence_ids(std::size_t b = 0) const { return row(b).sequence_ids; }

  // Tokens, words and characters (code points) of row b, or of row 0 where only one index is given; `sequence` is 0 for
  // the text and 1 for its pair. Nothing for what stands for nothing: special tokens have no word, spaces no token.

  std::optional<std::size_t> token_to_sequence(std::size_t b, std::size_t token) const {
    return row(b).token_to_sequence(token);
  }
  std::optional<std::size_t> token_to_sequence(std::size_t token) const { return token_to_sequence(0, token); }

  std::optional<std::int64_t> token_to_word(std::size_t b, std::size_t token) const {
    const auto found = row(b).token_to_word(token);
    return found ? std::optional(found->word) : std::nullopt;
  }
  std::optional<std::int64_t> token_to_word(std::size_t token) const { return token_to_word(0, token); }

  std::optional<Offsets> token_to_chars(std::size_t b, std::size_t token) const {
    const auto found = row(b).token_to_chars(token);
    return found ? std::optional(found->offsets) : std::nullopt;
  }
  std::optional<Offsets> token_to_chars(std::size_t token) const { return token_to_chars(0, token); }

  std::optional<TokenSpan> word_to_tokens(std::size_t b, std::int64_t word, std::size_t sequence = 0) const {
    return row(b).word_to_tokens(word, sequence);
  }
  std::optional<TokenSpan> word_to_tokens(std::int64_t word) const { return word_to_tokens(0, word); }

  std::optional<Offsets> word_to_chars(std::size_t b, std::int64_t word, std::size_t sequence = 0) const {
    return row(b).word_to_chars(word, sequence);
  }
  std::optional<Offsets> word_to_chars(std::int64_t word) const { return word_to_chars(0, word); }

  std::optional<std::size_t> char_to_token(std::size_t b, std::int64_t character, std::size_t sequence = 0) const {
    return row(b).char_to_token(character, sequence);
  }
  std::optional<std::size_t> char_to_token(std::int64_t character) const { return char_to_token(0, character); }

  std::optional<std::int64_t> char_to_word(std::size_t b, std::int64_t character, std::size_t sequence = 0) const {
    return row(b).char_to_word(character, sequence);
  }
  std::optional<std::int64_t> char_to_word(std::int64_t character) const { return char_to_word(0, character); }

 private:
  const Encoding& row(std::size_t b) const {
    if (b >= encodings.size())
      throw value_error("BatchEncoding", "row", detail::joined("less than ", encodings.size()), detail::joined(b));
    return encodings[b];
  }
};

/// How rows are filled up (PreTrainedTokenizerFast::pad), named as in Transformers.
struct PadOptions {
  Padding padding = PaddingStrategy::longest;
  std::optional<std::size_t> max_length = {};  // none: model_max_length
  std::size_t pad_to_multiple_of = 0;
  std::optional<PaddingDirection> padding_side = {};  // none: the tokenizer's
  std::optional<bool> return_attention_mask = {};     // none: what model_input_names list
};

/// How ids become text, named as in Transformers.
struct DecodeOptions {
  bool skip_special_tokens = false;
  std::optional<bool> clean_up_tokenization_spaces = {};  // none: the tokenizer's
};

namespace detail {

/// Whether a tokenizer class of Transformers has token_type_ids among its model_input_names.
inline bool has_token_types(std::string_view tokenizer_class) {
  constexpr std::string_view classes[] = {
      "Bert",    "Canine",    "ConvBert",   "DPRContextEncoder", "DPRQuestionEncoder",
      "Deberta", "DebertaV2", "Electra",    "LayoutLM",          "LayoutLMv2",
      "Lxmert",  "MarkupLM",  "MobileBert", "SqueezeBert",       "Tapas"};
  for (const std::string_view ending : {"Fast", "Tokenizer"})
    if (tokenizer_class.ends_with(ending)) tokenizer_class.remove_suffix(ending.size());
  return std::find(std::begin(classes), std::end(classes), tokenizer_class) != std::end(classes);
}

/// The rows of encodings: of each, and of what truncation cut off where that is asked for.
inline BatchEncoding make_batch(std::vector<Encoding> encodings, const TokenizerCallOptions& o, bool token_type_ids,
                                bool attention_mask) {
  BatchEncoding out;
  const auto add = [&](Encoding&& e, std::size_t sample) {
    out.input_ids.push_back(e.ids);
    if (token_type_ids) out.token_type_ids.push_back(e.type_ids);
    if (attention_mask) out.attention_mask.push_back(e.attention_mask);
    if (o.return_special_tokens_mask) out.special_tokens_mask.push_back(e.special_tokens_mask);
    if (o.return_offsets_mapping) out.offset_mapping.push_back(e.offsets);
    if (o.return_length) out.length.push_back(std::int64_t(e.size()));
    if (o.return_overflowing_tokens) out.overflow_to_sample_mapping.push_back(std::int64_t(sample));
    out.encodings.push_back(std::move(e));
  };
  for (std::size_t i = 0; i < encodings.size(); ++i) {
    std::vector<Encoding> parts;
    if (o.return_overflowing_tokens) parts = encodings[i].overflowing;
    add(std::move(encodings[i]), i);
    for (auto& part : parts) add(std::move(part), i);
  }
  return out;
}

/// Fills the rows of a batch up to `length` or the longest of them, then up to a multiple; without a length it only
/// forgets the encodings, which padding makes untrue. As in Transformers a mask that is not asked for stays as it is.
inline void pad_batch(BatchEncoding& batch, std::optional<std::size_t> length, PaddingStrategy padding,
                      std::size_t multiple_of, std::int64_t pad_id, PaddingDirection side, bool attention_mask,
                      std::int64_t pad_type_id = 0) {
  batch.encodings.clear();
  if (!length) return;
  if (padding == PaddingStrategy::longest)
    for (const auto& r : batch.input_ids) length = std::max(*length, r.size());
  if (multiple_of && *length % multiple_of) *length += multiple_of - *length % multiple_of;
  const auto fill = [&](BatchEncoding::Rows& rows, std::int64_t value) {
    for (auto& r : rows)
      if (r.size() < *length) r.insert(side == PaddingDirection::Left ? r.begin() : r.end(), *length - r.size(), value);
  };
  fill(batch.input_ids, pad_id);
  if (attention_mask) fill(batch.attention_mask, 0);
  fill(batch.token_type_ids, pad_type_id);
  fill(batch.special_tokens_mask, 1);
}

}  // namespace detail
}  // namespace hft
