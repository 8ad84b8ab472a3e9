// cross_entropy, linear_cross_entropy, mse_loss, l1_loss, bce_with_logits: losses, one element each.
//
//   cross_entropy         logits (..., V), labels (...)                          => (1)
//   linear_cross_entropy  hidden (..., C), weight (V, C) [, bias (V)], labels    => (1), logits in chunks only
//
// Each computes its gradient along with its value, while the logits are at hand; the overloads of ops/autodiff/loss.hpp
// keep it.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include <hft/ops/cpu/cross_entropy.hpp>
#include <hft/ops/cpu/elementwise.hpp>
#include <hft/ops/cpu/linear_backward.hpp>
#include <hft/ops/cpu/linear_half.hpp>
#include <hft/ops/linear.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// How a cross-entropy counts. (torch.nn.CrossEntropyLoss; num_items as Transformers' num_items_in_batch)
struct CrossEntropyOptions {
  i64 ignore_index = -100;  // positions with this label do not count
  f64 label_smoothing = 0;  // this share of a label is spread over all classes
  isize num_items = 0;      // what the sum of losses is divided by; 0: the positions that count
};

namespace detail {

/// The positions that count, and what their losses are divided by.
struct counted_labels {
  std::vector<isize> rows;
  std::vector<i64> labels;
  f64 divisor;

  /// Throws shape_error unless there is a label for each of n positions, value_error for one outside [0, classes).
  counted_labels(const char* op, const std::vector<i64>& all, isize n, isize classes, const CrossEntropyOptions& o) {
    if (isize(all.size()) != n)
      throw shape_error(op, "labels", joined(n, ", one for each position"), joined(all.size()));
    if (!(o.label_smoothing >= 0 && o.label_smoothing <= 1))
      throw value_error(op, "label_smoothing", "0 to 1", joined(o.label_smoothing));
    for (isize i = 0; i < n; ++i) {
      const i64 label = all[std::size_t(i)];
      if (label == o.ignore_index) continue;
      if (label < 0 || label >= classes)
        throw value_error(op, joined("label at position ", i),
                          joined("0 <= label < ", classes, ", or ", o.ignore_index), joined(label));
      rows.push_back(i);
      labels.push_back(label);
    }
    divisor = f64(o.num_items > 0 ? o.num_items : isize(rows.size()));
  }
};

/// A loss and the gradients that were asked for; the others are empty.
template <class A, BaseDevice D>
struct loss_and_gradients {
  Tensor<A, 1, D> loss;       // (1)
  Tensor<A, 2, D> x, weight;  // of the logits or of the hidden states (M,C); of the head's weight (V,C)
  Tensor<A, 1, D> bias;       // (V)
};

struct wanted_gradients {
  bool x = false, weight = false, bias = false;
  bool any() const { return x || weight || bias; }
};

template <class A, BaseDevice D>
Tensor<A, 1, D> mean_loss(const std::vector<f64>& losses, f64 divisor) {
  f64 sum = 0;
  for (const f64 l : losses) sum += l;
  return Tensor<A, 1, D>::from({A(sum / divisor)}, {1});  // without positions 0 / 0: NaN, as in PyTorch
}

template <class A, BaseDevice D>
Tensor<A, 2, D> zeros_if(bool wanted, const Shape<2>& shape) {
  return wanted ? Tensor<A, 2, D>::zeros(shape) : Tensor<A, 2, D>();
}

template <class A, BaseDevice D>
loss_and_gradients<A, D> cross_entropy(const Tensor<A, 2, D>& logits, const std::vector<i64>& labels,
                                       const CrossEntropyOptions& o, bool gradient) {
  static_assert(D::host_memory, "hft: the losses gather rows through the host");
  const isize V = logits.extent(1);
  const counted_labels counted("cross_entropy", labels, logits.extent(0), V, o);
  loss_and_gradients<A, D> out;
  out.x = zeros_if<A, D>(gradient, logits.shape());
  const isize n = isize(counted.rows.size()),
              chunk = std::clamp<isize>((isize(1) << 22) / std::max<isize>(V, 1), 16, 4096);
  std::vector<f64> losses(std::size_t(n), 0.0);
  Tensor<A, 2, D> part({std::min(n, chunk), V});
  for (isize i = 0; i < n; i += chunk) {
    const isize rows = std::min(chunk, n - i);
    const auto x = part.slice(0, 0, rows);
    const auto at = [&](isize r) { return counted.rows[std::size_t(i + r)]; };
    for (isize r = 0; r < rows; ++r) std::memcpy(x.rows().row(r), logits.rows().row(at(r)), std::size_t(V) * sizeof(A));
    cross_entropy_kernel(D{}, losses.data() + i, x.rows(), counted.labels.data() + i, o.label_smoothing,
                         gradient ? 1 / counted.divisor : 0.0);
    for (isize r = 0; gradient && r < rows; ++r)
      std::memcpy(out.x.rows().row(at(r)), x.rows().row(r), std::size_t(V) * sizeof(A));
  }
  out.loss = mean_loss<A, D>(losses, counted.divisor);
  return out;
}

// Half: the products are in the weight's half precision, as those of a trained head are (ops/autodiff/linear.hpp).
template <bool Half = false, class A, class W, BaseDevice D>
loss_and_gradients<A, D> linear_cross_entropy(const Tensor<A, 2, D>& hidden, const Tensor<W, 2, D>& weight,
                                              const Tensor<A, 1, D>& bias, const std::vector<i64>& labels,
                                              const CrossEntropyOptions& o, wanted_gradients wanted) {
  static_assert(D::host_memory, "hft: the losses gather rows through the host");
  const isize V = weight.extent(0), C = hidden.extent(1);
  const counted_labels counted("linear_cross_entropy", labels, hidden.extent(0), V, o);
  loss_and_gradients<A, D> out;
  out.x = zeros_if<A, D>(wanted.x, hidden.shape());
  out.weight = zeros_if<A, D>(wanted.weight, {V, C});
  if (wanted.bias) out.bias = Tensor<A, 1, D>::zeros({V});
  // Some 8 MB of logits at a time, or 128 rows: enough that reading the weight again for each chunk does not count.
  const isize n = isize(counted.rows.size()),
              chunk = std::clamp<isize>((isize(1) << 21) / std::max<isize>(V, 1), 128, 2048);
  std::vector<f64> losses(std::size_t(n), 0.0);
  // In f16 small shares would vanish: there the gradients are those of the sum until all are there.
  constexpr bool of_sum = Half && std::is_same_v<W, f16>;
  const Tensor<A, 2, D> gathered({std::min(n, chunk), C}), dx({wanted.x ? std::min(n, chunk) : 0, C});
  for (isize i = 0; i < n; i += chunk) {
    const isize rows = std::min(chunk, n - i);
    const auto x = gathered.slice(0, 0, rows);
    const auto at = [&](isize r) { return counted.rows[std::size_t(i + r)]; };
    for (isize r = 0; r < rows; ++r) std::memcpy(x.rows().row(r), hidden.rows().row(at(r)), std::size_t(C) * sizeof(A));
    const auto logits = [&] {
      if constexpr (Half) {
        const Tensor<A, 2, D> y({rows, V});
        linears_half_kernel(D{}, std::array{y.rows()}, matrix<const A>(x.rows()), std::array{weight.weight_rows()},
                            std::array<const A*, 1>{bias.data()});
        return y;
      } else {
        return linear(x, weight, bias);
      }
    }();
    const matrix<const A> g = logits.rows();
    cross_entropy_kernel(D{}, losses.data() + i, logits.rows(), counted.labels.data() + i, o.label_smoothing,
                         !wanted.any() ? 0.0
                         : of_sum      ? 1.0
                                       : 1 / counted.divisor);
    if (wanted.x) {
      if constexpr (Half)
        linear_half_input_gradient_kernel(D{}, dx.slice(0, 0, rows).rows(), g, weight.weight_rows(), false);
      else
        linear_input_gradient_kernel(D{}, dx.slice(0, 0, rows).rows(), g, weight.weight_rows(), false);
      for (isize r = 0; r < rows; ++r)
        std::memcpy(out.x.rows().row(at(r)), dx.rows().row(r), std::size_t(C) * sizeof(A));
    }
    if (wanted.weight) {
      if constexpr (Half)
        linear_half_weight_gradient_kernel<W>(D{}, out.weight.rows(), g, matrix<const A>(x.rows()), i > 0);
      else
        linear_weight_gradient_kernel(D{}, out.weight.rows(), g, matrix<const A>(x.rows()), i > 0);
    }
    if (wanted.bias) column_sums_kernel(D{}, out.bias.data(), g, i > 0);
  }
  if constexpr (of_sum) {
    if (n == 0) {  // zeros already, which 1 / 0 would make NaN
      out.loss = mean_loss<A, D>(losses, counted.divisor);
      return out;
    }
    const auto divide = [&](const auto& t) {
      if (t) scale_kernel(D{}, t.rows(), matrix<const A>(t.rows()), A(1 / counted.divisor));
    };
    divide(out.x), divide(out.weight), divide(out.bias);
  }
  out.loss = mean_loss<A, D>(losses, counted.divisor);
  return out;
}

/// The mean over all elements of f(x, target), which gives a loss and its derivative.
template <class A, BaseDevice D, class F>
loss_and_gradients<A, D> elementwise_loss(const char* op, const Tensor<A, 2, D>& x, const Tensor<f32, 2, D>& target,
                                          const F& f) {
  static_assert(D::host_memory, "hft: these losses are computed on the host");
  if (x.shape() != target.shape()) throw shape_error(op, "target", shape_text(x.shape()), shape_text(target.shape()));
  const auto xd = x.dense();
  const auto td = target.dense();
  loss_and_gradients<A, D> out;
  out.x = Tensor<A, 2, D>(x.shape());
  const isize n = xd.size();
  f64 sum = 0;
  for (isize i = 0; i < n; ++i) {
    const auto [loss, slope] = f(f64(xd.data()[i]), f64(td.data()[i]));
    sum += loss;
    out.x.data()[i] = A(slope / f64(n));
  }
  out.loss = Tensor<A, 1, D>::from({A(sum / f64(n))}, {1});
  return out;
}

using error_and_slope = std::pair<f64, f64>;
inline error_and_slope squared_error(f64 x, f64 t) { return {(x - t) * (x - t), 2 * (x - t)}; }
inline error_and_slope absolute_error(f64 x, f64 t) { return {std::abs(x - t), f64((x > t) - (x < t))}; }
/// Of a logit and a probability.
inline error_and_slope logistic_error(f64 x, f64 t) {
  return {std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x))), 1 / (1 + std::exp(-x)) - t};
}

}  // namespace detail

/// The mean of -log softmax(logits)[label] over the positions that count. Throws shape_error, value_error for a label
/// outside the classes.
///   logits (M,V), labels (M); returns (1)
template <Scalar A, BaseDevice D>
Tensor<A, 1, D> cross_entropy(const Tensor<A, 2, D>& logits, const std::vector<i64>& labels,
                              const CrossEntropyOptions& options = {}) {
  return detail::cross_entropy(logits.collapsible(), labels, options, false).loss;
}

/// cross_entropy(linear(hidden, weight, bias), labels), whose logits are never in memory all at once; positions that do
/// not count are left out of the product.
///   hidden (M,C), weight (V,C), bias (V) or empty, labels (M); returns (1)
template <Scalar A, WeightDtype W, BaseDevice D>
Tensor<A, 1, D> linear_cross_entropy(const Tensor<A, 2, D>& hidden, const Tensor<W, 2, D>& weight,
                                     const Tensor<A, 1, D>& bias, const std::vector<i64>& labels,
                                     const CrossEntropyOptions& options = {}) {
  return detail::linear_cross_entropy(hidden.collapsible(), weight, bias, labels, options, {}).loss;
}

/// mean((x - target)^2). Throws shape_error unless the shapes are equal. (torch.nn.MSELoss)
template <Scalar A, BaseDevice D>
Tensor<A, 1, D> mse_loss(const Tensor<A, 2, D>& x, const Tensor<f32, 2, D>& target) {
  return detail::elementwise_loss("mse_loss", x, target, detail::squared_error).loss;
}

/// mean(|x - target|). Throws shape_error unless the shapes are equal. (torch.nn.L1Loss)
template <Scalar A, BaseDevice D>
Tensor<A, 1, D> l1_loss(const Tensor<A, 2, D>& x, const Tensor<f32, 2, D>& target) {
  return detail::elementwise_loss("l1_loss", x, target, detail::absolute_error).loss;
}

/// The mean binary cross-entropy of sigmoid(x). Throws shape_error unless the shapes are equal.
/// (torch.nn.BCEWithLogitsLoss)
template <Scalar A, BaseDevice D>
Tensor<A, 1, D> bce_with_logits(const Tensor<A, 2, D>& x, const Tensor<f32, 2, D>& target) {
  return detail::elementwise_loss("bce_with_logits", x, target, detail::logistic_error).loss;
}

}  // namespace hft
