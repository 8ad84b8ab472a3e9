// The tokenizer of a GGUF file, by tokenizer.ggml.model: "gpt2" is byte-level BPE with the split patterns that
// tokenizer.ggml.pre names; "llama" a sentencepiece vocabulary whose scores stand for merges; "gemma4" the same with
// merges; "bert" WordPiece; "t5" Unigram.
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
#include <hft/tokenizers/convert/convert.hpp>
#include <hft/tokenizers/gguf_pre_tokenizers.hpp>
#include <hft/tokenizers/special_tokens.hpp>
#include <hft/tokenizers/tokenizer.hpp>

namespace hft {
namespace detail {

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

/// Reads the tokenizer's metadata; `special` gets the special tokens that the file names.
class gguf_tokenizer_reader {
 public:
  gguf_tokenizer_reader(const gguf_file& file, special_tokens& special)
      : file_(file), where_(file.where()), special_(special) {}

  tokenizer_components read() {
    const auto kind = file_.at("tokenizer.ggml.model").as_string();
    tokens_ = file_.at("tokenizer.ggml.tokens").as_strings();
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      if (!valid_utf8(tokens_[i])) throw format_error(where_, joined("tokenizer.ggml.tokens[", i, "]"), "UTF-8");
    if (const gguf_value* list = file_.find("tokenizer.ggml.token_type")) {
      types_ = list->as_i32s();
      if (types_.size() != tokens_.size())
        throw format_error(where_, "tokenizer.ggml.token_type", joined(tokens_.size(), " entries"),
                           joined(types_.size()));
    }
    spelled_.assign(tokens_.begin(), tokens_.end());
    if (kind == "gpt2") return read_gpt2();
    if (kind == "llama" || kind == "gemma4") return read_llama(kind);
    if (kind == "bert") return read_bert();
    if (kind == "t5") return read_t5();
    throw unsupported_error(where_, "tokenizer.ggml.model", "gpt2, llama, gemma4, bert or t5", quote_text(kind));
  }

 private:
  enum token_type { unknown = 2, control = 3, user_defined = 4 };

  tokenizer_components read_gpt2() {
    const auto pre = find_gguf_pre_tokenizer(file_.get<std::string_view>("tokenizer.ggml.pre", "default"), where_);
    auto vocabulary = read_vocabulary();
    auto merges = read_merges(vocabulary);
    name_tokens();

    tokenizer_components out;
    models::BPE::options options;
    options.ignore_merges = pre.ignore_merges;
    out.model = model_ptr(new models::BPE(std::move(vocabulary), std::move(merges), std::move(options)));
    if (pre.nfc) out.normalizer = hold<normalizers::Normalizer>(normalizers::NFC());
    out.pre_tokenizer = make_gguf_pre_tokenizer(pre, where_);
    out.decoder = hold<decoders::Decoder>(decoders::ByteLevel());
    out.added_tokens = added_tokens(true);
    special_.add_to(out.added_tokens);
    set_bos_eos(out, pre.add_bos, false);
    return out;
  }

  // As llama.cpp tokenizes them: neighbours are joined to the token of the best score.
  tokenizer_components read_llama(std::string_view model) {
    const auto architecture = file_.get<std::string_view>("general.architecture", "");
    const bool gemma = model == "gemma4" || architecture.starts_with("gemma");
    constexpr std::string_view mark = "\xe2\x96\x81";
    if (gemma && model != "gemma4")  // these files have runs of spaces where the model has marks
      for (auto& t : spelled_)
        if (t.size() > 1 && t.find_first_not_of(' ') == t.npos) t = repeat(mark, t.size());
    auto vocabulary = read_vocabulary();
    pair_table merges;
    if (file_.find("tokenizer.ggml.merges")) {
      merges = read_merges(vocabulary);
    } else {
      // Gemma's merges follow the order of its tokens, not their scores.
      std::vector<double> scores;
      const auto listed = gemma ? std::vector<float>() : read_scores();
      vocabulary.for_each(
          [&](std::string_view, std::uint32_t id) { scores.push_back(gemma ? -double(id) : double(listed[id])); });
      merges = generate_merges(vocabulary, &scores);
    }
    name_tokens();
    json config = flags(model == "llama", false);
    if (model == "gemma4") config["add_bos_token"] = false;  // its chat templates write <bos>
    config["add_prefix_space"] = file_.get<bool>("tokenizer.ggml.add_space_prefix", true);
    tokenizer_converter converter(*find_tokenizer_kind(gemma ? "GemmaTokenizer" : "LlamaTokenizer"), config, where_,
                                  special_);
    auto out = converter.with_tokens(added_tokens(false)).from_bpe(std::move(vocabulary), std::move(merges));
    if (architecture == "phi3") {  // its space is put before the text by a normalizer, even where one is there
      using namespace normalizers;
      Prepend prepend;
      prepend.prepend = mark;
      Replace spaces;
      spaces.pattern = Pattern::literal(" ");
      spaces.content = mark;
      normalizers::Sequence chain;
      chain.normalizers.push_back(hold<Normalizer>(std::move(prepend)));
      chain.normalizers.push_back(hold<Normalizer>(std::move(spaces)));
      out.normalizer = hold<Normalizer>(std::move(chain));
      out.pre_tokenizer = nullptr;
    }
    return out;
  }

  // llama.cpp marks the starts of words where BERT marks that they go on.
  tokenizer_components read_bert() {
    constexpr std::string_view mark = "\xe2\x96\x81";
    for (std::size_t i = 0; i < spelled_.size(); ++i) {
      auto& t = spelled_[i];
      if (t.starts_with(mark)) {
        t.erase(0, mark.size());
      } else if (!is(i, control) && !is(i, unknown) && !(t.starts_with('[') && t.ends_with(']'))) {
        t.insert(0, "##");
      }
    }
    auto vocabulary = read_vocabulary();
    const std::pair<std::string_view, std::string_view> usual[] = {
        {"unk_token", "[UNK]"}, {"sep_token", "[SEP]"}, {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"}};
    for (const auto& [name, token] : usual)
      if (vocabulary.find(token)) special_.set(name, AddedToken::verbatim(std::string(token)), false);
    name_tokens();
    if (file_.find("tokenizer.ggml.bos_token_id") && !file_.find("tokenizer.ggml.cls_token_id"))
      special_.set("cls_token", AddedToken::verbatim(token_of("tokenizer.ggml.bos_token_id")), false);
    const json config = json::object();
    tokenizer_converter converter(*find_tokenizer_kind("BertTokenizer"), config, where_, special_);
    return converter.with_tokens(added_tokens(true)).from_wordpiece(std::move(vocabulary));
  }

  tokenizer_components read_t5() {
    const auto scores = read_scores();
    // Files call the blanks of T5's prompts [PAD32000], ...; the last of them is <extra_id_0>.
    constexpr int blanks = 100;
    std::vector<AddedToken> added = added_tokens(false);
    for (int found = 0; auto& t : spelled_) {
      if (found == blanks || !t.starts_with("[PAD") || !t.ends_with(']') || t.size() < 6 ||
          t.find_first_not_of("0123456789", 4) != t.size() - 1)
        continue;
      t = cat("<extra_id_", blanks - 1 - found++, ">");
      added.push_back(AddedToken::verbatim(t));
    }
    name_tokens();
    std::vector<std::pair<std::string, double>> pieces;
    for (std::size_t i = 0; i < spelled_.size(); ++i) pieces.emplace_back(spelled_[i], scores[i]);
    const auto unk = file_.get<std::int64_t>("tokenizer.ggml.unknown_token_id", 2);
    if (unk < 0 || std::size_t(unk) >= pieces.size())
      throw format_error(where_, "tokenizer.ggml.unknown_token_id", joined("an id below ", pieces.size()), joined(unk));
    std::string charsmap;
    if (const gguf_value* map = file_.find("tokenizer.ggml.precompiled_charsmap"))
      charsmap.assign(reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size());
    const json config = json::object();
    tokenizer_converter converter(*find_tokenizer_kind("T5Tokenizer"), config, where_, special_);
    return converter.with_tokens(std::move(added))
        .from_pieces(std::move(pieces), std::uint32_t(unk), std::move(charsmap));
  }

  bool is(std::size_t i, token_type type) const { return i < types_.size() && types_[i] == type; }
  static std::string repeat(std::string_view text, std::size_t n) {
    std::string out;
    while (n-- > 0) out += text;
    return out;
  }

  // Of a text that several tokens have, the last one's id counts, as in Transformers' dictionary and in llama.cpp's;
  // the others' ids mean nothing.
  Vocabulary read_vocabulary() const {
    Vocabulary out, last;
    std::size_t bytes = 0;
    for (const auto& t : spelled_) bytes += t.size();
    out.reserve(spelled_.size(), bytes);
    bool unique = true;
    for (std::size_t i = 0; i < spelled_.size(); ++i)
      unique = out.insert(spelled_[i], std::uint32_t(i)) == Vocabulary::inserted::yes && unique;
    if (!unique) {
      for (std::size_t i = 0; i < spelled_.size(); ++i) last.insert_latest(spelled_[i], std::uint32_t(i));
      Vocabulary renumbered;
      out.for_each([&](std::string_view t, std::uint32_t) { renumbered.insert(t, *last.find(t)); });
      out = std::move(renumbered);
    }
    finish_vocabulary(out, where_);
    return out;
  }
  pair_table read_merges(const Vocabulary& vocabulary) const {
    merge_reader reader(vocabulary, 0);
    if (const gguf_value* list = file_.find("tokenizer.ggml.merges")) {
      const auto lines = list->as_strings();
      const auto where = cat(where_, ": tokenizer.ggml.merges");
      reader.merges.reserve(lines.size());
      for (std::size_t i = 0; i < lines.size(); ++i) reader.add(lines[i], {where, "[", i, "]"});
    }
    return std::move(reader.merges);
  }
  std::vector<float> read_scores() const {
    auto out = file_.at("tokenizer.ggml.scores").as_f32s();
    if (out.size() != tokens_.size())
      throw format_error(where_, "tokenizer.ggml.scores", joined(tokens_.size(), " entries"), joined(out.size()));
    for (const float score : out)
      if (!(score - score == 0)) throw format_error(where_, "tokenizer.ggml.scores", "finite numbers");
    return out;
  }

  /// Tokens that are found in a text as they are; those that are respelled are left to the merges.
  std::vector<AddedToken> added_tokens(bool with_unknown) const {
    std::vector<AddedToken> out;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      const bool plain = is(i, user_defined) && spelled_[i] == tokens_[i];
      if (plain || is(i, control) || (with_unknown && is(i, unknown)))
        out.push_back(AddedToken::verbatim(spelled_[i], !plain));
    }
    return out;
  }
  void name_tokens() {
    for (const auto& [name, key] : gguf_special_tokens)
      if (file_.find(key)) special_.set(name, AddedToken::verbatim(token_of(key)), false);
  }
  std::string token_of(std::string_view key) const {
    const auto id = file_.at(key).as_i64();
    if (id < 0 || std::size_t(id) >= spelled_.size())
      throw format_error(where_, std::string(key), joined("an id below ", spelled_.size()), joined(id));
    return spelled_[std::size_t(id)];
  }
  json flags(bool add_bos, bool add_eos) const {
    json out = json::object();
    out["add_bos_token"] = file_.get<bool>("tokenizer.ggml.add_bos_token", add_bos) && special_.find("bos_token");
    out["add_eos_token"] = file_.get<bool>("tokenizer.ggml.add_eos_token", add_eos) && special_.find("eos_token");
    return out;
  }
  void set_bos_eos(tokenizer_components& parts, bool add_bos, bool add_eos) const {
    for (const std::string_view name : {"bos", "eos"})  // a file that asks for a token must name it
      if (file_.get<bool>(cat("tokenizer.ggml.add_", name, "_token"), false))
        file_.at(cat("tokenizer.ggml.", name, "_token_id"));
    const auto config = flags(add_bos, add_eos);
    const auto& vocabulary = parts.model->vocabulary();
    const auto text = bos_eos_template_json(config["add_bos_token"].get<bool>(), config["add_eos_token"].get<bool>(),
                                            [&](std::string_view word) -> template_token::result_type {
                                              const auto token = special_.text(cat(word, "_token"));
                                              return std::pair{token, vocabulary.find(token).value_or(0)};
                                            });
    const auto document = large_json::parse(text, where_);
    parts.post_processor = read_post_processor(json_node(document.root(), where_));
  }

  const gguf_file& file_;
  const std::string& where_;
  special_tokens& special_;
  std::vector<std::string_view> tokens_;
  std::vector<std::int32_t> types_;   // empty: the file has none
  std::vector<std::string> spelled_;  // the tokens as the pipeline spells them
};

inline tokenizer_components read_gguf_components(const gguf_file& file, special_tokens& special) {
  return gguf_tokenizer_reader(file, special).read();
}

}  // namespace detail

/// The tokenizer of a GGUF file. Throws format_error where its metadata are broken, unsupported_error for a kind of
/// tokenizer, or a tokenizer.ggml.pre, that this version does not know.
inline Tokenizer tokenizer_from_gguf(const gguf_file& file) {
  detail::special_tokens special;
  return Tokenizer(detail::read_gguf_components(file, special), file.where());
}
inline Tokenizer tokenizer_from_gguf(const std::filesystem::path& path) {
  return tokenizer_from_gguf(gguf_file::open(path));
}

}  // namespace hft
