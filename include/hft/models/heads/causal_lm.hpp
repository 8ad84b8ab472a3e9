// ForCausalLM: a head over the vocabulary, whose logits are of the token that follows.
#pragma once
#include <string>
#include <string_view>

#include <hft/layers/linear.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/models/output.hpp>
#include <hft/models/vocabulary.hpp>

namespace hft {

struct LMHeadOptions {
  isize hidden_size, vocab_size;
  bool tied = false;  // to the token embeddings
};

/// Checkpoint names: model, lm_head. (transformers.LlamaForCausalLM and its like)
template <class Base>
class ForCausalLM : public ModelParts {
 public:
  using build_type = typename Base::build_type;
  using A = typename Base::A;
  using D = typename Base::D;
  template <class Other>
  using on_build = ForCausalLM<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForCausalLM";
  static constexpr bool generates = true;  // its settings of generation begin with the config's special tokens

  struct options {
    typename Base::options base;
    LMHeadOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    return {Base::options_of(config), config.lm_head()};
  }

  explicit ForCausalLM(const options& o)
      : model(o.base), lm_head(o.head.hidden_size, o.head.vocab_size), tied_(o.head.tied) {}

  /// input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n.
  CausalLMOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    const auto base = model(input_ids, args);
    return language_model_output<CausalLMOutput<A, D>>(base.last_hidden_state, base, lm_head, args);
  }

  void visit(visitor& v) override {
    v("model", model);
    if (tied_)
      v.tied("lm_head", lm_head);
    else
      v("lm_head", lm_head);
  }
  void tie_weights() override {
    if (tied_) lm_head.weight = model.embeddings.embed_tokens.weight;
  }
  tied_pairs tied_parameters() const override {
    if (!tied_) return {};
    return {{"lm_head.weight", "model.embed_tokens.weight"}};
  }
  void untie(std::string_view) override {
    detail::end_tie(lm_head.weight);
    tied_ = false;
  }
  void set_tie_word_embeddings(bool tied) override { tied_ = tied; }
  void resize_token_embeddings(isize vocab_size) override {
    model.resize_token_embeddings(vocab_size);
    detail::resize_rows(lm_head.weight, vocab_size);
    tie_weights();
  }
  isize max_positions() const override { return model.max_positions(); }
  std::string input_embeddings() const override { return "model." + model.input_embeddings(); }
  std::string output_embeddings() const override { return "lm_head.weight"; }
  isize padding_row() const override { return model.padding_row(); }

  Base model;
  typename build_type::embeddings::linear lm_head;

 private:
  bool tied_;
};

}  // namespace hft
