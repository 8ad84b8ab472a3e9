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
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/sorting.hpp>
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

  /// A token that is found in the text as it is.
  static AddedToken verbatim(std::string content, bool special = true) {
    return {std::move(content), false, false, false, false, special};
  }
};

namespace detail {

/// The last token with this text, or null.
inline AddedToken* find_token(std::vector<AddedToken>& tokens, std::string_view content) {
  for (std::size_t i = tokens.size(); i-- > 0;)
    if (tokens[i].content == content) return &tokens[i];
  return nullptr;
}

}  // namespace detail

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
    for (const auto& e : entries_)
      if (e.id >= next) next = e.id + 1;
    for (const auto& t : tokens) {
      if (t.content.empty()) continue;
      const auto old = ids_.find(t.content);
      if (old && *find(*old) == t) continue;
      const auto known = token_to_id(t.content, model);
      const std::uint32_t id = known ? *known : next++;
      if (!old) ids_.insert(t.content, id);
      if (t.special) special_.insert(t.content, id);
      auto& e = entry_of(id);
      e.token = t;
      if (t.normalized && normalizer) {
        NormalizedString s(t.content);
        normalizer->normalize(s);
        if (s.get() != t.content) e.normalized = s.get();
      }
    }
    sort_entries();
    raw_matcher_ = normalized_matcher_ = {};
    between_characters_ = false;
    for (const auto& e : entries_) {
      const AddedToken& t = e.token;
      const std::string& text = t.normalized ? e.decoded_form() : t.content;
      (t.normalized ? normalized_matcher_ : raw_matcher_).add(text, e.id);
      if (!text.empty()) continue;
      between_characters_ = true;
      if (t.single_word || t.lstrip || t.rstrip)
        throw format_error(where, detail::joined("added token '", t.content, "'"), "a text when normalized",
                           "an empty one");
    }
  }

  std::size_t size() const noexcept { return ids_.size(); }
  std::optional<std::uint32_t> token_to_id(std::string_view token, const models::Model& model) const {
    const auto id = ids_.find(token);
    return id ? id : model.vocabulary().find(token);
  }
  const AddedToken* find(std::uint32_t id) const {
    const auto place = places_.find(id, 0).rank;
    return place == places_.none ? nullptr : &entries_[place].token;
  }
  /// The text of an added token for decoders: its normalized form where the normalizer changes it. Null: no such id.
  const std::string* decoded_form(std::uint32_t id) const {
    const auto place = places_.find(id, 0).rank;
    return place == places_.none ? nullptr : &entries_[place].decoded_form();
  }
  bool is_special(std::string_view token) const { return special_.find(token).has_value(); }

  bool any_in_raw_text() const noexcept { return !raw_matcher_.empty(); }
  bool any_in_normalized_text() const noexcept { return !normalized_matcher_.empty() || between_characters_; }

  /// The texts of all added tokens and their ids. Two may have one id, where the vocabulary has holes; only the later
  /// of them is found in texts.
  const Vocabulary& texts() const noexcept { return ids_; }

  struct entry {
    std::uint32_t id;
    AddedToken token;
    std::optional<std::string> normalized;  // where it differs from the content
    const std::string& decoded_form() const { return normalized ? *normalized : token.content; }
  };
  /// The added tokens that are found in texts, smallest id first.
  const std::vector<entry>& sorted() const noexcept { return entries_; }

  /// The added tokens in a text, with the white space that they take.
  std::vector<Token> find_in(std::string_view text, bool normalized) const {
    std::vector<Token> out;
    const auto& matcher = normalized ? normalized_matcher_ : raw_matcher_;
    std::size_t done = 0, spaces_begin = 1, spaces_end = 0;
    for (std::size_t from = 0; const auto m = matcher.find(text, from);) {
      from = m->end;
      std::size_t begin = m->begin, end = m->end;
      const AddedToken& t = *find(m->id);
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
      out.push_back({m->id, begin, end});
      done = end;
    }
    return out;
  }

  /// The input as pieces: added tokens found, everything else normalized.
  PreTokenizedString extract_and_normalize(const normalizers::Normalizer* normalizer, std::string_view text) const {
    PreTokenizedString out(text);
    if (any_in_raw_text()) out.split([&](NormalizedString& s) { cut(s, false, out); });
    out.split([&](NormalizedString& s) {
      if (normalizer) normalizer->normalize(s);
      if (any_in_normalized_text()) return cut(s, true, out);
      s.narrow();
      out.emit({std::move(s)});
    });
    return out;
  }

 private:
  entry& entry_of(std::uint32_t id) {
    auto place = places_.find(id, 0).rank;
    if (place == places_.none) {
      place = std::uint32_t(entries_.size());
      places_.insert(id, 0, {place});
      entries_.push_back({id, {}, {}});
    }
    return entries_[place];
  }
  void sort_entries() {
    std::vector<entry> in_order;
    for (const auto i : detail::sorted_positions(
             entries_.size(), [this](std::size_t a, std::size_t b) { return entries_[a].id < entries_[b].id; })) {
      places_.insert(entries_[i].id, 0, {std::uint32_t(in_order.size())});
      in_order.push_back(std::move(entries_[i]));
    }
    entries_ = std::move(in_order);
  }
  /// Appends the added tokens in a text, and what is between them, to `out`.
  void cut(const NormalizedString& s, bool normalized, PreTokenizedString& out) const {
    std::size_t done = 0;
    const auto between = [&](std::size_t end) {
      const bool by_character = normalized && between_characters_;
      for (std::size_t n; done < end; done += n) {
        n = by_character ? detail::unicode::length(static_cast<unsigned char>(s.get()[done])) : end - done;
        out.emit({s.slice(done, done + n)});
      }
    };
    for (const auto& t : find_in(s.get(), normalized)) {
      between(t.begin);
      PreTokenizedString::piece p{s.slice(t.begin, t.end)};
      p.tokens.push_back({t.id, 0, p.text.size(), p.text.get()});
      p.tokenized = true;
      out.emit(std::move(p));
      done = t.end;
    }
    between(s.size());
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

  Vocabulary ids_, special_;    // texts; those of tokens that are special
  std::vector<entry> entries_;  // by id
  detail::pair_table places_;   // (id, 0) to the place in entries_
  detail::string_matcher raw_matcher_, normalized_matcher_;
  bool between_characters_ = false;  // a normalized token is the empty text
};

}  // namespace hft
