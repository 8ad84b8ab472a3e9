// Texts as sentence-transformers' older modules see them: words between spaces.
// sentence_transformers/sentence_transformer/modules/tokenizer/whitespace.py
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/linkage.hpp>
#include <hft/tokenizers/normalized_string.hpp>
#include <hft/tokenizers/unicode.hpp>

namespace hft {
namespace detail {

/// As tokenizers' Lowercase.
std::string lower_case(std::string_view text);

/// Words between spaces, without the punctuation around them where they are not known with it.
/// sentence_transformer/modules/tokenizer/whitespace.py
struct sentence_words {
  std::unordered_map<std::string, i64> ids{};
  std::unordered_set<std::string> stop_words{};
  bool do_lower_case = false;

  /// Ids of a text's words; those that are not known are left out.
  std::vector<i64> operator()(std::string_view text) const;
};

/// Ids are places in the vocabulary; of a word that is there twice, the last.
sentence_words words_of(const std::vector<std::string>& vocabulary);

}  // namespace detail

#if HFT_DEFINES(MODELS)

namespace detail {

// UTF-8, whatever the text is.
inline std::string sound_text(std::string_view text) {
  std::string sound;
  unicode::append_lossy(sound, text);
  return sound;
}

HFT_INLINE std::string lower_case(std::string_view text) {
  NormalizedString normalized(sound_text(text), false);
  normalized.lowercase();
  return normalized.get();
}

// What Python's str.split() splits at.
inline bool is_python_space(char32_t c) { return unicode::is(c, unicode::space) || (c >= 0x1c && c <= 0x1f); }

HFT_INLINE std::vector<i64> sentence_words::operator()(std::string_view text) const {
  const std::string sound = do_lower_case ? lower_case(text) : sound_text(text);
  std::vector<i64> out;
  const auto take = [&](const std::string& word) {  // whether it is known, or to be left out
    if (stop_words.contains(word)) return true;
    const auto found = ids.find(word);
    if (found == ids.end()) return false;
    out.push_back(found->second);
    return true;
  };
  for (std::size_t begin = 0, at = 0; at <= sound.size();) {
    unsigned n = 1;
    const bool ends = at == sound.size() || is_python_space(unicode::decode(sound.data() + at, n));
    if (ends && at > begin) {
      std::string word = sound.substr(begin, at - begin);
      if (!take(word)) {
        const auto punctuation = [](char c) { return unsigned(c) < 0x80 && std::ispunct(c); };
        word.erase(word.begin(), std::find_if_not(word.begin(), word.end(), punctuation));
        word.erase(std::find_if_not(word.rbegin(), word.rend(), punctuation).base(), word.end());
        if (!take(word)) take(lower_case(word));
      }
    }
    at += n;
    if (ends) begin = at;
  }
  return out;
}

HFT_INLINE sentence_words words_of(const std::vector<std::string>& vocabulary) {
  sentence_words words;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) words.ids[vocabulary[i]] = i64(i);
  return words;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
