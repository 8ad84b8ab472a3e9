// GPT-2's reversible spelling of bytes as printable characters (`bytes_to_unicode`): space is U+0120, and so on.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <hft/tokenizers/unicode.hpp>

namespace hft::detail {

struct byte_alphabet_tables {
  std::array<char16_t, 256> to_char{};
  std::array<std::int16_t, 0x144> to_byte{};  // -1: not a byte's character
  constexpr byte_alphabet_tables() {
    for (auto& b : to_byte) b = -1;
    char16_t next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      to_char[std::size_t(b)] = printable ? char16_t(b) : next++;
      to_byte[to_char[std::size_t(b)]] = std::int16_t(b);
    }
  }
};
inline constexpr byte_alphabet_tables byte_alphabet{};

/// The byte a character spells, or -1.
inline int byte_of(char32_t c) { return c < byte_alphabet.to_byte.size() ? byte_alphabet.to_byte[c] : -1; }

/// Appends the bytes that `token` spells. False, with `out` as it was, where a character of it spells none.
inline bool append_bytes_of(std::string& out, std::string_view token) {
  const std::size_t size = out.size();
  for (std::size_t i = 0; i < token.size();) {
    unsigned n;
    const int b = byte_of(unicode::decode(token.data() + i, n));
    if (b < 0) {
      out.resize(size);
      return false;
    }
    out += char(b);
    i += n;
  }
  return true;
}

}  // namespace hft::detail
