// Code points as the tokenizers library sees them: UTF-8 in and out, property bits, lowercase letters.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <hft/tokenizers/unicode_data.hpp>

namespace hft::detail::unicode {

/// The property bits (unicode_data.hpp) of a code point.
inline unsigned properties(char32_t c) {
  return c < 0x110000 ? property_bits[class_of[block_of[c >> 7]][c & 127]] : 0u;
}
inline bool is(char32_t c, unsigned mask) { return (properties(c) & mask) != 0; }

/// Bytes of the character that starts with `lead`, in well-formed UTF-8.
inline unsigned length(unsigned char lead) { return lead < 0x80 ? 1u : lead < 0xe0 ? 2u : lead < 0xf0 ? 3u : 4u; }

/// The code point at p in well-formed UTF-8; `n` receives its bytes.
inline char32_t decode(const char* p, unsigned& n) {
  const auto b = [p](int i) { return char32_t(static_cast<unsigned char>(p[i])); };
  const char32_t lead = b(0);
  n = length(static_cast<unsigned char>(lead));
  switch (n) {
    case 1:
      return lead;
    case 2:
      return (lead & 0x1f) << 6 | (b(1) & 0x3f);
    case 3:
      return (lead & 0x0f) << 12 | (b(1) & 0x3f) << 6 | (b(2) & 0x3f);
    default:
      return (lead & 0x07) << 18 | (b(1) & 0x3f) << 12 | (b(2) & 0x3f) << 6 | (b(3) & 0x3f);
  }
}

/// The code point that ends just before p; `n` receives its bytes.
inline char32_t decode_before(const char* p, unsigned& n) {
  const char* start = p - 1;
  while ((static_cast<unsigned char>(*start) & 0xc0) == 0x80) --start;
  return decode(start, n);
}

inline unsigned encoded_length(char32_t c) { return c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u; }

inline void append(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xc0 | c >> 6);
    out += char(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += char(0xe0 | c >> 12);
    out += char(0x80 | (c >> 6 & 0x3f));
    out += char(0x80 | (c & 0x3f));
  } else {
    out += char(0xf0 | c >> 18);
    out += char(0x80 | (c >> 12 & 0x3f));
    out += char(0x80 | (c >> 6 & 0x3f));
    out += char(0x80 | (c & 0x3f));
  }
}

inline std::string encode(char32_t c) {
  std::string out;
  append(out, c);
  return out;
}

inline bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// Code points in well-formed UTF-8.
inline std::size_t count(std::string_view text) {
  std::size_t n = 0;
  for (char c : text) n += !is_continuation(c);
  return n;
}

/// Calls f(code point, byte offset, bytes) for each character of well-formed UTF-8.
template <class F>
void for_each(std::string_view text, F f) {
  for (std::size_t i = 0; i < text.size();) {
    unsigned n;
    const char32_t c = decode(text.data() + i, n);
    f(c, i, n);
    i += n;
  }
}

/// Rust's char::to_lowercase for all but U+0130, which becomes `i` and U+0307.
inline char32_t lowercase(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const auto* end = lowercase_runs + std::size(lowercase_runs);
  const auto* run = std::upper_bound(lowercase_runs, end, c, [](char32_t x, const auto& r) { return x < r.first; });
  if (run == lowercase_runs) return c;
  --run;
  if (c > run->last || (c - run->first) % char32_t(run->step) != 0) return c;
  return char32_t(std::int64_t(c) + run->delta);
}

/// Bytes to text as Rust's String::from_utf8_lossy: each maximal broken part becomes U+FFFD.
/// A sequence cut off at the end of `bytes` is left out and its length returned, so that a stream can wait for the
/// rest.
inline std::size_t append_lossy(std::string& out, std::string_view bytes) {
  static constexpr char replacement[] = "\xef\xbf\xbd";
  const auto* s = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::size_t n = bytes.size();
  std::size_t i = 0, good = 0;  // [good, i) is well formed and not yet written
  while (i < n) {
    const unsigned char c = s[i];
    if (c < 0x80) {
      ++i;
      continue;
    }
    const unsigned want = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    unsigned have = want ? 1 : 0;
    while (have && have < want && i + have < n) {
      const unsigned char d = s[i + have];
      unsigned char low = 0x80, high = 0xbf;
      if (have == 1) {
        low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
      }
      if (d < low || d > high) break;
      ++have;
    }
    if (want && have == want) {
      i += want;
      continue;
    }
    out.append(bytes.substr(good, i - good));
    if (have && i + have == n) return have;
    out += replacement;
    i += have ? have : 1;
    good = i;
  }
  out.append(bytes.substr(good));
  return 0;
}

}  // namespace hft::detail::unicode
