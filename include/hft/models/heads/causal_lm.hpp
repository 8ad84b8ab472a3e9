// ForCausalLM: a head over the vocabulary, whose logits are of the token that follows.
#pragma once
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

  explicit ForCausalLM(const options& o)
      : LMHead<Base>(o.base, o.head), scale_(o.head.logit_scale), softcap_(o.head.logit_softcap) {}

  /// input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n.
  CausalLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    const auto base = this->model(in, args);
    const auto x = scale_ == 1 ? base.last_hidden_state : scale(base.last_hidden_state, scale_);  // (B,T,C)
    const auto capped = [this](const auto& h) {
      const auto y = this->lm_head(h);
      return softcap_ ? scale(activate(scale(y, 1 / softcap_), Activation::tanh), softcap_) : y;
    };
    using Output = CausalLMOutput<A, D>;
    auto out = softcap_ ? language_model_output<Output>(x, capped, args)
                        : language_model_output<Output>(x, this->lm_head, args);
    show_states(base, out);
    return out;
  }

 private:
  f64 scale_, softcap_;
};

}  // namespace hft
