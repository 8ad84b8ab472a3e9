// BERT: a post-norm encoder that sees both directions, with learned positions and token types.
// Devlin et al. 2018, arXiv 1810.04805. transformers/models/bert/modeling_bert.py
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

/// transformers.BertConfig; fields have its names and defaults.
struct BertConfig {
  isize vocab_size = 30522;
  isize hidden_size = 768;
  isize num_hidden_layers = 12;
  isize num_attention_heads = 12;
  isize intermediate_size = 3072;
  short_string hidden_act = "gelu";
  f64 hidden_dropout_prob = 0.1, attention_probs_dropout_prob = 0.1;
  isize max_position_embeddings = 512;
  isize type_vocab_size = 2;
  f64 initializer_range = 0.02;
  f64 layer_norm_eps = 1e-12;
  std::optional<i64> pad_token_id = 0;
  std::optional<f64> classifier_dropout = {};
  bool is_decoder = false;
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};                      // of the classification heads
  std::optional<short_string> problem_type = {};  // what a sequence's labels are: see sequence_classification_loss

  static constexpr const char* model_type = "bert";

  template <class Self, class F>
  static void fields(Self& c, F& field) {
    field("vocab_size", c.vocab_size);
    field("hidden_size", c.hidden_size);
    field("num_hidden_layers", c.num_hidden_layers);
    field("num_attention_heads", c.num_attention_heads);
    field("intermediate_size", c.intermediate_size);
    field("hidden_act", c.hidden_act);
    field("hidden_dropout_prob", c.hidden_dropout_prob);
    field("attention_probs_dropout_prob", c.attention_probs_dropout_prob);
    field("max_position_embeddings", c.max_position_embeddings);
    field("type_vocab_size", c.type_vocab_size);
    field("initializer_range", c.initializer_range);
    field("layer_norm_eps", c.layer_norm_eps);
    field("pad_token_id", c.pad_token_id);
    field("classifier_dropout", c.classifier_dropout);
    field("is_decoder", c.is_decoder);
    field("tie_word_embeddings", c.tie_word_embeddings);
    field("id2label", c.id2label);
    field("problem_type", c.problem_type);
  }

  /// Throws config_error for values out of range or that do not fit each other.
  void check() const {
    detail::check_extent(model_type, "vocab_size", vocab_size);
    detail::check_extent(model_type, "hidden_size", hidden_size);
    detail::check_extent(model_type, "num_hidden_layers", num_hidden_layers, 0, detail::most_layers);
    detail::check_extent(model_type, "num_attention_heads", num_attention_heads);
    detail::check_extent(model_type, "intermediate_size", intermediate_size);
    detail::check_extent(model_type, "max_position_embeddings", max_position_embeddings);
    detail::check_extent(model_type, "type_vocab_size", type_vocab_size);
    if (hidden_size % num_attention_heads)
      throw config_error(model_type, "attention heads", "num_attention_heads to divide hidden_size",
                         detail::joined(num_attention_heads, " and ", hidden_size));
    detail::check_not_negative(model_type, "layer_norm_eps", layer_norm_eps);
    detail::check_rate(model_type, "hidden_dropout_prob", hidden_dropout_prob);
    detail::check_rate(model_type, "attention_probs_dropout_prob", attention_probs_dropout_prob);
    if (classifier_dropout) detail::check_rate(model_type, "classifier_dropout", *classifier_dropout);
    if (is_decoder) throw unsupported_error(model_type, "is_decoder", "false", "true");
    mlp();
  }

  isize max_positions() const { return max_position_embeddings; }
  NormOptions norm() const { return {.size = hidden_size, .eps = layer_norm_eps}; }
  AttentionOptions attention() const {
    return {.hidden_size = hidden_size,
            .num_heads = num_attention_heads,
            .num_kv_heads = num_attention_heads,
            .head_dim = hidden_size / num_attention_heads,
            .bias = true,
            .output_bias = true,
            .visible = visibility::everything(),
            .dropout = attention_probs_dropout_prob};
  }
  MLPOptions mlp() const {
    return {.hidden_size = hidden_size,
            .intermediate_size = intermediate_size,
            .activation = find_activation(hidden_act, model_type),
            .bias = true};
  }

  /// TensorFlow's names of LayerNorm's parameters, which old checkpoints keep.
  static std::string current_name(std::string name) {
    for (const auto& [old, now] : {std::pair{".gamma", ".weight"}, std::pair{".beta", ".bias"}})
      if (name.ends_with(old)) name.replace(name.size() - std::string_view(old).size(), std::string::npos, now);
    return name;
  }
  /// The pooler that pre-training left in many checkpoints of classes that have none.
  static bool may_be_left(std::string_view path) { return path.find("pooler.dense.") != path.npos; }
  /// Buffers, and the next-sentence head that pre-training left in many checkpoints.
  static bool ignored(std::string_view name) {
    return name.ends_with("embeddings.position_ids") || name.starts_with("cls.seq_relationship.");
  }
};

namespace detail {

/// Sum of word, position and token type embeddings, normalised.
template <class B>
class BertEmbeddings {
 public:
  explicit BertEmbeddings(const BertConfig& c)
      : word_embeddings(c.vocab_size, c.hidden_size, c.pad_token_id),
        position_embeddings(c.max_position_embeddings, c.hidden_size),
        token_type_embeddings(c.type_vocab_size, c.hidden_size),
        layer_norm(c.norm()) {}

  /// ids (B,T) each => (B,T,C)
  template <class Context>
  auto operator()(const Tensor<i64, 2>& ids, const Tensor<i64, 2>& types, const Context& context) const {
    const auto words = apply_neftune(word_embeddings(ids), context);
    return layer_norm(add(add(words, token_type_embeddings(types)), position_embeddings(context.position_ids)));
  }
  void visit(visitor& v) {
    v("word_embeddings", word_embeddings);
    v("position_embeddings", position_embeddings);
    v("token_type_embeddings", token_type_embeddings);
    v("LayerNorm", layer_norm);
  }

  Embedding<B> word_embeddings, position_embeddings, token_type_embeddings;
  LayerNorm<B> layer_norm;
};

/// LayerNorm(dense(x) + residual): the end of both halves of a layer.
template <class B>
class BertOutput {
 public:
  BertOutput(isize in, const BertConfig& c)
      : dense(in, c.hidden_size, true), layer_norm(c.norm()), dropout_(c.hidden_dropout_prob) {}

  template <class X, class Context>
  X operator()(const X& x, const X& residual, Context& context) const {
    return layer_norm(add(apply_dropout(dense(x), dropout_, context), residual));
  }
  void visit(visitor& v) {
    v("dense", dense);
    v("LayerNorm", layer_norm);
  }

  typename B::linear dense;
  LayerNorm<B> layer_norm;

 private:
  f64 dropout_;
};

template <class B>
class BertSelfAttention {
 public:
  explicit BertSelfAttention(const AttentionOptions& o)
      : query(o.hidden_size, o.hidden_size, true),
        key(o.hidden_size, o.hidden_size, true),
        value(o.hidden_size, o.hidden_size, true),
        core_(o) {}

  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto [q, k, v] = project(x, query, key, value);
    return core_(q, k, v, context);
  }
  void visit(visitor& v) {
    v("query", query);
    v("key", key);
    v("value", value);
  }

  typename B::linear query, key, value;

 private:
  AttentionCore<B, no_positions> core_;
};

template <class B>
class BertAttention {
 public:
  explicit BertAttention(const BertConfig& c) : self(c.attention()), output(c.hidden_size, c) {}

  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return output(self(x, context), x, context);
  }
  void visit(visitor& v) {
    v("self", self);
    v("output", output);
  }

  BertSelfAttention<B> self;
  BertOutput<B> output;
};

template <class B>
class BertIntermediate {
 public:
  explicit BertIntermediate(const MLPOptions& o)
      : dense(o.hidden_size, o.intermediate_size, true), activation_(o.activation) {}

  template <class X>
  X operator()(const X& x) const {
    return activate(dense(x), activation_);
  }
  void visit(visitor& v) { v("dense", dense); }

  typename B::linear dense;

 private:
  Activation activation_;
};

template <class B>
class BertLayer {
 public:
  explicit BertLayer(const BertConfig& c) : attention(c), intermediate(c.mlp()), output(c.intermediate_size, c) {}

  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X h = attention(x, context);
    return output(intermediate(h), h, context);
  }
  void visit(visitor& v) {
    v("attention", attention);
    v("intermediate", intermediate);
    v("output", output);
  }

  BertAttention<B> attention;
  BertIntermediate<B> intermediate;
  BertOutput<B> output;
};

template <class B>
class BertEncoder {
 public:
  explicit BertEncoder(const BertConfig& c) {
    layer.reserve(std::size_t(c.num_hidden_layers));
    for (isize i = 0; i < c.num_hidden_layers; ++i) layer.emplace_back(c);
  }
  void visit(visitor& v) { v("layer", layer); }

  std::vector<BertLayer<B>> layer;
};

/// tanh(dense(x)) of the first token.
template <class B>
class BertPooler {
 public:
  explicit BertPooler(const BertConfig& c) : dense(c.hidden_size, c.hidden_size, true) {}

  /// (B,T,C) => (B,C)
  template <class X>
  auto operator()(const X& x) const {
    const auto first = x.slice(1, 0, 1).template reshape<2>({x.extent(0), x.extent(2)});
    return activate(dense(first), Activation::tanh);
  }
  void visit(visitor& v) { v("dense", dense); }

  typename B::linear dense;
};

template <class B>
class BertModel : public PreTrainedModel<BertModel<B>> {
 public:
  using config_type = BertConfig;
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  static constexpr std::string_view base_model_prefix = "bert";
  static std::string architecture() { return "BertModel"; }

  explicit BertModel(const BertConfig& config, bool add_pooling_layer = true)
      : embeddings(config), encoder(config), config_(config) {
    config.check();
    if (add_pooling_layer) pooler.emplace(config);
  }

  /// input_ids (B,T) => last_hidden_state (B,T,C), pooler_output (B,C). Throws value_error for ids, types or positions
  /// outside their tables, shape_error for arguments that do not fit each other.
  BaseModelOutputWithPooling<A, D> operator()(const Tensor<i64, 2>& input_ids,
                                              const ForwardArgs<A, D>& args = {}) const {
    if constexpr (!D::tracked)
      if (args.past_key_values)
        throw value_error("BertModel", "past_key_values", "none: an encoder sees both directions");
    auto context = make_context("BertModel", input_ids, args, config_.max_position_embeddings);
    const auto types = args.token_type_ids ? args.token_type_ids : Tensor<i64, 2>::zeros(input_ids.shape());
    if (types.shape() != input_ids.shape())
      throw shape_error("BertModel", "token_type_ids", shape_text(input_ids.shape()), shape_text(types.shape()));
    auto x = embeddings(input_ids, types, context);  // (B,T,C)
    x = run_layers(encoder.layer, apply_dropout(x, config_.hidden_dropout_prob, context), context);
    if (!pooler) return {x, {}};
    return {x, (*pooler)(x)};
  }

  void visit(visitor& v) {
    v("embeddings", embeddings);
    v("encoder", encoder);
    v("pooler", pooler);
  }
  void tie_weights() {}
  /// A checkpoint that was saved with add_pooling_layer=False has no pooler, nor has then the model.
  void leave_out_absent(const is_stored& stored) {
    if (!pooler || stored("pooler.dense.weight") || stored("pooler.dense.bias")) return;
    pooler.reset();
    log_message(log_level::warning, "BertModel", "the checkpoint has no pooler: there is no pooler_output");
  }
  const BertConfig& config() const { return config_; }
  /// Another size of the vocabulary: rows are cut off at the end, or added there. (resize_token_embeddings)
  void resize_token_embeddings(isize vocab_size) {
    resize_rows(embeddings.word_embeddings.weight, vocab_size);
    config_.vocab_size = vocab_size;
  }
  /// Whether the head of the model around it is tied to the embeddings.
  void set_tie_word_embeddings(bool tied) { config_.tie_word_embeddings = tied; }

  BertEmbeddings<B> embeddings;
  BertEncoder<B> encoder;
  std::optional<BertPooler<B>> pooler;

 private:
  BertConfig config_;
};

/// What BERT's headed models share: the encoder as `bert`, and its config.
template <class Derived, class B>
class BertHeaded : public PreTrainedModel<Derived> {
 public:
  using config_type = BertConfig;
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  static constexpr std::string_view base_model_prefix = "bert";

  BertHeaded(const BertConfig& config, bool add_pooling_layer) : bert(config, add_pooling_layer) {}
  void tie_weights() {}
  void resize_token_embeddings(isize vocab_size) { bert.resize_token_embeddings(vocab_size); }
  const BertConfig& config() const { return bert.config(); }

  BertModel<B> bert;

 protected:
  /// What a classifier sees: x, in a training pass with dropout.
  template <class X>
  X drop(const X& x, const ForwardArgs<A, D>& args) const {
    if constexpr (D::tracked) {
      ForwardContext<A, D> context;
      context.training = args.training;
      context.dropout = DropoutStreams(args.dropout_seed);
      context.dropout.begin_layer(config().num_hidden_layers);
      return apply_dropout(x, config().classifier_dropout.value_or(config().hidden_dropout_prob), context);
    }
    return x;
  }
};

template <class B>
class BertForMaskedLM : public BertHeaded<BertForMaskedLM<B>, B> {
 public:
  using base = BertHeaded<BertForMaskedLM<B>, B>;
  using typename base::A, typename base::D;
  static std::string architecture() { return "BertForMaskedLM"; }

  explicit BertForMaskedLM(const BertConfig& c)
      : base(c, false),
        transform(c),
        bias(decltype(bias)::unallocated({c.vocab_size})),
        decoder(c.hidden_size, c.vocab_size, true) {}

  /// input_ids (B,T) => logits (B,T,V)
  MaskedLMOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    return language_model_output<MaskedLMOutput<A, D>>(transform(this->bert(input_ids, args).last_hidden_state),
                                                       decoder, args);
  }

  void visit(visitor& v) {
    v("bert", this->bert);
    v("cls.predictions.transform", transform);
    v("cls.predictions.bias", bias);
    if (weight_is_tied()) {
      v.tied("cls.predictions.decoder", decoder);
    } else if (bias_is_tied()) {
      decoder_without_bias own{decoder};
      v("cls.predictions.decoder", own);
    } else {
      v("cls.predictions.decoder", decoder);
    }
  }
  void tie_weights() {
    if (weight_is_tied()) decoder.weight = this->bert.embeddings.word_embeddings.weight;
    if (bias_is_tied()) decoder.bias = bias;
  }
  std::vector<std::pair<std::string, std::string>> tied_parameters() const {
    std::vector<std::pair<std::string, std::string>> out;
    if (bias_is_tied()) out.emplace_back(bias_copy, "cls.predictions.bias");
    if (weight_is_tied()) out.emplace_back(weight_copy, "bert.embeddings.word_embeddings.weight");
    return out;
  }
  /// Makes a copy of tied_parameters() a parameter of its own, with the values that it has. The bias stays tied where
  /// the weight alone is untied; no config says so, thus a model that is saved must have both untied.
  void untie(std::string_view copy) {
    if (weight_is_tied()) {
      end_tie(decoder.weight);
      set_tie_word_embeddings(false);
      bias_tied_ = true;
    }
    if (copy == bias_copy && bias_is_tied()) {
      end_tie(decoder.bias);
      bias_tied_ = false;
    }
  }
  /// Ties the bias where another model, of the same config, has it tied.
  void take_ties(const auto& other) { bias_tied_ = other.bias_is_tied(); }
  bool bias_is_tied() const { return weight_is_tied() || bias_tied_; }
  void set_tie_word_embeddings(bool tied) { this->bert.set_tie_word_embeddings(tied); }
  /// Another size of the vocabulary: rows are cut off at the end, or added there, which are the mean of the others.
  void resize_token_embeddings(isize vocab_size) {
    this->bert.resize_token_embeddings(vocab_size);
    resize_rows(decoder.weight, vocab_size);
    resize_rows(decoder.bias, vocab_size);
    resize_rows(bias, vocab_size);
    tie_weights();
  }

  /// dense, activation, LayerNorm: what stands before the tied decoder.
  struct Transform {
    explicit Transform(const BertConfig& c)
        : dense(c.hidden_size, c.hidden_size, true),
          layer_norm(c.norm()),
          activation(find_activation(c.hidden_act, BertConfig::model_type)) {}
    template <class X>
    X operator()(const X& x) const {
      return layer_norm(activate(dense(x), activation));
    }
    void visit(visitor& v) {
      v("dense", dense);
      v("LayerNorm", layer_norm);
    }
    typename B::linear dense;
    LayerNorm<B> layer_norm;
    Activation activation;
  };

  Transform transform;
  typename B::template parameter<A, 1> bias;  // (V), the decoder's where it is tied; a checkpoint always has it
  typename B::embeddings::linear decoder;

 private:
  static constexpr const char *weight_copy = "cls.predictions.decoder.weight",
                              *bias_copy = "cls.predictions.decoder.bias";
  struct decoder_without_bias {
    typename B::embeddings::linear& layer;
    void visit(visitor& v) {
      v("weight", layer.weight);
      layer.visit_adapters(v);
    }
  };
  bool weight_is_tied() const { return this->config().tie_word_embeddings; }

  bool bias_tied_ = false;  // though the weight is not
};

template <class B>
class BertForSequenceClassification : public BertHeaded<BertForSequenceClassification<B>, B> {
 public:
  using base = BertHeaded<BertForSequenceClassification<B>, B>;
  using typename base::A, typename base::D;
  static std::string architecture() { return "BertForSequenceClassification"; }

  explicit BertForSequenceClassification(const BertConfig& c)
      : base(c, true), classifier(c.hidden_size, c.id2label.count(), true) {}

  /// input_ids (B,T) => logits (B,labels)
  SequenceClassifierOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    SequenceClassifierOutput<A, D> out{classifier(this->drop(this->bert(input_ids, args).pooler_output, args))};
    if constexpr (D::tracked) out.loss = sequence_classification_loss(out.logits, this->config(), args);
    return out;
  }
  void visit(visitor& v) {
    v("bert", this->bert);
    v("classifier", classifier);
  }

  typename B::linear classifier;
};

template <class B>
class BertForTokenClassification : public BertHeaded<BertForTokenClassification<B>, B> {
 public:
  using base = BertHeaded<BertForTokenClassification<B>, B>;
  using typename base::A, typename base::D;
  static std::string architecture() { return "BertForTokenClassification"; }

  explicit BertForTokenClassification(const BertConfig& c)
      : base(c, false), classifier(c.hidden_size, c.id2label.count(), true) {}

  /// input_ids (B,T) => logits (B,T,labels)
  TokenClassifierOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    TokenClassifierOutput<A, D> out{classifier(this->drop(this->bert(input_ids, args).last_hidden_state, args))};
    if constexpr (D::tracked) out.loss = token_classification_loss(out.logits, args);
    return out;
  }
  void visit(visitor& v) {
    v("bert", this->bert);
    v("classifier", classifier);
  }

  typename B::linear classifier;
};

}  // namespace detail

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertModel = detail::BertModel<build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForMaskedLM = detail::BertForMaskedLM<build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForSequenceClassification = detail::BertForSequenceClassification<build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForTokenClassification = detail::BertForTokenClassification<build<W, D, L, S>>;

}  // namespace hft
