// Products of matrices whose elements are rounded to a half-precision dtype, summed in f32: what training in bf16 and
// f16 computes, as torch.autocast does.
//
//   C (M, N) = A (M, K) B (K, N) [+ C]     each of A and B may lie transposed, and in f32 or in half precision
//
// Three bodies: the generic one is plain C++ and the oracle; with AVX512-BF16, bf16 is multiplied as it is, two
// products an instruction; all else is rounded, widened again and left to the kernels of f32.
#pragma once
#include <algorithm>
#include <type_traits>

#include <hft/ops/cpu/gemm.hpp>
#include <hft/ops/cpu/isa.hpp>
#include <hft/parallel.hpp>
#include <hft/quantization/elements.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// An operand of a product, T f32 or the half dtype: rows x columns as the product takes it. Where it lies transposed,
/// `memory` has the columns as its rows.
template <class T>
struct gemm_operand {
  matrix<const T> memory;
  bool transposed = false;

  isize rows() const { return transposed ? memory.cols : memory.rows; }
  isize cols() const { return transposed ? memory.rows : memory.cols; }
};

/// c = a b + bias (N, or null), or c += a b if `add`. Elements of a and b are rounded to Half.
template <class Half, class TA, class TB>
void gemm_half(isa::generic, matrix<f32> c, gemm_operand<TA> a, gemm_operand<TB> b, const f32* bias, bool add) {
  const auto element = [](const auto& x, isize i, isize j) {
    return f32(Half(f32(x.transposed ? x.memory.row(j)[i] : x.memory.row(i)[j])));
  };
  for (isize i = 0; i < c.rows; ++i)
    for (isize j = 0; j < c.cols; ++j) {
      f32 sum = 0;
      for (isize k = 0; k < a.cols(); ++k) sum += element(a, i, k) * element(b, k, j);
      c.row(i)[j] = add ? c.row(i)[j] + sum : bias ? sum + bias[j] : sum;
    }
}

#if defined(HFT_ISA_AVX512BF16)

// Panels: A in panels of 12 rows, B in panels of 32 columns. A panel has, for each pair of neighbours along K, the
// pairs of its 12 rows (32 columns), 32 bits each, so that a step multiplies one broadcast pair with 16 pairs. What
// lacks in the last panel, or the last pair, is zero. K is walked in parts: a part of a panel of B stays in the first
// cache, the same part of the block of A in the second.
namespace bf16_panels {

inline constexpr isize rows = 12, columns = 32, part = 192;  // pairs of a part
inline constexpr isize block = 20;                           // panels of A

constexpr __mmask16 first16(isize n) {
  return n >= 16 ? __mmask16(0xffff) : __mmask16((1u << std::max<isize>(n, 0)) - 1);
}
constexpr __mmask32 first32(isize n) {
  return n >= 32 ? __mmask32(0xffffffff) : __mmask32((1u << std::max<isize>(n, 0)) - 1);
}

// n <= 32 elements of a row as bf16, or n <= 16; zeros behind them.
inline __m512i load32(const bf16* p, isize n) { return _mm512_maskz_loadu_epi16(first32(n), p); }
inline __m512i load32(const f32* p, isize n) {
  const __m512 low = _mm512_maskz_loadu_ps(first16(n), p), high = _mm512_maskz_loadu_ps(first16(n - 16), p + 16);
  return std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}
inline __m256i load16(const bf16* p, isize n) { return _mm256_maskz_loadu_epi16(first16(n), p); }
inline __m256i load16(const f32* p, isize n) {
  return std::bit_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(first16(n), p)));
}

// x[i] lane j <=> x[j] lane i, of 32 bits.
inline void transpose_16x16(__m512i (&x)[16]) {
  __m512i y[16];
  HFT_UNROLL for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  HFT_UNROLL for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  // x[4 g + c]: column c of each 128-bit lane, of rows 4 g ... 4 g + 3
  HFT_UNROLL for (int c = 0; c < 4; ++c) {
    y[c] = _mm512_shuffle_i32x4(x[c], x[4 + c], 0x88);           // lanes 0, 2 of rows 0-3 and 4-7
    y[4 + c] = _mm512_shuffle_i32x4(x[c], x[4 + c], 0xdd);       // lanes 1, 3
    y[8 + c] = _mm512_shuffle_i32x4(x[8 + c], x[12 + c], 0x88);  // the same of rows 8-11 and 12-15
    y[12 + c] = _mm512_shuffle_i32x4(x[8 + c], x[12 + c], 0xdd);
  }
  HFT_UNROLL for (int c = 0; c < 4; ++c) {
    x[c] = _mm512_shuffle_i32x4(y[c], y[8 + c], 0x88);
    x[8 + c] = _mm512_shuffle_i32x4(y[c], y[8 + c], 0xdd);
    x[4 + c] = _mm512_shuffle_i32x4(y[4 + c], y[12 + c], 0x88);
    x[12 + c] = _mm512_shuffle_i32x4(y[4 + c], y[12 + c], 0xdd);
  }
}

// `lines` <= 16 lines that are contiguous along K, from `from` on, into a panel Width wide at `to`.
template <isize Width, class T>
void pack_along_k(std::uint32_t* to, matrix<const T> x, isize from, isize lines, isize store) {
  for (isize k = 0; k < x.cols; k += 32) {
    __m512i v[16];
    for (int i = 0; i < 16; ++i) v[i] = i < lines ? load32(x.row(from + i) + k, x.cols - k) : _mm512_setzero_si512();
    transpose_16x16(v);
    const isize pairs = std::min<isize>(16, (x.cols - k + 1) / 2);
    for (isize p = 0; p < pairs; ++p) _mm512_mask_storeu_epi32(to + (k / 2 + p) * Width, first16(store), v[p]);
  }
}

// n <= 16 elements of each row of x from column `from` on, into a panel Width wide at `to`: pairs are of two rows.
template <isize Width, class T>
void pack_across_k(std::uint32_t* to, matrix<const T> x, isize from, isize n, isize store) {
  for (isize k = 0; k < x.rows; k += 2) {
    const __m512i low = _mm512_cvtepu16_epi32(load16(x.row(k) + from, n));
    const __m512i high =
        k + 1 < x.rows ? _mm512_cvtepu16_epi32(load16(x.row(k + 1) + from, n)) : _mm512_setzero_si512();
    _mm512_mask_storeu_epi32(to + k / 2 * Width, first16(store), _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}

/// All panels of one operand.
template <isize Width>
class packed {
 public:
  /// `along_k`: the rows of x are contiguous along K, so they are the rows of A (columns of B).
  template <class T>
  packed(matrix<const T> x, bool along_k)
      : lines(along_k ? x.rows : x.cols),
        pairs(((along_k ? x.cols : x.rows) + 1) / 2),
        panels((lines + Width - 1) / Width) {
    memory_ = cpu::allocate(std::size_t(panels * pairs * Width) * sizeof(std::uint32_t));
    parallel_for(panels, std::max<isize>(1, 16384 / std::max<isize>(1, pairs * Width)), [&](isize begin, isize end) {
      for (isize i = begin; i < end; ++i)
        for (isize part = 0; part < Width; part += 16) {
          const isize from = i * Width + part,
                      n = std::clamp<isize>(lines - from, 0, std::min<isize>(16, Width - part));
          const isize store = std::min<isize>(16, Width - part);
          if (along_k)
            pack_along_k<Width>(panel(i) + part, x, from, n, store);
          else
            pack_across_k<Width>(panel(i) + part, x, n ? from : 0, n, store);
        }
    });
  }

  std::uint32_t* panel(isize i) const { return static_cast<std::uint32_t*>(memory_.data()) + i * pairs * Width; }

  isize lines, pairs, panels;

 private:
  buffer memory_;
};

/// c (at most 12 x 32) = or += the product of two panels' parts.
inline void tile(matrix<f32> c, const std::uint32_t* a, const std::uint32_t* b, isize pairs, const f32* bias,
                 bool add) {
  __m512 sum[rows][2];
  HFT_UNROLL for (int i = 0; i < rows; ++i) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
  for (isize p = 0; p < pairs; ++p, a += rows, b += columns) {
    const auto b0 = std::bit_cast<__m512bh>(_mm512_loadu_si512(b)),
               b1 = std::bit_cast<__m512bh>(_mm512_loadu_si512(b + 16));
    HFT_UNROLL for (int i = 0; i < rows; ++i) {
      const auto x = std::bit_cast<__m512bh>(_mm512_set1_epi32(int(a[i])));
      sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, b0);
      sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, b1);
    }
  }
  const __mmask16 left = first16(c.cols), right = first16(c.cols - 16);
  __m512 shift[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  if (bias) shift[0] = _mm512_maskz_loadu_ps(left, bias), shift[1] = _mm512_maskz_loadu_ps(right, bias + 16);
  HFT_UNROLL for (int i = 0; i < rows; ++i) {
    if (i >= c.rows) break;
    f32* y = c.row(i);
    const __m512 before[2] = {add ? _mm512_maskz_loadu_ps(left, y) : shift[0],
                              add ? _mm512_maskz_loadu_ps(right, y + 16) : shift[1]};
    _mm512_mask_storeu_ps(y, left, _mm512_add_ps(sum[i][0], before[0]));
    _mm512_mask_storeu_ps(y + 16, right, _mm512_add_ps(sum[i][1], before[1]));
  }
}

/// Panels of A [first, last) times panels of B [from, to), on the calling thread.
inline void multiply(matrix<f32> c, const packed<rows>& a, const packed<columns>& b, const f32* bias, bool add,
                     isize first, isize last, isize from, isize to) {
  const isize parts = std::max<isize>(1, (a.pairs + part - 1) / part), length = (a.pairs + parts - 1) / parts;
  for (isize i0 = first; i0 < last; i0 += block)
    for (isize p = 0; p < std::max<isize>(1, a.pairs); p += std::max<isize>(1, length)) {
      const isize pairs = std::min(length, a.pairs - p);
      for (isize j = from; j < to; ++j) {
        const isize column = j * columns, cols = std::min(columns, c.cols - column);
        for (isize i = i0; i < std::min(last, i0 + block); ++i) {
          const isize row = i * rows;
          tile({c.row(row) + column, std::min(rows, c.rows - row), cols, c.stride}, a.panel(i) + p * rows,
               b.panel(j) + p * columns, pairs, bias && p == 0 ? bias + column : nullptr, add || p > 0);
        }
      }
    }
}

inline void multiply(matrix<f32> c, const packed<rows>& a, const packed<columns>& b, const f32* bias, bool add) {
  const isize work = rows * columns * std::max<isize>(1, a.pairs);  // of a pair of panels
  const auto grain = [&](isize others) {
    return std::max<isize>(1, (isize(1) << 18) / (work * std::max<isize>(1, others)));
  };
  if (a.panels >= b.panels)
    parallel_for(a.panels, grain(b.panels),
                 [&](isize begin, isize end) { multiply(c, a, b, bias, add, begin, end, 0, b.panels); });
  else
    parallel_for(b.panels, grain(a.panels),
                 [&](isize begin, isize end) { multiply(c, a, b, bias, add, 0, a.panels, begin, end); });
}

}  // namespace bf16_panels

#endif

/// x rounded to Half and widened again, as rows of its own.
template <class Half, class T>
std::pair<buffer, matrix<const f32>> rounded_to_f32(matrix<const T> x) {
  buffer memory = cpu::allocate(std::size_t(x.rows * x.cols) * sizeof(f32));
  auto* to = static_cast<f32*>(memory.data());
  parallel_for(x.rows, std::max<isize>(1, 16384 / std::max<isize>(1, x.cols)), [&](isize begin, isize end) {
    constexpr isize chunk = 256;
    Half half[chunk];
    for (isize r = begin; r < end; ++r)
      for (isize c = 0; c < x.cols; c += chunk) {
        const isize n = std::min(chunk, x.cols - c);
        if constexpr (std::is_same_v<T, Half>) {
          to_f32<Half>(x.row(r) + c, to + r * x.cols + c, n);
        } else {
          from_f32<Half>(x.row(r) + c, half, n);
          to_f32<Half>(half, to + r * x.cols + c, n);
        }
      }
  });
  return {std::move(memory), {to, x.rows, x.cols, x.cols}};
}

/// Whether this build multiplies Half as it is.
template <class Half>
inline constexpr bool multiplies_half =
#if defined(HFT_ISA_AVX512BF16)
    std::is_same_v<Half, bf16>;
#else
    false;
#endif

}  // namespace hft::detail

HFT_INTRINSICS_END
