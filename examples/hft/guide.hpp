// What a text is held to, as hft generate and hft run are told it.
#pragma once
#include <hft/generation/logits_process/guided.hpp>
#include <hft/generation/logits_process/processor.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/models/generation_config.hpp>

#include "tool.hpp"

namespace tool {

inline bool guides(const guide_options& o) { return !o.schema.empty() || !o.regex.empty() || !o.grammar.empty(); }

/// The processor of what is given; the text ends with the ends that settings name, or the tokenizer's.
inline hft::LogitsProcessorList guide(const guide_options& o, const hft::PreTrainedTokenizerFast& tokenizer,
                                      const hft::GenerationConfig& settings, const hft::GenerationConfig& model) {
  hft::GuidedOptions options;
  if (!o.schema.empty()) options.json_schema = hft::read_text(o.schema), options.where = o.schema;
  if (!o.grammar.empty()) options.grammar = hft::read_text(o.grammar), options.where = o.grammar;
  options.regex = o.regex;
  const auto& ends = settings.eos_token_id ? settings.eos_token_id : model.eos_token_id;
  if (ends) options.eos_token_ids = ends->ids;
  return {hft::guided(tokenizer, options)};
}

}  // namespace tool
