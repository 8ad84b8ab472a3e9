// WordPiece: continuations lose their prefix, other tokens get a space before them.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/tokenizers/decoders/decoder.hpp>

namespace hft {
namespace detail {

inline void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) {  // as Rust's str::replace: before every character and at the end
    std::string out(to);
    for (std::size_t i = 0; i < text.size(); ++i) {
      out += text[i];
      if (i + 1 == text.size() || (static_cast<unsigned char>(text[i + 1]) & 0xc0) != 0x80) out += to;
    }
    text = std::move(out);
    return;
  }
  std::size_t at = text.find(from);
  if (at == std::string::npos) return;
  std::string out;
  std::size_t last = 0;
  for (; at != std::string::npos; at = text.find(from, last)) {
    out.append(text, last, at - last);
    out += to;
    last = at + from.size();
  }
  out.append(text, last);
  text = std::move(out);
}

/// Takes the spaces of tokenization out again: before punctuation and in English contractions. `do not` becomes
/// `don't` in the WordPiece decoder and not in Transformers' clean_up_tokenization.
inline void clean_up_tokenization(std::string& text, bool contract_do_not = true) {
  if (text.find(' ') == std::string::npos) return;
  constexpr std::pair<std::string_view, std::string_view> rules[] = {
      {" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}};
  constexpr std::pair<std::string_view, std::string_view> late[] = {{" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : rules) replace_all(text, from, to);
  if (contract_do_not) replace_all(text, " do not", " don't");
  for (const auto& [from, to] : late) replace_all(text, from, to);
}

}  // namespace detail

namespace decoders {

struct WordPiece final : Decoder {
  std::string prefix = "##";
  bool cleanup = true;

  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      auto& t = tokens[i];
      if (i != 0) {
        if (t.starts_with(prefix)) {
          t.erase(0, prefix.size());
        } else {
          t.insert(0, 1, ' ');
        }
      }
      if (cleanup) detail::clean_up_tokenization(t);
    }
    return tokens;
  }
};

}  // namespace decoders
}  // namespace hft
