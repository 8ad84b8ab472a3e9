// Rows of an embedding table on the CPU, widened or dequantised to f32.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Throws unsupported_error if the format of an any_q table is not one of weights.
template <class W>
void embedding_kernel(cpu, matrix<f32> y, const i64* ids, weight_matrix<W> table);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <string>
#include <type_traits>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>
#include <hft/quantization/block_formats.hpp>

namespace hft {

// ---- the oracle

/// Row i of y is row ids[i] of the table; the ids were checked.
template <class W>
void embedding_kernel(isa::generic, matrix<f32> y, const i64* ids, weight_matrix<W> table) {
  for (isize i = 0; i < y.rows; ++i) {
    const auto* from = table.row(isize(ids[i]));
    if constexpr (BlockFormat<W>)
      dequantize<W>(from, y.row(i), y.cols);
    else
      for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = f32(from[j]);
  }
}

// ---- by vectors, where the dtype is one that they load

template <isa::vectorised Isa, class W>
requires(std::is_same_v<W, f32> || std::is_same_v<W, f16> ||
         std::is_same_v<W, bf16>) void embedding_kernel(Isa, matrix<f32> y, const i64* ids, weight_matrix<W> table) {
  using V = isa::floats<Isa>;
  for (isize i = 0; i < y.rows; ++i)
    isa::map_row<V>(
        y.row(i), y.cols, [](V v) { return v; }, table.row(isize(ids[i])));
}

// ---- on all threads

template <class W>
void embedding_kernel(cpu, matrix<f32> y, const i64* ids, weight_matrix<W> table) {
  if constexpr (dtype<W>::any) {
    with_weight_dtype(
        table.format, [&]<class T>(std::type_identity<T>) { embedding_kernel(cpu{}, y, ids, table.template as<T>()); },
        [&] {
          throw unsupported_error("embedding", "dtype of the table", "f32, f16, bf16 or a block format",
                                  std::string(name(table.format)));
        });
  } else {
    detail::parallel_rows(y.rows, y.cols, 16384, [&](isize begin, isize end) {
      embedding_kernel(isa::native{}, detail::rows_between(y, begin, end), ids + begin, table);
    });
  }
}

#define HFT_OF_WEIGHT(W) HFT_INSTANTIATE(void embedding_kernel(cpu, matrix<f32>, const i64*, weight_matrix<W>))
HFT_EACH_WEIGHT_DTYPE(HFT_OF_WEIGHT)
HFT_OF_WEIGHT(any_q)
#undef HFT_OF_WEIGHT

}  // namespace hft
#endif  // HFT_DEFINES
