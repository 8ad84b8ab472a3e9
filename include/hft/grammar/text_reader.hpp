// What the readers of grammars and regular expressions share: a place in a text, and errors that say where it is.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <hft/error.hpp>
#include <hft/grammar/code_points.hpp>
#include <hft/io/utf8.hpp>

namespace hft::grammars {

inline int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

class text_reader {
 protected:
  /// Throws format_error for text that is no UTF-8. `what` is what the text is, in errors.
  text_reader(std::string_view text, std::string where, std::string_view what)
      : text_(text), where_(std::move(where)), what_(what) {
    const std::size_t bad = detail::find_invalid_utf8(text);
    if (bad != std::string_view::npos)
      throw format_error(where_, what_, "UTF-8", detail::joined("other bytes at ", bad));
  }

  bool done() const { return at_ >= text_.size(); }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(char c) { return !done() && peek() == c ? (++at_, true) : false; }
  bool take(std::string_view s) { return text_.substr(at_, s.size()) == s ? (at_ += s.size(), true) : false; }

  /// One character; there is one.
  char32_t take_character() {
    const auto byte = [&] { return static_cast<unsigned char>(text_[at_++]); };
    const char32_t lead = byte();
    if (lead < 0x80) return lead;
    int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    char32_t c = lead & (0x3fu >> more);
    while (more-- > 0) c = c << 6 | (byte() & 0x3fu);
    return c;
  }
  /// `n` hexadecimal digits as a character.
  char32_t take_hex(int n) {
    char32_t code = 0;
    for (; n > 0; --n, ++at_) {
      const int digit = hex_digit(peek());
      if (digit < 0) fail("a hexadecimal digit");
      code = code << 4 | char32_t(digit);
      if (code > CodePoints::largest) fail("a character up to U+10FFFF", "a larger one");
    }
    return code;
  }
  /// A decimal number of at most `most`.
  std::uint32_t take_number(std::uint32_t most) {
    if (peek() < '0' || peek() > '9') fail("a number");
    std::uint64_t n = 0;
    while (peek() >= '0' && peek() <= '9') {
      n = n * 10 + std::uint64_t(peek() - '0');
      if (n > most) fail(detail::cat("a number of at most ", most), "a larger one");
      ++at_;
    }
    return std::uint32_t(n);
  }

  /// Line and column of a byte, from 1; columns count characters. Cheap where places come in order.
  std::pair<std::uint32_t, std::uint32_t> position(std::size_t at) {
    if (at < counted_) counted_ = 0, line_ = column_ = 1;
    for (; counted_ < at; ++counted_) {
      const char c = text_[counted_];
      if (c == '\n')
        ++line_, column_ = 1;
      else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80)
        ++column_;
    }
    return {line_, column_};
  }
  /// The place `at` for errors: "grammar:3:7".
  std::string place(std::size_t at) {
    const auto found = position(at);
    return detail::cat(where_, ":", found.first, ":", found.second);
  }
  [[noreturn]] void fail(std::string_view expected, std::string_view got = {}) {
    const std::string found = !got.empty() ? std::string(got)
                              : done()     ? std::string("the end")
                                           : detail::quote_text(text_.substr(at_, 1));
    throw format_error(place(at_), what_, expected, found);
  }
  [[noreturn]] void refuse(std::string_view what) { throw unsupported_error(place(at_), what); }

  std::string_view text_;
  std::string where_, what_;
  std::size_t at_ = 0;

 private:
  std::size_t counted_ = 0;
  std::uint32_t line_ = 1, column_ = 1;
};

}  // namespace hft::grammars
