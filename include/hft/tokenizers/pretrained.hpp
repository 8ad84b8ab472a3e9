// PreTrainedTokenizerFast: a tokenizer with what a model's folder says around it: named special tokens, padding side,
// lengths, chat templates. AutoTokenizer finds it in a folder, a tokenizer.json or a GGUF file.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/gguf.hpp>
#include <hft/io/hub.hpp>
#include <hft/io/json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/sorting.hpp>
#include <hft/linkage.hpp>
#include <hft/tokenizers/batch_encoding.hpp>
#include <hft/tokenizers/special_tokens.hpp>
#include <hft/tokenizers/tokenizer.hpp>
#if HFT_DEFINES(TEXT)
#include <hft/tokenizers/convert/folder.hpp>
#include <hft/tokenizers/convert/rebuild.hpp>
#include <hft/tokenizers/gguf.hpp>
#endif

namespace hft {

/// A tokenizer as Transformers gives it. Copies share the pipeline; const calls are safe from several threads.
class PreTrainedTokenizerFast {
 public:
  /// No limit is known to the tokenizer.
  static constexpr std::int64_t no_max_length = std::numeric_limits<std::int64_t>::max();

  /// The defaults of padding and truncation sides; they may be changed.
  PaddingDirection padding_side = PaddingDirection::Right;
  TruncationDirection truncation_side = TruncationDirection::Right;
  std::int64_t model_max_length = no_max_length;
  bool clean_up_tokenization_spaces = false;  // not done to byte pair encodings, but with the next one
  bool clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = false;
  std::int64_t pad_token_type_id = 0;  // 3 in XLNet
  /// The columns that a call returns where it is not told otherwise.
  std::vector<std::string> model_input_names{"input_ids", "attention_mask"};

  /// Reads a folder: tokenizer.json, whose stages many classes of Transformers rebuild (convert/rebuild.hpp), or else
  /// the vocabulary's files as Transformers converts them; and, where they exist, tokenizer_config.json,
  /// special_tokens_map.json, added_tokens.json and the chat templates. Throws file_error, format_error,
  /// unsupported_error, naming file and path.
  static PreTrainedTokenizerFast from_folder(const std::filesystem::path& folder);
  /// A tokenizer.json alone: no named special tokens, no chat template.
  static PreTrainedTokenizerFast from_file(const std::filesystem::path& file);
  static PreTrainedTokenizerFast from_gguf(const gguf_file& file);
  static PreTrainedTokenizerFast from_gguf(const std::filesystem::path& path);

  /// Encodes
  ///   tok(text, options)                one row; options, e.g. {.padding = true}
  ///   tok(text, text_pair, options)     a pair of texts as one input; an empty second text is none, as in Transformers
  ///   tok({text, ...}, options)         a row for each: of texts, of vectors of words, or of std::pair of either. With
  ///                                     is_split_into_words a vector of strings is one input
  ///   tok(texts, text_pairs, options)   a row for each pair, texts[i] with text_pairs[i]
  /// They are one template, so that a compiler has one candidate to complain of. Throws value_error for padding without
  /// a pad_token, for text that is not UTF-8, and for different numbers of texts and pairs.
  template <class Input = std::vector<std::string>, class Second = TokenizerCallOptions>
  BatchEncoding operator()(const Input& input, const Second& second = {},
                           const TokenizerCallOptions& options = {}) const {
    constexpr bool one = std::is_convertible_v<const Input&, std::string_view>;
    if constexpr (std::is_convertible_v<const Second&, TokenizerCallOptions>) {
      if constexpr (one)
        return call(std::array{std::string_view(input)}, second);
      else
        return call_batch(input, second);
    } else if constexpr (one) {
      const std::string_view text = input, pair = second;
      if (pair.empty()) return call(std::array{text}, options);
      return call(std::array{std::pair{text, pair}}, options);
    } else {
      return call_pairs(input, second, options);
    }
  }

  /// Fills the rows of a batch up to equal length: ids, masks and types. Throws value_error without a pad_token.
  BatchEncoding pad(BatchEncoding batch, const PadOptions& options = {}) const;

  /// The ids of one text.
  std::vector<std::int64_t> encode(std::string_view text, bool add_special_tokens = true) const {
    const auto ids = tokenizer().encode_ids(text, add_special_tokens);
    return {ids.begin(), ids.end()};
  }
  /// The text of ids: a vector, a span or a braced list of any integers, or one sequence in a tensor: (T), or (1, T) as
  /// generate returns it. Options are DecodeOptions, or whether to skip special tokens. Throws shape_error for several
  /// rows.
  template <class Ids = std::vector<std::int64_t>, class Options = DecodeOptions>
  std::string decode(const Ids& ids, const Options& options = {}) const {
    if constexpr (requires { Ids::rank; }) {
      static_assert(Ids::rank == 1 || Ids::rank == 2, "hft: decode takes a tensor of ids (T) or (1,T)");
      if (Ids::rank == 2 && ids.extent(0) != 1)
        throw shape_error("decode", "", "one row of ids; use batch_decode for several",
                          detail::joined(ids.extent(0), " rows"));
      const auto dense = ids.dense();
      return decode_row(std::span(dense.data(), std::size_t(dense.size())), options);
    } else {
      return decode_row(std::span(std::data(ids), std::size(ids)), options);
    }
  }
  /// A text for each row: of a vector of rows, or of a tensor (B,T) as generate returns it.
  template <class Rows = std::vector<std::vector<std::int64_t>>, class Options = DecodeOptions>
  std::vector<std::string> batch_decode(const Rows& rows, const Options& options = {}) const {
    std::vector<std::string> out;
    if constexpr (requires { Rows::rank; })
      for (std::ptrdiff_t b = 0; b < rows.extent(0); ++b) out.push_back(decode(rows.slice(0, b, b + 1), options));
    else
      for (const auto& r : rows) out.push_back(decode(r, options));
    return out;
  }
  DecodeStream decode_stream(bool skip_special_tokens = true) const {
    return tokenizer().decode_stream(skip_special_tokens);
  }

  std::vector<std::string> tokenize(std::string_view text, bool add_special_tokens = false) const {
    return tokenizer().encode(text, add_special_tokens).tokens;
  }
  /// The id of a token; that of unk_token where there is no such token, and nothing where that is not set either.
  std::optional<std::int64_t> convert_tokens_to_ids(std::string_view token) const {
    const auto id = tokenizer().token_to_id(token);
    return id ? id : unk_token_id();
  }
  std::optional<std::string> convert_ids_to_tokens(std::int64_t id) const { return tokenizer().id_to_token(id); }

  // Named special tokens and their ids; none where the model has no such token.
  std::optional<std::string> bos_token() const { return special_token("bos_token"); }
  std::optional<std::string> eos_token() const { return special_token("eos_token"); }
  std::optional<std::string> unk_token() const { return special_token("unk_token"); }
  std::optional<std::string> sep_token() const { return special_token("sep_token"); }
  std::optional<std::string> pad_token() const { return special_token("pad_token"); }
  std::optional<std::string> cls_token() const { return special_token("cls_token"); }
  std::optional<std::string> mask_token() const { return special_token("mask_token"); }
  std::optional<std::int64_t> bos_token_id() const { return special_token_id("bos_token"); }
  std::optional<std::int64_t> eos_token_id() const { return special_token_id("eos_token"); }
  std::optional<std::int64_t> unk_token_id() const { return special_token_id("unk_token"); }
  std::optional<std::int64_t> sep_token_id() const { return special_token_id("sep_token"); }
  std::optional<std::int64_t> pad_token_id() const { return special_token_id("pad_token"); }
  std::optional<std::int64_t> cls_token_id() const { return special_token_id("cls_token"); }
  std::optional<std::int64_t> mask_token_id() const { return special_token_id("mask_token"); }

  /// (name, token) of the named special tokens, in the order of Transformers: `bos_token`, `eos_token`, ...
  const std::vector<std::pair<std::string, std::string>>& special_tokens_map() const noexcept {
    return special_tokens_;
  }
  /// The named special tokens and the additional ones, each once.
  std::vector<std::string> all_special_tokens() const;
  std::vector<std::int64_t> all_special_ids() const;
  const std::vector<std::string>& additional_special_tokens() const noexcept { return additional_special_tokens_; }

  /// The Jinja text of the chat template with this name; none where there is none.
  std::optional<std::string> chat_template(std::string_view name = "default") const {
    for (const auto& [n, text] : chat_templates_)
      if (n == name) return text;
    return {};
  }
  /// The Jinja text that a chat is rendered with: the template of that name, or `chat_template` itself where it names
  /// none; without it, `tool_use` where there are tools, else `default`. Throws value_error where there is none.
  std::string get_chat_template(const std::optional<std::string>& chat_template = {}, bool has_tools = false) const;
  /// (name, Jinja text) of all chat templates.
  const std::vector<std::pair<std::string, std::string>>& chat_templates() const noexcept { return chat_templates_; }

  /// Adds tokens that are found in texts as a whole; those that the vocabulary lacks get new ids, for which a model's
  /// embeddings must be resized. Returns how many were added. Other copies of the tokenizer stay as they are.
  std::size_t add_tokens(const std::vector<AddedToken>& tokens) {
    backend_->add_tokens(tokens);
    return tokenizer_->add_tokens(tokens);
  }
  std::size_t add_tokens(const std::vector<std::string>& tokens) {
    std::vector<AddedToken> out;
    for (const auto& t : tokens) out.push_back({t});
    return add_tokens(out);
  }
  /// Gives names to special tokens, {{"pad_token", "<pad>"}, ...}, and adds them, and others without a name, where the
  /// vocabulary lacks them. Returns how many were added. `extra` takes the place of the additional ones there were,
  /// unless it is empty.
  std::size_t add_special_tokens(const std::vector<std::pair<std::string, std::string>>& named,
                                 const std::vector<std::string>& extra = {});
  /// The same around another pipeline, in which special tokens may have new texts, {{"<s>", "<bos>"}, ...}, and others
  /// without a name may be new (train_new_from_iterator).
  PreTrainedTokenizerFast with_tokenizer(Tokenizer tokenizer,
                                         const std::vector<std::pair<std::string, std::string>>& renamed = {},
                                         const std::vector<std::string>& extra = {}) const;
  /// Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and the chat templates, for
  /// AutoTokenizer here and in Transformers. Throws file_error.
  void save_pretrained(const std::filesystem::path& folder) const;

  std::size_t vocab_size() const { return tokenizer().vocab_size(false); }
  std::size_t size() const { return tokenizer().vocab_size(true); }
  std::size_t num_special_tokens_to_add(bool pair = false) const { return tokenizer().num_special_tokens_to_add(pair); }
  /// The pipeline, without truncation and padding.
  const Tokenizer& tokenizer() const noexcept { return *tokenizer_; }
  /// The pipeline with the truncation and padding that tokenizer.json asks for.
  const Tokenizer& backend_tokenizer() const noexcept { return *backend_; }

 private:
  PreTrainedTokenizerFast() = default;

  std::string cleaned(std::string text, const DecodeOptions& options) const;
  template <class Id, std::size_t Extent>
  std::string decode_row(std::span<Id, Extent> ids, const DecodeOptions& options) const {
    using value = std::remove_const_t<Id>;
    return cleaned(tokenizer().decode(std::span<const value>(ids), options.skip_special_tokens), options);
  }
  template <class Id, std::size_t Extent>
  std::string decode_row(std::span<Id, Extent> ids, bool skip_special_tokens) const {
    return decode_row(ids, DecodeOptions{.skip_special_tokens = skip_special_tokens});
  }

  template <class Text>
  BatchEncoding call_batch(const std::vector<Text>& texts, const TokenizerCallOptions& options) const {
    if constexpr (std::is_same_v<Text, std::string>)
      if (options.is_split_into_words) return call(std::array{InputSequence(texts)}, options);
    return call(texts, options);
  }
  template <class Text>
  BatchEncoding call_pairs(const std::vector<Text>& texts, const std::vector<Text>& text_pairs,
                           const TokenizerCallOptions& options) const {
    if constexpr (std::is_same_v<Text, std::string>)
      if (options.is_split_into_words)
        return call(std::array{std::pair{InputSequence(texts), InputSequence(text_pairs)}}, options);
    if (texts.size() != text_pairs.size())
      throw value_error("tokenizer", "text_pair", detail::joined("as many as texts, ", texts.size()),
                        detail::joined(text_pairs.size()));
    std::vector<std::pair<InputSequence, InputSequence>> pairs;
    for (std::size_t i = 0; i < texts.size(); ++i) pairs.emplace_back(texts[i], text_pairs[i]);
    return call(pairs, options);
  }

  std::optional<std::string> special_token(std::string_view name) const {
    for (const auto& [n, token] : special_tokens_)
      if (n == name) return token;
    return {};
  }
  std::optional<std::int64_t> special_token_id(std::string_view name) const {
    const auto token = special_token(name);
    return token ? tokenizer().token_to_id(*token) : std::nullopt;
  }

  bool is_model_input(std::string_view name) const {
    return std::find(model_input_names.begin(), model_input_names.end(), name) != model_input_names.end();
  }
  /// The longest input that the tokenizer knows of.
  std::optional<std::size_t> known_max_length() const {
    if (model_max_length <= 0 || model_max_length == no_max_length) return {};
    return std::size_t(model_max_length);
  }
  /// What rows are filled up to, 0 for the longest of them; nothing where they are not.
  std::optional<std::size_t> padded_length(PaddingStrategy padding, std::optional<std::size_t> max_length) const;

  template <class Texts>
  BatchEncoding call(const Texts& texts, const TokenizerCallOptions& o) const {
    Tokenizer t = tokenizer();
    const auto limit = o.max_length ? o.max_length : known_max_length();
    const bool truncation = o.truncation.value_or(o.max_length && o.padding == PaddingStrategy::do_not_pad);
    if (truncation && limit) t.enable_truncation({*limit, o.stride, o.truncation_strategy, truncation_side});
    if (const auto length = padded_length(o.padding, o.max_length)) {
      if (t.truncation() && o.pad_to_multiple_of && *limit % o.pad_to_multiple_of)
        throw value_error("tokenizer", "max_length, with truncation and padding,",
                          detail::joined("a multiple of ", o.pad_to_multiple_of), detail::joined(*limit));
      PaddingParams p;
      p.pad_id = *pad_token_id();
      p.pad_token = *pad_token();
      p.pad_type_id = pad_token_type_id;
      p.direction = o.padding_side.value_or(padding_side);
      if (o.pad_to_multiple_of) p.pad_to_multiple_of = o.pad_to_multiple_of;
      if (o.padding == PaddingStrategy::max_length) p.fixed_length = *length;
      t.enable_padding(std::move(p));
    }
    if (o.split_special_tokens) t.set_encode_special_tokens(true);
    auto out = detail::make_batch(t.encode_batch(texts, o.add_special_tokens), o,
                                  o.return_token_type_ids.value_or(is_model_input("token_type_ids")),
                                  o.return_attention_mask.value_or(is_model_input("attention_mask")));
    if (!o.text_target.empty())
      for (auto& e : t.encode_batch(o.text_target, o.add_special_tokens)) out.labels.push_back(std::move(e.ids));
    return out;
  }

  void take_special_tokens(const detail::special_tokens& special);

  void read_config(const json& config, const std::string& where);

  // Where there are any, those of tokenizer_config.json are not read.
  void read_chat_template_files(const std::filesystem::path& folder);

  void finish(detail::tokenizer_components parts, const std::string& where);
  void set_backend(Tokenizer tokenizer);

  std::optional<Tokenizer> tokenizer_, backend_;
  std::vector<std::pair<std::string, std::string>> special_tokens_, chat_templates_;
  std::vector<std::string> additional_special_tokens_;
  std::string word_suffix_;             // of CLIP: in decoded text it is a space
  bool splits_special_tokens_ = false;  // split_special_tokens of the config
  json config_ = json::object();        // tokenizer_config.json as it was read
};

struct AutoTokenizer {
  /// The tokenizer of a folder, a tokenizer.json, a .gguf file, or a model in the hub cache ("org/name", there at
  /// `revision`: a branch, tag or commit).
  static PreTrainedTokenizerFast from_pretrained(const std::filesystem::path& path, std::string_view revision = "main");
};

#if HFT_DEFINES(TEXT)

HFT_INLINE PreTrainedTokenizerFast PreTrainedTokenizerFast::from_folder(const std::filesystem::path& folder) {
  detail::tokenizer_folder files(folder);
  auto special = files.read_special_tokens();
  PreTrainedTokenizerFast out;
  detail::tokenizer_components parts;
  const bool has_pipeline = files.has("tokenizer.json");
  const detail::tokenizer_kind* kind = nullptr;  // null: the pipeline is as the file has it
  if (has_pipeline) {
    parts = detail::read_components(folder / "tokenizer.json");
    kind = files.kind_over_pipeline();
    if (kind) detail::set_default_special_tokens(*kind, special);
    if (parts.padding) special.set_missing("pad_token", parts.padding->pad_token);
    if (kind) {
      parts = detail::rebuild_tokenizer(std::move(parts), *kind, files.config, files.where("tokenizer_config.json"),
                                        special);
    } else {
      special.add_to(parts.added_tokens);
    }
  } else {
    kind = &files.kind();
    parts = detail::convert_tokenizer(files, *kind, special);
  }
  if (const auto* named = files.named_kind(); named != kind)  // the model_type decided, or the files
    files.config["tokenizer_class"] = detail::class_name(kind ? *kind : detail::generic_tokenizer_kind);
  if (kind) {
    if (kind->pads_left) out.padding_side = PaddingDirection::Left;
    if (detail::has_word(kind->names, "XLNet")) out.pad_token_type_id = 3;
    if (detail::has_word(kind->names, "FNet")) out.model_input_names = {"input_ids", "token_type_ids"};
    if (kind->max_length) out.model_max_length = kind->max_length;
    if (kind->pre_tokenizer == detail::word_split::clip) out.word_suffix_ = kind->word_suffix;
  }
  if (has_pipeline && parts.padding) out.padding_side = parts.padding->direction;
  if (has_pipeline && parts.truncation) out.truncation_side = parts.truncation->direction;
  out.read_config(files.config, files.where("tokenizer_config.json"));
  out.config_ = files.config;
  out.take_special_tokens(special);
  out.finish(std::move(parts), has_pipeline ? files.where("tokenizer.json") : folder.string());
  out.read_chat_template_files(folder);
  return out;
}

HFT_INLINE PreTrainedTokenizerFast PreTrainedTokenizerFast::from_file(const std::filesystem::path& file) {
  PreTrainedTokenizerFast out;
  out.finish(detail::read_components(file), file.string());
  return out;
}

HFT_INLINE PreTrainedTokenizerFast PreTrainedTokenizerFast::from_gguf(const gguf_file& file) {
  PreTrainedTokenizerFast out;
  detail::special_tokens special;
  auto parts = detail::read_gguf_components(file, special);
  out.take_special_tokens(special);
  if (const gguf_value* t = file.find("tokenizer.chat_template"))
    out.chat_templates_.push_back({"default", std::string(t->as_string())});
  out.finish(std::move(parts), file.where());
  return out;
}

HFT_INLINE PreTrainedTokenizerFast PreTrainedTokenizerFast::from_gguf(const std::filesystem::path& path) {
  return from_gguf(gguf_file::open(path));
}

HFT_INLINE BatchEncoding PreTrainedTokenizerFast::pad(BatchEncoding batch, const PadOptions& options) const {
  const auto length = padded_length(options.padding, options.max_length);
  const bool attention_mask = options.return_attention_mask.value_or(is_model_input("attention_mask"));
  if (attention_mask && batch.attention_mask.empty())
    for (const auto& r : batch.input_ids) batch.attention_mask.emplace_back(r.size(), 1);
  detail::pad_batch(batch, length, options.padding, options.pad_to_multiple_of, pad_token_id().value_or(0),
                    options.padding_side.value_or(padding_side), attention_mask, pad_token_type_id);
  return batch;
}

HFT_INLINE std::vector<std::string> PreTrainedTokenizerFast::all_special_tokens() const {
  std::vector<std::string> out;
  const auto add = [&](const std::string& t) {
    if (std::find(out.begin(), out.end(), t) == out.end()) out.push_back(t);
  };
  for (const auto& [name, token] : special_tokens_) add(token);
  for (const auto& t : additional_special_tokens_) add(t);
  return out;
}

HFT_INLINE std::vector<std::int64_t> PreTrainedTokenizerFast::all_special_ids() const {
  std::vector<std::int64_t> out;
  for (const auto& t : all_special_tokens())
    if (const auto id = tokenizer().token_to_id(t)) out.push_back(*id);
  return out;
}

HFT_INLINE std::size_t PreTrainedTokenizerFast::add_special_tokens(
    const std::vector<std::pair<std::string, std::string>>& named, const std::vector<std::string>& extra) {
  detail::special_tokens names;
  for (const auto& [n, t] : special_tokens_) names.set(n, AddedToken::verbatim(t), true);
  std::vector<AddedToken> tokens;
  for (const auto& [n, t] : named) {
    if (!std::string_view(n).ends_with("_token"))
      throw value_error("add_special_tokens", detail::quote_text(n), "a name as pad_token");
    tokens.push_back(AddedToken::verbatim(t));
    names.set(n, tokens.back(), true);
  }
  for (const auto& t : extra) tokens.push_back(AddedToken::verbatim(t));
  special_tokens_.clear();
  for (const auto& n : names.named()) special_tokens_.push_back({n.name, n.token.content});
  if (!extra.empty()) additional_special_tokens_ = extra;
  return add_tokens(tokens);
}

HFT_INLINE PreTrainedTokenizerFast PreTrainedTokenizerFast::with_tokenizer(
    Tokenizer tokenizer, const std::vector<std::pair<std::string, std::string>>& renamed,
    const std::vector<std::string>& extra) const {
  auto out = *this;
  out.set_backend(std::move(tokenizer));
  const auto rename = [&](std::string& token) {
    for (const auto& [from, to] : renamed)
      if (token == from) return void(token = to);
  };
  for (auto& [name, token] : out.special_tokens_) rename(token);
  for (auto& token : out.additional_special_tokens_) rename(token);
  out.additional_special_tokens_.insert(out.additional_special_tokens_.end(), extra.begin(), extra.end());
  return out;
}

HFT_INLINE void PreTrainedTokenizerFast::take_special_tokens(const detail::special_tokens& special) {
  for (const auto& n : special.named()) special_tokens_.push_back({n.name, n.token.content});
  for (const auto& t : special.extra().empty() ? special.additional() : special.extra())
    additional_special_tokens_.push_back(t.content);
}

HFT_INLINE void PreTrainedTokenizerFast::read_config(const json& config, const std::string& where) {
  const auto member = [&](const char* key) -> const json* {
    const auto it = config.find(key);
    return it == config.end() || it->is_null() ? nullptr : &*it;
  };
  const auto at = [&](std::string_view key) { return detail::cat(where, ": ", key); };
  const auto boolean = [&](const char* key) -> std::optional<bool> {
    const json* v = member(key);
    if (!v) return {};
    if (!v->is_boolean()) throw format_error(at(key), "", "a boolean", detail::describe(*v));
    return v->get<bool>();
  };
  const auto left = [&](const char* key) {
    const json* v = member(key);
    if (!v) return false;
    if (*v != "left" && *v != "right") throw format_error(at(key), "", "'left' or 'right'", detail::describe(*v));
    return *v == "left";
  };
  if (member("padding_side")) padding_side = left("padding_side") ? PaddingDirection::Left : PaddingDirection::Right;
  if (member("truncation_side"))
    truncation_side = left("truncation_side") ? TruncationDirection::Left : TruncationDirection::Right;
  splits_special_tokens_ = boolean("split_special_tokens").value_or(false);
  clean_up_tokenization_spaces = boolean("clean_up_tokenization_spaces").value_or(false);
  clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output =
      boolean("clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output").value_or(false);
  if (const json* v = member("model_max_length")) {
    if (!v->is_number()) throw format_error(at("model_max_length"), "", "a number", detail::describe(*v));
    const double n = v->get<double>();  // "no limit" is written as 1e30
    if (n >= 1 && n < 9e18) model_max_length = std::int64_t(n);
  }
  if (const json* v = member("tokenizer_class"); v && v->is_string() && detail::has_token_types(v->get<std::string>()))
    model_input_names = {"input_ids", "token_type_ids", "attention_mask"};
  if (const json* v = member("model_input_names")) {
    if (!v->is_array()) throw format_error(at("model_input_names"), "", "a list", detail::describe(*v));
    model_input_names = json_as<std::vector<std::string>>(*v, where, "model_input_names");
  }
  if (const json* v = member("chat_template")) {
    if (v->is_string()) {
      chat_templates_.push_back({"default", v->get<std::string>()});
    } else {
      if (!v->is_array()) throw format_error(at("chat_template"), "", "a string or a list", detail::describe(*v));
      for (const auto& t : *v) {
        if (!t.is_object() || !t.contains("name") || !t["name"].is_string() || !t.contains("template") ||
            !t["template"].is_string())
          throw format_error(at("chat_template"), "", "objects with 'name' and 'template'", detail::describe(t));
        chat_templates_.push_back({t["name"].get<std::string>(), t["template"].get<std::string>()});
      }
    }
  }
}

HFT_INLINE void PreTrainedTokenizerFast::read_chat_template_files(const std::filesystem::path& folder) {
  decltype(chat_templates_) found;
  if (const auto path = folder / "chat_template.jinja"; detail::is_there(path))
    found.push_back({"default", read_text(path)});
  const auto more = folder / "additional_chat_templates";
  std::error_code failed;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator item(more, failed), end; !failed && item != end; item.increment(failed))
    if (item->path().extension() == ".jinja") files.push_back(item->path().filename().string());
  for (const auto i :
       detail::sorted_positions(files.size(), [&](std::size_t a, std::size_t b) { return files[a] < files[b]; }))
    found.push_back({files[i].substr(0, files[i].size() - 6), read_text(more / files[i])});
  if (!found.empty()) chat_templates_ = std::move(found);
}

HFT_INLINE std::string PreTrainedTokenizerFast::get_chat_template(const std::optional<std::string>& chosen,
                                                                  bool has_tools) const {
  if (chosen) return chat_template(*chosen).value_or(*chosen);
  if (const auto tool_use = chat_template("tool_use"); tool_use && has_tools) return *tool_use;
  if (auto text = chat_template("default")) return *text;
  std::string names;
  for (const auto& [name, text] : chat_templates_) names += (names.empty() ? "" : ", ") + name;
  if (names.empty()) throw value_error("get_chat_template", "chat template", "one in the tokenizer's files", "none");
  throw value_error("get_chat_template", "chat template",
                    "one named default, or the name of one of these as an argument", names);
}

HFT_INLINE void PreTrainedTokenizerFast::finish(detail::tokenizer_components parts, const std::string& where) {
  set_backend(Tokenizer(std::move(parts), where));
}

HFT_INLINE void PreTrainedTokenizerFast::set_backend(Tokenizer tokenizer) {
  backend_ = std::move(tokenizer);
  if (!backend_->post_processor()) {  // Transformers gives it one, without special tokens
    processors::TemplateProcessing pair;
    pair.single = {{.is_sequence = true}};
    pair.pair = {{.is_sequence = true}, {.is_sequence = true, .sequence = 1, .type_id = 1}};
    backend_->set_post_processor(detail::hold<processors::PostProcessor>(std::move(pair)));
  }
  backend_->set_encode_special_tokens(splits_special_tokens_);
  tokenizer_ = backend_;
  tokenizer_->no_truncation();
  tokenizer_->no_padding();
}

HFT_INLINE std::optional<std::size_t> PreTrainedTokenizerFast::padded_length(
    PaddingStrategy padding, std::optional<std::size_t> max_length) const {
  if (!max_length) max_length = known_max_length();
  if (padding == PaddingStrategy::do_not_pad || (padding == PaddingStrategy::max_length && !max_length)) return {};
  if (!pad_token_id()) throw value_error("tokenizer", "padding", "a pad_token", "none");
  return padding == PaddingStrategy::longest ? 0 : *max_length;
}

HFT_INLINE PreTrainedTokenizerFast AutoTokenizer::from_pretrained(const std::filesystem::path& path,
                                                                  std::string_view revision) {
  const auto found = resolve_model(path.string(), revision);
  std::error_code failed;
  if (std::filesystem::is_directory(found, failed)) return PreTrainedTokenizerFast::from_folder(found);
  if (found.extension() == ".json") return PreTrainedTokenizerFast::from_file(found);
  return PreTrainedTokenizerFast::from_gguf(found);
}

HFT_INLINE std::string PreTrainedTokenizerFast::cleaned(std::string text, const DecodeOptions& options) const {
  if (!word_suffix_.empty()) detail::end_words(text, word_suffix_);
  // Made for WordPiece; on byte-level text it would take spaces that are part of it.
  if (options.clean_up_tokenization_spaces.value_or(clean_up_tokenization_spaces) &&
      (!tokenizer().is_bpe() || clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output))
    detail::clean_up_tokenization(text, false);
  return text;
}

#endif  // HFT_DEFINES

}  // namespace hft

#if HFT_DEFINES(TEXT)
#include <hft/tokenizers/save_pretrained.hpp>
#endif
