// LMHead: a head over the vocabulary, tied to the table of the tokens or not. What models that generate have on top.
#pragma once
#include <string>
#include <string_view>

#include <hft/layers/linear.hpp>
#include <hft/models/heads/headed.hpp>
#include <hft/models/vocabulary.hpp>

namespace hft {

struct LMHeadOptions {
  isize hidden_size, vocab_size;
  bool tied = false;  // to the token embeddings
  bool bias = false;
  f64 logit_scale = 1;          // of the logits: of what the head sees
  f64 logit_softcap = 0;        // logits become softcap * tanh(logit / softcap); 0: none
  f64 router_aux_loss = 0;      // the share of load_balancing_loss in the loss; 0: none
  isize experts_per_token = 0;  // of which it is
};

/// Checkpoint names: model, lm_head.
template <class Base>
class LMHead : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type;
  using Headed<Base>::model;
  static constexpr bool generates = true;  // its settings of generation begin with the config's special tokens

  LMHead(const typename Base::options& base, const LMHeadOptions& o)
      : Headed<Base>(base), lm_head(o.hidden_size, o.vocab_size, o.bias), tied_(o.tied) {}

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    if (!tied_) return v("lm_head", lm_head);
    v.tied("lm_head", lm_head);
    if (lm_head.bias.extent(0)) v("lm_head.bias", lm_head.bias);  // which no table of tokens has
  }
  void tie_weights() override {
    Headed<Base>::tie_weights();
    if (tied_) lm_head.weight = model.token_table();
  }
  tied_pairs tied_parameters() const override {
    auto pairs = Headed<Base>::tied_parameters();
    if (tied_) pairs.emplace_back("lm_head.weight", this->input_embeddings());
    return pairs;
  }
  void untie(std::string_view copy) override {
    if (copy != "lm_head.weight") return;
    detail::end_tie(lm_head.weight);
    tied_ = false;
  }
  void set_tie_word_embeddings(bool tied) override { tied_ = tied; }
  void resize_token_embeddings(isize vocab_size) override {
    Headed<Base>::resize_token_embeddings(vocab_size);
    detail::resize_rows(lm_head.weight, vocab_size);
    if (lm_head.bias) detail::resize_rows(lm_head.bias, vocab_size);
    tie_weights();
  }
  std::string output_embeddings() const override { return "lm_head.weight"; }
  const auto& output_table() const { return lm_head.weight; }
  auto& output_table() { return lm_head.weight; }

  typename build_type::embeddings::linear lm_head;

 private:
  bool tied_;
};

}  // namespace hft
