// The losses of models given labels, as Transformers' forward computes them (transformers/loss/loss_utils.py).
// A model's forward finds these by argument-dependent lookup.
#pragma once
#include <algorithm>
#include <vector>

#include <hft/layers/linear.hpp>
#include <hft/models/output.hpp>
#include <hft/ops/autodiff.hpp>
#include <hft/ops/patches.hpp>
#include <hft/ops/top_k.hpp>

namespace hft {

namespace detail {

/// The labels of (B,T), or, where `next`, those one position later, the last of each row ignored.
inline std::vector<i64> flat_labels(const Tensor<i64, 2>& labels, bool next, i64 ignore_index) {
  const auto dense = labels.dense();
  const isize B = labels.extent(0), T = labels.extent(1);
  std::vector<i64> out(dense.data(), dense.data() + B * T);
  if (next)
    for (isize b = 0; b < B; ++b) {
      auto row = out.begin() + b * T;
      std::move(row + 1, row + T, row);
      row[T - 1] = ignore_index;
    }
  return out;
}

template <class Args>
CrossEntropyOptions loss_options(const Args& args) {
  CrossEntropyOptions o;
  o.label_smoothing = args.label_smoothing;
  o.num_items = args.num_items_in_batch;
  return o;
}

inline void check_labels(const Tensor<i64, 2>& labels, isize rows, isize cols) {
  if (labels.shape() != Shape<2>{rows, cols})
    throw shape_error("loss", "labels", shape_text(Shape<2>{rows, cols}), shape_text(labels.shape()));
}

}  // namespace detail

/// Cross-entropy of the head's logits: at each position with the label of the next one, or with its own. A plain head
/// is fused with it, and its logits are never all in memory.
///   hidden (B,T,C) => (1)
template <class A, BaseDevice D, class Head, class Args>
Tensor<A, 1, autodiff<D>> language_model_loss(const Tensor<A, 3, autodiff<D>>& hidden, const Head& head,
                                              const Args& args, bool next) {
  const isize B = hidden.extent(0), T = hidden.extent(1), C = hidden.extent(2);
  detail::check_labels(args.labels, B, T);
  const auto options = detail::loss_options(args);
  const auto labels = detail::flat_labels(args.labels, next, options.ignore_index);
  const auto rows = hidden.template reshape<2>({B * T, C});
  bool fused = PlainLinear<Head>;
  if constexpr (requires { head.adapted(); }) fused = !head.adapted();  // a LoraLinear without an adapter at work
  if constexpr (requires { head.compute_weight(); })
    if (fused) return linear_cross_entropy(rows, head.compute_weight(), head.bias, labels, options);
  return cross_entropy(head(rows), labels, options);
}

/// The auxiliary loss of mixtures of experts, which is least where all experts are used alike: E times the sum over
/// experts of the share of choices that fell on it and the mean probability that routers gave it, over all layers and
/// all tokens that the mask shows. Fedus et al. 2021, arXiv 2101.03961, eq. (4) to (6). (load_balancing_loss_func)
///   router_logits (B T,E) of each layer, mask (B,T) or empty => (1)
template <class A, BaseDevice D>
Tensor<A, 1, autodiff<D>> load_balancing_loss(const std::vector<Tensor<A, 2, autodiff<D>>>& router_logits,
                                              isize per_token, const Tensor<u8, 2, D>& mask) {
  const isize N = router_logits.at(0).extent(0), E = router_logits[0].extent(1);
  std::vector<A> shown(static_cast<std::size_t>(N), A(1)), counts(static_cast<std::size_t>(E));
  if (mask) std::transform(mask.data(), mask.data() + N, shown.begin(), [](u8 m) { return A(m != 0); });
  A rows = 0;
  for (const auto& logits : router_logits) {
    const auto chosen = top_k(logits.value(), per_token);
    for (isize p = 0; p < isize(chosen.size()); ++p)
      counts[std::size_t(chosen[std::size_t(p)])] += shown[std::size_t(p / per_token)];
    for (const A s : shown) rows += s;
  }
  // What each probability is multiplied by, before all are summed.
  Tensor<A, 2, D> factors({1, N * E});
  for (isize i = 0; i < N * E; ++i)
    factors.data()[i] = shown[std::size_t(i / E)] * counts[std::size_t(i % E)] * A(E) / (rows * rows);
  Tensor<A, 2, autodiff<D>> sum;
  for (const auto& logits : router_logits) {
    const Tensor<A, 2, autodiff<D>> one = linear(softmax(logits).template reshape<2>({1, N * E}), factors);
    sum = sum ? add(sum, one) : one;
  }
  return sum.template reshape<1>({1});
}

/// Of a classifier of sequences, by config.problem_type where the config has one, else by what is given: with `labels`
/// (B,1) cross-entropy, or the mean square error where there is one label; with `values` (B,labels) the mean square
/// error where there is one label, else binary cross-entropy for each. Empty without either.
///   logits (B,labels) => (1)
template <class A, BaseDevice D, class Config, class Args>
Tensor<A, 1, autodiff<D>> sequence_classification_loss(const Tensor<A, 2, autodiff<D>>& logits, const Config& config,
                                                       const Args& args) {
  const isize B = logits.extent(0), n = logits.extent(1);
  if (!args.labels && !args.values) return {};
  std::string_view problem;
  if constexpr (requires { config.problem_type->view(); })
    if (config.problem_type) problem = config.problem_type->view();
  if (problem.empty())
    problem = n == 1 ? "regression" : args.labels ? "single_label_classification" : "multi_label_classification";
  if (problem == "single_label_classification") {
    detail::check_labels(args.labels, B, 1);
    return cross_entropy(logits, detail::flat_labels(args.labels, false, -100), detail::loss_options(args));
  }
  if (problem != "regression" && problem != "multi_label_classification")
    throw value_error("loss", "problem_type", "regression, single_label_classification or multi_label_classification",
                      std::string(problem));
  Tensor<f32, 2, D> target;
  if (args.values) {
    target =
        Tensor<f32, 2, D>::from({args.values.dense().data(), std::size_t(args.values.size())}, args.values.shape());
  } else {
    const auto labels = detail::flat_labels(args.labels, false, -100);
    target = Tensor<f32, 2, D>::from(std::vector<f32>(labels.begin(), labels.end()), args.labels.shape());
  }
  return problem == "regression" ? mse_loss(logits, target) : bce_with_logits(logits, target);
}

/// The mean of the cross-entropies of a span's first and its last token; of a row whose position is outside the text
/// that one does not count. Empty without positions.
///   start, end (B,T) => (1)
template <class A, BaseDevice D, class Args>
Tensor<A, 1, autodiff<D>> question_answering_loss(const Tensor<A, 2, autodiff<D>>& start,
                                                  const Tensor<A, 2, autodiff<D>>& end, const Args& args) {
  if (!args.start_positions || !args.end_positions) return {};
  const isize B = start.extent(0), T = start.extent(1);
  CrossEntropyOptions options;
  options.ignore_index = T;
  const auto of = [&](const auto& logits, const Tensor<i64, 2>& positions) {
    detail::check_labels(positions, B, 1);
    auto labels = detail::flat_labels(positions, false, T);
    for (i64& label : labels) label = std::clamp<i64>(label, 0, T);
    return cross_entropy(logits, labels, options);
  };
  return scale(add(of(start, args.start_positions), of(end, args.end_positions)), 0.5);
}

/// Cross-entropy of a row's choices with the right one. Empty without labels.
///   logits (B,N), labels (B,1) => (1)
template <class A, BaseDevice D, class Args>
Tensor<A, 1, autodiff<D>> multiple_choice_loss(const Tensor<A, 2, autodiff<D>>& logits, const Args& args) {
  if (!args.labels) return {};
  detail::check_labels(args.labels, logits.extent(0), 1);
  return cross_entropy(logits, detail::flat_labels(args.labels, false, -100));
}

/// Cross-entropy of two texts with whether they belong together: the labels of sentences, or where there are none the
/// others. Empty without labels.
///   logits (B,labels), labels (B,1) => (1)
template <class A, BaseDevice D, class Args>
Tensor<A, 1, autodiff<D>> sentence_loss(const Tensor<A, 2, autodiff<D>>& logits, const Args& args) {
  const auto& labels = args.sentence_labels ? args.sentence_labels : args.labels;
  if (!labels) return {};
  detail::check_labels(labels, logits.extent(0), 1);
  return cross_entropy(logits, detail::flat_labels(labels, false, -100));
}

/// Binary cross-entropy of each token that the mask shows with whether it was replaced. Empty without labels.
///   logits (B,T), mask (B,T) or empty, labels (B,T) => (1)
template <class A, BaseDevice D, class Args>
Tensor<A, 1, autodiff<D>> replaced_tokens_loss(const Tensor<A, 2, autodiff<D>>& logits, const Tensor<i64, 2>& mask,
                                               const Args& args) {
  if (!args.labels) return {};
  detail::check_labels(args.labels, logits.extent(0), logits.extent(1));
  const auto labels = detail::flat_labels(args.labels, false, -100);
  const auto shown = mask ? detail::flat_labels(mask, false, 0) : std::vector<i64>(labels.size(), 1);
  std::vector<isize> rows;
  std::vector<f32> targets;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (shown[i]) rows.push_back(isize(i)), targets.push_back(f32(labels[i]));
  const isize n = isize(rows.size());
  return bce_with_logits(take_rows(logits.template reshape<2>({logits.size(), 1}), rows),
                         Tensor<f32, 2, D>::from(targets, {n, 1}));
}

/// The mean distance of the pixels that were found to those of the image, over the patches of s x s pixels that were
/// hidden. As Transformers has it, 1e-5 of a pixel more is divided by.
///   found (B,N,C s s), pixels (B,C,H,W), masked (B,N) => (1)
template <class A, BaseDevice D>
Tensor<A, 1, autodiff<D>> masked_image_loss(const Tensor<A, 3, autodiff<D>>& found, const Tensor<f32, 4>& pixels,
                                            const Tensor<i64, 2>& masked, isize s) {
  const isize N = found.extent(0) * found.extent(1), K = found.extent(2), H = pixels.extent(2);
  if (H % s || pixels.extent(3) % s || (H / s) * (pixels.extent(3) / s) != found.extent(1))
    throw shape_error("loss", "pixel_values",
                      detail::joined("images of ", found.extent(1), " patches of ", s, " x ", s, " pixels"),
                      detail::shape_text(pixels.shape()));
  std::vector<isize> rows;
  const auto hidden = masked.dense();
  for (isize i = 0; i < N; ++i)
    if (hidden.data()[i]) rows.push_back(i);
  const f64 count = f64(rows.size()) * f64(s * s), share = count / (count + 1e-5);
  if (rows.empty()) rows.push_back(0);  // nothing to find: 0
  const auto target = take_rows(patches(pixels, s, s).template reshape<2>({N, K}), rows);
  return scale(l1_loss(take_rows(found.template reshape<2>({N, K}), rows), to_device<D>(target)), share);
}

/// Cross-entropy of each token with its label. Empty without labels.
///   logits (B,T,labels) => (1)
template <class A, BaseDevice D, class Args>
Tensor<A, 1, autodiff<D>> token_classification_loss(const Tensor<A, 3, autodiff<D>>& logits, const Args& args) {
  if (!args.labels) return {};
  detail::check_labels(args.labels, logits.extent(0), logits.extent(1));
  return cross_entropy(logits.template reshape<2>({logits.extent(0) * logits.extent(1), logits.extent(2)}),
                       detail::flat_labels(args.labels, false, -100), detail::loss_options(args));
}

}  // namespace hft
