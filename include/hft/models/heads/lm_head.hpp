// LMHead: a head over the vocabulary, tied to the table of the tokens or not. What models that generate have on top.
#pragma once
#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <hft/layers/linear.hpp>
#include <hft/models/heads/headed.hpp>
#include <hft/models/vocabulary.hpp>

namespace hft {

struct LMHeadOptions {
  isize hidden_size, vocab_size;
  bool tied = false;  // to the token embeddings
  bool bias = false;
  bool second_bias = false;     // with a bias: whether, where it is not tied, there is one more that nobody uses (BERT)
  bool fixed_bias = false;      // one that learns nothing, and that a checkpoint may lack: final_logits_bias (1,V)
  bool shifts_labels = true;    // of a causal model: whether labels are of the token that follows, as of most
  isize streams = 0;            // of states, behind those of the tokens (ProphetNet); 0: there are none
  bool streams_learn = true;    // whether all of them predict labels, else the first alone
  f64 label_smoothing = 0;      // of their loss
  f64 logit_scale = 1;          // of the logits: of what the head sees
  f64 logit_softcap = 0;        // logits become softcap * tanh(logit / softcap); 0: none
  f64 router_aux_loss = 0;      // the share of load_balancing_loss in the loss; 0: none
  isize experts_per_token = 0;  // of which it is
  // Paths, of an architecture that has several.
  const char *name = "lm_head", *bias_name = "lm_head.bias";
};

/// Checkpoint names: model, lm_head, or what its options say.
template <class Base>
class LMHead : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type;
  using Headed<Base>::model;
  static constexpr bool generates = true;  // its settings of generation begin with the config's special tokens

  LMHead(const typename Base::options& base, const LMHeadOptions& o)
      : Headed<Base>(base),
        lm_head(o.hidden_size, o.vocab_size, o.bias),
        name_(o.name),
        bias_name_(o.bias_name),
        tied_(o.tied),
        bias_(o.bias),
        second_bias_(o.second_bias) {
    if (second_bias_ && !tied_) unused_bias = decltype(unused_bias)::unallocated({o.vocab_size});
    if (o.fixed_bias) final_logits_bias = decltype(final_logits_bias)::unallocated({1, o.vocab_size});
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    if (final_logits_bias.size()) v("final_logits_bias", final_logits_bias);
    if (!tied_) {
      v(name_, lm_head);
      if (unused_bias.extent(0)) v(bias_name_, unused_bias);
      return;
    }
    v.tied(name_, lm_head);
    if (bias_) v(bias_name_, lm_head.bias);  // which no table of tokens has
  }
  void tie_weights() override {
    Headed<Base>::tie_weights();
    if (tied_) lm_head.weight = table();
    if (final_logits_bias)
      lm_head.bias = decltype(lm_head.bias)(final_logits_bias.template reshape<1>({final_logits_bias.size()}));
  }
  tied_pairs tied_parameters() const override {
    auto pairs = Headed<Base>::tied_parameters();
    if (tied_) pairs.emplace_back(output_embeddings(), table_path());
    if (tied_ && second_bias_) pairs.emplace_back(detail::cat(name_, ".bias"), bias_name_);
    return pairs;
  }
  void untie(std::string_view copy) override {
    if (copy != output_embeddings()) return Headed<Base>::untie(copy);
    if (!tied_) return;
    Headed<Base>::set_tie_word_embeddings(false);
    detail::end_tie(lm_head.weight);
    set_tied(false);
  }
  void set_tie_word_embeddings(bool tied) override {
    Headed<Base>::set_tie_word_embeddings(tied);
    set_tied(tied);
  }
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) override {
    Headed<Base>::leave_out_absent(stored);
    if (!stored("final_logits_bias")) final_logits_bias = {};
  }
  void resize_token_embeddings(isize vocab_size) override {
    Headed<Base>::resize_token_embeddings(vocab_size);
    detail::resize_rows(lm_head.weight, vocab_size);
    if (bias_) detail::resize_rows(lm_head.bias, vocab_size);
    if (unused_bias.extent(0)) detail::resize_rows(unused_bias, vocab_size);
    if (final_logits_bias) {
      auto resized = decltype(final_logits_bias)::zeros({1, vocab_size});
      std::copy_n(final_logits_bias.data(), std::min(vocab_size, final_logits_bias.size()), resized.data());
      final_logits_bias = std::move(resized);
    }
    tie_weights();
  }
  std::string output_embeddings() const override { return detail::cat(name_, ".weight"); }
  const auto& output_table() const { return lm_head.weight; }
  auto& output_table() { return lm_head.weight; }

  typename build_type::embeddings::linear lm_head;
  Tensor<typename build_type::embeddings::activation, 2, typename build_type::base>
      final_logits_bias;               // (1,V), or empty; lm_head adds it
  decltype(lm_head.bias) unused_bias;  // (V) of second_bias, or empty

 private:
  void set_tied(bool tied) {
    tied_ = tied;
    if (tied) unused_bias = {};
    if (tied || !second_bias_ || unused_bias.extent(0)) return;
    unused_bias = lm_head.bias;
    detail::end_tie(unused_bias);
  }
  // What it is tied to: the tokens' table, the decoder's where there are two.
  const auto& table() const {
    if constexpr (requires { this->model.head_table(); })
      return model.head_table();
    else
      return model.token_table();
  }
  std::string table_path() const {
    if constexpr (requires { this->model.head_table(); })
      return "model." + model.head_table_path();
    else
      return this->input_embeddings();
  }

  const char *name_, *bias_name_;
  bool tied_, bias_, second_bias_;
};

}  // namespace hft
