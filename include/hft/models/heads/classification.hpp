// Heads that classify: whole sequences, and each token.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/layers/dropout.hpp>
#include <hft/layers/linear.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/models/output.hpp>
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
  static constexpr bool bias = true;

  template <class Output>
  static auto of(const char*, const Output& y, const Tensor<i64, 2>&, std::optional<i64>) {
    return y.pooler_output;
  }
};

/// The last token that is not the pad token. Its classifier has no bias.
struct last_token {
  static constexpr bool bias = false;

  /// Throws value_error for several rows without a pad token.
  template <class Output>
  static auto of(const char* where, const Output& y, const Tensor<i64, 2>& input_ids, std::optional<i64> pad) {
    const isize B = input_ids.extent(0), T = input_ids.extent(1);
    if (B > 1 && !pad)
      throw value_error(where, "a batch", "a pad_token_id in the config, to find each row's last token");
    std::vector<isize> last;
    const auto ids = input_ids.dense();
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
template <class Base, class Derived>
class classifying : public ModelParts {
 public:
  using build_type = typename Base::build_type;
  using A = typename Base::A;
  using D = typename Base::D;

  struct options {
    typename Base::options base;
    ClassifierOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{Base::options_of(config), config.classifier()};
    if (!Derived::pools) o.base.pooler = false;
    return o;
  }

  classifying(const options& o, bool bias)
      : model(o.base), classifier(o.head.hidden_size, o.head.num_labels, bias), head_(o.head) {
    last_layer_ = isize(o.base.layers.size());
    where_ = o.base.where;
  }

  void visit(visitor& v) override {
    v("model", model);
    v("classifier", classifier);
  }
  void resize_token_embeddings(isize vocab_size) override { model.resize_token_embeddings(vocab_size); }
  const ClassifierOptions& classifier_options() const { return head_; }
  isize max_positions() const override { return model.max_positions(); }
  std::string input_embeddings() const override { return "model." + model.input_embeddings(); }
  isize padding_row() const override { return model.padding_row(); }

  Base model;
  typename build_type::linear classifier;

 protected:
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
class ForSequenceClassification : public detail::classifying<Base, ForSequenceClassification<Base, Pooling>> {
  using base = detail::classifying<Base, ForSequenceClassification>;

 public:
  using typename base::A, typename base::D;
  template <class Other>
  using on_build = ForSequenceClassification<typename Base::template on_build<Other>, Pooling>;
  static constexpr const char* class_suffix = "ForSequenceClassification";
  static constexpr bool pools = true;

  explicit ForSequenceClassification(const typename base::options& o) : base(o, Pooling::bias) {}

  /// input_ids (B,T) => logits (B,labels)
  SequenceClassifierOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(input_ids, args);
    const auto base = this->model.run(input_ids, args, context);
    const auto x = Pooling::of(this->where_, base, input_ids, this->head_.pad_token_id);
    SequenceClassifierOutput<A, D> out{this->classifier(this->drop(x, context))};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = sequence_classification_loss(out.logits, this->head_, args);
    return out;
  }
};

/// (transformers.BertForTokenClassification and its like)
template <class Base>
class ForTokenClassification : public detail::classifying<Base, ForTokenClassification<Base>> {
  using base = detail::classifying<Base, ForTokenClassification>;

 public:
  using typename base::A, typename base::D;
  template <class Other>
  using on_build = ForTokenClassification<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForTokenClassification";
  static constexpr bool pools = false;

  explicit ForTokenClassification(const typename base::options& o) : base(o, true) {}

  /// input_ids (B,T) => logits (B,T,labels)
  TokenClassifierOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(input_ids, args);
    const auto base = this->model.run(input_ids, args, context);
    TokenClassifierOutput<A, D> out{this->classifier(this->drop(base.last_hidden_state, context))};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = token_classification_loss(out.logits, args);
    return out;
  }
};

}  // namespace hft
