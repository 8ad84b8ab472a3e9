// GatedDeltaNet: linear attention by the gated delta rule (Yang et al. 2024, arXiv 2412.06464), as Qwen3-Next has it.
#pragma once
#include <cmath>
#include <optional>

#include <hft/layers/attention_options.hpp>
#include <hft/layers/carried_state.hpp>
#include <hft/layers/channels.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mamba.hpp>
#include <hft/layers/norm.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/gated_delta_rule.hpp>
#include <hft/ops/negative_exp.hpp>
#include <hft/ops/softplus.hpp>

namespace hft {

/// transformers.models.qwen3_next.Qwen3NextGatedDeltaNet. Checkpoint names: conv1d, dt_bias, A_log, norm, out_proj, and
/// of what makes queries, keys, values, gates z, rates b and decays a in_proj_qkvz, in_proj_ba, whose rows are for each
/// key's head its own and those of its values' heads; or in_proj_qkv, in_proj_z, in_proj_b, in_proj_a.
template <class B>
class GatedDeltaNet {
 public:
  /// Throws value_error without options of it.
  explicit GatedDeltaNet(const AttentionOptions& o)
      : conv1d(2 * keys(o) + values(o), delta(o).conv_kernel, false),
        dt_bias(decltype(dt_bias)::unallocated({delta(o).num_value_heads})),
        A_log(decltype(A_log)::unallocated({delta(o).num_value_heads})),
        norm({.size = delta(o).value_size, .eps = delta(o).eps}),
        out_proj(values(o), o.hidden_size),
        options_(delta(o)),
        layer_(o.layer) {
    const isize H = options_.num_value_heads, K = options_.key_size;
    if (options_.fused) {
      in_proj_qkvz.emplace(o.hidden_size, 2 * keys(o) + 2 * values(o));
      in_proj_ba.emplace(o.hidden_size, 2 * H);
    } else {
      in_proj_qkv.emplace(o.hidden_size, 2 * keys(o) + values(o));
      in_proj_z.emplace(o.hidden_size, values(o));
      in_proj_b.emplace(o.hidden_size, H);
      in_proj_a.emplace(o.hidden_size, H);
    }
    // A root mean square of 1 / sqrt(K) is a length of 1; queries are divided by sqrt(K) once more.
    const auto filled = [K](f64 x) { return row(Tensor<A, 1, typename B::base>::filled({K}, A(x))); };
    key_length_ = filled(1 / std::sqrt(f64(K)));
    query_length_ = filled(1 / f64(K));
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize B_ = x.extent(0), T = x.extent(1);
    const isize Hk = options_.num_key_heads, H = options_.num_value_heads, V = options_.value_size;
    auto* kept = detail::kept_state<B>(context, layer_);
    const auto in = projected(detail::without_padding(x, context.key_mask));
    const auto convolved = [&](const X& part, isize first, isize heads, const char* name) {
      const auto [y, last] = conv1d.of_channels(part, first, kept ? kept->template get<3>(name) : Kept<3>());
      if (kept) kept->set(name, last);
      return activate(y, options_.activation).template reshape<4>({B_, T, heads, part.extent(2) / heads});
    };
    const isize keys = in.k.extent(2);
    const auto q = convolved(in.q, 0, Hk, "query"), k = convolved(in.k, keys, Hk, "key");
    const auto v = convolved(in.v, 2 * keys, H, "value");
    const auto log_decay = mul_rows(softplus(add_row(in.a, dt_bias)), negative_exp(A_log));
    const auto [y, last] =
        gated_delta_rule(of_length(q, query_length_), of_length(k, key_length_), v, log_decay,
                         activate(in.b, Activation::sigmoid), kept ? kept->template get<4>("state") : Kept<4>());
    if (kept) kept->set("state", last), kept->tokens += T;
    const auto given = gated(in.z.template reshape<4>({B_, T, H, V}), norm(y), Activation::silu);
    return out_proj(given.template reshape<3>({B_, T, H * V}));
  }

  void visit(visitor& v) {
    v("in_proj_qkvz", in_proj_qkvz);
    v("in_proj_ba", in_proj_ba);
    v("in_proj_qkv", in_proj_qkv);
    v("in_proj_z", in_proj_z);
    v("in_proj_b", in_proj_b);
    v("in_proj_a", in_proj_a);
    v("conv1d", conv1d);
    v("dt_bias", dt_bias);
    v("A_log", A_log);
    v("norm", norm);
    v("out_proj", out_proj);
  }

  std::optional<typename B::column_linear> in_proj_qkvz, in_proj_ba, in_proj_qkv, in_proj_z, in_proj_b, in_proj_a;
  CausalConv1d<B> conv1d;                                                    // of queries, keys and values
  typename B::template parameter<typename B::activation, 1> dt_bias, A_log;  // (H)
  RMSNorm<B> norm;
  typename B::row_linear out_proj;

 private:
  using A = typename B::activation;
  using row = typename B::template parameter<A, 1>;
  template <std::size_t R>
  using Kept = Tensor<A, R, typename B::base>;

  static const GatedDeltaOptions& delta(const AttentionOptions& o) {
    if (!o.delta) throw value_error("GatedDeltaNet", "AttentionOptions::delta", "its options", "none");
    return *o.delta;
  }
  static isize keys(const AttentionOptions& o) { return delta(o).num_key_heads * delta(o).key_size; }
  static isize values(const AttentionOptions& o) { return delta(o).num_value_heads * delta(o).value_size; }

  // q, k (B,T,Hk*K), v, z (B,T,H*V), b, a (B,T,H)
  template <class X>
  struct projections {
    X q, k, v, z, b, a;
  };
  template <class X>
  projections<X> projected(const X& x) const {
    const isize Hk = options_.num_key_heads, K = options_.key_size, n = options_.num_value_heads / Hk;
    if (!options_.fused) {
      const auto [qkv, z, b, a] = project(x, *in_proj_qkv, *in_proj_z, *in_proj_b, *in_proj_a);
      return {
          qkv.slice(2, 0, Hk * K), qkv.slice(2, Hk * K, 2 * Hk * K), qkv.slice(2, 2 * Hk * K, qkv.extent(2)), z, b, a};
    }
    const auto groups = [&](const X& y) {
      return y.template reshape<4>({x.extent(0), x.extent(1), Hk, y.extent(2) / Hk});
    };
    const auto part = [&](const auto& of, isize from, isize size) {
      return of.slice(3, from, from + size).dense().template reshape<3>({x.extent(0), x.extent(1), Hk * size});
    };
    const auto [together, rates] = project(x, *in_proj_qkvz, *in_proj_ba);
    const auto qkvz = groups(together), ba = groups(rates);
    const isize V = n * options_.value_size;
    return {part(qkvz, 0, K),         part(qkvz, K, K), part(qkvz, 2 * K, V),
            part(qkvz, 2 * K + V, V), part(ba, 0, n),   part(ba, n, n)};
  }
  template <class Heads>
  Heads of_length(const Heads& x, const row& length) const {
    return rms_norm(x, length, 1e-6 / f64(options_.key_size));
  }

  GatedDeltaOptions options_;
  isize layer_;
  row query_length_, key_length_;  // (K), constants
};

}  // namespace hft
