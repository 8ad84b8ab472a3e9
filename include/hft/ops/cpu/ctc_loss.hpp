// CTC loss on the CPU: the forward-backward algorithm in logarithms, in f64, a sequence at a time.
//
// Of a target l_1 ... l_S the states are blank, l_1, blank, ..., l_S, blank: 2 S + 1. A state is entered from itself,
// from the one before, and, if it is a label that differs from the label before, from that label (Graves et al. 2006,
// eq. 6).
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// losses (B) and, where `gradient` is not null, the gradient (T,B,C) of the sum of shares[b] * losses[b], written for
/// the first input_lengths[b] steps. log_probs (T,B,C) is dense; sequence b has labels [begins[b], begins[b + 1]).
template <class T>
void ctc_loss_kernel(cpu, f64* losses, const T* log_probs, T* gradient, const Shape<3>& shape, const i64* labels,
                     const isize* begins, const isize* input_lengths, const f64* shares, i64 blank, bool zero_infinity);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>
#include <vector>

#include <hft/parallel.hpp>

namespace hft {

namespace detail {

inline f64 log_add(f64 a, f64 b) {
  const f64 top = std::max(a, b);
  return top == -INFINITY ? top : top + std::log1p(std::exp(std::min(a, b) - top));
}

/// One sequence: T rows of C log probabilities, `stride` apart.
template <class T>
class ctc_sequence {
 public:
  ctc_sequence(const T* x, isize tokens, isize x_stride, const i64* target, isize length, i64 blank_label)
      : log_probs(x), rows(tokens), stride(x_stride), labels(target), states(2 * length + 1), blank(blank_label) {}

  /// -log p(target).
  f64 loss() {
    if (rows == 0) return states == 1 ? 0.0 : f64(INFINITY);
    alpha.assign(std::size_t(rows * states), -INFINITY);
    alpha[0] = at(0, 0);
    if (states > 1) alpha[1] = at(0, 1);
    for (isize t = 1; t < rows; ++t) {
      const f64* before = &alpha[std::size_t((t - 1) * states)];
      // States that are too far from the beginning, or from the end, to be on a way.
      for (isize s = std::max<isize>(0, states - 2 * (rows - t)); s < std::min(states, 2 * t + 2); ++s) {
        f64 sum = before[s];
        if (s > 0) sum = log_add(sum, before[s - 1]);
        if (skips(s)) sum = log_add(sum, before[s - 2]);
        alpha[std::size_t(t * states + s)] = sum + at(t, s);
      }
    }
    const f64* last = &alpha[std::size_t((rows - 1) * states)];
    const f64 total = states > 1 ? log_add(last[states - 1], last[states - 2]) : last[0];
    return -total;
  }

  /// gradient[t][c] = share * (p(c at t) - p(c at t given the target)), after loss(): of the logits, if log_probs is
  /// their log_softmax, as torch.nn.functional.ctc_loss has it. `loss` is finite.
  void gradient(T* g, f64 loss, f64 share, isize classes) const {
    std::vector<f64> beta(static_cast<std::size_t>(states), -INFINITY), next(beta),
        posterior(std::size_t(classes), 0.0);
    for (isize t = rows - 1; t >= 0; --t) {
      if (t == rows - 1) {
        beta[std::size_t(states - 1)] = 0;
        if (states > 1) beta[std::size_t(states - 2)] = 0;
      } else {
        // next: log p(of all behind t) from each state; what is entered counts at t + 1.
        std::swap(beta, next);
        for (isize s = 0; s < states; ++s) {
          f64 sum = next[std::size_t(s)] + at(t + 1, s);
          if (s + 1 < states) sum = log_add(sum, next[std::size_t(s + 1)] + at(t + 1, s + 1));
          if (s + 2 < states && skips(s + 2)) sum = log_add(sum, next[std::size_t(s + 2)] + at(t + 1, s + 2));
          beta[std::size_t(s)] = sum;
        }
      }
      std::fill(posterior.begin(), posterior.end(), 0.0);
      for (isize s = 0; s < states; ++s)
        posterior[std::size_t(label(s))] += std::exp(alpha[std::size_t(t * states + s)] + beta[std::size_t(s)] + loss);
      for (isize c = 0; c < classes; ++c)
        g[t * stride + c] = T(share * (std::exp(f64(log_probs[t * stride + c])) - posterior[std::size_t(c)]));
    }
  }

 private:
  i64 label(isize s) const { return s % 2 ? labels[s / 2] : blank; }
  bool skips(isize s) const { return s >= 2 && s % 2 && labels[s / 2] != labels[s / 2 - 1]; }
  f64 at(isize t, isize s) const { return f64(log_probs[t * stride + label(s)]); }

  const T* log_probs;
  isize rows, stride;
  const i64* labels;
  isize states;
  i64 blank;
  std::vector<f64> alpha;  // (T, states): log p(all ways to a state up to and with t)
};

}  // namespace detail

template <class T>
void ctc_loss_kernel(cpu, f64* losses, const T* log_probs, T* gradient, const Shape<3>& shape, const i64* labels,
                     const isize* begins, const isize* input_lengths, const f64* shares, i64 blank,
                     bool zero_infinity) {
  const isize B = shape[1], C = shape[2], stride = B * C;
  parallel_for(B, 1, [&](isize begin, isize end) {
    for (isize b = begin; b < end; ++b) {
      detail::ctc_sequence<T> sequence(log_probs + b * C, input_lengths[b], stride, labels + begins[b],
                                       begins[b + 1] - begins[b], blank);
      losses[b] = sequence.loss();
      const bool impossible = losses[b] == INFINITY;
      if (impossible && zero_infinity) {
        losses[b] = 0;
        continue;
      }
      if (!gradient) continue;
      if (!impossible)
        sequence.gradient(gradient + b * C, losses[b], shares[b], C);
      else  // as PyTorch: there is no gradient of an infinite loss
        for (isize t = 0; t < input_lengths[b]; ++t) std::fill_n(gradient + t * stride + b * C, C, T(NAN));
    }
  });
}

HFT_INSTANTIATE(void ctc_loss_kernel(cpu, f64*, const f32*, f32*, const Shape<3>&, const i64*, const isize*,
                                     const isize*, const f64*, i64, bool))
HFT_INSTANTIATE(void ctc_loss_kernel(cpu, f64*, const f64*, f64*, const Shape<3>&, const i64*, const isize*,
                                     const isize*, const f64*, i64, bool))

}  // namespace hft
#endif  // HFT_DEFINES
