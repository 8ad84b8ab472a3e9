// guided: structured output from a JSON schema, a regular expression or a grammar, in one call.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <hft/generation/logits_process/grammar.hpp>
#include <hft/grammar/gbnf.hpp>
#include <hft/grammar/json_schema.hpp>
#include <hft/grammar/regex.hpp>
#include <hft/linkage.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// One of the three texts.
struct GuidedOptions {
  std::string json_schema{};  // grammar_from_json_schema
  std::string regex{};        // grammar_from_regex
  std::string grammar{};      // grammar_from_gbnf
  JsonWhitespace json_whitespace = JsonWhitespace::one_space;
  /// The ends of sequence, as the model's generation_config has them. Default: the tokenizer's.
  std::vector<i64> eos_token_ids{};
  /// What errors call the text, as a file's name. Default: schema, regex or grammar.
  std::string where{};
};

/// A processor that holds new text to the schema, expression or grammar:
///   generate(model, tok, prompt, config, {.logits_processor = {guided(tok, {.json_schema = schema})}})
/// Throws what its reader throws; value_error for none or several texts, where nothing satisfies it or the vocabulary
/// cannot write what does, and without an end of sequence.
std::shared_ptr<GrammarLogitsProcessor> guided(const PreTrainedTokenizerFast& tokenizer, const GuidedOptions& options);
/// The same for a tokenizer without named special tokens; options have eos_token_ids.
std::shared_ptr<GrammarLogitsProcessor> guided(const Tokenizer& tokenizer, const GuidedOptions& options);

#if HFT_DEFINES(TEXT)

HFT_INLINE std::shared_ptr<GrammarLogitsProcessor> guided(const Tokenizer& tokenizer, const GuidedOptions& options) {
  const int texts = !options.json_schema.empty() + !options.regex.empty() + !options.grammar.empty();
  if (texts != 1)
    throw value_error("guided", "options", "one of json_schema, regex and grammar", detail::joined(texts));
  if (options.eos_token_ids.empty()) throw value_error("guided", "eos_token_ids", "an end of sequence", "none");
  const auto named = [&](const char* name) { return options.where.empty() ? std::string(name) : options.where; };
  const Grammar grammar = !options.json_schema.empty()
                              ? grammar_from_json_schema(options.json_schema, options.json_whitespace, named("schema"))
                          : !options.regex.empty() ? grammar_from_regex(options.regex, named("regex"))
                                                   : grammar_from_gbnf(options.grammar, named("grammar"));
  return std::make_shared<GrammarLogitsProcessor>(std::make_shared<CompiledGrammar>(grammar, token_texts(tokenizer)),
                                                  options.eos_token_ids);
}

HFT_INLINE std::shared_ptr<GrammarLogitsProcessor> guided(const PreTrainedTokenizerFast& tokenizer,
                                                          const GuidedOptions& options) {
  if (!options.eos_token_ids.empty() || !tokenizer.eos_token_id()) return guided(tokenizer.tokenizer(), options);
  GuidedOptions with_end = options;
  with_end.eos_token_ids = {*tokenizer.eos_token_id()};
  return guided(tokenizer.tokenizer(), with_end);
}

#endif  // HFT_DEFINES

}  // namespace hft
