// The pipeline of a tokenizer: its stages, what follows from them, and the steps from a text to an Encoding and from
// ids to text. It never changes once made, so tokenizers share it; tokenizer.hpp is the class that users see.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/utf8.hpp>
#include <hft/tokenizers/components.hpp>
#include <hft/tokenizers/decoders/byte_level.hpp>
#include <hft/tokenizers/encoding.hpp>
#include <hft/tokenizers/fast_path.hpp>

namespace hft {

/// One sequence of an input: a text, or words that are tokenized one by one (the library's is_pretokenized). A view:
/// what it is made of must live as long.
class InputSequence {
 public:
  template <class Text>
  requires std::convertible_to<const Text&, std::string_view> InputSequence(const Text& text) : text_(text) {}
  InputSequence(std::span<const std::string> words) : words_(words), is_pretokenized_(true) {}
  InputSequence(const std::vector<std::string>& words) : words_(words), is_pretokenized_(true) {}

  bool is_pretokenized() const noexcept { return is_pretokenized_; }
  std::string_view text() const noexcept { return text_; }
  std::span<const std::string> words() const noexcept { return words_; }
  /// Bytes of text.
  std::size_t bytes() const {
    std::size_t n = text_.size();
    for (const auto& w : words_) n += w.size();
    return n;
  }

 private:
  std::string_view text_;
  std::span<const std::string> words_;
  bool is_pretokenized_ = false;
};

namespace detail {

inline bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

/// From bytes of a text to its characters.
class character_index {
 public:
  explicit character_index(std::string_view text) : size_(text.size()) {
    if (is_ascii(text)) return;
    characters_.resize(text.size());
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      count += !unicode::is_continuation(text[i]);
      characters_[i] = count - 1;
    }
  }
  /// The character that byte i is of; i is below the text's size.
  std::int64_t operator[](std::size_t i) const {
    return characters_.empty() ? std::int64_t(i) : std::int64_t(characters_[i]);
  }
  /// The characters of the bytes [begin, end), as the library counts them at a text's end and behind it.
  Offsets of(std::size_t begin, std::size_t end) const {
    if (begin >= size_) return {std::int64_t(begin), std::int64_t(end)};
    const std::int64_t first = (*this)[begin];
    if (end < size_) return {first, (*this)[end]};
    return {first, (end >= 1 && end - 1 < size_ ? (*this)[end - 1] : first + 1) + 1};
  }

 private:
  std::vector<std::uint32_t> characters_;  // empty for ASCII, where they are the bytes
  std::size_t size_;
};

/// The same for bytes that are asked for in order, or nearly so: nothing is stored.
class character_cursor {
 public:
  explicit character_cursor(std::string_view text) : text_(text), ascii_(is_ascii(text)) {}
  /// The character that byte i is of; i is below the text's size.
  std::int64_t operator[](std::size_t i) {
    if (ascii_) return std::int64_t(i);
    while (at_ < i) character_ += !unicode::is_continuation(text_[++at_]);
    while (at_ > i) character_ -= !unicode::is_continuation(text_[at_--]);
    return character_;
  }

 private:
  std::string_view text_;
  bool ascii_;
  std::size_t at_ = 0;
  std::int64_t character_ = 0;  // of the byte at at_
};

struct tokenizer_pipeline {
  tokenizer_pipeline(tokenizer_components components, const std::string& where, bool split_special_tokens = false)
      : parts(std::move(components)) {
    added.encode_special_tokens = split_special_tokens;
    added.add_tokens(parts.added_tokens, *parts.model, parts.normalizer.get(), where);
    byte_level_decoder = dynamic_cast<const decoders::ByteLevel*>(parts.decoder.get()) != nullptr;
    if (!added.any_in_normalized_text())
      fast = make_fast_path(parts.normalizer.get(), parts.pre_tokenizer.get(), *parts.model);
    find_specials();
  }

  tokenizer_components parts;
  AddedVocabulary added;
  bool byte_level_decoder = false;
  bool simple_specials = false;             // the post-processor only puts ids before and after a sequence: these
  std::vector<std::int32_t> before, after;  //
  std::unique_ptr<const fast_path> fast;
  mutable scratch_pool scratch;

  // Ids to text.

  std::optional<std::string> token(std::int64_t id) const {
    if (id < 0 || id > std::int64_t(Vocabulary::max_id)) return {};
    if (const std::string* t = added.decoded_form(std::uint32_t(id))) return *t;
    const auto t = parts.model->vocabulary().token(std::uint64_t(id));
    if (!t.data()) return {};
    return std::string(t);
  }

  /// Whether decode() has nothing for this id: no token has it, or it is special and those are skipped.
  bool leaves_out(std::int64_t id, bool skip_special_tokens) const {
    const auto t = token(id);
    return !t || (skip_special_tokens && added.is_special(*t));
  }

  /// Appends the bytes that a token of a byte-level vocabulary stands for.
  void append_bytes(std::string& out, std::int64_t id, bool skip_special_tokens) const {
    if (id < 0 || id > std::int64_t(Vocabulary::max_id)) return;
    const std::string* special = added.decoded_form(std::uint32_t(id));
    const auto t = special ? std::string_view(*special) : parts.model->vocabulary().token(std::uint64_t(id));
    if (skip_special_tokens && special && added.is_special(*special)) return;
    append_token_bytes(out, t);
  }

  template <class Id>
  std::string decode(std::span<const Id> ids, bool skip_special_tokens) const {
    if (byte_level_decoder) {
      std::string bytes;
      for (const auto id : ids) append_bytes(bytes, std::int64_t(id), skip_special_tokens);
      return lossy_text(bytes);
    }
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const auto id : ids)
      if (auto t = token(std::int64_t(id)); t && !(skip_special_tokens && added.is_special(*t)))
        tokens.push_back(std::move(*t));
    std::string out;
    if (!parts.decoder) {
      for (std::size_t i = 0; i < tokens.size(); ++i) out += (i ? " " : "") + tokens[i];
      return out;
    }
    for (const auto& t : parts.decoder->decode_chain(std::move(tokens))) out += t;
    return out;
  }

  // Text to tokens.

  static void check_text(std::string_view text) {
    if (text.size() >= 0xffffffffu)
      throw value_error("tokenizer", "text", "less than 4 GiB", joined(text.size(), " bytes"));
    if (const auto at = find_invalid_utf8(text); at != std::string_view::npos)
      throw value_error("tokenizer", "text", "UTF-8", joined("an invalid byte at ", at));
  }

  /// The ids of a text on the fast path, which there is; nothing where only the general pipeline knows them. Special
  /// tokens only where these are simple.
  std::optional<std::vector<std::int32_t>> encode_ids(std::string_view text, bool add_special_tokens,
                                                      encode_scratch& scratch) const {
    check_text(text);
    id_sink out(text.size() / 3);
    if (add_special_tokens)
      for (auto id : before) out.push_back(id);
    bool done = true;
    std::size_t begin = 0;
    const auto up_to = [&](std::size_t end) {
      if (begin < end) done = done && fast->encode(text.substr(begin, end - begin), begin, scratch, out);
    };
    for (const auto& t : added.find_in(text, false)) {
      up_to(t.begin);
      out.push_back(std::int32_t(t.id));
      begin = t.end;
    }
    up_to(text.size());
    if (!done) return {};
    if (add_special_tokens)
      for (auto id : after) out.push_back(id);
    return out.take();
  }

  /// Whether encode() has a use for a scratch.
  bool fast_places() const { return fast && fast->has_places(); }
  /// Tokens, offsets and words of a sequence; the post-processor has not seen it.
  Encoding encode(const InputSequence& input, std::int64_t type_id, encode_scratch* scratch) const {
    if (!input.is_pretokenized()) return encode(input.text(), type_id, {}, scratch);
    Encoding out;  // offsets start again in each word, as in the library
    for (std::size_t i = 0; i < input.words().size(); ++i)
      out.merge_with(encode(input.words()[i], type_id, std::int64_t(i), scratch));
    return out;
  }

  /// `processor` and what truncation left over: the final encoding of one sequence or a pair, without padding.
  Encoding post_process(Encoding first, Encoding* second, const std::optional<TruncationParams>& truncation,
                        bool add_special_tokens) const {
    const auto* processor = parts.post_processor.get();
    if (truncation) {
      auto p = *truncation;
      // As in the library, a max_length below the number of special tokens wraps around: nothing is cut.
      if (add_special_tokens && processor) p.max_length -= processor->added_tokens(second != nullptr);
      truncate_encodings(first, second, p);
    }
    std::vector<Encoding> sequences;
    sequences.push_back(std::move(first));
    if (second) sequences.push_back(std::move(*second));
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      // Without a processor the library tells the two of a pair apart, and no more: padding is of a single sequence.
      if (processor || second) sequences[i].set_sequence_id(i);
      if (!processor) continue;
      for (auto& o : sequences[i].overflowing) o.set_sequence_id(i);
      sequences[i].set_type_ids(std::int64_t(i));
    }
    if (processor) sequences = processor->process(std::move(sequences), add_special_tokens);
    Encoding out;
    for (auto& e : sequences) out.merge_with(std::move(e));
    return out;
  }

 private:
  // What the post-processor puts around one sequence, where that is all it does to the ids.
  void find_specials() {
    simple_specials = true;
    if (!parts.post_processor) return;
    Encoding probe;
    constexpr std::int64_t mark = -1;
    probe.push_back(mark, "", {}, {}, 0);
    probe.set_sequence_id(0);
    int seen = 0;
    std::vector<Encoding> found;
    try {
      found = parts.post_processor->process({probe}, true);
    } catch (const error&) {  // a Sequence of templates, say: an error of each text, not of the tokenizer
      simple_specials = false;
      return;
    }
    for (const auto& e : found)
      for (const auto id : e.ids) {
        if (id == mark) {
          ++seen;
        } else {
          (seen ? after : before).push_back(std::int32_t(id));
        }
      }
    simple_specials = seen == 1;
  }

  // All tokens are of word `word`, where that is given.
  Encoding encode(std::string_view text, std::int64_t type_id, std::optional<std::int64_t> word,
                  encode_scratch* scratch) const {
    check_text(text);
    Encoding out;
    if (scratch && encode_fast(text, type_id, word, *scratch, out)) return out;
    auto s = added.extract_and_normalize(parts.normalizer.get(), text);
    if (parts.pre_tokenizer) parts.pre_tokenizer->pre_tokenize(s);
    for (auto& piece : s.pieces)
      if (!piece.tokenized) parts.model->tokenize(piece.text.get(), piece.tokens);
    const character_index characters(text);
    const auto& vocabulary = parts.model->vocabulary();
    for (std::size_t i = 0; i < s.pieces.size(); ++i) {
      const auto& p = s.pieces[i];
      for (const auto& t : p.tokens) {
        std::size_t begin = t.begin, end = t.end;
        if (p.text.to_original(t.begin, t.end, begin, end)) {
          begin += p.text.original_shift();
          end += p.text.original_shift();
        }
        out.push_back(t.id, t.value.empty() ? std::string(vocabulary.token(t.id)) : t.value, characters.of(begin, end),
                      word.value_or(std::int64_t(i)), type_id);
      }
    }
    return out;
  }

  // False where only the general pipeline knows.
  bool encode_fast(std::string_view text, std::int64_t type_id, std::optional<std::int64_t> word,
                   encode_scratch& scratch, Encoding& out) const {
    token_sink sink(text.size() / 3 + 16);
    std::vector<std::size_t> from_text;  // the added tokens: they are written as they stand in the text
    bool done = true;
    std::size_t begin = 0;
    const auto up_to = [&](std::size_t end) {
      if (begin < end) done = done && fast->encode(text.substr(begin, end - begin), begin, scratch, sink);
    };
    for (const auto& t : added.find_in(text, false)) {
      up_to(t.begin);
      from_text.push_back(sink.size());
      sink.set_text(text, 0);
      sink.begin_word();
      sink.push_back(t.id, text.data() + t.begin, text.data() + t.end);
      begin = t.end;
    }
    up_to(text.size());
    if (!done) return false;

    const auto& tokens = sink.tokens();
    const std::size_t n = tokens.size();
    character_cursor characters(text);
    const auto& vocabulary = parts.model->vocabulary();
    const auto reserve = [n](auto&... columns) {
      (reserve_large(columns, n + 8), ...);
    };  // the post-processor adds some
    reserve(out.ids, out.tokens, out.offsets, out.type_ids, out.attention_mask, out.special_tokens_mask, out.word_ids,
            out.sequence_ids);
    out.ids.resize(n);
    out.offsets.resize(n);
    out.word_ids.resize(n);
    out.type_ids.assign(n, type_id);
    out.attention_mask.assign(n, 1);
    out.special_tokens_mask.assign(n, 0);
    auto next_from_text = from_text.begin();
    for (std::size_t i = 0; i < n; ++i) {
      const auto& t = tokens[i];
      out.ids[i] = t.id;
      const auto first_character = characters[t.begin];
      out.offsets[i] = {first_character, characters[t.end - 1] + 1};
      out.word_ids[i] = word.value_or(std::int64_t(t.word));
      if (next_from_text != from_text.end() && *next_from_text == i) {
        out.tokens.emplace_back(text.substr(t.begin, t.end - t.begin));
        ++next_from_text;
      } else {
        out.tokens.emplace_back(vocabulary.token(t.id));
      }
    }
    return true;
  }
};

}  // namespace detail
}  // namespace hft
