// ForConditionalGeneration: a head over the vocabulary on an encoder and a decoder.
#pragma once
#include <optional>

#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/models/heads/lm_head.hpp>
#include <hft/models/seq2seq_model.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

struct Seq2SeqLMHeadOptions {
  LMHeadOptions head;
  f64 scale = 1;  // of what the head sees
  // Of what it sees, before it: a dense layer, the activation and this norm, as in BERT's head.
  std::optional<NormOptions> transform = {};
  isize transform_size = 0;  // of what the dense layer sees
  Activation activation = Activation::gelu;
  const char *dense_name = "head.dense", *norm_name = "head.norm";  // paths, of an architecture that has several
};

/// Checkpoint names: model, lm_head, head.dense, head.norm, or what the options say.
/// (transformers.T5ForConditionalGeneration and its like)
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

  explicit ForConditionalGeneration(const options& o)
      : LMHead<Base>(o.base, o.head.head),
        head_(o.head.head),
        scale_(o.head.scale),
        activation_(o.head.activation),
        dense_name_(o.head.dense_name),
        norm_name_(o.head.norm_name) {
    if (!o.head.transform) return;
    dense.emplace(o.head.transform_size, o.head.head.hidden_size, true);
    norm.emplace(*o.head.transform);
  }

  /// input_ids (B,S), decoder_input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n. Given
  /// labels, the decoder's tokens may be left to them.
  Seq2SeqLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    if constexpr (D::tracked) {
      if (args.labels && !in.decoder_input_ids) {
        return with_decoder_tokens(this->model.with_labels(in, args.labels), args);
      }
    }
    return with_decoder_tokens(in, args);
  }

  /// What the encoder makes of input_ids (B,S): (B,S,C). It is an input of passes that generate. `states` gets what its
  /// layers show where args ask for it.
  auto encode(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& attention_mask,
              const Tensor<i64, 2>& global_attention_mask = {}, const ForwardArgs<A, D>& args = {},
              BaseModelOutput<A, D>* states = nullptr) const {
    const inputs in{
        .input_ids = input_ids, .attention_mask = attention_mask, .global_attention_mask = global_attention_mask};
    auto out = this->model.encode(in, args);
    const auto last = out.last_hidden_state;
    if (states) *states = std::move(out);
    return last;
  }

  void visit(visitor& v) override {
    LMHead<Base>::visit(v);
    v(dense_name_, dense);
    v(norm_name_, norm);
  }

  std::optional<typename Headed<Base>::build_type::linear> dense;
  std::optional<LayerNorm<typename Headed<Base>::build_type>> norm;

 private:
  Seq2SeqLMOutput<A, D> with_decoder_tokens(const inputs& in, const ForwardArgs<A, D>& args) const {
    const auto base = this->model(in, args);
    if (head_.streams) {
      auto own = args;
      if constexpr (D::tracked)
        if (own.label_smoothing == 0) own.label_smoothing = head_.label_smoothing;
      auto out = stream_model_output<Seq2SeqLMOutput<A, D>>(base.streams, head_.streams, head_.streams_learn,
                                                            this->lm_head, own);
      out.base = base;
      return out;
    }
    auto hidden = scale_ == 1 ? base.last_hidden_state : scale(base.last_hidden_state, scale_);
    if (dense) hidden = (*norm)(activate((*dense)(hidden), activation_));
    auto out = language_model_output<Seq2SeqLMOutput<A, D>>(hidden, this->lm_head, args);
    out.base = base;
    return out;
  }

  LMHeadOptions head_;
  f64 scale_;
  Activation activation_;
  const char *dense_name_, *norm_name_;
};

}  // namespace hft
