// The weight under adapters, and their factors: what a LoraLinear and an Embedding with adapters have in common.
#pragma once
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/layers/build.hpp>
#include <hft/layers/lora_layer.hpp>
#include <hft/layers/low_rank.hpp>
#include <hft/layers/token_rows.hpp>
#include <hft/ops/dora.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// Self is a layer with a member `weight` of type Weight, and says what its factors are to it:
///   change(i)        what adapter i adds to the weight
///   norms(i)         of the rows or columns that an adapter's magnitudes belong to
///   dora_factors(c)  where in a weight_change such factors stand
template <class Self, class B, class Weight>
class lora_weight : public LoraLayer {
 public:
  using factor = typename B::template parameter<typename B::activation, 2>;
  using vector = typename B::template parameter<typename B::activation, 1>;

  const void* weight_data() const override { return parameter_values(self().weight).data(); }
  void set_base_weight(const f32* from) override {
    auto& weight = parameter_values(self().weight);
    auto changed = weight_of_values(weight, from);
    if (!untouched_) untouched_ = weight;
    weight = std::move(changed);
  }
  void restore_base_weight() override {
    if (untouched_) parameter_values(self().weight) = std::exchange(untouched_, {});
  }
  void add_tokens(const std::string& name, const std::vector<i64>& ids) override {
    if (!tokens_) tokens_ = std::make_shared<tokens>();
    static_cast<tokens&>(*tokens_).add(name, ids, base_weight());
  }
  void reset_magnitude(const std::string& name) override {
    const std::size_t i = find(name);
    if (i == adapters_.size() || !adapters_[i].options.dora) return;
    const auto norms = self().norms(i);
    auto& magnitude = parameter_values(factors_[i].magnitude);
    for (std::size_t c = 0; c < norms.size(); ++c) magnitude.data()[c] = typename B::activation(norms[c]);
  }

 protected:
  struct factor_set {
    factor down, up;   // A and B
    vector magnitude;  // of a DoRA
    vector up_bias;    // of a B with one
  };

  const auto& base_weight() const { return merged_ ? original_ : parameter_values(self().weight); }

  static std::vector<f32> values_of(const factor& f, f64 s, bool turned = false) {
    return scaled_values(parameter_values(f), s, turned);
  }
  void add_factors(const Shape<2>& down, const Shape<2>& up, const LoraLayerOptions& o) {
    static_assert(B::base::host_memory, "hft: adapters are made on the host");
    const auto one_for_each_output = [&](bool wanted) {
      return wanted ? zero_parameter<vector>({out_features()}) : vector();
    };
    factors_.push_back({zero_parameter<factor>(down), zero_parameter<factor>(up), one_for_each_output(o.dora),
                        one_for_each_output(o.bias)});
  }
  using tokens = token_rows_of<factor>;
  const tokens& replaced() const { return static_cast<const tokens&>(*tokens_); }
  void visit_tokens(visitor& v) {
    if (tokens_ && owns_tokens_) static_cast<tokens&>(*tokens_).visit(v);
  }
  void copy_tokens(const TokenRows& others) override {
    tokens_ = std::make_shared<tokens>();
    tokens_->copy_shapes(others);
  }
  void drop_factors(std::size_t i) override { factors_.erase(factors_.begin() + std::ptrdiff_t(i)); }

  void merge_weight() override {
    std::vector<weight_change> changes;
    for (std::size_t i = 0; i < adapters_.size(); ++i)
      if (adapters_[i].active) {
        changes.push_back({self().change(i), {}, {}});
        if (adapters_[i].options.dora)
          self().dora_factors(changes.back()) = dora_factors(parameter_values(factors_[i].magnitude), self().norms(i));
      }
    auto& weight = parameter_values(self().weight);
    original_ = std::exchange(weight, changed_weight(weight, changes));
    if (this->replaces_tokens()) replaced().write(weight, active_);
  }
  void restore_weight() override { parameter_values(self().weight) = std::exchange(original_, {}); }
  void keep_merged_weight() override { original_ = {}; }

  std::vector<factor_set> factors_;  // beside adapters_

 private:
  Self& self() { return static_cast<Self&>(*this); }
  const Self& self() const { return static_cast<const Self&>(*this); }

  // The weight's values, and what they were before they were merged, or changed by a new adapter.
  using weight_values = std::decay_t<decltype(parameter_values(std::declval<Weight&>()))>;
  weight_values original_, untouched_;
};

}  // namespace hft::detail
