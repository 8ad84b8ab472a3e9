// An encoder and a decoder that were trained apart, each of BERT's family or, as a decoder, RoFormer, GPT-2, XGLM,
// ProphetNet or one of BART's. Rothe et al. 2019, arXiv 1907.12461.
// transformers/models/encoder_decoder/modeling_encoder_decoder.py
//
//   EncoderDecoderConfig config{RobertaConfig(), GPT2Config()};
#pragma once
#include <array>
#include <concepts>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/layers/cross_attention.hpp>
#include <hft/layers/decoder_attention.hpp>
#include <hft/layers/stream_embeddings.hpp>
#include <hft/models/albert.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/bart.hpp>
#include <hft/models/bert.hpp>
#include <hft/models/big_bird.hpp>
#include <hft/models/blenderbot.hpp>
#include <hft/models/blenderbot_small.hpp>
#include <hft/models/data2vec_text.hpp>
#include <hft/models/distilbert.hpp>
#include <hft/models/electra.hpp>
#include <hft/models/ernie.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/heads/seq2seq_lm.hpp>
#include <hft/models/marian.hpp>
#include <hft/models/mbart.hpp>
#include <hft/models/mpnet.hpp>
#include <hft/models/pegasus.hpp>
#include <hft/models/prophetnet.hpp>
#include <hft/models/roberta.hpp>
#include <hft/models/roformer.hpp>
#include <hft/models/xglm.hpp>
#include <hft/type_list.hpp>

namespace hft {

namespace detail {

/// The encoders that there are, all of one body; and the decoders, which have a cross-attention where they are asked
/// for it, or always.
using half_encoders =
    type_list<AlbertConfig, BertConfig, BigBirdConfig, CamembertConfig, Data2VecTextConfig, DistilBertConfig,
              ElectraConfig, ErnieConfig, MPNetConfig, RobertaConfig, XLMRobertaConfig>;
using half_decoders =
    type_list<BartConfig, BertConfig, BlenderbotConfig, BlenderbotSmallConfig, CamembertConfig, Data2VecTextConfig,
              ElectraConfig, ErnieConfig, GPT2Config, MarianConfig, MBartConfig, PegasusConfig, ProphetNetConfig,
              RobertaConfig, RoFormerConfig, XGLMConfig, XLMRobertaConfig>;
/// What a decoder is built from: embeddings of whose kinds one has streams.
using half_decoder_options = BackboneOptions<StreamEmbeddingsOptions, BlockOptions>;

/// What a config says as one half of a model, its type erased.
struct half_kind {
  const architecture_info* info;
  void (*check)(const void* config, bool decodes);  // throws config_error, unsupported_error
  // Null where it is none of the kind:
  TextModelOptions<> (*encoder)(const void* config) = nullptr;
  const char* encoder_name = nullptr;  // its path
  half_decoder_options (*decoder)(const void* config) = nullptr;
  Seq2SeqLMHeadOptions (*head)(const void* config) = nullptr;
  const char* decoder_name = nullptr;
  bool needs_is_decoder = false;  // whether it sees both directions where is_decoder is false
  bool always_crosses = false;    // whether it has cross-attentions whatever add_cross_attention says
};

/// The kind of that model_type, or null.
const half_kind* find_half(std::string_view model_type);

}  // namespace detail

/// One half of transformers.EncoderDecoderConfig: a config of those that a half may have, with its model_type.
class EncoderDecoderHalf {
 public:
  EncoderDecoderHalf() : EncoderDecoderHalf(BertConfig()) {}
  template <class Config>
  requires requires { Config::model_type; }
  EncoderDecoderHalf(const Config& config)  // NOLINT: a config, implicitly
      : type(Config::model_type), config(std::type_identity<Config>(), config) {}

  short_string type;  // model_type; config has it, too, where it is one that hft knows
  AnyConfig config;
  bool is_decoder = false;
  std::optional<bool> add_cross_attention = {};

  /// Null for a model_type that no half has.
  const detail::half_kind* kind() const { return detail::find_half(type); }
  const void* values() const { return config.ref().config.config; }
  void fields(field_visitor& v);
};

/// transformers.EncoderDecoderConfig; fields have its names.
struct EncoderDecoderConfig {
  EncoderDecoderHalf encoder_config = {}, decoder_config = {};
  std::optional<i64> pad_token_id = {}, decoder_start_token_id = {};
  bool is_encoder_decoder = true;

  static constexpr const char* model_type = "encoder-decoder";
  static constexpr const char* class_prefix = "EncoderDecoder";

  EncoderDecoderConfig(const EncoderDecoderHalf& encoder = {}, const EncoderDecoderHalf& decoder = {})
      : encoder_config(encoder), decoder_config(decoder) {
    decoder_config.is_decoder = true;
    decoder_config.add_cross_attention = true;
  }
  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for halves of other kinds.
  void check() const;

  f64 initial_deviation(std::string_view path) const {
    const auto& c = half_of(path).config;
    return c.info().initial_deviation(c.ref().config.config, path);
  }
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream& random,
                  std::vector<f32>& values) const {
    const auto& c = half_of(path).config;
    return c.info().initialise(c.ref().config.config, path, shape, random, values);
  }
  token_tables tables() const { return token_tables::apart; }
  ShiftOptions shift() const {
    return {.decoder_start_token_id = decoder_start_token_id, .pad_token_id = pad_token_id, .hides_padding = true};
  }
  const char* encoder_name() const { return encoder_config.kind()->encoder_name; }
  const char* decoder_name() const { return decoder_config.kind()->decoder_name; }
  /// From the encoder's size to the decoder's, where they differ.
  std::optional<std::pair<isize, isize>> projection() const;
  TextModelOptions<> encoder() const { return encoder_config.kind()->encoder(encoder_config.values()); }
  detail::half_decoder_options decoder() const { return decoder_config.kind()->decoder(decoder_config.values()); }
  Seq2SeqLMHeadOptions seq2seq_lm_head() const { return decoder_config.kind()->head(decoder_config.values()); }

  static constexpr std::string_view ignored[] = {
      "*embeddings.position_ids", "*embed_positions.weights", "*.attn.bias",
      "*.attn.masked_bias",       "*.crossattention.bias",    "*.crossattention.masked_bias"};
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {
      {"ForConditionalGeneration", "Model"}};
  static const name_tables names;

 private:
  const EncoderDecoderHalf& half_of(std::string_view path) const {
    return path.starts_with("decoder.") ? decoder_config : encoder_config;
  }
};

namespace detail {

// ---- where halves are in paths, and what checkpoints call their parts

/// A literal behind another, with a zero behind them.
template <std::size_t N>
struct joined_name {
  std::array<char, N + 1> text = {};
  constexpr joined_name(std::string_view a, std::string_view b) {
    for (std::size_t i = 0; i < N; ++i) text[i] = i < a.size() ? a[i] : b[i - a.size()];
  }
  constexpr std::string_view view() const { return {text.data(), N}; }
};

template <class Config>
struct encoder_part {
  static constexpr std::string_view front = "encoder.", type = Config::model_type;
  static constexpr joined_name<front.size() + type.size()> name{front, type};
  static constexpr std::string_view ours = name.view(), theirs = "encoder";
  static constexpr auto& rules = Config::rules;
};

/// Decoders of BERT's kind differ in the name of the base model alone, which stands in their path.
template <class Config>
struct bert_decoder_part {
  static constexpr std::string_view front = "decoder.", type = Config::names.base_model_prefix;
  static constexpr joined_name<front.size() + type.size()> name{front, type};
};
inline constexpr name_rule bert_decoder_rules[] = {
    {"decoder.@.embed_tokens", "decoder.@.embeddings.word_embeddings"},
    {"decoder.@.embed_positions", "decoder.@.embeddings.position_embeddings"},
    {"decoder.@.embed_token_types", "decoder.@.embeddings.token_type_embeddings"},
    {"decoder.@.embed_task_types", "decoder.@.embeddings.task_type_embeddings"},
    {"decoder.@.embed_norm", "decoder.@.embeddings.LayerNorm"},
    {"decoder.@.rotary_table", "decoder.@.encoder.embed_positions.weight"},
    {"decoder.@.project_in", "decoder.@.embeddings_project"},
    {"decoder.@.layers.*.self_attn.q_proj", "decoder.@.encoder.layer.*.attention.self.query"},
    {"decoder.@.layers.*.self_attn.k_proj", "decoder.@.encoder.layer.*.attention.self.key"},
    {"decoder.@.layers.*.self_attn.v_proj", "decoder.@.encoder.layer.*.attention.self.value"},
    {"decoder.@.layers.*.self_attn.o_proj", "decoder.@.encoder.layer.*.attention.output.dense"},
    {"decoder.@.layers.*.input_layernorm", "decoder.@.encoder.layer.*.attention.output.LayerNorm"},
    {"decoder.@.layers.*.cross_attn.q_proj", "decoder.@.encoder.layer.*.crossattention.self.query"},
    {"decoder.@.layers.*.cross_attn.k_proj", "decoder.@.encoder.layer.*.crossattention.self.key"},
    {"decoder.@.layers.*.cross_attn.v_proj", "decoder.@.encoder.layer.*.crossattention.self.value"},
    {"decoder.@.layers.*.cross_attn.o_proj", "decoder.@.encoder.layer.*.crossattention.output.dense"},
    {"decoder.@.layers.*.cross_attn_layernorm", "decoder.@.encoder.layer.*.crossattention.output.LayerNorm"},
    {"decoder.@.layers.*.mlp.in_proj", "decoder.@.encoder.layer.*.intermediate.dense"},
    {"decoder.@.layers.*.mlp.down_proj", "decoder.@.encoder.layer.*.output.dense"},
    {"decoder.@.layers.*.post_attention_layernorm", "decoder.@.encoder.layer.*.output.LayerNorm"}};

/// Their heads, by the architecture that they are first found in.
template <class Config>
struct bert_head_part {
  static constexpr std::string_view theirs = "decoder";
  static constexpr auto& rules = Config::head_rules;
};
struct bert_head : bert_head_part<BertConfig> {
  static constexpr std::string_view ours = "bert_head";
  static constexpr const char *dense = "bert_head.head.dense", *norm = "bert_head.head.norm",
                              *decoder = "bert_head.decoder", *bias = "bert_head.head.bias";
};
struct roberta_head : bert_head_part<RobertaConfig> {
  static constexpr std::string_view ours = "roberta_head";
  static constexpr const char *dense = "roberta_head.head.dense", *norm = "roberta_head.head.norm",
                              *decoder = "roberta_head.decoder", *bias = "roberta_head.head.bias";
};
struct electra_head : bert_head_part<ElectraConfig> {
  static constexpr std::string_view ours = "electra_head";
  static constexpr const char *dense = "electra_head.head.dense", *norm = "electra_head.head.norm",
                              *decoder = "electra_head.decoder", *bias = "electra_head.head.bias";
};

struct bart_part {
  static constexpr const char* name = "decoder.bart";
  static constexpr std::string_view ours = name, theirs = "decoder.model";
  static constexpr auto& rules = Seq2SeqConfig::rules;
};
struct prophetnet_part {
  static constexpr const char* name = "decoder.prophetnet";
  static constexpr std::string_view ours = name, theirs = name;
  static constexpr auto& rules = ProphetNetConfig::rules;
};
struct xglm_part {
  static constexpr const char* name = "decoder.xglm";
  static constexpr std::string_view ours = name, theirs = "decoder.model";
  static constexpr name_rule cross_rules[] = {{"layers.*.cross_attn_layernorm", "layers.*.encoder_attn_layer_norm"},
                                              {"layers.*.cross_attn.o_proj", "layers.*.encoder_attn.out_proj"},
                                              {"layers.*.cross_attn", "layers.*.encoder_attn"}};
  static constexpr auto rules = joined_rules(cross_rules, XGLMConfig::rules);
};
struct gpt2_part {
  static constexpr const char* name = "decoder.gpt2";
  static constexpr std::string_view ours = name, theirs = "decoder.transformer";
  static constexpr name_rule cross_rules[] = {
      {"layers.*.cross_attn_layernorm", "h.*.ln_cross_attn"},
      {"layers.*.cross_attn.q_proj", "h.*.crossattention.q_attn", stored_as::transposed},
      {"layers.*.cross_attn.kv_proj", "h.*.crossattention.c_attn", stored_as::transposed},
      {"layers.*.cross_attn.o_proj", "h.*.crossattention.c_proj", stored_as::transposed},
      {"layers.*.mlp.in_proj", "h.*.mlp.c_fc", stored_as::transposed}};
  static constexpr auto rules = joined_rules(cross_rules, GPT2Config::rules);
};

inline constexpr name_rule decoder_head_rules[] = {{"lm_head", "decoder.lm_head"}};

template <class... Encoders>
constexpr auto half_rules(type_list<Encoders...>) {
  return joined_rules(rules_beneath<encoder_part<Encoders>>::rules..., rules_beneath<bart_part>::rules,
                      rules_beneath<prophetnet_part>::rules, rules_beneath<xglm_part>::rules,
                      rules_beneath<gpt2_part>::rules, bert_decoder_rules, rules_beneath<bert_head>::rules,
                      rules_beneath<roberta_head>::rules, rules_beneath<electra_head>::rules, decoder_head_rules);
}
inline constexpr auto encoder_decoder_rules = half_rules(half_encoders());

}  // namespace detail

inline constexpr name_tables EncoderDecoderConfig::names{.base_model_prefix = "",
                                                         .rules = detail::encoder_decoder_rules,
                                                         .ignored = EncoderDecoderConfig::ignored,
                                                         .class_suffixes = EncoderDecoderConfig::class_suffixes};

template <class B>
using EncoderDecoderBlock = CrossBlock<LayerNorm<B>, DecoderSelfAttention<B>, CrossAttention<B>, FeedForward<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EncoderDecoderModel =
    PreTrainedModel<EncoderDecoderConfig,
                    ForConditionalGeneration<
                        Seq2SeqModel<PostNormEncoder<build<W, D, L, S>>,
                                     Backbone<StreamEmbeddings, EncoderDecoderBlock, LayerNorm, build<W, D, L, S>>>>>;

struct encoder_decoder : architecture<EncoderDecoderConfig, EncoderDecoderModel> {};

#if HFT_DEFINES(MODELS)

namespace detail {

inline constexpr const char* encoder_decoder_name = "EncoderDecoderModel";

template <class Config>
inline constexpr bool like_bert = std::derived_from<Config, EncoderConfig>;
template <class Config>
inline constexpr bool like_bart = std::derived_from<Config, Seq2SeqConfig>;
template <class Config>
inline constexpr bool has_streams = std::is_same_v<Config, ProphetNetConfig>;

// A config as that of a model on its own: what the halves are to each other it does not know.
template <class Config>
Config alone(const void* config, bool decodes) {
  Config c = *static_cast<const Config*>(config);
  if constexpr (requires { c.add_cross_attention; } && !like_bart<Config>) c.add_cross_attention = false;
  if constexpr (like_bert<Config>) c.is_decoder = decodes;
  return c;
}

// Of a decoder every config is one that decodes by itself, too.
template <class Config>
void check_half(const void* config, bool decodes) {
  alone<Config>(config, decodes).check();
  if constexpr (has_streams<Config>)
    if (decodes && !static_cast<const Config*>(config)->tie_word_embeddings)
      throw unsupported_error(EncoderDecoderConfig::model_type, "decoder.tie_word_embeddings", "true", "false");
}

template <class Config>
TextModelOptions<> encoder_half(const void* config) {
  const Config c = alone<Config>(config, false);
  auto o = c.text_model();
  if constexpr (requires { c.adapt("Model", o); }) c.adapt("Model", o);
  o.where = encoder_decoder_name;
  return o;
}

inline half_decoder_options with_streams(const half_decoder_options& o) { return o; }
inline half_decoder_options with_streams(const TextModelOptions<>& o) {
  return o.over(StreamEmbeddingsOptions{o.embeddings});
}

template <class Config>
half_decoder_options decoder_half(const void* config) {
  half_decoder_options o = with_streams(alone<Config>(config, true).text_model());
  o.where = encoder_decoder_name;
  o.pooler.reset();
  for (auto& layer : o.layers) {
    if constexpr (like_bert<Config>) layer.norms = norms::of_the_sum;
    layer.attention.fused = std::is_same_v<Config, GPT2Config>;
    layer.attention.rotary = layer.attention.rope.has_value();
    layer.cross_attention = layer.attention;
  }
  return o;
}

template <class Config>
Seq2SeqLMHeadOptions half_head(const void* config) {
  const Config c = alone<Config>(config, true);
  if constexpr (like_bert<Config>) {
    using head =
        std::conditional_t<std::derived_from<Config, RobertaConfig>, roberta_head,
                           std::conditional_t<std::derived_from<Config, ElectraConfig>, electra_head, bert_head>>;
    const MaskedLMHeadOptions m = c.masked_lm_head();
    return {.head = {.hidden_size = m.decoded_size ? m.decoded_size : m.hidden_size,
                     .vocab_size = m.vocab_size,
                     .tied = m.tied,
                     .bias = true,
                     .second_bias = !m.one_bias,
                     .name = head::decoder,
                     .bias_name = head::bias},
            .transform = m.norm,
            .transform_size = m.hidden_size,
            .activation = m.activation,
            .dense_name = head::dense,
            .norm_name = head::norm};
  } else {
    LMHeadOptions head = c.lm_head();
    head.streams_learn = false, head.label_smoothing = 0;  // the loss is of the model as a whole, over its logits
    return {.head = head};
  }
}

template <class Config>
constexpr const char* decoder_half_name() {
  if constexpr (like_bert<Config>)
    return bert_decoder_part<Config>::name.text.data();
  else if constexpr (has_streams<Config>)
    return prophetnet_part::name;
  else if constexpr (like_bart<Config>)
    return bart_part::name;
  else
    return std::is_same_v<Config, XGLMConfig> ? xglm_part::name : gpt2_part::name;
}

template <class Config, class... Configs>
constexpr bool is_among(type_list<Configs...>) {
  return (std::is_same_v<Config, Configs> || ...);
}

template <class Config>
constexpr half_kind half_of() {
  half_kind k{.info = &architecture_of<Config>,
              .check = check_half<Config>,
              .needs_is_decoder = like_bert<Config>,
              .always_crosses = like_bart<Config>};
  if constexpr (is_among<Config>(half_encoders()))
    k.encoder = encoder_half<Config>, k.encoder_name = encoder_part<Config>::name.text.data();
  if constexpr (is_among<Config>(half_decoders()))
    k.decoder = decoder_half<Config>, k.head = half_head<Config>, k.decoder_name = decoder_half_name<Config>();
  return k;
}

template <class... Configs>
constexpr auto kinds_of(type_list<Configs...>) {
  return std::array{half_of<Configs>()...};
}

inline constexpr auto encoder_kinds = kinds_of(half_encoders());
inline constexpr auto decoder_kinds = kinds_of(half_decoders());

HFT_INLINE const half_kind* find_half(std::string_view model_type) {
  for (const auto& k : encoder_kinds)
    if (model_type == k.info->model_type) return &k;
  for (const auto& k : decoder_kinds)
    if (model_type == k.info->model_type) return &k;
  return nullptr;
}

// Throws unsupported_error, with the kinds that there are, for a half of another.
template <class Kinds>
void check_half_is_known(const EncoderDecoderHalf& half, const char* field, const Kinds& kinds) {
  std::string known;
  for (const auto& k : kinds) {
    if (half.type.view() == k.info->model_type) return;
    known += known.empty() ? "one of " : ", ";
    known += k.info->model_type;
  }
  throw unsupported_error(EncoderDecoderConfig::model_type, field, known, quote_text(half.type.view()));
}

}  // namespace detail

HFT_INLINE void EncoderDecoderHalf::fields(field_visitor& v) {
  v("model_type", type);
  if (const auto* known = kind()) {
    if (known->info != &config.info()) config = AnyConfig(*known->info);
    config.ref().fields(v);
  }
  v("is_decoder", is_decoder);
  v("add_cross_attention", add_cross_attention, v.anything.written_if_set());
}

HFT_INLINE void EncoderDecoderConfig::fields(field_visitor& v) {
  v("encoder", encoder_config);
  v("decoder", decoder_config);
  v("pad_token_id", pad_token_id);
  v("decoder_start_token_id", decoder_start_token_id);
  v("is_encoder_decoder", is_encoder_decoder);
}

HFT_INLINE void EncoderDecoderConfig::check() const {
  const auto &e = encoder_config, &d = decoder_config;
  detail::check_half_is_known(e, "encoder.model_type", detail::encoder_kinds);
  detail::check_half_is_known(d, "decoder.model_type", detail::decoder_kinds);
  if (e.is_decoder) throw unsupported_error(model_type, "encoder.is_decoder", "false", "true");
  if (d.kind()->needs_is_decoder && !d.is_decoder)
    throw unsupported_error(model_type, "decoder.is_decoder", "true", "false");
  if (!d.kind()->always_crosses && !d.add_cross_attention.value_or(false))
    throw unsupported_error(model_type, "decoder.add_cross_attention", "true", "false");
  e.kind()->check(e.values(), false);
  d.kind()->check(d.values(), true);
}

HFT_INLINE std::optional<std::pair<isize, isize>> EncoderDecoderConfig::projection() const {
  const auto width = [](const auto& o) {
    return o.layers.empty() ? o.embeddings.hidden_size : o.layers.front().attention.hidden_size;
  };
  const isize from = width(encoder()), to = width(decoder());
  if (from == to) return {};
  return std::pair{from, to};
}

#endif  // HFT_DEFINES

}  // namespace hft
