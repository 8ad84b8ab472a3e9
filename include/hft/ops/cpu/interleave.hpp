// Block formats with eight rows interleaved: the layout in which one activation meets a vector of eight outputs.
//
// A block of a format is words of four bytes (levels, their upper bits, the scales of a K format) and one or two f16.
// The blocks that eight rows have at one place become one: word 0 of each row, word 1 of each row, ..., then the f16.
//   bytes   word 0: row 0 .. 7 | word 1: row 0 .. 7 | ... | d: row 0 .. 7 | m: row 0 .. 7
// It is the same bytes in another order, so it takes no more memory, any format has it, and making it is copying.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>

#include <hft/device.hpp>
#include <hft/quantization/block_formats.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// Where a block of W has its words and its halves, in a row and interleaved.
template <EvenLevels W>
struct interleaved_block {
  using storage = typename dtype<W>::storage;
  static constexpr isize rows = 8;
  static constexpr isize halves = 1 + (
                                          requires(storage s) { s.m; } || requires(storage s) { s.dmin; });
  static constexpr isize words = (isize(sizeof(storage)) - 2 * halves) / 4;
  static constexpr isize first_word = std::is_same_v<W, q6_k> ? 0 : 2 * halves;  // bytes before it
  static constexpr isize first_half = std::is_same_v<W, q6_k> ? 4 * words : 0;
  static constexpr isize bytes = rows * isize(sizeof(storage));
  static_assert(4 * words + 2 * halves == isize(sizeof(storage)));
};

/// Interleaves rows n .. n + 7 of w; rows beyond its end read as the last one.
template <EvenLevels W>
void interleave_rows(std::byte* to, weight_matrix<W> w, isize n) {
  using block = interleaved_block<W>;
  const std::byte* row[block::rows];
  for (isize r = 0; r < block::rows; ++r)
    row[r] = reinterpret_cast<const std::byte*>(w.row(std::min(n + r, w.rows - 1)));
  for (isize b = 0; b < w.cols / dtype<W>::block; ++b) {
    for (isize i = 0; i < block::words; ++i, to += 4 * block::rows)
      for (isize r = 0; r < block::rows; ++r) std::memcpy(to + 4 * r, row[r] + block::first_word + 4 * i, 4);
    for (isize i = 0; i < block::halves; ++i, to += 2 * block::rows)
      for (isize r = 0; r < block::rows; ++r) std::memcpy(to + 2 * r, row[r] + block::first_half + 2 * i, 2);
    for (auto& r : row) r += sizeof(typename dtype<W>::storage);
  }
}

/// The bytes of eight interleaved rows.
template <EvenLevels W>
constexpr isize interleaved_bytes(isize cols) {
  return cols / dtype<W>::block * interleaved_block<W>::bytes;
}

/// What a weight's memory has beside it once the weight is interleaved: this, and after it the rows by eights.
struct alignas(64) interleaved_weight {
  isize rows, cols;
  dtype_id format;

  const std::byte* data() const { return reinterpret_cast<const std::byte*>(this + 1); }
  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }

  /// The interleaved form of w, where w has it and is all of its columns from the first row on; else null.
  template <class W>
  static const interleaved_weight* of(weight_matrix<W> w) {
    const auto* p = static_cast<const interleaved_weight*>(w.prepared);
    const bool whole = p && p->cols == w.cols && w.rows <= p->rows && w.stride == w.cols / dtype<W>::block;
    return whole && p->format == dtype<W>::id ? p : nullptr;
  }
};

}  // namespace hft::detail
