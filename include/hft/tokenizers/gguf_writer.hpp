// The metadata that a tokenizer is in a GGUF file: what gguf.hpp reads, the other way round.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string_view>

#include <hft/io/gguf_writer.hpp>
#include <hft/linkage.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// The tokenizer.* keys of a GGUF file: "gpt2" is byte-level BPE, whose tokenizer.ggml.pre is found by how it cuts a
/// text; "llama" a BPE that marks spaces; "bert" WordPiece; "t5" Unigram. Beside the tokens special ids, whether texts
/// get a first and a last token, and the chat templates. There are as many tokens as `vocab_size`, the rows of the
/// model's embeddings, if that is more. Throws unsupported_error for another kind, or another way to cut texts;
/// value_error for more tokens than rows.
gguf_metadata gguf_tokenizer(const PreTrainedTokenizerFast& tokenizer, std::size_t vocab_size = 0);

/// Says to the log where the tokenizer that a GGUF file is read as encodes a text of many kinds otherwise than this
/// one, of which the format cannot say all.
void check_gguf_tokenizer(const PreTrainedTokenizerFast& tokenizer, const std::filesystem::path& file);

/// A text that tokenizers differ on: cases, numbers, spaces, lines, punctuation, several scripts.
std::string_view text_that_tells_tokenizers_apart();

}  // namespace hft

#if HFT_DEFINES(TEXT)
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/log.hpp>
#include <hft/tokenizers/convert/generate_merges.hpp>
#include <hft/tokenizers/gguf.hpp>
#include <hft/tokenizers/gguf_pre_tokenizers.hpp>
#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/models/wordpiece.hpp>
#include <hft/tokenizers/normalizers/precompiled.hpp>
#include <hft/tokenizers/normalizers/unicode.hpp>
#include <hft/tokenizers/normalizers/utils.hpp>

namespace hft {
namespace detail {

/// The pieces of a text, by a normalizer and a pre-tokenizer, either of which may be none.
inline std::vector<std::string> pieces_of(std::string_view text, const normalizers::Normalizer* normalizer,
                                          const pre_tokenizers::PreTokenizer* pre_tokenizer) {
  PreTokenizedString cut(text);
  if (normalizer) cut.normalize([&](NormalizedString& s) { normalizer->normalize(s); });
  if (pre_tokenizer) pre_tokenizer->pre_tokenize(cut);
  std::vector<std::string> out;
  for (const auto& p : cut.pieces) out.emplace_back(p.text.get());
  return out;
}

class gguf_tokenizer_writer {
 public:
  gguf_tokenizer_writer(const PreTrainedTokenizerFast& tokenizer, std::size_t vocab_size)
      : outer_(tokenizer),
        tokenizer_(tokenizer.tokenizer()),
        rows_(vocab_size),
        count_(std::max(tokenizer_.id_limit(), vocab_size)) {}

  gguf_metadata write() {
    if (rows_ && tokenizer_.id_limit() > rows_)
      throw value_error("gguf_tokenizer", "tokens", joined("at most the rows of the model's embeddings, ", rows_),
                        joined(tokenizer_.id_limit()));
    list_tokens();
    const auto* model = tokenizer_.model().get();
    if (const auto* bpe = dynamic_cast<const models::BPE*>(model))
      write_bpe(*bpe);
    else if (const auto* unigram = dynamic_cast<const models::Unigram*>(model))
      write_unigram(*unigram);
    else if (const auto* words = dynamic_cast<const models::WordPiece*>(model))
      write_wordpiece(*words);
    else
      fail("another");
    write_special_tokens();
    return std::move(metadata_);
  }

 private:
  enum token_type : std::int32_t { normal = 1, unknown, control, user_defined, unused, byte };
  static constexpr std::string_view space_mark = "\xe2\x96\x81", byte_level_space = "\xc4\xa0";

  [[noreturn]] static void fail(std::string_view kind) {
    throw unsupported_error("gguf_tokenizer", "model", "byte-level BPE, BPE that marks spaces, Unigram or WordPiece",
                            std::string(kind));
  }
  std::vector<std::string> pieces(std::string_view text) const {
    return pieces_of(text, tokenizer_.normalizer().get(), tokenizer_.pre_tokenizer().get());
  }
  std::string joined_pieces(std::string_view text) const {
    std::string out;
    for (const auto& p : pieces(text)) out += p;
    return out;
  }

  // Ids that no token has, up to the rows of the model's embeddings, are spelled as the converter does.
  void list_tokens() {
    for (std::size_t i = 0; i < count_; ++i) {
      const auto token = tokenizer_.id_to_token(std::int64_t(i));
      tokens_.push_back(token ? *token : cat("[PAD", i, "]"));
      types_.push_back(token ? normal : unused);
    }
    for (const auto& [id, token] : tokenizer_.get_added_tokens_decoder())
      if (std::size_t(id) < types_.size()) types_[std::size_t(id)] = token.special ? control : user_defined;
  }
  void set_tokens(std::string_view kind, std::string_view pre) {
    metadata_.set("tokenizer.ggml.model", kind).set("tokenizer.ggml.pre", pre);
    metadata_.set("tokenizer.ggml.tokens", tokens_).set("tokenizer.ggml.token_type", types_);
  }
  // Merges in the order of their ranks, as pairs of ids.
  static std::vector<std::pair<std::uint32_t, std::uint32_t>> in_order(const pair_table& merges) {
    std::vector<std::pair<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>>> ranked;
    merges.for_each(
        [&](std::uint32_t a, std::uint32_t b, pair_table::value v) { ranked.emplace_back(v.rank, std::pair(a, b)); });
    std::sort(ranked.begin(), ranked.end());
    std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
    for (const auto& [rank, pair] : ranked) out.push_back(pair);
    return out;
  }
  void set_merges(const models::BPE& bpe) {
    std::vector<std::string> merges;
    for (const auto& [a, b] : in_order(bpe.merges()))
      merges.push_back(cat(bpe.vocabulary().token(a), " ", bpe.vocabulary().token(b)));
    metadata_.set("tokenizer.ggml.merges", merges);
  }

  void write_bpe(const models::BPE& bpe) {
    const auto& o = bpe.config();
    if (!o.continuing_subword_prefix.empty() || !o.end_of_word_suffix.empty())
      fail("BPE whose tokens within words, or at their ends, are marked");
    const std::string spaced = joined_pieces("a b");
    if (spaced.find(byte_level_space) != spaced.npos) {
      set_tokens("gpt2", find_pre(o.ignore_merges));
      set_merges(bpe);
      set_ends();
    } else if (spaced.find(space_mark) != spaced.npos) {
      write_llama(bpe);
    } else {
      fail("BPE that does neither");
    }
  }

  /// The name of the known pre-tokenizer that cuts a text so. Throws unsupported_error where none does.
  std::string_view find_pre(bool ignore_merges) const {
    const auto text = text_that_tells_tokenizers_apart();
    const auto cut = pieces(text);
    const normalizers::NFC nfc;
    std::string_view found;
    for (const auto& known : gguf_pre_tokenizers()) {
      if (known.value.ignore_merges != ignore_merges && !found.empty()) continue;
      const auto pre_tokenizer = make_gguf_pre_tokenizer(known.value, "gguf_tokenizer");
      if (pieces_of(text, known.value.nfc ? &nfc : nullptr, pre_tokenizer.get()) != cut) continue;
      if (known.value.ignore_merges == ignore_merges) return known.name;
      found = known.name;
    }
    if (found.empty())
      throw unsupported_error("gguf_tokenizer", "pre_tokenizer", "one that tokenizer.ggml.pre has a name for",
                              "another");
    return found;
  }

  // llama.cpp joins neighbours to the token of the best score: that of the first merge that makes it.
  void write_llama(const models::BPE& bpe) {
    const auto& vocabulary = bpe.vocabulary();
    const auto merges = in_order(bpe.merges());
    std::vector<float> scores(count_);
    std::vector<bool> made(count_);
    for (std::size_t i = 0; i < merges.size(); ++i) {
      const auto whole = bpe.merges().find(merges[i].first, merges[i].second).id;
      if (whole < count_ && !made[whole]) made[whole] = true, scores[whole] = -float(i);
    }
    for (std::size_t i = 0; i < count_; ++i) {
      const std::string_view t = tokens_[i];
      if (types_[i] == normal && t.size() == 6 && t.starts_with("<0x") && t.ends_with('>')) types_[i] = byte;
      if (bpe.config().unk_token && t == *bpe.config().unk_token) types_[i] = unknown;
    }
    set_tokens("llama", "default");
    metadata_.set("tokenizer.ggml.scores", scores);
    std::vector<double> by_token;
    vocabulary.for_each([&](std::string_view, std::uint32_t id) { by_token.push_back(double(scores[id])); });
    if (in_order(generate_merges(vocabulary, &by_token)) != merges) set_merges(bpe);  // scores do not say them
    metadata_.set("tokenizer.ggml.add_space_prefix", joined_pieces("a").starts_with(space_mark));
    set_ends();
  }

  void write_unigram(const models::Unigram& unigram) {
    std::vector<float> scores(count_);
    for (std::size_t i = 0; i < std::min(count_, std::size_t(unigram.vocabulary().id_limit())); ++i)
      scores[i] = float(unigram.score(std::uint32_t(i)));
    for (std::size_t i = 0; i < count_; ++i)
      if (types_[i] == unused) tokens_[i] = cat("[UNUSED", i, "]");  // [PAD...] are T5's blanks
    if (const auto id = unigram.unk_id(); id && *id < count_) types_[*id] = unknown;
    set_tokens("t5", "default");
    metadata_.set("tokenizer.ggml.scores", scores);
    metadata_.set("tokenizer.ggml.add_space_prefix", joined_pieces("a").starts_with(space_mark));
    metadata_.set("tokenizer.ggml.remove_extra_whitespaces",
                  joined_pieces("a  b").find(cat(space_mark, space_mark)) == std::string::npos);
    if (const auto* map = find_charsmap(tokenizer_.normalizer().get())) {
      const auto& bytes = map->precompiled_charsmap();
      const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
      metadata_.set("tokenizer.ggml.precompiled_charsmap", std::vector<std::uint8_t>(first, first + bytes.size()));
    }
    set_ends();
  }
  static const normalizers::Precompiled* find_charsmap(const normalizers::Normalizer* normalizer) {
    if (const auto* sequence = dynamic_cast<const normalizers::Sequence*>(normalizer))
      for (const auto& step : sequence->normalizers)
        if (const auto* found = find_charsmap(step.get())) return found;
    return dynamic_cast<const normalizers::Precompiled*>(normalizer);
  }

  // llama.cpp marks the starts of words where BERT marks that they go on.
  void write_wordpiece(const models::WordPiece& words) {
    if (words.continuing_subword_prefix() != "##") fail("WordPiece with another prefix than ##");
    for (std::size_t i = 0; i < count_; ++i) {
      auto& t = tokens_[i];
      if (types_[i] == control || types_[i] == unused || (t.starts_with('[') && t.ends_with(']'))) continue;
      if (t.starts_with("##") && t.size() > 2)
        t.erase(0, 2);
      else
        t.insert(0, space_mark);
    }
    set_tokens("bert", "default");
    if (const auto cls = outer_.cls_token_id()) metadata_.set("tokenizer.ggml.bos_token_id", std::uint32_t(*cls));
  }

  // Whether a text gets a first and a last token.
  void set_ends() {
    const auto with = outer_.encode("a"), without = outer_.encode("a", false);
    const auto is = [](std::optional<std::int64_t> token, std::int64_t id) { return token && *token == id; };
    const bool more = with.size() > without.size();
    metadata_.set("tokenizer.ggml.add_bos_token", more && is(outer_.bos_token_id(), with.front()));
    metadata_.set("tokenizer.ggml.add_eos_token", more && is(outer_.eos_token_id(), with.back()));
  }

  void write_special_tokens() {
    for (const auto& [name, key] : gguf_special_tokens)
      for (const auto& [named, token] : outer_.special_tokens_map())
        if (const auto id = named == name ? tokenizer_.token_to_id(token) : std::nullopt; id && *id >= 0)
          metadata_.set(key, std::uint32_t(*id));
    std::vector<std::string> others;
    for (const auto& [name, text] : outer_.chat_templates()) {
      metadata_.set(name == "default" ? "tokenizer.chat_template" : cat("tokenizer.chat_template.", name), text);
      if (name != "default") others.push_back(name);
    }
    if (!others.empty()) metadata_.set("tokenizer.chat_templates", others);
  }

  const PreTrainedTokenizerFast& outer_;
  const Tokenizer& tokenizer_;
  std::size_t rows_, count_;
  std::vector<std::string> tokens_;
  std::vector<std::int32_t> types_;
  gguf_metadata metadata_;
};

}  // namespace detail

HFT_INLINE gguf_metadata gguf_tokenizer(const PreTrainedTokenizerFast& tokenizer, std::size_t vocab_size) {
  return detail::gguf_tokenizer_writer(tokenizer, vocab_size).write();
}

HFT_INLINE void check_gguf_tokenizer(const PreTrainedTokenizerFast& tokenizer, const std::filesystem::path& file) {
  const auto again = PreTrainedTokenizerFast::from_gguf(file);
  const auto text = text_that_tells_tokenizers_apart();
  for (const bool special : {false, true})
    if (again.encode(text, special) != tokenizer.encode(text, special))
      return detail::log_message(
          log_level::warning, file.string(),
          detail::joined("the tokenizer of a GGUF file cannot say all of this one: it ",
                         special ? "adds other special tokens" : "encodes some texts otherwise"));
}

HFT_INLINE std::string_view text_that_tells_tokenizers_apart() {
  return "Hello WORLD, it's we'LL I'VE don't  three   spaces\n\n\nlines \r\n\ttabs 3 33 333 3333 33333 3.14 1,000,000 "
         "x86_64 fooBar-BazQux __init__(self): return {\"a\": [1, 2]};\n // ... !!!\n\n ?? <|x|> a\xcc\x81 "
         "\xc3\xa9t\xc3\xa9 "
         "\xc5\x93uvre \xce\xb1\xce\xb2\xce\xb3 \xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, "
         "\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97\xe3\x80\x82\xe3\x81\x93\xe3\x82\x93\xe3\x81\xab\xe3\x81\xa1\xe3\x81\xaf "
         "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4 \xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7 "
         "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87 \xe0\xb8\x97\xe0\xb8\x94 "
         "\xd9\xa1\xd9\xa2\xd9\xa3 \xf0\x9f\x98\x80\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd \xe2\x82\xac"
         "5 5% a/b C++ 's 'S 'd \xe2\x80\x99t end. ";
}

}  // namespace hft

#endif  // HFT_DEFINES
