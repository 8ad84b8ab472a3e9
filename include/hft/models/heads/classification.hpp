// Heads that classify: whole sequences, each token, and which of several texts fits.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/layers/dropout.hpp>
#include <hft/layers/linear.hpp>
#include <hft/models/fields.hpp>
#include <hft/models/heads/headed.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/select_tokens.hpp>
#include <hft/short_string.hpp>

namespace hft {

struct ClassifierOptions {
  isize hidden_size, num_labels;
  f64 dropout = 0;                                // of what it sees, in a training pass
  std::optional<i64> pad_token_id = {};           // what last_token leaves out
  TokenIds eos_token_id = {};                     // what last_eos looks for
  std::optional<short_string> problem_type = {};  // what a sequence's labels are: see sequence_classification_loss
};

/// What a sequence is classified by: the base model's pooled output. Its classifier has a bias.
struct pooled {
  static constexpr bool bias = true, pools = true;
  static constexpr const char* classifier_name = "classifier";

  template <class Output, class Inputs>
  static auto of(const char*, const Output& y, const Inputs&, std::optional<i64>) {
    return y.pooler_output;
  }
};

/// The first token, which sees all others. Its classifier has a bias.
struct first_token {
  static constexpr bool bias = true, pools = false;
  static constexpr const char* classifier_name = "classifier";

  template <class Output, class Inputs>
  static auto of(const char*, const Output& y, const Inputs&, std::optional<i64>) {
    return select_tokens(y.last_hidden_state, std::vector<isize>(std::size_t(y.last_hidden_state.extent(0)), 0));
  }
};

/// The first token, which a dense layer and an activation turn before it is classified. (transformers'
/// RobertaClassificationHead)
struct first_token_by_tanh : first_token {
  static constexpr const char *dense_name = "classifier.dense", *classifier_name = "classifier.out_proj";
  static constexpr Activation activation = Activation::tanh;
  static constexpr bool drops_before = true;
};

/// The same by a rectifier. (transformers.DistilBertForSequenceClassification)
struct first_token_by_relu : first_token {
  static constexpr const char *dense_name = "pre_classifier", *classifier_name = "classifier";
  static constexpr Activation activation = Activation::relu;
  static constexpr bool drops_before = false;
};

/// The last token that is not the pad token. Its classifier has no bias, and is called score.
struct last_token {
  static constexpr bool bias = false, pools = false;
  static constexpr const char* classifier_name = "score";

  /// Throws value_error for several rows without a pad token.
  template <class Output>
  static auto of(const char* where, const Output& y, const TextInputs& in, std::optional<i64> pad) {
    const isize B = in.input_ids.extent(0), T = in.input_ids.extent(1);
    if (B > 1 && !pad)
      throw value_error(where, "a batch", "a pad_token_id in the config, to find each row's last token");
    std::vector<isize> last;
    const auto ids = in.input_ids.dense();
    for (isize b = 0; b < B; ++b) {
      isize t = T - 1;
      if (pad)
        for (; t > 0 && ids.data()[b * T + t] == *pad;) --t;
      last.push_back(t);
    }
    return select_tokens(y.last_hidden_state, last);
  }
};

/// What a decoder makes at the last end-of-text token of the encoder's tokens, which it sees moved right by one.
/// (transformers' BartClassificationHead, T5ClassificationHead)
struct last_eos {
  static constexpr bool bias = true, pools = false, looks_for_eos = true;
  static constexpr const char *dense_name = "classification_head.dense",
                              *classifier_name = "classification_head.out_proj";
  static constexpr Activation activation = Activation::tanh;
  static constexpr bool drops_before = true;

  /// Throws value_error unless all rows have as many such tokens, and at least one.
  template <class Output, class Inputs>
  static auto of(const char* where, const Output& y, const Inputs& in, const TokenIds& eos) {
    const isize B = in.input_ids.extent(0), T = in.input_ids.extent(1);
    const auto ids = in.input_ids.dense();
    std::vector<isize> last, counts(static_cast<std::size_t>(B));
    for (isize b = 0; b < B; ++b) {
      last.push_back(-1);
      for (isize t = 0; t < T; ++t)
        if (eos.contains(ids.data()[b * T + t])) last.back() = t, ++counts[std::size_t(b)];
      if (last.back() < 0 || counts[std::size_t(b)] != counts[0])
        throw value_error(where, "input_ids", "as many end-of-text tokens in each row, at least one");
    }
    return select_tokens(y.last_hidden_state, last);
  }
};

namespace detail {

/// What the classifying heads share. Checkpoint names: model, classifier.
template <class Base>
class classifying : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type, typename Headed<Base>::A, typename Headed<Base>::D,
      typename Headed<Base>::inputs;

  struct options {
    typename Base::options base;
    ClassifierOptions head;
  };

  classifying(const options& o, bool bias)
      : Headed<Base>(o.base), classifier(o.head.hidden_size, o.head.num_labels, bias), head_(o.head) {
    last_layer_ = isize(last_backbone(o.base).layers.size());
    where_ = last_backbone(o.base).where;
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    v("classifier", classifier);
  }
  const ClassifierOptions& classifier_options() const { return head_; }

  typename build_type::linear classifier;

 protected:
  template <class Config>
  static options options_with(const Config& config, bool pooler) {
    options o{Base::options_of(config), config.classifier()};
    if (!pooler) last_backbone(o.base).pooler.reset();
    if constexpr (requires { o.base.shifts_input; }) o.base.shifts_input = true;
    return o;
  }
  /// What the classifier sees: x, in a training pass with dropout.
  template <class X>
  X drop(const X& x, ForwardContext<A, D>& context) const {
    if constexpr (D::tracked) context.dropout.begin_layer(last_layer_);
    return apply_dropout(x, head_.dropout, context);
  }

  ClassifierOptions head_;
  const char* where_;
  isize last_layer_;
};

}  // namespace detail

namespace detail {

/// What the heads over a whole sequence share: pooling, and where the pooling has one a dense layer before the
/// classifier.
template <class Base, class Pooling>
class classifying_sequences : public classifying<Base> {
 public:
  using typename classifying<Base>::A, typename classifying<Base>::D, typename classifying<Base>::options;
  template <class Config>
  static options options_of(const Config& config) {
    return classifying<Base>::options_with(config, Pooling::pools);
  }

  explicit classifying_sequences(const options& o) : classifying<Base>(o, Pooling::bias) {
    if constexpr (turns) dense.emplace(o.head.hidden_size, o.head.hidden_size, true);
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    if constexpr (turns) v(Pooling::dense_name, *dense);
    v(Pooling::classifier_name, this->classifier);
  }

  std::optional<typename classifying<Base>::build_type::linear> dense;
  using Output = output_over<Base, SequenceClassifierOutput<A, D>, Seq2SeqSequenceClassifierOutput<A, D>>;

 protected:
  /// inputs of B sequences => logits (B,labels), beside the states that were asked for
  Output classify(const typename Base::inputs& in, const ForwardArgs<A, D>& args) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    const auto& id = [this]() -> const auto& {
      if constexpr (requires { Pooling::looks_for_eos; })
        return this->head_.eos_token_id;
      else
        return this->head_.pad_token_id;
    }
    ();
    auto x = Pooling::of(this->where_, base, in, id);  // (B,C)
    if constexpr (turns) {
      if (Pooling::drops_before) x = this->drop(x, context);
      x = activate((*dense)(x), Pooling::activation);
    }
    Output out{this->classifier(this->drop(x, context))};
    show_states(base, out);
    return out;
  }

 private:
  static constexpr bool turns = requires { Pooling::dense_name; };
};

}  // namespace detail

/// (transformers.BertForSequenceClassification, LlamaForSequenceClassification and their like)
template <class Base, class Pooling>
class ForSequenceClassification : public detail::classifying_sequences<Base, Pooling> {
  using base = detail::classifying_sequences<Base, Pooling>;

 public:
  using typename base::A, typename base::D, typename base::inputs;
  template <class Other>
  using on_build = ForSequenceClassification<typename Base::template on_build<Other>, Pooling>;
  static constexpr const char* class_suffix = "ForSequenceClassification";
  using base::base;

  /// inputs => logits (B,labels)
  typename base::Output operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto out = this->classify(in, args);
    if constexpr (D::tracked) out.loss = sequence_classification_loss(out.logits, this->head_, args);
    return out;
  }
};

/// The same under the name that it has over images. (transformers.ViTForImageClassification and its like)
template <class Base, class Pooling>
class ForImageClassification : public ForSequenceClassification<Base, Pooling> {
 public:
  template <class Other>
  using on_build = ForImageClassification<typename Base::template on_build<Other>, Pooling>;
  static constexpr const char* class_suffix = "ForImageClassification";
  using ForSequenceClassification<Base, Pooling>::ForSequenceClassification;
};

/// Scores each of several texts as a sequence. (transformers.BertForMultipleChoice and its like)
template <class Base, class Pooling>
class ForMultipleChoice : public detail::classifying_sequences<Base, Pooling> {
  using base = detail::classifying_sequences<Base, Pooling>;

 public:
  using typename base::A, typename base::D, typename base::options;
  using inputs = MultipleChoiceInputs;
  template <class Other>
  using on_build = ForMultipleChoice<typename Base::template on_build<Other>, Pooling>;
  static constexpr const char* class_suffix = "ForMultipleChoice";
  template <class Config>
  static options options_of(const Config& config) {
    options o = base::options_of(config);
    o.head.num_labels = 1;
    return o;
  }
  using base::base;

  /// inputs of (B,N,T) => logits (B,N)
  SequenceClassifierOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto out = this->classify(in.texts(), args);
    out.logits = out.logits.template reshape<2>({in.input_ids.extent(0), in.input_ids.extent(1)});
    if constexpr (D::tracked) out.loss = multiple_choice_loss(out.logits, args);
    return out;
  }
};

/// (transformers.BertForTokenClassification and its like)
template <class Base>
class ForTokenClassification : public detail::classifying<Base> {
  using base = detail::classifying<Base>;

 public:
  using typename base::A, typename base::D, typename base::inputs, typename base::options;
  template <class Other>
  using on_build = ForTokenClassification<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForTokenClassification";
  template <class Config>
  static options options_of(const Config& config) {
    options o = base::options_with(config, false);
    if constexpr (requires { config.token_dropout(); }) o.head.dropout = config.token_dropout();
    return o;
  }

  explicit ForTokenClassification(const options& o) : base(o, true) {}

  /// input_ids (B,T) => logits (B,T,labels)
  TokenClassifierOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    TokenClassifierOutput<A, D> out{this->classifier(this->drop(base.last_hidden_state, context))};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = token_classification_loss(out.logits, args);
    return out;
  }
};

}  // namespace hft
