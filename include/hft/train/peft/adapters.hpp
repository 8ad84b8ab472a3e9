// Adapters of a model, whatever its type: what PeftModel does, compiled once. Layers are reached through visitors.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/stored_tensor.hpp>
#include <hft/layers/lora.hpp>
#include <hft/module.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/random.hpp>
#include <hft/train/peft/adapted_model.hpp>
#include <hft/train/peft/lora_config.hpp>
#include <hft/train/peft/lora_init.hpp>
#include <hft/train/peft/targets.hpp>
#include <hft/train/peft/token_targets.hpp>

namespace hft::detail {

inline constexpr std::string_view peft_prefix = "base_model.model.";  // of all keys in an adapter's file

struct adapter_tensors;

/// The adapters of a model and the values that its other parameters have under each of them. The model is given to each
/// call.
class adapter_set {
 public:
  explicit adapter_set(bool trains) : trains_(trains) {}

  const LoraConfig& config(const std::string& name) const { return entry_of(name).config; }
  /// What its config says to no effect, for whoever shows warnings.
  const std::vector<std::string>& warnings(const std::string& name) const { return entry_of(name).warnings; }
  bool contains(const std::string& name) const { return entries_.count(name) != 0; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, e] : entries_) out.push_back(name);
    return out;
  }
  const std::vector<std::string>& active() const { return active_; }
  bool enabled() const { return enabled_; }

  /// What may throw before memory is taken for an adapter of rank r on a layer.
  using check_function = std::function<void(const std::string& path, const LoraLayer&, isize r)>;

  /// Puts a new adapter on the layers that config means and fills it; activates nothing. `check` is given where the
  /// values are read from a file then.
  void add(const adapted_model& model, const std::string& name, LoraConfig config, std::string_view model_type,
           std::uint64_t seed, const check_function& check = nullptr) {
    if (name.empty() || name.find('.') != name.npos || name.find('/') != name.npos)
      throw value_error("PeftModel", "adapter name", "one without '.' and '/'", quote_text(name));
    if (contains(name)) throw value_error("PeftModel", "adapter name", "a new one", quote_text(name));
    config.check();
    complete(config, model_type);
    if (!check) config.check_new();
    const auto targets = targets_of(model, config);
    const bool keeps_ties = tie_saved_modules(model, config);
    if (!check) check_saved_modules(model, config);  // peft reads files that name none
    for (const token_target& t : token_targets(model, config))
      if (t.layer->owns_tokens() == bool(t.tied_to) && t.layer->has_any_tokens())
        throw unsupported_error("PeftModel", "trainable_token_indices",
                                "of a tied head those of its embedding in all adapters, or in none");
    const auto rank = [&](const std::string& path) { return pattern_value(config.rank_pattern, path, config.r); };
    for (const auto& [path, layer] : targets) {
      if (check) check(path, *layer, rank(path));
      check_init(config.init_lora_weights, path, *layer, rank(path));
      if (config.lora_bias && layer->is_embedding())
        throw unsupported_error("PeftModel", "lora_bias", "linear layers for it, as in peft", quote_text(path));
    }
    if (!keeps_ties) untie_saved_modules(model, config);
    for (const token_target& t : token_targets(model, config))
      if (t.tied_to)
        t.layer->share_tokens(*t.tied_to);
      else
        t.layer->add_tokens(name, t.ids);
    std::uint64_t stream = std::uint64_t(1) << 63;  // the model's own dropouts count from 0
    for (const auto& [path, layer] : targets) {
      LoraLayerOptions o;
      o.r = rank(path);
      o.scaling = config.scaling(o.r, pattern_value(config.alpha_pattern, path, config.lora_alpha));
      o.dropout = config.lora_dropout;
      o.dora = config.use_dora;
      o.bias = config.lora_bias;
      o.stream = stream++;
      layer->add_adapter(name, o);
      if (!layer->is_embedding()) config.fan_in_fan_out = layer->fan_in_fan_out();  // peft's is the last one's, too
    }
    initialise(model, name, config.init_lora_weights, seed);
    for (const auto& [path, layer] : targets) layer->reset_magnitude(name);
    std::vector<std::string> paths;
    for (const auto& [path, layer] : targets) paths.push_back(path);
    entry e;
    e.warnings = unmatched_patterns(config, paths);
    e.config = std::move(config);
    // What is trained beside the factors begins with the base's values.
    model.for_each([&](const std::string& path, parameter& p) {
      if (is_factor(path)) {
        if (p.trainable()) p.set_trainable(false);  // until it is activated
        return;
      }
      if (!base_frozen_ && p.trainable()) p.set_trainable(false);
      auto names = trained_names(model, e.config, path, keeps_ties);
      if (names.empty()) return;
      if (!base_.count(path)) base_.emplace(path, values_of(p));
      e.whole.emplace(path, whole_parameter{copy_of(base_.at(path), p), std::move(names)});
    });
    base_frozen_ = true;
    entries_.emplace(name, std::move(e));
  }

  /// Makes these the adapters that take part, and, unless their config says inference_mode, that are trained.
  void activate(const adapted_model& model, std::vector<std::string> names) {
    for (const auto& name : names) entry_of(name);
    stash(model);
    active_ = std::move(names);
    enabled_ = true;
    apply(model);
  }
  /// Without adapters the model is its base.
  void enable(const adapted_model& model, bool enabled) {
    if (enabled == enabled_) return;
    stash(model);
    enabled_ = enabled;
    apply(model);
  }
  void remove(const adapted_model& model, const std::string& name) {
    entry_of(name);
    stash(model);
    for (const auto& [path, layer] : model.layers()) layer->delete_adapter(name);
    entries_.erase(name);
    // What pissa or olora took from the base is put back with the last of them.
    const bool taken = std::any_of(entries_.begin(), entries_.end(),
                                   [](const auto& e) { return takes_from_base(e.second.config.init_lora_weights); });
    if (!taken)
      for (const auto& [path, layer] : model.layers()) layer->restore_base_weight();
    active_.erase(std::remove(active_.begin(), active_.end(), name), active_.end());
    apply(model);
  }
  /// Forgets all adapters; what is active now stays in the weights where `merge` says so. Else the base is as it was,
  /// and what pissa or olora took from it is back.
  void unload(const adapted_model& model, bool merge) {
    if (!merge) enable(model, false);
    for (const auto& [path, layer] : model.layers()) {
      if (merge) layer->merge();
      layer->unload();
      if (!merge) layer->restore_base_weight();
    }
    entries_.clear();
    active_.clear();
    base_.clear();
  }

  void save(const adapted_model& model, const std::filesystem::path& folder, const std::string& name) const;
  void load(const adapted_model& model, const std::filesystem::path& folder, const std::string& name, LoraConfig config,
            std::string_view model_type);

  /// The key that a parameter has in the file of an adapter, or the first where it is tied; nothing where it is not the
  /// adapter's.
  std::optional<std::string> stored_name(const adapted_model& model, const std::string& path,
                                         const std::string& name) const {
    if (const auto factor = stored_factor_name(path, name)) return cat(peft_prefix, *factor);
    const auto& whole = entry_of(name).whole;
    const auto found = whole.find(path);
    if (found == whole.end()) return {};
    return stored_whole_name(adapted_paths(model, name), found->second.names.front());
  }

 private:
  // The memory of a parameter's values.
  struct stored_values {
    buffer memory;
    const void* data = nullptr;
    dtype_id format = dtype_id::f32;
  };
  // What an adapter makes of a parameter that it trains whole.
  struct whole_parameter {
    stored_values values;
    std::vector<std::string> names;  // under which it is stored: several where it is tied
  };
  struct entry {
    LoraConfig config;
    std::map<std::string, whole_parameter> whole;  // by path
    std::vector<std::string> warnings;
    bool stores_vocabulary = false;  // whether its file has the base's embeddings and head, as after a resize
  };

  static std::string listed(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& n : names) out += cat(out.empty() ? "" : ", ", n);
    return out;
  }
  const entry& entry_of(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end())
      throw value_error("PeftModel", "adapter", entries_.empty() ? "none was added" : "one of " + listed(names()),
                        name);
    return found->second;
  }

  // Where the parameters of adapters lie in a module, "PATH" marker "NAME" ending, and what files call them.
  struct factor_name {
    std::string_view marker, ending, stored;
  };
  static constexpr factor_name factor_names[] = {
      {".lora_A.", ".weight", ".lora_A.weight"},
      {".lora_B.", ".weight", ".lora_B.weight"},
      {".lora_B.", ".bias", ".lora_B.bias"},
      {".lora_embedding_A.", "", ".lora_embedding_A"},
      {".lora_embedding_B.", "", ".lora_embedding_B"},
      {".lora_magnitude_vector.", ".weight", ".lora_magnitude_vector"},
      {".token_adapter.trainable_tokens_delta.", "", ".token_adapter.trainable_tokens_delta"},
  };
  static bool is_factor(std::string_view path) {
    return std::any_of(std::begin(factor_names), std::end(factor_names),
                       [&](const factor_name& f) { return path.find(f.marker) != path.npos; });
  }
  static std::optional<std::string> stored_factor_name(std::string_view path, std::string_view adapter) {
    for (const factor_name& f : factor_names) {
      const auto at = path.rfind(f.marker);
      if (at != path.npos && path.substr(at + f.marker.size()) == cat(adapter, f.ending))
        return cat(path.substr(0, at), f.stored);
    }
    return {};
  }

  // The layers that a config means. Throws unsupported_error where it means a module that takes no adapter, and
  // value_error where it means none.
  static std::vector<std::pair<std::string, LoraLayer*>> targets_of(const adapted_model& model, LoraConfig& config) {
    const auto layers = model.layers();
    if (layers.empty())
      throw unsupported_error("PeftModel", "adapters",
                              "a model of layer kind with_lora: LlamaForCausalLM<f32, cpu, with_lora>");
    std::vector<std::pair<std::string, LoraLayer*>> targets;
    std::string known;
    const bool all_linear = config.target_modules.all_linear();
    for (const auto& [path, layer] : layers) {
      if (is_target(config, path) && !(all_linear && layer->is_embedding())) targets.emplace_back(path, layer);
      if (known.size() < 200) known += cat(known.empty() ? "" : ", ", path);
    }
    if (!all_linear)
      for (const std::string& path : model.modules()) {
        const bool inside = std::any_of(layers.begin(), layers.end(), [&](const auto& l) {
          return path == l.first || path.starts_with(l.first + ".");
        });
        if (!inside && is_target(config, path))
          throw unsupported_error("PeftModel", "target_modules", "linear layers and embeddings", quote_text(path));
      }
    if (targets.empty())
      throw value_error(
          "PeftModel", "target_modules", "the end of some layer's path, as of " + known + ", that is not excluded",
          config.target_modules.pattern.empty() ? listed(config.target_modules.names) : config.target_modules.pattern);
    if (all_linear) {  // peft writes what it found
      config.target_modules = ModuleSelection();
      for (const auto& [path, layer] : targets) config.target_modules.names.push_back(path);
    }
    return targets;
  }

  // Throws value_error where modules_to_save means no module.
  static void check_saved_modules(const adapted_model& model, const LoraConfig& config) {
    const auto modules = model.modules();
    const auto is_saved = [&](const std::string& path) { return saves_module(config.modules_to_save, path); };
    if (!config.modules_to_save.empty() && std::none_of(modules.begin(), modules.end(), is_saved))
      throw value_error("PeftModel", "modules_to_save", "the end of some module's path",
                        listed(config.modules_to_save));
  }
  // Whether a module that is trained whole stays tied: the embedding is trained then in the place of all, as in peft.
  static bool tie_saved_modules(const adapted_model& model, LoraConfig& config) {
    if (!config.ensure_weight_tying || model.parts.tied_parameters().empty()) return false;
    const auto names_embedding = [](const std::vector<std::string>& names) {
      return std::any_of(names.begin(), names.end(), [](const std::string& name) {
        return ends_with_module(name, "embed_tokens") || ends_with_module(name, "lm_head");
      });
    };
    auto& saved = config.modules_to_save;
    if (!names_embedding(saved) && names_embedding(config.target_modules.names))
      throw unsupported_error("LoraConfig", "ensure_weight_tying",
                              "modules_to_save with it, or trainable_token_indices", "target_modules");
    if (!names_embedding(saved)) return false;
    for (const auto& [copy, original] : model.parts.tied_parameters()) {
      if (!original.ends_with(".weight")) continue;
      const auto embedding = original.substr(0, original.rfind('.')), head = copy.substr(0, copy.rfind('.'));
      if (!is_named(embedding, saved)) saved.push_back(embedding);
      std::erase_if(saved, [&, &at = head](const std::string& name) { return lies_in({name}, at); });
    }
    return true;
  }
  // peft trains a copy of a module, in which no parameter is tied to one outside.
  void untie_saved_modules(const adapted_model& model, const LoraConfig& config) {
    auto ties = model.parts.tied_parameters();
    std::erase_if(ties, [&](const auto& tie) {
      return saved_module(config.modules_to_save, tie.first) == saved_module(config.modules_to_save, tie.second);
    });
    if (ties.empty()) return;
    stash(model);
    for (const auto& [copy, original] : ties) {
      model.parts.untie(copy);
      for (auto& [name, e] : entries_) untie_values(e, copy, original);
      if (const auto found = base_.find(original); found != base_.end()) base_.emplace(copy, found->second);
    }
    apply(model);
  }
  // What an adapter stores under both names becomes two parameters.
  static void untie_values(entry& e, const std::string& copy, const std::string& original) {
    const auto found = e.whole.find(original);
    if (found == e.whole.end()) return;
    auto& names = found->second.names;
    const auto name = std::find(names.begin(), names.end(), copy);
    if (name == names.end()) return;
    names.erase(name);
    const stored_values& v = found->second.values;
    stored_values own{cpu::allocate(v.memory.bytes()), nullptr, v.format};
    std::memcpy(own.memory.data(), v.data, v.memory.bytes());
    own.data = own.memory.data();
    e.whole.emplace(copy, whole_parameter{std::move(own), {copy}});
    if (names.empty()) e.whole.erase(found);
  }

  static bool takes_from_base(LoraInit init) { return init == LoraInit::pissa || init == LoraInit::olora; }
  static void check_init(LoraInit init, const std::string& path, const LoraLayer& layer, isize r) {
    if (!takes_from_base(init)) return;
    if (layer.is_embedding())
      throw unsupported_error("PeftModel", "init_lora_weights", "linear layers for pissa and olora", quote_text(path));
    if (const isize most = std::min(layer.in_features(), layer.out_features()); r > most)
      throw value_error("PeftModel", "r", joined("at most ", most, " for pissa and olora on ", path), joined(r));
    if (init == LoraInit::olora && layer.fan_in_fan_out())
      throw unsupported_error("PeftModel", "init_lora_weights", "layers other than Conv1D for olora, as in peft",
                              quote_text(path));
  }

  // Fills in what peft decides by itself.
  static void complete(LoraConfig& c, std::string_view model_type) {
    if (c.target_modules.empty()) {
      c.target_modules = default_target_modules(model_type);
      if (c.target_modules.empty())
        throw value_error("LoraConfig", "target_modules", joined("given: ", model_type, " has no customary ones"));
    }
    if (c.task_type && (*c.task_type == "SEQ_CLS" || *c.task_type == "TOKEN_CLS"))
      for (const char* head : {"classifier", "score"})
        if (!is_named(head, c.modules_to_save)) c.modules_to_save.push_back(head);
    if (c.task_type && *c.task_type == "QUESTION_ANS" && !is_named("qa_outputs", c.modules_to_save))
      c.modules_to_save.push_back("qa_outputs");
  }
  static bool is_named(std::string_view name, const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  void add_vocabulary(const adapted_model& model, const std::string& name, std::vector<stored_tensor>& tensors) const;
  bool take_vocabulary(const adapted_model& model, LoraConfig config, adapter_tensors& file, const std::string& where);

  // The names under which an adapter trains a parameter of the base; none where it does not.
  static std::vector<std::string> trained_names(const adapted_model& model, const LoraConfig& config,
                                                const std::string& path, bool keeps_ties) {
    auto names = model.names_of(path);
    // What is kept tied to a module that is trained whole is stored with it.
    if (keeps_ties && !saved_module(config.modules_to_save, path).empty()) return names;
    std::erase_if(names, [&](const std::string& name) { return !trains_whole(config, name); });
    return names;
  }

  static std::set<std::string> adapted_paths(const adapted_model& model, const std::string& name) {
    std::set<std::string> out;
    for (const auto& [path, layer] : model.layers())
      if (layer->has_adapter(name)) out.insert(path);
    return out;
  }
  // The key of a parameter of the base: a layer with an adapter has it as its base_layer's.
  static std::string stored_whole_name(const std::set<std::string>& adapted, const std::string& path) {
    const auto dot = path.rfind('.');
    if (dot == path.npos || !adapted.count(path.substr(0, dot))) return cat(peft_prefix, path);
    return cat(peft_prefix, path.substr(0, dot), ".base_layer", path.substr(dot));
  }

  static void initialise(const adapted_model& model, const std::string& name, LoraInit init, std::uint64_t seed) {
    std::uint64_t stream = 0;
    isize fan_in = 0;  // a bias has that of the matrix before it
    model.for_each([&](const std::string& path, parameter& p) {
      if (!stored_factor_name(path, name)) return;
      if (path.rfind(".lora_magnitude_vector.") != path.npos || path.rfind(".token_adapter.") != path.npos) return;
      const bool embedding = path.rfind(".lora_embedding_") != path.npos;
      const bool is_b = path.rfind("_B.") != path.npos;
      const random_stream random(seed, stream++);
      if (is_b != embedding && init != LoraInit::random) return;  // zero: B, but A of an embedding
      if (p.shape().size() > 1) fan_in = p.shape()[1];
      const isize n = p.size(), r = p.shape()[0];
      const f64 bound = 1 / std::sqrt(f64(fan_in));
      std::vector<f32> values(static_cast<std::size_t>(n));
      for (isize i = 0; i < n; ++i) {
        const auto place = std::uint64_t(i);
        values[std::size_t(i)] = f32(embedding                    ? random.normal(place)
                                     : init == LoraInit::gaussian ? random.normal(place) / f64(r)
                                                                  : bound * (2 * random.uniform(place) - 1));
      }
      convert(p.format(), p.data(), dtype_id::f32, values.data(), n);
    });
    if (takes_from_base(init)) take_from_base(model, name, init);
  }

  // Factors that begin as a part of the base's weight, which is taken from it. They are found in a name map, as
  // layers do not show theirs.
  static void take_from_base(const adapted_model& model, const std::string& name, LoraInit init) {
    std::map<std::string, std::vector<f32>> values;  // of factors, by path
    for (const auto& [path, layer] : model.layers()) {
      const auto a = std::find_if(layer->adapters().begin(), layer->adapters().end(),
                                  [&](const LoraLayer::adapter& x) { return x.name == name; });
      if (a == layer->adapters().end()) continue;
      const isize out = layer->out_features(), in = layer->in_features();
      std::vector<f32> weight(static_cast<std::size_t>(out * in));
      layer->copy_base_weight(weight.data());
      auto [down, up] = init == LoraInit::pissa
                            ? principal_factors(weight.data(), out, in, a->options.r, a->options.scaling)
                            : orthonormal_factors(weight.data(), out, in, a->options.r);
      const low_rank_change change{a->options.r, in, up, down};
      std::vector<f32> part(static_cast<std::size_t>(in));
      for (isize o = 0; o < out; ++o) {
        std::fill(part.begin(), part.end(), 0.0f);
        change.add_to_row(o, part.data());
        for (isize c = 0; c < in; ++c)
          weight[std::size_t(o * in + c)] -= f32(a->options.scaling) * part[std::size_t(c)];
      }
      layer->set_base_weight(weight.data());
      values[cat(path, ".lora_A.", name, ".weight")] = std::move(down);
      values[cat(path, ".lora_B.", name, ".weight")] = std::move(up);
    }
    model.for_each([&](const std::string& path, parameter& p) {
      const auto found = values.find(path);
      if (found != values.end()) convert(p.format(), p.data(), dtype_id::f32, found->second.data(), p.size());
    });
  }

  static stored_values values_of(parameter& p) { return {p.memory(), p.data(), p.format()}; }
  static stored_values copy_of(const stored_values& v, const parameter& p) {
    stored_values out{cpu::allocate(std::size_t(p.bytes())), nullptr, v.format};
    std::memcpy(out.memory.data(), v.data, std::size_t(p.bytes()));
    out.data = out.memory.data();
    return out;
  }

  // The adapter whose values the whole parameters have, or null: the base's.
  entry* owner_of_values() {
    if (enabled_)
      for (const auto& name : active_)
        if (auto& e = entries_.at(name); !e.whole.empty()) return &e;
    return nullptr;
  }

  // Takes the values of whole parameters, which training may have changed, back into their adapter.
  void stash(const adapted_model& model) {
    if (entry* e = owner_of_values())
      model.for_each([&](const std::string& path, parameter& p) {
        const auto found = e->whole.find(path);
        if (found != e->whole.end()) found->second.values = values_of(p);
      });
  }
  void apply(const adapted_model& model) {
    for (const auto& [path, layer] : model.layers()) {
      layer->set_adapter(active_);
      layer->enable_adapters(enabled_);
    }
    entry* owner = owner_of_values();
    model.for_each([&](const std::string& path, parameter& p) {
      if (is_factor(path)) {
        if (!trains_) return;
        bool train = false;
        for (const auto& name : active_)
          train = train || (enabled_ && !entries_.at(name).config.inference_mode && stored_factor_name(path, name));
        p.set_trainable(train);
        return;
      }
      const auto base = base_.find(path);
      if (base == base_.end()) return;
      const auto own = owner ? owner->whole.find(path) : decltype(owner->whole.find(path))();
      const bool has_own = owner && own != owner->whole.end();
      const stored_values& v = has_own ? own->second.values : base->second;
      if (p.data() != v.data) p.bind(v.memory, v.data, v.format);
      if (trains_) p.set_trainable(has_own && !owner->config.inference_mode);
    });
  }

  bool trains_;  // whether the model is on a device that records
  bool enabled_ = true, base_frozen_ = false;
  std::map<std::string, entry> entries_;
  std::map<std::string, stored_values> base_;  // of every parameter that some adapter trains whole
  std::vector<std::string> active_;
};

}  // namespace hft::detail
