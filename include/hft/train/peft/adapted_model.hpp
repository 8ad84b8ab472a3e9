// What adapters need of a model, its type erased, so that their code is compiled once.
#pragma once
#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/layers/lora_layer.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/module.hpp>

namespace hft::detail {

/// A model, which outlives it.
struct adapted_model {
  ModelParts& parts;
  std::function<void()> resized = {};  // after its vocabulary has another size

  void resize_token_embeddings(isize vocab_size) const {
    parts.resize_token_embeddings(vocab_size);
    if (resized) resized();
  }
  void for_each(std::function<void(const std::string&, parameter&)> f) const {
    visiting v(std::move(f));
    parts.visit(v);
  }
  /// The layers that take adapters.
  std::vector<std::pair<std::string, LoraLayer*>> layers() const {
    lora_layers v;
    parts.visit(v);
    return v.take();
  }
  /// The paths of all modules that have parameters, tied ones among them.
  std::vector<std::string> modules() const {
    std::set<std::string> found;
    const auto add = [&](const std::string& path) {
      for (auto end = path.find('.'); end != path.npos; end = path.find('.', end + 1))
        found.insert(path.substr(0, end));
    };
    for_each([&](const std::string& path, parameter&) { add(path); });
    for (const auto& [copy, original] : parts.tied_parameters()) add(copy);
    return {found.begin(), found.end()};
  }
  /// The paths of all copies of a parameter, its own first.
  std::vector<std::string> names_of(const std::string& path) const {
    std::vector<std::string> out{path};
    for (const auto& [copy, original] : parts.tied_parameters())
      if (original == path) out.push_back(copy);
    return out;
  }
};

}  // namespace hft::detail
