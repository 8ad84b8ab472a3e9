// generate: text from a causal model, token by token.
//
//   auto ids = generate(model, input_ids, {.max_new_tokens = 32});
//   auto ids = generate(model, input_ids, {.do_sample = true, .top_p = 0.9, .seed = 7}, {.streamer = &streamer});
//   auto text = generate(model, tokenizer, "The capital of France is", {.max_new_tokens = 32});
//
// The strategy follows from the settings, as in Transformers: greedy search; sampling with do_sample; beam search with
// num_beams above 1. (GenerationMixin.generate)
#pragma once
#include <algorithm>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/generation/cache.hpp>
#include <hft/generation/cache_kinds.hpp>
#include <hft/generation/generate_options.hpp>
#include <hft/generation/generation_inputs.hpp>
#include <hft/generation/generation_step.hpp>
#include <hft/linkage.hpp>
#include <hft/models/generation_config.hpp>
#include <hft/models/ignored_options.hpp>
#include <hft/models/output.hpp>
#if HFT_DEFINES(MODELS)
#include <hft/generation/beam_search.hpp>
#include <hft/generation/generation_loop.hpp>
#include <hft/generation/sample.hpp>
#include <hft/generation/strategy.hpp>
#endif

namespace hft {

namespace detail {

/// A model as generation sees it. This is all that is compiled for each architecture.
template <class Model>
class model_step final : public generation_step {
 public:
  using A = typename Model::A;
  using D = typename Model::D;

  [[gnu::cold]] model_step(const Model& model, CacheBase* cache)
      : model_(model), own_(cache_options_of(model)), cache_(&own_) {
    if (cache) cache_ = dynamic_cast<Cache<A, D>*>(cache);
    if (!cache_)
      throw value_error("generate", "past_key_values", "a cache of the model's activation type and device",
                        "one of another type");
    const CacheOptions of_model = cache_options_of(model);
    cache_->check_model(of_model.model, "generate");
    cache_renewed_after = of_model.renewed_after;
    for (const auto& type : of_model.layer_types) keeps_all = keeps_all && type != "linear_attention";
    if constexpr (requires { model.config().vocab_size; }) vocab_size = isize(model.config().vocab_size);
    if constexpr (requires { model.encode(mask_, mask_); }) {
      encodes = true;
      if constexpr (requires { model.is_encoder_decoder(); }) encodes = model.is_encoder_decoder();
    }
    if constexpr (requires { model.next_logits(mask_, cache_, true); }) {
      reads_all = true;
      if constexpr (requires { model.reads_all(); }) reads_all = model.reads_all();
    }
    if constexpr (requires { model.max_positions(); }) max_positions = model.max_positions();
    if constexpr (requires { model.max_position_embeddings(); })
      max_position_embeddings = model.max_position_embeddings();
  }

  matrix<f32> operator()(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& attention_mask,
                         const Tensor<i64, 2>& position_ids, bool cached, isize keep) override {
    ForwardArgs<A, D> args;
    args.past_key_values = cached ? cache_ : nullptr;
    args.logits_to_keep = keep;
    args.output_hidden_states = output_hidden_states;
    args.output_attentions = output_attentions;
    args.num_hidden_layers = num_hidden_layers;
    return on_host(last_positions(logits(input_ids, attention_mask, position_ids, args), keep));
  }
  matrix<f32> head(const Tensor<f32, 3>& hidden) override {
    if constexpr (!D::host_memory || !std::is_same_v<A, f32>)
      throw unsupported_error("generate", "the head over hidden states", "a model in f32 on a host", D::name);
    else if constexpr (requires { model_.lm_head(hidden); })
      return (headed_ = model_.lm_head(hidden)).rows();
    else if constexpr (requires { model_.head(hidden); })
      return (headed_ = model_.head(hidden)).rows();
    else
      throw unsupported_error("generate", "the head over hidden states", "a model with lm_head", "one without");
  }
  bool ties_embeddings() const override {
    if constexpr (requires { model_.tied_parameters(); })
      return !model_.tied_parameters().empty();
    else
      return false;
  }
  std::unique_ptr<generation_step> again() const override { return std::make_unique<model_step>(model_, nullptr); }
  void crop(isize length) override { cache_->crop(length); }
  void take_cache(const GenerationConfig& config, isize room) override {
    made_ = make_cache<A, D>(config, cache_options_of(model_), room);
    cache_ = made_.get();
  }
  void begin(const Tensor<i64, 2>& prompts, const Tensor<i64, 2>& attention_mask,
             const Tensor<i64, 2>& global_attention_mask) override {
    if constexpr (requires { model_.encode(prompts, attention_mask, global_attention_mask); }) {
      if constexpr (std::is_same_v<A, f32> && D::host_memory &&
                    requires(BaseModelOutput<A, D> * s) { model_.encode(prompts, prompts, prompts, {}, s); }) {
        BaseModelOutput<A, D> shown;
        ForwardArgs<A, D> args;
        args.output_hidden_states = output_hidden_states;
        args.output_attentions = output_attentions;
        encoded_ = model_.encode(prompts, attention_mask, global_attention_mask, args, &shown);
        encoder_hidden_states = std::move(shown.hidden_states);
        encoder_attentions = std::move(shown.attentions);
      } else {
        encoded_ = model_.encode(prompts, attention_mask, global_attention_mask);
      }
      mask_ = attention_mask;
      for (isize b = 0; b < prompts.extent(0); ++b) prompts_.push_back(b);
    }
  }
  void reset() override { cache_->reset(), first_ = true; }
  void reorder(std::span<const isize> rows, bool cached) override {
    if (cached || reads_all) cache_->reorder(rows);
    if (encodes) reorder_prompts(rows);
  }

 private:
  static CacheOptions cache_options_of(const Model& model) {
    if constexpr (requires { model.cache_options(); })
      return model.cache_options();
    else
      return {};
  }
  auto logits(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& attention_mask, const Tensor<i64, 2>& position_ids,
              ForwardArgs<A, D>& args) {
    if constexpr (requires { model_.encode(mask_, mask_); })
      if (encodes)
        return shown(model_(unnamed<Seq2SeqInputs<A, D>>{{.attention_mask = mask_,
                                                          .decoder_input_ids = input_ids,
                                                          .decoder_attention_mask = attention_mask,
                                                          .encoder_outputs = encoded_}},
                            args));
    if constexpr (requires { model_.next_logits(input_ids, cache_, true); })
      if (reads_all) return model_.next_logits(input_ids, cache_, std::exchange(first_, false));
    args.attention_mask = attention_mask;
    args.position_ids = position_ids;
    if constexpr (requires { model_(unnamed_ids<Model>(input_ids), args).logits; })
      return shown(model_(unnamed_ids<Model>(input_ids), args));
    else if constexpr (requires { model_(input_ids, args).logits; })
      return shown(model_(input_ids, args));
  }
  /// The logits of a pass, whose states are kept where they are asked for.
  template <class Output>
  auto shown(Output&& out) {
    if constexpr (std::is_same_v<A, f32> && D::host_memory) {
      if constexpr (requires { out.base; }) {
        states.hidden_states = std::move(out.base.decoder_hidden_states);
        states.attentions = std::move(out.base.decoder_attentions);
        states.cross_attentions = std::move(out.base.cross_attentions);
      } else if constexpr (requires { out.attentions; }) {
        states.hidden_states = std::move(out.hidden_states);
        states.attentions = std::move(out.attentions);
      }
    } else if (output_hidden_states || output_attentions) {
      throw unsupported_error("generate", "output_hidden_states", "a model in f32 on a host", D::name);
    }
    return std::move(out.logits);
  }
  matrix<f32> on_host(Tensor<A, 3, D> logits) {
    logits_ = std::move(logits);
    if constexpr (D::host_memory && std::is_same_v<A, f32>) {
      return logits_.rows();
    } else {
      const auto host = to_host(logits_).dense();
      scores_.assign(host.data(), host.data() + host.size());
      return {scores_.data(), host.extent(0) * host.extent(1), host.extent(2), host.extent(2)};
    }
  }
  // Beams of one prompt share what its encoder made: most of the time nothing moves.
  void reorder_prompts(std::span<const isize> rows) {
    if constexpr (requires { model_.encode(mask_, mask_); }) {
      bool same = rows.size() == prompts_.size();
      for (std::size_t i = 0; same && i < rows.size(); ++i) same = prompts_[std::size_t(rows[i])] == prompts_[i];
      if (same) return;
      std::vector<isize> prompts;
      for (const isize row : rows) prompts.push_back(prompts_[std::size_t(row)]);
      prompts_ = std::move(prompts);
      const isize S = encoded_.extent(1), C = encoded_.extent(2);
      const auto moved = reordered(encoded_.dense().template reshape<4>({encoded_.extent(0), S, 1, C}), rows);
      encoded_ = moved.template reshape<3>({isize(rows.size()), S, C});
      if (!mask_) return;
      token_rows mask(mask_);
      mask.reorder(rows);
      mask_ = mask.tensor();
    }
  }

  const Model& model_;
  LayeredCache<A, D> own_;
  std::unique_ptr<Cache<A, D>> made_;
  Cache<A, D>* cache_;
  bool first_ = true;  // whether no pass was yet, of a model that reads all
  Tensor<A, 3, D> logits_, headed_;
  std::vector<f32> scores_;
  // Of a model with an encoder: what it made of each row's prompt, and which prompt that is.
  Tensor<A, 3, D> encoded_;
  Tensor<i64, 2> mask_;
  std::vector<isize> prompts_;
};

template <class Model>
struct step_of {
  static std::unique_ptr<generation_step> make(const Model& model) {
    return std::make_unique<model_step<Model>>(model, nullptr);
  }
};

GenerateOutput run_generation(generation_step& model, const Tensor<i64, 2>& input_ids, const GenerationConfig& config,
                              const GenerationConfig& model_config, const GenerateOptions& options);

/// Whether a type has the forward pass of a model, and whether that gives the scores of the next token.
template <class Model>
concept HasForwardPass = requires {
  typename Model::A;
  typename Model::D;
};
template <class Model>
inline constexpr bool has_next_token = false;
template <HasForwardPass Model>
inline constexpr bool has_next_token<Model> = requires(const Model& model, const Tensor<i64, 2>& ids,
                                                       const ForwardArgs<typename Model::A, typename Model::D>& args) {
  model(ids, args).logits;
}
|| requires(const Model& model, const Tensor<i64, 2>& ids) { model.encode(ids, ids); };

}  // namespace detail

/// Continues each row of input_ids (B,T), or answers it where the model has an encoder: then sequences are the
/// decoder's tokens, from decoder_start_token_id on. An empty prompt starts with bos_token_id. The model is only read:
/// one may be used from several threads at once, with options and caches of their own. Row b of a batch gets the tokens
/// it would get alone, up to rounding; with do_sample they depend on the seed, b, and the token's place. Throws
/// value_error for settings out of range, and for a prompt that with its new tokens does not fit the positions of the
/// model or the room of the cache; unsupported_error for settings that hft does not know.
template <class Model>
GenerateOutput generate_detailed(const Model& model, const Tensor<i64, 2>& input_ids,
                                 const GenerationConfig& config = {}, const GenerateOptions& options = {}) {
  static_assert(detail::has_next_token<Model>,
                "hft: generate needs a causal model (ForCausalLM, ForConditionalGeneration): model(input_ids, "
                "args).logits are the scores of the next token");
  if constexpr (detail::has_next_token<Model>) {
    detail::model_step<Model> step(model, options.past_key_values);
    return detail::run_generation(step, input_ids, config, model.generation_config, options);
  } else {
    return {};
  }
}

namespace detail {

/// What a tokenizer returns: a row of ids, and of its mask, for each text.
template <class Batch>
concept EncodedPrompts = requires(const Batch& b) {
  ids_tensor(b.input_ids);
  ids_tensor(b.attention_mask);
};
/// A tokenizer as generation sees it.
template <class T>
concept TextCodec = requires(const T& t, std::span<const i64> ids) {
  t.decode(ids, true);
  t.encode(std::string_view(), true);
};

/// What the arguments of generate behind the prompt are where they stand in braces.
template <class Prompt>
struct generate_arguments {
  using third = GenerationConfig;
  using fourth = GenerateOptions;
};
template <TextCodec Tokenizer>
struct generate_arguments<Tokenizer> {
  using third = std::vector<std::string>;
  using fourth = GenerationConfig;
};

/// Whether what generate is called with fits, and where it does not, what does not.
template <class Model, class Prompt, class Third, class Fourth, class Fifth>
struct generate_call {
  static constexpr bool model_first = HasForwardPass<Model>;
  static constexpr bool causal = !model_first || has_next_token<Model>;
  static constexpr bool of_texts = TextCodec<Prompt>;
  static constexpr bool text_alone = std::is_convertible_v<const Prompt&, std::string_view>;
  static constexpr bool ids =
      of_texts || EncodedPrompts<Prompt> || std::is_convertible_v<const Prompt&, Tensor<i64, 2>>;
  static constexpr bool texts =
      !of_texts || std::is_convertible_v<const Third&, std::string_view> || requires(const Third& t) {
    std::vector<std::string>(std::begin(t), std::end(t));
  };
  static constexpr bool settings = of_texts ? std::is_convertible_v<const Fourth&, GenerationConfig> &&
                                                  std::is_convertible_v<const Fifth&, GenerateOptions>
                                            : std::is_convertible_v<const Third&, GenerationConfig> &&
                                                  std::is_convertible_v<const Fourth&, GenerateOptions>;
  static constexpr bool valid = model_first && causal && ids && texts && settings;
};

/// Continuations of texts, the types of model and tokenizer erased: `rows` are the texts' ids. num_return_sequences
/// of each. Throws as generate does.
std::vector<std::string> generate_texts(generation_step& model, const std::vector<std::string>& texts,
                                        const std::vector<std::vector<i64>>& rows,
                                        const std::function<std::string(std::span<const i64>, bool)>& decode,
                                        const GenerationConfig& config, const GenerationConfig& model_config,
                                        GenerateOptions options);

template <class Model, class Tokenizer>
std::vector<std::string> generate_texts(const Model& model, const Tokenizer& tokenizer,
                                        const std::vector<std::string>& texts, const GenerationConfig& config,
                                        const GenerateOptions& options) {
  std::vector<std::vector<i64>> rows;
  for (const std::string& text : texts) rows.push_back(tokenizer.encode(text, options.add_special_tokens));
  model_step<Model> step(model, options.past_key_values);
  return generate_texts(
      step, texts, rows, [&](std::span<const i64> ids, bool skip) { return tokenizer.decode(ids, skip); }, config,
      model.generation_config, options);
}

}  // namespace detail

/// The sequences of generate_detailed alone, (B * num_return_sequences, T + new tokens), prompts included, or texts:
///   generate(model, input_ids, config, options)          of a (B,T) tensor
///   generate(model, tokenizer(texts), config, options)   of what a tokenizer returns: a mask comes with it
///   generate(model, tokenizer, text, config, options)    the text and what follows, as a std::string: without padding
///                                                        and special tokens; options.return_full_text = false: the
///                                                        latter alone. stop_strings need no more
///   generate(model, tokenizer, texts, config, options)   of a vector of texts as many, times num_return_sequences
/// They are one template, whose defaults say what braces are, so that a compiler has one candidate to complain of, and
/// whose assertions say what fits. Compilers show the lines of the arguments where braces do not fit them. Several
/// sequences of one text are a shape_error: give a vector.
template <class Model, class Prompt = Tensor<i64, 2>, class Third = typename detail::generate_arguments<Prompt>::third,
          class Fourth = typename detail::generate_arguments<Prompt>::fourth, class Fifth = GenerateOptions>
auto generate(const Model& model,
              const Prompt& prompt,     // hft: no braces here: Tensor<i64, 2>::from({1, 2, 3}, {1, 3}), or a tokenizer
              const Third& third = {},  // hft: these braces name fields of GenerationConfig, in its order
              const Fourth& fourth = {},  // hft: these name fields of GenerateOptions, behind a text GenerationConfig
              const Fifth& fifth = {}) {  // hft: these braces name fields of GenerateOptions, in its order
  using call = detail::generate_call<Model, Prompt, Third, Fourth, Fifth>;
  static_assert(call::model_first,
                "hft: the model comes first: generate(model, input_ids) or generate(model, tokenizer, text)");
  static_assert(call::causal,
                "hft: generate needs a causal model (ForCausalLM, ForConditionalGeneration), whose logits are the "
                "scores of the next token");
  static_assert(!call::model_first || !call::text_alone,
                "hft: generate takes a text behind its tokenizer: generate(model, tokenizer, text)");
  static_assert(!call::model_first || call::text_alone || call::ids,
                "hft: generate takes a Tensor<i64, 2> of ids (B,T): Tensor<i64, 2>::from({1, 2, 3}, {1, 3}), or "
                "ids_tensor(rows) of vectors");
  static_assert(call::texts, "hft: behind a tokenizer generate takes a text or a vector of texts");
  static_assert(!call::ids || !call::texts || call::settings,
                "hft: behind the prompt generate takes a GenerationConfig, then GenerateOptions");
  if constexpr (!call::valid) {
    return Tensor<i64, 2>();
  } else if constexpr (detail::TextCodec<Prompt>) {
    if constexpr (std::is_convertible_v<const Third&, std::string_view>) {
      auto texts = detail::generate_texts(model, prompt, {std::string(std::string_view(third))}, fourth, fifth);
      if (texts.size() != 1)
        throw shape_error("generate", "", "one sequence of one text; give a vector of texts for several",
                          detail::joined(texts.size()));
      return std::move(texts[0]);
    } else {
      return detail::generate_texts(model, prompt, std::vector<std::string>(std::begin(third), std::end(third)), fourth,
                                    fifth);
    }
  } else if constexpr (detail::EncodedPrompts<Prompt>) {
    GenerateOptions options = fourth;
    options.attention_mask = ids_tensor(prompt.attention_mask);
    return generate_detailed(model, ids_tensor(prompt.input_ids), third, options).sequences;
  } else {
    return generate_detailed(model, prompt, third, fourth).sequences;
  }
}

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE GenerateOutput run_generation(generation_step& model, const Tensor<i64, 2>& input_ids,
                                         const GenerationConfig& config, const GenerationConfig& model_config,
                                         const GenerateOptions& options) {
  try {
    generation_loop loop(model, input_ids, config, model_config, options);
    const auto strategy = strategies::asked_for(loop.config, options);
    auto out = strategy ? strategy(loop) : *loop.config.num_beams > 1 ? beam_search(loop)() : generate_by_token(loop);
    out.encoder_hidden_states = std::move(model.encoder_hidden_states);
    out.encoder_attentions = std::move(model.encoder_attentions);
    return out;
  } catch (...) {
    if (options.streamer) options.streamer->fail(std::current_exception());
    throw;
  }
}

HFT_INLINE std::vector<std::string> generate_texts(generation_step& model, const std::vector<std::string>& texts,
                                                   const std::vector<std::vector<i64>>& rows,
                                                   const std::function<std::string(std::span<const i64>, bool)>& decode,
                                                   const GenerationConfig& config, const GenerationConfig& model_config,
                                                   GenerateOptions options) {
  if (rows.empty()) return {};
  std::size_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  // Masked, padding may be any token: none of the tokenizer's is needed.
  const isize B = isize(rows.size()), T = isize(longest);
  const auto pad_id = config.pad_token_id ? config.pad_token_id : model_config.pad_token_id;
  auto ids = Tensor<i64, 2>::filled({B, T}, pad_id.value_or(0)), mask = Tensor<i64, 2>::zeros({B, T});
  for (isize b = 0; b < B; ++b) {
    const auto& row = rows[std::size_t(b)];
    if (row.empty() && B > 1)
      throw value_error("generate", joined("text ", b), "at least one token, of several texts", "none");
    const isize at = b * T + (model.encodes ? 0 : T - isize(row.size()));  // a decoder goes on behind the last token
    std::copy(row.begin(), row.end(), ids.data() + at);
    std::fill_n(mask.data() + at, isize(row.size()), i64(1));
  }
  if (T > 0) options.attention_mask = mask;
  if (!options.decode) options.decode = [&](std::span<const i64> tokens) { return decode(tokens, false); };
  const auto sequences = run_generation(model, ids, config, model_config, options).sequences;

  std::vector<std::string> out;
  const isize each = sequences.extent(0) / B, length = sequences.extent(1);
  for (isize i = 0; i < sequences.extent(0); ++i) {
    const auto& prompt = rows[std::size_t(i / each)];
    const std::span<const i64> row(sequences.data() + i * length, std::size_t(length));
    if (model.encodes) {
      out.push_back(decode(row, true));
      continue;
    }
    // What decoding makes of a token may depend on those before it: the new text is what is longer than the prompt's.
    const std::string whole = decode(row.subspan(longest - prompt.size()), true), before = decode(prompt, true);
    const std::string added = whole.substr(std::min(before.size(), whole.size()));
    out.push_back(options.return_full_text ? texts[std::size_t(i / each)] + added : added);
  }
  return out;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
