// Gradient of an embedding table on the CPU. Columns are split over the threads and ids taken in their order, so a row
// that occurs often is summed the same way always.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Adds row i of dy to row ids[i] of dtable, which is cleared first unless `add`; a negative id takes none.
template <class T>
void embedding_backward_kernel(cpu, matrix<T> dtable, const i64* ids, matrix<const T> dy, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

namespace hft {

template <class T>
void embedding_backward_kernel(cpu, matrix<T> dtable, const i64* ids, matrix<const T> dy, bool add) {
  using V = isa::lanes<T>;
  if (!add)
    detail::parallel_rows(dtable.rows, dtable.cols, 65536, [&](isize begin, isize end) {
      for (isize r = begin; r < end; ++r) std::fill_n(dtable.row(r), dtable.cols, T(0));
    });
  parallel_for(dtable.cols, 64, [&](isize begin, isize end) {
    for (isize r = 0; r < dy.rows; ++r) {
      if (ids[r] < 0) continue;
      T* to = dtable.row(isize(ids[r])) + begin;
      const T* from = dy.row(r) + begin;
      isa::for_lanes<V>(end - begin, [&](isize i, auto part) {
        part.store(part.template load<V>(to + i) + part.template load<V>(from + i), to + i);
      });
    }
  });
}

HFT_INSTANTIATE(void embedding_backward_kernel(cpu, matrix<f32>, const i64*, matrix<const f32>, bool))
HFT_INSTANTIATE(void embedding_backward_kernel(cpu, matrix<f64>, const i64*, matrix<const f64>, bool))

}  // namespace hft
#endif  // HFT_DEFINES
