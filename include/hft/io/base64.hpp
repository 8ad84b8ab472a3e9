// Base64 (RFC 4648, with padding).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <hft/error.hpp>

namespace hft::detail {

inline constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  const auto byte = [&](std::size_t i) {
    return i < bytes.size() ? std::uint32_t(static_cast<unsigned char>(bytes[i])) : 0u;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (unsigned k = 0; k < 4; ++k) out += i + k <= bytes.size() ? base64_digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

/// Throws format_error, naming `where`, for anything but the one encoding of some bytes.
inline std::string decode_base64(std::string_view text, std::string_view where) {
  static constexpr auto values = [] {
    std::array<std::uint8_t, 256> out{};
    for (auto& v : out) v = 64;
    for (std::size_t i = 0; i < 64; ++i) out[static_cast<unsigned char>(base64_digits[i])] = std::uint8_t(i);
    return out;
  }();
  const auto fail = [&](std::size_t at) { return format_error(where, "", "base64", cat("an error at byte ", at)); };
  if (text.size() % 4 != 0) throw fail(text.size());
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = i < text.size() - padding;
    const std::uint32_t v = is_digit ? values[static_cast<unsigned char>(text[i])] : 0;
    if (v == 64) throw fail(i);
    group = group << 6 | v;
    if (i % 4 != 3) continue;
    out += char(group >> 16 & 255);
    out += char(group >> 8 & 255);
    out += char(group & 255);
    group = 0;
  }
  for (std::size_t k = 0; k < padding; ++k) {
    if (out.back() != 0) throw fail(text.size() - padding - 1);  // bits that no byte takes
    out.pop_back();
  }
  return out;
}

}  // namespace hft::detail
