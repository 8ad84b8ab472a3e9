// dora on a device that records. The norm is a constant, as section 4.3 of the paper has it.
#pragma once
#include <vector>

#include <hft/autodiff.hpp>
#include <hft/ops/dora.hpp>

namespace hft {

namespace detail {

/// to[c] += factor(c) dy[i][c], for all rows.
template <class T, class F>
void add_rescaled(matrix<T> to, matrix<const T> dy, bool add, F factor) {
  parallel_for(dy.rows, 16, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i)
      for (isize c = 0; c < dy.cols; ++c) to.row(i)[c] = (add ? to.row(i)[c] : T(0)) + factor(c) * dy.row(i)[c];
  });
}

}  // namespace detail

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> dora(const Tensor<A, R, autodiff<D>>& y, const Tensor<A, R, autodiff<D>>& z,
                               const Tensor<A, 1, autodiff<D>>& bias, const Tensor<A, R, autodiff<D>>& low,
                               const Tensor<A, 1, autodiff<D>>& magnitude, const Tensor<A, 1, D>& norm) {
  static_assert(D::host_memory, "hft: the gradient of dora is computed on the host");
  const auto ey = detail::edge(y);
  const auto ez = detail::edge(z);
  const auto eb = detail::edge(bias);
  const auto el = detail::edge(low);
  const auto em = detail::edge(magnitude);
  const bool own_base = bool(z);
  return detail::record(
      "dora", dora(y.value(), z.value(), bias.value(), low.value(), magnitude.value(), norm),
      [=, shape = y.shape(), yv = em && !own_base ? y.value() : Tensor<A, R, D>(), zv = z.value(), bv = bias.value(),
       lv = em ? low.value() : Tensor<A, R, D>(), m = magnitude.value()](const auto& dout) {
        const matrix<const A> g = dout.rows();
        const A *scale = m.data(), *norms = norm.data();
        const auto s = [=](isize c) { return scale[c] / norms[c]; };
        const auto to = [&](const auto& edge, auto factor) {
          if (edge)
            edge->accumulate_by(shape,
                                [&](const auto& d, bool add) { detail::add_rescaled(d.rows(), g, add, factor); });
        };
        if (own_base) {
          detail::send(ey, dout);
          to(ez, [=](isize c) { return s(c) - 1; });
        } else {
          to(ey, s);
        }
        to(el, s);
        if (!em && (!eb || own_base)) return;
        std::vector<A> dm(std::size_t(g.cols)), db(std::size_t(g.cols));
        const auto dense_base = own_base ? zv.dense() : yv ? yv.dense() : yv;
        const auto dense_low = lv ? lv.dense() : lv;
        for (isize i = 0; i < g.rows; ++i)
          for (isize c = 0; c < g.cols; ++c) {
            const A d = g.row(i)[c];
            db[std::size_t(c)] += d;
            if (!em) continue;
            A base = dense_base.data()[i * g.cols + c];
            if (!own_base && bv) base -= bv.data()[c];
            dm[std::size_t(c)] += d * (base + dense_low.data()[i * g.cols + c]) / norms[c];
          }
        const auto add_to = [&](const auto& edge, auto value) {
          if (edge)
            edge->accumulate_by(Shape<1>{g.cols}, [&](const auto& d, bool add) {
              for (isize c = 0; c < g.cols; ++c) d.data()[c] = (add ? d.data()[c] : A(0)) + value(c);
            });
        };
        add_to(em, [&](isize c) { return dm[std::size_t(c)]; });
        if (!own_base) add_to(eb, [&](isize c) { return (1 - s(c)) * db[std::size_t(c)]; });
      },
      ey, ez, eb, el, em);
}

}  // namespace hft
