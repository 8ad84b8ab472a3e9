// Tokens that are found in the text before any model sees it: special tokens, and words a user added.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/models/model.hpp>
#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/pre_tokenized_string.hpp>

namespace hft {

/// A token on top of the model's vocabulary (tokenizers' AddedToken).
struct AddedToken {
  std::string content;
  bool single_word = false;  // matches only between characters that are not of a word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = true;    // looked for in the normalized text
  bool special = false;      // left out by decode(skip_special_tokens)
  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

namespace detail {

/// Finds any of a set of strings in a text: the leftmost, and of those the longest.
class string_matcher {
 public:
  /// False where the string is empty or already there.
  bool add(std::string_view s, std::uint32_t id) {
    if (s.empty()) return false;
    if (nodes_.empty()) nodes_.push_back({});
    std::uint32_t at = 0;
    for (char c : s) {
      const auto byte = static_cast<unsigned char>(c);
      std::uint32_t next = child(at, byte);
      if (next == 0) {
        next = std::uint32_t(nodes_.size());
        nodes_.push_back({byte, none, 0, nodes_[at].first_child});
        nodes_[at].first_child = next;
        if (at == 0) first_[byte] = next;
      }
      at = next;
    }
    if (nodes_[at].id != none) return false;
    nodes_[at].id = id;
    starts_ = 0;
    for (std::size_t b = 0; b < 256; ++b)
      if (first_[b]) ++starts_, only_start_ = char(b);
    return true;
  }
  bool empty() const noexcept { return nodes_.empty(); }

  struct match {
    std::size_t begin, end;
    std::uint32_t id;
  };
  /// The first match at or after `from`.
  std::optional<match> find(std::string_view text, std::size_t from) const {
    if (empty()) return {};
    for (std::size_t i = from; i < text.size(); ++i) {
      if (starts_ == 1) {
        const void* p = std::memchr(text.data() + i, only_start_, text.size() - i);
        if (!p) return {};
        i = std::size_t(static_cast<const char*>(p) - text.data());
      }
      std::uint32_t at = first_[static_cast<unsigned char>(text[i])];
      std::optional<match> best;
      for (std::size_t k = i + 1; at != 0; ++k) {
        if (nodes_[at].id != none) best = match{i, k, nodes_[at].id};
        if (k == text.size()) break;
        at = child(at, static_cast<unsigned char>(text[k]));
      }
      if (best) return best;
    }
    return {};
  }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  struct node {
    std::uint8_t byte = 0;
    std::uint32_t id = none, first_child = 0, next_sibling = 0;
  };
  std::uint32_t child(std::uint32_t at, unsigned char byte) const {
    if (at == 0) return first_[byte];
    std::uint32_t c = nodes_[at].first_child;
    while (c != 0 && nodes_[c].byte != byte) c = nodes_[c].next_sibling;
    return c;
  }
  std::vector<node> nodes_;  // a trie; node 0 is the root
  std::array<std::uint32_t, 256> first_{};
  std::size_t starts_ = 0;
  char only_start_ = 0;
};

}  // namespace detail

class AddedVocabulary {
 public:
  /// Special tokens are not looked for: they are text like any other.
  bool encode_special_tokens = false;

  /// Adds tokens in order. Each takes the id its text has already, or the next free one, as in the tokenizers library.
  /// Of several that the normalizer makes one text the first is found. One that it leaves nothing of is found between
  /// all characters; throws format_error where that one takes white space or looks for words.
  void add_tokens(const std::vector<AddedToken>& tokens, const models::Model& model,
                  const normalizers::Normalizer* normalizer, const std::string& where) {
    auto next = std::uint32_t(model.vocabulary().size());
    for (const auto& [id, t] : tokens_)
      if (id >= next) next = id + 1;
    for (const auto& t : tokens) {
      if (t.content.empty()) continue;
      if (const auto old = ids_.find(t.content); old != ids_.end() && tokens_.at(old->second) == t) continue;
      const auto known = token_to_id(t.content, model);
      const std::uint32_t id = known ? *known : next++;
      if (t.normalized && normalizer) {
        NormalizedString s(t.content);
        normalizer->normalize(s);
        if (s.get() != t.content) normalized_[id] = s.get();
      }
      ids_[t.content] = id;
      if (t.special) special_.insert(t.content);
      tokens_[id] = t;
    }
    raw_matcher_ = normalized_matcher_ = {};
    between_characters_ = false;
    for (const auto& [id, t] : sorted()) {
      const std::string& text = t.normalized ? decoded_form(id, t) : t.content;
      (t.normalized ? normalized_matcher_ : raw_matcher_).add(text, id);
      if (!text.empty()) continue;
      between_characters_ = true;
      if (t.single_word || t.lstrip || t.rstrip)
        throw format_error(where, "added token '" + t.content + "'", "a text when normalized", "an empty one");
    }
  }

  std::size_t size() const noexcept { return ids_.size(); }
  std::optional<std::uint32_t> token_to_id(std::string_view token, const models::Model& model) const {
    if (const auto it = ids_.find(std::string(token)); it != ids_.end()) return it->second;
    return model.vocabulary().find(token);
  }
  const AddedToken* find(std::uint32_t id) const {
    const auto it = tokens_.find(id);
    return it == tokens_.end() ? nullptr : &it->second;
  }
  /// The text of an added token for decoders: its normalized form where the normalizer changes it. Null: no such id.
  const std::string* decoded_form(std::uint32_t id) const {
    const AddedToken* t = find(id);
    return t ? &decoded_form(id, *t) : nullptr;
  }
  bool is_special(const std::string& token) const { return special_.count(token) != 0; }

  bool any_in_raw_text() const noexcept { return !raw_matcher_.empty(); }
  bool any_in_normalized_text() const noexcept { return !normalized_matcher_.empty() || between_characters_; }

  /// Calls f(id, content) for all added tokens, in no particular order. Two may have one id, where the vocabulary has
  /// holes; only the later of them is found in texts.
  template <class F>
  void for_each(F f) const {
    for (const auto& [content, id] : ids_) f(id, content);
  }

  /// (id, token) of all added tokens, smallest id first.
  std::vector<std::pair<std::uint32_t, AddedToken>> sorted() const {
    std::vector<std::pair<std::uint32_t, AddedToken>> out(tokens_.begin(), tokens_.end());
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    return out;
  }

  /// Cuts `text` at the added tokens in it: text(begin, end) for what is between, token(id, begin, end) for each.
  template <class Text, class Found>
  void split(std::string_view text, bool normalized, Text on_text, Found on_token) const {
    const auto& matcher = normalized ? normalized_matcher_ : raw_matcher_;
    std::size_t done = 0, spaces_begin = 1, spaces_end = 0;
    for (std::size_t from = 0; const auto m = matcher.find(text, from);) {
      from = m->end;
      std::size_t begin = m->begin, end = m->end;
      const AddedToken& t = tokens_.at(m->id);
      if (encode_special_tokens && is_special(t.content)) continue;
      if (t.single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) continue;
      unsigned n;
      using namespace detail::unicode;
      if (t.lstrip) {
        while (begin > done && is(decode_before(text.data() + begin, n), space)) begin -= n;
        begin = std::max(begin, done);  // an earlier token may have taken the space already
      }
      if (t.rstrip) {
        if (end < spaces_begin || end > spaces_end)  // not in the run that was walked through already
          for (spaces_begin = spaces_end = end;
               spaces_end < text.size() && is(decode(text.data() + spaces_end, n), space);)
            spaces_end += n;
        end = spaces_end;
      }
      if (done < begin) on_text(done, begin);
      on_token(m->id, begin, end);
      done = end;
    }
    if (done != text.size()) on_text(done, text.size());
  }

  /// The input as pieces: added tokens found, everything else normalized.
  PreTokenizedString extract_and_normalize(const normalizers::Normalizer* normalizer, std::string_view text) const {
    PreTokenizedString out(text);
    using piece = PreTokenizedString::piece;
    const auto cut = [this](const NormalizedString& s, bool normalized, auto& emit) {
      split(
          s.get(), normalized,
          [&](std::size_t begin, std::size_t end) {
            if (!(normalized && between_characters_)) return emit(piece{s.slice(begin, end)});
            for (std::size_t n; begin < end; begin += n) {
              n = detail::unicode::length(static_cast<unsigned char>(s.get()[begin]));
              emit(piece{s.slice(begin, begin + n)});
            }
          },
          [&](std::uint32_t id, std::size_t begin, std::size_t end) {
            piece p{s.slice(begin, end)};
            p.tokens.push_back({id, 0, p.text.size(), p.text.get()});
            p.tokenized = true;
            emit(std::move(p));
          });
    };
    if (any_in_raw_text()) out.split([&](NormalizedString&& s, auto& emit) { cut(s, false, emit); });
    out.split([&](NormalizedString&& s, auto& emit) {
      if (normalizer) normalizer->normalize(s);
      if (any_in_normalized_text()) return cut(s, true, emit);
      s.narrow();
      emit(piece{std::move(s)});
    });
    return out;
  }

 private:
  const std::string& decoded_form(std::uint32_t id, const AddedToken& t) const {
    const auto it = normalized_.find(id);
    return it == normalized_.end() ? t.content : it->second;
  }
  static bool starts_with_word(std::string_view s) {
    unsigned n;
    return !s.empty() && detail::unicode::is(detail::unicode::decode(s.data(), n), detail::unicode::word);
  }
  static bool ends_with_word(std::string_view s) {
    unsigned n;
    return !s.empty() &&
           detail::unicode::is(detail::unicode::decode_before(s.data() + s.size(), n), detail::unicode::word);
  }

  std::unordered_map<std::string, std::uint32_t> ids_;
  std::unordered_map<std::uint32_t, AddedToken> tokens_;
  std::unordered_map<std::uint32_t, std::string> normalized_;  // where it differs from the content
  std::unordered_set<std::string> special_;
  detail::string_matcher raw_matcher_, normalized_matcher_;
  bool between_characters_ = false;  // a normalized token is the empty text
};

}  // namespace hft
