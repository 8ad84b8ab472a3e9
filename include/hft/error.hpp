// Every failure of the library is an hft::error: what failed, where, what was expected, what was found.
// The library never aborts, exits or prints; it throws one of these types and leaves its arguments as they were.
#pragma once
#include <charconv>
#include <concepts>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <hft/linkage.hpp>

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

/// A part of a message, before it is text: messages are put together in hundreds of places, and each should cost little
/// code.
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

  static std::string join(std::span<const message_part> parts);

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
  const message_part all[] = {message_part(parts)...};
  return message_part::join(all);
}

/// The same for a message of an error, where it is thrown: joined by the error, so that nothing has to be made there,
/// nor destroyed. It refers to its parts, so it is written where it is used: `throw value_error("op", joined("x is ",
/// x))`.
template <std::size_t N>
class joined {
 public:
  template <class... Parts>
  [[gnu::always_inline]] explicit joined(const Parts&... parts) : parts_{message_part(parts)...} {}
  joined(const joined&) = delete;
  joined& operator=(const joined&) = delete;

 private:
  friend class message;
  message_part parts_[N];
};
template <class... Parts>
joined(const Parts&...) -> joined<sizeof...(Parts)>;

/// A text or the parts of one, as an argument of an error: nothing is joined where it is thrown, so no string has to be
/// made there, nor destroyed. Two words, which travel in registers.
class message {
 public:
  message() : message(std::string_view()) {}
  message(std::string_view s) : data_(s.data()), size_(s.size()), in_parts_(false) {}  // NOLINT: whatever is text
  message(const char* s) : message(std::string_view(s)) {}                             // NOLINT
  message(const std::string& s) : message(std::string_view(s)) {}                      // NOLINT
  template <std::size_t N>
  message(joined<N>&& j) : data_(j.parts_), size_(N), in_parts_(true) {}  // NOLINT

  std::string text() const;

 private:
  const void* data_;
  std::size_t size_ : 63;
  std::size_t in_parts_ : 1;
};

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
  // Messages, and out of line: an error is made in hundreds of places, and should cost each of them little code.
  explicit error(detail::message where, detail::message what, detail::message expected = {}, detail::message got = {});

  const std::string& where() const noexcept { return fields_.where; }
  const std::string& subject() const noexcept { return fields_.what; }
  const std::string& expected() const noexcept { return fields_.expected; }
  const std::string& got() const noexcept { return fields_.got; }

 private:
  struct fields {
    std::string where, what, expected, got;

    std::string text() const;
  };
  explicit error(fields f) : std::runtime_error(f.text()), fields_(std::move(f)) {}

  fields fields_;
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
/// A wait that was longer than it may be.
struct timeout_error : error {
  using error::error;
};

#if HFT_DEFINES(MODELS)

[[gnu::cold, gnu::noinline]] HFT_INLINE std::string detail::message_part::join(std::span<const message_part> parts) {
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

HFT_INLINE std::string detail::message::text() const {
  return in_parts_ ? message_part::join({static_cast<const message_part*>(data_), size_})
                   : std::string(static_cast<const char*>(data_), size_);
}

[[gnu::cold, gnu::noinline]] HFT_INLINE error::error(detail::message where, detail::message what,
                                                     detail::message expected, detail::message got)
    : error(fields{where.text(), what.text(), expected.text(), got.text()}) {}

HFT_INLINE std::string error::fields::text() const {
  std::string out = "[" + where + "]";
  if (!what.empty()) out.append(" ").append(what);
  if (!expected.empty()) out.append(what.empty() ? " expected " : ": expected ").append(expected);
  if (!got.empty()) out.append(expected.empty() && !what.empty() ? ": got " : ", got ").append(got);
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft
