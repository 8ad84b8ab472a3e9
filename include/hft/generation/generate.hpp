// generate: text from a causal model, token by token.
//
//   auto ids = generate(model, input_ids, {.max_new_tokens = 32});
//   auto ids = generate(model, input_ids, {.do_sample = true, .top_p = 0.9, .seed = 7}, {.streamer = &streamer});
//
// The strategy follows from the settings, as in Transformers: greedy search; sampling with do_sample; beam search with
// num_beams above 1. (GenerationMixin.generate)
#pragma once
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/generation/cache.hpp>
#include <hft/generation/generate_options.hpp>
#include <hft/generation/generation_inputs.hpp>
#include <hft/generation/generation_step.hpp>
#include <hft/linkage.hpp>
#include <hft/models/generation_config.hpp>
#include <hft/models/output.hpp>
#if HFT_DEFINES(MODELS)
#include <hft/generation/beam_search.hpp>
#include <hft/generation/generation_loop.hpp>
#include <hft/generation/sample.hpp>
#endif

namespace hft {

namespace detail {

/// A model as generation sees it. This is all that is compiled for each architecture.
template <class Model>
class model_step final : public generation_step {
 public:
  using A = typename Model::A;
  using D = typename Model::D;

  model_step(const Model& model, CacheBase* cache) : model_(model), own_(cache_options_of(model)), cache_(&own_) {
    if (cache) cache_ = dynamic_cast<Cache<A, D>*>(cache);
    if (!cache_)
      throw value_error("generate", "past_key_values", "a cache of the model's activation type and device",
                        "one of another type");
    cache_renewed_after = cache_options_of(model).renewed_after;
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
                         const Tensor<i64, 2>& position_ids, bool cached) override {
    ForwardArgs<A, D> args;
    args.past_key_values = cached ? cache_ : nullptr;
    args.logits_to_keep = 1;
    logits_ = last_positions(logits(input_ids, attention_mask, position_ids, args), 1);
    if constexpr (D::host_memory && std::is_same_v<A, f32>) {
      return logits_.rows();
    } else {
      const auto host = to_host(logits_).dense();
      scores_.assign(host.data(), host.data() + host.size());
      return {scores_.data(), host.extent(0), host.extent(2), host.extent(2)};
    }
  }
  void begin(const Tensor<i64, 2>& prompts, const Tensor<i64, 2>& attention_mask,
             const Tensor<i64, 2>& global_attention_mask) override {
    if constexpr (requires { model_.encode(prompts, attention_mask, global_attention_mask); }) {
      encoded_ = model_.encode(prompts, attention_mask, global_attention_mask);
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
        return model_(Seq2SeqInputs<A, D>{.attention_mask = mask_,
                                          .decoder_input_ids = input_ids,
                                          .decoder_attention_mask = attention_mask,
                                          .encoder_outputs = encoded_},
                      args)
            .logits;
    if constexpr (requires { model_.next_logits(input_ids, cache_, true); })
      if (reads_all) return model_.next_logits(input_ids, cache_, std::exchange(first_, false));
    args.attention_mask = attention_mask;
    args.position_ids = position_ids;
    if constexpr (requires { model_(input_ids, args).logits; }) return model_(input_ids, args).logits;
  }
  // Beams of one prompt share what its encoder made: most of the time nothing moves.
  void reorder_prompts(std::span<const isize> rows) {
    std::vector<isize> prompts;
    for (const isize row : rows) prompts.push_back(prompts_[std::size_t(row)]);
    if (prompts == prompts_) return;
    prompts_ = std::move(prompts);
    const isize S = encoded_.extent(1), C = encoded_.extent(2);
    const auto moved = reordered(encoded_.dense().template reshape<4>({encoded_.extent(0), S, 1, C}), rows);
    encoded_ = moved.template reshape<3>({isize(rows.size()), S, C});
    if (!mask_) return;
    token_rows mask(mask_);
    mask.reorder(rows);
    mask_ = mask.tensor();
  }

  const Model& model_;
  LayeredCache<A, D> own_;
  Cache<A, D>* cache_;
  bool first_ = true;  // whether no pass was yet, of a model that reads all
  Tensor<A, 3, D> logits_;
  std::vector<f32> scores_;
  // Of a model with an encoder: what it made of each row's prompt, and which prompt that is.
  Tensor<A, 3, D> encoded_;
  Tensor<i64, 2> mask_;
  std::vector<isize> prompts_;
};

GenerateOutput run_generation(generation_step& model, const Tensor<i64, 2>& input_ids, const GenerationConfig& config,
                              const GenerationConfig& model_config, const GenerateOptions& options);

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
  static_assert(
      requires { model(input_ids, ForwardArgs<typename Model::A, typename Model::D>{}).logits; } ||
          requires { model.encode(input_ids, input_ids); },
      "hft: generate needs a causal model: model(input_ids, args).logits are the scores of the next token");
  detail::model_step<Model> step(model, options.past_key_values);
  return detail::run_generation(step, input_ids, config, model.generation_config, options);
}

/// The sequences of generate_detailed alone: (B * num_return_sequences, T + new tokens), prompts included.
template <class Model>
Tensor<i64, 2> generate(const Model& model, const Tensor<i64, 2>& input_ids, const GenerationConfig& config = {},
                        const GenerateOptions& options = {}) {
  return generate_detailed(model, input_ids, config, options).sequences;
}

/// The same for what a tokenizer returns: a batch with input_ids and attention_mask, each a row of ids for each text.
template <class Model, class Batch>
requires requires(const Batch& b) {
  ids_tensor(b.input_ids);
  ids_tensor(b.attention_mask);
}
Tensor<i64, 2> generate(const Model& model, const Batch& batch, const GenerationConfig& config = {},
                        GenerateOptions options = {}) {
  options.attention_mask = ids_tensor(batch.attention_mask);
  return generate(model, ids_tensor(batch.input_ids), config, options);
}

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE GenerateOutput run_generation(generation_step& model, const Tensor<i64, 2>& input_ids,
                                         const GenerationConfig& config, const GenerationConfig& model_config,
                                         const GenerateOptions& options) {
  generation_loop loop(model, input_ids, config, model_config, options);
  return *loop.config.num_beams > 1 ? beam_search(loop)() : generate_by_token(loop);
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
