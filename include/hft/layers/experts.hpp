// Mixtures of experts: MLPs of which each token sees a few, those that a router says.
#pragma once
#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <type_traits>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/normalise_rows.hpp>
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

/// Throws config_error unless groups are equal parts of the experts, and the chosen ones have enough of them.
inline void check_groups(const ExpertsOptions& o, const char* where, const char* groups, const char* group_count) {
  const auto fail = [where](const char* field, detail::message expected, isize got) {
    throw config_error(where, field, expected, detail::joined(got));
  };
  if (o.groups < 1 || o.count % o.groups)
    fail(groups, detail::joined("a number that divides ", o.count, " experts"), o.groups);
  const isize each = o.count / o.groups;
  if (each < o.group_best) fail(groups, detail::joined("groups of at least ", o.group_best, " experts"), o.groups);
  if (o.group_count < 1 || o.group_count > o.groups)
    fail(group_count, detail::joined("1 to ", o.groups, " groups"), o.group_count);
  if (o.group_count * each < o.per_token)
    fail(group_count, detail::joined("groups that have ", o.per_token, " experts for a token"), o.group_count);
}

namespace detail {

/// The experts of each token, by scores (N,E) and, where there is one, a bias (E) on them: N k of them.
template <Scalar A, BaseDevice D, class Bias>
std::vector<isize> choose_experts(const Tensor<A, 2, D>& scores, const Bias& bias, const ExpertsOptions& o) {
  if (o.groups == 1 && !bias) return top_k(scores, o.per_token);
  const isize N = scores.extent(0), E = o.count, each = E / o.groups;
  const auto given = scores.dense();
  Tensor<A, 2, D> ranked({N, E}), of_groups({N, o.groups});
  std::vector<A> best(static_cast<std::size_t>(each));
  for (isize n = 0; n < N; ++n) {
    A* row = ranked.data() + n * E;
    for (isize e = 0; e < E; ++e) row[e] = given.data()[n * E + e] + (bias ? A(bias.data()[e]) : A(0));
    for (isize g = 0; g < o.groups; ++g) {
      std::partial_sort_copy(row + g * each, row + (g + 1) * each, best.begin(), best.begin() + o.group_best,
                             std::greater<A>());
      of_groups.data()[n * o.groups + g] = std::accumulate(best.begin(), best.begin() + o.group_best, A(0));
    }
  }
  if (o.group_count < o.groups) {
    std::vector<char> kept(std::size_t(N * o.groups), 0);
    const auto groups = top_k(of_groups, o.group_count);
    for (std::size_t i = 0; i < groups.size(); ++i)
      kept[std::size_t(isize(i) / o.group_count * o.groups + groups[i])] = 1;
    for (isize i = 0; i < N * E; ++i)
      if (!kept[std::size_t(i / each)]) ranked.data()[i] = -std::numeric_limits<A>::infinity();
  }
  return top_k(ranked, o.per_token);
}

}  // namespace detail

/// A router and its experts; tokens are sorted by expert, so that each expert's weights are read once a pass. Shazeer
/// et al. 2017, arXiv 1701.06538; with softmax over the chosen alone, Jiang et al. 2024, arXiv 2401.04088. Checkpoint
/// names: gate, experts, e_score_correction_bias, and of an expert that all tokens see shared_expert,
/// shared_expert_gate.
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
    one.bias = e.bias.value_or(o.bias);
    if (e.correction) correction.emplace(decltype(correction)::value_type::unallocated({e.count}));
    experts.reserve(std::size_t(e.count));
    for (isize i = 0; i < e.count; ++i) experts.emplace_back(one);
    if (!e.shared_size) return;
    one.intermediate_size = e.shared_size;
    one.bias = o.bias;
    shared_expert.emplace(one);
    if (e.shared_gate) shared_expert_gate.emplace(o.hidden_size, 1);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize N = x.extent(0) * x.extent(1), C = x.extent(2), E = options_.count, k = options_.per_token;
    const auto rows = x.dense().template reshape<2>({N, C});
    using Rows = std::decay_t<decltype(rows)>;
    const Rows logits = gate(rows);  // (N,E)
    if (context.router_logits) context.router_logits->push_back(logits);
    const bool by_logits = !correction && (!options_.sigmoid || options_.groups == 1);  // which have the scores' order
    const bool all_weighed = !by_logits || options_.sigmoid || !options_.normalised || options_.least_sum > 0;
    Rows all;  // scores (N,E), unless those of the chosen are enough
    if (all_weighed) all = options_.sigmoid ? activate(logits, Activation::sigmoid) : softmax(logits);
    const auto chosen =
        detail::choose_experts(detail::untracked(by_logits ? logits : all),
                               correction ? *correction : typename decltype(correction)::value_type(), options_);

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
    const auto of_chosen = [&](const auto& x) {
      return take_rows(x.template reshape<2>({N * E, 1}), scores).template reshape<2>({N, k});
    };
    Rows weights = all_weighed ? of_chosen(all) : softmax(of_chosen(logits));  // (N,k)
    if (all_weighed && options_.normalised) weights = normalise_rows(weights, options_.least_sum);
    if (options_.scale != 1) weights = scale(weights, options_.scale);

    std::vector<Rows> parts;
    std::vector<std::vector<isize>> used;
    for (std::size_t e = 0; e < experts.size(); ++e) {
      const isize n = isize(tokens[e].size());
      if (!n) continue;
      Rows mine = take_rows(rows, tokens[e]);
      if (options_.weighs_inputs)
        mine = scale_rows(mine, take_rows(weights.template reshape<2>({N * k, 1}), places[e]));
      const X seen = mine.template reshape<3>({1, n, C});
      parts.push_back(X(detail::feed_forward(experts[e], seen, context)).template reshape<2>({n, C}));
      used.push_back(std::move(places[e]));
    }
    if (options_.weighs_inputs)
      weights = Rows(to_device<typename B::base>(Tensor<typename B::activation, 2>::filled({N, k}, 1)));
    const X y = combine_rows(parts, used, weights).template reshape<3>(x.shape());
    return shared_expert ? add(y, shared(x, rows, context)) : y;
  }

  void visit(visitor& v) {
    v("gate", gate);
    v("experts", experts);
    v("e_score_correction_bias", correction);
    v("shared_expert", shared_expert);
    v("shared_expert_gate", shared_expert_gate);
  }

  typename B::linear gate;
  std::vector<Expert> experts;
  std::optional<Tensor<typename B::activation, 1, typename B::base>> correction;  // (E), added to scores for the choice
  std::optional<Expert> shared_expert;
  std::optional<typename B::linear> shared_expert_gate;

 private:
  // What all tokens get, each by a share of its own where there is a gate.
  template <class X, class Rows, class Context>
  X shared(const X& x, const Rows& rows, Context& context) const {
    const X y = detail::feed_forward(*shared_expert, x, context);
    if (!shared_expert_gate) return y;
    const auto shares = activate((*shared_expert_gate)(rows), Activation::sigmoid);  // (N,1)
    return scale_rows(Rows(y.dense().template reshape<2>(rows.shape())), shares).template reshape<3>(x.shape());
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
