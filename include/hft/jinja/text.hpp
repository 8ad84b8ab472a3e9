// Python's str over UTF-8: code points, character classes, case, stripping, splitting, repr. Every function takes and
// returns UTF-8; lengths and positions are in code points. A malformed byte counts as one character.
#pragma once
#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/jinja/unicode_tables.hpp>

namespace hft::detail::jinja {

// ---- code points ----

/// Bytes of the character that starts at s[i].
inline std::size_t char_bytes(std::string_view s, std::size_t i) {
  const auto lead = static_cast<unsigned char>(s[i]);
  const std::size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
  if (i + n > s.size()) return 1;
  for (std::size_t k = 1; k < n; ++k)
    if ((static_cast<unsigned char>(s[i + k]) & 0xC0) != 0x80) return 1;
  return n;
}

/// The character that starts at s[i]; i moves behind it. A malformed byte reads as U+FFFD.
inline char32_t next_char(std::string_view s, std::size_t& i) {
  const std::size_t n = char_bytes(s, i);
  const auto byte = [&](std::size_t k) { return static_cast<char32_t>(static_cast<unsigned char>(s[i + k])); };
  char32_t c = byte(0);
  if (n == 1 && c >= 0x80) c = 0xFFFD;
  if (n == 2) c = (c & 0x1F) << 6 | (byte(1) & 0x3F);
  if (n == 3) c = (c & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  if (n == 4) c = (c & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  i += n;
  return c;
}

/// Surrogates are encoded like other characters, as Python's strings may hold them.
inline void append_char(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

inline std::u32string to_chars32(std::string_view s) {
  std::u32string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < s.size();) out += next_char(s, i);
  return out;
}

inline std::string to_utf8(std::u32string_view s) {
  std::string out;
  out.reserve(s.size());
  for (char32_t c : s) append_char(out, c);
  return out;
}

inline std::size_t char_count(std::string_view s) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < s.size(); ++n) i += static_cast<unsigned char>(s[i]) < 0x80 ? 1 : char_bytes(s, i);
  return n;
}

/// The byte at which character `index` starts; s.size() behind the end.
inline std::size_t byte_offset(std::string_view s, std::size_t index) {
  std::size_t i = 0;
  while (index && i < s.size()) i += char_bytes(s, i), --index;
  return i;
}

// ---- character classes, as Python's str.isX has them ----

template <std::size_t N>
bool contains(const code_point_range (&ranges)[N], char32_t c) {
  std::size_t low = 0, high = N;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (c > ranges[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  return low < N && c >= ranges[low].first;
}

inline utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

inline bool is_space(char32_t c) {
  if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}
inline bool is_alpha(char32_t c) {
  if (c < 0x80) return (c | 32) >= 'a' && (c | 32) <= 'z';
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}
inline bool is_decimal(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND; }
inline bool is_digit(char32_t c) { return is_decimal(c) || (c >= 0x80 && contains(other_digit, c)); }
inline bool is_numeric(char32_t c) {
  return is_decimal(c) || (c >= 0x80 && (category(c) == UTF8PROC_CATEGORY_NL || contains(other_numeric, c)));
}
inline bool is_alnum(char32_t c) { return is_alpha(c) || is_numeric(c); }
/// `\w` of Python's re.
inline bool is_word(char32_t c) { return c == '_' || is_alnum(c); }
inline bool is_lower(char32_t c) {
  return c < 0x80 ? c >= 'a' && c <= 'z' : category(c) == UTF8PROC_CATEGORY_LL || contains(other_lowercase, c);
}
inline bool is_upper(char32_t c) {
  return c < 0x80 ? c >= 'A' && c <= 'Z' : category(c) == UTF8PROC_CATEGORY_LU || contains(other_uppercase, c);
}
inline bool is_title(char32_t c) { return c >= 0x80 && category(c) == UTF8PROC_CATEGORY_LT; }
inline bool is_cased(char32_t c) { return is_lower(c) || is_upper(c) || is_title(c); }
inline bool is_printable(char32_t c) {
  if (c < 0x80) return c >= 0x20 && c != 0x7F;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}
/// str.splitlines' line ends.
inline bool is_line_end(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/// All characters satisfy `predicate`, and there is one.
template <class Predicate>
bool all_chars(std::string_view s, Predicate predicate) {
  for (std::size_t i = 0; i < s.size();)
    if (!predicate(next_char(s, i))) return false;
  return !s.empty();
}

inline bool is_identifier(std::string_view s) {
  bool first = true;
  for (std::size_t i = 0; i < s.size(); first = false) {
    const char32_t c = next_char(s, i);
    if (c == '_' || is_alpha(c) || (c >= 0x80 && category(c) == UTF8PROC_CATEGORY_NL)) continue;
    const auto k = c < 0x80 ? UTF8PROC_CATEGORY_CN : category(c);
    const bool follows = is_decimal(c) || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC ||
                         k == UTF8PROC_CATEGORY_PC || c == 0xB7 || c == 0x387;
    if (first || !follows) return false;
  }
  return !s.empty();
}

// ---- case ----

template <std::size_t N>
const special_case* find_special(const special_case (&table)[N], char32_t c) {
  std::size_t low = 0, high = N;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (table[middle].from < c)
      low = middle + 1;
    else
      high = middle;
  }
  return low < N && table[low].from == c ? &table[low] : nullptr;
}

inline void append_special(std::string& out, const special_case& to) {
  for (char32_t c : to.to)
    if (c) append_char(out, c);
}

inline void append_upper(std::string& out, char32_t c) {
  if (c < 0x80)
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  else if (const auto* special = find_special(special_upper, c))
    append_special(out, *special);
  else
    append_char(out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
}

inline void append_title(std::string& out, char32_t c) {
  if (c < 0x80)
    append_upper(out, c);
  else if (const auto* special = find_special(special_title, c))
    append_special(out, *special);
  else
    append_char(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
}

/// Case_Ignorable of Unicode, which the final sigma rule looks through.
inline bool is_case_ignorable(char32_t c) {
  switch (c) {
    case 0x27:
    case 0x2E:
    case 0x3A:
    case 0xB7:
    case 0x387:
    case 0x55F:
    case 0x5F4:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
    case 0xFE13:
    case 0xFE52:
    case 0xFE55:
    case 0xFF07:
    case 0xFF0E:
    case 0xFF1A:
      return true;
    default:
      break;
  }
  const auto k = category(c);
  return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
         k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK;
}

/// Lower case of s[i], where s is the whole string: a capital sigma at the end of a word becomes the final one.
inline void append_lower(std::string& out, std::u32string_view s, std::size_t i) {
  const char32_t c = s[i];
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (c == 0x130) {  // the one character whose lower case is longer
    append_char(out, 'i');
    append_char(out, 0x307);
  } else if (c == 0x3A3) {
    std::size_t before = i, after = i + 1;
    while (before > 0 && is_case_ignorable(s[before - 1])) --before;
    while (after < s.size() && is_case_ignorable(s[after])) ++after;
    const bool final = before > 0 && is_cased(s[before - 1]) && !(after < s.size() && is_cased(s[after]));
    append_char(out, final ? 0x3C2 : 0x3C3);
  } else {
    append_char(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

inline std::string upper(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < s.size();) append_upper(out, next_char(s, i));
  return out;
}

inline std::string lower(std::string_view s) {
  const std::u32string chars = to_chars32(s);
  std::string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < chars.size(); ++i) append_lower(out, chars, i);
  return out;
}

inline std::string capitalize(std::string_view s) {
  const std::u32string chars = to_chars32(s);
  std::string out;
  for (std::size_t i = 0; i < chars.size(); ++i) i ? append_lower(out, chars, i) : append_title(out, chars[i]);
  return out;
}

/// str.title: a letter is capital where no cased letter stands before it.
inline std::string title(std::string_view s) {
  const std::u32string chars = to_chars32(s);
  std::string out;
  bool inside = false;
  for (std::size_t i = 0; i < chars.size(); ++i) {
    inside ? append_lower(out, chars, i) : append_title(out, chars[i]);
    inside = is_cased(chars[i]);
  }
  return out;
}

inline std::string swapcase(std::string_view s) {
  const std::u32string chars = to_chars32(s);
  std::string out;
  for (std::size_t i = 0; i < chars.size(); ++i) {
    if (is_upper(chars[i]))
      append_lower(out, chars, i);
    else if (is_lower(chars[i]))
      append_upper(out, chars[i]);
    else
      append_char(out, chars[i]);
  }
  return out;
}

// ---- stripping and splitting ----

enum class side { both, left, right };

/// Strips the characters of `chars`, or white space where there is none.
inline std::string_view strip(std::string_view s, side where = side::both, std::optional<std::string_view> chars = {}) {
  const std::u32string set = chars ? to_chars32(*chars) : std::u32string();
  const auto drop = [&](char32_t c) { return chars ? set.find(c) != std::u32string::npos : is_space(c); };
  if (where != side::right) {
    std::size_t i = 0;
    while (i < s.size()) {
      std::size_t next = i;
      if (!drop(next_char(s, next))) break;
      i = next;
    }
    s.remove_prefix(i);
  }
  if (where != side::left) {
    while (!s.empty()) {
      std::size_t start = s.size() - 1;
      while (start > 0 && s.size() - start < 4 && (static_cast<unsigned char>(s[start]) & 0xC0) == 0x80) --start;
      if (start + char_bytes(s, start) != s.size()) start = s.size() - 1;  // malformed: one byte
      std::size_t next = start;
      if (!drop(next_char(s, next))) break;
      s.remove_suffix(s.size() - start);
    }
  }
  return s;
}

/// str.split without a separator; `limit` pieces are cut off, the rest stays whole. From the right for rsplit.
inline std::vector<std::string_view> split_spaces(std::string_view s, std::size_t limit, bool from_right) {
  std::vector<std::string_view> out;
  if (!from_right) {
    for (s = strip(s, side::left); !s.empty(); s = strip(s, side::left)) {
      if (out.size() == limit) {
        out.push_back(s);
        break;
      }
      std::size_t i = 0, next = 0;
      while (i < s.size() && !is_space(next_char(s, next))) i = next;
      out.push_back(s.substr(0, i));
      s.remove_prefix(i);
    }
    return out;
  }
  std::vector<std::string_view> words = split_spaces(s, std::string_view::npos, false);
  if (words.size() > limit) {
    const std::size_t kept = words.size() - limit;  // words that stay together, with the space between them
    const auto head =
        std::string_view(s.data(), std::size_t(words[kept - 1].data() + words[kept - 1].size() - s.data()));
    out.push_back(head);
    out.insert(out.end(), words.begin() + std::ptrdiff_t(kept), words.end());
    return out;
  }
  return words;
}

/// str.split by a separator that is not empty.
inline std::vector<std::string_view> split(std::string_view s, std::string_view by, std::size_t limit,
                                           bool from_right) {
  std::vector<std::string_view> out;
  if (!from_right) {
    for (std::size_t at; out.size() < limit && (at = s.find(by)) != std::string_view::npos;) {
      out.push_back(s.substr(0, at));
      s.remove_prefix(at + by.size());
    }
    out.push_back(s);
    return out;
  }
  for (std::size_t at; out.size() < limit && (at = s.rfind(by)) != std::string_view::npos;) {
    out.push_back(s.substr(at + by.size()));
    s = s.substr(0, at);
  }
  out.push_back(s);
  return {out.rbegin(), out.rend()};
}

inline std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends) {
  std::vector<std::string_view> out;
  std::size_t start = 0;
  for (std::size_t i = 0; i < s.size();) {
    const std::size_t at = i;
    const char32_t c = next_char(s, i);
    if (!is_line_end(c)) continue;
    if (c == '\r' && i < s.size() && s[i] == '\n') ++i;
    out.push_back(s.substr(start, (keep_ends ? i : at) - start));
    start = i;
  }
  if (start < s.size()) out.push_back(s.substr(start));
  return out;
}

// ---- repr ----

inline void append_hex(std::string& out, std::uint32_t x, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[x >> shift & 15];
}

/// repr(str): single quotes unless only they occur inside.
inline std::string repr(std::string_view s) {
  const bool use_double = s.find('\'') != std::string_view::npos && s.find('"') == std::string_view::npos;
  const char quote = use_double ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t i = 0; i < s.size();) {
    const std::size_t at = i;
    const char32_t c = next_char(s, i);
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      out += s.substr(at, i - at);
    } else if (c < 0x100) {
      out += "\\x";
      append_hex(out, c, 2);
    } else if (c < 0x10000) {
      out += "\\u";
      append_hex(out, c, 4);
    } else {
      out += "\\U";
      append_hex(out, c, 8);
    }
  }
  return out += quote;
}

/// markupsafe.escape
inline std::string escape_html(std::string_view s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace hft::detail::jinja
