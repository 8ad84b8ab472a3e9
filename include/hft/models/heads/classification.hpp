// Heads that classify: whole sequences, each token, and which of several texts fits.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/layers/dropout.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/pooler.hpp>
#include <hft/models/fields.hpp>
#include <hft/models/heads/headed.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/select_tokens.hpp>
#include <hft/short_string.hpp>

namespace hft {

/// Of a dense layer before a classifier, and what stands between them.
struct TransformOptions {
  isize hidden_size;
  bool bias = true;
  std::optional<Activation> activation = {};
  std::optional<NormOptions> norm = {};
};

/// norm(f(dense(x))). Checkpoint names: dense, norm.
template <class B>
class HeadTransform {
 public:
  explicit HeadTransform(const TransformOptions& o)
      : dense(o.hidden_size, o.hidden_size, o.bias), activation_(o.activation) {
    if (o.norm) norm.emplace(*o.norm);
  }

  /// (..., C) => (..., C)
  template <class X>
  X operator()(const X& x) const {
    X y = dense(x);
    if (activation_) y = activate(y, *activation_);
    return norm ? (*norm)(y) : y;
  }
  void visit(visitor& v) {
    v("dense", dense);
    v("norm", norm);
  }

  typename B::linear dense;
  std::optional<LayerNorm<B>> norm;

 private:
  std::optional<Activation> activation_;
};

/// Of a `summarised` head: what it makes of a text's states.
struct SummaryOptions {
  enum kind { first, last, mean } of = first;
  bool shown_only = false;  // whether positions that the mask hides are left out
  bool of_logits = false;   // whether each token is classified, and the logits are summarised (EuroBERT)
};

struct ClassifierOptions {
  isize hidden_size, num_labels;
  f64 dropout = 0;                                 // of what it sees, in a training pass
  std::optional<i64> pad_token_id = {};            // what last_token leaves out
  TokenIds eos_token_id = {};                      // what last_eos looks for
  std::optional<short_string> problem_type = {};   // what a sequence's labels are: see sequence_classification_loss
  std::optional<f64> dense_dropout = {};           // of what a dense layer before it sees, where that differs
  std::optional<Activation> activation = {};       // in the place of that which the pooling has
  SummaryOptions summary = {};                     // of `summarised`
  std::optional<TransformOptions> transform = {};  // what a summary, or a token's state, goes through first
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

/// What the options say: a summary of all tokens, which a transform may turn. Its classifier has a bias.
/// (transformers' SequenceSummary, and the heads of ModernBERT and EuroBERT)
struct summarised {
  static constexpr bool bias = true, pools = false, by_options = true;
  static constexpr const char* classifier_name = "classifier";

  /// x (B,T,C), mask (B,T) or empty => (B,C)
  template <class X>
  static auto of(const X& x, const Tensor<i64, 2>& mask, const SummaryOptions& o) {
    const isize B = x.extent(0), T = x.extent(1);
    const auto given = mask.dense();
    const auto shown = [&](isize b, isize t) { return !o.shown_only || !mask || given.data()[b * T + t] != 0; };
    using A = typename X::dtype_t;
    auto shares = Tensor<A, 2>::zeros({B, T});
    std::vector<isize> token, places;
    for (isize b = 0; b < B; ++b) {
      isize at = o.of == SummaryOptions::last ? T - 1 : 0, count = 0;
      if (o.of == SummaryOptions::first)
        while (at < T - 1 && !shown(b, at)) ++at;
      if (o.of == SummaryOptions::last)
        while (at > 0 && !shown(b, at)) --at;
      token.push_back(at);
      for (isize t = 0; t < T; ++t) count += shown(b, t);
      for (isize t = 0; t < T; ++t) {
        if (shown(b, t)) shares.data()[b * T + t] = A(1) / A(count);
        places.push_back(b * T + t);
      }
    }
    if (o.of != SummaryOptions::mean) return select_tokens(x, token);
    using Rows = Tensor<A, 2, typename X::device>;
    return combine_rows(std::vector<Rows>{x.dense().template reshape<2>({B * T, x.extent(2)})}, {places},
                        Rows(to_device<typename X::device::base>(shares)));
  }
};

/// The same where checkpoints call the classifier otherwise. (transformers.XLNetForSequenceClassification)
struct summarised_to_logits : summarised {
  static constexpr const char* classifier_name = "logits_proj";
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
    last_layer_ = last_backbone(o.base).places();
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
    auto& base = last_backbone(o.base);
    if (!pooler) base.pooler.reset();
    if constexpr (requires { base.pooler.emplace(PoolerOptions{}); })
      if (pooler && !base.pooler) base.pooler.emplace(PoolerOptions{o.head.hidden_size});
    if constexpr (requires { o.base.shifts_input; }) o.base.shifts_input = true;
    return o;
  }
  /// What the classifier sees: x, in a training pass with dropout.
  template <class X>
  X drop(const X& x, ForwardContext<A, D>& context) const {
    return drop(x, context, head_.dropout);
  }
  template <class X>
  X drop(const X& x, ForwardContext<A, D>& context, f64 p) const {
    if constexpr (D::tracked) context.dropout.begin_layer(last_layer_);
    return apply_dropout(x, p, context);
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
    if constexpr (by_options)
      if (o.head.transform) summary.emplace(*o.head.transform);
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    if constexpr (turns) v(Pooling::dense_name, *dense);
    v("summary", summary);
    v(Pooling::classifier_name, this->classifier);
  }

  std::optional<typename classifying<Base>::build_type::linear> dense;
  std::optional<HeadTransform<typename classifying<Base>::build_type>> summary;
  using Output = output_over<Base, SequenceClassifierOutput<A, D>, Seq2SeqSequenceClassifierOutput<A, D>>;

 protected:
  /// inputs of B sequences => logits (B,labels), beside the states that were asked for
  Output classify(const typename Base::inputs& in, const ForwardArgs<A, D>& args) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    Output out{logits_of(base, in, args, context)};
    show_states(base, out);
    return out;
  }

 private:
  static constexpr bool turns = requires { Pooling::dense_name; }
  , by_options = requires { Pooling::by_options; };

  template <class Output, class Inputs>
  Tensor<A, 2, D> logits_of(const Output& base, const Inputs& in, const ForwardArgs<A, D>& args,
                            ForwardContext<A, D>& context) const {
    const auto& o = this->head_;
    if constexpr (by_options) {
      const auto& mask = in.attention_mask ? in.attention_mask : args.attention_mask;
      const auto classify = [&](const auto& x) {
        return this->classifier(this->drop(summary ? (*summary)(x) : x, context));
      };
      const auto& states = base.last_hidden_state;
      if (o.summary.of_logits) return Pooling::of(classify(states), mask, o.summary);
      return classify(Pooling::of(states, mask, o.summary));
    } else {
      const auto& id = [&o]() -> const auto& {
        if constexpr (requires { Pooling::looks_for_eos; })
          return o.eos_token_id;
        else
          return o.pad_token_id;
      }
      ();
      auto x = Pooling::of(this->where_, base, in, id);  // (B,C)
      if constexpr (turns) {
        if (Pooling::drops_before) x = this->drop(x, context, o.dense_dropout.value_or(o.dropout));
        x = activate((*dense)(x), o.activation.value_or(Pooling::activation));
      }
      return this->classifier(this->drop(x, context));
    }
  }
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
  using inputs = typename Base::inputs::choice;
  template <class Other>
  using on_build = ForMultipleChoice<typename Base::template on_build<Other>, Pooling>;
  static constexpr const char* class_suffix = "ForMultipleChoice";
  template <class Config>
  static options options_of(const Config& config) {
    options o = base::options_of(config);
    if constexpr (requires { config.choice(); }) o.head = config.choice();
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
    o.head.transform.reset();
    if constexpr (requires { config.token_transform(); }) o.head.transform = config.token_transform();
    return o;
  }

  explicit ForTokenClassification(const options& o) : base(o, true) {
    if (o.head.transform) head.emplace(*o.head.transform);
  }

  /// input_ids (B,T) => logits (B,T,labels)
  TokenClassifierOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    const auto x = head ? (*head)(base.last_hidden_state) : base.last_hidden_state;  // (B,T,C)
    TokenClassifierOutput<A, D> out{this->classifier(this->drop(x, context))};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = token_classification_loss(out.logits, args);
    return out;
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    v("head", head);
    v("classifier", this->classifier);
  }

  std::optional<HeadTransform<typename base::build_type>> head;
};

}  // namespace hft
