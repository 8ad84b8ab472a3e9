// GPT-2: a pre-norm decoder with LayerNorm, learned positions, fused query-key-value projections and a gelu MLP.
// Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
// transformers/models/gpt2/modeling_gpt2.py
#pragma once
#include <hft/layers/attention.hpp>
#include <hft/layers/block.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/embedding.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/positions.hpp>
#include <hft/models/output.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/models/vocabulary.hpp>

namespace hft {

/// transformers.GPT2Config; fields have its names and defaults.
struct GPT2Config {
  isize vocab_size = 50257;
  isize n_positions = 1024;
  isize n_embd = 768;
  isize n_layer = 12;
  isize n_head = 12;
  std::optional<isize> n_inner = {};  // default: 4 * n_embd
  short_string activation_function = "gelu_new";
  f64 resid_pdrop = 0.1, embd_pdrop = 0.1, attn_pdrop = 0.1;
  f64 layer_norm_epsilon = 1e-5;
  f64 initializer_range = 0.02;
  bool scale_attn_weights = true;
  bool use_cache = true;
  bool scale_attn_by_inverse_layer_idx = false;
  bool reorder_and_upcast_attn = false;  // a matter of half-precision rounding; scores are f32 here anyway
  std::optional<i64> bos_token_id = 50256;
  TokenIds eos_token_id = 50256;
  std::optional<i64> pad_token_id = {};
  bool tie_word_embeddings = true;

  static constexpr const char* model_type = "gpt2";
  static constexpr const char* class_prefix = "GPT2";
  /// Names of the same fields in other architectures, which Transformers reads here, too. (attribute_map)
  static constexpr std::array<std::pair<const char*, const char*>, 4> aliases{
      {{"hidden_size", "n_embd"},
       {"max_position_embeddings", "n_positions"},
       {"num_attention_heads", "n_head"},
       {"num_hidden_layers", "n_layer"}}};

  template <class Self, class F>
  static void fields(Self& c, F& field) {
    field("vocab_size", c.vocab_size);
    field("n_positions", c.n_positions);
    field("n_embd", c.n_embd);
    field("n_layer", c.n_layer);
    field("n_head", c.n_head);
    field("n_inner", c.n_inner);
    field("activation_function", c.activation_function);
    field("resid_pdrop", c.resid_pdrop);
    field("embd_pdrop", c.embd_pdrop);
    field("attn_pdrop", c.attn_pdrop);
    field("layer_norm_epsilon", c.layer_norm_epsilon);
    field("initializer_range", c.initializer_range);
    field("scale_attn_weights", c.scale_attn_weights);
    field("use_cache", c.use_cache);
    field("scale_attn_by_inverse_layer_idx", c.scale_attn_by_inverse_layer_idx);
    field("reorder_and_upcast_attn", c.reorder_and_upcast_attn);
    field("bos_token_id", c.bos_token_id);
    field("eos_token_id", c.eos_token_id);
    field("pad_token_id", c.pad_token_id);
    field("tie_word_embeddings", c.tie_word_embeddings);
  }

  /// Throws config_error for values out of range or that do not fit each other.
  void check() const {
    detail::check_extent(model_type, "vocab_size", vocab_size);
    detail::check_extent(model_type, "n_positions", n_positions);
    detail::check_extent(model_type, "n_embd", n_embd);
    detail::check_extent(model_type, "n_layer", n_layer, 0, detail::most_layers);
    detail::check_extent(model_type, "n_head", n_head);
    detail::check_extent(model_type, "n_inner", inner());
    if (n_embd % n_head)
      throw config_error(model_type, "attention heads", "n_head to divide n_embd",
                         detail::joined(n_head, " and ", n_embd));
    detail::check_not_negative(model_type, "layer_norm_epsilon", layer_norm_epsilon);
    detail::check_rate(model_type, "resid_pdrop", resid_pdrop);
    detail::check_rate(model_type, "embd_pdrop", embd_pdrop);
    detail::check_rate(model_type, "attn_pdrop", attn_pdrop);
    mlp();
  }

  isize inner() const { return n_inner.value_or(4 * n_embd); }
  isize max_positions() const { return n_positions; }
  NormOptions norm() const { return {.size = n_embd, .eps = layer_norm_epsilon}; }
  AttentionOptions attention(isize layer) const {
    const isize D = n_embd / n_head;
    AttentionOptions o{
        .hidden_size = n_embd, .num_heads = n_head, .num_kv_heads = n_head, .head_dim = D, .layer = layer};
    o.scale =
        (scale_attn_weights ? 1 / std::sqrt(f64(D)) : 1.0) / (scale_attn_by_inverse_layer_idx ? f64(layer + 1) : 1.0);
    o.dropout = attn_pdrop;
    return o;
  }
  MLPOptions mlp() const {
    return {.hidden_size = n_embd,
            .intermediate_size = inner(),
            .activation = find_activation(activation_function, model_type),
            .bias = true};
  }

  /// Buffers of old checkpoints: the causal mask.
  static bool ignored(std::string_view name) {
    return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
  }
};

template <class B>
class GPT2Attention {
 public:
  explicit GPT2Attention(const AttentionOptions& o)
      : c_attn(o.hidden_size, 3 * o.hidden_size), c_proj(o.hidden_size, o.hidden_size), core_(o) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto qkv = c_attn(x);  // (B,T,3C)
    const isize C = core_.options().hidden_size;
    return c_proj(core_(qkv.slice(2, 0, C), qkv.slice(2, C, 2 * C), qkv.slice(2, 2 * C, 3 * C), context));
  }
  void visit(visitor& v) {
    v("c_attn", c_attn);
    v("c_proj", c_proj);
  }

  Conv1D<B> c_attn, c_proj;

 private:
  AttentionCore<B, no_positions> core_;
};

template <class B>
class GPT2MLP {
 public:
  explicit GPT2MLP(const MLPOptions& o)
      : c_fc(o.hidden_size, o.intermediate_size),
        c_proj(o.intermediate_size, o.hidden_size),
        activation_(o.activation) {}

  template <class X>
  X operator()(const X& x) const {
    return c_proj(activate(c_fc(x), activation_));
  }
  void visit(visitor& v) {
    v("c_fc", c_fc);
    v("c_proj", c_proj);
  }

  Conv1D<B> c_fc, c_proj;

 private:
  Activation activation_;
};

template <class B>
class GPT2Block {
 public:
  GPT2Block(const GPT2Config& config, isize layer)
      : ln_1(config.norm()),
        attn(config.attention(layer)),
        ln_2(config.norm()),
        mlp(config.mlp()),
        dropout_(config.resid_pdrop) {}

  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X h = add(x, apply_dropout(attn(ln_1(x), context), dropout_, context));
    return add(h, apply_dropout(mlp(ln_2(h)), dropout_, context));
  }
  void visit(visitor& v) {
    v("ln_1", ln_1);
    v("attn", attn);
    v("ln_2", ln_2);
    v("mlp", mlp);
  }

  LayerNorm<B> ln_1;
  GPT2Attention<B> attn;
  LayerNorm<B> ln_2;
  GPT2MLP<B> mlp;

 private:
  f64 dropout_;
};

namespace detail {

template <class B>
class GPT2Model : public PreTrainedModel<GPT2Model<B>> {
 public:
  using config_type = GPT2Config;
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  static constexpr std::string_view base_model_prefix = "transformer";
  static std::string architecture() { return "GPT2Model"; }

  explicit GPT2Model(const GPT2Config& config)
      : wte(config.vocab_size, config.n_embd),
        wpe(config.n_positions, config.n_embd),
        ln_f(config.norm()),
        config_(config) {
    config.check();
    h.reserve(std::size_t(config.n_layer));
    for (isize i = 0; i < config.n_layer; ++i) h.emplace_back(config, i);
  }

  /// input_ids (B,T) => last_hidden_state (B,T,C). Throws value_error for ids outside the vocabulary or positions
  /// outside n_positions, shape_error for arguments that do not fit each other.
  BaseModelOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    auto context = make_context("GPT2", input_ids, args, config_.n_positions);
    auto x = add(apply_neftune(wte(input_ids), context), wpe(context.position_ids));  // (B,T,C)
    if (args.token_type_ids) {  // types are tokens of the vocabulary
      if (args.token_type_ids.shape() != input_ids.shape())
        throw shape_error("GPT2", "token_type_ids", shape_text(input_ids.shape()),
                          shape_text(args.token_type_ids.shape()));
      x = add(x, wte(args.token_type_ids));
    }
    return {ln_f(run_layers(h, apply_dropout(x, config_.embd_pdrop, context), context))};
  }

  void visit(visitor& v) {
    v("wte", wte);
    v("wpe", wpe);
    v("h", h);
    v("ln_f", ln_f);
  }
  void tie_weights() {}
  const GPT2Config& config() const { return config_; }
  /// Another size of the vocabulary: rows are cut off at the end, or added there. (resize_token_embeddings)
  void resize_token_embeddings(isize vocab_size) {
    resize_rows(wte.weight, vocab_size);
    config_.vocab_size = vocab_size;
  }
  /// Whether the head of the model around it is tied to the embeddings.
  void set_tie_word_embeddings(bool tied) { config_.tie_word_embeddings = tied; }

  Embedding<B> wte, wpe;
  std::vector<GPT2Block<B>> h;
  LayerNorm<B> ln_f;

 private:
  GPT2Config config_;
};

template <class B>
class GPT2LMHeadModel : public PreTrainedModel<GPT2LMHeadModel<B>> {
 public:
  using config_type = GPT2Config;
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  static constexpr std::string_view base_model_prefix = "transformer";
  static std::string architecture() { return "GPT2LMHeadModel"; }

  explicit GPT2LMHeadModel(const GPT2Config& config) : transformer(config), lm_head(config.n_embd, config.vocab_size) {
    this->generation_config.bos_token_id = config.bos_token_id;
    this->generation_config.eos_token_id = config.eos_token_id;
    this->generation_config.pad_token_id = config.pad_token_id;
  }

  /// input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n.
  CausalLMOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return language_model_output<CausalLMOutput<A, D>>(transformer(input_ids, args).last_hidden_state, lm_head, args);
  }

  void visit(visitor& v) {
    v("transformer", transformer);
    if (config().tie_word_embeddings)
      v.tied("lm_head", lm_head);
    else
      v("lm_head", lm_head);
  }
  void tie_weights() {
    if (config().tie_word_embeddings) lm_head.weight = transformer.wte.weight;
  }
  std::vector<std::pair<std::string, std::string>> tied_parameters() const {
    if (!config().tie_word_embeddings) return {};
    return {{"lm_head.weight", "transformer.wte.weight"}};
  }
  /// Makes a copy of tied_parameters() a parameter of its own, with the values that it has.
  void untie(std::string_view) {
    end_tie(lm_head.weight);
    set_tie_word_embeddings(false);
  }
  void set_tie_word_embeddings(bool tied) { transformer.set_tie_word_embeddings(tied); }
  /// Another size of the vocabulary: rows are cut off at the end, or added there, which are the mean of the others.
  void resize_token_embeddings(isize vocab_size) {
    transformer.resize_token_embeddings(vocab_size);
    resize_rows(lm_head.weight, vocab_size);
    tie_weights();
  }
  const GPT2Config& config() const { return transformer.config(); }

  GPT2Model<B> transformer;
  typename B::embeddings::linear lm_head;
};

}  // namespace detail

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPT2Model = detail::GPT2Model<build<W, D, L, S>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPT2LMHeadModel = detail::GPT2LMHeadModel<build<W, D, L, S>>;

}  // namespace hft
