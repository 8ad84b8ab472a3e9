// Heads that classify: whole sequences, and each token.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/layers/dropout.hpp>
#include <hft/layers/linear.hpp>
#include <hft/models/heads/headed.hpp>
#include <hft/ops/select_tokens.hpp>
#include <hft/short_string.hpp>

namespace hft {

struct ClassifierOptions {
  isize hidden_size, num_labels;
  f64 dropout = 0;                                // of what it sees, in a training pass
  std::optional<i64> pad_token_id = {};           // what last_token leaves out
  std::optional<short_string> problem_type = {};  // what a sequence's labels are: see sequence_classification_loss
};

/// What a sequence is classified by: the base model's pooled output. Its classifier has a bias.
struct pooled {
  static constexpr bool bias = true, pools = true;

  template <class Output, class Inputs>
  static auto of(const char*, const Output& y, const Inputs&, std::optional<i64>) {
    return y.pooler_output;
  }
};

/// The first token, which sees all others. Its classifier has a bias.
struct first_token {
  static constexpr bool bias = true, pools = false;

  template <class Output, class Inputs>
  static auto of(const char*, const Output& y, const Inputs&, std::optional<i64>) {
    return select_tokens(y.last_hidden_state, std::vector<isize>(std::size_t(y.last_hidden_state.extent(0)), 0));
  }
};

/// The last token that is not the pad token. Its classifier has no bias.
struct last_token {
  static constexpr bool bias = false, pools = false;

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
    last_layer_ = isize(o.base.layers.size());
    where_ = o.base.where;
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
    if (!pooler) o.base.pooler.reset();
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

/// (transformers.BertForSequenceClassification, LlamaForSequenceClassification and their like)
template <class Base, class Pooling>
class ForSequenceClassification : public detail::classifying<Base> {
  using base = detail::classifying<Base>;

 public:
  using typename base::A, typename base::D, typename base::inputs, typename base::options;
  template <class Other>
  using on_build = ForSequenceClassification<typename Base::template on_build<Other>, Pooling>;
  static constexpr const char* class_suffix = "ForSequenceClassification";
  template <class Config>
  static options options_of(const Config& config) {
    return base::options_with(config, Pooling::pools);
  }

  explicit ForSequenceClassification(const options& o) : base(o, Pooling::bias) {}

  /// inputs => logits (B,labels)
  SequenceClassifierOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    const auto x = Pooling::of(this->where_, base, in, this->head_.pad_token_id);
    SequenceClassifierOutput<A, D> out{this->classifier(this->drop(x, context))};
    show_states(base, out);
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
    return base::options_with(config, false);
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
