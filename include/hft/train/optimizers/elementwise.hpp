// Optimizers that treat each element by itself: a rule says how a vector of elements moves, and this applies it to all,
// with the state in f32 or in blocks of 8 bits.
#pragma once
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/quantization/blockwise.hpp>
#include <hft/train/optimizers/optimizer.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

namespace detail {
/// 1, 0 or -1.
template <class V>
V sign(V x) {
  const V zero = V::zero();
  return select(less(zero, x), V::set(1), select(less(x, zero), V::set(-1), zero));
}
}  // namespace detail

/// How the state of an ElementwiseOptimizer is kept. Embeddings and tensors of fewer than 4096 elements keep f32 in any
/// case, as bitsandbytes under Transformers' Trainer does.
enum class StateFormat { f32, blockwise_8bit };

/// A state of a rule. In 8 bits it takes one of two sets of values; as bitsandbytes does, the first state that of both
/// signs, whatever it holds.
struct rule_state {
  std::string name;
  bool is_signed = true;
};

/// Rule is what differs between them:
///   static constexpr std::string_view name;
///   static constexpr std::size_t max_states;
///   std::vector<rule_state> states() const;       // those in use
///   auto kernel<V>(i64 step, f64 lr, bool decays) // a function (V& p, V g, std::array<V, max_states>& states),
///                                                 // with V a vector of f32
template <class Rule>
class ElementwiseOptimizer final : public Optimizer {
 public:
  explicit ElementwiseOptimizer(Rule rule = {}, StateFormat format = StateFormat::f32)
      : rule_(std::move(rule)), states_(rule_.states()), format_(format) {}

  std::string_view name() const override { return Rule::name; }
  const Rule& rule() const { return rule_; }

 protected:
  std::vector<state_tensor> make_state(const trainable& p) const override {
    std::vector<state_tensor> out;
    for (const rule_state& s : states_)
      if (!blockwise(p)) {
        out.push_back({s.name, dtype_id::f32, p.shape});
      } else {
        out.push_back({s.name, dtype_id::u8, p.shape});
        out.push_back({s.name + ".absmax", dtype_id::f32, {detail::num_blocks(p.size())}});
      }
    return out;
  }

  void update_range(const work& w, isize begin, isize end) override {
    const auto kernel = rule_.template kernel<V>(w.state->step, w.lr, w.parameter->decays);
    if (blockwise(*w.parameter))
      for (isize i = begin; i < end; i += detail::block_size)
        update_block(kernel, w, i, std::min(detail::block_size, end - i));
    else {
      std::array<f32*, Rule::max_states> state{};
      for (std::size_t s = 0; s < states_.size(); ++s) state[s] = w.state->tensors[s].template as<f32>() + begin;
      apply(kernel, w.parameter->value + begin, w.parameter->grad + begin, state, end - begin);
    }
  }

 private:
  using V = isa::lanes<f32>;

  bool blockwise(const trainable& p) const {
    return format_ == StateFormat::blockwise_8bit && p.size() >= 4096 && !p.embedding;
  }

  template <class Kernel>
  void apply(const Kernel& kernel, f32* value, const f32* grad, const std::array<f32*, Rule::max_states>& state,
             isize n) const {
    isa::for_lanes<V>(n, [&](isize i, auto part) {
      V p = part.template load<V>(value + i);
      std::array<V, Rule::max_states> s{};
      for (std::size_t k = 0; k < Rule::max_states; ++k)
        if (state[k]) s[k] = part.template load<V>(state[k] + i);
      kernel(p, part.template load<V>(grad + i), s);
      for (std::size_t k = 0; k < Rule::max_states; ++k)
        if (state[k]) part.store(s[k], state[k] + i);
      part.store(p, value + i);
    });
  }

  template <class Kernel>
  void update_block(const Kernel& kernel, const work& w, isize begin, isize n) const {
    f32 buffer[Rule::max_states][detail::block_size];
    std::array<f32*, Rule::max_states> state{};
    for (std::size_t s = 0; s < states_.size(); ++s) {
      state[s] = buffer[s];
      detail::dequantize_block(w.state->tensors[2 * s].template as<u8>() + begin,
                               w.state->tensors[2 * s + 1].template as<f32>()[begin / detail::block_size],
                               states_[s].is_signed, n, buffer[s]);
    }
    apply(kernel, w.parameter->value + begin, w.parameter->grad + begin, state, n);
    for (std::size_t s = 0; s < states_.size(); ++s)
      w.state->tensors[2 * s + 1].template as<f32>()[begin / detail::block_size] =
          detail::quantize_block(buffer[s], n, states_[s].is_signed, w.state->tensors[2 * s].template as<u8>() + begin);
  }

  Rule rule_;
  std::vector<rule_state> states_;
  StateFormat format_;
};

}  // namespace hft

HFT_INTRINSICS_END
