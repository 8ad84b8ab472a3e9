// attention: (B,T,H,D), (B,S,Hk,D), (B,S,Hk,Dv) => (B,T,H,Dv); no (T,S) matrix is ever in memory.
#pragma once
#include <type_traits>

#include <hft/ops/cpu/attention.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// What an attention may see and how scores are formed; see attention_problem for each field.
template <BaseDevice D = cpu>
struct AttentionArgs {
  f64 scale = 1;                        // multiplies q k^T; usually 1 / sqrt(D)
  visibility visible = {};              // which keys a query sees by their places; causal unless said otherwise
  f64 softcap = 0;                      // 0: none
  Tensor<u8, 2, D> key_mask = {};       // (B,S), 0 hides a key; empty: all visible
  Tensor<i64, 1, D> chunk_starts = {};  // (B): the key that a row's chunks are counted from; empty: the first of all
  Tensor<f32, 1, D> alibi = {};         // (H) slopes; empty: none
  Dropout dropout = {};                 // of the weights, on a device that records
};

namespace detail {

template <Scalar A, BaseDevice D>
void check_attention(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k, const Tensor<A, 4, D>& v,
                     const AttentionArgs<D>& args, const Tensor<A, 4, D>& bias = {},
                     const Tensor<A, 1, D>& sinks = {}) {
  const isize B = q.extent(0), T = q.extent(1), H = q.extent(2), S = k.extent(1), Hk = k.extent(2);
  if (k.extent(0) != B || v.extent(0) != B || v.extent(1) != S || v.extent(2) != Hk || k.extent(3) != q.extent(3) ||
      Hk < 1 || H % Hk)
    throw shape_error("attention", "", "q (B,T,H,D), k (B,S,Hk,D), v (B,S,Hk,Dv) with Hk dividing H",
                      joined(shape_text(q.shape()), ", ", shape_text(k.shape()), ", ", shape_text(v.shape())));
  if (args.key_mask && args.key_mask.shape() != Shape<2>{B, S})
    throw shape_error("attention", "key_mask", joined("(", B, ", ", S, ")"), shape_text(args.key_mask.shape()));
  if (args.chunk_starts && args.chunk_starts.extent(0) != B)
    throw shape_error("attention", "chunk_starts", joined("(", B, ")"), shape_text(args.chunk_starts.shape()));
  if (args.alibi && args.alibi.extent(0) != H)
    throw shape_error("attention", "alibi", joined("(", H, ")"), shape_text(args.alibi.shape()));
  const auto one_or = [](isize got, isize n) { return got == 1 || got == n; };
  if (bias && (!one_or(bias.extent(0), B) || !one_or(bias.extent(1), H) || bias.extent(2) != T || bias.extent(3) != S))
    throw shape_error("attention", "bias", joined("(1 or ", B, ", 1 or ", H, ", ", T, ", ", S, ")"),
                      shape_text(bias.shape()));
  if (sinks && sinks.extent(0) != H)
    throw shape_error("attention", "sinks", joined("(", H, ")"), shape_text(sinks.shape()));
}

template <Scalar A, BaseDevice D>
attention_problem_of<A> make_attention_problem(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k,
                                               const Tensor<A, 4, D>& v, const Tensor<A, 4, D>& y,
                                               const AttentionArgs<D>& args, const Tensor<A, 4, D>& bias = {},
                                               const Tensor<A, 1, D>& sinks = {}) {
  attention_problem_of<A> p{.q = heads(q), .k = heads(k), .v = heads(v), .y = heads(y)};
  p.key_mask = args.key_mask.data();
  p.mask_stride = args.key_mask ? args.key_mask.stride(0) : 0;
  p.visible = args.visible;
  p.chunk_starts = args.chunk_starts.data();
  p.scale = A(args.scale);
  p.alibi_slopes = args.alibi.data();
  p.softcap = A(args.softcap);
  p.dropout = args.dropout;
  if (bias) p.bias = bias_rows(bias);
  p.sinks = sinks.data();
  return p;
}

}  // namespace detail

/// softmax(scale * q k^T + bias) v over the visible keys (Vaswani et al. 2017, arXiv 1706.03762), grouped heads
/// (Ainslie et al. 2023, arXiv 2305.13245): query head h reads key head h / (H / Hk). A query that sees no key gives
/// zeros. Computed block by block with a running maximum (Dao et al. 2022, arXiv 2205.14135).
///   bias   (1|B, 1|H, T, S), added to the scaled scores before softcap and mask; empty: none. Finite where visible.
///   sinks  (H): the score of one more key that every query of a head sees and that has no value (GPT-OSS); empty: none
/// Throws shape_error.
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> attention(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k, const Tensor<A, 4, D>& v,
                          const AttentionArgs<D>& args, const std::type_identity_t<Tensor<A, 4, D>>& bias = {},
                          const std::type_identity_t<Tensor<A, 1, D>>& sinks = {}) {
  detail::check_attention(q, k, v, args, bias, sinks);
  Tensor<A, 4, D> y({q.extent(0), q.extent(1), q.extent(2), v.extent(3)});
  attention_kernel(D{}, detail::make_attention_problem(q, k, v, y, args, bias, sinks));
  return y;
}

HFT_COMPILED_IN(KERNELS,
                void detail::check_attention(const Tensor<f32, 4>&, const Tensor<f32, 4>&, const Tensor<f32, 4>&,
                                             const AttentionArgs<cpu>&, const Tensor<f32, 4>&, const Tensor<f32, 1>&))
HFT_COMPILED_IN(KERNELS,
                Tensor<f32, 4> attention(const Tensor<f32, 4>&, const Tensor<f32, 4>&, const Tensor<f32, 4>&,
                                         const AttentionArgs<cpu>&, const Tensor<f32, 4>&, const Tensor<f32, 1>&))

}  // namespace hft
