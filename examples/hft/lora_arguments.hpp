// The adapter of `hft train`: flags for the fields of peft's LoraConfig, or a folder to go on from.
#pragma once
#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <vector>

#include <hft/train/argument_parser.hpp>
#include <hft/train/peft/lora_config.hpp>

#include "train_models.hpp"

namespace tool {

/// LoraConfig's fields; any of them asks for a new adapter, `adapter` for one that is trained further.
struct lora_arguments {
  std::string adapter;
  std::optional<hft::isize> lora_r;
  std::optional<double> lora_alpha, lora_dropout;
  std::vector<std::string> lora_target_modules, lora_exclude_modules, lora_modules_to_save, lora_layers_pattern;
  std::vector<hft::isize> lora_layers_to_transform;
  hft::json lora_rank_pattern = {}, lora_alpha_pattern = {};  // objects: {"q_proj": 16}
  std::optional<std::string> lora_bias, lora_task_type, init_lora_weights;
  bool use_rslora = false, use_dora = false, use_peft = false;

  template <class Self, class F>
  static void fields(Self& a, F& field) {
    field("adapter", a.adapter);
    fields_of_config(a, field);
  }
  bool given() const { return !adapter.empty() || describes_a_new_one(); }
  /// Throws value_error where flags contradict each other, and what LoraConfig::from_json throws.
  void check() const {
    if (!adapter.empty() && describes_a_new_one())
      throw hft::value_error("hft train", "--adapter", "no fields of LoraConfig beside it: the adapter has its own",
                             "some");
    if (describes_a_new_one()) config("").check("hft train");
  }
  adapter_start start(const std::string& base) const {
    if (!adapter.empty()) return {adapter, hft::LoraConfig::from_pretrained(adapter)};
    return {"", config(base)};
  }

 private:
  template <class Self, class F>
  static void fields_of_config(Self& a, F& field) {
    field("lora_r", a.lora_r);
    field("lora_alpha", a.lora_alpha);
    field("lora_dropout", a.lora_dropout);
    field("lora_target_modules", a.lora_target_modules);
    field("lora_exclude_modules", a.lora_exclude_modules);
    field("lora_modules_to_save", a.lora_modules_to_save);
    field("lora_layers_to_transform", a.lora_layers_to_transform);
    field("lora_layers_pattern", a.lora_layers_pattern);
    field("lora_rank_pattern", a.lora_rank_pattern);
    field("lora_alpha_pattern", a.lora_alpha_pattern);
    field("lora_bias", a.lora_bias);
    field("lora_task_type", a.lora_task_type);
    field("init_lora_weights", a.init_lora_weights);
    field("use_rslora", a.use_rslora);
    field("use_dora", a.use_dora);
    field("use_peft", a.use_peft);
  }
  static bool is_name(const std::string& text) {
    return std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.'; });
  }
  bool describes_a_new_one() const {
    return use_peft || use_rslora || use_dora || lora_r || lora_alpha || lora_dropout || lora_bias || lora_task_type ||
           init_lora_weights || !lora_target_modules.empty() || !lora_exclude_modules.empty() ||
           !lora_modules_to_save.empty() || !lora_layers_to_transform.empty() || !lora_layers_pattern.empty() ||
           !lora_rank_pattern.is_null() || !lora_alpha_pattern.is_null();
  }
  hft::LoraConfig config(const std::string& base) const {
    using namespace hft;
    LoraConfig c;
    c.r = lora_r.value_or(c.r);
    c.lora_alpha = lora_alpha.value_or(c.lora_alpha);
    c.lora_dropout = lora_dropout.value_or(c.lora_dropout);
    c.bias = lora_bias.value_or(c.bias);
    c.use_rslora = use_rslora;
    c.use_dora = use_dora;
    if (init_lora_weights) {
      const bool word = *init_lora_weights == "true" || *init_lora_weights == "false";
      c.init_lora_weights = detail::read_init(word ? json(*init_lora_weights == "true") : json(*init_lora_weights),
                                              "--init_lora_weights");
    }
    c.exclude_modules = lora_exclude_modules;
    c.layers_to_transform = lora_layers_to_transform;
    c.layers_pattern = lora_layers_pattern;
    json patterns = json::object();
    patterns["--lora_rank_pattern"] = lora_rank_pattern;
    patterns["--lora_alpha_pattern"] = lora_alpha_pattern;
    c.rank_pattern = detail::read_pattern<isize>(patterns, "--lora_rank_pattern", "hft train");
    c.alpha_pattern = detail::read_pattern<f64>(patterns, "--lora_alpha_pattern", "hft train");
    c.task_type = lora_task_type;
    // One value is all-linear or a regular expression, as peft takes a string, unless it is a name; several are names.
    if (lora_target_modules.size() == 1 && !is_name(lora_target_modules[0]))
      c.target_modules = ModuleSelection(lora_target_modules[0]);
    else if (!lora_target_modules.empty())
      c.target_modules = ModuleSelection(lora_target_modules);
    c.modules_to_save = lora_modules_to_save;
    c.base_model_name_or_path = base;
    return c;
  }
};

}  // namespace tool
