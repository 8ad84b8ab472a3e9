// Sums, products and multiples on the CPU, element by element; y may be one of the arguments.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

void add_kernel(cpu, matrix<f32> y, matrix<const f32> a, matrix<const f32> b);
void mul_kernel(cpu, matrix<f32> y, matrix<const f32> a, matrix<const f32> b);
void scale_kernel(cpu, matrix<f32> y, matrix<const f32> x, f32 s);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

namespace hft {

// ---- the oracle

inline void add_kernel(isa::generic, matrix<f32> y, matrix<const f32> a, matrix<const f32> b) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = a.row(i)[j] + b.row(i)[j];
}
inline void mul_kernel(isa::generic, matrix<f32> y, matrix<const f32> a, matrix<const f32> b) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = a.row(i)[j] * b.row(i)[j];
}
inline void scale_kernel(isa::generic, matrix<f32> y, matrix<const f32> x, f32 s) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = x.row(i)[j] * s;
}

// ---- by vectors

template <isa::vectorised Isa>
void add_kernel(Isa, matrix<f32> y, matrix<const f32> a, matrix<const f32> b) {
  using V = isa::floats<Isa>;
  for (isize i = 0; i < y.rows; ++i)
    isa::map_row<V>(
        y.row(i), y.cols, [](V v, V w) { return v + w; }, a.row(i), b.row(i));
}
template <isa::vectorised Isa>
void mul_kernel(Isa, matrix<f32> y, matrix<const f32> a, matrix<const f32> b) {
  using V = isa::floats<Isa>;
  for (isize i = 0; i < y.rows; ++i)
    isa::map_row<V>(
        y.row(i), y.cols, [](V v, V w) { return v * w; }, a.row(i), b.row(i));
}
template <isa::vectorised Isa>
void scale_kernel(Isa, matrix<f32> y, matrix<const f32> x, f32 s) {
  using V = isa::floats<Isa>;
  for (isize i = 0; i < y.rows; ++i)
    isa::map_row<V>(
        y.row(i), y.cols, [=](V v) { return v * V::set(s); }, x.row(i));
}

// ---- on all threads

HFT_INLINE void add_kernel(cpu, matrix<f32> y, matrix<const f32> a, matrix<const f32> b) {
  detail::parallel_rows(y.rows, y.cols, 65536, [&](isize begin, isize end) {
    add_kernel(isa::native{}, detail::rows_between(y, begin, end), detail::rows_between(a, begin, end),
               detail::rows_between(b, begin, end));
  });
}
HFT_INLINE void mul_kernel(cpu, matrix<f32> y, matrix<const f32> a, matrix<const f32> b) {
  detail::parallel_rows(y.rows, y.cols, 65536, [&](isize begin, isize end) {
    mul_kernel(isa::native{}, detail::rows_between(y, begin, end), detail::rows_between(a, begin, end),
               detail::rows_between(b, begin, end));
  });
}
HFT_INLINE void scale_kernel(cpu, matrix<f32> y, matrix<const f32> x, f32 s) {
  detail::parallel_rows(y.rows, y.cols, 65536, [&](isize begin, isize end) {
    scale_kernel(isa::native{}, detail::rows_between(y, begin, end), detail::rows_between(x, begin, end), s);
  });
}

}  // namespace hft
#endif  // HFT_DEFINES
