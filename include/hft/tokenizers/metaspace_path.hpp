// The ids of SentencePiece-like tokenizers, word by word through a cache: texts are cut where neither the normalizers
// nor the pre-tokenizer nor the model look across. Equal to the general pipeline, which stays the oracle.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/normalizers/nmt.hpp>
#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/normalizers/precompiled.hpp>
#include <hft/tokenizers/normalizers/prepend.hpp>
#include <hft/tokenizers/normalizers/replace.hpp>
#include <hft/tokenizers/normalizers/strip.hpp>
#include <hft/tokenizers/normalizers/unicode.hpp>
#include <hft/tokenizers/normalizers/utils.hpp>
#include <hft/tokenizers/pre_tokenizers/metaspace.hpp>
#include <hft/tokenizers/pre_tokenizers/sequence.hpp>
#include <hft/tokenizers/pre_tokenizers/split.hpp>
#include <hft/tokenizers/pre_tokenizers/whitespace.hpp>
#include <hft/tokenizers/word_cache.hpp>

namespace hft::detail {

/// The steps of a stage that may be a Sequence of such; none where there is no stage.
inline void append_steps(const normalizers::Normalizer* n, std::vector<const normalizers::Normalizer*>& out) {
  if (const auto* sequence = dynamic_cast<const normalizers::Sequence*>(n)) {
    for (const auto& step : sequence->normalizers) append_steps(step.get(), out);
  } else if (n) {
    out.push_back(n);
  }
}
inline void append_steps(const pre_tokenizers::PreTokenizer* p, std::vector<const pre_tokenizers::PreTokenizer*>& out) {
  if (const auto* sequence = dynamic_cast<const pre_tokenizers::Sequence*>(p)) {
    for (const auto& step : sequence->pre_tokenizers) append_steps(step.get(), out);
  } else if (p) {
    out.push_back(p);
  }
}

inline bool is_literal(const Pattern& p, std::string_view text) { return !p.is_regex() && p.text() == text; }

/// `text` with each space replaced, after `prefix`.
inline void replace_spaces(std::string_view prefix, std::string_view text, std::string_view mark, std::string& out) {
  out.assign(prefix);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t space = std::min(text.find(' ', i), text.size());
    out.append(text, i, space - i);
    if (space < text.size()) out += mark;
    i = space + 1;
  }
}

/// Spaces become a mark, something may be put before the text, and BPE merges the text as one piece (Llama 2, Mistral,
/// Gemma). Two neighbouring characters that no token holds side by side are never merged: there the text is cut.
class merged_text_path final : public fast_path {
 public:
  /// Null where the pipeline is not of this form.
  static std::unique_ptr<fast_path> make(const normalizers::Normalizer* normalizer,
                                         const pre_tokenizers::PreTokenizer* pre_tokenizer,
                                         const models::Model& model) {
    auto path = std::make_unique<merged_text_path>();
    path->model_ = dynamic_cast<const models::BPE*>(&model);
    if (!path->model_) return nullptr;
    const auto& o = path->model_->config();
    if (o.ignore_merges || o.dropout.value_or(0) > 0 || !o.continuing_subword_prefix.empty() ||
        !o.end_of_word_suffix.empty())
      return nullptr;
    std::vector<const normalizers::Normalizer*> normalizers;
    append_steps(normalizer, normalizers);
    for (const auto* n : normalizers)
      if (!path->add(n)) return nullptr;
    std::vector<const pre_tokenizers::PreTokenizer*> steps;
    append_steps(pre_tokenizer, steps);
    for (const auto* step : steps)
      if (!path->add(step)) return nullptr;
    if (path->mark_.empty() || !path->find_joints()) return nullptr;
    return path;
  }

  bool encode(std::string_view text, std::size_t begin, encode_scratch& scratch, id_sink& out) const override {
    if (text.empty()) return true;
    const char* const end = text.data() + text.size();
    const auto compute = [&](std::string_view part) {
      replace_spaces({}, part, mark_, scratch.text);
      merge(scratch, out);
      return true;
    };
    std::size_t at = next_cut(text, 0);
    replace_spaces(prefix_, text.substr(0, at), mark_, scratch.text);
    if ((scheme_ == PrependScheme::Always || (scheme_ == PrependScheme::First && begin == 0)) &&
        !scratch.text.starts_with(mark_))
      scratch.text.insert(0, mark_);
    merge(scratch, out);
    while (at < text.size()) {
      const std::size_t next = next_cut(text, at);
      append_word(text.substr(at, next - at), end, scratch.ids, out, compute);
      at = next;
    }
    return true;
  }
  bool encode(std::string_view, std::size_t, encode_scratch&, token_sink&) const override { return false; }
  bool has_places() const override { return false; }

 private:
  bool replaces_spaces_by(std::string_view mark) {
    // One character, and not the space: what is joined to it is then known.
    if (mark.empty() || unicode::length(static_cast<unsigned char>(mark[0])) != mark.size() || mark == " ")
      return false;
    if (!mark_.empty()) return true;  // there are no spaces left
    std::string prefix;
    replace_spaces({}, prefix_, mark, prefix);
    prefix_ = prefix;
    mark_ = mark;
    return true;
  }
  bool add(const normalizers::Normalizer* n) {
    if (const auto* prepend = dynamic_cast<const normalizers::Prepend*>(n)) {
      if (!mark_.empty() && prepend->prepend.find(' ') != std::string::npos) return false;
      prefix_ = prepend->prepend + prefix_;
      return prefix_.size() <= 64;
    }
    const auto* replace = dynamic_cast<const normalizers::Replace*>(n);
    return replace && is_literal(replace->pattern, " ") && replaces_spaces_by(replace->content);
  }
  bool add(const pre_tokenizers::PreTokenizer* p) {
    // Metaspace looks at the text's start before and after its own replacement: it comes last, and once.
    if (scheme_ != PrependScheme::Never) return false;
    if (const auto* metaspace = dynamic_cast<const pre_tokenizers::Metaspace*>(p)) {
      if (metaspace->split || !replaces_spaces_by(metaspace->replacement) || metaspace->replacement != mark_)
        return false;
      scheme_ = metaspace->prepend_scheme;
      return true;
    }
    const auto* split = dynamic_cast<const pre_tokenizers::Split*>(p);  // Gemma's finds nothing
    return split && !split->invert && is_literal(split->pattern, " ") && !mark_.empty();
  }

  /// Finds which bytes stand side by side within tokens, the last of a character and the first of the next.
  /// False where symbols may not be spelled as their tokens are.
  bool find_joints() {
    const auto& o = model_->config();
    bool all_bytes = o.byte_fallback;
    for (unsigned b = 0; b < 256; ++b) all_bytes = all_bytes && model_->fallback(static_cast<unsigned char>(b));
    if (!o.unk_token && !all_bytes) return false;  // an unknown character vanishes, and its neighbours may be merged
    const auto& vocabulary = model_->vocabulary();
    bool plain = true;
    vocabulary.for_each([&](std::string_view token, std::uint32_t) {
      if (o.byte_fallback && token.size() > 6 && (token.starts_with("<0x") || token[token.size() - 6] == '<'))
        plain = plain && !is_byte(token.substr(0, 6)) && !is_byte(token.substr(token.size() - 6));
      if (o.unk_token && token.size() > o.unk_token->size())
        plain = plain && !token.starts_with(*o.unk_token) && !token.ends_with(*o.unk_token);
      std::size_t character = 0;
      for (std::size_t i = 1; i < token.size(); ++i) {
        if (unicode::is_continuation(token[i])) continue;
        join(token.substr(character, i - character), token.substr(i));
        character = i;
      }
    });
    // Unknown characters join their likes, and wait for a known one: a cut is then before a known one.
    if (o.unk_token && !all_bytes)
      for (unsigned c = 0; c < 256; ++c) {
        const char character = char(c);
        if (c < 128 && vocabulary.find(c == ' ' ? std::string_view(mark_) : std::string_view(&character, 1))) continue;
        for (auto& row : joined_) row[c >> 6] |= std::uint64_t{1} << (c & 63);
      }
    return plain;
  }
  static bool is_byte(std::string_view token) {
    const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    return token.starts_with("<0x") && hex(token[3]) && hex(token[4]) && token[5] == '>';
  }
  // The mark goes by the byte of the space that it stands for, and by its own.
  void join(std::string_view character, std::string_view rest) {
    const auto set = [&](char last) {
      auto& row = joined_[static_cast<unsigned char>(last)];
      const auto add = [&](char c) {
        const auto first = static_cast<unsigned char>(c);
        row[first >> 6] |= std::uint64_t{1} << (first & 63);
      };
      add(rest.front());
      if (rest.starts_with(mark_)) add(' ');
    };
    set(character.back());
    if (character == mark_) set(' ');
  }

  /// The first place after `at` where nothing joins the characters around it, or the text's end.
  std::size_t next_cut(std::string_view text, std::size_t at) const {
    auto last = static_cast<unsigned char>(text[at]);
    for (std::size_t i = at + 1; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (!(joined_[last][c >> 6] >> (c & 63) & 1) && (c & 0xc0) != 0x80) return i;
      last = c;
    }
    return text.size();
  }

  void merge(encode_scratch& scratch, id_sink& out) const {
    const std::size_t n = model_->encode(scratch.text, scratch.bpe);
    std::int32_t* ids = out.room(n);
    for (std::size_t i = 0; i < n; ++i) ids[i] = std::int32_t(scratch.bpe.symbols[i].id);
    out.advance(n);
  }

  const models::BPE* model_ = nullptr;
  std::string mark_, prefix_;
  PrependScheme scheme_ = PrependScheme::Never;
  std::array<std::array<std::uint64_t, 4>, 256> joined_{};  // a bit for each pair of bytes
};

/// Normalizers that leave white space between words, then Metaspace that cuts before it, WhitespaceSplit, or both
/// (T5, XLM-RoBERTa, ALBERT, NLLB). A text is cut before runs of ASCII white space into words, and what a word becomes
/// is kept once it is known that it begins and ends as if it stood among others.
class metaspace_path final : public fast_path {
 public:
  /// Null where the pipeline is not of this form.
  static std::unique_ptr<fast_path> make(const normalizers::Normalizer* normalizer,
                                         const pre_tokenizers::PreTokenizer* pre_tokenizer,
                                         const models::Model& model) {
    auto path = std::make_unique<metaspace_path>();
    path->model_ = &model;
    path->unigram_ = dynamic_cast<const models::Unigram*>(&model);
    path->bpe_ = dynamic_cast<const models::BPE*>(&model);
    if (path->bpe_ && path->bpe_->config().dropout.value_or(0) > 0) return nullptr;
    std::vector<const normalizers::Normalizer*> steps;
    append_steps(normalizer, steps);
    for (const auto* step : steps)
      if (!path->add(step)) return nullptr;
    std::vector<const pre_tokenizers::PreTokenizer*> cuts;
    append_steps(pre_tokenizer, cuts);
    auto cut = cuts.begin();
    if (cut != cuts.end() && dynamic_cast<const pre_tokenizers::WhitespaceSplit*>(*cut))
      path->at_white_space_ = true, ++cut;
    if (cut != cuts.end()) {
      path->metaspace_ = dynamic_cast<const pre_tokenizers::Metaspace*>(*cut++);
      if (!path->metaspace_) return nullptr;
    }
    if (cut != cuts.end() || (!path->at_white_space_ && !(path->metaspace_ && path->metaspace_->split))) return nullptr;
    path->find_blanks();
    if (!path->blank_[' ']) return nullptr;
    return path;
  }

  bool encode(std::string_view text, std::size_t begin, encode_scratch& scratch, id_sink& out) const override {
    const char* const end = text.data() + text.size();
    const std::size_t stripped = strips_right_ ? end_of_words(text) : text.size();
    const auto next_blank = [&](std::size_t at) {
      at = this->next_blank(text, at);
      return at < stripped ? at : text.size();
    };
    for (std::size_t at = 0; at < text.size();) {
      std::size_t next = next_blank(at);
      bool done = true;
      const auto compute = [&](std::string_view word) {
        return done = tokens_of(word, at == 0, next == text.size(), begin, scratch, out);
      };
      if (at == 0 || next == text.size()) {
        compute(text.substr(at, next - at));
      } else {
        append_word(text.substr(at, next - at), end, scratch.ids, out, compute);
      }
      // A word that does not stand alone is tried with those after it: a few, so that the work stays linear.
      for (int more = 0; !done && more < 4 && next < text.size(); ++more) {
        next = next_blank(next);
        compute(text.substr(at, next - at));
      }
      if (!done) return false;
      at = next;
    }
    return true;
  }
  bool encode(std::string_view, std::size_t, encode_scratch&, token_sink&) const override { return false; }
  bool has_places() const override { return false; }

 private:
  struct step {
    enum class kind { plain, precompiled, squeeze, strip, prepend } what;
    const normalizers::Normalizer* normalizer;
    bool left = false, right = false;
  };

  /// Whether a normalizer works on each word alone, as far as `tokens_of` does not see to it.
  bool add(const normalizers::Normalizer* n) {
    using namespace normalizers;
    auto what = step::kind::plain;
    if (const auto* strip = dynamic_cast<const Strip*>(n)) {
      steps_.push_back({step::kind::strip, n, strip->strip_left, strip->strip_right});
      strips_right_ |= strip->strip_right;
      return true;
    }
    if (dynamic_cast<const Prepend*>(n)) {
      what = step::kind::prepend;
    } else if (dynamic_cast<const Precompiled*>(n)) {
      what = step::kind::precompiled;
    } else if (const auto* replace = dynamic_cast<const Replace*>(n)) {
      if (replace->content.size() > 32) return false;  // those may be refused for the size of the whole text
      const std::string& pattern = replace->pattern.text();
      if (replace->pattern.is_regex()) {
        if (pattern != " {2,}") return false;
        what = step::kind::squeeze;
      } else if (pattern != " ") {  // nothing that a match could begin a word with
        if (pattern.empty() || pattern.find_first_of(" \t\n\v\f\r\xe2") != std::string::npos) return false;
      }
    } else if (!dynamic_cast<const NFC*>(n) && !dynamic_cast<const NFD*>(n) && !dynamic_cast<const NFKC*>(n) &&
               !dynamic_cast<const NFKD*>(n) && !dynamic_cast<const Lowercase*>(n) &&
               !dynamic_cast<const StripAccents*>(n) && !dynamic_cast<const Nmt*>(n)) {
      return false;
    }
    steps_.push_back({what, n});
    return true;
  }

  /// Which ASCII white space still separates words after the normalizers.
  void find_blanks() {
    if (metaspace_ && !is_mark_like(metaspace_->replacement)) return;
    for (const char c : std::string_view(" \t\n\v\f\r")) {
      NormalizedString s(std::string{c, 'x'}, false);
      for (const auto& step : steps_)
        if (step.what != step::kind::strip && step.what != step::kind::prepend) step.normalizer->normalize(s);
      blank_[std::size_t(c)] = separates(s.get());
    }
  }
  static bool is_mark_like(std::string_view mark) { return mark == "\xe2\x96\x81"; }
  static bool starts_blank(std::string_view s) {
    return !s.empty() && ((s[0] >= '\t' && s[0] <= '\r') || s[0] == ' ' || s.starts_with("\xe2\x96\x81"));
  }
  /// Whether the pre-tokenizer cuts before a text.
  bool separates(std::string_view s) const {
    if (!starts_blank(s)) return false;
    return at_white_space_ ? s[0] != '\xe2' : s[0] == ' ' || s[0] == '\xe2';
  }
  /// Where the white space at a text's end begins.
  static std::size_t end_of_words(std::string_view text) {
    unsigned n;
    std::size_t end = text.size();
    while (end > 0 && unicode::is(unicode::decode_before(text.data() + end, n), unicode::space)) end -= n;
    return end;
  }
  /// Whether a grapheme cluster may go on behind a text in white space.
  static bool cluster_goes_on(std::string_view s) {
    if (s.empty()) return false;
    unsigned n;
    const char32_t last = unicode::decode_before(s.data() + s.size(), n);
    return last == '\r' || (last >= 0x80 && (unicode::value_in(unicode::grapheme_runs, last) & unicode::prepend));
  }

  /// Where the word at `at` ends: white space, then anything else up to the next white space.
  std::size_t next_blank(std::string_view text, std::size_t at) const {
    const auto blank = [&](std::size_t i) { return blank_[static_cast<unsigned char>(text[i])]; };
    while (at < text.size() && blank(at)) ++at;
    while (at < text.size() && (!blank(at) || (text[at] == '\n' && at > 0 && text[at - 1] == '\r'))) ++at;
    return at;
  }

  /// Appends the ids of a part of a text. False, and nothing appended, where it depends on what is around it.
  bool tokens_of(std::string_view part, bool first, bool last, std::size_t begin, encode_scratch& scratch,
                 id_sink& out) const {
    NormalizedString s(part, first);
    for (const auto& step : steps_) {
      switch (step.what) {
        case step::kind::strip:
          s.strip(step.left && first, step.right && last);
          if (step.right && s.empty() && !first) return false;  // it strips what is before, too
          break;
        case step::kind::prepend:
          if (!first) break;
          if (s.empty() && !last) return false;
          step.normalizer->normalize(s);
          break;
        case step::kind::precompiled:
          if (!last && cluster_goes_on(s.get())) return false;
          step.normalizer->normalize(s);
          break;
        case step::kind::squeeze:
          if (!last && s.get().ends_with(' ')) return false;
          step.normalizer->normalize(s);
          break;
        case step::kind::plain:
          step.normalizer->normalize(s);
      }
      if (!stands_alone(s.get(), first, last)) return false;
    }
    if (!stands_alone(s.get(), first, last)) return false;
    if (!first && !s.empty() && !separates(s.get())) return false;
    const auto begins_input = [&](std::size_t at) {  // as Metaspace sees it
      std::size_t from = 0, to = 0;
      return first && begin == 0 && s.to_original(at, at + 1, from, to) && from == 0;
    };
    const std::string_view text = s.get();
    if (!at_white_space_) {
      if (!text.empty()) mark_words(text, first, begins_input(0), scratch, out);
      return true;
    }
    std::size_t word = 0;
    const auto emit = [&](std::size_t end) {
      if (word == end) return;
      const auto w = text.substr(word, end - word);
      if (metaspace_) return mark_words(w, true, begins_input(word), scratch, out);
      tokenize(w, scratch, out);
    };
    unicode::for_each(text, [&](char32_t c, std::size_t i, unsigned n) {
      if (!unicode::is(c, unicode::space)) return;
      emit(i);
      word = i + n;
    });
    emit(text.size());
    return true;
  }
  static bool stands_alone(std::string_view s, bool first, bool last) {
    return s.empty() ? last : first || starts_blank(s);
  }

  /// What Metaspace and the model make of a part.
  void mark_words(std::string_view part, bool is_part, bool begins_input, encode_scratch& scratch, id_sink& out) const {
    const std::string& mark = metaspace_->replacement;
    std::string& text = scratch.text;
    replace_spaces({}, part, mark, text);
    const bool wanted = is_part && (metaspace_->prepend_scheme == PrependScheme::Always ||
                                    (metaspace_->prepend_scheme == PrependScheme::First && begins_input));
    if (wanted && !text.starts_with(mark)) text.insert(0, mark);
    if (!metaspace_->split) return tokenize(text, scratch, out);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t next = std::min(text.find(mark, at + 1), text.size());
      tokenize(std::string_view(text).substr(at, next - at), scratch, out);
      at = next;
    }
  }

  void tokenize(std::string_view piece, encode_scratch& scratch, id_sink& out) const {
    if (unigram_) {
      unigram_->for_each_token(piece, scratch.unigram, [&](std::uint32_t id, std::size_t, std::size_t, bool) {
        out.push_back(std::int32_t(id));
      });
    } else if (bpe_) {
      const std::size_t n = bpe_->encode(piece, scratch.bpe);
      for (std::size_t i = 0; i < n; ++i) out.push_back(std::int32_t(scratch.bpe.symbols[i].id));
    } else {
      scratch.tokens.clear();
      model_->tokenize(piece, scratch.tokens);
      for (const auto& t : scratch.tokens) out.push_back(std::int32_t(t.id));
    }
  }

  const models::Model* model_ = nullptr;
  const models::Unigram* unigram_ = nullptr;  // the model, where it is
  const models::BPE* bpe_ = nullptr;          // one of these
  std::vector<step> steps_;
  bool at_white_space_ = false, strips_right_ = false;
  const pre_tokenizers::Metaspace* metaspace_ = nullptr;
  std::array<bool, 256> blank_{};
};

}  // namespace hft::detail
