// ctc_loss: connectionist temporal classification (Graves et al. 2006), what speech and text recognisers without
// aligned labels are trained with.
//
//   log_probs (T,B,C), targets (B,S), input_lengths (B), target_lengths (B) => (1), or (B) with LossReduction::none
//
// As torch.nn.functional.ctc_loss. Its gradient, like that of the other losses, is computed along with its value.
#pragma once
#include <cmath>
#include <string_view>
#include <vector>

#include <hft/ops/cpu/ctc_loss.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// What becomes of the losses of a batch.
enum class LossReduction { none, mean, sum };

struct CTCLossOptions {
  i64 blank = 0;
  LossReduction reduction = LossReduction::mean;  // mean: each loss over its target's length, then over the batch
  bool zero_infinity = false;                     // a target that does not fit its input costs 0, not infinity
};

namespace detail {

/// The targets of a batch without what pads them, and the lengths of the inputs.
struct ctc_targets {
  std::vector<i64> labels;           // of all rows, one behind the other
  std::vector<isize> begins;         // (B + 1) where each row's begin
  std::vector<isize> input_lengths;  // (B)
  isize size(isize b) const { return begins[std::size_t(b) + 1] - begins[std::size_t(b)]; }
};

/// Throws shape_error and value_error unless all lengths and labels are ones of (T,B,C).
inline ctc_targets check_ctc(const Shape<3>& shape, const Tensor<i64, 2>& targets,
                             const std::vector<i64>& input_lengths, const std::vector<i64>& target_lengths,
                             const CTCLossOptions& o) {
  const isize T = shape[0], B = shape[1], C = shape[2];
  if (o.blank < 0 || o.blank >= C) throw value_error("ctc_loss", "blank", joined("0 to ", C - 1), joined(o.blank));
  const auto demand = [&](std::string_view what, isize got) {
    if (got != B) throw shape_error("ctc_loss", what, joined(B, ", one for each sequence"), joined(got));
  };
  demand("targets", targets.extent(0));
  demand("input_lengths", isize(input_lengths.size()));
  demand("target_lengths", isize(target_lengths.size()));
  const auto ids = targets.dense();
  const isize S = targets.extent(1);
  ctc_targets out;
  out.begins.push_back(0);
  for (isize b = 0; b < B; ++b) {
    const i64 inputs = input_lengths[std::size_t(b)], labels = target_lengths[std::size_t(b)];
    if (inputs < 0 || inputs > T)
      throw value_error("ctc_loss", joined("input_lengths[", b, "]"), joined("0 to ", T), joined(inputs));
    if (labels < 0 || labels > S)
      throw value_error("ctc_loss", joined("target_lengths[", b, "]"), joined("0 to ", S), joined(labels));
    for (isize s = 0; s < labels; ++s) {
      const i64 label = ids.data()[b * S + s];
      if (label < 0 || label >= C || label == o.blank)
        throw value_error("ctc_loss", joined("target ", s, " of sequence ", b),
                          joined("0 <= label < ", C, ", and not the blank ", o.blank), joined(label));
      out.labels.push_back(label);
    }
    out.begins.push_back(isize(out.labels.size()));
    out.input_lengths.push_back(isize(inputs));
  }
  return out;
}

template <class A, BaseDevice D>
struct ctc_result {
  Tensor<A, 1, D> loss;
  Tensor<A, 3, D> gradient;  // (T,B,C) of the reduced loss; of each sequence's own with LossReduction::none
};

template <class A, BaseDevice D>
ctc_result<A, D> ctc_loss(const Tensor<A, 3, D>& log_probs, const Tensor<i64, 2>& targets,
                          const std::vector<i64>& input_lengths, const std::vector<i64>& target_lengths,
                          const CTCLossOptions& o, bool gradient) {
  static_assert(D::host_memory, "hft: the losses read their targets on the host");
  const ctc_targets rows = check_ctc(log_probs.shape(), targets, input_lengths, target_lengths, o);
  const isize B = log_probs.extent(1);
  const auto x = log_probs.dense();
  ctc_result<A, D> out;
  if (gradient) out.gradient = Tensor<A, 3, D>::zeros(log_probs.shape());
  std::vector<f64> losses(std::size_t(B), 0.0), shares(std::size_t(B), 1.0);
  for (isize b = 0; o.reduction == LossReduction::mean && b < B; ++b)
    shares[std::size_t(b)] = 1 / f64(B) / f64(std::max<isize>(1, rows.size(b)));
  ctc_loss_kernel(D{}, losses.data(), x.data(), out.gradient.data(), log_probs.shape(), rows.labels.data(),
                  rows.begins.data(), rows.input_lengths.data(), shares.data(), o.blank, o.zero_infinity);
  if (o.reduction == LossReduction::none) {
    out.loss = Tensor<A, 1, D>({B});
    for (isize b = 0; b < B; ++b) out.loss.data()[b] = A(losses[std::size_t(b)]);
  } else {
    f64 sum = 0;
    for (isize b = 0; b < B; ++b) sum += losses[std::size_t(b)] * shares[std::size_t(b)];
    out.loss = Tensor<A, 1, D>::from({A(sum)}, {1});
  }
  return out;
}

}  // namespace detail

/// -log of the probability of each target, summed over all its alignments with its input.
///   log_probs (T,B,C): logarithms of probabilities, as log_softmax gives them
///   targets (B,S): labels without blanks; those behind a row's target_length are not read
/// Infinite where an input is too short for its target, unless options.zero_infinity. Throws shape_error, and
/// value_error for lengths and labels out of range.
template <Scalar A, BaseDevice D>
Tensor<A, 1, D> ctc_loss(const Tensor<A, 3, D>& log_probs, const Tensor<i64, 2>& targets,
                         const std::vector<i64>& input_lengths, const std::vector<i64>& target_lengths,
                         const CTCLossOptions& options = {}) {
  return detail::ctc_loss(log_probs, targets, input_lengths, target_lengths, options, false).loss;
}

}  // namespace hft
