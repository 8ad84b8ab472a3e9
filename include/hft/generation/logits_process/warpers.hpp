// Warpers: what sampling does to the distribution before it draws, under Transformers' class names.
// None sorts the vocabulary: thresholds come from a partial selection, and what earlier warpers ruled out costs no
// more.
#pragma once
#include <algorithm>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/generation/sampling.hpp>

namespace hft {

namespace detail {
inline void check_setting(const char* where, const char* what, bool ok, const char* expected, f64 got) {
  if (!ok) throw value_error(where, what, expected, joined(got));
}

/// The k-th largest score (k at least 1); -inf where there are fewer.
inline f32 kth_score(std::span<const f32> scores, std::size_t k) {
  best_candidates best(std::min(k, scores.size()));
  for (const f32 s : scores) best.push({s, 0});
  return best.worst().score;
}

/// Rules out what lies below `threshold`.
inline void keep_from(std::span<f32> scores, f32 threshold) {
  for (f32& s : scores) s = s < threshold ? filter_value : s;
}

/// Rules out what is ranked `kept` or worse.
inline void keep_best(std::span<f32> scores, ranking& ranked, std::size_t kept) {
  for (f32& s : scores) s = filter_value;
  for (std::size_t i = 0; i < kept; ++i) scores[std::size_t(ranked[i].id)] = ranked[i].score;
}
}  // namespace detail

/// Divides by a temperature: below 1 sharpens, above 1 flattens.
class TemperatureLogitsWarper final : public RowLogitsProcessor {
 public:
  explicit TemperatureLogitsWarper(f64 temperature) : temperature_(f32(temperature)) {
    detail::check_setting("TemperatureLogitsWarper", "temperature", temperature_ > 0, "above 0", temperature);
  }

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    for (f32& s : scores) s /= temperature_;
  }
  f32 temperature_;
};

/// Keeps the k largest scores and what equals the k-th. (Fan et al. 2018)
class TopKLogitsWarper final : public RowLogitsProcessor {
 public:
  explicit TopKLogitsWarper(isize top_k, isize min_tokens_to_keep = 1) : k_(std::max(top_k, min_tokens_to_keep)) {
    detail::check_setting("TopKLogitsWarper", "top_k", top_k > 0, "at least 1", f64(top_k));
  }

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    if (std::size_t(k_) < scores.size()) detail::keep_from(scores, detail::kth_score(scores, std::size_t(k_)));
  }
  isize k_;
};

/// Keeps the fewest tokens whose probabilities sum up to top_p. (Holtzman et al. 2019, "nucleus sampling")
class TopPLogitsWarper final : public RowLogitsProcessor {
 public:
  explicit TopPLogitsWarper(f64 top_p, isize min_tokens_to_keep = 1) : top_p_(top_p), least_(min_tokens_to_keep) {
    detail::check_setting("TopPLogitsWarper", "top_p", top_p >= 0 && top_p <= 1, "0 to 1", top_p);
  }

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    const f64 norm = detail::log_sum_exp(scores);
    detail::collect(scores, candidates_);
    detail::ranking ranked(candidates_);
    std::size_t kept = 0;
    for (f64 mass = 0; kept < ranked.size() && (mass < top_p_ || isize(kept) < least_); ++kept)
      mass += std::exp(f64(ranked[kept].score) - norm);
    detail::keep_best(scores, ranked, kept);
  }
  f64 top_p_;
  isize least_;
  std::vector<detail::candidate> candidates_;
};

/// Keeps tokens at least min_p times as probable as the most probable one. (Nguyen et al. 2024)
class MinPLogitsWarper final : public RowLogitsProcessor {
 public:
  explicit MinPLogitsWarper(f64 min_p, isize min_tokens_to_keep = 1) : min_p_(min_p), least_(min_tokens_to_keep) {
    detail::check_setting("MinPLogitsWarper", "min_p", min_p >= 0 && min_p <= 1, "0 to 1", min_p);
  }

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    if (min_p_ == 0) return;
    f32 threshold = max_score(scores) + f32(std::log(min_p_));
    if (least_ > 1) threshold = std::min(threshold, detail::kth_score(scores, std::size_t(least_)));
    detail::keep_from(scores, threshold);
  }
  f64 min_p_;
  isize least_;
};

/// Keeps tokens whose information is closest to the entropy, up to a probability of `mass`. (Meister et al. 2022)
class TypicalLogitsWarper final : public RowLogitsProcessor {
 public:
  explicit TypicalLogitsWarper(f64 mass, isize min_tokens_to_keep = 1) : mass_(mass), least_(min_tokens_to_keep) {
    detail::check_setting("TypicalLogitsWarper", "typical_p", mass > 0 && mass < 1, "above 0, below 1", mass);
  }

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    const f64 norm = detail::log_sum_exp(scores);
    detail::collect(scores, candidates_);
    f64 entropy = 0;
    for (const auto& c : candidates_) entropy -= std::exp(f64(c.score) - norm) * (f64(c.score) - norm);
    for (auto& c : candidates_) c.score = f32(-std::abs(norm - f64(c.score) - entropy));  // best: the most typical
    detail::ranking ranked(candidates_);
    std::size_t kept = 0;
    f64 mass = 0;
    f32 last = 0;
    while (kept < ranked.size()) {
      const auto c = ranked[kept];
      if (mass >= mass_ && isize(kept) >= least_ && c.score != last) break;  // equally typical ones stay together
      mass += std::exp(f64(scores[std::size_t(c.id)]) - norm);
      last = c.score;
      ++kept;
    }
    for (std::size_t i = kept; i < candidates_.size(); ++i) scores[std::size_t(candidates_[i].id)] = filter_value;
  }
  f64 mass_;
  isize least_;
  std::vector<detail::candidate> candidates_;
};

/// Keeps tokens of at least a probability epsilon. (Hewitt et al. 2022)
class EpsilonLogitsWarper final : public RowLogitsProcessor {
 public:
  explicit EpsilonLogitsWarper(f64 epsilon, isize min_tokens_to_keep = 1)
      : epsilon_(epsilon), least_(min_tokens_to_keep) {
    detail::check_setting("EpsilonLogitsWarper", "epsilon_cutoff", epsilon > 0 && epsilon < 1, "above 0, below 1",
                          epsilon);
  }

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    const f32 threshold = f32(detail::log_sum_exp(scores) + std::log(epsilon_));
    detail::keep_from(scores, std::min(threshold, detail::kth_score(scores, std::size_t(least_))));
  }
  f64 epsilon_;
  isize least_;
};

/// As EpsilonLogitsWarper, with a cutoff that falls with the entropy: min(epsilon, sqrt(epsilon) exp(-entropy)).
/// (Hewitt et al. 2022)
class EtaLogitsWarper final : public RowLogitsProcessor {
 public:
  explicit EtaLogitsWarper(f64 epsilon, isize min_tokens_to_keep = 1) : epsilon_(epsilon), least_(min_tokens_to_keep) {
    detail::check_setting("EtaLogitsWarper", "eta_cutoff", epsilon > 0 && epsilon < 1, "above 0, below 1", epsilon);
  }

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    const f64 norm = detail::log_sum_exp(scores);
    f64 entropy = 0;
    for (const f32 s : scores)
      if (s > filter_value) entropy -= std::exp(f64(s) - norm) * (f64(s) - norm);
    const f64 eta = std::min(epsilon_, std::sqrt(epsilon_) * std::exp(-entropy));
    const f32 threshold = f32(norm + std::log(eta));
    detail::keep_from(scores, std::min(threshold, detail::kth_score(scores, std::size_t(least_))));
  }
  f64 epsilon_;
  isize least_;
};

/// Of the 100 best tokens keeps those that together hold at most a share top_h of their entropy, the best one always.
/// (Potraghloo et al. 2025, "Top-H decoding")
class TopHLogitsWarper final : public RowLogitsProcessor {
 public:
  explicit TopHLogitsWarper(f64 top_h) : top_h_(top_h) {
    detail::check_setting("TopHLogitsWarper", "top_h", top_h > 0 && top_h <= 1, "above 0, at most 1", top_h);
  }

 private:
  static constexpr std::size_t looked_at = 100;
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    detail::collect(scores, candidates_);
    const std::size_t n = std::min(looked_at, candidates_.size());
    detail::select_best(candidates_, n);
    f64 sum = 0, entropy = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::exp(f64(candidates_[i].score - candidates_[0].score));
    const auto part = [&](std::size_t i) {
      const f64 log_p = f64(candidates_[i].score - candidates_[0].score) - std::log(sum);
      return -std::exp(log_p) * log_p;
    };
    for (std::size_t i = 0; i < n; ++i) entropy += part(i);
    std::size_t kept = 0;
    for (f64 held = 0; kept < n; ++kept)
      if ((held += part(kept)) > top_h_ * entropy && kept > 0) break;
    detail::ranking ranked(candidates_);
    detail::keep_best(scores, ranked, kept);
  }
  f64 top_h_;
  std::vector<detail::candidate> candidates_;
};

}  // namespace hft
