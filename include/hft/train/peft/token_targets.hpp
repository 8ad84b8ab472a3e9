// Where the tokens lie that a LoraConfig's trainable_token_indices means, as peft decides
// (peft.utils.other.set_additional_trainable_modules).
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/linkage.hpp>
#include <hft/train/peft/adapted_model.hpp>
#include <hft/train/peft/lora_config.hpp>
#include <hft/train/peft/targets.hpp>

namespace hft::detail {

struct token_target {
  LoraLayer* layer;
  std::vector<i64> ids;
  LoraLayer* tied_to = nullptr;  // whose tokens these are, too
};

/// Throws value_error for names of no layer, ids outside the vocabulary and tokens of a module that is trained whole,
/// unsupported_error for layers that are neither embeddings nor a head, or that carry an adapter.
std::vector<token_target> token_targets(const adapted_model& model, const LoraConfig& config);

#if HFT_DEFINES(TRAIN)

HFT_INLINE std::vector<token_target> token_targets(const adapted_model& model, const LoraConfig& config) {
  if (config.trainable_token_indices.empty()) return {};
  constexpr const char* field = "trainable_token_indices";
  const auto layers = model.layers();
  std::map<std::string, token_target> found;
  for (const auto& [name, ids] : config.trainable_token_indices) {
    bool any = false;
    for (const auto& [path, layer] : layers) {
      const bool meant = name.empty() ? layer->is_embedding() && is_model_embedding(path) : path.ends_with(name);
      if (!meant) continue;
      any = true;
      if (!layer->is_embedding() && !is_model_embedding(path))
        throw unsupported_error("LoraConfig", field, "embeddings and heads", quote_text(path));
      if (saves_module(config.modules_to_save, path))
        throw value_error("LoraConfig", field, "no module that modules_to_save trains whole", quote_text(path));
      if (is_target(config, path))
        throw unsupported_error("LoraConfig", field, "no layer among target_modules, too", quote_text(path));
      const isize rows = layer->is_embedding() ? layer->in_features() : layer->out_features();
      for (const i64 id : ids)
        if (id < 0 || id >= rows)
          throw value_error("LoraConfig", field, joined("0 <= id < ", rows, " for ", path), joined(id));
      found[path] = {layer, ids};
    }
    if (!any) throw value_error("LoraConfig", field, "the end of some embedding's path", quote_text(name));
  }
  // What is tied to an embedding has its tokens, unless it is given others.
  for (const auto& [copy, original] : model.parts.tied_parameters()) {
    const auto module_of = [](const std::string& path) { return path.substr(0, path.rfind('.')); };
    const auto source = found.find(module_of(original)), own = found.find(module_of(copy));
    if (source == found.end()) continue;
    if (own != found.end() && own->second.ids != source->second.ids) {
      if (config.ensure_weight_tying)
        throw value_error("LoraConfig", field, "the same tokens for tied layers, as ensure_weight_tying demands",
                          "others for " + own->first);
      continue;
    }
    for (const auto& [path, layer] : layers)
      if (path == module_of(copy)) found[path] = {layer, source->second.ids, source->second.layer};
  }
  std::vector<token_target> out;
  for (const bool tied : {false, true})  // the originals first
    for (const auto& [path, layer] : layers)
      if (const auto at = found.find(path); at != found.end() && bool(at->second.tied_to) == tied)
        out.push_back(at->second);
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
