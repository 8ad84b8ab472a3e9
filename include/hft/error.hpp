// Every failure of the library is an hft::error: what failed, where, what was expected, what was found.
// The library never aborts, exits or prints; it throws one of these types and leaves its arguments as they were.
#pragma once
#include <charconv>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace hft {

namespace detail {

inline void append(std::string& out, std::string_view s) { out += s; }
inline void append(std::string& out, char c) { out += c; }
template <std::same_as<bool> B>  // a template, so that no pointer converts to it
void append(std::string& out, B b) {
  out += b ? "true" : "false";
}

template <class N>
requires((std::integral<N> || std::floating_point<N>)&&!std::same_as<N, bool> &&
         !std::same_as<N, char>) void append(std::string& out, N n) {
  char buffer[48];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, n).ptr;
  out.append(buffer, end);
}

/// A part of a message, before it is text. Messages are put together in hundreds of places; with the types of their
/// parts erased the joining is compiled once.
class message_part {
 public:
  message_part(std::string_view s) : text_(s), kind_(text) {}    // NOLINT: parts are what cat takes
  message_part(const char* s) : text_(s), kind_(text) {}         // NOLINT
  message_part(const std::string& s) : text_(s), kind_(text) {}  // NOLINT
  template <class N>
  requires std::is_arithmetic_v<N> message_part(N n) {  // NOLINT
    if constexpr (std::is_same_v<N, char>)
      integer_ = n, kind_ = character;
    else if constexpr (std::is_same_v<N, bool>)
      text_ = n ? "true" : "false", kind_ = text;
    else if constexpr (std::is_same_v<N, float>)
      single_ = n, kind_ = single;
    else if constexpr (std::is_floating_point_v<N>)
      floating_ = double(n), kind_ = floating;
    else if constexpr (std::is_signed_v<N>)
      integer_ = n, kind_ = integer;
    else
      unsigned_ = n, kind_ = natural;
  }

  [[gnu::cold, gnu::noinline]] static std::string join(std::initializer_list<message_part> parts) {
    std::string out;
    for (const auto& p : parts) switch (p.kind_) {
        case text:
          append(out, p.text_);
          break;
        case character:
          append(out, char(p.integer_));
          break;
        case integer:
          append(out, p.integer_);
          break;
        case natural:
          append(out, p.unsigned_);
          break;
        case single:  // with its own shortest digits
          append(out, p.single_);
          break;
        case floating:
          append(out, p.floating_);
          break;
      }
    return out;
  }

 private:
  union {
    std::string_view text_;
    long long integer_;
    unsigned long long unsigned_;
    float single_;
    double floating_;
  };
  enum { text, character, integer, natural, single, floating } kind_;
};

/// Joins strings, characters, booleans and numbers into one string, without locale or streams.
template <class... Parts>
[[gnu::always_inline]] inline std::string cat(const Parts&... parts) {
  return message_part::join({message_part(parts)...});
}

/// A shape as it is written in messages: `(2, 7, 512)`.
template <class Extents>
[[gnu::cold, gnu::noinline]] std::string shape_text(const Extents& extents) {
  std::string out = "(";
  bool first = true;
  for (auto e : extents) {
    if (!std::exchange(first, false)) out += ", ";
    append(out, e);
  }
  return out += ")";
}

}  // namespace detail

/// The base of all errors. Reads `[where] what: expected E, got G`; parts that do not apply are empty and left out.
///   where     the op, file or class that found it: "linear", "model.safetensors", "LlamaConfig"
///   what      the thing that is wrong: "tensor 'lm_head.weight'", "unexpected end of file"
class error : public std::runtime_error {
 public:
  // Views, and out of line: an error is made in hundreds of places, and should cost each of them little code.
  [[gnu::cold, gnu::noinline]] explicit error(std::string_view where, std::string_view what,
                                              std::string_view expected = {}, std::string_view got = {})
      : std::runtime_error(text(where, what, expected, got)),
        where_(where),
        what_(what),
        expected_(expected),
        got_(got) {}

  const std::string& where() const noexcept { return where_; }
  const std::string& subject() const noexcept { return what_; }
  const std::string& expected() const noexcept { return expected_; }
  const std::string& got() const noexcept { return got_; }

 private:
  static std::string text(std::string_view where, std::string_view what, std::string_view expected,
                          std::string_view got) {
    std::string out = "[";
    out.append(where).append("]");
    if (!what.empty()) out.append(" ").append(what);
    if (!expected.empty()) out.append(what.empty() ? " expected " : ": expected ").append(expected);
    if (!got.empty()) out.append(expected.empty() && !what.empty() ? ": got " : ", got ").append(got);
    return out;
  }
  std::string where_, what_, expected_, got_;
};

/// A file or folder that cannot be found, opened, mapped, read or written, or a path that leaves its folder.
struct file_error : error {
  using error::error;
};
/// Bytes that are not what their format demands: truncated, overlapping, overflowing, malformed JSON, bad UTF-8.
struct format_error : error {
  using error::error;
};
/// A configuration whose values are missing, out of range, or contradict each other.
struct config_error : error {
  using error::error;
};
/// Tensors of a checkpoint that are missing, unexpected, or of another shape or dtype than the model's.
struct weight_error : error {
  using error::error;
};
/// Shapes that an op cannot combine.
struct shape_error : error {
  using error::error;
};
/// An argument outside its range: a token id, an option, a prompt longer than the context.
struct value_error : error {
  using error::error;
};
/// A chat template that is malformed, raises, or exceeds its limits.
struct template_error : error {
  using error::error;
};
/// Something that this build or this version cannot do: an unknown architecture, a component without support.
struct unsupported_error : error {
  using error::error;
};
/// A long call that was asked to stop through its std::stop_token.
struct cancelled_error : error {
  using error::error;
};

}  // namespace hft
