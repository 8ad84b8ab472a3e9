// Heads of encoders as they were pre-trained: masked tokens beside whether a text follows another, that alone, and
// which tokens were replaced.
#pragma once
#include <hft/layers/dropout.hpp>
#include <hft/layers/linear.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/masked_lm.hpp>

namespace hft {

/// Of what judges two texts.
struct SentenceHeadOptions {
  const char* logits = "seq_relationship_logits";  // what Transformers calls its logits
  isize num_labels = 2;
  f64 dropout = 0;  // of what it sees, in a training pass
};

/// Checkpoint names: those of ForMaskedLM, seq_relationship. (transformers.BertForPreTraining and its like)
template <class Base>
class ForPreTraining : public detail::masked_lm_head<Base> {
  using masked_lm = detail::masked_lm_head<Base>;

 public:
  using typename masked_lm::build_type, typename masked_lm::A, typename masked_lm::D, typename masked_lm::inputs;
  template <class Other>
  using on_build = ForPreTraining<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForPreTraining";

  struct options {
    typename Base::options base;
    MaskedLMHeadOptions head;
    SentenceHeadOptions sentences;
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{Base::options_of(config), config.masked_lm_head(), {}};
    if constexpr (requires { config.sentence_head(); }) o.sentences = config.sentence_head();
    return o;
  }

  explicit ForPreTraining(const options& o)
      : masked_lm(o.base, o.head),
        seq_relationship(o.head.hidden_size, o.sentences.num_labels, true),
        sentences_(o.sentences),
        last_layer_(o.base.places()) {}

  /// input_ids (B,T) => prediction_logits (B,T,V), and of the sentences (B,labels). Its loss takes labels of both.
  PreTrainingOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    if constexpr (D::tracked) context.dropout.begin_layer(last_layer_);
    PreTrainingOutput<A, D> out{.sentence_name = sentences_.logits};
    out.sentence_logits = seq_relationship(apply_dropout(base.pooler_output, sentences_.dropout, context));
    auto both = args;
    if constexpr (D::tracked) {
      if (!args.sentence_labels) both.labels = {};
    }
    const auto tokens = this->template decoded<MaskedLMOutput<A, D>>(this->transformed(base.last_hidden_state), both);
    out.prediction_logits = tokens.logits;
    show_states(base, out);
    if constexpr (D::tracked)
      if (tokens.loss) out.loss = add(tokens.loss, sentence_loss(out.sentence_logits, args));
    return out;
  }

  void visit(visitor& v) override {
    masked_lm::visit(v);
    v("seq_relationship", seq_relationship);
  }

  typename build_type::linear seq_relationship;

 private:
  SentenceHeadOptions sentences_;
  isize last_layer_;
};

/// The pooled output, judged by what ForPreTraining has beside its other head.
struct pooled_sentences : pooled {
  static constexpr const char* classifier_name = "seq_relationship";
};

/// Checkpoint names: model, seq_relationship. (transformers.BertForNextSentencePrediction and its like)
template <class Base>
class ForNextSentencePrediction : public detail::classifying_sequences<Base, pooled_sentences> {
  using base = detail::classifying_sequences<Base, pooled_sentences>;

 public:
  using typename base::A, typename base::D, typename base::inputs, typename base::options;
  template <class Other>
  using on_build = ForNextSentencePrediction<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForNextSentencePrediction";
  template <class Config>
  static options options_of(const Config& config) {
    options o = base::options_of(config);
    o.head.num_labels = 2;
    o.head.dropout = 0;
    return o;
  }
  using base::base;

  /// input_ids (B,T) of two texts each => logits (B,2): 0 where the second follows the first
  SequenceClassifierOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto out = this->classify(in, args);
    if constexpr (D::tracked) out.loss = sentence_loss(out.logits, args);
    return out;
  }
};

/// Finds the tokens that a generator put in the place of others. Checkpoint names: model, dense, dense_prediction.
/// (transformers.ElectraForPreTraining)
template <class Base>
class ForReplacedTokens : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type, typename Headed<Base>::A, typename Headed<Base>::D,
      typename Headed<Base>::inputs;
  template <class Other>
  using on_build = ForReplacedTokens<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForPreTraining";

  struct options {
    typename Base::options base;
    isize hidden_size;
    Activation activation;
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{Base::options_of(config), config.classifier().hidden_size,
              find_activation(config.hidden_act, Config::model_type)};
    o.base.pooler.reset();
    return o;
  }

  explicit ForReplacedTokens(const options& o)
      : Headed<Base>(o.base),
        dense(o.hidden_size, o.hidden_size, true),
        dense_prediction(o.hidden_size, 1, true),
        activation_(o.activation) {}

  /// input_ids (B,T) => logits (B,T), above 0 where a token was replaced
  ReplacedTokensOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    const auto base = this->model(in, args);
    const auto y = dense_prediction(activate(dense(base.last_hidden_state), activation_));  // (B,T,1)
    ReplacedTokensOutput<A, D> out{y.template reshape<2>({y.extent(0), y.extent(1)})};
    show_states(base, out);
    if constexpr (D::tracked)
      out.loss = replaced_tokens_loss(out.logits, in.attention_mask ? in.attention_mask : args.attention_mask, args);
    return out;
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    v("dense", dense);
    v("dense_prediction", dense_prediction);
  }

  typename build_type::linear dense, dense_prediction;

 private:
  Activation activation_;
};

}  // namespace hft
