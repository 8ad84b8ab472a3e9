// Which modules a LoraConfig means, by their paths, as peft decides (peft.tuners.tuners_utils).
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <hft/tokenizers/pre_tokenizers/regex.hpp>
#include <hft/train/peft/lora_config.hpp>

namespace hft {

namespace detail {

/// Whether `path` is `name` or ends with "." and it.
inline bool ends_with_module(std::string_view path, std::string_view name) {
  if (!path.ends_with(name)) return false;
  return path.size() == name.size() || path[path.size() - name.size() - 1] == '.';
}

/// Whether a regular expression matches a whole path. (Python's re.fullmatch)
inline bool matches_whole(std::string_view pattern, std::string_view path) {
  const auto matches = regex(cat("\\A(?:", pattern, ")\\z"), "LoraConfig").find(path);
  return matches.size() == 1 && matches[0].is_match;
}

/// Whether a pattern matches the end of a path, from a "." on or from its beginning.
inline bool matches_end(std::string_view pattern, std::string_view path) {
  const bool plain = std::all_of(pattern.begin(), pattern.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  return plain ? ends_with_module(path, pattern) : matches_whole(cat("(.*\\.)?(", pattern, ")"), path);
}

inline bool selects(const ModuleSelection& s, std::string_view path) {
  if (!s.pattern.empty()) return matches_whole(s.pattern, path);
  return std::any_of(s.names.begin(), s.names.end(), [&](const auto& name) { return ends_with_module(path, name); });
}

/// Whether a path is one of these modules or lies inside one.
inline bool lies_in(const std::vector<std::string>& modules, std::string_view path) {
  for (std::size_t end = 0; end != path.npos;) {
    end = path.find('.', end + 1);
    for (const std::string& m : modules)
      if (ends_with_module(path.substr(0, end), m)) return true;
  }
  return false;
}

/// The number of the layer that a path lies in: the first number that follows a component, or one of `names`. Negative
/// where there is none.
inline isize layer_index(std::string_view path, const std::vector<std::string>& names) {
  std::string_view before;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('.', at), path.size());
    const auto part = path.substr(at, end - at);
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == part.npos;
    // Without names peft wants two components before the number.
    const bool named =
        names.empty() ? before.find('.') != before.npos
                      : std::any_of(names.begin(), names.end(), [&](const auto& n) { return matches_end(n, before); });
    if (number && named && end < path.size()) {
      isize index = 0;
      for (const char c : part) index = 10 * index + (c - '0');
      return index;
    }
    before = path.substr(0, end);
    at = end + 1;
  }
  return -1;
}

/// Whether a module is trained whole. A name is the end of a path, whatever stands before it.
inline bool saves_module(const std::vector<std::string>& modules_to_save, std::string_view path) {
  return std::any_of(modules_to_save.begin(), modules_to_save.end(),
                     [&](const std::string& name) { return path.ends_with(name); });
}

/// The outermost module around a parameter that is trained whole; empty where there is none.
inline std::string_view saved_module(const std::vector<std::string>& modules_to_save, std::string_view path) {
  for (auto end = path.find('.'); end != path.npos; end = path.find('.', end + 1))
    if (saves_module(modules_to_save, path.substr(0, end))) return path.substr(0, end);
  return {};
}

/// The output embeddings, which "all-linear" leaves out, or of a sequence classifier its head.
inline bool is_head(std::string_view path, bool sequence_classifier) {
  if (path == "lm_head" || path == "cls.predictions.decoder") return true;
  return sequence_classifier && (path == "score" || path == "classifier");
}

/// Whether a path is that of a model's input or output embeddings.
inline bool is_model_embedding(std::string_view path) {
  for (const char* name : {"embed_tokens", "lm_head", "wte", "word_embeddings", "cls.predictions.decoder"})
    if (ends_with_module(path, name)) return true;
  return false;
}

/// Whether the targets mean an embedding by the names that peft knows, given the paths of a model's modules.
inline bool means_embedding(const LoraConfig& config, const std::vector<std::string>& modules) {
  for (const char* name : {"embed_tokens", "lm_head"}) {
    const auto& named = config.target_modules.names;
    if (std::find(named.begin(), named.end(), name) != named.end()) return true;
    if (config.target_modules.pattern.empty()) continue;
    for (const std::string& path : modules)
      if (ends_with_module(path, name) && matches_whole(config.target_modules.pattern, path)) return true;
  }
  return false;
}

}  // namespace detail

/// Whether an adapter is put on the linear layer at `path`. (peft check_target_module_exists)
inline bool is_target(const LoraConfig& config, std::string_view path) {
  if (detail::selects(config.exclude_modules, path)) return false;
  if (detail::lies_in(config.modules_to_save, path)) return false;
  if (config.target_modules.all_linear()) return !detail::is_head(path, config.task_type == "SEQ_CLS");
  if (!detail::selects(config.target_modules, path)) return false;
  const auto& names = config.target_modules.names;
  if (std::find(names.begin(), names.end(), path) != names.end()) return true;  // a whole path, whatever its layer
  if (config.layers_to_transform.empty() || !config.target_modules.pattern.empty()) return true;
  const auto& layers = config.layers_to_transform;
  return std::find(layers.begin(), layers.end(), detail::layer_index(path, config.layers_pattern)) != layers.end();
}

/// Whether a parameter of the base is trained beside the adapter, as part of a module or as a bias.
inline bool trains_whole(const LoraConfig& config, std::string_view path) {
  if (!detail::saved_module(config.modules_to_save, path).empty()) return true;
  if (config.bias == "none" || !path.ends_with(".bias")) return false;
  return config.bias == "all" || is_target(config, path.substr(0, path.rfind('.')));
}

/// The value of the first pattern that matches the end of a path.
template <class T>
T pattern_value(const std::vector<std::pair<std::string, T>>& patterns, std::string_view path, T fallback) {
  for (const auto& [pattern, value] : patterns)
    if (detail::matches_end(pattern, path)) return value;
  return fallback;
}

/// What to warn of: the keys of rank_pattern and alpha_pattern that match none of these targets.
inline std::vector<std::string> unmatched_patterns(const LoraConfig& config, const std::vector<std::string>& targets) {
  std::vector<std::string> warnings;
  const auto check = [&](const char* field, const auto& patterns) {
    std::string unmatched;
    for (const auto& [pattern, value] : patterns)
      if (std::none_of(targets.begin(), targets.end(),
                       [&, &key = pattern](const std::string& path) { return detail::matches_end(key, path); }))
        unmatched += (unmatched.empty() ? "" : ", ") + pattern;
    if (!unmatched.empty())
      warnings.push_back(
          detail::cat("[LoraConfig] ", field, ": no target is meant by, and nothing is done with, ", unmatched));
  };
  check("rank_pattern", config.rank_pattern);
  check("alpha_pattern", config.alpha_pattern);
  return warnings;
}

/// The customary targets of an architecture, by its model_type; empty where there are none.
/// (peft TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING)
inline std::vector<std::string> default_target_modules(std::string_view model_type) {
  struct entry {
    std::string_view model_types;  // between spaces
    std::vector<std::string> targets;
  };
  const entry table[] = {
      {" bart opt gpt_neo llama llama4 mistral mixtral stablelm gemma gemma2 gemma3_text qwen2 qwen3 gptj ",
       {"q_proj", "v_proj"}},
      {" bert roberta xlm-roberta electra layoutlm ", {"query", "value"}},
      {" t5 mt5 ", {"q", "v"}},
      {" gpt2 gpt_bigcode ", {"c_attn"}},
      {" bloom gpt_neox chatglm RefinedWebModel RefinedWeb falcon ", {"query_key_value"}},
      {" deberta-v2 ", {"query_proj", "value_proj"}},
      {" deberta ", {"in_proj"}},
      {" mpt ", {"Wqkv"}},
      {" codegen ", {"qkv_proj"}},
      {" phi ", {"q_proj", "v_proj", "fc1", "fc2"}},
      {" nemotron_h ", {"q_proj", "k_proj", "v_proj", "o_proj"}}};
  for (const entry& e : table)
    if (e.model_types.find(detail::cat(" ", model_type, " ")) != e.model_types.npos) return e.targets;
  return {};
}

}  // namespace hft
