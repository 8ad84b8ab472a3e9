// The gated delta rule by chunks (Yang et al. 2024, arXiv 2412.06464, section 3.3; Transformers'
// torch_chunk_gated_delta_rule). What the tokens of a chunk write are the rows u(t) of a triangular system: with L(t,j)
// the product of the decays of j+1 ... t, and S the state before the chunk,
//
//   u(t) = beta(t) (v(t) - L(t,-1) S^T k(t) - the sum over j < t of L(t,j) (k(t) k(j)) u(j))
//   y(t) = L(t,-1) S^T q(t) + the sum over j <= t of L(t,j) (q(t) k(j)) u(j)
//   S'   = L(last,-1) S + the sum over j of k(j) L(last,j) u(j)^T
//
// The papers invert the system, so that chunks need not wait for one another; here threads have heads enough, S is
// known and u follows by substitution.
#pragma once
#include <algorithm>
#include <cstddef>

#include <hft/device.hpp>
#include <hft/ops/cpu/chunks.hpp>
#include <hft/ops/heads.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// A chunk of one sequence's keys and queries, which several heads of values may share.
class delta_keys {
 public:
  /// For keys of K elements and at most V columns of values.
  delta_keys(isize K, isize V)
      : memory_(cpu::allocate(std::size_t(scan_tokens * (3 * K + 4 * scan_tokens + 3 * V)) * sizeof(f32))),
        rows_(static_cast<f32*>(memory_.data())),
        keys_(rows_ + 2 * scan_tokens * K),
        scores_(keys_ + scan_tokens * K),
        system_(scores_ + 2 * scan_tokens * scan_tokens),
        weights_(system_ + scan_tokens * scan_tokens),
        found_(weights_ + scan_tokens * scan_tokens),
        written_(found_ + 2 * scan_tokens * V) {}

  /// Takes keys and queries of n tokens from `first` on, those of head h of sequence b.
  void see(const heads_view<const f32>& k, const heads_view<const f32>& q, isize b, isize first, isize n, isize h) {
    K_ = k.dim, n_ = n;
    for (isize i = 0; i < n; ++i) {
      std::copy_n(row_of(k, b, first + i, h, 0, K_), K_, rows_ + i * K_);
      std::copy_n(row_of(q, b, first + i, h, 0, K_), K_, rows_ + (n + i) * K_);
    }
    transpose_keys(keys_, rows_, K_, n, K_);
    lower_product(scores_, rows_, K_, keys_, n, K_);
    lower_product(query_scores(), rows_ + n * K_, K_, keys_, n, K_);
  }

  /// The chunk of V columns of values and their state s (K,V), which becomes the one after the chunk. v(i) are the
  /// values of token i, decay(i) and beta(i) its rates, and y(i, sums) takes what it reads.
  template <class Values, class Decay, class Beta, class Sums>
  void operator()(f32* s, isize s_stride, isize V, Values v, Decay decay, Beta beta, Sums y) {
    using vec = chunk_vector;
    decays_left left;
    row_product<vec>{found_, V, rows_, K_, s, s_stride, K_, false}(2 * n_, V);
    f32* const read = found_ + n_ * V;
    for (isize i = 0; i < n_; ++i) {
      left.next(i, decay(i));
      left.times(system_ + i * scan_tokens, -beta(i), scores_ + i * scan_tokens, i);
      left.times(weights_ + i * scan_tokens, 1, query_scores() + i * scan_tokens, i);
      scale_rows(read + i * V, V, left.of_state, 1, V);
      const f32* value = v(i);
      const vec rate = vec::set(beta(i)), kept = vec::set(left.of_state);
      for (isize j = 0; j < V; j += vec::width)
        (rate * (vec::load(value + j) - kept * vec::load(found_ + i * V + j))).store(written_ + i * V + j);
    }
    substitute(V);
    finish_chunk(s, s_stride, left, read, weights_, written_, keys_, n_, K_, V, y);
  }

 private:
  f32* query_scores() const { return scores_ + scan_tokens * scan_tokens; }

  /// written += what the system has of the rows before, rows following one another.
  void substitute(isize V) {
    constexpr isize block = row_product<chunk_vector>::most_rows;
    const auto add = [&](isize row, isize rows, isize from, isize to) {
      row_product<chunk_vector>{
          written_ + row * V, V,   system_ + row * scan_tokens + from, scan_tokens, written_ + from * V, V,
          to - from,          true}(rows, V);
    };
    for (isize i = 0; i < n_; i += block) {
      const isize end = std::min(n_, i + block);
      if (i) add(i, end - i, 0, i);
      for (isize row = i + 1; row < end; ++row) add(row, 1, i, row);
    }
  }

  buffer memory_;
  // All packed, for rows of different tokens lie far apart, and often at the same place of a cache.
  f32 *rows_, *keys_;                 // keys, then queries (2 n,K); keys (K,tokens)
  f32 *scores_, *system_, *weights_;  // (tokens,tokens), twice of keys, then queries
  f32 *found_, *written_;             // what the state says of keys, then of queries (2 n,V); u (tokens,V)
  isize K_ = 0, n_ = 0;
};

}  // namespace hft::detail

HFT_INTRINSICS_END
