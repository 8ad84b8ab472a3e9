// The files of an adapter, as PEFT reads and writes them: adapter_config.json and adapter_model.safetensors.
#pragma once
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
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

/// Writes one adapter: adapter_config.json and adapter_model.safetensors, as PeftModel.save_pretrained does.
HFT_INLINE void adapter_set::save(const visit_function& model, const std::filesystem::path& folder,
                                  const std::string& name) const {
  const entry& e = entry_of(name);
  const bool values_in_model = const_cast<adapter_set*>(this)->owner_of_values() == &e;
  std::map<std::string, LoraLayer*> adapted;
  for (const auto& [path, layer] : layers_of(model))
    if (layer->has_adapter(name)) adapted.emplace(path, layer);
  std::vector<stored_tensor> tensors;
  for_each(model, [&](const std::string& path, parameter& p) {
    const auto stored = stored_name(model, path, name);
    if (!stored) return;
    const void* from = p.data();
    dtype_id format = p.format();
    if (const auto own = e.whole.find(path); own != e.whole.end() && !values_in_model)
      from = own->second.data, format = own->second.format;
    auto bytes = std::make_shared<std::vector<f32>>(std::size_t(p.size()));
    convert(dtype_id::f32, bytes->data(), format, from, p.size());
    stored_tensor t{*stored, dtype_id::f32, p.shape(), {}, nullptr};
    if (p.transposed()) {
      const auto straight = *bytes;
      transpose(bytes->data(), straight.data(), p.shape()[0], p.shape()[1]);
      std::reverse(t.shape.begin(), t.shape.end());
    }
    t.bytes = std::as_bytes(std::span(*bytes));
    t.owner = std::move(bytes);
    tensors.push_back(std::move(t));
  });
  // Where an embedding or a head is meant as a target, peft stores their base's weight, too.
  if (means_embedding(e.config, modules_with_layers(model)))
    for (const auto& [path, layer] : adapted) {
      if (!is_model_embedding(path)) continue;
      std::vector<isize> shape{layer->out_features(), layer->in_features()};
      if (layer->is_embedding()) std::swap(shape[0], shape[1]);
      auto bytes = std::make_shared<std::vector<f32>>(std::size_t(shape[0] * shape[1]));
      layer->copy_base_weight(bytes->data());
      tensors.push_back({cat(peft_prefix, path, ".base_layer.weight"), dtype_id::f32, shape,
                         std::as_bytes(std::span(*bytes)), bytes});
    }
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) throw file_error(folder.string(), "cannot make the folder", "", failure.message());
  LoraConfig config = e.config;
  config.inference_mode = true;  // as peft writes it
  config.save_pretrained(folder);
  write_safetensors(folder / "adapter_model.safetensors", tensors);
}

/// Adds an adapter with the values of adapter_model.safetensors. Strict: throws weight_error for tensors that are
/// missing, unexpected or of another shape; the model then has no such adapter.
HFT_INLINE void adapter_set::load(const visit_function& model, const std::filesystem::path& folder,
                                  const std::string& name, LoraConfig config, std::string_view model_type,
                                  const untie_function& untie) {
  if (!std::filesystem::exists(folder / "adapter_model.safetensors") &&
      std::filesystem::exists(folder / "adapter_model.bin"))
    throw unsupported_error((folder / "adapter_model.bin").string(), "a pickled adapter",
                            "adapter_model.safetensors, which is safe to read");
  const auto file = safetensors_file::open(folder / "adapter_model.safetensors");
  std::map<std::string, const stored_tensor*, std::less<>> available;
  for (const stored_tensor& t : file.tensors()) {
    std::string key = t.name;
    if (key.starts_with(peft_prefix)) key.erase(0, peft_prefix.size());
    // The weight of a head that carries an adapter is the base's; peft stores it again.
    if (key.ends_with(".base_layer.weight")) continue;
    if (const auto at = key.find(".base_layer."); at != key.npos) key.erase(at, std::string_view(".base_layer").size());
    available.emplace(std::move(key), &t);
  }
  // Factors get memory only where the file has them, so that a config cannot ask for more than there is.
  const auto check = [&, dora = config.use_dora](const std::string& path, const LoraLayer& layer, isize r) {
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
    if (dora) demand(path + ".lora_magnitude_vector", {layer.out_features()});
  };
  add(model, name, std::move(config), model_type, 0, untie, check);
  const auto previous = active_;
  const bool was_enabled = enabled_;
  activate(model, {name});  // its whole parameters are in the model while it is filled
  std::string problems;
  const entry& e = entry_of(name);
  for_each(model, [&](const std::string& path, parameter& p) {
    const auto factor = stored_factor_name(path, name);
    if (!factor && !e.whole.count(path)) return;
    const auto found = available.find(factor ? *factor : path);
    auto expected = p.shape();
    if (p.transposed()) std::reverse(expected.begin(), expected.end());
    if (found == available.end()) {
      problems += cat(problems.empty() ? "" : "; ", "missing ", quote_text(factor ? *factor : path));
    } else if (found->second->shape != expected) {
      problems += cat(problems.empty() ? "" : "; ", "tensor ", quote_text(found->first), ": expected ",
                      shape_text(expected), ", found ", shape_text(found->second->shape));
    } else {
      assign(p, *found->second, file.where(), 0, p.transposed(), {});
    }
    if (found != available.end()) available.erase(found);
  });
  for (const auto& [key, t] : available)
    problems += cat(problems.empty() ? "" : "; ", "unexpected ", quote_text(t->name), " ", shape_text(t->shape));
  if (!previous.empty() || !was_enabled) activate(model, previous), enable(model, was_enabled);
  if (!problems.empty()) {
    if (problems.size() > 1000) problems = problems.substr(0, 1000) + " ...";
    remove(model, name);
    throw weight_error(file.where(), "the adapter does not fit the model: " + problems);
  }
}

}  // namespace hft::detail

#endif  // HFT_DEFINES
