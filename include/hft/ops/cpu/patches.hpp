// Patches of images on the CPU, and their gradient. Rows of patches are split over the threads: they share no pixel.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Images cut into patches of p x q pixels; what is left at the right and below belongs to none.
struct patch_grid {
  isize batch, channels, height, width, p, q;

  isize down() const { return height / p; }
  isize across() const { return width / q; }
};

/// y (B*N, C*p*q) and the images x (B,C,H,W) are dense.
template <class T>
void patches_kernel(cpu, T* y, const T* x, const patch_grid& g);

/// dx (B,C,H,W) = dy at each pixel's place, 0 at a pixel of no patch; or += if `add`.
template <class T>
void patches_backward_kernel(cpu, T* dx, const T* dy, const patch_grid& g, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>

#include <hft/parallel.hpp>

namespace hft {

namespace detail {

/// Calls f(y, x) for every q pixels that lie together: at offset y in the patches (B*N, C*p*q), x in the images.
template <class F>
void for_patch_lines(const patch_grid& g, F f) {
  const isize area = g.p * g.q, plane = g.height * g.width;
  const isize line = g.across() * g.channels * area;  // elements of a row of patches
  parallel_for(g.batch * g.down(), std::max<isize>(1, 16384 / std::max<isize>(1, line)), [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      const isize b = r / g.down(), top = r % g.down() * g.p;
      for (isize j = 0; j < g.across(); ++j)
        for (isize c = 0; c < g.channels; ++c)
          for (isize i = 0; i < g.p; ++i)
            f(((r * g.across() + j) * g.channels + c) * area + i * g.q,
              (b * g.channels + c) * plane + (top + i) * g.width + j * g.q);
    }
  });
}

}  // namespace detail

template <class T>
void patches_kernel(cpu, T* y, const T* x, const patch_grid& g) {
  detail::for_patch_lines(g, [&](isize to, isize from) { std::copy_n(x + from, g.q, y + to); });
}

template <class T>
void patches_backward_kernel(cpu, T* dx, const T* dy, const patch_grid& g, bool add) {
  if (!add) std::fill_n(dx, g.batch * g.channels * g.height * g.width, T(0));
  detail::for_patch_lines(g, [&](isize from, isize to) {
    for (isize k = 0; k < g.q; ++k) dx[to + k] += dy[from + k];
  });
}

HFT_INSTANTIATE(void patches_kernel(cpu, f32*, const f32*, const patch_grid&))
HFT_INSTANTIATE(void patches_kernel(cpu, f64*, const f64*, const patch_grid&))
HFT_INSTANTIATE(void patches_backward_kernel(cpu, f32*, const f32*, const patch_grid&, bool))
HFT_INSTANTIATE(void patches_backward_kernel(cpu, f64*, const f64*, const patch_grid&, bool))

}  // namespace hft
#endif  // HFT_DEFINES
