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
#include <hft/layers/lora_weight.hpp>
#include <hft/layers/low_rank.hpp>
#include <hft/ops/dora.hpp>
#include <hft/ops/dropout.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

/// A Linear with adapters. Checkpoint names: weight, bias; lora_A.NAME.weight, lora_B.NAME.weight, with lora_bias
/// lora_B.NAME.bias, and of a DoRA lora_magnitude_vector.NAME.weight.
template <class B>
class LoraLinear : public Linear<B>, public detail::lora_weight<LoraLinear<B>, B, decltype(Linear<B>::weight)> {
  using adapted_weight = detail::lora_weight<LoraLinear<B>, B, decltype(Linear<B>::weight)>;
  friend adapted_weight;
  using adapted_weight::adapters_, adapted_weight::enabled_, adapted_weight::merged_, adapted_weight::factors_;
  using adapted_weight::base_weight, adapted_weight::values_of;
  using typename adapted_weight::factor, typename adapted_weight::vector;

 public:
  using base_layer = Linear<B>;

  using Linear<B>::Linear;

  /// (..., in) => (..., out)
  template <class X>
  auto operator()(const X& x) const {
    if (!merged_ && enabled_ && this->replaces_tokens()) {  // without a bias then, as in peft
      const auto y = linear(x, this->compute_weight());
      return this->replaced().project(x, y, this->active_);
    }
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
      const auto down = linear(in, factors_[i].down);  // (..., r)
      const auto low = o.bias ? scale(linear(down, factors_[i].up, factors_[i].up_bias), o.scaling)
                              : linear(scale(down, o.scaling), factors_[i].up);  // (..., out)
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
  bool has_bias() const override { return bool(this->bias); }

  void copy_base_weight(f32* to) const override {
    for (isize o = 0; o < out_features(); ++o) detail::read_weight_row(base_weight(), o, to + o * in_features());
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
      if (adapters_[i].options.bias) v("lora_B." + adapters_[i].name + ".bias", factors_[i].up_bias);
      if (adapters_[i].options.dora) v("lora_magnitude_vector." + adapters_[i].name + ".weight", factors_[i].magnitude);
    }
    this->visit_tokens(v);
  }

 private:
  using D = typename B::base;

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

  // Factors: A (r, in), B (out, r); a magnitude is (out).
  detail::low_rank_change change(std::size_t i) const {
    return {adapters_[i].options.r, in_features(), values_of(factors_[i].up, adapters_[i].options.scaling),
            values_of(factors_[i].down, 1)};
  }
  std::vector<f32> norms(std::size_t i) const { return detail::row_norms(base_weight(), change(i)); }
  static std::vector<f32>& dora_factors(detail::weight_change& c) { return c.row_factors; }

  void make_factors(const LoraLayerOptions& o) override {
    this->add_factors({o.r, in_features()}, {out_features(), o.r}, o);
  }

  // A bias of B is merged into the layer's.
  void merge_weight() override {
    adapted_weight::merge_weight();
    auto& bias = detail::parameter_values(this->bias);
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      const LoraLayerOptions& o = adapters_[i].options;
      if (!adapters_[i].active || !o.bias) continue;
      if (!original_bias_) original_bias_ = std::exchange(bias, bias.clone());
      const auto& added = detail::parameter_values(factors_[i].up_bias);
      using A = typename B::activation;
      for (isize c = 0; c < bias.size(); ++c)
        bias.data()[c] = A(f32(bias.data()[c]) + f32(o.scaling) * f32(added.data()[c]));
    }
  }
  void restore_weight() override {
    adapted_weight::restore_weight();
    if (original_bias_) detail::parameter_values(this->bias) = std::exchange(original_bias_, {});
  }
  void keep_merged_weight() override {
    adapted_weight::keep_merged_weight();
    original_bias_ = {};
  }

  std::decay_t<decltype(detail::parameter_values(std::declval<Linear<B>&>().bias))> original_bias_;
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
