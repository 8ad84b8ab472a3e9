// apply_chat_template: messages to the text that a chat model was trained on.
// (transformers.PreTrainedTokenizerBase.apply_chat_template)
#pragma once
#include <optional>
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
  /// The name of one of the tokenizer's templates, or a Jinja template; none: see get_chat_template.
  std::optional<std::string> chat_template = {};
  json tools = nullptr;             // a list of JSON schemas
  json documents = nullptr;         // a list of objects with 'title' and 'text'
  json variables = json::object();  // every further variable of the template
};

/// The variables that a template always sees: the messages, tools and documents (none where there are none),
/// add_generation_prompt, and what `variables` adds. A message's reasoning has its names of old and new. Throws
/// value_error for messages, tools and documents that are no lists of objects.
json chat_template_variables(json messages, const ChatTemplateOptions& options);

/// The same with the tokenizer's special tokens. What is null in a message counts as not there.
json chat_template_variables(const PreTrainedTokenizerFast& tokenizer, json messages,
                             const ChatTemplateOptions& options);

/// The text of a conversation: `messages` is a list of {"role": ..., "content": ...}. Encode it without adding special
/// tokens; the template writes them. Throws value_error for a tokenizer without a template, template_error where it
/// fails.
std::string apply_chat_template(const PreTrainedTokenizerFast& tokenizer, const json& messages,
                                const ChatTemplateOptions& options = {});

#if HFT_DEFINES(TEMPLATES)

namespace detail {

HFT_INLINE void check_objects(const json& list, const char* what, const char* expected) {
  const auto fail = [&](const json& got) { throw value_error("apply_chat_template", what, expected, describe(got)); };
  if (!list.is_array()) fail(list);
  for (const json& item : list)
    if (!item.is_object()) fail(item);
}

/// Models read a message's reasoning as `reasoning_content`, some as `thinking`; APIs call it `reasoning`, too.
HFT_INLINE json with_reasoning_names(const json& message) {
  const json* reasoning = nullptr;
  for (const char* name : {"reasoning", "thinking", "reasoning_content"})
    if (message.contains(name) && !message.at(name).is_null()) reasoning = &message.at(name);
  if (!reasoning) return message;
  json out = json::object();
  out["thinking"] = *reasoning;
  for (const auto& [key, item] : message.items()) out[key] = item;
  out["reasoning_content"] = *reasoning;
  return out;
}

}  // namespace detail

HFT_INLINE json chat_template_variables(json messages, const ChatTemplateOptions& options) {
  detail::check_objects(messages, "messages", "a list of objects with 'role' and 'content'");
  if (!options.tools.is_null()) detail::check_objects(options.tools, "tools", "a list of JSON schemas");
  if (!options.documents.is_null())
    detail::check_objects(options.documents, "documents", "a list of objects with 'title' and 'text'");
  for (json& message : messages) message = detail::with_reasoning_names(message);
  json v = json::object();
  v["messages"] = std::move(messages);
  v["tools"] = options.tools;
  v["documents"] = options.documents;
  v["add_generation_prompt"] = options.add_generation_prompt;
  for (const auto& [key, value] : options.variables.items()) v[key] = value;
  return v;
}

HFT_INLINE json chat_template_variables(const PreTrainedTokenizerFast& tokenizer, json messages,
                                        const ChatTemplateOptions& options) {
  if (messages.is_array())
    for (json& message : messages) {
      if (!message.is_object()) continue;  // the check below says so
      json present = json::object();
      for (const auto& [key, item] : message.items())
        if (!item.is_null()) present[key] = item;
      message = std::move(present);
    }
  json v = chat_template_variables(std::move(messages), options);
  for (const auto& [name, token] : tokenizer.special_tokens_map())
    if (!v.contains(name)) v[name] = token;
  return v;
}

HFT_INLINE std::string apply_chat_template(const PreTrainedTokenizerFast& tokenizer, const json& messages,
                                           const ChatTemplateOptions& options) {
  const std::string source = tokenizer.get_chat_template(options.chat_template, !options.tools.is_null());
  if (messages.is_array() && messages.empty())
    throw value_error("apply_chat_template", "messages", "at least one", "none");
  return chat_template(source).render(chat_template_variables(tokenizer, messages, options));
}

#endif  // HFT_DEFINES

}  // namespace hft
