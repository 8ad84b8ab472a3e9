// What generate takes beside a model, a prompt and a config, and what it gives back.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include <vector>

#include <hft/generation/base_streamer.hpp>
#include <hft/generation/generation_step.hpp>
#include <hft/generation/logits_process.hpp>
#include <hft/generation/stopping_criteria.hpp>
#include <hft/layers/cache.hpp>
#include <hft/tensor.hpp>

namespace hft {

class Constraint;

namespace detail {
/// How a model is seen by generation; defined in generate.hpp.
template <class Model>
struct step_of;
}  // namespace detail

/// A model of any type that drafts for another. It is only referred to.
class AssistantModel {
 public:
  AssistantModel() = default;
  template <class Model>
  AssistantModel(const Model& model)  // NOLINT: as an argument it is any model
      : generation_config(&model.generation_config), make_([&model] { return detail::step_of<Model>::make(model); }) {}
  /// One with a tokenizer of its own: drafts go from one to the other as text. (universal assisted generation)
  template <class Model, class Tokenizer, class Other>
  AssistantModel(const Model& model, const Tokenizer& own, const Other& of_the_other) : AssistantModel(model) {
    translate.encode = [&own](const std::string& text) { return own.encode(text, true); };
    translate.decode = [&own](std::span<const i64> ids) { return own.decode(ids, true); };
    translate.encode_other = [&of_the_other](const std::string& text) { return of_the_other.encode(text, false); };
    translate.decode_other = [&of_the_other](std::span<const i64> ids) { return of_the_other.decode(ids, true); };
  }

  explicit operator bool() const { return bool(make_); }
  /// The model from the beginning, with a cache of its own.
  std::unique_ptr<detail::generation_step> step() const { return make_(); }

  const GenerationConfig* generation_config = nullptr;  // the model's own
  /// Where it has a tokenizer of its own, that one and the other's.
  struct {
    std::function<std::vector<i64>(const std::string&)> encode, encode_other;
    std::function<std::string(std::span<const i64>)> decode, decode_other;
  } translate;

 private:
  std::function<std::unique_ptr<detail::generation_step>()> make_;
};

struct GenerateOptions {
  /// (B,T): 0 for padding, on either side. Default: where a decoder's prompt contains pad_token_id, and that is no end
  /// of sequence, all of it is padding; else, and before an encoder, there is none.
  Tensor<i64, 2> attention_mask{};
  /// (B,T), of LED: 1 for tokens that see all others.
  Tensor<i64, 2> global_attention_mask{};
  /// A cache of the model's activation type and device, which afterwards holds all tokens but the last. Where it holds
  /// some already, input_ids begins with these. Default: a DynamicCache for this call.
  CacheBase* past_key_values = nullptr;
  /// Of one prompt, and without beams.
  BaseStreamer* streamer = nullptr;
  /// Looked at before each token; what there is by then is returned.
  std::stop_token stop{};
  /// Called after each token with their number so far and the largest possible.
  std::function<void(isize, isize)> progress{};
  /// The text of tokens, for GenerationConfig::stop_strings; of texts, what their tokenizer decodes.
  std::function<std::string(std::span<const i64>)> decode{};
  /// Applied after the config's, but before what sampling does; one of a built-in class takes that one's place. A
  /// function is one, too: {[](matrix<const i64> input_ids, matrix<f32> scores) { ... }}.
  LogitsProcessorList logits_processor{};
  /// A row ends where one says so; a function is one, too: {[](std::span<const i64> input_ids) { return ...; }}, or of
  /// input_ids and the scores (V) that the last token was chosen from.
  StoppingCriteriaList stopping_criteria{};
  /// The tokens that prompt b may go on with. (De Cao et al. 2020)
  std::function<std::vector<i64>(isize, std::span<const i64>)> prefix_allowed_tokens_fn{};
  /// A smaller model of the same vocabulary, whose drafts are accepted in part: the text is what the model alone says,
  /// sooner. (Leviathan et al. 2022, arXiv 2211.17192)
  AssistantModel assistant_model{};
  /// (B,N), with GenerationConfig::guidance_scale: what is to be said less; default: the last token of each prompt.
  Tensor<i64, 2> negative_prompt_ids{}, negative_prompt_attention_mask{};
  /// What beams must say, beside GenerationConfig::force_words_ids.
  std::vector<std::shared_ptr<Constraint>> constraints{};
  // Of texts, as TextGenerationPipeline has them. A chat template's text has its special tokens already.
  bool add_special_tokens = true;
  bool return_full_text = true;  // the prompt, too; the answers of an encoder and a decoder have none
};

struct GenerateOutput {
  /// (B * num_return_sequences, T + new tokens): the prompt and what follows; shorter rows end with pad_token_id, or
  /// the first end-of-sequence token where there is none. (In beam search also where pad_token_id is 0: Transformers
  /// takes 0 for none there.)
  Tensor<i64, 2> sequences;
  /// (B * num_return_sequences): log probability divided by length^length_penalty; empty without beams.
  Tensor<f32, 1> sequences_scores;
  /// With output_scores for each new token (R,V), where R are the rows that are generated, B * num_beams or B *
  /// num_return_sequences: what processors made of the scores, of beams of log probabilities; -inf where ruled out.
  std::vector<Tensor<f32, 2>> scores{};
  /// With output_logits the same as the model gives them.
  std::vector<Tensor<f32, 2>> logits{};
  /// With output_scores, of beams: the row of `scores` that each new token was chosen from, (B * num_return_sequences,
  /// new tokens); -1 behind the end.
  Tensor<i64, 2> beam_indices{};
  // With output_hidden_states and output_attentions for each pass, of each layer: of the prompt the first, of one new
  // token the others. Beside an encoder they are its decoder's.
  std::vector<std::vector<Tensor<f32, 3>>> hidden_states{};                   // (R,T,C)
  std::vector<std::vector<Tensor<f32, 4>>> attentions{}, cross_attentions{};  // (R,H,T,S)
  // And of each layer of the encoder.
  std::vector<Tensor<f32, 3>> encoder_hidden_states{};  // (B,S,C)
  std::vector<Tensor<f32, 4>> encoder_attentions{};     // (B,H,S,S)
};

}  // namespace hft
