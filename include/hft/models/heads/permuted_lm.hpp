// ForPermutedLM: a head over the vocabulary on a model with a second stream, which says any token from any others.
#pragma once
#include <algorithm>
#include <utility>

#include <hft/models/heads/causal_lm.hpp>

namespace hft {

/// Logits are of the tokens at their own places, or of those that target_mapping asks for; labels are, too. Generation
/// asks for the place behind the tokens, which they do not see. Checkpoint names: model, lm_head.
/// (transformers.XLNetLMHeadModel)
template <class Base>
class ForPermutedLM : public ForCausalLM<Base> {
 public:
  using typename Headed<Base>::A, typename Headed<Base>::D, typename Headed<Base>::inputs;
  template <class Other>
  using on_build = ForPermutedLM<typename Base::template on_build<Other>>;

  struct options : ForCausalLM<Base>::options {
    bool remembers;  // whether generation takes tokens from what is remembered of them, else all anew
  };
  template <class Config>
  static options options_of(const Config& config) {
    return {ForCausalLM<Base>::options_of(config), config.remembers()};
  }

  explicit ForPermutedLM(const options& o) : ForCausalLM<Base>(o), remembers_(o.remembers) {}

  /// input_ids (B,T) => the logits (B,1,V) of the token that follows. `memory` is a cache of the pass before, whose
  /// tokens but for the last were the same; in a first pass it has none.
  /// (XLNetLMHeadModel.prepare_inputs_for_generation)
  template <class Memory>
  auto next_logits(const Tensor<i64, 2>& input_ids, Memory* memory, bool first) const {
    constexpr isize again = 2;  // tokens that each pass takes in once more, behind those that are remembered
    const isize B = input_ids.extent(0), T = input_ids.extent(1);
    if (!remembers_) memory = nullptr;
    isize from = 0;
    if (memory && !first) {
      from = std::max<isize>(0, T - again);
      for (std::size_t i = 0; i < this->model.layers.size(); ++i) {
        auto& state = memory->state(isize(i));
        const auto mems = state.template get<3>("mems");  // (B,M,C)
        if (mems) state.set("mems", mems.slice(1, 0, std::max<isize>(0, mems.extent(1) - again)).dense());
      }
    }
    const auto given = input_ids.dense();
    const isize n = T - from + 1;  // the last is the place that is asked for
    auto tokens = Tensor<i64, 2>::zeros({B, n});
    auto hidden = Tensor<f32, 3>::zeros({B, n, n}), asked = Tensor<f32, 3>::zeros({B, 1, n});
    for (isize b = 0; b < B; ++b) {
      std::copy_n(given.data() + b * T + from, n - 1, tokens.data() + b * n);
      for (isize t = 0; t < n; ++t) hidden.data()[(b * n + t) * n + n - 1] = 1;
      asked.data()[b * n + n - 1] = 1;
    }
    ForwardArgs<A, D> args;
    args.past_key_values = memory;
    inputs in;
    in.input_ids = std::move(tokens), in.perm_mask = std::move(hidden), in.target_mapping = std::move(asked);
    return (*this)(in, args).logits;
  }

 private:
  bool remembers_;
};

}  // namespace hft
