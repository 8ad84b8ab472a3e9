// with_lora: the layer kind whose linear layers take low-rank adapters (Hu et al. 2021, arXiv 2106.09685):
//   y = x W^T + b + sum over active adapters of scaling * dropout(x) A^T B^T
//
//   LlamaForCausalLM<f32, autodiff<cpu>, with_lora>     // LoRA
//   LlamaForCausalLM<q4_0, autodiff<cpu>, with_lora>    // QLoRA: the quantised base is frozen by its type
//   LlamaForCausalLM<q4_0, cpu, with_lora>              // inference with adapters
//
// A DoRA (Liu et al. 2024, arXiv 2402.09353) rescales the columns of such a sum, without the bias, to a trained
// magnitude. Embeddings take adapters, too (layers/lora_embedding.hpp).
//
// Without an adapter such a layer computes what a Linear does. hft/train/peft/peft_model.hpp adds, loads and switches
// adapters; a layer knows only its own.
#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/layers/context.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/lora_embedding.hpp>
#include <hft/layers/lora_layer.hpp>
#include <hft/layers/low_rank.hpp>
#include <hft/ops/dora.hpp>
#include <hft/ops/dropout.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

/// A Linear with adapters. Checkpoint names: weight, bias; lora_A.NAME.weight, lora_B.NAME.weight, and of a DoRA
/// lora_magnitude_vector.NAME.weight.
template <class B>
class LoraLinear : public Linear<B>, public LoraLayer {
 public:
  using base_layer = Linear<B>;
  using factor = typename B::template parameter<typename B::activation, 2>;
  using vector = typename B::template parameter<typename B::activation, 1>;

  using Linear<B>::Linear;

  /// (..., in) => (..., out)
  template <class X>
  auto operator()(const X& x) const {
    return adapt(x, Linear<B>::operator()(x));
  }

  /// The result of the base layer, with what the active adapters make of it.
  ///   x (..., in), y (..., out) => (..., out)
  template <class X, class Y>
  Y adapt(const X& x, Y y) const {
    if (merged_ || !enabled_) return y;
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      if (!adapters_[i].active) continue;
      const LoraLayerOptions& o = adapters_[i].options;
      const bool drops = dropped(x, o);
      const X in = drops ? drop(x, o) : x;
      const auto low = linear(scale(linear(in, factors_[i].down), o.scaling), factors_[i].up);  // (..., out)
      if (o.dora)  // what is dropped from x is missing in the base's part of the change, too
        y = dora(y, drops ? Y(linear(in, this->compute_weight())) : Y(), this->bias, low, factors_[i].magnitude,
                 detail::vector_tensor<typename B::activation, D>(norms(i)));
      else
        y = add(y, low);
    }
    return y;
  }

  isize in_features() const override { return this->weight.extent(1); }
  isize out_features() const override { return this->weight.extent(0); }
  const void* weight_data() const override { return detail::parameter_values(this->weight).data(); }

  void copy_base_weight(f32* to) const override {
    for (isize o = 0; o < out_features(); ++o) detail::read_weight_row(base_weight(), o, to + o * in_features());
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
    for (std::size_t c = 0; c < n.size(); ++c) magnitude.data()[c] = typename B::activation(n[c]);
  }

  void visit(visitor& v) {
    Linear<B>::visit(v);
    visit_adapters(v);
  }
  void visit_adapters(visitor& v) {
    v.adaptable(*this);
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      v("lora_A." + adapters_[i].name + ".weight", factors_[i].down);
      v("lora_B." + adapters_[i].name + ".weight", factors_[i].up);
      if (adapters_[i].options.dora) v("lora_magnitude_vector." + adapters_[i].name + ".weight", factors_[i].magnitude);
    }
  }

 private:
  using D = typename B::base;
  struct factor_set {
    factor down, up;   // A (r, in), B (out, r)
    vector magnitude;  // (out), of a DoRA
  };

  template <class X>
  static bool dropped(const X&, const LoraLayerOptions& o) {
    if constexpr (X::device::tracked)
      return detail::current_pass().training && o.dropout > 0;
    else
      return false;
  }
  template <class X>
  static X drop(const X& x, const LoraLayerOptions& o) {
    if constexpr (X::device::tracked)
      return dropout(x, Dropout{.p = o.dropout, .seed = detail::current_pass().dropout_seed, .stream = o.stream});
    else
      return x;
  }

  const auto& base_weight() const { return merged_ ? original_ : detail::parameter_values(this->weight); }
  detail::low_rank_change change(std::size_t i) const {
    return {adapters_[i].options.r, in_features(),
            detail::scaled_values(detail::parameter_values(factors_[i].up), adapters_[i].options.scaling),
            detail::scaled_values(detail::parameter_values(factors_[i].down), 1)};
  }
  std::vector<f32> norms(std::size_t i) const { return detail::row_norms(base_weight(), change(i)); }

  void make_factors(const LoraLayerOptions& o) override {
    static_assert(D::host_memory, "hft: adapters are made on the host");
    factors_.push_back({detail::zero_parameter<factor>({o.r, in_features()}),
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
          changes.back().row_factors = detail::dora_factors(detail::parameter_values(factors_[i].magnitude), norms(i));
      }
    auto& weight = detail::parameter_values(this->weight);
    original_ = std::exchange(weight, detail::changed_weight(weight, changes));
  }
  void restore_weight() override { detail::parameter_values(this->weight) = std::exchange(original_, {}); }
  void keep_merged_weight() override { original_ = {}; }

  std::vector<factor_set> factors_;  // beside adapters_
  // The weight's values, and what they were before they were merged, or changed by a new adapter.
  using weight_values = std::decay_t<decltype(detail::parameter_values(std::declval<decltype(Linear<B>::weight)&>()))>;
  weight_values original_, untouched_;
};

namespace detail {

/// A linear layer that adapters are put on.
template <class L>
concept AdaptedLinear = requires(const L& l) {
  typename L::base_layer;
  l.adapted();
};

}  // namespace detail

}  // namespace hft
