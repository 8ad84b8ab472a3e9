// Tokenizer: text to tokens and back, exactly as the tokenizers library does it from the same tokenizer.json.
//
// The pipeline, each stage a folder:
//   added tokens    found in the raw text, then in the normalized one                  added_vocabulary.hpp
//   normalizers/    edit the text                                                      NFC, BertNormalizer, ...
//   pre_tokenizers/ cut it into pieces                                                 ByteLevel, Split, ...
//   models/         turn each piece into tokens                                        BPE, WordPiece, Unigram, ...
//   processors/     add special tokens around sequences                                TemplateProcessing, ...
//   decoders/       join tokens to text                                                ByteLevel, WordPiece, ...
// Stages live in namespaces of their folder's name, because the library gives several of them the same class names.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/linkage.hpp>
#include <hft/parallel.hpp>
#include <hft/tokenizers/decode_stream.hpp>
#include <hft/tokenizers/encoding.hpp>
#include <hft/tokenizers/pipeline.hpp>
#if HFT_DEFINES(TEXT)
#include <hft/tokenizers/serialization.hpp>
#include <hft/tokenizers/serialization_writer.hpp>
#endif

namespace hft {

/// A tokenizer. Copies share the pipeline until one of them is edited; a const Tokenizer is used from any number of
/// threads at once.
class Tokenizer {
 public:
  /// Reads a tokenizer.json. Throws file_error, format_error or unsupported_error, naming file and JSON path.
  static Tokenizer from_file(const std::filesystem::path& path);
  /// The same for JSON in memory; `where` names it in errors.
  static Tokenizer from_json(std::string_view json, const std::string& where = "tokenizer.json");
  /// A tokenizer of components built elsewhere (gguf.hpp).
  Tokenizer(detail::tokenizer_components parts, const std::string& where);

  /// The tokenizer.json that the tokenizers library would write, to the byte: on one line, or with line breaks and
  /// two spaces a level. Throws unsupported_error for a stage that the format does not have.
  std::string to_json(bool pretty = false) const;
  /// Writes to_json() to a file, whole or not at all. Throws file_error.
  void save(const std::filesystem::path& path, bool pretty = true) const {
    write_file_atomically(path, to_json(pretty));
  }

  /// Encodes one text (UTF-8), or one sequence of words. Throws value_error for text that is not UTF-8.
  Encoding encode(std::string_view text, bool add_special_tokens = true) const {
    return encode_one(text, nullptr, add_special_tokens);
  }
  Encoding encode(const std::vector<std::string>& words, bool add_special_tokens = true) const {
    return encode_one(words, nullptr, add_special_tokens);
  }
  /// Encodes a pair as one input.
  Encoding encode(std::string_view text, std::string_view pair, bool add_special_tokens = true) const {
    const InputSequence second = pair;
    return encode_one(text, &second, add_special_tokens);
  }
  Encoding encode(const std::vector<std::string>& words, const std::vector<std::string>& pair,
                  bool add_special_tokens = true) const {
    const InputSequence second = pair;
    return encode_one(words, &second, add_special_tokens);
  }
  // A string literal as second argument would rather become a bool.
  Encoding encode(std::string_view text, const char* pair, bool add_special_tokens = true) const {
    return encode(text, std::string_view(pair), add_special_tokens);
  }

  /// Encodes many inputs, on all threads of hft, and pads them together where padding is on. An input is a text, a
  /// vector of words, or a std::pair of either.
  template <class Inputs>
  std::vector<Encoding> encode_batch(const Inputs& inputs, bool add_special_tokens = true) const {
    std::vector<std::pair<InputSequence, std::optional<InputSequence>>> views;
    for (const auto& input : inputs) views.push_back(view_of(input));
    return encode_views(views, add_special_tokens);
  }

  /// Only the ids of encode(text), without offsets: many times faster.
  std::vector<std::int32_t> encode_ids(std::string_view text, bool add_special_tokens = true) const;

  /// The ids of many texts, on all threads of hft: encode_ids(text) of each. With padding the rows are padded one by
  /// one, not together.
  template <class Texts>
  std::vector<std::vector<std::int32_t>> encode_ids_batch(const Texts& texts, bool add_special_tokens = true) const {
    return encode_ids_views({std::begin(texts), std::end(texts)}, add_special_tokens);
  }

  /// Text of tokens. Ids that no token has are left out, as are special tokens if asked for.
  template <class Id>
  std::string decode(std::span<const Id> ids, bool skip_special_tokens = true) const {
    return pipeline_->decode<Id>(ids, skip_special_tokens);
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
  template <class Id>
  std::vector<std::string> decode_batch(const std::vector<std::vector<Id>>& rows,
                                        bool skip_special_tokens = true) const {
    std::vector<std::string> out;
    for (const auto& r : rows) out.push_back(decode(r, skip_special_tokens));
    return out;
  }
  /// A decoder for ids that arrive one by one. It refers to this tokenizer's pipeline and outlives the tokenizer.
  DecodeStream decode_stream(bool skip_special_tokens = true) const { return DecodeStream(*this, skip_special_tokens); }

  // The vocabulary.

  std::optional<std::int64_t> token_to_id(std::string_view token) const {
    const auto id = pipeline_->added.token_to_id(token, *pipeline_->parts.model);
    return id ? std::optional<std::int64_t>(*id) : std::nullopt;
  }
  std::optional<std::string> id_to_token(std::int64_t id) const { return pipeline_->token(id); }

  /// All tokens and their ids, with or without those that were added to the model's.
  std::unordered_map<std::string, std::int64_t> get_vocab(bool with_added_tokens = true) const;
  /// Tokens of the vocabulary, with or without those that were added to the model's.
  std::size_t vocab_size(bool with_added_tokens = true) const;
  /// The same by the library's name.
  std::size_t get_vocab_size(bool with_added_tokens = true) const { return vocab_size(with_added_tokens); }
  /// One more than the largest id there is: what an embedding must have rows for.
  std::size_t id_limit() const;
  /// The added tokens by their ids, smallest first.
  std::vector<std::pair<std::int64_t, AddedToken>> get_added_tokens_decoder() const;
  const AddedVocabulary& added_vocabulary() const noexcept { return pipeline_->added; }
  bool is_bpe() const { return dynamic_cast<const models::BPE*>(pipeline_->parts.model.get()) != nullptr; }
  /// Whether an added token of this id is special.
  bool is_special(std::int64_t id) const {
    const AddedToken* t =
        id < 0 || id > std::int64_t(Vocabulary::max_id) ? nullptr : pipeline_->added.find(std::uint32_t(id));
    return t && t->special;
  }
  /// How many special tokens encode() adds to one text or to a pair.
  std::size_t num_special_tokens_to_add(bool pair = false) const {
    return pipeline_->parts.post_processor ? pipeline_->parts.post_processor->added_tokens(pair) : 0;
  }

  // Editing. Other copies of the tokenizer stay as they are. None of this is cheap: the pipeline is built anew.

  /// Adds tokens to find in texts; those that are in the vocabulary keep their ids. Returns how many were new to the
  /// added tokens.
  std::size_t add_tokens(const std::vector<AddedToken>& tokens);
  std::size_t add_tokens(const std::vector<std::string>& tokens) {
    std::vector<AddedToken> out;
    for (const auto& t : tokens) out.push_back({t});
    return add_tokens(out);
  }
  /// The same for tokens that are special: found in the text as it is, and left out by decode().
  std::size_t add_special_tokens(std::vector<AddedToken> tokens) {
    for (auto& t : tokens) t.special = true;
    return add_tokens(tokens);
  }
  std::size_t add_special_tokens(const std::vector<std::string>& tokens) {
    std::vector<AddedToken> out;
    for (const auto& t : tokens) out.push_back(AddedToken::verbatim(t));
    return add_tokens(out);
  }
  /// Whether special tokens in a text are encoded as if they were any text (Transformers' split_special_tokens).
  bool encode_special_tokens() const noexcept { return pipeline_->added.encode_special_tokens; }
  void set_encode_special_tokens(bool value);

  // The stages; null where there is none. They may be shared between tokenizers.
  template <class Stage>
  using stage = std::shared_ptr<const Stage>;
  const stage<normalizers::Normalizer>& normalizer() const noexcept { return pipeline_->parts.normalizer; }
  const stage<pre_tokenizers::PreTokenizer>& pre_tokenizer() const noexcept { return pipeline_->parts.pre_tokenizer; }
  const stage<models::Model>& model() const noexcept { return pipeline_->parts.model; }
  const stage<processors::PostProcessor>& post_processor() const noexcept { return pipeline_->parts.post_processor; }
  const stage<decoders::Decoder>& decoder() const noexcept { return pipeline_->parts.decoder; }
  void set_normalizer(stage<normalizers::Normalizer> s) { replace(&parts_t::normalizer, std::move(s)); }
  void set_pre_tokenizer(stage<pre_tokenizers::PreTokenizer> s) { replace(&parts_t::pre_tokenizer, std::move(s)); }
  void set_post_processor(stage<processors::PostProcessor> s) { replace(&parts_t::post_processor, std::move(s)); }
  void set_decoder(stage<decoders::Decoder> s) { replace(&parts_t::decoder, std::move(s)); }
  /// Throws value_error for null: there is no tokenizer without a model.
  void set_model(stage<models::Model> s) {
    if (!s) throw value_error("tokenizer", "model", "a model", "none");
    replace(&parts_t::model, std::move(s));
  }

  // Truncation and padding, at first as the file says.
  void enable_truncation(TruncationParams p) { truncation_ = p; }
  void no_truncation() { truncation_.reset(); }
  void enable_padding(PaddingParams p) { padding_ = std::move(p); }
  void no_padding() { padding_.reset(); }
  const std::optional<TruncationParams>& truncation() const noexcept { return truncation_; }
  const std::optional<PaddingParams>& padding() const noexcept { return padding_; }

 private:
  friend class DecodeStream;
  using parts_t = detail::tokenizer_components;
  using input_view = std::pair<InputSequence, std::optional<InputSequence>>;

  static input_view view_of(const InputSequence& input) { return {input, {}}; }
  template <class First, class Second>
  static input_view view_of(const std::pair<First, Second>& inputs) {
    return {InputSequence(inputs.first), InputSequence(inputs.second)};
  }

  void rebuild(parts_t parts);
  template <class Stage>
  void replace(stage<Stage> parts_t::*member, stage<Stage> s) {
    auto parts = pipeline_->parts;
    parts.*member = std::move(s);
    rebuild(std::move(parts));
  }

  Encoding encode_unpadded(const InputSequence& first, const InputSequence* second, bool add_special_tokens,
                           detail::encode_scratch* scratch) const;

  Encoding encode_one(const InputSequence& first, const InputSequence* second, bool add_special_tokens) const;

  std::vector<Encoding> encode_views(const std::vector<input_view>& inputs, bool add_special_tokens) const;

  std::vector<std::vector<std::int32_t>> encode_ids_views(const std::vector<std::string_view>& texts,
                                                          bool add_special_tokens) const;

  /// Whether only the ids of a text can be had for less than its encoding.
  bool fast_ids() const { return pipeline_->fast && !truncation_ && !padding_ && pipeline_->simple_specials; }
  std::vector<std::int32_t> ids_of(std::string_view text, bool add_special_tokens,
                                   detail::encode_scratch* scratch) const;

  /// Shares n texts of `bytes` bytes among the threads of hft, where they are worth that. Each thread calls
  /// work(each), and each(f) calls f(i) for the texts that are its: some that follow each other, then some further on,
  /// because texts differ in length.
  template <class Work>
  static void for_each_text(std::size_t n, std::size_t bytes, Work work) {
    constexpr std::size_t worth_threads = 16384;  // bytes: some 0.3 ms of work
    std::atomic<std::size_t> next{0};
    const std::size_t share = std::max<std::size_t>(1, n / (bytes / (worth_threads / 4) + 1));
    const auto each = [&](auto f) {
      for (std::size_t i; (i = next.fetch_add(share, std::memory_order_relaxed)) < n;)
        for (const std::size_t end = std::min(i + share, n); i < end; ++i) f(i);
    };
    if (n < 2 || bytes < worth_threads) return work(each);
    detail::thread_pool::instance().run([&](int) { work(each); });
  }

  std::shared_ptr<const detail::tokenizer_pipeline> pipeline_;
  std::optional<TruncationParams> truncation_;
  std::optional<PaddingParams> padding_;
};

#if HFT_DEFINES(TEXT)

HFT_INLINE DecodeStream::DecodeStream(const Tokenizer& tokenizer, bool skip_special_tokens, EarlierText earlier_text)
    : pipeline_(tokenizer.pipeline_), skip_special_tokens_(skip_special_tokens), earlier_text_(earlier_text) {}

HFT_INLINE DecodeStream::DecodeStream(const Tokenizer& tokenizer, std::span<const std::int64_t> ids,
                                      bool skip_special_tokens)
    : DecodeStream(tokenizer, skip_special_tokens) {
  if (!pipeline_->byte_level_decoder) {
    ids_.assign(ids.begin(), ids.end());
  } else {
    (void)step_bytes(ids);
  }
}

HFT_INLINE Tokenizer Tokenizer::from_file(const std::filesystem::path& path) {
  return Tokenizer(detail::read_components(path), path.string());
}

HFT_INLINE Tokenizer Tokenizer::from_json(std::string_view json, const std::string& where) {
  return Tokenizer(detail::read_components(large_json::parse(json, where, json_max_depth, "model.vocab")), where);
}

HFT_INLINE Tokenizer::Tokenizer(detail::tokenizer_components parts, const std::string& where)
    : pipeline_(std::make_shared<const detail::tokenizer_pipeline>(std::move(parts), where)),
      truncation_(pipeline_->parts.truncation),
      padding_(pipeline_->parts.padding) {}

HFT_INLINE std::string Tokenizer::to_json(bool pretty) const {
  return detail::write_tokenizer(pipeline_->parts, pipeline_->added, truncation_, padding_, pretty);
}

HFT_INLINE std::vector<std::int32_t> Tokenizer::encode_ids(std::string_view text, bool add_special_tokens) const {
  const detail::scratch_pool::lease scratch(pipeline_->scratch, fast_ids());
  return ids_of(text, add_special_tokens, scratch.get());
}

HFT_INLINE std::unordered_map<std::string, std::int64_t> Tokenizer::get_vocab(bool with_added_tokens) const {
  std::unordered_map<std::string, std::int64_t> out;
  const auto add = [&](std::string_view t, std::uint32_t id) { out[std::string(t)] = id; };
  pipeline_->parts.model->vocabulary().for_each(add);
  if (with_added_tokens) pipeline_->added.texts().for_each(add);
  return out;
}

HFT_INLINE std::size_t Tokenizer::vocab_size(bool with_added_tokens) const {
  const auto& vocabulary = pipeline_->parts.model->vocabulary();
  std::size_t n = vocabulary.size();
  if (with_added_tokens)
    pipeline_->added.texts().for_each([&](std::string_view t, std::uint32_t) { n += !vocabulary.find(t); });
  return n;
}

HFT_INLINE std::size_t Tokenizer::id_limit() const {
  std::size_t n = pipeline_->parts.model->vocabulary().id_limit();
  pipeline_->added.texts().for_each([&](std::string_view, std::uint32_t id) { n = std::max(n, std::size_t(id) + 1); });
  return n;
}

HFT_INLINE std::vector<std::pair<std::int64_t, AddedToken>> Tokenizer::get_added_tokens_decoder() const {
  std::vector<std::pair<std::int64_t, AddedToken>> out;
  for (const auto& e : pipeline_->added.sorted()) out.emplace_back(e.id, e.token);
  return out;
}

HFT_INLINE std::size_t Tokenizer::add_tokens(const std::vector<AddedToken>& tokens) {
  auto parts = pipeline_->parts;
  std::size_t added = 0;
  for (const auto& t : tokens) {
    if (t.content.empty()) continue;
    AddedToken* old = detail::find_token(parts.added_tokens, t.content);
    if (old && *old == t) continue;
    ++added;
    if (old) {
      *old = t;
    } else {
      parts.added_tokens.push_back(t);
    }
  }
  if (added != 0) rebuild(std::move(parts));
  return added;
}

HFT_INLINE void Tokenizer::rebuild(parts_t parts) {
  pipeline_ =
      std::make_shared<const detail::tokenizer_pipeline>(std::move(parts), "tokenizer", encode_special_tokens());
}

HFT_INLINE Encoding Tokenizer::encode_unpadded(const InputSequence& first, const InputSequence* second,
                                               bool add_special_tokens, detail::encode_scratch* scratch) const {
  const auto& p = *pipeline_;
  if (!second) return p.post_process(p.encode(first, 0, scratch), nullptr, truncation_, add_special_tokens);
  auto pair = p.encode(*second, 1, scratch);
  return p.post_process(p.encode(first, 0, scratch), &pair, truncation_, add_special_tokens);
}

HFT_INLINE Encoding Tokenizer::encode_one(const InputSequence& first, const InputSequence* second,
                                          bool add_special_tokens) const {
  const detail::scratch_pool::lease scratch(pipeline_->scratch, pipeline_->fast_places());
  auto e = encode_unpadded(first, second, add_special_tokens, scratch.get());
  if (padding_) pad_encodings({&e, 1}, *padding_);
  e.finish();
  return e;
}

HFT_INLINE std::vector<Encoding> Tokenizer::encode_views(const std::vector<input_view>& inputs,
                                                         bool add_special_tokens) const {
  std::vector<Encoding> out(inputs.size());
  std::size_t bytes = 0;
  for (const auto& [first, second] : inputs) bytes += first.bytes() + (second ? second->bytes() : 0);
  for_each_text(inputs.size(), bytes, [&](auto each) {
    const detail::scratch_pool::lease scratch(pipeline_->scratch, pipeline_->fast_places());
    each([&](std::size_t i) {
      const auto& [first, second] = inputs[i];
      out[i] = encode_unpadded(first, second ? &*second : nullptr, add_special_tokens, scratch.get());
      if (!padding_) out[i].finish();
    });
  });
  if (padding_) {
    pad_encodings(out, *padding_);
    for (auto& e : out) e.finish();
  }
  return out;
}

HFT_INLINE std::vector<std::vector<std::int32_t>> Tokenizer::encode_ids_views(
    const std::vector<std::string_view>& texts, bool add_special_tokens) const {
  std::vector<std::vector<std::int32_t>> out(texts.size());
  std::size_t bytes = 0;
  for (const auto text : texts) bytes += text.size();
  for_each_text(texts.size(), bytes, [&](auto each) {
    const detail::scratch_pool::lease scratch(pipeline_->scratch, fast_ids());
    each([&](std::size_t i) { out[i] = ids_of(texts[i], add_special_tokens, scratch.get()); });
  });
  return out;
}

HFT_INLINE std::vector<std::int32_t> Tokenizer::ids_of(std::string_view text, bool add_special_tokens,
                                                       detail::encode_scratch* scratch) const {
  if (scratch)
    if (auto ids = pipeline_->encode_ids(text, add_special_tokens, *scratch)) return std::move(*ids);
  const auto e = encode(text, add_special_tokens);
  return {e.ids.begin(), e.ids.end()};
}

HFT_INLINE void Tokenizer::set_encode_special_tokens(bool value) {
  if (value != encode_special_tokens())
    pipeline_ = std::make_shared<const detail::tokenizer_pipeline>(pipeline_->parts, "tokenizer", value);
}

#endif  // HFT_DEFINES

}  // namespace hft
