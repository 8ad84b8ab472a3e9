// rms_norm and layer_norm on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/cpu/linear_backward.hpp>
#include <hft/ops/cpu/norm_backward.hpp>
#include <hft/ops/layer_norm.hpp>
#include <hft/ops/rms_norm.hpp>

namespace hft {

namespace detail {

template <class Y, class X, class W, class Edge>
auto record_norm(const char* op, Y y, const X& x, const W& weight, const Edge& eb, f64 eps, bool centred) {
  using D = typename Y::device;
  using A = typename Y::dtype_t;
  const auto ex = edge(x);
  const auto ew = edge(weight);
  return record(
      op, std::move(y),
      [ex, ew, eb, eps, centred, shape = x.shape(), xv = value(x), wv = value(weight)](const auto& dy) {
        const auto dense = xv.collapsible();
        const matrix<const A> g = dy.rows(), rows = dense.rows();
        const buffer memory = D::allocate(std::size_t(rows.rows) * sizeof(row_statistics<A>));
        auto* statistics = static_cast<row_statistics<A>*>(memory.data());
        const auto input = [&](matrix<A> dx, bool add) {
          norm_input_gradient_kernel(D{}, dx, statistics, g, rows, wv.data(), A(eps), centred, add);
        };
        if (ex)
          ex->accumulate_by(shape, [&](const auto& dx, bool add) { input(dx.rows(), add); });
        else
          input({}, false);
        if (ew)
          ew->accumulate_by(Shape<1>{rows.cols}, [&](const auto& dw, bool add) {
            norm_weight_gradient_kernel(D{}, dw.data(), g, rows, statistics, add);
          });
        if (eb)
          eb->accumulate_by(Shape<1>{rows.cols},
                            [&](const auto& db, bool add) { column_sums_kernel(D{}, db.data(), g, add); });
      },
      ex, ew, eb);
}

}  // namespace detail

template <class X, class W, class E = isize>
requires AnyTracked<X, W>
auto rms_norm(const X& x, const W& weight, f64 eps, E c = {}) {
  return detail::record_norm("rms_norm", rms_norm(value(x), value(weight), eps, c), x, weight,
                             decltype(detail::edge(weight))(), eps, false);
}

template <class X, class W, class E = isize>
requires AnyTracked<X, W>
auto layer_norm(const X& x, const W& weight, const W& bias, f64 eps, E c = {}) {
  return detail::record_norm("layer_norm", layer_norm(value(x), value(weight), value(bias), eps, c), x, weight,
                             detail::edge(bias), eps, true);
}

}  // namespace hft
