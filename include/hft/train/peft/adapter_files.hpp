// The files of an adapter, as PEFT reads and writes them: adapter_config.json and adapter_model.safetensors.
#pragma once
#include <algorithm>
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

#include <hft/io/safetensors.hpp>
#include <hft/io/safetensors_writer.hpp>
#include <hft/linkage.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/train/peft/adapters.hpp>
#include <hft/train/peft/lora_config.hpp>

#if HFT_DEFINES(TRAIN)

namespace hft::detail {

/// A tensor of a file in f32, as the checkpoint lays it out.
inline stored_tensor stored_as_f32(std::string name, std::vector<isize> shape, bool transposed, dtype_id format,
                                   const void* data) {
  isize size = 1;
  for (const isize n : shape) size *= n;
  auto values = std::make_shared<std::vector<f32>>(static_cast<std::size_t>(size));
  convert(dtype_id::f32, values->data(), format, data, size);
  if (transposed) {
    const auto straight = *values;
    transpose(values->data(), straight.data(), shape[0], shape[1]);
    std::reverse(shape.begin(), shape.end());
  }
  const auto bytes = std::as_bytes(std::span(*values));
  return {std::move(name), dtype_id::f32, std::move(shape), bytes, std::move(values)};
}

/// The base's embeddings and head, as far as an adapter's file has them: where they were meant as targets, and, in the
/// file of a model whose vocabulary was resized, all.
HFT_INLINE void adapter_set::add_vocabulary(const adapted_model& model, const std::string& name,
                                            std::vector<stored_tensor>& tensors) const {
  const entry& e = entry_of(name);
  const bool targets = means_embedding(e.config, model.modules());
  if (!targets && !e.stores_vocabulary) return;
  const auto adapted = adapted_paths(model, name);
  std::set<std::string> there;
  for (const stored_tensor& t : tensors) there.insert(t.name);
  for (const auto& [path, layer] : model.layers()) {
    if (!is_model_embedding(path) || !(e.stores_vocabulary || adapted.count(path))) continue;
    const std::string key = stored_whole_name(adapted, path + ".weight");
    if (there.count(key)) continue;
    std::vector<isize> shape{layer->out_features(), layer->in_features()};
    if (layer->is_embedding()) std::swap(shape[0], shape[1]);
    std::vector<f32> values(static_cast<std::size_t>(shape[0] * shape[1]));
    layer->copy_base_weight(values.data());
    tensors.push_back(stored_as_f32(key, std::move(shape), false, dtype_id::f32, values.data()));
  }
  if (!e.stores_vocabulary) return;
  model.for_each([&](const std::string& path, parameter& p) {
    for (const std::string& copy : model.names_of(path)) {
      const auto module = copy.substr(0, copy.rfind('.')), key = stored_whole_name(adapted, copy);
      if (copy == module + ".bias" && is_model_embedding(module) && !there.count(key))
        tensors.push_back(stored_as_f32(key, p.shape(), false, p.format(), p.data()));
    }
  });
}

/// Writes one adapter: adapter_config.json and adapter_model.safetensors, as PeftModel.save_pretrained does.
HFT_INLINE void adapter_set::save(const adapted_model& model, const std::filesystem::path& folder,
                                  const std::string& name) const {
  const entry& e = entry_of(name);
  const bool values_in_model = const_cast<adapter_set*>(this)->owner_of_values() == &e;
  const auto adapted = adapted_paths(model, name);
  std::vector<stored_tensor> tensors;
  model.for_each([&](const std::string& path, parameter& p) {
    const auto store = [&](std::string key, dtype_id format, const void* data) {
      tensors.push_back(stored_as_f32(std::move(key), p.shape(), p.transposed(), format, data));
    };
    if (const auto factor = stored_factor_name(path, name)) store(cat(peft_prefix, *factor), p.format(), p.data());
    const auto found = e.whole.find(path);
    if (found == e.whole.end()) return;
    const stored_values own = values_in_model ? values_of(p) : found->second.values, &base = base_.at(path);
    for (const std::string& copy : found->second.names) {
      store(stored_whole_name(adapted, copy), own.format, own.data);
      // What another rule stores, too, as that of biases, it stores under peft's names of the wrapped module.
      const std::string module(saved_module(e.config.modules_to_save, copy));
      const bool by_bias = e.config.bias == "all" && copy.ends_with(".bias");
      const bool by_vocabulary = e.stores_vocabulary && is_model_embedding(module);
      if (module.empty() || !(by_bias || by_vocabulary)) continue;
      const std::string rest = copy.substr(module.size()), adapter = rest.rfind('.') > 0 ? "." + name : "";
      store(cat(peft_prefix, module, ".original_module", rest), base.format, base.data);
      store(cat(peft_prefix, module, ".modules_to_save", adapter, rest), own.format, own.data);
    }
  });
  add_vocabulary(model, name, tensors);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) throw file_error(folder.string(), "cannot make the folder", "", failure.message());
  LoraConfig config = e.config;
  config.inference_mode = true;  // as peft writes it
  config.save_pretrained(folder);
  write_safetensors(folder / "adapter_model.safetensors", tensors);
}

/// The tensors of an adapter's file.
struct adapter_tensors {
  using by_name = std::map<std::string, const stored_tensor*, std::less<>>;
  by_name own;   // by the path of what they are to
  by_name base;  // weights of the base that stand beside them, by path

  explicit adapter_tensors(std::span<const stored_tensor> tensors) {
    for (const stored_tensor& t : tensors) {
      std::string key = t.name;
      if (key.starts_with(peft_prefix)) key.erase(0, peft_prefix.size());
      const bool biases = key.ends_with(".bias");
      const auto without = [&](std::string_view part) {
        const auto at = key.find(part);
        if (at != key.npos) key.erase(at, part.size());
        return at != key.npos;
      };
      // What peft stores under the names of wrapped modules, it stores again under their own.
      if (key.find(".modules_to_save.") != key.npos) continue;
      if (without(".original_module")) {
        if (!biases) base.emplace(std::move(key), &t);
      } else if (without(".base_layer") && !biases) {
        base.emplace(std::move(key), &t);
      } else {
        own.emplace(std::move(key), &t);
      }
    }
  }
};

/// Gives the base the embeddings and the head that an adapter's file has beside what is the adapter's own: those of a
/// model whose vocabulary was resized, which the base's is then, too. Returns whether the file has such.
HFT_INLINE bool adapter_set::take_vocabulary(const adapted_model& model, LoraConfig config, adapter_tensors& file,
                                             const std::string& where) {
  if (takes_from_base(config.init_lora_weights)) file.base.clear();  // it is what is left, and is computed again
  const bool keeps_ties = tie_saved_modules(model, config);
  bool found = false;
  const auto module_of = [](const std::string& path) { return path.substr(0, path.rfind('.')); };
  const auto stored = [&](const std::string& copy) -> const stored_tensor* {
    if (!is_model_embedding(module_of(copy))) return nullptr;
    if (const auto at = file.base.find(copy); at != file.base.end()) return at->second;
    const auto at = file.own.find(copy);
    return at == file.own.end() ? nullptr : at->second;
  };
  isize vocab_size = 0;
  model.for_each([&](const std::string& path, parameter& p) {
    for (const std::string& copy : model.names_of(path))
      if (const auto* t = stored(copy); t && t->shape.size() == 2 && p.shape().size() == 2)
        if (t->shape[0] != p.shape()[0] && t->shape[1] == p.shape()[1] && t->shape[0] > 0) vocab_size = t->shape[0];
  });
  if (vocab_size && entries_.empty()) {
    model.resize_token_embeddings(vocab_size);
    found = true;
  }
  model.for_each([&](const std::string& path, parameter& p) {
    const auto trained = trained_names(model, config, path, keeps_ties);
    for (const std::string& copy : model.names_of(path)) {
      const bool own = is_named(copy, trained);
      const auto* t = own && !file.base.count(copy) ? nullptr : stored(copy);
      if (!t || t->shape != p.shape()) continue;
      const auto bytes = static_cast<std::size_t>(p.size());
      std::vector<f32> now(bytes), wanted(bytes);
      convert(dtype_id::f32, now.data(), p.format(), p.data(), p.size());
      convert(dtype_id::f32, wanted.data(), t->dtype, t->bytes.data(), p.size());
      if (now != wanted) assign(p, *t, where, {}, {});
      if (!own) found = file.own.erase(copy) || found;
    }
  });
  return found;
}

/// Adds an adapter with the values of adapter_model.safetensors. Strict: throws weight_error for tensors that are
/// missing, unexpected or of another shape; the model then has no such adapter.
HFT_INLINE void adapter_set::load(const adapted_model& model, const std::filesystem::path& folder,
                                  const std::string& name, LoraConfig config, std::string_view model_type) {
  if (!std::filesystem::exists(folder / "adapter_model.safetensors") &&
      std::filesystem::exists(folder / "adapter_model.bin"))
    throw unsupported_error((folder / "adapter_model.bin").string(), "a pickled adapter",
                            "adapter_model.safetensors, which is safe to read");
  const auto file = safetensors_file::open(folder / "adapter_model.safetensors");
  adapter_tensors tensors(file.tensors());
  auto& available = tensors.own;
  complete(config, model_type);
  const bool has_vocabulary = take_vocabulary(model, config, tensors, file.where());
  // Factors get memory only where the file has them, so that a config cannot ask for more than there is.
  const auto check = [&, dora = config.use_dora, bias = config.lora_bias](const std::string& path,
                                                                          const LoraLayer& layer, isize r) {
    const auto demand = [&](const std::string& key, const std::vector<isize>& shape) {
      const auto found = available.find(key);
      if (found == available.end() || found->second->shape != shape)
        throw weight_error(file.where(), "the adapter does not fit the model: tensor " + quote_text(key),
                           shape_text(shape), found == available.end() ? "none" : shape_text(found->second->shape));
    };
    const std::string kind = layer.is_embedding() ? ".lora_embedding_" : ".lora_",
                      ending = layer.is_embedding() ? "" : ".weight";
    demand(path + kind + "A" + ending, {r, layer.in_features()});
    demand(path + kind + "B" + ending, {layer.out_features(), r});
    if (bias) demand(path + ".lora_B.bias", {layer.out_features()});
    if (dora) demand(path + ".lora_magnitude_vector", {layer.out_features()});
  };
  add(model, name, std::move(config), model_type, 0, check);
  entries_.at(name).stores_vocabulary = has_vocabulary;
  const auto previous = active_;
  const bool was_enabled = enabled_;
  activate(model, {name});  // its whole parameters are in the model while it is filled
  std::string problems;
  const auto problem = [&](const std::string& text) { problems += cat(problems.empty() ? "" : "; ", text); };
  const entry& e = entry_of(name);
  model.for_each([&](const std::string& path, parameter& p) {
    std::vector<std::string> keys;
    if (const auto factor = stored_factor_name(path, name))
      keys.push_back(*factor);
    else if (const auto whole = e.whole.find(path); whole != e.whole.end())
      keys = whole->second.names;
    auto expected = p.shape();
    if (p.transposed()) std::reverse(expected.begin(), expected.end());
    bool found = keys.empty();
    for (const std::string& key : keys) {  // one of a tied pair is enough; of both the copy counts, as in peft
      const auto at = available.find(key);
      if (at == available.end()) continue;
      found = true;
      const stored_tensor& t = *at->second;
      if (t.shape == expected)
        assign(p, t, file.where(), {.transposed = p.transposed()}, {});
      else
        problem(cat("tensor ", quote_text(key), ": expected ", shape_text(expected), ", found ", shape_text(t.shape)));
      available.erase(at);
    }
    if (!found) problem(cat("missing ", quote_text(keys.front())));
  });
  for (const auto& [key, t] : available) problem(cat("unexpected ", quote_text(t->name), " ", shape_text(t->shape)));
  if (!previous.empty() || !was_enabled) activate(model, previous), enable(model, was_enabled);
  if (!problems.empty()) {
    if (problems.size() > 1000) problems = problems.substr(0, 1000) + " ...";
    remove(model, name);
    throw weight_error(file.where(), "the adapter does not fit the model: " + problems);
  }
}

}  // namespace hft::detail

#endif  // HFT_DEFINES
