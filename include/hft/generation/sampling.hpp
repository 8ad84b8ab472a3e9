// Choosing the next token from a row of scores: the best one, or one drawn by probability.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/random.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The largest score; -inf for none. A NaN counts as no score.
[[gnu::noinline]] inline f32 max_score(std::span<const f32> scores) {
  // Independent lanes, so that the compiler may compare several at once.
  constexpr std::size_t lanes = 16;
  f32 best[lanes];
  std::fill_n(best, lanes, -std::numeric_limits<f32>::infinity());
  std::size_t i = 0;
  for (; i + lanes <= scores.size(); i += lanes)
    for (std::size_t l = 0; l < lanes; ++l) best[l] = scores[i + l] > best[l] ? scores[i + l] : best[l];
  for (; i < scores.size(); ++i) best[0] = std::max(best[0], scores[i]);
  return *std::max_element(best, best + lanes);
}

/// The token of the largest score, the first of equals.
inline i64 argmax(std::span<const f32> scores) {
  const f32 top = max_score(scores);
  std::size_t i = 0;
  while (i < scores.size() && scores[i] != top) ++i;
  return i < scores.size() ? i64(i) : 0;
}

namespace detail {

struct candidate {
  f32 score;
  i64 id;
};
/// From the best down; of equal scores the smaller id first.
inline bool better(const candidate& a, const candidate& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

/// The tokens that are not ruled out.
inline void collect(std::span<const f32> scores, std::vector<candidate>& out) {
  out.clear();
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (scores[i] > -std::numeric_limits<f32>::infinity()) out.push_back({scores[i], i64(i)});
}

// ---- heaps of candidates: the worst on top, so that one comparison rejects most of what is no better

/// Makes a heap of what is one but for its candidate i.
[[gnu::noinline]] inline void sift_down(std::span<candidate> heap, std::size_t i) {
  for (std::size_t child; (child = 2 * i + 1) < heap.size(); i = child) {
    if (child + 1 < heap.size() && better(heap[child], heap[child + 1])) ++child;
    if (!better(heap[i], heap[child])) return;
    std::swap(heap[i], heap[child]);
  }
}
/// From the best down.
inline void sort_heap(std::span<candidate> heap) {
  for (std::size_t n = heap.size(); n-- > 1;) {
    std::swap(heap[0], heap[n]);
    sift_down(heap.first(n), 0);
  }
}

/// Puts the `count` best candidates at the front, from the best down; looks at most of the others once.
[[gnu::noinline]] inline void select_best(std::span<candidate> candidates, std::size_t count) {
  if (count == 0) return;
  const auto best = candidates.first(std::min(count, candidates.size()));
  for (std::size_t i = best.size() / 2; i-- > 0;) sift_down(best, i);
  for (candidate& c : candidates.subspan(best.size()))
    if (better(c, best[0])) {
      std::swap(c, best[0]);
      sift_down(best, 0);
    }
  sort_heap(best);
}

/// The `capacity` best of the candidates pushed. Most cost one comparison.
class best_candidates {
 public:
  explicit best_candidates(std::size_t capacity) : heap_(capacity, none) {}
  void push(const candidate& c) {
    if (!better(c, heap_[0])) return;
    heap_[0] = c;
    sift_down(heap_, 0);
  }
  /// The worst of those that are kept; a score of -inf where fewer were pushed.
  const candidate& worst() const { return heap_[0]; }
  /// From the best down; before more are pushed, clear().
  std::span<candidate> sorted() {
    sort_heap(heap_);
    return heap_;
  }
  void clear() { std::fill(heap_.begin(), heap_.end(), none); }

 private:
  static constexpr candidate none{-std::numeric_limits<f32>::infinity(), std::numeric_limits<i64>::max()};
  std::vector<candidate> heap_;
};

/// Candidates from the best down, of which only as many are sorted as are asked for.
class ranking {
 public:
  explicit ranking(std::vector<candidate>& candidates) : all_(candidates) {}
  std::size_t size() const { return all_.size(); }
  const candidate& operator[](std::size_t i) {
    while (i >= sorted_) {
      const std::size_t count = std::min(std::max<std::size_t>(64, 3 * sorted_), all_.size() - sorted_);
      select_best(std::span(all_).subspan(sorted_), count);
      sorted_ += count;
    }
    return all_[i];
  }

 private:
  std::vector<candidate>& all_;
  std::size_t sorted_ = 0;
};

/// log(sum_i exp(scores_i)), summed in double.
[[gnu::noinline]] inline f64 log_sum_exp(std::span<const f32> scores) {
  const f32 top = max_score(scores);
  f64 sum = 0;
  for (const f32 s : scores)
    if (s > -std::numeric_limits<f32>::infinity()) sum += f64(std::exp(s - top));
  return f64(top) + std::log(sum);
}
/// Makes scores logarithms of probabilities.
inline void to_log_probabilities(std::span<f32> scores) {
  const f64 norm = log_sum_exp(scores);
  for (f32& s : scores) s = f32(f64(s) - norm);
}
/// Of a token, among scores.
inline f64 token_probability(std::span<const f32> scores, i64 id) {
  return std::exp(f64(scores[std::size_t(id)]) - log_sum_exp(scores));
}

}  // namespace detail

/// A token drawn with probability softmax(scores), for a uniform number u in [0, 1).
/// Throws value_error where the scores are no distribution: a NaN, +inf, or all tokens ruled out.
inline i64 sample(std::span<const f32> scores, f64 u) {
  const f32 top = max_score(scores);
  std::vector<detail::candidate> weights;  // of the tokens that are left
  f64 total = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (!(scores[i] == -std::numeric_limits<f32>::infinity())) {
      const f32 w = std::exp(scores[i] - top);
      total += f64(w);
      weights.push_back({w, i64(i)});
    }
  if (!(total > 0 && total <= std::numeric_limits<f64>::max()))
    throw value_error("generate", "scores of the next token",
                      "finite numbers of which one is not ruled out (remove_invalid_values replaces others)");
  const f64 target = u * total;
  f64 sum = 0;
  i64 last = 0;
  for (const auto& [w, id] : weights) {
    if (w == 0) continue;
    sum += f64(w);
    last = id;
    if (sum > target) break;
  }
  return last;
}

}  // namespace hft
