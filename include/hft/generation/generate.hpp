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

  model_step(const Model& model, CacheBase* cache) : model_(model), cache_(&own_) {
    if (cache) cache_ = dynamic_cast<Cache<A, D>*>(cache);
    if (!cache_)
      throw value_error("generate", "past_key_values", "a cache of the model's activation type and device",
                        "one of another type");
    if constexpr (requires { model.max_positions(); }) max_positions = model.max_positions();
    if constexpr (requires { model.max_position_embeddings(); })
      max_position_embeddings = model.max_position_embeddings();
  }

  matrix<f32> operator()(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& attention_mask,
                         const Tensor<i64, 2>& position_ids, bool cached) override {
    ForwardArgs<A, D> args;
    args.attention_mask = attention_mask;
    args.position_ids = position_ids;
    args.past_key_values = cached ? cache_ : nullptr;
    args.logits_to_keep = 1;
    logits_ = last_positions(model_(input_ids, args).logits, 1);
    if constexpr (D::host_memory && std::is_same_v<A, f32>) {
      return logits_.rows();
    } else {
      const auto dense = logits_.dense();
      std::vector<A> host(std::size_t(dense.size()));
      D::copy_to_host(host.data(), dense.data(), host.size() * sizeof(A));
      scores_.assign(host.begin(), host.end());
      return {scores_.data(), dense.extent(0), dense.extent(2), dense.extent(2)};
    }
  }
  CacheBase& cache() override { return *cache_; }

 private:
  const Model& model_;
  DynamicCache<A, D> own_;
  Cache<A, D>* cache_;
  Tensor<A, 3, D> logits_;
  std::vector<f32> scores_;
};

GenerateOutput run_generation(generation_step& model, const Tensor<i64, 2>& input_ids, const GenerationConfig& config,
                              const GenerationConfig& model_config, const GenerateOptions& options);

}  // namespace detail

/// Continues each row of input_ids (B,T); an empty prompt starts with bos_token_id. The model is only read: one may be
/// used from several threads at once, with options and caches of their own. Row b of a batch gets the tokens it would
/// get alone, up to rounding; with do_sample they depend on the seed, b, and the token's place.
/// Throws value_error for settings out of range, and for a prompt that with its new tokens does not fit the positions
/// of the model or the room of the cache; unsupported_error for settings that hft does not know.
template <class Model>
GenerateOutput generate_detailed(const Model& model, const Tensor<i64, 2>& input_ids,
                                 const GenerationConfig& config = {}, const GenerateOptions& options = {}) {
  static_assert(
      requires { model(input_ids, ForwardArgs<typename Model::A, typename Model::D>{}).logits; },
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
