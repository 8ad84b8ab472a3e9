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
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/gguf.hpp>
#include <hft/io/hub.hpp>
#include <hft/io/json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/tokenizers/gguf.hpp>
#include <hft/tokenizers/tokenizer.hpp>

namespace hft {

/// What a call makes of one or more inputs: a row each, and the encodings they come from.
struct BatchEncoding {
  std::vector<std::vector<std::int64_t>> input_ids;       // (B, T); rows of equal length where padding is on
  std::vector<std::vector<std::int64_t>> attention_mask;  // (B, T); 0: padding
  std::vector<std::vector<std::int64_t>> token_type_ids;  // (B, T)
  std::vector<Encoding> encodings;

  std::size_t size() const noexcept { return input_ids.size(); }
};

enum class PaddingStrategy { do_not_pad, longest, max_length };

/// The arguments of a tokenizer call, named as in Transformers.
struct TokenizerCallOptions {
  bool add_special_tokens = true;
  PaddingStrategy padding = PaddingStrategy::do_not_pad;
  bool truncation = false;
  TruncationStrategy truncation_strategy = TruncationStrategy::LongestFirst;
  std::optional<std::size_t> max_length = {};  // none: model_max_length
  std::size_t stride = 0;
  std::size_t pad_to_multiple_of = 0;
  std::optional<PaddingDirection> padding_side = {};  // none: the tokenizer's
};

/// A tokenizer as Transformers gives it. Copies share the pipeline; const calls are safe from several threads.
class PreTrainedTokenizerFast {
 public:
  /// No limit is known to the tokenizer.
  static constexpr std::int64_t no_max_length = std::numeric_limits<std::int64_t>::max();

  /// The defaults of padding and truncation sides; they may be changed.
  PaddingDirection padding_side = PaddingDirection::Right;
  TruncationDirection truncation_side = TruncationDirection::Right;
  std::int64_t model_max_length = no_max_length;
  bool clean_up_tokenization_spaces = false;

  /// Reads tokenizer.json of a folder and, where they exist, tokenizer_config.json, special_tokens_map.json and the
  /// chat templates. Throws file_error, format_error, unsupported_error, naming file and path.
  static PreTrainedTokenizerFast from_folder(const std::filesystem::path& folder) {
    const auto file = folder / "tokenizer.json";
    if (!std::filesystem::exists(file)) throw file_error(folder.string(), "tokenizer", "tokenizer.json", "none");
    PreTrainedTokenizerFast out;
    auto parts = detail::read_components(large_json::open(file));
    if (const auto path = folder / "special_tokens_map.json"; std::filesystem::exists(path))
      out.read_special_tokens(read_json(path), path.string(), parts);
    if (const auto path = folder / "tokenizer_config.json"; std::filesystem::exists(path))
      out.read_config(read_json(path), path.string(), parts);
    out.finish(std::move(parts), file.string());
    out.read_chat_template_files(folder);
    return out;
  }
  /// A tokenizer.json alone: no named special tokens, no chat template.
  static PreTrainedTokenizerFast from_file(const std::filesystem::path& file) {
    PreTrainedTokenizerFast out;
    out.finish(detail::read_components(large_json::open(file)), file.string());
    return out;
  }
  static PreTrainedTokenizerFast from_gguf(const gguf_file& file) {
    PreTrainedTokenizerFast out;
    auto parts = detail::read_gguf_components(file);
    for (const auto& [name, key] : detail::gguf_special_tokens) {
      const gguf_value* value = file.find(key);
      if (!value) continue;
      const auto id = value->as_i64();
      const auto token = parts.model->vocabulary().token(std::uint64_t(id));
      if (!token.data()) throw format_error(file.where(), std::string(key), "the id of a token", detail::cat(id));
      out.set_special_token(name, std::string(token), parts);
    }
    if (const gguf_value* t = file.find("tokenizer.chat_template"))
      out.chat_templates_.push_back({"default", std::string(t->as_string())});
    out.finish(std::move(parts), file.where());
    return out;
  }
  static PreTrainedTokenizerFast from_gguf(const std::filesystem::path& path) {
    return from_gguf(gguf_file::open(path));
  }

  /// Encodes one text: one row.
  BatchEncoding operator()(std::string_view text, const TokenizerCallOptions& options = {}) const {
    return call(std::array{text}, options);
  }
  BatchEncoding operator()(const char* text, const TokenizerCallOptions& options = {}) const {
    return (*this)(std::string_view(text), options);
  }
  BatchEncoding operator()(const std::string& text, const TokenizerCallOptions& options = {}) const {
    return (*this)(std::string_view(text), options);
  }
  /// Encodes a pair of texts as one input: one row.
  BatchEncoding operator()(std::string_view text, std::string_view pair,
                           const TokenizerCallOptions& options = {}) const {
    return call(std::array{std::pair{text, pair}}, options);
  }
  /// Encodes a batch: of texts, or of std::pair of texts.
  template <class Text>
  BatchEncoding operator()(const std::vector<Text>& texts, const TokenizerCallOptions& options = {}) const {
    return call(texts, options);
  }

  /// The ids of one text.
  std::vector<std::int64_t> encode(std::string_view text, bool add_special_tokens = true) const {
    const auto ids = tokenizer().encode_ids(text, add_special_tokens);
    return {ids.begin(), ids.end()};
  }
  /// The text of ids (any integer type: a vector, a span or a braced list).
  template <class Id>
  std::string decode(std::span<const Id> ids, bool skip_special_tokens = false) const {
    auto text = tokenizer().decode(ids, skip_special_tokens);
    // Made for WordPiece; on byte-level text it would take spaces that are part of it.
    if (clean_up_tokenization_spaces && !tokenizer().is_bpe()) detail::clean_up_tokenization(text, false);
    return text;
  }
  /// One sequence in a tensor: (T), or (1, T) as generate returns it. Throws shape_error for several rows.
  template <class Ids>
  requires(Ids::rank == 1 || Ids::rank == 2) std::string decode(const Ids& ids, bool skip_special_tokens = false)
  const {
    if (Ids::rank == 2 && ids.extent(0) != 1)
      throw shape_error("decode", "", "one row of ids; use batch_decode for several",
                        detail::cat(ids.extent(0), " rows"));
    const auto dense = ids.dense();
    return decode(std::span<const std::int64_t>(dense.data(), std::size_t(dense.size())), skip_special_tokens);
  }
  template <class Id>
  std::string decode(const std::vector<Id>& ids, bool skip_special_tokens = false) const {
    return decode(std::span<const Id>(ids), skip_special_tokens);
  }
  std::string decode(std::initializer_list<std::int64_t> ids, bool skip_special_tokens = false) const {
    return decode(std::span<const std::int64_t>(ids.begin(), ids.size()), skip_special_tokens);
  }
  template <class Id>
  std::vector<std::string> batch_decode(const std::vector<std::vector<Id>>& rows,
                                        bool skip_special_tokens = false) const {
    std::vector<std::string> out;
    for (const auto& r : rows) out.push_back(decode(r, skip_special_tokens));
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
  std::vector<std::string> all_special_tokens() const {
    std::vector<std::string> out;
    const auto add = [&](const std::string& t) {
      if (std::find(out.begin(), out.end(), t) == out.end()) out.push_back(t);
    };
    for (const auto& [name, token] : special_tokens_) add(token);
    for (const auto& t : additional_special_tokens_) add(t);
    return out;
  }
  std::vector<std::int64_t> all_special_ids() const {
    std::vector<std::int64_t> out;
    for (const auto& t : all_special_tokens())
      if (const auto id = tokenizer().token_to_id(t)) out.push_back(*id);
    return out;
  }
  const std::vector<std::string>& additional_special_tokens() const noexcept { return additional_special_tokens_; }

  /// The Jinja text of the chat template with this name; none where there is none.
  std::optional<std::string> chat_template(std::string_view name = "default") const {
    for (const auto& [n, text] : chat_templates_)
      if (n == name) return text;
    return {};
  }
  /// (name, Jinja text) of all chat templates.
  const std::vector<std::pair<std::string, std::string>>& chat_templates() const noexcept { return chat_templates_; }

  std::size_t vocab_size() const { return tokenizer().vocab_size(false); }
  std::size_t size() const { return tokenizer().vocab_size(true); }
  std::size_t num_special_tokens_to_add(bool pair = false) const { return tokenizer().num_special_tokens_to_add(pair); }
  /// The pipeline, without truncation and padding.
  const Tokenizer& tokenizer() const noexcept { return *tokenizer_; }
  /// The pipeline with the truncation and padding that tokenizer.json asks for.
  const Tokenizer& backend_tokenizer() const noexcept { return *backend_; }

 private:
  PreTrainedTokenizerFast() = default;

  static constexpr std::string_view special_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                       "pad_token", "cls_token", "mask_token"};

  std::optional<std::string> special_token(std::string_view name) const {
    for (const auto& [n, token] : special_tokens_)
      if (n == name) return token;
    return {};
  }
  std::optional<std::int64_t> special_token_id(std::string_view name) const {
    const auto token = special_token(name);
    return token ? tokenizer().token_to_id(*token) : std::nullopt;
  }

  template <class Texts>
  BatchEncoding call(const Texts& texts, const TokenizerCallOptions& o) const {
    Tokenizer t = tokenizer();
    std::size_t limit = 0;  // 0: none
    if (model_max_length > 0 && model_max_length < no_max_length) limit = std::size_t(model_max_length);
    if (o.max_length) limit = *o.max_length;
    if (o.truncation && (limit || o.max_length))
      t.enable_truncation({limit, o.stride, o.truncation_strategy, truncation_side});
    if (o.padding != PaddingStrategy::do_not_pad) {
      PaddingParams p;
      const auto id = pad_token_id();
      if (!id) throw value_error("tokenizer", "padding", "a pad_token", "none");
      p.pad_id = *id;
      p.pad_token = *pad_token();
      p.direction = o.padding_side.value_or(padding_side);
      p.pad_to_multiple_of = o.pad_to_multiple_of;
      if (o.padding == PaddingStrategy::max_length && (limit || o.max_length)) p.fixed_length = limit;
      t.enable_padding(std::move(p));
    }
    BatchEncoding out;
    out.encodings = t.encode_batch(texts, o.add_special_tokens);
    for (const auto& e : out.encodings) {
      out.input_ids.push_back(e.ids);
      out.attention_mask.push_back(e.attention_mask);
      out.token_type_ids.push_back(e.type_ids);
    }
    return out;
  }

  // A token is a string, or an object with its flags (AddedToken).
  static AddedToken read_token(const json& value, const std::string& where) {
    AddedToken t;
    t.normalized = false;
    t.special = true;
    if (value.is_string()) {
      t.content = value.get<std::string>();
      return t;
    }
    const auto flag = [&](const char* key, bool fallback) {
      const auto it = value.find(key);
      if (it == value.end() || it->is_null()) return fallback;
      if (!it->is_boolean()) throw format_error(where, key, "a boolean", detail::describe(*it));
      return it->get<bool>();
    };
    if (!value.is_object() || !value.contains("content") || !value["content"].is_string())
      throw format_error(where, "", "a token: a string, or an object with 'content'", detail::describe(value));
    t.content = value["content"].get<std::string>();
    t.single_word = flag("single_word", false);
    t.lstrip = flag("lstrip", false);
    t.rstrip = flag("rstrip", false);
    t.normalized = flag("normalized", false);
    t.special = flag("special", true);
    return t;
  }

  static void add_if_new(const AddedToken& token, detail::tokenizer_components& parts) {
    if (token.content.empty()) return;
    for (const auto& t : parts.added_tokens)
      if (t.content == token.content) return;
    parts.added_tokens.push_back(token);
  }
  void set_special_token(std::string_view name, const std::string& token, detail::tokenizer_components& parts) {
    set_special_token(name, AddedToken{token, false, false, false, false, true}, parts);
  }
  void set_special_token(std::string_view name, const AddedToken& token, detail::tokenizer_components& parts) {
    add_if_new(token, parts);
    for (auto& [n, t] : special_tokens_)
      if (n == name) return void(t = token.content);
    special_tokens_.emplace_back(name, token.content);
  }

  void read_special_tokens(const json& config, const std::string& where, detail::tokenizer_components& parts) {
    if (!config.is_object()) throw format_error(where, "", "an object", detail::describe(config));
    for (const auto name : special_names)
      if (const auto it = config.find(std::string(name)); it != config.end() && !it->is_null())
        set_special_token(name, read_token(*it, detail::cat(where, ": ", name)), parts);
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      const auto it = config.find(key);
      if (it == config.end() || it->is_null()) continue;
      if (!it->is_array() && !it->is_object())
        throw format_error(detail::cat(where, ": ", key), "", "a list of tokens", detail::describe(*it));
      for (const auto& item : *it) {  // version 5 also writes an object of named tokens
        const auto token = read_token(item, detail::cat(where, ": ", key));
        add_if_new(token, parts);
        if (std::find(additional_special_tokens_.begin(), additional_special_tokens_.end(), token.content) ==
            additional_special_tokens_.end())
          additional_special_tokens_.push_back(token.content);
      }
    }
  }

  void read_config(const json& config, const std::string& where, detail::tokenizer_components& parts) {
    if (!config.is_object()) throw format_error(where, "", "an object", detail::describe(config));
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
    if (const json* decoder = member("added_tokens_decoder")) {
      if (!decoder->is_object()) throw format_error(at("added_tokens_decoder"), "", "an object");
      for (const auto& [id, token] : decoder->items())
        add_if_new(read_token(token, at("added_tokens_decoder." + id)), parts);
    }
    read_special_tokens(config, where, parts);
    if (left("padding_side")) padding_side = PaddingDirection::Left;
    if (left("truncation_side")) truncation_side = TruncationDirection::Left;
    clean_up_tokenization_spaces = boolean("clean_up_tokenization_spaces").value_or(false);
    if (const json* v = member("model_max_length")) {
      if (!v->is_number()) throw format_error(at("model_max_length"), "", "a number", detail::describe(*v));
      const double n = v->get<double>();  // "no limit" is written as 1e30
      if (n >= 1 && n < 9e18) model_max_length = std::int64_t(n);
    }
    const auto add_bos = boolean("add_bos_token"), add_eos = boolean("add_eos_token");
    if (add_bos || add_eos) bos_eos_ = {add_bos.value_or(false), add_eos.value_or(false)};
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

  void set_chat_template(const std::string& name, std::string text) {
    for (auto& [n, t] : chat_templates_)
      if (n == name) return void(t = std::move(text));
    chat_templates_.push_back({name, std::move(text)});
  }
  // Files win over tokenizer_config.json.
  void read_chat_template_files(const std::filesystem::path& folder) {
    if (const auto path = folder / "chat_template.jinja"; std::filesystem::exists(path))
      set_chat_template("default", read_text(path));
    const auto more = folder / "additional_chat_templates";
    if (!std::filesystem::is_directory(more)) return;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(more))
      if (entry.path().extension() == ".jinja") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto& f : files) set_chat_template(f.stem().string(), read_text(f));
  }

  void finish(detail::tokenizer_components parts, const std::string& where) {
    std::stable_sort(special_tokens_.begin(), special_tokens_.end(), [](const auto& a, const auto& b) {
      const auto place = [](const std::string& n) {
        return std::find(std::begin(special_names), std::end(special_names), n);
      };
      return place(a.first) < place(b.first);
    });
    if (bos_eos_) {  // Transformers rebuilds the post-processor where the config says what to add
      const auto token = [&](bool wanted, std::string_view name, detail::special_token& out) {
        if (!wanted) return false;
        const auto text = special_token(name);
        const auto id = text ? parts.model->vocabulary().find(*text) : std::nullopt;
        if (!id) throw config_error(where, detail::cat("add_", name), detail::cat("a ", name, " of the vocabulary"));
        out = {*text, std::int64_t(*id)};
        return true;
      };
      detail::special_token bos, eos;
      const bool add_bos = token(bos_eos_->first, "bos_token", bos),
                 add_eos = token(bos_eos_->second, "eos_token", eos);
      parts.post_processor = detail::make_bos_eos_processor(add_bos ? &bos : nullptr, add_eos ? &eos : nullptr);
    }
    backend_.emplace(std::move(parts), where);
    tokenizer_ = backend_;
    tokenizer_->no_truncation();
    tokenizer_->no_padding();
  }

  std::optional<Tokenizer> tokenizer_, backend_;
  std::vector<std::pair<std::string, std::string>> special_tokens_, chat_templates_;
  std::vector<std::string> additional_special_tokens_;
  std::optional<std::pair<bool, bool>> bos_eos_;
};

struct AutoTokenizer {
  /// The tokenizer of a folder, a tokenizer.json, a .gguf file, or a model in the hub cache ("org/name").
  static PreTrainedTokenizerFast from_pretrained(const std::filesystem::path& path) {
    const auto found = std::filesystem::exists(path) ? path : resolve_model(path.string());
    if (std::filesystem::is_directory(found)) return PreTrainedTokenizerFast::from_folder(found);
    if (found.extension() == ".json") return PreTrainedTokenizerFast::from_file(found);
    return PreTrainedTokenizerFast::from_gguf(found);
  }
};

}  // namespace hft
