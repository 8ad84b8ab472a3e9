// DoubleHeadsModel: a language model of several texts that says, too, which of them fits. Radford et al. 2018,
// "Improving Language Understanding by Generative Pre-Training".
#pragma once
#include <optional>
#include <vector>

#include <hft/layers/dropout.hpp>
#include <hft/layers/inputs.hpp>
#include <hft/models/heads/lm_head.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/select_tokens.hpp>

namespace hft {

/// N texts for each of B choices. Empty tensors mean Transformers' None.
struct DoubleHeadsInputs : MultipleChoiceInputs {
  Tensor<i64, 2> mc_token_ids = {};  // (B,N): the place in each text whose state is judged; empty: the last

  void fields(input_visitor& v) {
    MultipleChoiceInputs::fields(v);
    v("mc_token_ids", mc_token_ids);
  }
};

/// Of the head that judges.
struct ChoiceHeadOptions {
  std::optional<Activation> activation = {};  // of its logits
  f64 dropout = 0;                            // of what it sees, in a training pass
};

/// Of a model with a head over the vocabulary and one over texts. Each has a loss of its own, where it has labels:
/// `loss` for labels, `mc_loss` for mc_labels. What a Trainer trains is their sum.
template <Scalar A = f32, Device D = cpu>
struct DoubleHeadsModelOutput {
  static constexpr bool next_token = true;  // logits are of the token that follows
  Tensor<A, 4, D> logits = {};              // (B,N,T,V)
  Tensor<A, 2, D> mc_logits = {};           // (B,N)
  [[no_unique_address]] loss_t<A, D> loss = {};
  [[no_unique_address]] loss_t<A, D> mc_loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B*N,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B*N,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    v("mc_logits", mc_logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};

/// Checkpoint names: model, lm_head, multiple_choice_head.summary. (transformers.GPT2DoubleHeadsModel)
template <class Base>
class DoubleHeadsModel : public LMHead<Base> {
 public:
  using typename Headed<Base>::A, typename Headed<Base>::D;
  using inputs = DoubleHeadsInputs;
  template <class Other>
  using on_build = DoubleHeadsModel<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "DoubleHeadsModel";

  struct options {
    typename Base::options base;
    LMHeadOptions head;
    ChoiceHeadOptions choice;
  };
  template <class Config>
  static options options_of(const Config& config) {
    return {Base::options_of(config), config.lm_head(), config.choice_head()};
  }

  explicit DoubleHeadsModel(const options& o)
      : LMHead<Base>(o.base, o.head),
        multiple_choice_head(o.head.hidden_size, 1, true),
        choice_(o.choice),
        where_(o.base.where),
        last_layer_(o.base.places()) {}

  /// inputs of (B,N,T) => logits (B,N,T,V), or (B,N,n,V) where args.logits_to_keep is n, and mc_logits (B,N). Labels of
  /// the tokens are (B*N,T), mc_labels (B,1). Throws shape_error for places of other texts, value_error for one outside
  /// its text.
  DoubleHeadsModelOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    const isize B = in.input_ids.extent(0), N = in.input_ids.extent(1);
    const auto texts = in.texts();
    auto context = this->model.begin(texts, args);
    const auto base = this->model.run(texts, args, context);
    DoubleHeadsModelOutput<A, D> out;
    show_states(base, out);
    const auto places = judged(in);
    if constexpr (D::tracked) context.dropout.begin_layer(last_layer_);
    auto scores = multiple_choice_head(
        apply_dropout(select_tokens(base.last_hidden_state, places), choice_.dropout, context));  // (B*N,1)
    if (choice_.activation) scores = activate(scores, *choice_.activation);
    out.mc_logits = scores.template reshape<2>({B, N});
    auto tokens = language_model_output<CausalLMOutput<A, D>>(base.last_hidden_state, this->lm_head, args);
    if (const auto& y = tokens.logits) out.logits = y.template reshape<4>({B, N, y.extent(1), y.extent(2)});
    if constexpr (D::tracked) {
      out.loss = tokens.loss;
      auto choice = args;
      choice.labels = args.mc_labels;
      out.mc_loss = multiple_choice_loss(out.mc_logits, choice);
    }
    return out;
  }

  void visit(visitor& v) override {
    LMHead<Base>::visit(v);
    v("multiple_choice_head.summary", multiple_choice_head);
  }

  typename Headed<Base>::build_type::linear multiple_choice_head;

 private:
  // Of each of the texts one below the other, its place that is judged.
  std::vector<isize> judged(const inputs& in) const {
    const isize B = in.input_ids.extent(0), N = in.input_ids.extent(1), T = in.input_ids.extent(2);
    if (!in.mc_token_ids) return std::vector<isize>(std::size_t(B * N), T - 1);
    if (in.mc_token_ids.shape() != Shape<2>{B, N})
      throw shape_error(where_, "mc_token_ids", detail::shape_text(Shape<2>{B, N}),
                        detail::shape_text(in.mc_token_ids.shape()));
    const auto given = in.mc_token_ids.dense();
    std::vector<isize> places;
    for (isize i = 0; i < B * N; ++i) {
      const i64 place = given.data()[i];
      if (place < 0 || place >= T)
        throw value_error(where_, "mc_token_ids", detail::joined("0 to ", T - 1, ", places in a text"),
                          detail::joined(place));
      places.push_back(place);
    }
    return places;
  }

  ChoiceHeadOptions choice_;
  const char* where_;
  isize last_layer_;
};

}  // namespace hft
