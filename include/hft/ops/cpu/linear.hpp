// Products with weights of every dtype: y (M, N) = x (M, K) w (N, K)^T + bias.
//
// How a product is computed depends on the dtype and on M, the number of tokens:
//   f32            few tokens: dot products without packing; more: register tiles over transposed panels
//   f16, bf16      widened to f32 as they load, exactly; a panel at a time where many tokens share it
//   block formats  VNNI: activations in 8 bits twice, integer dot products with the weights where they lie, from 5
//   tokens
//                  on with unpacked panels
//                  AVX2: activations in 16 bits, integer products with eight rows at a time, interleaved once by
//                  prepare_linear or, where that did not happen, for each product
//                  else panels widened to f32
//   nf4            few tokens, with AVX-512 all: dot products of f32 with the levels; else panels widened to f32
//   any_q          what its format says
// Integer products have the error of activations to some 15 bits of the largest value that shares a scale; the widened
// ones have none.
//
// The output columns are split over the threads in one parallel region; several products of one x share that region and
// the quantised x. The result does not depend on the number of threads.
#pragma once
#include <array>
#include <cstddef>
#include <type_traits>

#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
/// `count` products of one x: y[i] (M, N_i) = x (M, K) w[i] (N_i, K)^T + bias[i] (N_i, or null), in one parallel
/// region.
template <class W>
void linear_products(const matrix<f32>* y, matrix<const f32> x, const weight_matrix<W>* w, const f32* const* bias,
                     std::size_t count);
/// The same in f64, for checks and small models.
void linear_products(const matrix<f64>* y, matrix<const f64> x, const weight_matrix<f64>* w, const f64* const* bias,
                     std::size_t count);
}  // namespace detail

/// Several products of one x: y[i] (M, N_i) = x (M, K) w[i] (N_i, K)^T + bias[i] (N_i, or null), in one parallel
/// region. Rows of x and y may be strided. Throws unsupported_error if an any_q weight is of a format that holds no
/// weights.
template <class A, class W, std::size_t N>
void linears_kernel(cpu, const std::array<matrix<A>, N>& y, std::type_identity_t<matrix<const A>> x,
                    const std::array<weight_matrix<W>, N>& w, const std::array<const A*, N>& bias) {
  detail::linear_products(y.data(), x, w.data(), bias.data(), N);
}

/// y (M, N) = x (M, K) w (N, K)^T + bias (N, or null); k = K. As linears_kernel.
template <class A, class W, class E>
void linear_kernel(cpu, matrix<A> y, std::type_identity_t<matrix<const A>> x, weight_matrix<W> w,
                   std::type_identity_t<const A*> bias, E k) {
  x.cols = k;
  detail::linear_products(&y, x, &w, &bias, 1);
}

/// Interleaves block formats where products with them want that, so that later ones find it done.
template <class W>
void prepare_linear_kernel(cpu, const buffer& memory, weight_matrix<W> w);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <hft/ops/cpu/dot_blocks.hpp>
#include <hft/ops/cpu/dot_float.hpp>
#include <hft/ops/cpu/dot_interleaved.hpp>
#include <hft/ops/cpu/dot_nf4.hpp>
#include <hft/ops/cpu/gemm_blocks.hpp>
#include <hft/ops/cpu/gemm_float.hpp>
#include <hft/parallel.hpp>
#include <hft/quantization/elements.hpp>

namespace hft {

namespace detail {

/// The largest number of tokens for which weights are read in place; beyond it, unpacking a panel of them pays.
template <class Isa>
inline constexpr isize few_tokens = std::derived_from<Isa, isa::avx512vnni> ? 4 : 8;

/// The same for nf4, whose dot products are of f32: with AVX-512 any number.
template <class Isa>
inline constexpr isize few_nf4_tokens = std::derived_from<Isa, isa::avx512> ? std::numeric_limits<isize>::max() : 16;

/// How block formats meet activations: by integers, of two 8-bit rows or of one 16-bit row, or not so.
template <class Isa>
inline constexpr bool eight_bits_twice = std::derived_from<Isa, isa::avx512vnni>;
template <class Isa>
inline constexpr bool sixteen_bits = std::derived_from<Isa, isa::avx2> && !eight_bits_twice<Isa>;
template <class Isa>
using quantized_rows = std::conditional_t<eight_bits_twice<Isa>, q8_rows, q16_rows>;

/// One product, its dtype erased into `run`: rows [begin, end) of w, so columns [begin, end) of y.
template <class Isa>
struct linear_job {
  matrix<f32> y;
  const void* w;
  isize rows, stride;  // of w
  const interleaved_weight* interleaved;
  const f32* bias;
  void (*run)(const linear_job&, matrix<const f32> x, const quantized_rows<Isa>* xq, isize begin, isize end);
  bool integer;  // wants xq

  matrix<f32> columns(isize begin, isize end) const { return {y.data + begin, y.rows, end - begin, y.stride}; }
  template <class W>
  weight_matrix<W> weights(isize begin, isize end, isize cols) const {
    return {static_cast<const typename dtype<W>::storage*>(w) + begin * stride, end - begin, cols, stride};
  }
};

/// Products of f32 weights on the calling thread. From some tokens on it pays to transpose the weights.
template <class Isa>
void linear_f32(Isa isa, matrix<f32> y, matrix<const f32> x, matrix<const f32> w, const f32* bias) {
  if (x.rows >= (isa::vectorised<Isa> ? 16 : 12)) return gemm_float(isa, y, x, w, bias);
  dot_rows(isa, y, x, w, bias);
}

/// Widens the weights a panel at a time, so that all tokens share the widening.
template <class Isa, class W>
void linear_widened(Isa isa, matrix<f32> y, matrix<const f32> x, weight_matrix<W> w, const f32* bias) {
  constexpr bool simd = std::derived_from<Isa, isa::avx2>;
  constexpr isize panel = simd ? 16 : 64;
  const buffer memory = cpu::allocate(std::size_t(panel * w.cols) * sizeof(f32));
  auto* wide = static_cast<f32*>(memory.data());
  for (isize n = 0; n < w.rows; n += panel) {
    const isize rows = std::min(panel, w.rows - n);
    for (isize r = 0; r < rows; ++r) to_f32<W>(w.row(n + r), wide + r * w.cols, w.cols);
    const matrix<f32> columns{y.data + n, y.rows, rows, y.stride};
    const matrix<const f32> part{wide, rows, w.cols, w.cols};
    if constexpr (simd)  // a panel is too narrow for a transposition to pay
      dot_rows(isa, columns, x, part, bias ? bias + n : nullptr);
    else
      linear_f32(isa, columns, x, part, bias ? bias + n : nullptr);
  }
}

// A token is two rows of x8, its value in 8 bits and the remainder in 8 bits more, whose products are added: 8 bits
// alone lose what shares a group with one of the large outliers that transformers have, and change the chosen tokens.
template <class Isa, class W>
void linear_integer(Isa isa, matrix<f32> y, const q8_rows& x8, weight_matrix<W> w, const f32* bias) {
  // Columns in parts, so that both products stay in cache until they are added.
  const isize part = std::max<isize>(64, (isize(1) << 16) / y.rows / 32 * 32);
  const buffer memory = cpu::allocate(std::size_t(2 * y.rows * std::min(part, y.cols)) * sizeof(f32));
  for (isize n = 0; n < y.cols; n += part) {
    const isize cols = std::min(part, y.cols - n);
    const matrix<f32> both{static_cast<f32*>(memory.data()), 2 * y.rows, cols, cols};
    const weight_matrix<W> rows{w.row(n), cols, w.cols, w.stride};
#if defined(HFT_ISA_AVX512VNNI)
    if constexpr (std::derived_from<Isa, isa::avx512vnni>) {
      if (y.rows > few_tokens<Isa>)
        gemm_blocks(isa, both, x8, rows, nullptr);
      else
        dot_blocks(isa, both, x8, rows, nullptr);
    } else
#endif
      dot_blocks(isa, both, x8, rows, nullptr);
    for (isize t = 0; t < y.rows; ++t) {
      const f32 *value = both.row(2 * t), *remainder = both.row(2 * t + 1);
      f32* out = y.row(t) + n;
      if (bias)
        for (isize j = 0; j < cols; ++j) out[j] = value[j] + remainder[j] + bias[n + j];
      else
        for (isize j = 0; j < cols; ++j) out[j] = value[j] + remainder[j];
    }
  }
}

#if defined(HFT_ISA_AVX2)
// Columns [begin, begin + y.cols) of a job's result.
template <class W, class Isa>
void linear_sixteen(const linear_job<Isa>& job, matrix<f32> y, const q16_rows& x, isize begin, isize cols,
                    const f32* bias) {
  const isize bytes = interleaved_bytes<W>(cols);
  if (job.interleaved)
    return linear_interleaved<W>(y, x, begin, cols, bias,
                                 [&](isize n) { return job.interleaved->data() + n / 8 * bytes; });
  const buffer memory = cpu::allocate(std::size_t(bytes));
  auto* eight = static_cast<std::byte*>(memory.data());
  linear_interleaved<W>(y, x, begin, cols, bias, [&](isize n) {
    interleave_rows(eight, job.template weights<W>(0, job.rows, cols), n);
    return eight;
  });
}
#endif

template <class Isa, class W>
void run_linear(const linear_job<Isa>& job, matrix<const f32> x, const quantized_rows<Isa>* xq, isize begin,
                isize end) {
  const Isa isa;
  const auto y = job.columns(begin, end);
  const auto w = job.template weights<W>(begin, end, x.cols);
  const f32* bias = job.bias ? job.bias + begin : nullptr;
  constexpr bool simd = std::derived_from<Isa, isa::avx2>;
  if constexpr (EvenLevels<W> && eight_bits_twice<Isa>) {
    linear_integer(isa, y, *xq, w, bias);
  } else if constexpr (EvenLevels<W> && sixteen_bits<Isa>) {
    linear_sixteen<W>(job, y, *xq, begin, x.cols, bias);
  } else if constexpr (BlockFormat<W>) {
    if constexpr (simd && std::is_same_v<W, nf4>)
      if (x.rows <= few_nf4_tokens<Isa>) return dot_nf4(isa, y, x, w, bias);
    linear_widened(isa, y, x, w, bias);
  } else {
    const matrix<const W> dense{w.data, w.rows, w.cols, w.stride};
    if constexpr (std::is_same_v<W, f32>)
      linear_f32(isa, y, x, dense, bias);
    else if (std::derived_from<Isa, isa::avx512> || (simd && x.rows <= few_tokens<Isa>))
      dot_rows(isa, y, x, dense, bias);
    else
      linear_widened(isa, y, x, w, bias);
  }
}

template <class Isa, class W>
linear_job<Isa> make_linear_job(Isa, matrix<f32> y, weight_matrix<W> w, const f32* bias) {
  constexpr bool integer = EvenLevels<W> && (eight_bits_twice<Isa> || sixteen_bits<Isa>);
  const interleaved_weight* interleaved = nullptr;
  if constexpr (integer && sixteen_bits<Isa>) interleaved = interleaved_weight::of(w);
  return {y, w.data, w.rows, w.stride, interleaved, bias, run_linear<Isa, W>, integer};
}
template <class Isa>
linear_job<Isa> make_linear_job(Isa isa, matrix<f32> y, weight_matrix<any_q> w, const f32* bias) {
  return with_weight_dtype(
      w.format, [&]<class W>(std::type_identity<W>) { return make_linear_job(isa, y, w.template as<W>(), bias); },
      [&]() -> linear_job<Isa> {
        throw unsupported_error("linear", "weight", "a floating or block dtype", std::string(name(w.format)));
      });
}

// x as integer products take it.
template <class Isa>
quantized_rows<Isa> quantize_rows(Isa isa, matrix<const f32> x) {
  quantized_rows<Isa> rows(eight_bits_twice<Isa> ? 2 * x.rows : x.rows, x.cols);
  const auto quantize = [&](isize begin, isize end) {
    if constexpr (eight_bits_twice<Isa>) {
      const buffer memory = cpu::allocate(std::size_t(x.cols) * sizeof(f32));
      for (isize t = begin; t < end; ++t)
        quantize_q8_pair(isa, x.row(t), x.cols, rows, 2 * t, static_cast<f32*>(memory.data()));
    } else {
      for (isize t = begin; t < end; ++t) quantize_q16_row(isa, x.row(t), x.cols, rows, t);
    }
  };
  if (x.rows <= 8)
    quantize(0, x.rows);  // less work than a parallel region
  else
    parallel_for(x.rows, 8, quantize);
  return rows;
}

// All products of one x, their output columns laid end to end and split over the threads.
template <class Isa>
void run_linear_jobs(Isa isa, matrix<const f32> x, const linear_job<Isa>* jobs, std::size_t count) {
  isize columns = 0;
  bool integer = false;
  for (std::size_t i = 0; i < count; ++i) columns += jobs[i].rows, integer |= jobs[i].integer;
  if (columns == 0 || x.rows == 0) return;

  std::optional<quantized_rows<Isa>> xq;
  if (integer) xq = quantize_rows(isa, x);
  parallel_for(columns, 32, [&](isize begin, isize end) {
    isize first = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& job = jobs[i];
      const isize from = std::max(begin - first, isize(0)), to = std::min(end - first, job.rows);
      if (from < to) job.run(job, x, xq ? &*xq : nullptr, from, to);
      first += job.rows;
    }
  });
}

// Puts the interleaved form of a weight beside it.
template <EvenLevels W>
void interleave_weight(const buffer& memory, weight_matrix<W> w) {
  const isize eights = (w.rows + 7) / 8, bytes = interleaved_bytes<W>(w.cols);
  buffer beside = cpu::allocate(sizeof(interleaved_weight) + std::size_t(eights * bytes));
  auto* to = new (beside.data()) interleaved_weight{w.rows, w.cols, dtype<W>::id};
  parallel_for(eights, 4, [&](isize begin, isize end) {
    for (isize e = begin; e < end; ++e) interleave_rows(to->data() + e * bytes, w, 8 * e);
  });
  memory.attach(std::move(beside));
  memory.let_pages_go();
}

template <class W>
void linear_products(const matrix<f32>* y, matrix<const f32> x, const weight_matrix<W>* w, const f32* const* bias,
                     std::size_t count) {
  std::array<linear_job<isa::native>, 4> few{};  // as many as almost every call has
  std::vector<linear_job<isa::native>> many(count > few.size() ? count : 0);
  auto* jobs = many.empty() ? few.data() : many.data();
  for (std::size_t i = 0; i < count; ++i) jobs[i] = make_linear_job(isa::native{}, y[i], w[i], bias[i]);
  run_linear_jobs(isa::native{}, x, jobs, count);
}
HFT_INLINE void linear_products(const matrix<f64>* y, matrix<const f64> x, const weight_matrix<f64>* w,
                                const f64* const* bias, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    parallel_for(w[i].rows, 32, [&](isize begin, isize end) {
      gemm_float(isa::native{}, matrix<f64>{y[i].data + begin, y[i].rows, end - begin, y[i].stride}, x,
                 matrix<const f64>{w[i].row(begin), end - begin, x.cols, w[i].stride},
                 bias[i] ? bias[i] + begin : nullptr);
    });
}

}  // namespace detail

template <class W>
void prepare_linear_kernel(cpu, [[maybe_unused]] const buffer& memory, [[maybe_unused]] weight_matrix<W> w) {
  if constexpr (dtype<W>::any)
    with_weight_dtype(
        w.format, [&]<class F>(std::type_identity<F>) { prepare_linear_kernel(cpu{}, memory, w.template as<F>()); },
        [] {});
  else if constexpr (EvenLevels<W> && detail::sixteen_bits<isa::native>)
    detail::interleave_weight(memory, w);
}

#define HFT_OF_WEIGHT(W)                                                                                       \
  HFT_INSTANTIATE(void detail::linear_products(const matrix<f32>*, matrix<const f32>, const weight_matrix<W>*, \
                                               const f32* const*, std::size_t))                                \
  HFT_INSTANTIATE(void prepare_linear_kernel(cpu, const buffer&, weight_matrix<W>))
HFT_EACH_WEIGHT_DTYPE(HFT_OF_WEIGHT)
HFT_OF_WEIGHT(any_q)
#undef HFT_OF_WEIGHT
HFT_INSTANTIATE(void prepare_linear_kernel(cpu, const buffer&, weight_matrix<f64>))

}  // namespace hft
#endif  // HFT_DEFINES
