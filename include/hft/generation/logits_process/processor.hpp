// LogitsProcessor: changes the scores of the next token before one is chosen. (transformers.LogitsProcessor)
#pragma once
#include <cmath>
#include <concepts>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/generation/shared_or_function.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The score that rules a token out.
inline constexpr f32 filter_value = -std::numeric_limits<f32>::infinity();

class LogitsProcessor {
 public:
  virtual ~LogitsProcessor() = default;

  /// Changes the scores (rows, V) of the next token in place.
  ///   input_ids  (rows, T), what each row says so far, the prompt and its padding included
  /// The rows are the sequences of the batch; in beam search the num_beams of the first, then those of the second, ...
  virtual void operator()(matrix<const i64> input_ids, matrix<f32> scores) = 0;

  /// A generation begins, whose prompts have that many tokens: generate says so to the caller's processors. Those that
  /// remember something of their rows let it go.
  virtual void begin(isize prompt_length) { (void)prompt_length; }

  /// A processor that calls a function.
  template <std::invocable<matrix<const i64>, matrix<f32>> F>
  static LogitsProcessor* of(F function);
};

namespace detail {
template <class F>
class function_processor final : public LogitsProcessor {
 public:
  explicit function_processor(F function) : function_(std::move(function)) {}
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override { function_(input_ids, scores); }

 private:
  F function_;
};
}  // namespace detail

template <std::invocable<matrix<const i64>, matrix<f32>> F>
LogitsProcessor* LogitsProcessor::of(F function) {
  return new detail::function_processor<F>(std::move(function));
}

/// A processor that looks at one row at a time.
class RowLogitsProcessor : public LogitsProcessor {
 public:
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) final {
    for (isize row = 0; row < scores.rows; ++row)
      process({input_ids.row(row), std::size_t(input_ids.cols)}, {scores.row(row), std::size_t(scores.cols)}, row);
  }

 protected:
  virtual void process(std::span<const i64> input_ids, std::span<f32> scores, isize row) = 0;
};

/// Applied in their order; each is a std::shared_ptr, or a function of input_ids and scores:
/// {[](matrix<const i64> input_ids, matrix<f32> scores) { ... }}. (transformers.LogitsProcessorList)
using LogitsProcessorList = std::vector<detail::shared_or_function<LogitsProcessor>>;

inline void apply(const LogitsProcessorList& processors, matrix<const i64> input_ids, matrix<f32> scores) {
  for (const auto& p : processors) (*p)(input_ids, scores);
}

namespace detail {

inline bool contains(std::span<const i64> ids, i64 id) {
  for (const i64 i : ids)
    if (i == id) return true;
  return false;
}

inline void rule_out(std::span<f32> scores, std::span<const i64> ids) {
  for (const i64 id : ids)
    if (id >= 0 && std::size_t(id) < scores.size()) scores[std::size_t(id)] = filter_value;
}

/// Rules out all tokens but `ids`, whose score becomes 0.
inline void force(const char* where, std::span<f32> scores, std::span<const i64> ids) {
  for (f32& s : scores) s = filter_value;
  for (const i64 id : ids) {
    if (id < 0 || std::size_t(id) >= scores.size())
      throw value_error(where, "token id", joined("0 <= id < ", scores.size()), joined(id));
    scores[std::size_t(id)] = 0;
  }
}

}  // namespace detail

}  // namespace hft
