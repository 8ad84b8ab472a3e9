// TokenStreamer: each token of generate as it comes, with its text, its probability, and what else might have come.
//
//   TokenStreamer streamer(tokenizer, [](const StreamedToken& t) { std::cout << t.text << " " << t.logprob << "\n"; },
//                          {.top_logprobs = 5});
#pragma once
#include <algorithm>
#include <cmath>
#include <exception>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/generation/base_streamer.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/tokenizers/tokenizer.hpp>

namespace hft {

struct TokenLogprob {
  i64 id = 0;
  f32 logprob = 0;  // the logarithm of the probability
};

struct StreamedToken {
  i64 id = 0;
  std::string text{};  // what the token completes: empty where a character goes on; empty without a tokenizer
  /// Of the distribution that it was chosen from: what processors ruled out is none of it. (compute_transition_scores
  /// with normalize_logits) NaN where a strategy does not say.
  f32 logprob = std::numeric_limits<f32>::quiet_NaN();
  std::vector<TokenLogprob> top_logprobs{};  // the most probable tokens, from the best down
};

/// Calls a function with each new token; the prompt is no part of it.
class TokenStreamer : public BaseStreamer {
 public:
  struct Options {
    isize top_logprobs = 0;           // how many of the most probable tokens
    bool skip_special_tokens = true;  // in the text
  };
  using function = std::function<void(const StreamedToken&)>;

  explicit TokenStreamer(function on_token, const Options& options)
      : on_token_(std::move(on_token)), options_(options) {}
  explicit TokenStreamer(function on_token) : TokenStreamer(std::move(on_token), Options()) {}
  /// With texts; of an AutoTokenizer's, or the pipeline in it.
  TokenStreamer(const Tokenizer& tokenizer, function on_token, const Options& options)
      : on_token_(std::move(on_token)), options_(options) {
    stream_.emplace(tokenizer, options.skip_special_tokens, EarlierText::may_change);
  }
  TokenStreamer(const Tokenizer& tokenizer, function on_token)
      : TokenStreamer(tokenizer, std::move(on_token), Options()) {}
  template <class PreTrained>
  requires requires(const PreTrained& t) { Tokenizer(t.tokenizer()); }
  TokenStreamer(const PreTrained& tokenizer, function on_token, const Options& options)
      : TokenStreamer(tokenizer.tokenizer(), std::move(on_token), options) {}
  template <class PreTrained>
  requires requires(const PreTrained& t) { Tokenizer(t.tokenizer()); }
  TokenStreamer(const PreTrained& tokenizer, function on_token)
      : TokenStreamer(tokenizer.tokenizer(), std::move(on_token), Options()) {}

  void put(std::span<const i64> tokens) override {
    const bool prompt = std::exchange(next_is_prompt_, false);
    for (const i64 id : tokens) {
      StreamedToken token = read(id);
      if (!prompt) on_token_(token);
    }
  }
  void put_scored(i64 id, std::span<const f32> scores) override {
    StreamedToken token = read(id);
    const f64 norm = detail::log_sum_exp(scores);
    token.logprob = f32(f64(scores[std::size_t(id)]) - norm);
    std::vector<detail::candidate> best;
    if (options_.top_logprobs > 0) detail::collect(scores, best);
    const std::size_t n = std::min(best.size(), std::size_t(std::max<isize>(options_.top_logprobs, 0)));
    detail::select_best(best, n);
    for (std::size_t i = 0; i < n; ++i) token.top_logprobs.push_back({best[i].id, f32(f64(best[i].score) - norm)});
    on_token_(token);
  }
  void end() override { again(); }
  void fail(std::exception_ptr) override { again(); }

 private:
  StreamedToken read(i64 id) {
    StreamedToken token{.id = id};
    if (stream_) token.text = stream_->step(id).value_or("");
    return token;
  }
  // For another generation.
  void again() {
    next_is_prompt_ = true;
    if (stream_) stream_->finish();
  }

  function on_token_;
  Options options_;
  std::optional<DecodeStream> stream_;
  bool next_is_prompt_ = true;
};

}  // namespace hft
