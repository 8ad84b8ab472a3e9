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
#include <hft/layers/lora_weight.hpp>
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
class Embedding<build<W, Dev, with_lora, S>>
    : public Embedding<build<W, Dev, detail::frozen, S>>,
      public detail::lora_weight<Embedding<build<W, Dev, with_lora, S>>, build<W, Dev, with_lora, S>,
                                 decltype(Embedding<build<W, Dev, detail::frozen, S>>::weight)> {
  using B = build<W, Dev, with_lora, S>;
  using table = Embedding<build<W, Dev, detail::frozen, S>>;
  using adapted_weight = detail::lora_weight<Embedding, B, decltype(table::weight)>;
  friend adapted_weight;
  using adapted_weight::adapters_, adapted_weight::enabled_, adapted_weight::merged_, adapted_weight::factors_;
  using adapted_weight::base_weight, adapted_weight::values_of;
  using typename adapted_weight::factor, typename adapted_weight::vector;
  using D = typename B::base;
  using A = typename B::activation;

 public:
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
    if (this->replaces_tokens()) y = this->replaced().embed(y, ids, this->active_, padding_idx_);
    return y;
  }

  isize in_features() const override { return this->weight.extent(0); }
  isize out_features() const override { return this->weight.extent(1); }
  bool is_embedding() const override { return true; }
  void copy_base_weight(f32* to) const override {
    for (isize i = 0; i < in_features(); ++i) detail::read_weight_row(base_weight(), i, to + i * out_features());
  }

  void visit(visitor& v) {
    table::visit(v);
    v.adaptable(*this);
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      v.transposed("lora_embedding_A." + adapters_[i].name, factors_[i].down);
      v("lora_embedding_B." + adapters_[i].name, factors_[i].up);
      if (adapters_[i].options.dora) v("lora_magnitude_vector." + adapters_[i].name + ".weight", factors_[i].magnitude);
    }
    this->visit_tokens(v);
  }

 private:
  typename B::template tensor<3> rows_of(const factor& down, const Tensor<i64, 2>& ids) const {
    if constexpr (Dev::tracked)
      return embedding<A>(ids, down, padding_idx_);
    else
      return embedding<A>(ids, down);
  }

  // Factors: A^T (num, r), which files hold as (r, num), B (dim, r); a magnitude is (dim).
  detail::low_rank_change change(std::size_t i) const {
    return {adapters_[i].options.r, out_features(), values_of(factors_[i].down, 1),
            values_of(factors_[i].up, adapters_[i].options.scaling, true)};
  }
  std::vector<f32> norms(std::size_t i) const { return detail::column_norms(base_weight(), change(i)); }
  static std::vector<f32>& dora_factors(detail::weight_change& c) { return c.column_factors; }

  void make_factors(const LoraLayerOptions& o) override {
    this->add_factors({in_features(), o.r}, {out_features(), o.r}, o);
  }

  i64 padding_idx_;
};

}  // namespace hft
