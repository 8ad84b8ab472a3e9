// Decaying sums by chunks: the form of Mamba-2 (Dao & Gu 2024, arXiv 2405.21060, section 6) and of linear attention
// with a decay, S(t) = a(t) S(t-1) + k(t) v(t)^T, y(t) = S(t)^T q(t), for tokens of a chunk at once. With L(t,j) the
// product of a(j+1) ... a(t), and S the state before the chunk:
//
//   y(t) = L(t,-1) S^T q(t) + the sum over j <= t of L(t,j) (q(t) k(j)) v(j)
//   S'   = L(last,-1) S + the sum over j of k(j) L(last,j) v(j)^T
#pragma once
#include <algorithm>
#include <cstddef>

#include <hft/device.hpp>
#include <hft/ops/cpu/chunks.hpp>
#include <hft/ops/heads.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// A chunk of one sequence's keys and queries, which several heads may share.
class decay_chunk {
 public:
  /// For keys of N elements and at most P columns of values.
  decay_chunk(isize N, isize P)
      : memory_(cpu::allocate(std::size_t(scan_tokens * 2 * (N + scan_tokens + P)) * sizeof(f32))),
        keys_(static_cast<f32*>(memory_.data())),
        queries_(keys_ + N * scan_tokens),
        scores_(queries_ + N * scan_tokens),
        weights_(scores_ + scan_tokens * scan_tokens),
        values_(weights_ + scan_tokens * scan_tokens),
        sums_(values_ + scan_tokens * P) {}

  /// Takes keys and queries of n tokens from `first` on, those of head h of sequence b.
  void see(const heads_view<const f32>& k, const heads_view<const f32>& q, isize b, isize first, isize n, isize h) {
    N_ = k.dim, n_ = n;
    for (isize i = 0; i < n; ++i) std::copy_n(row_of(q, b, first + i, h, 0, N_), N_, queries_ + i * N_);
    transpose_keys(keys_, k.at(b, first, h), k.token_stride, n, N_);
    lower_product(scores_, queries_, N_, keys_, n, N_);
  }

  /// The chunk of P columns of values and their state s (N,P), which becomes the one after the chunk. v(i, to) writes
  /// the value of token i, decay(i) is a of it, and y(i, sums) takes what it reads.
  template <class Values, class Decay, class Sums>
  void operator()(f32* s, isize s_stride, isize P, Values v, Decay decay, Sums y) {
    decays_left left;
    row_product<chunk_vector>{sums_, P, queries_, N_, s, s_stride, N_, false}(n_, P);
    for (isize i = 0; i < n_; ++i) {
      left.next(i, decay(i));
      left.times(weights_ + i * scan_tokens, 1, scores_ + i * scan_tokens, i);
      scale_rows(sums_ + i * P, P, left.of_state, 1, P);
      v(i, values_ + i * P);
    }
    finish_chunk(s, s_stride, left, sums_, weights_, values_, keys_, n_, N_, P, y);
  }

 private:
  buffer memory_;
  // All packed, for rows of different tokens lie far apart, and often at the same place of a cache.
  f32 *keys_, *queries_, *scores_, *weights_, *values_, *sums_;  // (N,tokens), (tokens,N), (tokens,tokens or P)
  isize N_ = 0, n_ = 0;
};

}  // namespace hft::detail

HFT_INTRINSICS_END
