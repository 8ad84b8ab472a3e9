// Ids, or tokens with their places, as fast as the pipeline allows: byte-level BPE and BERT's WordPiece cut the text in
// one pass and look whole words up in a bounded cache (metaspace_path.hpp: SentencePiece-like tokenizers). Equal to the
// general pipeline, which stays the oracle.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/tokenizers/metaspace_path.hpp>
#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/models/wordpiece.hpp>
#include <hft/tokenizers/normalizers/bert.hpp>
#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/normalizers/unicode.hpp>
#include <hft/tokenizers/pre_tokenizers/bert.hpp>
#include <hft/tokenizers/pre_tokenizers/byte_level.hpp>
#include <hft/tokenizers/pre_tokenizers/digits.hpp>
#include <hft/tokenizers/pre_tokenizers/sequence.hpp>
#include <hft/tokenizers/pre_tokenizers/split.hpp>
#include <hft/tokenizers/word_cache.hpp>

namespace hft::detail {

/// Whether the text is in NFC because nothing in it composes: every character is below U+0300.
inline bool plainly_normal(std::string_view text) {
  for (char c : text)
    if (static_cast<unsigned char>(c) >= 0xcc) return false;
  return true;
}

/// [NFC] > [Split | Digits]* > ByteLevel > BPE over bytes.
class byte_level_bpe_path final : public fast_path {
 public:
  struct stage {
    enum class kind { scan, split, digits } what;
    split_pattern pattern = {};
    const pre_tokenizers::Split* split = nullptr;
    bool individual_digits = false;
  };

  /// Null where the pipeline is not of this form.
  static std::unique_ptr<fast_path> make(const normalizers::Normalizer* normalizer,
                                         const pre_tokenizers::PreTokenizer* pre_tokenizer,
                                         const models::Model& model) {
    auto path = std::make_unique<byte_level_bpe_path>();
    path->model_ = dynamic_cast<const models::BPE*>(&model);
    if (!path->model_ || !path->model_->byte_level() || !pre_tokenizer) return nullptr;
    if (normalizer && !dynamic_cast<const normalizers::NFC*>(normalizer)) return nullptr;
    path->normalizer_ = normalizer;
    std::vector<const pre_tokenizers::PreTokenizer*> steps;
    if (const auto* sequence = dynamic_cast<const pre_tokenizers::Sequence*>(pre_tokenizer)) {
      for (const auto& p : sequence->pre_tokenizers) steps.push_back(p.get());
    } else {
      steps.push_back(pre_tokenizer);
    }
    const auto* last = steps.empty() ? nullptr : dynamic_cast<const pre_tokenizers::ByteLevel*>(steps.back());
    if (!last) return nullptr;  // only there do bytes become characters
    steps.pop_back();
    path->add_prefix_space_ = last->add_prefix_space;
    if (last->add_prefix_space && !steps.empty()) return nullptr;
    for (const auto* step : steps) {
      if (const auto* s = dynamic_cast<const pre_tokenizers::Split*>(step)) {
        const bool isolated = s->behavior == SplitDelimiterBehavior::Isolated ||
                              (s->behavior == SplitDelimiterBehavior::Removed && s->invert);
        if (s->pattern.known() && isolated) {
          path->stages_.push_back({stage::kind::scan, *s->pattern.known()});
        } else {
          path->stages_.push_back({stage::kind::split, {}, s});
        }
      } else if (const auto* d = dynamic_cast<const pre_tokenizers::Digits*>(step)) {
        path->stages_.push_back({stage::kind::digits, {}, nullptr, d->individual_digits});
      } else {
        return nullptr;
      }
    }
    if (last->use_regex) path->stages_.push_back({stage::kind::scan, split_pattern::gpt2});
    return path;
  }

  bool encode(std::string_view text, std::size_t, encode_scratch& scratch, id_sink& out) const override {
    if (text.empty()) return true;
    std::string normalized;
    if (normalizer_ && !plainly_normal(text)) {
      NormalizedString s(text, false);
      normalizer_->normalize(s);
      text = normalized = s.get();
    }
    if (add_prefix_space_ && text.front() != ' ') {
      scratch.text.assign(1, ' ');
      scratch.text += text;
      text = scratch.text;
    }
    run(0, text, text.data() + text.size(), scratch, out);
    return true;
  }

  bool encode(std::string_view text, std::size_t begin, encode_scratch& scratch, token_sink& out) const override {
    if (text.empty()) return true;
    if (normalizer_ && !plainly_normal(text)) {
      NormalizedString s(text, false);
      normalizer_->normalize(s);
      if (s.get() != text) return false;
    }
    if (!add_prefix_space_ || text.front() == ' ') {
      out.set_text(text, begin);
      run(0, text, text.data() + text.size(), scratch, out);
      return !out.failed();
    }
    // The space that is put before the text stands for the text's first character.
    const auto first = std::uint32_t(begin + unicode::length(static_cast<unsigned char>(text.front())));
    scratch.text.assign(1, ' ');
    scratch.text += text;
    text = scratch.text;
    out.set_text(text, begin);
    const std::size_t before = out.size();
    run(0, text, text.data() + text.size(), scratch, out);
    for (std::size_t i = before; i < out.size(); ++i) {
      auto& t = out.tokens()[i];
      t.begin -= t.begin > begin;
      t.end = std::max(t.end - 1, first);
    }
    return !out.failed();
  }

 private:
  template <class Sink>
  void run(std::size_t k, std::string_view text, const char* end, encode_scratch& scratch, Sink& out) const {
    if (k == stages_.size()) return word(text, end, scratch, out);
    const stage& s = stages_[k];
    const bool last = k + 1 == stages_.size();
    const auto part = [&](std::size_t from, std::size_t to) {
      if (from == to) return;
      const auto p = text.substr(from, to - from);
      if (last) return word(p, end, scratch, out);
      run(k + 1, p, end, scratch, out);
    };
    switch (s.what) {
      case stage::kind::scan:
        return scan(s.pattern, text, part);
      case stage::kind::split: {
        auto matches = s.split->pattern.find(text);
        if (s.split->invert)
          for (auto& m : matches) m.is_match = !m.is_match;
        for (const auto& m : apply_behavior(std::move(matches), s.split->behavior)) part(m.begin, m.end);
        return;
      }
      case stage::kind::digits:
        return digits(text, s.individual_digits, part);
    }
  }

  template <class Part>
  static void digits(std::string_view text, bool individual, Part part) {
    std::size_t begin = 0;
    bool previous = false;
    unicode::for_each(text, [&](char32_t c, std::size_t i, unsigned) {
      const bool now = c < 0x80 ? c >= '0' && c <= '9' : unicode::is(c, unicode::numeric);
      if (now != previous || (now && individual)) part(begin, i), begin = i;
      previous = now;
    });
    part(begin, text.size());
  }

  template <class Sink>
  void word(std::string_view piece, const char* end, encode_scratch& scratch, Sink& out) const {
    append_word(piece, end, scratch.caches(out), out, [&](std::string_view w) {
      const std::size_t n = model_->encode_bytes(w, scratch.bpe);
      return put(scratch.bpe.symbols.data(), n, w, out);
    });
  }
  static bool put(const bpe_symbol* symbols, std::size_t n, std::string_view, id_sink& out) {
    std::int32_t* ids = out.room(n);
    for (std::size_t i = 0; i < n; ++i) ids[i] = std::int32_t(symbols[i].id);
    out.advance(n);
    return true;
  }
  static bool put(const bpe_symbol* symbols, std::size_t n, std::string_view word, token_sink& out) {
    out.begin_word();
    const char* at = word.data();
    for (std::size_t i = 0; i < n; ++i, at += symbols[i - 1].length)
      out.push_back(symbols[i].id, at, at + symbols[i].length);
    // Bytes without a token are left out. In the library that shifts the places behind them.
    if (at == word.data() + word.size()) return true;
    out.fail();
    return false;
  }

  const models::BPE* model_ = nullptr;
  const normalizers::Normalizer* normalizer_ = nullptr;
  bool add_prefix_space_ = false;
  std::vector<stage> stages_;
};

/// BertNormalizer > BertPreTokenizer > WordPiece or WordLevel. White space, punctuation and (where they are set apart)
/// CJK characters separate words before the normalizer as well as after it, so each word is normalized alone, and only
/// when the cache does not know it.
class bert_path final : public fast_path {
 public:
  static std::unique_ptr<fast_path> make(const normalizers::Normalizer* normalizer,
                                         const pre_tokenizers::PreTokenizer* pre_tokenizer,
                                         const models::Model& model) {
    const auto* bert = dynamic_cast<const normalizers::BertNormalizer*>(normalizer);
    if (!bert || !dynamic_cast<const pre_tokenizers::BertPreTokenizer*>(pre_tokenizer)) return nullptr;
    // Unigram's unknown tokens are spelled as the text is; BPE may have no token for a word, or one for half a
    // character.
    if (dynamic_cast<const models::Unigram*>(&model) || dynamic_cast<const models::BPE*>(&model)) return nullptr;
    auto path = std::make_unique<bert_path>();
    path->pre_tokenizer_ = pre_tokenizer;
    path->model_ = &model;
    path->bert_ = bert;
    for (char32_t c = 0; c < 128; ++c) {
      path->ascii_[c] = path->kind_of(c);
      path->plain_[c] = path->ascii_[c] == letter && !unicode::is(c, unicode::cleaned);
    }
    return path;
  }

  bool encode(std::string_view text, std::size_t, encode_scratch& scratch, id_sink& out) const override {
    each_word(text, scratch, out);
    return true;
  }
  bool encode(std::string_view text, std::size_t begin, encode_scratch& scratch, token_sink& out) const override {
    out.set_text(text, begin);
    each_word(text, scratch, out);
    return true;
  }

 private:
  enum kind : std::uint8_t { letter, separator, alone };

  template <class Sink>
  void each_word(std::string_view text, encode_scratch& scratch, Sink& out) const {
    const char* const end = text.data() + text.size();
    auto& caches = scratch.caches(out);
    const auto compute = [&](std::string_view word) {
      general(word, scratch, out);
      return true;
    };
    for (std::size_t i = 0, n = text.size(); i < n;) {
      const std::size_t begin = i;
      unsigned length = 1;
      kind what = letter;
      for (; i < n; i += length) {
        const auto c = static_cast<unsigned char>(text[i]);
        length = 1;
        what = c < 128 ? ascii_[c] : kind_of(unicode::decode(text.data() + i, length));
        if (what != letter) break;
      }
      if (i > begin) append_word(text.substr(begin, i - begin), end, caches, out, compute);
      if (i == n) return;
      if (what == alone) append_word(text.substr(i, length), end, caches, out, compute);
      i += length;
    }
  }

  kind kind_of(char32_t c) const {
    const unsigned p = unicode::properties(c);
    if ((p & unicode::space) && !(bert_->clean_text && (p & unicode::cleaned))) return separator;
    return (p & unicode::punctuation) || (bert_->handle_chinese_chars && is_bert_cjk(c)) ? alone : letter;
  }
  template <class Sink>
  void general(std::string_view word, encode_scratch& scratch, Sink& out) const {
    const auto tokens_of = [&](std::string_view text) -> const std::vector<Token>& {
      scratch.tokens.clear();
      model_->tokenize(text, scratch.tokens);
      return scratch.tokens;
    };
    // A word of ASCII letters and digits has nothing to normalize but its case.
    const auto plain = [this](char c) { return static_cast<unsigned char>(c) < 128 && plain_[std::size_t(c)]; };
    if (std::all_of(word.begin(), word.end(), plain)) {
      scratch.text = word;
      if (bert_->lowercase)
        for (char& c : scratch.text) c = char(unicode::lowercase(char32_t(c)));
      return put(tokens_of(scratch.text), word, nullptr, out);
    }
    PreTokenizedString s(word, std::is_same_v<Sink, token_sink>);
    s.normalize([&](NormalizedString& text) { bert_->normalize(text); });
    pre_tokenizer_->pre_tokenize(s);
    for (const auto& p : s.pieces)
      if (!p.text.empty()) put(tokens_of(p.text.get()), word, &p.text, out);
  }
  static void put(const std::vector<Token>& tokens, std::string_view, const NormalizedString*, id_sink& out) {
    for (const auto& t : tokens) out.push_back(std::int32_t(t.id));
  }
  // `piece` is the part of the word that the tokens are of, where it is not the word itself.
  static void put(const std::vector<Token>& tokens, std::string_view word, const NormalizedString* piece,
                  token_sink& out) {
    out.begin_word();
    for (const auto& t : tokens) {
      std::size_t begin = t.begin, end = t.end;
      if (piece && piece->to_original(t.begin, t.end, begin, end))
        begin += piece->original_shift(), end += piece->original_shift();
      out.push_back(t.id, word.data() + begin, word.data() + end);
    }
  }

  const normalizers::BertNormalizer* bert_ = nullptr;
  const pre_tokenizers::PreTokenizer* pre_tokenizer_ = nullptr;
  const models::Model* model_ = nullptr;
  std::array<kind, 128> ascii_{};
  std::array<bool, 128> plain_{};  // letters that the normalizer keeps, but for their case
};

/// The fast path of a pipeline, or null where it has none.
inline std::unique_ptr<fast_path> make_fast_path(const normalizers::Normalizer* normalizer,
                                                 const pre_tokenizers::PreTokenizer* pre_tokenizer,
                                                 const models::Model& model) {
  if (auto path = byte_level_bpe_path::make(normalizer, pre_tokenizer, model)) return path;
  if (auto path = bert_path::make(normalizer, pre_tokenizer, model)) return path;
  if (auto path = merged_text_path::make(normalizer, pre_tokenizer, model)) return path;
  return metaspace_path::make(normalizer, pre_tokenizer, model);
}

}  // namespace hft::detail
