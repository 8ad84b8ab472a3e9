// ForConditionalGeneration: a head over the vocabulary on an encoder and a decoder.
#pragma once
#include <hft/models/heads/lm_head.hpp>
#include <hft/models/seq2seq_model.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

struct Seq2SeqLMHeadOptions {
  LMHeadOptions head;
  f64 scale = 1;  // of what the head sees
};

/// Checkpoint names: model, lm_head. (transformers.T5ForConditionalGeneration and its like)
template <class Base>
class ForConditionalGeneration : public LMHead<Base> {
 public:
  using typename Headed<Base>::A, typename Headed<Base>::D, typename Headed<Base>::inputs;
  template <class Other>
  using on_build = ForConditionalGeneration<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForConditionalGeneration";

  struct options {
    typename Base::options base;
    Seq2SeqLMHeadOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    return {Base::options_of(config), config.seq2seq_lm_head()};
  }

  explicit ForConditionalGeneration(const options& o) : LMHead<Base>(o.base, o.head.head), scale_(o.head.scale) {}

  /// input_ids (B,S), decoder_input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n. Given
  /// labels, the decoder's tokens may be left to them.
  Seq2SeqLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    if constexpr (D::tracked) {
      if (args.labels && !in.decoder_input_ids) {
        inputs shifted = in;
        shifted.decoder_input_ids = this->model.shifted(args.labels);
        return with_decoder_tokens(shifted, args);
      }
    }
    return with_decoder_tokens(in, args);
  }

  /// What the encoder makes of input_ids (B,S): (B,S,C). It is an input of passes that generate.
  auto encode(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& attention_mask) const {
    return this->model.encode(inputs{.input_ids = input_ids, .attention_mask = attention_mask}, {}).last_hidden_state;
  }

 private:
  Seq2SeqLMOutput<A, D> with_decoder_tokens(const inputs& in, const ForwardArgs<A, D>& args) const {
    const auto base = this->model(in, args);
    const auto hidden = scale_ == 1 ? base.last_hidden_state : scale(base.last_hidden_state, scale_);
    auto out = language_model_output<Seq2SeqLMOutput<A, D>>(hidden, this->lm_head, args);
    out.base = base;
    return out;
  }

  f64 scale_;
};

}  // namespace hft
