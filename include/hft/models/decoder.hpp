// DecoderModel and CausalLM: embedding, blocks, norm, and a head on top. The composition that decoder-only architectures are
// made of, with the checkpoint names that most of them share.
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
#include <hft/layers/embedding.hpp>
#include <hft/layers/linear.hpp>
#include <hft/models/output.hpp>
#include <hft/models/pretrained.hpp>

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
  using D = typename B::base;
  using positions = typename Block<B>::positions;
  static constexpr std::string_view base_model_prefix = "model";
  static std::string architecture() { return std::string(Config::class_prefix) + "Model"; }

  explicit DecoderModel(const Config& config)
      : embed_tokens(config.vocab_size, config.hidden_size), norm(config.norm()), config_(config), positions_(config) {
    config.check();
    detail::check_specialisation(static_cast<typename B::specialisation*>(nullptr), config);
    layers.reserve(std::size_t(config.num_hidden_layers));
    for (isize i = 0; i < config.num_hidden_layers; ++i) layers.emplace_back(config, i);
  }

  /// input_ids (B,T) => last_hidden_state (B,T,C). Throws value_error for ids outside the vocabulary, shape_error for
  /// arguments that do not fit each other.
  BaseModelOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    auto context = make_context(Config::class_prefix, input_ids, args, 0);
    positions_.prepare(context);
    auto x = embed_tokens(input_ids);                       // (B,T,C)
    for (const auto& layer : layers) x = layer(x, context);
    return {norm(x)};
  }

  void visit(visitor& v) {
    v("embed_tokens", embed_tokens);
    v("layers", layers);
    v("norm", norm);
  }
  void tie_weights() {}
  const Config& config() const { return config_; }

  Embedding<B> embed_tokens;
  std::vector<Block<B>> layers;
  Norm<B> norm;

 private:
  Config config_;
  positions positions_;
};

/// A decoder with a head over the vocabulary. Checkpoint names: model, lm_head. (transformers.LlamaForCausalLM and its like)
template <class Config, template <class> class Block, template <class> class Norm, class B>
class CausalLM : public PreTrainedModel<CausalLM<Config, Block, Norm, B>> {
 public:
  using config_type = Config;
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::base;
  static constexpr std::string_view base_model_prefix = "model";
  static std::string architecture() { return std::string(Config::class_prefix) + "ForCausalLM"; }

  explicit CausalLM(const Config& config) : model(config), lm_head(config.hidden_size, config.vocab_size) {
    this->generation_config.bos_token_id = config.bos_token_id;
    this->generation_config.eos_token_id = config.eos_token_id;
    this->generation_config.pad_token_id = config.pad_token_id;
  }

  /// input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n.
  CausalLMOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    auto x = model(input_ids, args).last_hidden_state;      // (B,T,C)
    if (args.logits_to_keep) x = x.slice(1, std::max<isize>(0, x.extent(1) - args.logits_to_keep), x.extent(1));
    return {lm_head(x)};
  }

  void visit(visitor& v) {
    v("model", model);
    if (!config().tie_word_embeddings) v("lm_head", lm_head);
  }
  void tie_weights() {
    if (config().tie_word_embeddings) lm_head.weight = model.embed_tokens.weight;
  }
  /// Paths whose stored copies are not read.
  std::vector<std::string> tied_parameters() const {
    return config().tie_word_embeddings ? std::vector<std::string>{"lm_head.weight"} : std::vector<std::string>{};
  }
  const Config& config() const { return model.config(); }

  DecoderModel<Config, Block, Norm, B> model;
  typename B::embeddings::linear lm_head;
};

}  // namespace hft
