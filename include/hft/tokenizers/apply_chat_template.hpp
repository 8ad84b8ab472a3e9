// apply_chat_template: messages to the text that a chat model was trained on.
// (transformers.PreTrainedTokenizerBase.apply_chat_template)
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/tokenizers/chat_template.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

struct ChatTemplateOptions {
  bool add_generation_prompt = false;
  std::string name = "default";  // of the template, where the tokenizer has several
  json tools = nullptr;          // a list of JSON schemas
  json documents = nullptr;
  json variables = json::object();  // every further variable of the template
};

/// The variables that a template sees: the tokenizer's special tokens, the messages, the options, and what `variables`
/// adds.
json chat_template_variables(const PreTrainedTokenizerFast& tokenizer, json messages,
                             const ChatTemplateOptions& options);

/// The text of a conversation: `messages` is a list of {"role": ..., "content": ...}. Encode it without adding special
/// tokens; the template writes them. Throws value_error for a tokenizer without that template, template_error where it
/// fails.
std::string apply_chat_template(const PreTrainedTokenizerFast& tokenizer, const json& messages,
                                const ChatTemplateOptions& options = {});

#if HFT_DEFINES(TEXT)

HFT_INLINE json chat_template_variables(const PreTrainedTokenizerFast& tokenizer, json messages,
                                        const ChatTemplateOptions& options) {
  json v = json::object();
  for (const auto& [name, token] : tokenizer.special_tokens_map()) v[name] = token;  // the model's own, too
  v["messages"] = std::move(messages);
  v["tools"] = options.tools;
  v["documents"] = options.documents;
  v["add_generation_prompt"] = options.add_generation_prompt;
  for (const auto& [key, value] : options.variables.items()) v[key] = value;
  return v;
}

HFT_INLINE std::string apply_chat_template(const PreTrainedTokenizerFast& tokenizer, const json& messages,
                                           const ChatTemplateOptions& options) {
  const auto source = tokenizer.chat_template(options.name);
  if (!source)
    throw value_error("apply_chat_template", "",
                      "a tokenizer with the chat template " + detail::quote_text(options.name), "none");
  return chat_template(*source).render(chat_template_variables(tokenizer, messages, options));
}

#endif  // HFT_DEFINES

}  // namespace hft
