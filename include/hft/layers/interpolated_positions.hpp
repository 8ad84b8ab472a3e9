// interpolated_positions: a learned table of an image's positions, made to fit images of another size.
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <hft/layers/build.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/embedding.hpp>
#include <hft/ops/take_rows.hpp>

namespace hft {

namespace detail {

/// Which values of a line of `from` a line of `to` has between them, and how much of each: four for each.
struct cubic_taps {
  std::vector<isize> places;
  std::vector<f64> shares;
};

/// Keys' cubic convolution (Keys 1981) with a = -0.75, ends repeated, corners not aligned.
/// (torch.nn.functional.interpolate, mode bicubic)
inline cubic_taps cubic_taps_of(isize from, isize to) {
  constexpr f64 a = -0.75;
  const auto near = [](f64 x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };       // |x| <= 1
  const auto far = [](f64 x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };  // 1 < |x| < 2
  cubic_taps out;
  for (isize i = 0; i < to; ++i) {
    const f64 at = (f64(i) + 0.5) * f64(from) / f64(to) - 0.5, floor = std::floor(at), t = at - floor;
    for (const f64 share : {far(t + 1), near(t), near(1 - t), far(2 - t)}) out.shares.push_back(share);
    for (isize k = -1; k < 3; ++k) out.places.push_back(std::clamp<isize>(isize(floor) + k, 0, from - 1));
  }
  return out;
}

}  // namespace detail

/// Row 0 of a table is that of a class token, the others those of a square of side x side patches, row by row:
/// (1 + side * side, C) => (1 + down * across, C) of down x across patches. (ViTEmbeddings.interpolate_pos_encoding)
template <class B, class Table>
auto interpolated_positions(const Table& table, isize side, isize down, isize across) {
  using A = typename B::activation;
  constexpr isize taps = 16;
  const isize n = 1 + down * across, C = table.extent(1);
  const auto rows = detail::cubic_taps_of(side, down), columns = detail::cubic_taps_of(side, across);
  auto ids = Tensor<i64, 2>::zeros({1, n * taps});
  auto shares = Tensor<A, 2>::zeros({n, taps});
  shares.data()[0] = A(1);  // of the class token
  for (isize y = 0; y < down; ++y)
    for (isize x = 0; x < across; ++x)
      for (isize k = 0; k < taps; ++k) {
        const std::size_t r = std::size_t(y * 4 + k / 4), c = std::size_t(x * 4 + k % 4);
        const isize at = (1 + y * across + x) * taps + k;
        ids.data()[at] = 1 + rows.places[r] * side + columns.places[c];
        shares.data()[at] = A(rows.shares[r] * columns.shares[c]);
      }
  using Rows = typename B::template tensor<2>;
  const Rows seen = embedding<A>(ids, table).template reshape<2>({n * taps, C});
  std::vector<isize> places(std::size_t(n * taps));
  std::iota(places.begin(), places.end(), isize(0));
  return Rows(combine_rows(std::vector<Rows>{seen}, {places}, Rows(to_device<typename B::base>(shares))));
}

}  // namespace hft
