// What the library logs while it lives, for tests.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "hft/log.hpp"

namespace test {

class log_of {
 public:
  log_of() {
    before_ = hft::set_log_callback([this](hft::log_level, const std::string& text) { messages.push_back(text); });
  }
  log_of(const log_of&) = delete;
  log_of& operator=(const log_of&) = delete;
  ~log_of() { hft::set_log_callback(std::move(before_)); }

  std::vector<std::string> messages;
  bool has(std::string_view part) const {
    for (const auto& m : messages)
      if (m.find(part) != m.npos) return true;
    return false;
  }

 private:
  hft::log_callback before_;
};

}  // namespace test
