// Source of a template -> tokens, as jinja2.lexer does with trim_blocks and lstrip_blocks on: which white space around
// tags belongs to the text is decided here.
#pragma once
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <hft/jinja/value.hpp>

namespace hft::detail::jinja {

enum class token_kind : std::uint8_t {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  floating,
  op,
  eof,
};

struct token {
  token_kind kind = token_kind::eof;
  int line = 1;
  std::string text;  // of data, names, operators; the decoded value of a string
  std::int64_t integer = 0;
  double number = 0;
};

/// Throws template_error with the line.
struct syntax_failure {
  std::string message;
  int line;
};

class lexer {
 public:
  explicit lexer(std::string_view source) {
    source_.reserve(source.size());  // every line end becomes \n, and the last one goes
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r') {
        source_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        source_ += source[i];
      }
    }
    if (!source_.empty() && source_.back() == '\n') source_.pop_back();
  }

  std::vector<token> run() {
    while (at_ < source_.size()) text_until_tag();
    push(token_kind::eof, {});
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string message) const { throw syntax_failure{std::move(message), line_}; }
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool looking_at(std::string_view s) const { return rest().starts_with(s); }

  token& push(token_kind k, std::string text) {
    tokens_.emplace_back();
    tokens_.back().kind = k;
    tokens_.back().line = line_;
    tokens_.back().text = std::move(text);
    return tokens_.back();
  }

  void advance(std::size_t n) {
    for (std::size_t end = at_ + n; at_ < end; ++at_) line_ += source_[at_] == '\n';
  }

  /// Bytes of white space from `from` on.
  std::size_t spaces(std::size_t from) const {
    const std::string_view s = std::string_view(source_).substr(std::min(from, source_.size()));
    return s.size() - strip(s, side::left).size();
  }

  /// Text before a tag: `-` strips all white space before it, otherwise that of a line with nothing else in front.
  std::string_view before_tag(std::string_view text, char sign, bool variable) const {
    if (sign == '-') return strip(text, side::right);
    if (sign == '+' || variable) return text;
    const std::size_t line_start = text.rfind('\n') + 1;  // npos + 1 is 0
    if ((line_start > 0 || line_starting_) && line_start < text.size() && strip(text.substr(line_start)).empty())
      return text.substr(0, line_start);
    return text;
  }

  static char sign_at(std::string_view s, std::size_t i) {
    return i < s.size() && (s[i] == '-' || s[i] == '+') ? s[i] : 0;
  }

  void text_until_tag() {
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        push(token_kind::data, std::string(rest()));
        advance(rest().size());
        return;
      }
      const char c = source_[tag + 1];
      if (c == '{' || c == '%' || c == '#') break;
    }
    const char what = source_[tag + 1], sign = sign_at(source_, tag + 2);
    const std::string_view raw_text = rest().substr(0, tag - at_);
    const std::string_view text = before_tag(raw_text, sign, what == '{');
    if (!text.empty()) push(token_kind::data, std::string(text));
    advance(tag - at_);
    if (what == '%') {
      if (const std::size_t n = raw_begin()) {
        advance(n);
        line_starting_ = source_[at_ - 1] == '\n';
        raw();
        return;
      }
    }
    advance(2 + (sign ? 1 : 0));
    line_starting_ = false;
    if (what == '#')
      comment();
    else
      tag_tokens(what == '{');
  }

  /// Length of `{%- raw -%}` here, or 0.
  std::size_t raw_begin() const {
    std::size_t i = at_ + 2 + (sign_at(source_, at_ + 2) ? 1 : 0);
    i += spaces(i);
    if (std::string_view(source_).substr(i, 3) != "raw") return 0;
    i += 3;
    i += spaces(i);
    const std::string_view end = std::string_view(source_).substr(i);
    if (end.starts_with("-%}")) return i + 3 + spaces(i + 3) - at_;
    return end.starts_with("%}") ? i + 2 - at_ : 0;
  }

  void raw() {
    for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 1)) {
      const char sign = sign_at(source_, tag + 2);
      std::size_t i = tag + 2 + (sign ? 1 : 0);
      i += spaces(i);
      if (std::string_view(source_).substr(i, 6) != "endraw") continue;
      i += 6;
      i += spaces(i);
      const std::string_view end = std::string_view(source_).substr(i);
      if (end.starts_with("+%}"))
        i += 3;
      else if (end.starts_with("-%}"))
        i += 3 + spaces(i + 3);
      else if (end.starts_with("%}"))
        i += 2 + (end.substr(2).starts_with("\n") ? 1 : 0);
      else
        continue;
      const std::string_view text = before_tag(rest().substr(0, tag - at_), sign, false);
      if (!text.empty()) push(token_kind::data, std::string(text));
      advance(i - at_);
      line_starting_ = source_[at_ - 1] == '\n';
      return;
    }
    fail("Missing end of raw directive");
  }

  void comment() {
    for (std::size_t i = at_; (i = source_.find("#}", i)) != std::string::npos; ++i) {
      const char before = i > at_ ? source_[i - 1] : 0;
      std::size_t end = i + 2;
      if (before == '-')
        end += spaces(end);
      else if (before != '+' && end < source_.size() && source_[end] == '\n')
        ++end;
      advance(end - at_);
      line_starting_ = source_[at_ - 1] == '\n';
      return;
    }
    fail("Missing end of comment tag");
  }

  void tag_tokens(bool variable) {
    push(variable ? token_kind::variable_begin : token_kind::block_begin, {});
    std::string open;  // brackets to be closed, innermost last
    while (at_ < source_.size()) {
      if (open.empty() && tag_end(variable)) return;
      if (const std::size_t n = spaces(at_)) {
        advance(n);
        continue;
      }
      const char c = source_[at_];
      if (c >= '0' && c <= '9') {
        number();
      } else if (c == '\'' || c == '"') {
        string(c);
      } else if (const std::size_t n = name_length()) {
        const std::string_view name = rest().substr(0, n);
        if (!is_identifier(name)) fail("Invalid character in identifier");
        push(token_kind::name, std::string(name));
        at_ += n;
      } else {
        operation(open);
      }
    }
  }

  bool tag_end(bool variable) {
    const std::string_view end = variable ? "}}" : "%}";
    std::size_t n = 0;
    if (looking_at(end))
      n = 2 + (!variable && rest().substr(2).starts_with("\n") ? 1 : 0);
    else if (looking_at("-") && rest().substr(1).starts_with(end))
      n = 3 + spaces(at_ + 3);
    else if (!variable && looking_at("+%}"))
      n = 3;
    if (!n) return false;
    push(variable ? token_kind::variable_end : token_kind::block_end, {});
    advance(n);
    line_starting_ = source_[at_ - 1] == '\n';
    return true;
  }

  std::size_t name_length() const {
    std::size_t i = at_;
    while (i < source_.size()) {
      std::size_t next = i;
      const char32_t c = next_char(source_, next);
      const bool mark = c >= 0x80 && (category(c) == UTF8PROC_CATEGORY_MN || category(c) == UTF8PROC_CATEGORY_MC);
      if (!is_word(c) && !mark) break;
      i = next;
    }
    return i - at_;
  }

  void operation(std::string& open) {
    static constexpr std::string_view pairs[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view singles = "+-/*%~[](){}><=.:|,;";
    for (std::string_view pair : pairs)
      if (looking_at(pair)) {
        push(token_kind::op, std::string(pair));
        at_ += 2;
        return;
      }
    const char c = source_[at_];
    if (singles.find(c) == std::string_view::npos)
      fail(cat("unexpected char ", repr(rest().substr(0, char_bytes(source_, at_)))));
    if (c == '{' || c == '(' || c == '[') {
      open += c == '{' ? '}' : c == '(' ? ')' : ']';
    } else if (c == '}' || c == ')' || c == ']') {
      if (open.empty()) fail(cat("unexpected '", c, "'"));
      if (open.back() != c) fail(cat("unexpected '", c, "', expected '", open.back(), "'"));
      open.pop_back();
    }
    push(token_kind::op, std::string(1, c));
    ++at_;
  }

  /// Digits with single underscores between them, of a base; the number of bytes.
  std::size_t digits(std::size_t from, int base) const {
    const auto is = [&](std::size_t i) {
      if (i >= source_.size()) return false;
      const char c = source_[i];
      const int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
      return d < base;
    };
    std::size_t i = from;
    while (is(i) || (i > from && source_[i - 1] != '_' && i < source_.size() && source_[i] == '_' && is(i + 1))) ++i;
    return i - from;
  }

  void number() {
    const std::size_t whole = digits(at_, 10);
    std::size_t end = at_ + whole;
    bool floating = false;
    if (at_ == 0 || source_[at_ - 1] != '.') {
      if (end < source_.size() && source_[end] == '.')
        if (const std::size_t fraction = digits(end + 1, 10)) end += 1 + fraction, floating = true;
      if (end < source_.size() && (source_[end] | 32) == 'e') {
        const std::size_t sign = sign_at(source_, end + 1) ? 1 : 0;
        if (const std::size_t exponent = digits(end + 1 + sign, 10)) end += 1 + sign + exponent, floating = true;
      }
    }
    int base = 10;
    if (!floating) {
      end = at_ + whole;
      if (source_[at_] == '0') {
        const char kind = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 32) : 0;
        const int prefixed = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
        // 0x_1f is allowed: an underscore may follow the prefix
        const std::size_t skip = prefixed && at_ + 2 < source_.size() && source_[at_ + 2] == '_' ? 3 : 2;
        const std::size_t n = prefixed ? digits(at_ + skip, prefixed) : 0;
        if (n) {
          base = prefixed;
          end = at_ + skip + n;
        } else {  // 0, 00, 0_0; other digits behind it are a token of their own
          end = at_ + 1;
          while (end < source_.size() &&
                 (source_[end] == '0' || (source_[end] == '_' && end + 1 < source_.size() && source_[end + 1] == '0')))
            ++end;
        }
      }
    }
    std::string plain;
    for (std::size_t i = at_; i < end; ++i)
      if (source_[i] != '_') plain += source_[i];
    token& t = push(floating ? token_kind::floating : token_kind::integer, std::string(rest().substr(0, end - at_)));
    const char* first = plain.data() + (base == 10 ? 0 : 2);
    if (floating) {
      if (std::from_chars(first, plain.data() + plain.size(), t.number).ec == std::errc::result_out_of_range)
        t.number = plain.find("e-") == std::string::npos && plain.find("E-") == std::string::npos ? HUGE_VAL : 0.0;
    } else if (std::from_chars(first, plain.data() + plain.size(), t.integer, base).ec != std::errc{}) {
      fail(cat("the integer ", plain, " does not fit into 64 bits"));
    }
    at_ = end;
  }

  void string(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size())
      fail(cat("unexpected char ", repr(std::string_view(&quote, 1)), ": the string does not end"));
    push(token_kind::string, unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
    advance(end + 1 - at_);
  }

  /// Python's unicode-escape over a string whose other characters were escaped first.
  std::string unescape(std::string_view s) const {
    std::string out;
    for (std::size_t i = 0; i < s.size();) {
      if (s[i] != '\\' || i + 1 == s.size()) {
        out += s[i++];
        continue;
      }
      const char c = s[++i];
      ++i;
      switch (c) {
        case '\n':
          break;
        case '\\':
        case '\'':
        case '"':
          out += c;
          break;
        case 'a':
          out += '\a';
          break;
        case 'b':
          out += '\b';
          break;
        case 'f':
          out += '\f';
          break;
        case 'n':
          out += '\n';
          break;
        case 'r':
          out += '\r';
          break;
        case 't':
          out += '\t';
          break;
        case 'v':
          out += '\v';
          break;
        case 'x':
          append_char(out, hex(s, i, 2));
          break;
        case 'u':
          append_char(out, hex(s, i, 4));
          break;
        case 'U':
          append_char(out, hex(s, i, 8));
          break;
        case 'N':
          fail("characters by name are not supported in strings");
        case '0':
        case '1':
        case '2':
        case '3':
        case '4':
        case '5':
        case '6':
        case '7': {
          char32_t octal = static_cast<char32_t>(c - '0');
          for (int n = 1; n < 3 && i < s.size() && s[i] >= '0' && s[i] <= '7'; ++n)
            octal = octal * 8 + char32_t(s[i++] - '0');
          append_char(out, octal);
          break;
        }
        default:
          out += '\\';
          if (static_cast<unsigned char>(c) < 0x80) {
            out += c;
          } else {  // jinja2 escapes the character first, and the backslash before it then stands for itself
            --i;
            const char32_t wide = next_char(s, i);
            out += wide < 0x100 ? "x" : wide < 0x10000 ? "u" : "U";
            append_hex(out, wide, wide < 0x100 ? 2 : wide < 0x10000 ? 4 : 8);
          }
      }
    }
    return out;
  }

  char32_t hex(std::string_view s, std::size_t& i, std::size_t n) const {
    std::uint32_t out = 0;
    const std::string_view digits = s.substr(i, n);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, 16);
    if (digits.size() < n || error != std::errc{} || end != digits.data() + n || out > 0x10FFFF)
      fail(n == 2 ? "truncated \\xXX escape" : n == 4 ? "truncated \\uXXXX escape" : "illegal Unicode character");
    i += n;
    return out;
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the last tag or text ended a line
  std::vector<token> tokens_;
};

}  // namespace hft::detail::jinja
