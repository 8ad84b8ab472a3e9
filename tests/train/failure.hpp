// What a call fails with, as text, for tests that look into messages.
#pragma once
#include <string>
#include <string_view>

#include <hft/error.hpp>

namespace hft::test {

/// The message of the error that f throws; empty where it throws none.
template <class F>
std::string failure(F f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "";
}
inline bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace hft::test
