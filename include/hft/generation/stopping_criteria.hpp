// Stopping criteria: when a row is finished, under Transformers' class names.
#pragma once
#include <algorithm>
#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/generation/shared_or_function.hpp>

namespace hft {

/// Asked after every new token. (transformers.StoppingCriteria)
class StoppingCriteria {
 public:
  virtual ~StoppingCriteria() = default;
  /// Whether a row is finished; input_ids is what it says so far, the prompt and its padding included.
  virtual bool operator()(std::span<const i64> input_ids) = 0;
  /// The same for a criterion that looks at the scores (V) from which the last token was chosen, after all processors.
  virtual bool with_scores(std::span<const i64> input_ids, std::span<const f32> /*scores*/) {
    return (*this)(input_ids);
  }

  /// A criterion that calls a function, of input_ids or of input_ids and scores.
  template <class F>
  requires std::predicate<F, std::span<const i64>> || std::predicate<F, std::span<const i64>, std::span<const f32>>
  static StoppingCriteria* of(F function);
};

namespace detail {
template <class F>
class function_criteria final : public StoppingCriteria {
 public:
  explicit function_criteria(F function) : function_(std::move(function)) {}
  bool operator()(std::span<const i64> input_ids) override { return with_scores(input_ids, {}); }
  bool with_scores(std::span<const i64> input_ids, std::span<const f32> scores) override {
    if constexpr (std::predicate<F, std::span<const i64>>)
      return function_(input_ids);
    else
      return function_(input_ids, scores);
  }

 private:
  F function_;
};
}  // namespace detail

template <class F>
requires std::predicate<F, std::span<const i64>> || std::predicate<F, std::span<const i64>, std::span<const f32>>
    StoppingCriteria* StoppingCriteria::of(F function) {
  return new detail::function_criteria<F>(std::move(function));
}

/// Each is a std::shared_ptr, or a function: {[](std::span<const i64> input_ids) { return input_ids.back() == 7; }}.
using StoppingCriteriaList = std::vector<detail::shared_or_function<StoppingCriteria>>;

/// Whether any criterion ends the row, whose last token was chosen from `scores` (V).
inline bool is_done(const StoppingCriteriaList& criteria, std::span<const i64> input_ids,
                    std::span<const f32> scores = {}) {
  for (const auto& c : criteria)
    if (c->with_scores(input_ids, scores)) return true;
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
