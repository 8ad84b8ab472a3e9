// SentenceTransformerConfig: what a sentence-transformers folder says of itself as a whole.
// sentence_transformers/base/model.py
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// config_sentence_transformers.json; fields have its names.
struct SentenceTransformerConfig {
  std::map<std::string, std::string> prompts{};      // by name, what stands before a text
  std::optional<std::string> default_prompt_name{};  // of texts that are given with no other
  std::string similarity_fn_name = "cosine";         // dot, euclidean, manhattan
  std::optional<isize> truncate_dim{};               // vectors' first features alone
  std::string activation_fn{};  // of a CrossEncoder's scores: a class of torch.nn; empty: by default

  /// Throws format_error for values of a wrong type, config_error for those that do not fit.
  /// Fields that it does not say are those of `config`.
  static SentenceTransformerConfig from_json(const json& object, const std::string& where,
                                             SentenceTransformerConfig config);
  /// That of a folder, which may have none.
  static SentenceTransformerConfig read(const std::filesystem::path& folder, SentenceTransformerConfig config);

  /// What stands before a call's texts: `prompt`, or else that of the name, or of the default one.
  /// Throws value_error for a name that is not one of prompts.
  std::string prompt_of(const std::optional<std::string>& prompt, const std::string& prompt_name,
                        const char* where) const;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE SentenceTransformerConfig SentenceTransformerConfig::from_json(const json& object, const std::string& where,
                                                                          SentenceTransformerConfig config) {
  if (const json* prompts = find_member(object, "prompts", where)) {
    if (!prompts->is_object()) throw format_error(where, "prompts", "an object", detail::describe(*prompts));
    for (const auto& [name, text] : prompts->items())
      if (!text.is_null()) config.prompts[name] = json_as<std::string>(text, where, name);
  }
  config.default_prompt_name = get_optional<std::string>(object, "default_prompt_name", where);
  config.similarity_fn_name = get<std::string>(object, "similarity_fn_name", config.similarity_fn_name, where);
  config.truncate_dim = get_optional<isize>(object, "truncate_dim", where);
  config.activation_fn = get<std::string>(object, "activation_fn", "", where);
  if (config.default_prompt_name && !config.prompts.contains(*config.default_prompt_name))
    throw config_error(where, "default_prompt_name", "the name of one of prompts",
                       detail::quote_text(*config.default_prompt_name));
  return config;
}

HFT_INLINE SentenceTransformerConfig SentenceTransformerConfig::read(const std::filesystem::path& folder,
                                                                     SentenceTransformerConfig config) {
  const auto file = folder / "config_sentence_transformers.json";
  return detail::is_there(file) ? from_json(read_json(file), file.string(), std::move(config)) : config;
}

HFT_INLINE std::string SentenceTransformerConfig::prompt_of(const std::optional<std::string>& prompt,
                                                            const std::string& prompt_name, const char* where) const {
  if (prompt) return *prompt;
  const auto name = prompt_name.empty() ? default_prompt_name.value_or("") : prompt_name;
  if (const auto found = prompts.find(name); found != prompts.end()) return found->second;
  if (prompt_name.empty()) return "";
  std::string known;
  for (const auto& [its_name, text] : prompts) known += (known.empty() ? "" : ", ") + its_name;
  throw value_error(where, "prompt_name",
                    known.empty() ? std::string("none, as the folder has no prompts") : "one of " + known,
                    detail::quote_text(name));
}

#endif  // HFT_DEFINES

}  // namespace hft
