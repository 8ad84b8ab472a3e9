// Seq2SeqModel: an encoder, and a decoder that sees what it made (Vaswani et al. 2017, arXiv 1706.03762). Both are
// backbones over tokens, most of them over one table of these; the decoder's blocks have a cross-attention.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <hft/models/model_parts.hpp>
#include <hft/models/output.hpp>
#include <hft/models/text_model.hpp>
#include <hft/models/vocabulary.hpp>

namespace hft {

/// Which tables of tokens an encoder and a decoder have.
enum class token_tables {
  shared,  // one, which heads are tied to
  apart,   // one each; heads are tied to the decoder's (Marian with two vocabularies)
  untied,  // one each, beside one that checkpoints have and nobody uses (BART with tie_word_embeddings false)
};

/// How tokens become the decoder's: moved right by one, behind a start.
struct ShiftOptions {
  std::optional<i64> decoder_start_token_id = {};  // the start
  std::optional<i64> pad_token_id = {};            // stands there for labels that do not count
  bool hides_padding = false;                      // whether the decoder does not see what stands for padding then
  bool from_last = false;  // the start is each row's last token, as if all padding were behind it (mBART)
};

/// Labels or the encoder's tokens (B,T), moved right by one: what the decoder sees where it is to predict them. Throws
/// value_error without the tokens that this takes. (transformers' _shift_right, shift_tokens_right)
Tensor<i64, 2> shift_right(const Tensor<i64, 2>& ids, const ShiftOptions& o);

/// The context of a pass: the decoder's, with what the encoder made.
template <Scalar A, Device D>
struct Seq2SeqContext : ForwardContext<A, D> {
  TextInputs tokens = {};  // the decoder's
  BaseModelOutput<A, D> encoded = {};
};

/// Checkpoint names: shared, encoder, decoder; or of tables apart encoder.embed_tokens, decoder.embed_tokens.
/// (transformers.T5Model and its like)
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
    ShiftOptions shift = {};
    token_tables tables = token_tables::shared;
    bool unties = false;                                     // whether tables are untied where a head is
    std::optional<std::pair<isize, isize>> projection = {};  // of what the decoder sees, from a size to another
    const char *encoder_name = "encoder", *decoder_name = "decoder";  // as members, of which name rules know
    bool shifts_input = false;  // whether the decoder sees input_ids, shifted, where it is given none
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{config.encoder(), config.decoder(), config.shift()};
    if constexpr (requires { config.tables(); }) o.tables = config.tables(), o.unties = true;
    if constexpr (requires { config.projection(); }) o.projection = config.projection();
    if constexpr (requires { config.decoder_name(); })
      o.encoder_name = config.encoder_name(), o.decoder_name = config.decoder_name();
    if constexpr (requires { config.shifts_input; }) o.shifts_input = config.shifts_input;
    return o;
  }

  explicit Seq2SeqModel(const options& o)
      : encoder(without_table(o.encoder)),
        decoder(without_table(o.decoder)),
        where_(o.decoder.where),
        encoder_name_(o.encoder_name),
        decoder_name_(o.decoder_name),
        shift_(o.shift),
        streams_(streams_of(o.decoder.embeddings)),
        tables_(o.tables),
        unties_(o.unties),
        shifts_input_(o.shifts_input) {
    if (o.projection) enc_to_dec_proj.emplace(o.projection->first, o.projection->second, true);
    if (tables_ == token_tables::untied)
      unused.emplace(o.encoder.embeddings.vocab_size, o.encoder.embeddings.hidden_size);
  }

  /// input_ids (B,S), decoder_input_ids (B,T) => last_hidden_state (B,T,C), encoder_last_hidden_state (B,S,C)
  Seq2SeqModelOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = begin(in, args);
    return run(in, args, context);
  }

  /// What the encoder makes, and the context of the decoder's pass.
  Seq2SeqContext<A, D> begin(const inputs& in, const ForwardArgs<A, D>& args) const {
    TextInputs tokens{.input_ids = in.decoder_input_ids, .attention_mask = in.decoder_attention_mask};
    if (!tokens.input_ids && shifts_input_) tokens.input_ids = shift_right(in.input_ids, shift_);
    if (!tokens.input_ids) throw value_error(where_, "decoder_input_ids", "the decoder's tokens", "none");
    if constexpr (!D::tracked)
      if (args.past_key_values) args.past_key_values->check_model(cache_options().model, where_);
    auto encoded = encode(in, args);
    Seq2SeqContext<A, D> context{decoder.begin(tokens, of_decoder(args)), tokens};
    context.source.states = enc_to_dec_proj ? (*enc_to_dec_proj)(encoded.last_hidden_state) : encoded.last_hidden_state;
    if (const auto mask = encoder_mask(in, args))
      context.source.mask = to_device<typename D::base>(detail::visible_keys(
          where_, mask, {encoded.last_hidden_state.extent(0), encoded.last_hidden_state.extent(1)}));
    context.encoded = std::move(encoded);
    return context;
  }
  Seq2SeqModelOutput<A, D> run(const inputs&, const ForwardArgs<A, D>& args, Seq2SeqContext<A, D>& context) const {
    auto decoded = decoder.run(context.tokens, of_decoder(args), context);
    auto& encoded = context.encoded;
    Tensor<A, 3, D> streams;
    if (streams_) {
      const auto all = decoded.last_hidden_state;
      const isize N = all.extent(1), T = N / (1 + streams_);
      decoded.last_hidden_state = all.slice(1, 0, T).dense(), streams = all.slice(1, T, N).dense();
    }
    return {.last_hidden_state = std::move(decoded.last_hidden_state),
            .encoder_last_hidden_state = std::move(encoded.last_hidden_state),
            .streams = std::move(streams),
            .decoder_hidden_states = std::move(decoded.hidden_states),
            .decoder_attentions = std::move(decoded.attentions),
            .cross_attentions = std::move(decoded.cross_attentions),
            .encoder_hidden_states = std::move(encoded.hidden_states),
            .encoder_attentions = std::move(encoded.attentions)};
  }

  /// What the encoder makes of input_ids, or encoder_outputs where these are given.
  BaseModelOutput<A, D> encode(const inputs& in, const ForwardArgs<A, D>& args) const {
    if (in.encoder_outputs) return {.last_hidden_state = in.encoder_outputs};
    const TextInputs tokens{.input_ids = in.input_ids,
                            .attention_mask = encoder_mask(in, args),
                            .global_attention_mask = in.global_attention_mask};
    const auto own = without_tokens(args, false);
    auto context = encoder.begin(tokens, own);
    return encoder.run(tokens, own, context);
  }
  /// The same inputs with labels as the decoder's tokens.
  inputs with_labels(inputs in, const Tensor<i64, 2>& labels) const {
    in.decoder_input_ids = shift_right(labels, shift_);
    if (shift_.hides_padding && !in.decoder_attention_mask) {
      in.decoder_attention_mask = in.decoder_input_ids.clone();
      i64* mask = in.decoder_attention_mask.data();
      std::transform(mask, mask + labels.size(), mask, [&](i64 id) { return id != *shift_.pad_token_id; });
    }
    return in;
  }

  void visit(visitor& v) override {
    if (tables_ == token_tables::shared) {
      v("shared", encoder.embeddings.embed_tokens);
    } else {
      v("shared", unused);
      v(detail::cat(encoder_name_, ".embed_tokens"), encoder.embeddings.embed_tokens);
      v(detail::cat(decoder_name_, ".embed_tokens"), decoder.embeddings.embed_tokens);
    }
    v(encoder_name_, encoder);
    v(decoder_name_, decoder);
    v("enc_to_dec_proj", enc_to_dec_proj);
  }
  void tie_weights() override {
    if (tables_ == token_tables::shared)
      decoder.embeddings.embed_tokens.weight = encoder.embeddings.embed_tokens.weight;
  }
  tied_pairs tied_parameters() const override {
    if (tables_ != token_tables::shared) return {};
    return {{"encoder.embed_tokens.weight", "shared.weight"}, {"decoder.embed_tokens.weight", "shared.weight"}};
  }
  void untie(std::string_view) override { set_tie_word_embeddings(false); }
  /// Tables that were one cannot become it again.
  void set_tie_word_embeddings(bool tied) override {
    if (tied || !unties_ || tables_ != token_tables::shared) return;
    tables_ = token_tables::untied;
    auto& table = encoder.embeddings.embed_tokens;
    unused.emplace(table.weight.extent(0), table.weight.extent(1));
    for (auto* own : {&*unused, &decoder.embeddings.embed_tokens}) {
      own->weight = table.weight;
      detail::end_tie(own->weight);
    }
  }
  void resize_token_embeddings(isize vocab_size) override {
    if (tables_ == token_tables::apart)
      throw unsupported_error(where_, "resize_token_embeddings", "one vocabulary", "two");
    encoder.resize_token_embeddings(vocab_size);
    if (unused) {
      detail::resize_rows(unused->weight, vocab_size);
      decoder.resize_token_embeddings(vocab_size);
    }
    tie_weights();
  }
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) override {
    encoder.leave_out_absent([&](std::string_view path) { return stored(detail::cat(encoder_name_, ".", path)); });
    decoder.leave_out_absent([&](std::string_view path) { return stored(detail::cat(decoder_name_, ".", path)); });
  }
  void leave_out_computed(const std::function<bool(std::string_view)>& stored) { leave_out_absent(stored); }
  CacheOptions cache_options() const override { return decoder.cache_options(); }
  isize max_positions() const override { return decoder.max_positions(); }
  std::string input_embeddings() const override {
    return tables_ == token_tables::shared ? "shared.weight" : detail::cat(encoder_name_, ".embed_tokens.weight");
  }
  isize padding_row() const override { return encoder.padding_row(); }
  const auto& token_table() const { return encoder.token_table(); }
  auto& token_table() { return encoder.token_table(); }
  /// What a head is tied to, and its path.
  const auto& head_table() const { return decoder.token_table(); }
  std::string head_table_path() const {
    return tables_ == token_tables::shared ? "shared.weight" : detail::cat(decoder_name_, ".embed_tokens.weight");
  }

  Encoder encoder;
  Decoder decoder;
  std::optional<Embedding<build_type>> unused;  // with untied tables
  std::optional<typename build_type::linear> enc_to_dec_proj;

 private:
  template <class Options>
  static Options without_table(Options o) {
    o.embeddings.shared = true;
    return o;
  }
  static Tensor<i64, 2> encoder_mask(const inputs& in, const ForwardArgs<A, D>& args) {
    return in.attention_mask ? in.attention_mask : args.attention_mask;
  }
  // Those that stand behind the decoder's tokens (ProphetNet).
  template <class Options>
  static isize streams_of(const Options& embeddings) {
    if constexpr (requires { embeddings.streams; }) return embeddings.streams;
    return 0;
  }
  // The tensors of args are the encoder's, the cache is the decoder's.
  static ForwardArgs<A, D> without_tokens(ForwardArgs<A, D> args, [[maybe_unused]] bool cached = true) {
    args.attention_mask = args.position_ids = args.token_type_ids = {};
    if constexpr (!D::tracked)
      if (!cached) args.past_key_values = nullptr;
    return args;
  }
  static ForwardArgs<A, D> of_decoder(const ForwardArgs<A, D>& args) {
    auto own = without_tokens(args);
    if constexpr (D::tracked) own.dropout_seed = ~args.dropout_seed;  // masks of its own
    return own;
  }

  const char *where_, *encoder_name_, *decoder_name_;
  ShiftOptions shift_;
  isize streams_;
  token_tables tables_;
  bool unties_, shifts_input_;
};

/// Its encoder alone. Checkpoint names: shared, encoder. (transformers.T5EncoderModel and its like)
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
    options o = config.encoder();
    o.embeddings.shared = true;
    return o;
  }

  explicit EncoderModel(const options& o) : encoder(o) {}

  /// input_ids (B,S) => last_hidden_state (B,S,C)
  BaseModelOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    return encoder(in, args);
  }
  auto begin(const inputs& in, const ForwardArgs<A, D>& args) const { return encoder.begin(in, args); }
  BaseModelOutput<A, D> run(const inputs& in, const ForwardArgs<A, D>& args, ForwardContext<A, D>& context) const {
    return encoder.run(in, args, context);
  }

  void visit(visitor& v) override {
    v("shared", encoder.embeddings.embed_tokens);
    v("encoder", encoder);
  }
  tied_pairs tied_parameters() const override { return {{"encoder.embed_tokens.weight", "shared.weight"}}; }
  void resize_token_embeddings(isize vocab_size) override { encoder.resize_token_embeddings(vocab_size); }
  isize max_positions() const override { return encoder.max_positions(); }
  std::string input_embeddings() const override { return "shared.weight"; }
  isize padding_row() const override { return encoder.padding_row(); }
  const auto& token_table() const { return encoder.token_table(); }
  auto& token_table() { return encoder.token_table(); }

  Encoder encoder;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<i64, 2> shift_right(const Tensor<i64, 2>& ids, const ShiftOptions& o) {
  if (!o.pad_token_id || (!o.decoder_start_token_id && !o.from_last))
    throw value_error("labels", "without decoder_input_ids", "decoder_start_token_id and pad_token_id in the config",
                      "none");
  const auto from = ids.dense();
  const isize B = ids.extent(0), T = ids.extent(1);
  Tensor<i64, 2> out({B, T});
  for (isize b = 0; b < B; ++b) {
    const auto at = [&](isize t) {
      const i64 id = from.data()[b * T + t];
      return id == -100 ? *o.pad_token_id : id;
    };
    i64 start = o.decoder_start_token_id.value_or(0);
    if (o.from_last) {
      isize count = 0;
      for (isize t = 0; t < T; ++t) count += at(t) != *o.pad_token_id;
      start = at(count ? count - 1 : T - 1);
    }
    for (isize t = 0; t < T; ++t) out.data()[b * T + t] = t ? at(t - 1) : start;
  }
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft
