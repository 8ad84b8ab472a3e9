// ForCausalLM: a head over the vocabulary, whose logits are of the token that follows.
#pragma once
#include <utility>
#include <vector>

#include <hft/models/heads/lm_head.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

/// Checkpoint names: model, lm_head. (transformers.LlamaForCausalLM and its like)
template <class Base>
class ForCausalLM : public LMHead<Base> {
 public:
  using typename Headed<Base>::A, typename Headed<Base>::D, typename Headed<Base>::inputs;
  template <class Other>
  using on_build = ForCausalLM<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForCausalLM";

  struct options {
    typename Base::options base;
    LMHeadOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    return {Base::options_of(config), config.lm_head()};
  }

  explicit ForCausalLM(const options& o) : LMHead<Base>(o.base, o.head), head_(o.head) {}

  /// input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n.
  CausalLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const;

  /// Whether labels are of the token that follows.
  bool shifts_labels() const { return head_.shifts_labels; }

 private:
  LMHeadOptions head_;
};

template <class Base>
auto ForCausalLM<Base>::operator()(const inputs& in, const ForwardArgs<A, D>& args) const -> CausalLMOutput<A, D> {
  auto context = this->model.begin(in, args);
  std::vector<Tensor<A, 2, D>> router_logits;
  if constexpr (D::tracked) {
    if (args.labels && head_.router_aux_loss != 0) context.router_logits = &router_logits;
    if (context.router_logits && context.gradient_checkpointing)
      throw unsupported_error("training", "the loss of routers", "no gradient checkpointing", "gradient checkpointing");
  }
  auto base = this->model.run(in, args, context);
  if constexpr (!requires { requires Base::tokens_alone; }) {
    if (head_.streams) {
      const isize N = base.last_hidden_state.extent(1), T = N / (1 + head_.streams);
      auto own = args;
      if constexpr (D::tracked)
        if (own.label_smoothing == 0) own.label_smoothing = head_.label_smoothing;
      auto out = stream_model_output<CausalLMOutput<A, D>>(base.last_hidden_state.slice(1, T, N).dense(), head_.streams,
                                                           head_.streams_learn, this->lm_head, own);
      show_states(std::move(base), out);
      return out;
    }
  }
  const f64 factor = head_.logit_scale, cap = head_.logit_softcap;
  const auto x = factor == 1 ? base.last_hidden_state : scale(base.last_hidden_state, factor);  // (B,T,C)
  const auto capped = [this, cap](const auto& h) {
    const auto y = this->lm_head(h);
    return cap ? scale(activate(scale(y, 1 / cap), Activation::tanh), cap) : y;
  };
  using Output = CausalLMOutput<A, D>;
  auto out = cap ? language_model_output<Output>(x, capped, args, head_.shifts_labels)
                 : language_model_output<Output>(x, this->lm_head, args, head_.shifts_labels);
  show_states(std::move(base), out);
  if constexpr (D::tracked)
    if (!router_logits.empty())
      out.loss = add(out.loss, scale(load_balancing_loss(router_logits, head_.experts_per_token, context.key_mask),
                                     head_.router_aux_loss));
  return out;
}

}  // namespace hft
