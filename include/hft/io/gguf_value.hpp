// One metadata value of a GGUF file, read in place.
//
// The formats: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>

namespace hft {

static_assert(std::endian::native == std::endian::little, "hft: files are read in place, on little-endian machines");

/// The type of a metadata value; the numbers are the file's.
enum class gguf_type : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12
};

namespace detail {

constexpr std::string_view gguf_type_name(gguf_type type) {
  constexpr std::string_view names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
  return std::uint32_t(type) < std::size(names) ? names[std::uint32_t(type)] : std::string_view("unknown");
}

/// Bytes of one value of a fixed-size type; 0 for strings, arrays and unknown types.
constexpr std::size_t gguf_type_bytes(gguf_type type) {
  switch (type) {
    case gguf_type::u8:
    case gguf_type::i8:
    case gguf_type::boolean:
      return 1;
    case gguf_type::u16:
    case gguf_type::i16:
      return 2;
    case gguf_type::u32:
    case gguf_type::i32:
    case gguf_type::f32:
      return 4;
    case gguf_type::u64:
    case gguf_type::i64:
    case gguf_type::f64:
      return 8;
    default:
      return 0;
  }
}

template <class T>
constexpr gguf_type gguf_type_of() {
  if constexpr (std::is_same_v<T, bool>) return gguf_type::boolean;
  if constexpr (std::is_same_v<T, float>) return gguf_type::f32;
  if constexpr (std::is_same_v<T, double>) return gguf_type::f64;
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    constexpr bool is_signed = std::is_signed_v<T>;
    if constexpr (sizeof(T) == 1) return is_signed ? gguf_type::i8 : gguf_type::u8;
    if constexpr (sizeof(T) == 2) return is_signed ? gguf_type::i16 : gguf_type::u16;
    if constexpr (sizeof(T) == 4) return is_signed ? gguf_type::i32 : gguf_type::u32;
    if constexpr (sizeof(T) == 8) return is_signed ? gguf_type::i64 : gguf_type::u64;
  }
}

template <class T>
T load_unaligned(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace detail

/// A metadata value: a number, a boolean, a string, or an array of one of them or of arrays. It points into the file's
/// bytes and is valid while its gguf_file (or a copy of it) lives; so are the string_views it gives. The accessors
/// convert between the integer types where the number fits, read integers as floating point, and throw format_error,
/// with file and key, for everything else.
class gguf_value {
 public:
  /// The reader's: `bytes` are the value's alone (for arrays, the elements), checked to be complete.
  gguf_value(std::shared_ptr<const std::string> file, std::string_view key, gguf_type element, bool is_array,
             std::size_t count, std::span<const std::byte> bytes)
      : file_(std::move(file)), key_(key), element_(element), is_array_(is_array), count_(count), bytes_(bytes) {}

  std::string_view key() const noexcept { return key_; }
  gguf_type type() const noexcept { return is_array_ ? gguf_type::array : element_; }
  /// The type of an array's elements; of a scalar, its own.
  gguf_type element_type() const noexcept { return element_; }
  bool is_array() const noexcept { return is_array_; }
  /// Elements of an array; 1 for a scalar.
  std::size_t size() const noexcept { return count_; }
  /// The value as it stands in the file, without the type (and, of an array, the count) before it.
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  std::int64_t as_i64() const { return scalar("an integer"), integer<std::int64_t>(0); }
  double as_f64() const { return scalar("a number"), real(0); }
  bool as_bool() const;
  std::string_view as_string() const;

  /// The elements of an array of integers; throws where one does not fit into T.
  template <class T>
  std::vector<T> as_integers() const {
    array("an array of integers");
    std::vector<T> out(count_);
    for (std::size_t i = 0; i < count_; ++i) out[i] = integer<T>(i);
    return out;
  }
  std::vector<std::int64_t> as_i64s() const { return as_integers<std::int64_t>(); }
  std::vector<std::int32_t> as_i32s() const { return as_integers<std::int32_t>(); }
  /// The elements of an array of numbers, rounded to float.
  std::vector<float> as_f32s() const;
  std::vector<bool> as_bools() const;
  /// The elements of an array of strings, as views into the file.
  std::vector<std::string_view> as_strings() const;
  /// The elements of an array of arrays, each a value of its own under the same key.
  std::vector<gguf_value> as_arrays() const;

  /// The value as a T: bool, an integer or floating type, std::string, std::string_view, or a std::vector of
  /// std::string_view, integers or float.
  template <class T>
  T as() const {
    if constexpr (std::is_same_v<T, bool>)
      return as_bool();
    else if constexpr (std::is_integral_v<T>)
      return scalar("an integer"), integer<T>(0);
    else if constexpr (std::is_floating_point_v<T>)
      return T(as_f64());
    else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>)
      return T(as_string());
    else if constexpr (std::is_same_v<T, std::vector<std::string_view>>)
      return as_strings();
    else if constexpr (std::is_same_v<T, std::vector<float>>)
      return as_f32s();
    else
      return as_integers<typename T::value_type>();
  }

 private:
  void scalar(std::string_view wanted) const {
    if (is_array_) mismatch(wanted);
  }
  void array(std::string_view wanted) const {
    if (!is_array_) mismatch(wanted);
  }
  [[noreturn]] void mismatch(std::string_view wanted) const;

  // An integer of any of the types, widened with its sign.
  struct wide_integer {
    std::uint64_t bits;
    bool has_sign;
  };
  wide_integer whole(std::size_t i) const;
  [[noreturn]] void does_not_fit(wide_integer n, std::size_t bytes) const;
  template <class T>
  T integer(std::size_t i) const {
    const wide_integer n = whole(i);
    if (n.has_sign ? !std::in_range<T>(std::int64_t(n.bits)) : !std::in_range<T>(n.bits)) does_not_fit(n, sizeof(T));
    return T(n.bits);
  }
  double real(std::size_t i) const;
  // The string at `at`, which moves on to the next one.
  std::string_view text(const std::byte*& at, std::size_t i) const;
  // The array at `at`, which moves on to what follows it.
  gguf_value nested(const std::byte*& at) const;

  std::shared_ptr<const std::string> file_;  // its name, for errors
  std::string_view key_;
  gguf_type element_;
  bool is_array_;
  std::size_t count_;
  std::span<const std::byte> bytes_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE bool gguf_value::as_bool() const {
  scalar("a boolean");
  if (element_ != gguf_type::boolean) mismatch("a boolean");
  return bytes_[0] != std::byte{0};
}

HFT_INLINE_ONCE std::string_view gguf_value::as_string() const {
  scalar("a string");
  if (element_ != gguf_type::string) mismatch("a string");
  const std::byte* at = bytes_.data();
  return text(at, 0);
}

HFT_INLINE_ONCE std::vector<float> gguf_value::as_f32s() const {
  array("an array of numbers");
  std::vector<float> out(count_);
  for (std::size_t i = 0; i < count_; ++i) out[i] = float(real(i));
  return out;
}

HFT_INLINE_ONCE std::vector<bool> gguf_value::as_bools() const {
  array("an array of booleans");
  if (element_ != gguf_type::boolean) mismatch("an array of booleans");
  std::vector<bool> out(count_);
  for (std::size_t i = 0; i < count_; ++i) out[i] = bytes_[i] != std::byte{0};
  return out;
}

HFT_INLINE_ONCE std::vector<std::string_view> gguf_value::as_strings() const {
  array("an array of strings");
  if (element_ != gguf_type::string) mismatch("an array of strings");
  std::vector<std::string_view> out(count_);
  const std::byte* at = bytes_.data();
  for (std::size_t i = 0; i < count_; ++i) out[i] = text(at, i);
  return out;
}

HFT_INLINE_ONCE std::vector<gguf_value> gguf_value::as_arrays() const {
  array("an array of arrays");
  if (element_ != gguf_type::array) mismatch("an array of arrays");
  std::vector<gguf_value> out;
  const std::byte* at = bytes_.data();
  for (std::size_t i = 0; i < count_; ++i) out.push_back(nested(at));
  return out;
}

HFT_INLINE_ONCE gguf_value gguf_value::nested(const std::byte*& at) const {
  const auto element = gguf_type(detail::load_unaligned<std::uint32_t>(at));
  const auto count = std::size_t(detail::load_unaligned<std::uint64_t>(at + 4));
  const std::byte* const begin = at += 12;
  if (const auto size = detail::gguf_type_bytes(element))
    at += count * size;
  else
    for (std::size_t i = 0; i < count; ++i)
      if (element == gguf_type::array)
        nested(at);
      else
        at += 8 + std::size_t(detail::load_unaligned<std::uint64_t>(at));
  return {file_, key_, element, true, count, {begin, at}};
}

HFT_INLINE_ONCE void gguf_value::mismatch(std::string_view wanted) const {
  std::string got(detail::gguf_type_name(element_));
  if (is_array_) got = detail::cat("an array of ", count_, " ", got, element_ == gguf_type::array ? "s" : "");
  throw format_error(*file_, "metadata key " + detail::quote_text(key_), std::string(wanted), std::move(got));
}

HFT_INLINE_ONCE gguf_value::wide_integer gguf_value::whole(std::size_t i) const {
  const std::byte* at = bytes_.data() + i * detail::gguf_type_bytes(element_);
  const auto with_sign = [](std::int64_t n) { return wide_integer{std::uint64_t(n), true}; };
  switch (element_) {
    case gguf_type::u8:
      return {detail::load_unaligned<std::uint8_t>(at), false};
    case gguf_type::i8:
      return with_sign(detail::load_unaligned<std::int8_t>(at));
    case gguf_type::u16:
      return {detail::load_unaligned<std::uint16_t>(at), false};
    case gguf_type::i16:
      return with_sign(detail::load_unaligned<std::int16_t>(at));
    case gguf_type::u32:
      return {detail::load_unaligned<std::uint32_t>(at), false};
    case gguf_type::i32:
      return with_sign(detail::load_unaligned<std::int32_t>(at));
    case gguf_type::u64:
      return {detail::load_unaligned<std::uint64_t>(at), false};
    case gguf_type::i64:
      return with_sign(detail::load_unaligned<std::int64_t>(at));
    default:
      mismatch("an integer");
  }
}

[[gnu::cold]] HFT_INLINE void gguf_value::does_not_fit(wide_integer n, std::size_t bytes) const {
  throw format_error(*file_, "metadata key " + detail::quote_text(key_),
                     detail::joined("an integer of ", 8 * bytes, " bits"),
                     n.has_sign ? detail::cat(std::int64_t(n.bits)) : detail::cat(n.bits));
}

HFT_INLINE_ONCE double gguf_value::real(std::size_t i) const {
  const std::byte* at = bytes_.data() + i * detail::gguf_type_bytes(element_);
  if (element_ == gguf_type::f32) return detail::load_unaligned<float>(at);
  if (element_ == gguf_type::f64) return detail::load_unaligned<double>(at);
  if (element_ == gguf_type::boolean || element_ == gguf_type::string) mismatch("a number");
  const wide_integer n = whole(i);
  return n.has_sign ? double(std::int64_t(n.bits)) : double(n.bits);
}

HFT_INLINE_ONCE std::string_view gguf_value::text(const std::byte*& at, std::size_t i) const {
  const auto length = std::size_t(detail::load_unaligned<std::uint64_t>(at));
  const std::string_view s(reinterpret_cast<const char*>(at + 8), length);
  at += 8 + length;
  if (!detail::valid_utf8(s))
    throw format_error(*file_, detail::joined("metadata key ", detail::quote_text(key_), ", string ", i), "valid UTF-8",
                       detail::quote_text(s));
  return s;
}

#endif  // HFT_DEFINES

}  // namespace hft
