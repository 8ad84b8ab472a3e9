// LoraConfig: adapter_config.json, as the peft package reads and writes it.
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// Which modules: a list of names, each matching a path that is it or ends with "." and it; or a pattern, a regular
/// expression that matches a whole path, or "all-linear": every linear layer but the head.
struct ModuleSelection {
  ModuleSelection() = default;
  ModuleSelection(std::initializer_list<std::string> list) : names(list) {}   // NOLINT
  ModuleSelection(std::vector<std::string> list) : names(std::move(list)) {}  // NOLINT
  ModuleSelection(std::string text) : pattern(std::move(text)) {}             // NOLINT
  ModuleSelection(const char* text) : pattern(text) {}                        // NOLINT
  bool empty() const { return names.empty() && pattern.empty(); }
  /// In any case of letters, as in peft.
  bool all_linear() const {
    constexpr std::string_view text = "all-linear";
    return std::equal(pattern.begin(), pattern.end(), text.begin(), text.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? char(a - 'A' + 'a') : a) == b; });
  }
  bool operator==(const ModuleSelection&) const = default;

  std::vector<std::string> names;
  std::string pattern;
};

/// How the factors of a new adapter begin. B is zero but for `random`, or what the factors make is taken from the
/// base's weight, so that the model begins unchanged. An embedding has normal numbers in B, and zeros in A.
enum class LoraInit {
  kaiming_uniform,  // A uniform in +-1 / sqrt(in): peft's true
  gaussian,         // A normal with deviation 1 / r
  random,           // A and B uniform: peft's false
  pissa,            // the r largest singular values of the base's weight, which they are taken from (arXiv 2404.02948)
  olora,            // the first r columns of its QR decomposition, taken from it, too (arXiv 2406.01775)
  orthogonal,       // only read: trained adapters that began so
  eva               // only read
};

namespace detail {
// As peft's strings; empty for true and false.
inline std::string_view init_name(LoraInit init) {
  switch (init) {
    case LoraInit::gaussian:
      return "gaussian";
    case LoraInit::pissa:
      return "pissa";
    case LoraInit::olora:
      return "olora";
    case LoraInit::orthogonal:
      return "orthogonal";
    case LoraInit::eva:
      return "eva";
    default:
      return "";
  }
}
}  // namespace detail

/// peft.LoraConfig; fields have its names and defaults.
struct LoraConfig {
  isize r = 8;
  f64 lora_alpha = 8;
  f64 lora_dropout = 0;
  ModuleSelection target_modules = {};  // empty: those that are customary for the architecture
  ModuleSelection exclude_modules = {};
  std::string bias = "none";  // which biases are trained: none, all, lora_only
  bool use_rslora = false;    // scaling lora_alpha / sqrt(r) instead of lora_alpha / r (arXiv 2312.03732)
  bool use_dora = false;      // rescales to a trained magnitude (arXiv 2402.09353)
  bool lora_bias = false;     // B has a bias
  bool fan_in_fan_out = false;
  std::vector<std::string> modules_to_save = {};  // modules that are trained whole, and saved with the adapter
  LoraInit init_lora_weights = LoraInit::kaiming_uniform;
  /// Tokens whose rows alone are trained, of an embedding or a head by the end of its path; empty: of the embeddings,
  /// and of what is tied to them. (peft's list, or its dictionary)
  std::vector<std::pair<std::string, std::vector<i64>>> trainable_token_indices = {};
  bool ensure_weight_tying = false;              // what is tied in the base stays so where it is trained
  std::vector<isize> layers_to_transform = {};   // empty: all
  std::vector<std::string> layers_pattern = {};  // what the list of layers is called; empty: the first numbered one
  std::vector<std::pair<std::string, isize>> rank_pattern = {};  // r of the paths that end with a pattern
  std::vector<std::pair<std::string, f64>> alpha_pattern = {};
  std::optional<std::string> task_type = {};  // CAUSAL_LM, SEQ_CLS, TOKEN_CLS, ...
  std::optional<std::string> base_model_name_or_path = {};
  std::optional<std::string> revision = {};
  bool inference_mode = false;
  json auto_mapping = {};  // what peft notes of a model without a task_type

  /// lora_alpha over r, or over its root.
  f64 scaling(isize rank, f64 alpha) const { return use_rslora ? alpha / std::sqrt(f64(rank)) : alpha / f64(rank); }

  /// Throws config_error for values out of range.
  void check(std::string_view where = "LoraConfig") const {
    const auto demand = [&](bool good, const char* field, const char* expected, std::string got) {
      if (!good) throw config_error(where, field, expected, got);
    };
    demand(r >= 1, "r", "at least 1", detail::cat(r));
    demand(lora_dropout >= 0 && lora_dropout < 1, "lora_dropout", "0 <= p < 1", detail::cat(lora_dropout));
    demand(bias == "none" || bias == "all" || bias == "lora_only", "bias", "none, all or lora_only", bias);
    demand(!lora_bias || !use_dora, "lora_bias", "use_dora false with it", "true");
    demand(!lora_bias || init_lora_weights == LoraInit::kaiming_uniform || init_lora_weights == LoraInit::random,
           "lora_bias", "init_lora_weights true or false with it", std::string(detail::init_name(init_lora_weights)));
    for (const auto& [pattern, rank] : rank_pattern) demand(rank >= 1, "rank_pattern", "at least 1", detail::cat(rank));
    const bool text = !target_modules.pattern.empty();
    demand(!text || layers_to_transform.empty(), "layers_to_transform", "target_modules as a list of names with it",
           target_modules.pattern);
    demand(!text || layers_pattern.empty(), "layers_pattern", "target_modules as a list of names with it",
           target_modules.pattern);
    demand(layers_pattern.empty() || !layers_to_transform.empty(), "layers_pattern", "layers_to_transform with it",
           "none");
  }
  /// Throws unsupported_error for what hft reads but cannot begin.
  void check_new(std::string_view where = "LoraConfig") const {
    if (init_lora_weights == LoraInit::orthogonal || init_lora_weights == LoraInit::eva)
      throw unsupported_error(where, "init_lora_weights", "true, false, gaussian, pissa or olora for a new adapter",
                              std::string(detail::init_name(init_lora_weights)));
  }

  static LoraConfig from_json(const json& object, std::string_view where);
  json to_json() const;

  /// Reads adapter_config.json of a folder. Throws file_error, format_error, config_error, or unsupported_error for
  /// what hft cannot compute.
  static LoraConfig from_pretrained(const std::filesystem::path& folder) {
    const auto file = folder / "adapter_config.json";
    return from_json(read_json(file), file.string());
  }
  /// Writes adapter_config.json into a folder that exists.
  void save_pretrained(const std::filesystem::path& folder) const;
};

namespace detail {

inline ModuleSelection read_modules(const json& object, std::string_view key, std::string_view where) {
  const json* value = find_member(object, key, where);
  if (!value) return {};
  if (value->is_string()) return ModuleSelection(value->get<std::string>());
  return ModuleSelection(json_as<std::vector<std::string>>(*value, where, key));
}
inline json write_modules(const ModuleSelection& m) {
  if (m.empty()) return {};
  return m.pattern.empty() ? json(m.names) : json(m.pattern);
}

// One value or a list of them.
template <class T>
std::vector<T> read_list(const json& object, std::string_view key, std::string_view where) {
  const json* value = find_member(object, key, where);
  if (!value) return {};
  if (!value->is_array()) return {json_as<T>(*value, where, key)};
  return json_as<std::vector<T>>(*value, where, key);
}

template <class T>
std::vector<std::pair<std::string, T>> read_pattern(const json& object, std::string_view key, std::string_view where) {
  std::vector<std::pair<std::string, T>> out;
  if (const json* value = find_member(object, key, where)) {
    if (!value->is_object()) json_mismatch(*value, where, key, "an object");
    for (const auto& [pattern, number] : value->get_ref<const json::object_t&>())
      out.emplace_back(pattern, json_as<T>(number, where, cat(key, ".", pattern)));
  }
  return out;
}
// A list of ids, or an object of such lists.
inline std::vector<std::pair<std::string, std::vector<i64>>> read_tokens(const json& object, std::string_view key,
                                                                         std::string_view where) {
  const json* value = find_member(object, key, where);
  if (!value || value->empty()) return {};
  if (!value->is_object()) return {{"", json_as<std::vector<i64>>(*value, where, key)}};
  std::vector<std::pair<std::string, std::vector<i64>>> out;
  for (const auto& [module, ids] : value->get_ref<const json::object_t&>())
    out.emplace_back(module, json_as<std::vector<i64>>(ids, where, cat(key, ".", module)));
  return out;
}
inline json write_tokens(const std::vector<std::pair<std::string, std::vector<i64>>>& tokens) {
  if (tokens.empty()) return {};
  if (tokens.size() == 1 && tokens[0].first.empty()) return json(tokens[0].second);
  json out = json::object();
  for (const auto& [module, ids] : tokens) out[module] = ids;
  return out;
}
inline json whole_if_whole(f64 x) { return x == std::floor(x) && std::abs(x) < 1e15 ? json(i64(x)) : json(x); }

inline LoraInit read_init(const json& value, std::string_view where) {
  if (value.is_boolean()) return value.get<bool>() ? LoraInit::kaiming_uniform : LoraInit::random;
  if (value.is_string())
    for (const LoraInit init :
         {LoraInit::gaussian, LoraInit::pissa, LoraInit::olora, LoraInit::orthogonal, LoraInit::eva})
      if (value.get<std::string>() == init_name(init)) return init;
  throw unsupported_error(where, "init_lora_weights", "true, false, gaussian, pissa, olora, orthogonal or eva",
                          describe(value));
}

// Fields of peft's LoraConfig that change what an adapter computes, and that hft does not have.
inline void refuse_other_variants(const json& object, std::string_view where) {
  for (const char* field :
       {"use_qalora", "use_bdlora", "layer_replication", "target_parameters", "alora_invocation_tokens", "arrow_config",
        "megatron_config", "kasa_config", "velora_config", "monteclora_config"}) {
    const json* value = find_member(object, field, where);
    if (!value || (value->is_boolean() && !value->get<bool>()) ||
        (value->type() != json::value_t::boolean && value->empty()))
      continue;
    throw unsupported_error(where, field, "an adapter without it", describe(*value));
  }
}

}  // namespace detail

#if HFT_DEFINES(TRAIN)

HFT_INLINE LoraConfig LoraConfig::from_json(const json& object, std::string_view where) {
  using detail::read_list;
  const auto type = require<std::string>(object, "peft_type", where);
  if (type != "LORA") throw unsupported_error(where, "peft_type", "LORA", type);
  detail::refuse_other_variants(object, where);
  LoraConfig c;
  c.r = get<isize>(object, "r", c.r, where);
  c.lora_alpha = get<f64>(object, "lora_alpha", c.lora_alpha, where);
  c.lora_dropout = get<f64>(object, "lora_dropout", c.lora_dropout, where);
  c.target_modules = detail::read_modules(object, "target_modules", where);
  c.exclude_modules = detail::read_modules(object, "exclude_modules", where);
  c.bias = get<std::string>(object, "bias", c.bias, where);
  c.use_rslora = get<bool>(object, "use_rslora", false, where);
  c.use_dora = get<bool>(object, "use_dora", false, where);
  c.lora_bias = get<bool>(object, "lora_bias", false, where);
  c.fan_in_fan_out = get<bool>(object, "fan_in_fan_out", false, where);
  c.modules_to_save = read_list<std::string>(object, "modules_to_save", where);
  c.trainable_token_indices = detail::read_tokens(object, "trainable_token_indices", where);
  c.ensure_weight_tying = get<bool>(object, "ensure_weight_tying", false, where);
  c.layers_to_transform = read_list<isize>(object, "layers_to_transform", where);
  c.layers_pattern = read_list<std::string>(object, "layers_pattern", where);
  c.rank_pattern = detail::read_pattern<isize>(object, "rank_pattern", where);
  c.alpha_pattern = detail::read_pattern<f64>(object, "alpha_pattern", where);
  c.task_type = get_optional<std::string>(object, "task_type", where);
  c.base_model_name_or_path = get_optional<std::string>(object, "base_model_name_or_path", where);
  c.revision = get_optional<std::string>(object, "revision", where);
  c.inference_mode = get<bool>(object, "inference_mode", false, where);
  if (const json* mapping = find_member(object, "auto_mapping", where)) c.auto_mapping = *mapping;
  if (const json* init = find_member(object, "init_lora_weights", where))
    c.init_lora_weights = detail::read_init(*init, where);
  c.check(where);
  return c;
}

HFT_INLINE json LoraConfig::to_json() const {
  const auto text = [](const std::optional<std::string>& s) { return s ? json(*s) : json(); };
  json ranks = json::object(), alphas = json::object();
  for (const auto& [pattern, rank] : rank_pattern) ranks[pattern] = rank;
  for (const auto& [pattern, alpha] : alpha_pattern) alphas[pattern] = detail::whole_if_whole(alpha);
  json init = init_lora_weights != LoraInit::random;
  if (const auto name = detail::init_name(init_lora_weights); !name.empty()) init = std::string(name);
  json out = json::object();
  const auto list = [](const auto& v) { return v.empty() ? json() : json(v); };
  out["alpha_pattern"] = alphas;
  out["auto_mapping"] = auto_mapping;
  out["base_model_name_or_path"] = text(base_model_name_or_path);
  out["bias"] = bias;
  out["ensure_weight_tying"] = ensure_weight_tying;
  out["exclude_modules"] = detail::write_modules(exclude_modules);
  out["fan_in_fan_out"] = fan_in_fan_out;
  out["inference_mode"] = inference_mode;
  out["init_lora_weights"] = init;
  out["layer_replication"] = nullptr;
  out["layers_pattern"] = layers_pattern.size() == 1 ? json(layers_pattern[0]) : list(layers_pattern);
  out["layers_to_transform"] = list(layers_to_transform);
  out["loftq_config"] = json::object();
  out["lora_alpha"] = detail::whole_if_whole(lora_alpha);
  out["lora_bias"] = lora_bias;
  out["lora_dropout"] = lora_dropout;
  out["megatron_config"] = nullptr;
  out["megatron_core"] = "megatron.core";
  out["modules_to_save"] = list(modules_to_save);
  out["peft_type"] = "LORA";
  out["r"] = r;
  out["rank_pattern"] = ranks;
  out["revision"] = text(revision);
  out["target_modules"] = detail::write_modules(target_modules);
  out["task_type"] = text(task_type);
  out["trainable_token_indices"] = detail::write_tokens(trainable_token_indices);
  out["use_dora"] = use_dora;
  out["use_rslora"] = use_rslora;
  return out;
}

HFT_INLINE void LoraConfig::save_pretrained(const std::filesystem::path& folder) const {
  dump_options options;
  options.trailing_newline = false;
  write_file_atomically(folder / "adapter_config.json", dump(to_json(), options));
}

#endif  // HFT_DEFINES

}  // namespace hft
