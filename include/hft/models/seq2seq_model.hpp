// Seq2SeqModel: an encoder, and a decoder that sees what it made (Vaswani et al. 2017, arXiv 1706.03762). Both are
// backbones over one table of tokens; the decoder's blocks have a cross-attention.
#pragma once
#include <string>

#include <hft/models/model_parts.hpp>
#include <hft/models/output.hpp>
#include <hft/models/text_model.hpp>

namespace hft {

/// Checkpoint names: encoder, decoder; the table of tokens is the encoder's. (transformers.T5Model and its like)
template <class Encoder, class Decoder>
class Seq2SeqModel : public ModelParts {
 public:
  using build_type = typename Decoder::build_type;
  using A = typename Decoder::A;
  using D = typename Decoder::D;
  using inputs = Seq2SeqInputs<A, D>;
  template <class Other>
  using on_build = Seq2SeqModel<typename Encoder::template on_build<Other>, typename Decoder::template on_build<Other>>;
  static constexpr const char* class_suffix = "Model";

  struct options {
    typename Encoder::options encoder;
    typename Decoder::options decoder;
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{config.encoder(), config.decoder()};
    o.decoder.embeddings.shared = true;
    return o;
  }

  explicit Seq2SeqModel(const options& o) : encoder(o.encoder), decoder(o.decoder), where_(o.decoder.where) {}

  /// input_ids (B,S), decoder_input_ids (B,T) => last_hidden_state (B,T,C), encoder_last_hidden_state (B,S,C)
  Seq2SeqModelOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    if (!in.decoder_input_ids) throw value_error(where_, "decoder_input_ids", "the decoder's tokens", "none");
    auto encoded = encode(in, args);
    auto decoder_args = without_tokens(args);
    if constexpr (D::tracked) decoder_args.dropout_seed = ~args.dropout_seed;  // masks of its own
    const TextInputs tokens{.input_ids = in.decoder_input_ids, .attention_mask = in.decoder_attention_mask};
    auto context = decoder.begin(tokens, decoder_args);
    context.source.states = encoded.last_hidden_state;
    if (const auto mask = encoder_mask(in, args))
      context.source.mask = to_device<typename D::base>(detail::visible_keys(
          where_, mask, {encoded.last_hidden_state.extent(0), encoded.last_hidden_state.extent(1)}));
    auto decoded = decoder.run(tokens, decoder_args, context);
    return {.last_hidden_state = std::move(decoded.last_hidden_state),
            .encoder_last_hidden_state = std::move(encoded.last_hidden_state),
            .decoder_hidden_states = std::move(decoded.hidden_states),
            .decoder_attentions = std::move(decoded.attentions),
            .cross_attentions = std::move(decoded.cross_attentions),
            .encoder_hidden_states = std::move(encoded.hidden_states),
            .encoder_attentions = std::move(encoded.attentions)};
  }

  /// What the encoder makes of input_ids, or encoder_outputs where these are given.
  BaseModelOutput<A, D> encode(const inputs& in, const ForwardArgs<A, D>& args) const {
    if (in.encoder_outputs) return {.last_hidden_state = in.encoder_outputs};
    return encoder({.input_ids = in.input_ids, .attention_mask = encoder_mask(in, args)}, without_tokens(args, false));
  }

  void visit(visitor& v) override {
    v("encoder", encoder);
    v("decoder", decoder);
  }
  void tie_weights() override { decoder.embeddings.embed_tokens.weight = encoder.embeddings.embed_tokens.weight; }
  tied_pairs tied_parameters() const override {
    return {{"decoder." + decoder.input_embeddings(), "encoder." + encoder.input_embeddings()}};
  }
  void resize_token_embeddings(isize vocab_size) override {
    encoder.resize_token_embeddings(vocab_size);
    tie_weights();
  }
  CacheOptions cache_options() const override { return decoder.cache_options(); }
  isize max_positions() const override { return decoder.max_positions(); }
  std::string input_embeddings() const override { return "encoder." + encoder.input_embeddings(); }
  isize padding_row() const override { return encoder.padding_row(); }
  const auto& token_table() const { return encoder.token_table(); }
  auto& token_table() { return encoder.token_table(); }

  Encoder encoder;
  Decoder decoder;

 private:
  static Tensor<i64, 2> encoder_mask(const inputs& in, const ForwardArgs<A, D>& args) {
    return in.attention_mask ? in.attention_mask : args.attention_mask;
  }
  // The tensors of args are the encoder's, the cache is the decoder's.
  static ForwardArgs<A, D> without_tokens(ForwardArgs<A, D> args, [[maybe_unused]] bool cached = true) {
    args.attention_mask = args.position_ids = args.token_type_ids = {};
    if constexpr (!D::tracked)
      if (!cached) args.past_key_values = nullptr;
    return args;
  }

  const char* where_;
};

/// Its encoder alone. Checkpoint name: encoder. (transformers.T5EncoderModel and its like)
template <class Encoder>
class EncoderModel : public ModelParts {
 public:
  using build_type = typename Encoder::build_type;
  using A = typename Encoder::A;
  using D = typename Encoder::D;
  using inputs = typename Encoder::inputs;
  using options = typename Encoder::options;
  template <class Other>
  using on_build = EncoderModel<typename Encoder::template on_build<Other>>;
  static constexpr const char* class_suffix = "EncoderModel";
  template <class Config>
  static options options_of(const Config& config) {
    return config.encoder();
  }

  explicit EncoderModel(const options& o) : encoder(o) {}

  /// input_ids (B,S) => last_hidden_state (B,S,C)
  BaseModelOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    return encoder(in, args);
  }

  void visit(visitor& v) override { v("encoder", encoder); }
  void resize_token_embeddings(isize vocab_size) override { encoder.resize_token_embeddings(vocab_size); }
  isize max_positions() const override { return encoder.max_positions(); }
  std::string input_embeddings() const override { return "encoder." + encoder.input_embeddings(); }
  isize padding_row() const override { return encoder.padding_row(); }
  const auto& token_table() const { return encoder.token_table(); }
  auto& token_table() { return encoder.token_table(); }

  Encoder encoder;
};

}  // namespace hft
