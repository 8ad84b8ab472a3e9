// DecoderModel and CausalLM: embedding, blocks, norm, and a head on top. The composition that decoder-only
// architectures are made of, with the checkpoint names that most of them share.
//
//   template <class B> using MyBlock = PreNormBlock<LayerNorm<B>, SelfAttention<B, alibi>, MLP<B, gelu>>;
//   template <class W, Device D = cpu> using MyLM = CausalLM<MyConfig, MyBlock, LayerNorm, build<W, D>>;
//
// Config provides norm(), attention(layer), mlp(layer), and what CausalLM's constructor reads below.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <hft/layers/block.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/embedding.hpp>
#include <hft/layers/linear.hpp>
#include <hft/models/output.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/models/vocabulary.hpp>
#include <hft/ops/select_tokens.hpp>

namespace hft {

namespace detail {
// A specialised build runs checkpoints of its own config only.
template <class Config>
void check_specialisation(runtime*, const Config&) {}
template <class S, class Config>
void check_specialisation(fixed<S>*, const Config& config) {
  if (config.extents() != S::config.extents() || config.num_hidden_layers != S::config.num_hidden_layers)
    throw config_error(Config::model_type, "the extents of a specialised build", shape_text(S::config.extents()),
                       shape_text(config.extents()));
}
}  // namespace detail

/// Checkpoint names: embed_tokens, layers, norm. (transformers.LlamaModel and its like)
template <class Config, template <class> class Block, template <class> class Norm, class B>
class DecoderModel : public PreTrainedModel<DecoderModel<Config, Block, Norm, B>> {
 public:
  using config_type = Config;
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  static constexpr std::string_view base_model_prefix = "model";
  static std::string architecture() { return std::string(Config::class_prefix) + "Model"; }

  explicit DecoderModel(const Config& config)
      : embed_tokens(config.vocab_size, config.hidden_size, config.pad_token_id), norm(config.norm()), config_(config) {
    config.check();
    detail::check_specialisation(static_cast<typename B::specialisation*>(nullptr), config);
    layers = make_layers<Block<B>>(config, config.num_hidden_layers);
  }

  /// input_ids (B,T) => last_hidden_state (B,T,C). Throws value_error for ids outside the vocabulary, shape_error for
  /// arguments that do not fit each other.
  BaseModelOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    auto context = make_context(Config::class_prefix, input_ids, args, 0);
    const auto x = apply_neftune(embed_tokens(input_ids), context);  // (B,T,C)
    return {norm(run_layers(layers, x, context))};
  }

  void visit(visitor& v) {
    v("embed_tokens", embed_tokens);
    v("layers", layers);
    v("norm", norm);
  }
  void tie_weights() {}
  const Config& config() const { return config_; }
  /// Another size of the vocabulary: rows are cut off at the end, or added there. (resize_token_embeddings)
  void resize_token_embeddings(isize vocab_size) {
    detail::resize_rows(embed_tokens.weight, vocab_size);
    config_.vocab_size = vocab_size;
  }
  /// Whether the head of the model around it is tied to the embeddings.
  void set_tie_word_embeddings(bool tied) { config_.tie_word_embeddings = tied; }

  Embedding<B> embed_tokens;
  std::vector<Block<B>> layers;
  Norm<B> norm;

 private:
  Config config_;
};

/// A decoder with a head over the vocabulary. Checkpoint names: model, lm_head. (transformers.LlamaForCausalLM and its
/// like)
template <class Config, template <class> class Block, template <class> class Norm, class B>
class CausalLM : public PreTrainedModel<CausalLM<Config, Block, Norm, B>> {
 public:
  using config_type = Config;
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  static constexpr std::string_view base_model_prefix = "model";
  static std::string architecture() { return std::string(Config::class_prefix) + "ForCausalLM"; }

  explicit CausalLM(const Config& config) : model(config), lm_head(config.hidden_size, config.vocab_size) {
    this->generation_config.bos_token_id = config.bos_token_id;
    this->generation_config.eos_token_id = config.eos_token_id;
    this->generation_config.pad_token_id = config.pad_token_id;
  }

  /// input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n.
  CausalLMOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return language_model_output<CausalLMOutput<A, D>>(model(input_ids, args).last_hidden_state, lm_head, args);
  }

  void visit(visitor& v) {
    v("model", model);
    if (config().tie_word_embeddings)
      v.tied("lm_head", lm_head);
    else
      v("lm_head", lm_head);
  }
  void tie_weights() {
    if (config().tie_word_embeddings) lm_head.weight = model.embed_tokens.weight;
  }
  /// Paths of what tie_weights() ties, each with that of its original. A checkpoint has one of both, or equal values.
  std::vector<std::pair<std::string, std::string>> tied_parameters() const {
    if (!config().tie_word_embeddings) return {};
    return {{"lm_head.weight", "model.embed_tokens.weight"}};
  }
  /// Makes a copy of tied_parameters() a parameter of its own, with the values that it has.
  void untie(std::string_view) {
    detail::end_tie(lm_head.weight);
    set_tie_word_embeddings(false);
  }
  void set_tie_word_embeddings(bool tied) { model.set_tie_word_embeddings(tied); }
  /// Another size of the vocabulary: rows are cut off at the end, or added there, which are the mean of the others.
  void resize_token_embeddings(isize vocab_size) {
    model.resize_token_embeddings(vocab_size);
    detail::resize_rows(lm_head.weight, vocab_size);
    tie_weights();
  }
  const Config& config() const { return model.config(); }

  DecoderModel<Config, Block, Norm, B> model;
  typename B::embeddings::linear lm_head;
};

/// A decoder whose last unpadded token is classified. Checkpoint names: model, score.
/// (transformers.LlamaForSequenceClassification and its like)
template <class Config, template <class> class Block, template <class> class Norm, class B>
class DecoderForSequenceClassification
    : public PreTrainedModel<DecoderForSequenceClassification<Config, Block, Norm, B>> {
 public:
  using config_type = Config;
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  static constexpr std::string_view base_model_prefix = "model";
  static std::string architecture() { return std::string(Config::class_prefix) + "ForSequenceClassification"; }

  explicit DecoderForSequenceClassification(const Config& config)
      : model(config), score(config.hidden_size, config.id2label.count()) {}

  /// input_ids (B,T) => logits (B,labels) of each row's last token that is not the pad token.
  /// Throws value_error for several rows where the config has no pad_token_id.
  SequenceClassifierOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    const isize B_ = input_ids.extent(0), T = input_ids.extent(1);
    if (B_ > 1 && !config().pad_token_id)
      throw value_error(Config::class_prefix, "a batch", "a pad_token_id in the config, to find each row's last token");
    const auto x = model(input_ids, args).last_hidden_state;  // (B,T,C)
    std::vector<isize> last;
    const auto ids = input_ids.dense();
    for (isize b = 0; b < B_; ++b) {
      isize t = T - 1;
      if (config().pad_token_id)
        for (t = T - 1; t > 0 && ids.data()[b * T + t] == *config().pad_token_id;) --t;
      last.push_back(t);
    }
    SequenceClassifierOutput<A, D> out{score(select_tokens(x, last))};
    if constexpr (D::tracked) out.loss = sequence_classification_loss(out.logits, config(), args);
    return out;
  }

  void visit(visitor& v) {
    v("model", model);
    v("score", score);
  }
  void tie_weights() {}
  void resize_token_embeddings(isize vocab_size) { model.resize_token_embeddings(vocab_size); }
  const Config& config() const { return model.config(); }

  DecoderModel<Config, Block, Norm, B> model;
  typename B::linear score;
};

}  // namespace hft
