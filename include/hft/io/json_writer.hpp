// JSON written as it comes, without building values first; to the byte as Rust's serde_json writes it.
#pragma once
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <hft/error.hpp>
#include <hft/io/json.hpp>

namespace hft::detail {

/// Writes JSON as it comes, on one line or with two spaces a level (as Rust's serde_json does).
class json_writer {
 public:
  explicit json_writer(bool pretty) : pretty_(pretty) {}
  std::string take() { return std::move(out_); }

  template <class Members>
  void object(Members members) {
    nested('{', '}', members);
  }
  template <class Elements>
  void array(Elements elements) {
    nested('[', ']', elements);
  }
  /// A member of the object being written; `value` is a value, or a function that writes it.
  template <class Value>
  void member(std::string_view key, const Value& value) {
    next();
    append_json_string(out_, key, false);
    out_ += pretty_ ? ": " : ":";
    put(value);
  }
  /// An element of the array being written.
  template <class Value>
  void element(const Value& value) {
    next();
    put(value);
  }

 private:
  template <class Inside>
  void nested(char open, char close, Inside& inside) {
    out_ += open;
    ++depth_;
    const bool outer = std::exchange(first_, true);
    inside();
    --depth_;
    if (!first_) new_line();
    first_ = outer;
    out_ += close;
  }
  void next() {
    if (!std::exchange(first_, false)) out_ += ',';
    new_line();
  }
  void new_line() {
    if (!pretty_) return;
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  template <class Value>
  void put(const Value& value) {
    if constexpr (std::is_invocable_v<const Value&>) {
      value();
    } else if constexpr (std::is_same_v<Value, std::nullptr_t>) {
      out_ += "null";
    } else if constexpr (std::is_convertible_v<const Value&, std::string_view>) {
      append_json_string(out_, value, false);
    } else if constexpr (std::is_floating_point_v<Value>) {
      number(value);
    } else if constexpr (requires { value.has_value(); }) {
      value ? put(*value) : put(nullptr);
    } else {
      append(out_, value);  // an integer or a bool
    }
  }

  // The shortest digits that read back equal; with an exponent from 1e+16 on and below 1e-5.
  template <class Float>
  void number(Float value) {
    if (!std::isfinite(value)) return put(nullptr);
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
    std::string_view text(buffer, std::size_t(end - buffer));
    if (text.starts_with('-')) out_ += '-', text.remove_prefix(1);
    const auto e = text.find('e');
    int exponent = 0;
    const bool negative = text[e + 1] == '-';
    std::from_chars(text.data() + e + 2, text.data() + text.size(), exponent);
    if (negative) exponent = -exponent;
    std::string digits(text.substr(0, 1));
    if (e > 2) digits += text.substr(2, e - 2);
    const int point = exponent + 1, n = int(digits.size());  // digits before the decimal point
    if (point > 16 || point <= -5) {
      out_ += digits[0];
      if (n > 1) out_.append(1, '.').append(digits, 1);
      out_ += cat('e', exponent < 0 ? "" : "+", exponent);
    } else if (point <= 0) {
      out_.append("0.").append(std::size_t(-point), '0').append(digits);
    } else if (n <= point) {
      out_.append(digits).append(std::size_t(point - n), '0').append(".0");
    } else {
      out_.append(digits, 0, std::size_t(point)).append(1, '.').append(digits, std::size_t(point));
    }
  }

  std::string out_;
  std::size_t depth_ = 0;
  bool pretty_, first_ = true;
};

}  // namespace hft::detail
