// What attention-like kernels see: a (batch, tokens, heads, dim) view with free strides, and a whole attention problem.
#pragma once
#include <algorithm>
#include <limits>

#include <hft/ops/dropout_mask.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// (B,T,H,D) over strided memory; D is contiguous. Strides are in elements.
template <class T>
struct heads_view {
  T* data;
  isize batch, tokens, heads, dim;
  isize batch_stride, token_stride, head_stride;
  T* at(isize b, isize t, isize h) const { return data + b * batch_stride + t * token_stride + h * head_stride; }
  operator heads_view<const T>() const requires(!std::is_const_v<T>) {
    return {data, batch, tokens, heads, dim, batch_stride, token_stride, head_stride};
  }
};

/// A (B,T,H,D) tensor as kernels see it.
template <Scalar T, BaseDevice D>
heads_view<T> heads(const Tensor<T, 4, D>& x) {
  return {x.data(), x.extent(0), x.extent(1), x.extent(2), x.extent(3), x.stride(0), x.stride(1), x.stride(2)};
}

/// A (1|B, 1|H, T, S) tensor as the rows that queries of all batch rows and heads read.
template <Scalar T, BaseDevice D>
heads_view<T> bias_rows(const Tensor<T, 4, D>& x) {
  return {x.data(),    x.extent(0),
          x.extent(2), x.extent(1),
          x.extent(3), x.extent(0) == 1 ? 0 : x.stride(0),
          x.stride(2), x.extent(1) == 1 ? 0 : x.stride(1)};
}

/// A range of keys.
struct key_range {
  isize begin, end;
};

/// Which keys a query may see by their places: query t stands at key `offset` + t and sees those from `left` keys
/// before it to `right` keys behind it; where keys are in chunks, none before its own chunk.
struct visibility {
  static constexpr isize unlimited = std::numeric_limits<isize>::max() / 4;
  static constexpr isize at_end = std::numeric_limits<isize>::min();

  isize left = unlimited, right = 0;
  isize offset = at_end;  // at_end: S - T, the queries are those of the last keys
  isize chunk = 0;        // keys of a chunk; 0: there are none

  /// Itself and all before it.
  static constexpr visibility causal() { return {}; }
  /// Every key, as in an encoder and in attention to another sequence.
  static constexpr visibility everything() { return {unlimited, unlimited}; }
  /// The last n keys, itself included.
  static constexpr visibility window(isize n) { return {n - 1, 0}; }
  /// Itself and those before it in its chunk of n keys.
  static constexpr visibility chunks(isize n) { return {n - 1, 0, at_end, n}; }
  /// Keys on both sides, as in local attention of encoders.
  static constexpr visibility around(isize left, isize right) { return {left, right}; }

  /// Where query t of T stands among S keys.
  constexpr isize place(isize t, isize T, isize S) const { return (offset == at_end ? S - T : offset) + t; }
  /// The keys of S that a query at `place` sees; an empty range where it sees none. Chunks are counted from the key at
  /// `start`, which may lie before the first.
  constexpr key_range of(isize place, isize S, isize start = 0) const {
    isize first = place - left;
    if (chunk) {
      const isize behind = (place - start) % chunk;
      first = std::max(first, place - (behind < 0 ? behind + chunk : behind));
    }
    const isize begin = std::clamp<isize>(first, 0, S);
    return {begin, std::clamp<isize>(place + right + 1, begin, S)};
  }
};

/// softmax(scale * q k^T + bias, over the visible keys) v, for grouped heads: query head h reads key head h / (H / Hk).
template <class A>
struct attention_problem_of {
  heads_view<const A> q;              // (B,T,H,D)
  heads_view<const A> k, v;           // (B,S,Hk,D)
  heads_view<A> y;                    // (B,T,H,D)
  const u8* key_mask = nullptr;       // (B,S), 0 hides a key; null: all visible
  isize mask_stride = 0;              // between its rows
  const i64* chunk_starts = nullptr;  // (B): the key that a row's chunks are counted from; null: the first of all
  visibility visible = {};
  A scale = 1;
  heads_view<const A> bias = {};      // (B,T,H,S), added to the scaled scores; null: none
  A softcap = 0;                      // scores become softcap * tanh(score / softcap); 0: none
  const f32* alibi_slopes = nullptr;  // (H): adds slope * (key position - query position); null: none
  const A* sinks = nullptr;           // (H): the score of one more key, which has no value; null: none
  Dropout dropout = {};               // of the weights; attention_dropout_kernel alone knows it
  A* log_sums = nullptr;              // (B,H,T), written where not null: log of the sum of a query's exp(score)
  isize place(isize t) const { return visible.place(t, q.tokens, k.tokens); }  // of query t among the keys
  /// By query t of batch row b, the mask aside.
  key_range seen(isize b, isize t) const {
    return visible.of(place(t), k.tokens, chunk_starts ? isize(chunk_starts[b]) : 0);
  }
  A* log_sum(isize b, isize t, isize h) const { return log_sums + (b * q.heads + h) * q.tokens + t; }
};
using attention_problem = attention_problem_of<f32>;

}  // namespace hft
