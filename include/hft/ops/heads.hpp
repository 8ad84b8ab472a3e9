// What attention-like kernels see: a (batch, tokens, heads, dim) view with free strides, and a whole attention problem.
#pragma once
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

/// softmax(scale * q k^T + bias, over the visible keys) v, for grouped heads: query head h reads key head h / (H / Hk).
/// Query t of T stands at position S - T + t of the S keys.
template <class A>
struct attention_problem_of {
  heads_view<const A> q;         // (B,T,H,D)
  heads_view<const A> k, v;      // (B,S,Hk,D)
  heads_view<A> y;               // (B,T,H,D)
  const u8* key_mask = nullptr;  // (B,S), 0 hides a key; null: all visible
  isize mask_stride = 0;         // between its rows
  bool causal = true;
  isize window = 0;  // a query at position p sees keys in (p - window, p]; 0: no window
  A scale = 1;
  const f32* alibi_slopes = nullptr;  // (H): adds slope * (key position - query position); null: none
  A softcap = 0;                      // scores become softcap * tanh(score / softcap); 0: none
  Dropout dropout = {};               // of the weights; attention_dropout_kernel alone knows it
  A* log_sums = nullptr;              // (B,H,T), written where not null: log of the sum of a query's exp(score)
  A* log_sum(isize b, isize t, isize h) const { return log_sums + (b * q.heads + h) * q.tokens + t; }
};
using attention_problem = attention_problem_of<f32>;

}  // namespace hft
