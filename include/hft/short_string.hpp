// short_string: a string of at most 47 bytes that a constant expression can hold, for names inside configs.
#pragma once
#include <string>
#include <string_view>

#include <hft/error.hpp>

namespace hft {

class short_string {
 public:
  static constexpr std::size_t capacity = 47;

  constexpr short_string() = default;
  /// Throws value_error for more than `capacity` bytes.
  constexpr short_string(std::string_view text) {  // NOLINT: a string, implicitly
    if (text.size() > capacity) throw value_error("short_string", "", "at most 47 bytes", std::string(text));
    for (char c : text) data_[size_++] = c;
  }
  constexpr short_string(const char* text) : short_string(std::string_view(text)) {}
  short_string(const std::string& text) : short_string(std::string_view(text)) {}

  constexpr std::string_view view() const { return {data_, size_}; }
  constexpr operator std::string_view() const { return view(); }
  constexpr bool empty() const { return size_ == 0; }
  friend constexpr bool operator==(const short_string& a, std::string_view b) { return a.view() == b; }
  friend constexpr bool operator==(const short_string& a, const short_string& b) { return a.view() == b.view(); }

 private:
  char data_[capacity + 1] = {};
  unsigned char size_ = 0;
};

}  // namespace hft
