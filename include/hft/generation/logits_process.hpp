// The logits processors, and which of them a GenerationConfig asks for, in Transformers' order.
#pragma once
#include <hft/generation/logits_process/processor.hpp>
#include <hft/generation/logits_process/repetition.hpp>
#include <hft/generation/logits_process/tokens.hpp>
#include <hft/generation/logits_process/warpers.hpp>
#include <hft/models/generation_config.hpp>

namespace hft {

/// What the processors of a batch need to know beside the config.
struct LogitsProcessorContext {
  matrix<const i64> input_ids;  // the prompts, one for each rows_per_prompt rows of scores
  isize prompt_length = 0;      // what new tokens are counted from
  isize rows_per_prompt = 1;    // beams or samples of one prompt
  isize max_length = 0;         // prompt and new tokens together
  std::vector<isize> padding;   // on the left of each row of scores; empty for none
  LogitsProcessorList custom;   // the user's; one of a built-in class takes that one's place
  PrefixConstrainedLogitsProcessor::function prefix_allowed_tokens_fn;
};

namespace detail {

/// A processor of the user's takes the place of a built-in one of its class; others follow.
template <class List>
void merge_custom(List& list, const List& custom) {
  for (const auto& c : custom) {
    const auto& made = *c;
    const auto same = std::find_if(list.begin(), list.end(), [&](const auto& p) {
      const auto& built_in = *p;
      return typeid(built_in) == typeid(made);
    });
    if (same != list.end())
      *same = c;
    else
      list.push_back(c);
  }
}

}  // namespace detail

/// The processors for `config`, whose unset fields are off. (GenerationMixin._get_logits_processor)
/// Throws value_error for settings outside their range.
inline LogitsProcessorList make_logits_processors(const GenerationConfig& config,
                                                  const LogitsProcessorContext& context) {
  LogitsProcessorList list;
  // One control block type for all of them, where make_shared would compile one for each.
  const auto own = [&](LogitsProcessor* processor) { list.push_back(std::shared_ptr<LogitsProcessor>(processor)); };
  const auto add = [&]<class P>(P&& processor) { own(new P(std::move(processor))); };
  const std::vector<i64> eos = config.eos_token_id.value_or(TokenIds()).ids;
  const isize group = context.rows_per_prompt;
  const auto prompts = [&] {
    PromptIds ids;
    for (isize b = 0; b < context.input_ids.rows; ++b)
      ids.emplace_back(context.input_ids.row(b), context.input_ids.row(b) + context.input_ids.cols);
    return ids;
  };

  if (!config.sequence_bias.empty()) {
    SequenceBiasLogitsProcessor::Biases biases;
    for (const auto& b : config.sequence_bias) biases[b.token_ids] = b.bias;
    add(SequenceBiasLogitsProcessor(std::move(biases)));
  }
  if (config.encoder_repetition_penalty.value_or(1) != 1)
    add(EncoderRepetitionPenaltyLogitsProcessor(*config.encoder_repetition_penalty, prompts(), group));
  if (config.repetition_penalty.value_or(1) != 1)
    add(RepetitionPenaltyLogitsProcessor(*config.repetition_penalty, context.padding));
  if (config.no_repeat_ngram_size.value_or(0) > 0) add(NoRepeatNGramLogitsProcessor(*config.no_repeat_ngram_size));
  if (config.encoder_no_repeat_ngram_size.value_or(0) > 0)
    add(EncoderNoRepeatNGramLogitsProcessor(*config.encoder_no_repeat_ngram_size, prompts(), group));
  if (!config.bad_words_ids.empty()) add(NoBadWordsLogitsProcessor(config.bad_words_ids, eos));
  if (config.min_length.value_or(0) > 0 && !eos.empty()) add(MinLengthLogitsProcessor(*config.min_length, eos));
  if (config.min_new_tokens.value_or(0) > 0 && !eos.empty())
    add(MinNewTokensLengthLogitsProcessor(context.prompt_length, *config.min_new_tokens, eos));
  if (context.prefix_allowed_tokens_fn) add(PrefixConstrainedLogitsProcessor(context.prefix_allowed_tokens_fn, group));
  if (config.forced_bos_token_id) add(ForcedBOSTokenLogitsProcessor(*config.forced_bos_token_id));
  if (config.forced_eos_token_id && !config.forced_eos_token_id->empty())
    add(ForcedEOSTokenLogitsProcessor(context.max_length, config.forced_eos_token_id->ids));
  if (config.remove_invalid_values.value_or(false)) add(InfNanRemoveLogitsProcessor());
  if (const auto& decay = config.exponential_decay_length_penalty; decay && !eos.empty())
    add(ExponentialDecayLengthPenalty(decay->start, decay->factor, eos, context.prompt_length));
  if (!config.suppress_tokens.empty()) add(SuppressTokensLogitsProcessor(config.suppress_tokens));
  if (!config.begin_suppress_tokens.empty())
    add(SuppressTokensAtBeginLogitsProcessor(
        config.begin_suppress_tokens,
        context.prompt_length + (context.prompt_length <= 1 && config.forced_bos_token_id ? 1 : 0)));
  detail::merge_custom(list, context.custom);

  if (config.do_sample.value_or(false)) {
    // Beams need one token that is no end, to go on with.
    const isize least = config.num_beams.value_or(1) > 1 ? std::max<isize>(2, isize(eos.size()) + 1) : 1;
    if (config.temperature.value_or(1) != 1) add(TemperatureLogitsWarper(*config.temperature));
    if (config.top_h) add(TopHLogitsWarper(*config.top_h));
    if (config.top_k.value_or(0) != 0) add(TopKLogitsWarper(*config.top_k, least));
    if (config.top_p.value_or(1) < 1) add(TopPLogitsWarper(*config.top_p, least));
    if (config.min_p) add(MinPLogitsWarper(*config.min_p, least));
    if (config.typical_p.value_or(1) < 1) add(TypicalLogitsWarper(*config.typical_p, least));
    if (config.epsilon_cutoff.value_or(0) > 0) add(EpsilonLogitsWarper(*config.epsilon_cutoff, least));
    if (config.eta_cutoff.value_or(0) > 0) add(EtaLogitsWarper(*config.eta_cutoff, least));
  }
  if (config.renormalize_logits.value_or(false)) add(LogitNormalization());
  return list;
}

}  // namespace hft
