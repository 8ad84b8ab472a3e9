// Mixtures of experts: MLPs of which each token sees a few, those that a router says.
#pragma once
#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/softmax.hpp>
#include <hft/ops/take_rows.hpp>
#include <hft/ops/top_k.hpp>

namespace hft {

/// Throws config_error unless a token's experts are among those that there are. `where` names the config.
inline void check_experts(isize count, isize per_token, const char* where) {
  if (per_token < 1 || per_token > count)
    throw config_error(where, "num_experts_per_tok", detail::joined("1 to ", count, ", the number of experts"),
                       detail::joined(per_token));
}

/// A router and its experts; tokens are sorted by expert, so that each expert's weights are read once a pass. Shazeer
/// et al. 2017, arXiv 1701.06538; with softmax over the chosen alone, Jiang et al. 2024, arXiv 2401.04088. Checkpoint
/// names: gate, experts, and of an expert that all tokens see shared_expert, shared_expert_gate.
template <class B, class Expert = GatedMLP<B>>
class MixtureOfExperts {
 public:
  /// Throws config_error unless a token's experts are among those that there are.
  explicit MixtureOfExperts(const MLPOptions& o)
      : gate(o.hidden_size, o.experts.count, o.experts.router_bias), options_(o.experts) {
    const ExpertsOptions& e = o.experts;
    check_experts(e.count, e.per_token, "experts");
    MLPOptions one = o;
    one.experts = {};
    one.intermediate_size = e.intermediate_size;
    experts.reserve(std::size_t(e.count));
    for (isize i = 0; i < e.count; ++i) experts.emplace_back(one);
    if (!e.shared_size) return;
    one.intermediate_size = e.shared_size;
    shared_expert.emplace(one);
    if (e.shared_gate) shared_expert_gate.emplace(o.hidden_size, 1);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize N = x.extent(0) * x.extent(1), C = x.extent(2), E = options_.count, k = options_.per_token;
    const auto rows = x.dense().template reshape<2>({N, C});
    const auto logits = gate(rows);  // (N,E)
    if (context.router_logits) context.router_logits->push_back(logits);
    const auto chosen = top_k(detail::untracked(logits), k);

    std::vector<isize> scores;                                                       // places of the chosen in (N,E)
    std::vector<std::vector<isize>> tokens(experts.size()), places(experts.size());  // of each expert
    std::vector<isize> taken(experts.size());                                        // of a row
    for (isize p = 0; p < N * k; ++p) {
      const isize n = p / k, e = chosen[std::size_t(p)];
      scores.push_back(n * E + e);
      if (p % (x.extent(1) * k) == 0) std::fill(taken.begin(), taken.end(), 0);
      if (options_.capacity && ++taken[std::size_t(e)] > options_.capacity) continue;
      tokens[std::size_t(e)].push_back(n);
      places[std::size_t(e)].push_back(p);
    }
    const auto of_chosen = [&](const auto& all) {
      return take_rows(all.template reshape<2>({N * E, 1}), scores).template reshape<2>({N, k});
    };
    auto weights = options_.normalised ? softmax(of_chosen(logits)) : of_chosen(softmax(logits));  // (N,k)
    if (options_.scale != 1) weights = scale(weights, options_.scale);

    std::vector<std::decay_t<decltype(rows)>> parts;
    std::vector<std::vector<isize>> used;
    for (std::size_t e = 0; e < experts.size(); ++e) {
      const isize n = isize(tokens[e].size());
      if (!n) continue;
      const X mine = take_rows(rows, tokens[e]).template reshape<3>({1, n, C});
      parts.push_back(X(detail::feed_forward(experts[e], mine, context)).template reshape<2>({n, C}));
      used.push_back(std::move(places[e]));
    }
    const X y = combine_rows(parts, used, weights).template reshape<3>(x.shape());
    return shared_expert ? add(y, shared(x, rows, context)) : y;
  }

  void visit(visitor& v) {
    v("gate", gate);
    v("experts", experts);
    v("shared_expert", shared_expert);
    v("shared_expert_gate", shared_expert_gate);
  }

  typename B::linear gate;
  std::vector<Expert> experts;
  std::optional<Expert> shared_expert;
  std::optional<typename B::linear> shared_expert_gate;

 private:
  // What all tokens get, each by a share of its own where there is a gate.
  template <class X, class Rows, class Context>
  X shared(const X& x, const Rows& rows, Context& context) const {
    const X y = detail::feed_forward(*shared_expert, x, context);
    if (!shared_expert_gate) return y;
    const auto shares = activate((*shared_expert_gate)(rows), Activation::sigmoid);  // (N,1)
    std::vector<isize> all(static_cast<std::size_t>(rows.extent(0)));
    std::iota(all.begin(), all.end(), isize(0));
    return combine_rows(std::vector{y.dense().template reshape<2>(rows.shape())}, {all}, shares)
        .template reshape<3>(x.shape());
  }

  ExpertsOptions options_;
};

/// A dense MLP, or experts like it where the options have some: one type for layers of either kind.
/// Checkpoint names: those of the dense MLP, or of MixtureOfExperts.
template <class B, class Dense = GatedMLP<B>>
class SparseMLP {
 public:
  explicit SparseMLP(const MLPOptions& o) {
    if (o.experts.count)
      experts.emplace(o);
    else
      dense.emplace(o);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return dense ? X(detail::feed_forward(*dense, x, context)) : (*experts)(x, context);
  }
  void visit(visitor& v) {
    if (dense)
      dense->visit(v);
    else
      experts->visit(v);
  }

  std::optional<Dense> dense;
  std::optional<MixtureOfExperts<B, Dense>> experts;
};

}  // namespace hft
