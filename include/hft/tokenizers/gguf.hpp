// The tokenizer of a GGUF file. So far byte-level BPE ("gpt2"), with the split patterns that tokenizer.ggml.pre names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/gguf.hpp>
#include <hft/tokenizers/tokenizer.hpp>

namespace hft {
namespace detail {

/// How the models of one tokenizer.ggml.pre cut text, as their own tokenizer.json does it.
struct gguf_pre_tokenizer {
  enum class split { gpt2, digits_gpt2, llama3, qwen2 } pattern;
  bool nfc = false;            // the model's tokenizer normalizes to NFC
  bool ignore_merges = false;  // a piece that is a token is that token
  bool add_bos = false;        // where the file does not say
};

inline gguf_pre_tokenizer find_gguf_pre_tokenizer(std::string_view pre, const std::string& where) {
  using S = gguf_pre_tokenizer::split;
  struct known {
    std::string_view name;
    gguf_pre_tokenizer value;
  };
  static constexpr known table[] = {
      {"gpt-2", {S::gpt2}},
      {"gpt2", {S::gpt2}},
      {"default", {S::gpt2}},
      {"phi-2", {S::gpt2}},
      {"roberta-bpe", {S::gpt2}},
      {"jina-es", {S::gpt2}},
      {"jina-de", {S::gpt2}},
      {"jina-v1-en", {S::gpt2}},
      {"jina-v2-es", {S::gpt2}},
      {"jina-v2-de", {S::gpt2}},
      {"jina-v2-code", {S::gpt2}},
      {"mpt", {S::gpt2}},
      {"olmo", {S::gpt2}},
      {"jais", {S::gpt2}},
      {"gigachat", {S::gpt2}},
      {"modern-bert", {S::gpt2}},
      {"smollm", {S::digits_gpt2}},
      {"starcoder", {S::digits_gpt2}},
      {"refact", {S::digits_gpt2}},
      {"command-r", {S::digits_gpt2}},
      {"codeshell", {S::digits_gpt2}},
      {"exaone", {S::digits_gpt2}},
      {"llama-bpe", {S::llama3, false, true, true}},
      {"llama3", {S::llama3, false, true, true}},
      {"llama-v3", {S::llama3, false, true, true}},
      {"dbrx", {S::llama3}},
      {"smaug-bpe", {S::llama3}},
      {"qwen2", {S::qwen2, true}},
      {"deepseek-r1-qwen", {S::qwen2, true}},
      {"stablelm2", {S::qwen2}},
      {"megrez", {S::qwen2}},
  };
  for (const auto& k : table)
    if (k.name == pre) return k.value;
  throw unsupported_error(where, "tokenizer.ggml.pre " + quote_text(pre), "a pre-tokenizer that this version knows");
}

inline std::unique_ptr<const pre_tokenizers::PreTokenizer> make_gguf_pre_tokenizer(gguf_pre_tokenizer::split split) {
  using S = gguf_pre_tokenizer::split;
  auto bytes = std::make_unique<pre_tokenizers::ByteLevel>();
  bytes->add_prefix_space = false;
  if (split == S::gpt2) return bytes;
  auto sequence = std::make_unique<pre_tokenizers::Sequence>();
  if (split == S::digits_gpt2) {
    auto digits = std::make_unique<pre_tokenizers::Digits>();
    digits->individual_digits = true;
    sequence->pre_tokenizers.push_back(std::move(digits));
  } else {
    auto cut = std::make_unique<pre_tokenizers::Split>();
    cut->pattern = Pattern::known(split == S::llama3 ? split_pattern::llama3 : split_pattern::qwen2);
    sequence->pre_tokenizers.push_back(std::move(cut));
    bytes->use_regex = false;
  }
  sequence->pre_tokenizers.push_back(std::move(bytes));
  return sequence;
}

/// [bos] A [eos] and [bos] A [eos] [bos] B [eos]; either may be null.
inline std::unique_ptr<const processors::PostProcessor> make_bos_eos_processor(const special_token* bos,
                                                                               const special_token* eos) {
  using piece = processors::TemplateProcessing::piece;
  auto out = std::make_unique<processors::TemplateProcessing>();
  const auto add = [&](std::vector<piece>& to, std::size_t sequence) {
    const auto type_id = std::int64_t(sequence);
    if (bos) to.push_back({false, 0, {*bos}, type_id});
    to.push_back({true, sequence, {}, type_id});
    if (eos) to.push_back({false, 0, {*eos}, type_id});
  };
  add(out->single, 0);
  add(out->pair, 0);
  add(out->pair, 1);
  return out;
}

/// Which of the special tokens a GGUF file names, by the key's name.
inline constexpr std::pair<std::string_view, std::string_view> gguf_special_tokens[] = {
    {"bos_token", "tokenizer.ggml.bos_token_id"},
    {"eos_token", "tokenizer.ggml.eos_token_id"},
    {"unk_token", "tokenizer.ggml.unknown_token_id"},
    {"sep_token", "tokenizer.ggml.seperator_token_id"},  // the format's own spelling
    {"pad_token", "tokenizer.ggml.padding_token_id"},
    {"cls_token", "tokenizer.ggml.cls_token_id"},
    {"mask_token", "tokenizer.ggml.mask_token_id"},
};

inline tokenizer_components read_gguf_components(const gguf_file& file) {
  const std::string& where = file.where();
  const auto kind = file.at("tokenizer.ggml.model").as_string();
  if (kind != "gpt2")
    throw unsupported_error(where, "tokenizer.ggml.model", "'gpt2' (byte-level BPE)", quote_text(kind));
  const auto pre = find_gguf_pre_tokenizer(file.get<std::string_view>("tokenizer.ggml.pre", "default"), where);

  const auto tokens = file.at("tokenizer.ggml.tokens").as_strings();
  Vocabulary vocabulary;
  std::size_t bytes = 0;
  for (const auto t : tokens) bytes += t.size();
  vocabulary.reserve(tokens.size(), bytes);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!valid_utf8(tokens[i])) throw format_error(where, cat("tokenizer.ggml.tokens[", i, "]"), "UTF-8");
    if (vocabulary.insert(tokens[i], std::uint32_t(i)) != Vocabulary::inserted::yes)
      throw format_error(where, cat("tokenizer.ggml.tokens[", i, "] ", quote_text(tokens[i])), "to appear once");
  }
  finish_vocabulary(vocabulary, where);

  pair_table merges;
  if (const gguf_value* list = file.find("tokenizer.ggml.merges")) {
    const auto lines = list->as_strings();
    merges.reserve(lines.size());
    merge_reader reader(vocabulary, 0);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto at = [&] { return cat(where, ": tokenizer.ggml.merges[", i, "]"); };
      std::string_view a, b;
      if (!split_merge(lines[i], a, b)) throw format_error(at(), "merge", "two tokens", quote_text(lines[i]));
      reader.add(merges, a, b, std::uint32_t(i), at);
    }
  }

  tokenizer_components out;
  if (const gguf_value* list = file.find("tokenizer.ggml.token_type")) {
    enum { unknown = 2, control = 3, user_defined = 4 };
    const auto types = list->as_i32s();
    if (types.size() != tokens.size())
      throw format_error(where, "tokenizer.ggml.token_type", cat(tokens.size(), " entries"), cat(types.size()));
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (types[i] != unknown && types[i] != control && types[i] != user_defined) continue;
      AddedToken t{std::string(tokens[i])};
      t.normalized = false;
      t.special = types[i] != user_defined;
      out.added_tokens.push_back(std::move(t));
    }
  }

  const auto special = [&](std::string_view flag, std::string_view key, bool fallback, special_token& token) {
    if (!file.get<bool>(flag, fallback)) return false;
    const gguf_value* id = file.find(key);
    if (!id && !file.find(flag)) return false;
    token.id = file.at(key).as_i64();
    if (token.id < 0 || std::size_t(token.id) >= tokens.size())
      throw format_error(where, std::string(key), cat("an id below ", tokens.size()), cat(token.id));
    token.token = tokens[std::size_t(token.id)];
    return true;
  };
  special_token bos, eos;
  const bool add_bos = special("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", pre.add_bos, bos);
  const bool add_eos = special("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", false, eos);
  out.post_processor = make_bos_eos_processor(add_bos ? &bos : nullptr, add_eos ? &eos : nullptr);

  models::BPE::options options;
  options.ignore_merges = pre.ignore_merges;
  out.model = std::make_unique<models::BPE>(std::move(vocabulary), std::move(merges), std::move(options));
  if (pre.nfc) out.normalizer = std::make_unique<normalizers::NFC>();
  out.pre_tokenizer = make_gguf_pre_tokenizer(pre.pattern);
  out.decoder = std::make_unique<decoders::ByteLevel>();
  return out;
}

}  // namespace detail

/// The tokenizer of a GGUF file. Throws format_error where its metadata are broken, unsupported_error for a kind of
/// tokenizer, or a tokenizer.ggml.pre, that this version does not know.
inline Tokenizer tokenizer_from_gguf(const gguf_file& file) {
  return Tokenizer(detail::read_gguf_components(file), file.where());
}
inline Tokenizer tokenizer_from_gguf(const std::filesystem::path& path) {
  return tokenizer_from_gguf(gguf_file::open(path));
}

}  // namespace hft
