// Integer products of quantised activations with rows of a block format for many tokens: y = x w^T.
//
// A panel of 32 weight rows is unpacked once and reused for all tokens. In the panel, 16 rows stand side by side, four
// neighbouring levels of each to a lane: one dot instruction meets 16 rows with four activations of a token, broadcast,
// and no sum across lanes is ever needed. The panel of any format is the same but for its group length and whether its
// groups have minima, so there are three kernels and not eight.
#pragma once
#include <algorithm>
#include <cstring>

#include <hft/ops/cpu/dot_blocks.hpp>

#if defined(HFT_ISA_AVX512VNNI)

HFT_INTRINSICS_BEGIN

namespace hft::detail {

inline constexpr isize panel_rows = 32;

/// Where things lie in a panel: for each group the scales of 32 rows, their minima if the format has any, then for
/// every four columns the levels of rows 0..15 and of rows 16..31.
template <isize Group, bool HasMin>
struct block_panel {
  static constexpr isize scales = panel_rows * isize(sizeof(f32));
  static constexpr isize levels_at = HasMin ? 2 * scales : scales;
  static constexpr isize group_bytes = levels_at + Group * panel_rows;
  static isize bytes(isize cols) { return cols / Group * group_bytes; }
};
template <class W>
using block_panel_of = block_panel<block_format<W>::group, block_format<W>::offset == 0>;

// Lane i of row j becomes lane j of row i.
inline void transpose(__m512i (&v)[16]) {
  __m512i t[16];
  HFT_UNROLL for (int i = 0; i < 16; i += 4) {
    const __m512i a = _mm512_unpacklo_epi32(v[i], v[i + 1]), b = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    const __m512i c = _mm512_unpacklo_epi32(v[i + 2], v[i + 3]), d = _mm512_unpackhi_epi32(v[i + 2], v[i + 3]);
    t[i] = _mm512_unpacklo_epi64(a, c), t[i + 1] = _mm512_unpackhi_epi64(a, c);
    t[i + 2] = _mm512_unpacklo_epi64(b, d), t[i + 3] = _mm512_unpackhi_epi64(b, d);
  }
  HFT_UNROLL for (int i = 0; i < 4; ++i) {  // t[i], t[4 + i] ...: 128-bit lane l holds column 4 l + i of four rows
    const __m512i a = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x44), b = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xee);
    const __m512i c = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x44);
    const __m512i d = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xee);
    v[i] = _mm512_shuffle_i32x4(a, c, 0x88), v[i + 4] = _mm512_shuffle_i32x4(a, c, 0xdd);
    v[i + 8] = _mm512_shuffle_i32x4(b, d, 0x88), v[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
}

/// Unpacks rows n .. n + rows - 1 of w into a panel; rows beyond them repeat the last one.
template <class W>
void pack_block_panel(std::byte* to, weight_matrix<W> w, isize n, isize rows) {
  using format = block_format<W>;
  using panel = block_panel_of<W>;
  using reader = reader512<W>;
  constexpr isize block = dtype<W>::block, group = format::group, groups = 64 / group;  // groups of a chunk
  for (isize half_panel = 0; half_panel < 2; ++half_panel)
    for (isize k = 0; k < w.cols; k += reader::unit) {
      const bool half = w.cols - k < 64;
      for (int c = 0; c < reader::unit / 64; ++c) {
        __m512i q[16];
        f32 d[16][groups], m[16][groups];
        for (isize r = 0; r < 16; r += 4) {
          const typename dtype<W>::storage* wr[4];
          for (isize i = 0; i < 4; ++i) wr[i] = w.row(n + std::min(half_panel * 16 + r + i, rows - 1)) + k / block;
          const reader four(wr, half);
          HFT_UNROLL for (int i = 0; i < 4; ++i) {
            q[r + i] = four.levels(i, c);
            four.scales(i, c, d[r + i], m[r + i]);
          }
        }
        transpose(q);
        for (isize g = 0; g < (half ? groups / 2 : groups); ++g) {
          std::byte* at = to + ((k + 64 * c) / group + g) * panel::group_bytes;
          auto* scale = reinterpret_cast<f32*>(at) + half_panel * 16;
          for (isize r = 0; r < 16; ++r) scale[r] = d[r][g];
          if constexpr (format::offset == 0)
            for (isize r = 0; r < 16; ++r) scale[panel_rows + r] = m[r][g];
          std::byte* levels = at + panel::levels_at + half_panel * 64;
          for (isize i = 0; i < group / 4; ++i) _mm512_store_si512(levels + i * 128, q[g * group / 4 + i]);
        }
      }
    }
}

// The products of a panel with Tokens tokens from row t on.
template <isize Group, int Offset, int Tokens>
void gemm_blocks_tile(matrix<f32> y, const q8_rows& x, isize t, isize cols, const std::byte* panel, isize n, isize rows,
                      const f32* bias) {
  using layout = block_panel<Group, Offset == 0>;
  q8_row xr[Tokens];
  for (int i = 0; i < Tokens; ++i) xr[i] = x.row(t + i);
  __m512 sum[2][Tokens];
  HFT_UNROLL for (int p = 0; p < 2; ++p) HFT_UNROLL for (int i = 0; i < Tokens; ++i) sum[p][i] = _mm512_setzero_ps();
  for (isize g = 0; g < cols / Group; ++g, panel += layout::group_bytes) {
    __m512i dot[2][Tokens];
    HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
      if constexpr (Offset != 0)
        dot[0][i] = _mm512_set1_epi32((Group == 16 ? xr[i].n16[g] : xr[i].n32[g]) * Offset);
      else
        dot[0][i] = _mm512_setzero_si512();
      dot[1][i] = dot[0][i];
    }
    const std::byte* levels = panel + layout::levels_at;
    HFT_UNROLL for (isize k = 0; k < Group; k += 4) {
      const __m512i low = _mm512_load_si512(levels + k * 32), high = _mm512_load_si512(levels + k * 32 + 64);
      HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
        i32 four;
        std::memcpy(&four, xr[i].q + g * Group + k, 4);
        const __m512i all = _mm512_set1_epi32(four);
        dot[0][i] = _mm512_dpbusd_epi32(dot[0][i], low, all);
        dot[1][i] = _mm512_dpbusd_epi32(dot[1][i], high, all);
      }
    }
    const f32* scale = reinterpret_cast<const f32*>(panel);
    HFT_UNROLL for (int p = 0; p < 2; ++p) {
      const __m512 d = _mm512_load_ps(scale + 16 * p);
      HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
        const __m512 both = _mm512_mul_ps(d, _mm512_set1_ps(xr[i].ds[g * Group / 32 * 2]));
        sum[p][i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[p][i]), both, sum[p][i]);
      }
      if constexpr (Offset == 0) {
        const __m512 m = _mm512_load_ps(scale + panel_rows + 16 * p);
        HFT_UNROLL for (int i = 0; i < Tokens; ++i) sum[p][i] =
            _mm512_fmadd_ps(m, _mm512_set1_ps(xr[i].ds[2 * g + 1]), sum[p][i]);
      }
    }
  }
  HFT_UNROLL for (int p = 0; p < 2; ++p) {
    const isize kept = std::clamp<isize>(rows - 16 * p, 0, 16);
    const auto mask = __mmask16((1u << kept) - 1);
    const __m512 shift = bias ? _mm512_maskz_loadu_ps(mask, bias + n + 16 * p) : _mm512_setzero_ps();
    HFT_UNROLL for (int i = 0; i < Tokens; ++i)
        _mm512_mask_storeu_ps(y.row(t + i) + n + 16 * p, mask, _mm512_add_ps(sum[p][i], shift));
  }
}

template <BlockFormat W>
void gemm_blocks(isa::avx512vnni, matrix<f32> y, const q8_rows& x, weight_matrix<W> w, const f32* bias) {
  constexpr isize group = block_format<W>::group;
  constexpr int offset = block_format<W>::offset;
  const buffer memory = cpu::allocate(std::size_t(block_panel_of<W>::bytes(w.cols)));
  auto* panel = static_cast<std::byte*>(memory.data());
  for (isize n = 0; n < w.rows; n += panel_rows) {
    const isize rows = std::min(panel_rows, w.rows - n);
    pack_block_panel<W>(panel, w, n, rows);
    isize t = 0;
    for (; t + 6 <= y.rows; t += 6) gemm_blocks_tile<group, offset, 6>(y, x, t, w.cols, panel, n, rows, bias);
    for (; t + 2 <= y.rows; t += 2) gemm_blocks_tile<group, offset, 2>(y, x, t, w.cols, panel, n, rows, bias);
    if (t < y.rows) gemm_blocks_tile<group, offset, 1>(y, x, t, w.cols, panel, n, rows, bias);
  }
}

}  // namespace hft::detail

HFT_INTRINSICS_END

#endif
