// Stopping criteria: when a row is finished, under Transformers' class names.
#pragma once
#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>

namespace hft {

/// Asked after every new token. (transformers.StoppingCriteria)
class StoppingCriteria {
 public:
  virtual ~StoppingCriteria() = default;
  /// Whether a row is finished; input_ids is what it says so far, the prompt and its padding included.
  virtual bool operator()(std::span<const i64> input_ids) = 0;
};

using StoppingCriteriaList = std::vector<std::shared_ptr<StoppingCriteria>>;

/// Whether any criterion ends the row.
inline bool is_done(const StoppingCriteriaList& criteria, std::span<const i64> input_ids) {
  for (const auto& c : criteria)
    if ((*c)(input_ids)) return true;
  return false;
}

/// At max_length tokens, the prompt included.
class MaxLengthCriteria final : public StoppingCriteria {
 public:
  explicit MaxLengthCriteria(isize max_length) : length_(max_length) {}
  bool operator()(std::span<const i64> input_ids) override { return isize(input_ids.size()) >= length_; }

 private:
  isize length_;
};

/// Some seconds after it was made.
class MaxTimeCriteria final : public StoppingCriteria {
 public:
  explicit MaxTimeCriteria(f64 max_time) : seconds_(max_time), start_(clock::now()) {}
  bool operator()(std::span<const i64>) override {
    return std::chrono::duration<f64>(clock::now() - start_).count() > seconds_;
  }

 private:
  using clock = std::chrono::steady_clock;
  f64 seconds_;
  clock::time_point start_;
};

/// After one of these tokens.
class EosTokenCriteria final : public StoppingCriteria {
 public:
  explicit EosTokenCriteria(std::vector<i64> eos_token_id) : ids_(std::move(eos_token_id)) {}
  bool operator()(std::span<const i64> input_ids) override {
    for (const i64 id : ids_)
      if (!input_ids.empty() && input_ids.back() == id) return true;
    return false;
  }

 private:
  std::vector<i64> ids_;
};

/// Once the text contains one of these strings, of which the last token completes an occurrence: the token may say more
/// after it, and the string may begin before the first new token.
class StopStringCriteria final : public StoppingCriteria {
 public:
  /// decode gives the text of tokens.
  StopStringCriteria(std::vector<std::string> stop_strings, std::function<std::string(std::span<const i64>)> decode)
      : strings_(std::move(stop_strings)), decode_(std::move(decode)) {
    for (const auto& s : strings_) {
      if (s.empty()) throw value_error("StopStringCriteria", "stop_strings", "strings that are not empty", "\"\"");
      longest_ = std::max(longest_, s.size());
    }
    if (!decode_)
      throw value_error("StopStringCriteria", "stop_strings", "a function that decodes ids (GenerateOptions::decode)",
                        "none");
  }

  bool operator()(std::span<const i64> input_ids) override {
    if (input_ids.empty()) return false;
    // Almost every token is a byte of text at least; some more stand for those that are none, and for the decoder's
    // habit to treat the first token of a text unlike the others.
    const auto tail = input_ids.last(std::min(input_ids.size(), longest_ + 8));
    const std::string text = decode_(tail), before = decode_(tail.first(tail.size() - 1));
    // What the last token changed: usually all that it adds, more where it completes a character.
    const auto changed =
        std::size_t(std::mismatch(text.begin(), text.end(), before.begin(), before.end()).first - text.begin());
    for (const auto& s : strings_) {
      const std::size_t from = changed >= s.size() ? changed - s.size() + 1 : 0;
      if (text.find(s, from) != text.npos) return true;
    }
    return false;
  }

 private:
  std::vector<std::string> strings_;
  std::function<std::string(std::span<const i64>)> decode_;
  std::size_t longest_ = 0;
};

}  // namespace hft
