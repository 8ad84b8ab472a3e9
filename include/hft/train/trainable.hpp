// What an optimizer works on: the trainable parameters of a module with their types erased, f32 values and gradients.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/module.hpp>

namespace hft {

/// A trainable parameter. The pointers are the module's: they are good until its gradients are cleared or it dies, so
/// trainables are collected anew for each step, which costs next to nothing.
struct trainable {
  std::string name;          // as in the checkpoint: "model.layers.0.mlp.up_proj.weight"
  std::vector<isize> shape;  // row-major and dense
  f32* value = nullptr;
  f32* grad = nullptr;     // of the same shape; null where no gradient flowed: the parameter is left as it is
  bool decays = true;      // whether weight decay applies
  bool embedding = false;  // whether its rows are looked up by ids; 8-bit optimizers keep its state in 32 bits
  f64 lr_scale = 1;        // its learning rate in units of the scheduled one

  isize size() const {
    isize n = 1;
    for (const isize e : shape) n *= e;
    return n;
  }
};

namespace detail {

/// Whether `word` stands in `name` as a whole component, or as the end of one after '_'.
inline bool has_norm_component(std::string_view name) {
  for (auto at = name.find("norm"); at != name.npos; at = name.find("norm", at + 1)) {
    const bool begins = at == 0 || name[at - 1] == '.' || name[at - 1] == '_';
    const bool ends = at + 4 == name.size() || name[at + 4] == '.';
    if (begins && ends) return true;
  }
  return false;
}

}  // namespace detail

/// Whether weight decay applies to a parameter, as Trainer.get_decay_parameter_names of Transformers decides: not to
/// biases nor to norms. There a norm is told by its name or its class; here by its name or by being a vector called
/// "weight".
inline bool decays(std::string_view name, const std::vector<isize>& shape) {
  std::string lower(name);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  for (const std::string_view forbidden : {"bias", "layernorm", "rmsnorm"})
    if (lower.find(forbidden) != lower.npos) return false;
  if (detail::has_norm_component(lower)) return false;
  return !(shape.size() == 1 && (lower == "weight" || lower.ends_with(".weight")));
}

/// The trainable parameters of a module, in its order, each tied pair once. Throws unsupported_error for one that is
/// not f32 in the host's memory.
template <class Module>
std::vector<trainable> trainables(Module& module) {
  std::vector<trainable> out;
  std::vector<const void*> seen;
  for_each_parameter(module, [&](const std::string& name, parameter& p) {
    if (!p.trainable()) return;
    if (std::find(seen.begin(), seen.end(), p.identity()) != seen.end()) return;
    seen.push_back(p.identity());
    if (p.format() != dtype_id::f32 || p.grad_format() != dtype_id::f32 || !p.host_memory())
      throw unsupported_error("trainables", "parameter " + name, "f32 in the host's memory",
                              std::string(hft::name(p.format())));
    trainable t;
    t.name = name;
    t.shape = p.shape();
    t.value = static_cast<f32*>(p.data());
    t.grad = static_cast<f32*>(p.grad());
    t.decays = decays(name, t.shape);
    t.embedding = t.shape.size() == 2 &&
                  (name.find("embed") != name.npos || name.ends_with("wte.weight") || name.ends_with("wpe.weight"));
    out.push_back(std::move(t));
  });
  return out;
}

}  // namespace hft
