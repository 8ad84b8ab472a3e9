// tiktoken's vocabularies: a token's bytes in base64 and its rank a line (tokenizer.model of Llama 3's original
// folders, tiktoken.model). Transformers' TikTokenConverter makes a byte-level BPE of one.
#pragma once
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/base64.hpp>
#include <hft/tokenizers/byte_alphabet.hpp>
#include <hft/tokenizers/convert/vocabulary_files.hpp>
#include <hft/tokenizers/unicode.hpp>
#include <hft/tokenizers/vocabulary.hpp>

namespace hft::detail {

/// The pattern that TikTokenConverter cuts texts at, whatever the model: cl100k's, which is Llama 3's.
inline constexpr std::string_view tiktoken_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Whether a file's first line could be of a tiktoken vocabulary; no sentencepiece model starts so.
inline bool is_tiktoken(std::string_view text) {
  const auto line = text.substr(0, text.find('\n'));
  const auto space = line.find(' ');
  if (space == line.npos || space == 0) return false;
  return line.substr(0, space).find_first_not_of(cat(base64_digits, "=")) == line.npos &&
         line.substr(space + 1).find_first_not_of("0123456789\r") == line.npos;
}

/// Tokens as ByteLevel spells them, and their ranks as ids. Throws format_error, naming the line.
inline Vocabulary read_tiktoken(std::string_view text, const std::string& where) {
  Vocabulary ranks;
  std::vector<std::string> order;
  std::size_t bytes = 0;
  for_each_line(text, [&](std::string_view line, std::size_t number) {
    if (line.empty()) return;
    const auto at = cat(where, ": line ", number + 1);
    const auto space = line.find(' ');
    std::uint32_t rank = 0;
    const char* const end = line.data() + line.size();
    if (space == line.npos || space == 0 || std::from_chars(line.data() + space + 1, end, rank).ptr != end ||
        space + 1 == line.size() || rank > Vocabulary::max_id)
      throw format_error(at, "", "a token in base64 and its rank", quote_text(line.substr(0, 60)));
    std::string token;
    for (const char c : decode_base64(line.substr(0, space), at))
      token += unicode::encode(byte_alphabet.to_char[static_cast<unsigned char>(c)]);
    bytes += token.size();
    if (ranks.insert_latest(token, rank)) order.push_back(std::move(token));
  });
  Vocabulary out;
  out.reserve(order.size(), bytes);
  for (const auto& token : order) out.insert(token, *ranks.find(token));
  finish_vocabulary(out, where);
  return out;
}

}  // namespace hft::detail
