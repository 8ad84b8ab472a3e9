// The logits processors, and which of them a GenerationConfig asks for, in Transformers' order.
#pragma once
#include <typeinfo>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/generation/logits_process/rare.hpp>
#include <hft/generation/logits_process/repetition.hpp>
#include <hft/generation/logits_process/tokens.hpp>
#include <hft/generation/logits_process/warpers.hpp>
#include <hft/linkage.hpp>
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

template <class T>
bool same_class(const T& a, const T& b) {
  return typeid(a) == typeid(b);
}

/// A processor of the user's takes the place of a built-in one of its class; others follow.
/// (GenerationMixin._merge_criteria_processor_list)
void merge_custom(LogitsProcessorList& list, const LogitsProcessorList& custom);

}  // namespace detail

/// The processors for `config`, whose unset fields are off. (GenerationMixin._get_logits_processor)
/// Throws value_error for settings outside their range.
LogitsProcessorList make_logits_processors(const GenerationConfig& config, const LogitsProcessorContext& context);

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE LogitsProcessorList make_logits_processors(const GenerationConfig& config,
                                                           const LogitsProcessorContext& context) {
  LogitsProcessorList list;
  // Not std::make_shared, which would compile a control block for each class.
  const auto add = [&](LogitsProcessor* made) { list.push_back(std::shared_ptr<LogitsProcessor>(made)); };
  const std::vector<i64> no_ids, &eos = config.eos_token_id ? config.eos_token_id->ids : no_ids;
  const isize group = context.rows_per_prompt;
  const auto prompts = [&] {
    PromptIds ids(std::size_t(context.input_ids.rows));
    for (isize b = 0; b < context.input_ids.rows; ++b)
      ids[std::size_t(b)] = {context.input_ids.row(b), context.input_ids.row(b) + context.input_ids.cols};
    return ids;
  };

  if (!config.sequence_bias.empty()) add(new SequenceBiasLogitsProcessor(config.sequence_bias));
  if (config.encoder_repetition_penalty.value_or(1) != 1)
    add(new EncoderRepetitionPenaltyLogitsProcessor(*config.encoder_repetition_penalty, prompts(), group));
  if (config.repetition_penalty.value_or(1) != 1)
    add(new RepetitionPenaltyLogitsProcessor(*config.repetition_penalty, context.padding));
  if (config.no_repeat_ngram_size.value_or(0) > 0) add(new NoRepeatNGramLogitsProcessor(*config.no_repeat_ngram_size));
  if (config.encoder_no_repeat_ngram_size.value_or(0) > 0)
    add(new EncoderNoRepeatNGramLogitsProcessor(*config.encoder_no_repeat_ngram_size, prompts(), group));
  if (!config.bad_words_ids.empty()) add(new NoBadWordsLogitsProcessor(config.bad_words_ids, eos));
  if (config.min_length.value_or(0) > 0 && !eos.empty()) add(new MinLengthLogitsProcessor(*config.min_length, eos));
  if (config.min_new_tokens.value_or(0) > 0 && !eos.empty())
    add(new MinNewTokensLengthLogitsProcessor(context.prompt_length, *config.min_new_tokens, eos));
  if (context.prefix_allowed_tokens_fn)
    add(new PrefixConstrainedLogitsProcessor(context.prefix_allowed_tokens_fn, group));
  if (config.forced_bos_token_id) add(new ForcedBOSTokenLogitsProcessor(*config.forced_bos_token_id));
  if (config.forced_eos_token_id && !config.forced_eos_token_id->empty())
    add(new ForcedEOSTokenLogitsProcessor(context.max_length, config.forced_eos_token_id->ids));
  if (config.remove_invalid_values.value_or(false)) add(new InfNanRemoveLogitsProcessor());
  if (const auto& decay = config.exponential_decay_length_penalty; decay && !eos.empty())
    add(new ExponentialDecayLengthPenalty(decay->start, decay->factor, eos, context.prompt_length));
  if (!config.suppress_tokens.empty()) add(new SuppressTokensLogitsProcessor(config.suppress_tokens));
  if (!config.begin_suppress_tokens.empty())
    add(new SuppressTokensAtBeginLogitsProcessor(
        config.begin_suppress_tokens,
        context.prompt_length + (context.prompt_length <= 1 && config.forced_bos_token_id ? 1 : 0)));
  for (const auto& p : context.custom) p->begin(context.prompt_length);
  detail::merge_custom(list, context.custom);

  if (config.do_sample.value_or(false)) {
    // Beams need one token that is no end, to go on with.
    const isize least = config.num_beams.value_or(1) > 1 ? std::max<isize>(2, isize(eos.size()) + 1) : 1;
    if (config.temperature.value_or(1) != 1) add(new TemperatureLogitsWarper(*config.temperature));
    if (config.top_h) add(new TopHLogitsWarper(*config.top_h));
    if (config.top_k.value_or(0) != 0) add(new TopKLogitsWarper(*config.top_k, least));
    if (config.top_p.value_or(1) < 1) add(new TopPLogitsWarper(*config.top_p, least));
    if (config.min_p) add(new MinPLogitsWarper(*config.min_p, least));
    if (config.typical_p.value_or(1) < 1) add(new TypicalLogitsWarper(*config.typical_p, least));
    const auto cuts = [](const std::optional<f64>& cutoff) { return cutoff && *cutoff > 0 && *cutoff < 1; };
    if (cuts(config.epsilon_cutoff)) add(new EpsilonLogitsWarper(*config.epsilon_cutoff, least));
    if (cuts(config.eta_cutoff)) add(new EtaLogitsWarper(*config.eta_cutoff, least));
  }
  if (!config.watermarking_config.is_null()) add(detail::make_watermark(config.watermarking_config));
  if (config.renormalize_logits.value_or(false)) add(new LogitNormalization());
  return list;
}

namespace detail {

HFT_INLINE_ONCE void merge_custom(LogitsProcessorList& list, const LogitsProcessorList& custom) {
  for (auto& p : list)
    for (const auto& c : custom)
      if (same_class(*p, *c)) {
        p = c;
        break;
      }
  for (const auto& c : custom) {
    bool placed = false;
    for (const auto& p : list) placed = placed || p == c;
    if (!placed) list.push_back(LogitsProcessorList::value_type(c));
  }
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
