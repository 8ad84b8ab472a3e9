// ForQuestionAnswering: which token of a text an answer begins with, and which it ends with.
#pragma once
#include <hft/layers/linear.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/headed.hpp>

namespace hft {

/// Checkpoint names: model, qa_outputs. (transformers.BertForQuestionAnswering and its like)
template <class Base>
class ForQuestionAnswering : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type, typename Headed<Base>::A, typename Headed<Base>::D,
      typename Headed<Base>::inputs;
  template <class Other>
  using on_build = ForQuestionAnswering<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForQuestionAnswering";
  using Output =
      detail::output_over<Base, QuestionAnsweringModelOutput<A, D>, Seq2SeqQuestionAnsweringModelOutput<A, D>>;

  struct options {
    typename Base::options base;
    isize hidden_size;
    f64 dropout = 0;                                 // of what the head sees, in a training pass
    std::optional<TransformOptions> transform = {};  // what a token's state goes through first
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{Base::options_of(config), config.classifier().hidden_size};
    detail::last_backbone(o.base).pooler.reset();
    if constexpr (requires { o.base.shifts_input; }) o.base.shifts_input = true;
    if constexpr (requires { config.qa_dropout; }) o.dropout = config.qa_dropout;
    if constexpr (requires { config.token_transform(); })
      o.transform = config.token_transform(), o.dropout = config.classifier().dropout;
    return o;
  }

  explicit ForQuestionAnswering(const options& o)
      : Headed<Base>(o.base),
        qa_outputs(o.hidden_size, 2, true),
        dropout_(o.dropout),
        last_layer_(detail::last_backbone(o.base).places()) {
    if (o.transform) head.emplace(*o.transform);
  }

  /// input_ids (B,T) => start_logits (B,T), end_logits (B,T)
  Output operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    if constexpr (D::tracked) context.dropout.begin_layer(last_layer_);
    const auto x = head ? (*head)(base.last_hidden_state) : base.last_hidden_state;
    const auto logits = qa_outputs(apply_dropout(x, dropout_, context));  // (B,T,2)
    const Shape<2> shape{logits.extent(0), logits.extent(1)};
    const auto one = [&](isize i) { return logits.slice(2, i, i + 1).dense().template reshape<2>(shape); };
    Output out{one(0), one(1)};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = question_answering_loss(out.start_logits, out.end_logits, args);
    return out;
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    v("head", head);
    v("qa_outputs", qa_outputs);
  }

  typename build_type::linear qa_outputs;
  std::optional<HeadTransform<build_type>> head;

 private:
  f64 dropout_;
  isize last_layer_;
};

}  // namespace hft
