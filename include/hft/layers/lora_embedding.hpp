// Embedding of the layer kind with_lora: a table that takes adapters, as peft.tuners.lora.Embedding.
//
//   y = table[ids] + sum over active adapters of scaling * A^T[ids] B^T
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/layers/embedding.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/lora_layer.hpp>
#include <hft/layers/low_rank.hpp>
#include <hft/ops/dora.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/linear.hpp>

namespace hft {

namespace detail {
/// with_lora's way to hold weights, with layers that take no adapters.
struct frozen {
  static constexpr bool freezes = with_lora::freezes;
  template <class B>
  using linear = Linear<B>;
};
}  // namespace detail

/// Checkpoint names: weight; lora_embedding_A.NAME, lora_embedding_B.NAME, and of a DoRA
/// lora_magnitude_vector.NAME.weight. As in peft, the config's dropout is not applied.
template <class W, class Dev, class S>
class Embedding<build<W, Dev, with_lora, S>> : public Embedding<build<W, Dev, detail::frozen, S>>, public LoraLayer {
  using B = build<W, Dev, with_lora, S>;
  using table = Embedding<build<W, Dev, detail::frozen, S>>;
  using D = typename B::base;
  using A = typename B::activation;

 public:
  using factor = typename B::template parameter<A, 2>;
  using vector = typename B::template parameter<A, 1>;

  Embedding(isize num, isize dim, std::optional<i64> padding_idx = {})
      : table(num, dim, padding_idx), padding_idx_(padding_idx.value_or(-1)) {}

  /// (B,T) ids => (B,T,C); throws value_error for an id outside the table.
  typename B::template tensor<3> operator()(const Tensor<i64, 2>& ids) const {
    using result = typename B::template tensor<3>;
    result y = table::operator()(ids);
    if (merged_ || !enabled_) return y;
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      if (!adapters_[i].active) continue;
      const LoraLayerOptions& o = adapters_[i].options;
      const result low = linear(scale(rows_of(factors_[i].down, ids), o.scaling), factors_[i].up);
      if (o.dora)
        y = dora(y, result(), vector(), low, factors_[i].magnitude, detail::vector_tensor<A, D>(norms(i)));
      else
        y = add(y, low);
    }
    return y;
  }

  isize in_features() const override { return this->weight.extent(0); }
  isize out_features() const override { return this->weight.extent(1); }
  bool is_embedding() const override { return true; }
  const void* weight_data() const override { return detail::parameter_values(this->weight).data(); }
  void copy_base_weight(f32* to) const override {
    for (isize i = 0; i < in_features(); ++i) detail::read_weight_row(base_weight(), i, to + i * out_features());
  }
  void set_base_weight(const f32* from) override {
    auto& weight = detail::parameter_values(this->weight);
    auto changed = detail::weight_of_values(weight, from);
    if (!untouched_) untouched_ = weight;
    weight = std::move(changed);
  }
  void restore_base_weight() override {
    if (untouched_) detail::parameter_values(this->weight) = std::exchange(untouched_, {});
  }
  void reset_magnitude(const std::string& name) override {
    const std::size_t i = find(name);
    if (i == adapters_.size() || !adapters_[i].options.dora) return;
    const auto n = norms(i);
    auto& magnitude = detail::parameter_values(factors_[i].magnitude);
    for (std::size_t c = 0; c < n.size(); ++c) magnitude.data()[c] = A(n[c]);
  }

  void visit(visitor& v) {
    table::visit(v);
    v.adaptable(*this);
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      v.transposed("lora_embedding_A." + adapters_[i].name, factors_[i].down);
      v("lora_embedding_B." + adapters_[i].name, factors_[i].up);
      if (adapters_[i].options.dora) v("lora_magnitude_vector." + adapters_[i].name + ".weight", factors_[i].magnitude);
    }
  }

 private:
  struct factor_set {
    factor down, up;   // A^T (num, r), which files hold as (r, num); B (dim, r)
    vector magnitude;  // (dim), of a DoRA
  };

  typename B::template tensor<3> rows_of(const factor& down, const Tensor<i64, 2>& ids) const {
    if constexpr (Dev::tracked)
      return embedding<A>(ids, down, padding_idx_);
    else
      return embedding<A>(ids, down);
  }

  const auto& base_weight() const { return merged_ ? original_ : detail::parameter_values(this->weight); }
  detail::low_rank_change change(std::size_t i) const {
    return {adapters_[i].options.r, out_features(),
            detail::scaled_values(detail::parameter_values(factors_[i].down), 1),
            detail::scaled_values(detail::parameter_values(factors_[i].up), adapters_[i].options.scaling, true)};
  }
  std::vector<f32> norms(std::size_t i) const { return detail::column_norms(base_weight(), change(i)); }

  void make_factors(const LoraLayerOptions& o) override {
    static_assert(D::host_memory, "hft: adapters are made on the host");
    factors_.push_back({detail::zero_parameter<factor>({in_features(), o.r}),
                        detail::zero_parameter<factor>({out_features(), o.r}),
                        o.dora ? detail::zero_parameter<vector>({out_features()}) : vector()});
  }
  void drop_factors(std::size_t i) override { factors_.erase(factors_.begin() + std::ptrdiff_t(i)); }

  void merge_weight() override {
    std::vector<detail::weight_change> changes;
    for (std::size_t i = 0; i < adapters_.size(); ++i)
      if (adapters_[i].active) {
        changes.push_back({change(i), {}, {}});
        if (adapters_[i].options.dora)
          changes.back().column_factors =
              detail::dora_factors(detail::parameter_values(factors_[i].magnitude), norms(i));
      }
    auto& weight = detail::parameter_values(this->weight);
    original_ = std::exchange(weight, detail::changed_weight(weight, changes));
  }
  void restore_weight() override { detail::parameter_values(this->weight) = std::exchange(original_, {}); }
  void keep_merged_weight() override { original_ = {}; }

  i64 padding_idx_;
  std::vector<factor_set> factors_;  // beside adapters_
  // The weight's values, and what they were before they were merged, or changed by a new adapter.
  using weight_values = std::decay_t<decltype(detail::parameter_values(std::declval<decltype(table::weight)&>()))>;
  weight_values original_, untouched_;
};

}  // namespace hft
