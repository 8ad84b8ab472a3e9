// Tokenizer: text to tokens and back, exactly as the tokenizers library does it from the same tokenizer.json.
//
// The pipeline, each stage a folder:
//   added tokens    found in the raw text, then in the normalized one                  added_vocabulary.hpp
//   normalizers/    edit the text                                                      NFC, BertNormalizer, ...
//   pre_tokenizers/ cut it into pieces                                                 ByteLevel, Split, ...
//   models/         turn each piece into tokens                                        BPE, WordPiece, WordLevel
//   processors/     add special tokens around sequences                                TemplateProcessing, ...
//   decoders/       join tokens to text                                                ByteLevel, WordPiece, ...
// Stages live in namespaces of their folder's name, because the library gives several of them the same class names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/utf8.hpp>
#include <hft/tokenizers/encoding.hpp>
#include <hft/tokenizers/fast_path.hpp>
#include <hft/tokenizers/serialization.hpp>

namespace hft {

class DecodeStream;

/// A tokenizer. Copies share the pipeline; a const Tokenizer is used from any number of threads at once.
class Tokenizer {
 public:
  /// Reads a tokenizer.json. Throws file_error, format_error or unsupported_error, naming file and JSON path.
  static Tokenizer from_file(const std::filesystem::path& path) {
    return Tokenizer(detail::read_components(large_json::open(path)), path.string());
  }
  /// The same for JSON in memory; `where` names it in errors.
  static Tokenizer from_json(std::string_view json, const std::string& where = "tokenizer.json") {
    return Tokenizer(detail::read_components(large_json::parse(json, where)), where);
  }
  /// A tokenizer of components built elsewhere (gguf.hpp).
  Tokenizer(detail::tokenizer_components parts, const std::string& where)
      : pipeline_(std::make_shared<const pipeline>(std::move(parts), where)),
        truncation_(pipeline_->parts.truncation),
        padding_(pipeline_->parts.padding) {}

  /// Encodes one text (UTF-8). Throws value_error for text that is not UTF-8.
  Encoding encode(std::string_view text, bool add_special_tokens = true) const {
    auto out = post_process(encode_sequence(text, 0), nullptr, add_special_tokens);
    return pad_one(std::move(out));
  }
  /// Encodes a pair of texts as one input.
  Encoding encode(std::string_view text, std::string_view pair, bool add_special_tokens = true) const {
    auto second = encode_sequence(pair, 1);
    auto out = post_process(encode_sequence(text, 0), &second, add_special_tokens);
    return pad_one(std::move(out));
  }
  // A string literal as second argument would rather become a bool.
  Encoding encode(std::string_view text, const char* pair, bool add_special_tokens = true) const {
    return encode(text, std::string_view(pair), add_special_tokens);
  }

  /// Encodes many texts and pads them together where padding is on.
  template <class Texts>
  std::vector<Encoding> encode_batch(const Texts& texts, bool add_special_tokens = true) const {
    std::vector<Encoding> out;
    for (const auto& t : texts) out.push_back(encode_unpadded(t, add_special_tokens));
    if (padding_) pad_encodings(out, *padding_);
    for (auto& e : out) e.finish();
    return out;
  }

  /// Only the ids of encode(text), without offsets: many times faster.
  std::vector<std::int32_t> encode_ids(std::string_view text, bool add_special_tokens = true) const {
    const auto& p = *pipeline_;
    if (!p.fast || truncation_ || padding_ || (add_special_tokens && !p.simple_specials)) {
      const auto e = encode(text, add_special_tokens);
      return {e.ids.begin(), e.ids.end()};
    }
    check_text(text);
    const detail::scratch_pool::lease scratch(p.scratch);
    detail::id_sink out(text.size() / 3);
    if (add_special_tokens)
      for (auto id : p.before) out.push_back(id);
    if (p.added.any_in_raw_text()) {
      p.added.split(
          text, false,
          [&](std::size_t begin, std::size_t end) { p.fast->encode(text.substr(begin, end - begin), *scratch, out); },
          [&](std::uint32_t id, std::size_t, std::size_t) { out.push_back(std::int32_t(id)); });
    } else {
      p.fast->encode(text, *scratch, out);
    }
    if (add_special_tokens)
      for (auto id : p.after) out.push_back(id);
    return out.take();
  }

  /// Text of tokens. Ids that no token has are left out, as are special tokens if asked for.
  template <class Id>
  std::string decode(std::span<const Id> ids, bool skip_special_tokens = true) const {
    const auto& p = *pipeline_;
    if (p.byte_level_decoder) {
      std::string bytes;
      for (const auto id : ids) append_bytes(bytes, std::int64_t(id), skip_special_tokens);
      return detail::lossy_text(bytes);
    }
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const auto id : ids)
      if (const auto t = decoded_token(std::int64_t(id)); t && !(skip_special_tokens && p.added.is_special(*t)))
        tokens.push_back(*t);
    std::string out;
    if (!p.parts.decoder) {
      for (std::size_t i = 0; i < tokens.size(); ++i) out += (i ? " " : "") + tokens[i];
      return out;
    }
    for (const auto& t : p.parts.decoder->decode_chain(std::move(tokens))) out += t;
    return out;
  }
  std::string decode(std::span<const std::int64_t> ids, bool skip_special_tokens = true) const {
    return decode<std::int64_t>(ids, skip_special_tokens);
  }
  template <class Id>
  std::string decode(const std::vector<Id>& ids, bool skip_special_tokens = true) const {
    return decode<Id>(std::span<const Id>(ids), skip_special_tokens);
  }
  std::string decode(std::initializer_list<std::int64_t> ids, bool skip_special_tokens = true) const {
    return decode<std::int64_t>(std::span<const std::int64_t>(ids.begin(), ids.size()), skip_special_tokens);
  }

  std::optional<std::int64_t> token_to_id(std::string_view token) const {
    const auto id = pipeline_->added.token_to_id(token, *pipeline_->parts.model);
    return id ? std::optional<std::int64_t>(*id) : std::nullopt;
  }
  std::optional<std::string> id_to_token(std::int64_t id) const { return decoded_token(id); }

  /// Tokens of the vocabulary, with or without those that were added to the model's.
  std::size_t vocab_size(bool with_added = true) const {
    const auto& p = *pipeline_;
    std::size_t n = p.parts.model->vocabulary().size();
    if (with_added)
      p.added.for_each([&](std::uint32_t, const AddedToken& t) { n += !p.parts.model->vocabulary().find(t.content); });
    return n;
  }
  /// One more than the largest id there is: what an embedding must have rows for.
  std::size_t id_limit() const {
    std::size_t n = pipeline_->parts.model->vocabulary().id_limit();
    pipeline_->added.for_each([&](std::uint32_t id, const AddedToken&) { n = std::max(n, std::size_t(id) + 1); });
    return n;
  }
  bool is_bpe() const { return dynamic_cast<const models::BPE*>(pipeline_->parts.model.get()) != nullptr; }
  /// Whether an added token of this id is special.
  bool is_special(std::int64_t id) const {
    const AddedToken* t =
        id < 0 || id > std::int64_t(Vocabulary::max_id) ? nullptr : pipeline_->added.find(std::uint32_t(id));
    return t && t->special;
  }
  const AddedVocabulary& added_vocabulary() const noexcept { return pipeline_->added; }
  /// How many special tokens encode() adds to one text or to a pair.
  std::size_t num_special_tokens_to_add(bool pair = false) const {
    return pipeline_->parts.post_processor ? pipeline_->parts.post_processor->added_tokens(pair) : 0;
  }

  // Truncation and padding, at first as the file says.
  void enable_truncation(TruncationParams p) { truncation_ = p; }
  void no_truncation() { truncation_.reset(); }
  void enable_padding(PaddingParams p) { padding_ = std::move(p); }
  void no_padding() { padding_.reset(); }
  const std::optional<TruncationParams>& truncation() const noexcept { return truncation_; }
  const std::optional<PaddingParams>& padding() const noexcept { return padding_; }

  /// A decoder for ids that arrive one by one. It refers to this tokenizer's pipeline and outlives the tokenizer.
  DecodeStream decode_stream(bool skip_special_tokens = true) const;

 private:
  friend class DecodeStream;

  /// What never changes after loading, and the pool of buffers.
  struct pipeline {
    pipeline(detail::tokenizer_components components, const std::string& where) : parts(std::move(components)) {
      added.add_tokens(parts.added_tokens, *parts.model, parts.normalizer.get(), where);
      byte_level_decoder = dynamic_cast<const decoders::ByteLevel*>(parts.decoder.get()) != nullptr;
      if (!added.any_in_normalized_text())
        fast = detail::make_fast_path(parts.normalizer.get(), parts.pre_tokenizer.get(), *parts.model);
      find_specials();
    }

    // What the post-processor puts around one sequence, where that is all it does to the ids.
    void find_specials() {
      simple_specials = true;
      if (!parts.post_processor) return;
      Encoding probe;
      constexpr std::int64_t mark = -1;
      probe.push_back(mark, "", {}, {}, 0);
      probe.set_sequence_id(0);
      int seen = 0;
      for (const auto& e : parts.post_processor->process({probe}, true))
        for (const auto id : e.ids) {
          if (id == mark) {
            ++seen;
          } else {
            (seen ? after : before).push_back(std::int32_t(id));
          }
        }
      simple_specials = seen == 1;
    }

    detail::tokenizer_components parts;
    AddedVocabulary added;
    bool byte_level_decoder = false, simple_specials = false;
    std::vector<std::int32_t> before, after;
    std::unique_ptr<const detail::fast_path> fast;
    mutable detail::scratch_pool scratch;
  };

  static void check_text(std::string_view text) {
    if (text.size() >= 0xffffffffu)
      throw value_error("tokenizer", "text", "less than 4 GiB", detail::cat(text.size(), " bytes"));
    if (const auto at = detail::find_invalid_utf8(text); at != std::string_view::npos)
      throw value_error("tokenizer", "text", "UTF-8", detail::cat("an invalid byte at ", at));
  }

  std::optional<std::string> decoded_token(std::int64_t id) const {
    if (id < 0 || id > std::int64_t(Vocabulary::max_id)) return {};
    if (const std::string* t = pipeline_->added.decoded_form(std::uint32_t(id))) return *t;
    const auto t = pipeline_->parts.model->vocabulary().token(std::uint64_t(id));
    if (!t.data()) return {};
    return std::string(t);
  }

  void append_bytes(std::string& out, std::int64_t id, bool skip_special_tokens) const {
    if (id < 0 || id > std::int64_t(Vocabulary::max_id)) return;
    const std::string* added = pipeline_->added.decoded_form(std::uint32_t(id));
    const auto t = added ? std::string_view(*added) : pipeline_->parts.model->vocabulary().token(std::uint64_t(id));
    if (skip_special_tokens && (added ? pipeline_->added.is_special(*added) : false)) return;
    detail::append_token_bytes(out, t);
  }

  Encoding encode_sequence(std::string_view text, std::int64_t type_id) const {
    check_text(text);
    const auto& p = *pipeline_;
    auto s = p.added.extract_and_normalize(p.parts.normalizer.get(), text);
    if (p.parts.pre_tokenizer) p.parts.pre_tokenizer->pre_tokenize(s);
    for (auto& piece : s.pieces)
      if (!piece.tokenized) p.parts.model->tokenize(piece.text.get(), piece.tokens);
    return to_encoding(s, text, type_id);
  }

  Encoding to_encoding(const PreTokenizedString& s, std::string_view text, std::int64_t type_id) const {
    // The index of the character at each byte; from text.size() on there is none.
    std::vector<std::uint32_t> characters(text.size());
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      count += !detail::unicode::is_continuation(text[i]);
      characters[i] = count - 1;
    }
    const auto to_characters = [&](std::size_t begin, std::size_t end) -> Offsets {
      if (begin >= characters.size()) return {std::int64_t(begin), std::int64_t(end)};
      const std::int64_t first = characters[begin];
      if (end < characters.size()) return {first, std::int64_t(characters[end])};
      const std::int64_t last = end >= 1 && end - 1 < characters.size() ? characters[end - 1] : first + 1;
      return {first, last + 1};
    };
    Encoding out;
    const auto& vocabulary = pipeline_->parts.model->vocabulary();
    for (std::size_t word = 0; word < s.pieces.size(); ++word) {
      const auto& p = s.pieces[word];
      for (const auto& t : p.tokens) {
        std::size_t begin = t.begin, end = t.end;
        if (p.text.to_original(t.begin, t.end, begin, end)) {
          begin += p.text.original_shift();
          end += p.text.original_shift();
        }
        out.push_back(t.id, t.value.empty() ? std::string(vocabulary.token(t.id)) : t.value, to_characters(begin, end),
                      std::int64_t(word), type_id);
      }
    }
    return out;
  }

  Encoding post_process(Encoding first, Encoding* second, bool add_special_tokens) const {
    const auto* processor = pipeline_->parts.post_processor.get();
    if (truncation_) {
      auto p = *truncation_;
      // As in the library, a max_length below the number of special tokens wraps around: nothing is cut.
      if (add_special_tokens) p.max_length -= num_special_tokens_to_add(second != nullptr);
      truncate_encodings(first, second, p);
    }
    std::vector<Encoding> sequences;
    sequences.push_back(std::move(first));
    if (second) sequences.push_back(std::move(*second));
    if (!processor) {
      if (sequences.size() == 1) return std::move(sequences[0]);
      for (std::size_t i = 0; i < sequences.size(); ++i) sequences[i].set_sequence_id(i);
    } else {
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        sequences[i].set_sequence_id(i);
        for (auto& o : sequences[i].overflowing) o.set_sequence_id(i);
        sequences[i].set_type_ids(std::int64_t(i));
      }
      sequences = processor->process(std::move(sequences), add_special_tokens);
    }
    Encoding out;
    for (const auto& e : sequences) out.merge_with(e);
    return out;
  }

  Encoding encode_unpadded(std::string_view text, bool add_special_tokens) const {
    return post_process(encode_sequence(text, 0), nullptr, add_special_tokens);
  }
  template <class Text, class Pair>
  Encoding encode_unpadded(const std::pair<Text, Pair>& texts, bool add_special_tokens) const {
    auto second = encode_sequence(texts.second, 1);
    return post_process(encode_sequence(texts.first, 0), &second, add_special_tokens);
  }

  Encoding pad_one(Encoding e) const {
    if (padding_) {
      std::vector<Encoding> one;
      one.push_back(std::move(e));
      pad_encodings(one, *padding_);
      e = std::move(one[0]);
    }
    e.finish();
    return e;
  }

  std::shared_ptr<const pipeline> pipeline_;
  std::optional<TruncationParams> truncation_;
  std::optional<PaddingParams> padding_;
};

/// Text from ids that arrive one by one (tokenizers' DecodeStream). A piece is given out once it is complete: none
/// ends within a character, and all of them joined are the decoded text.
class DecodeStream {
 public:
  explicit DecodeStream(Tokenizer tokenizer, bool skip_special_tokens = true)
      : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens) {}

  /// The text that `id` completes, or an empty string. Throws value_error where the decoder rewrites text that was
  /// given out before.
  std::string step(std::int64_t id) {
    if (tokenizer_.pipeline_->byte_level_decoder) return step_bytes(id);
    if (prefix_.empty() && !ids_.empty()) {
      auto text = tokenizer_.decode(ids_, skip_special_tokens_);
      if (!incomplete(text)) prefix_ = std::move(text), prefix_ids_ = ids_.size();
    }
    ids_.push_back(id);
    auto text = tokenizer_.decode(ids_, skip_special_tokens_);
    if (text.size() <= prefix_.size() || incomplete(text)) return {};
    if (!text.starts_with(prefix_))
      throw value_error("DecodeStream", detail::cat("token ", id), "text that goes on", "a change of earlier text");
    auto out = text.substr(prefix_.size());
    ids_.erase(ids_.begin(), ids_.begin() + std::ptrdiff_t(prefix_ids_));
    prefix_ids_ = ids_.size();
    prefix_ = tokenizer_.decode(ids_, skip_special_tokens_);
    return out;
  }

  /// What is left at the end: incomplete characters as U+FFFD.
  std::string finish() {
    std::string out;
    if (tokenizer_.pipeline_->byte_level_decoder) {
      out = std::exchange(ready_, {}) + detail::lossy_text(std::exchange(tail_, {}));
    } else {
      const auto text = tokenizer_.decode(ids_, skip_special_tokens_);
      if (text.size() > prefix_.size() && text.starts_with(prefix_)) out = text.substr(prefix_.size());
    }
    ids_.clear();
    prefix_.clear();
    prefix_ids_ = 0;
    return out;
  }
  std::string flush() { return finish(); }

 private:
  static bool incomplete(std::string_view text) { return text.ends_with("\xef\xbf\xbd"); }

  // Byte-level text is the concatenation of its tokens' bytes, so only what is not yet given out needs to be kept:
  // `ready_` decoded, `tail_` the bytes of a character that is not complete.
  std::string step_bytes(std::int64_t id) {
    tokenizer_.append_bytes(tail_, id, skip_special_tokens_);
    const std::size_t open = detail::unicode::append_lossy(ready_, tail_);
    tail_.erase(0, tail_.size() - open);
    if (open != 0 || incomplete(ready_)) return {};
    return std::exchange(ready_, {});
  }

  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  std::vector<std::int64_t> ids_;
  std::string prefix_, ready_, tail_;
  std::size_t prefix_ids_ = 0;
};

inline DecodeStream Tokenizer::decode_stream(bool skip_special_tokens) const {
  return DecodeStream(*this, skip_special_tokens);
}

}  // namespace hft
