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
#include <hft/module.hpp>

namespace hft::detail {

/// A model's functions; it outlives them.
struct adapted_model {
  std::function<void(visitor&)> visit;
  /// Paths of parameters that are tied, each with that of its original, under which alone visit shows it.
  std::function<std::vector<std::pair<std::string, std::string>>()> tied_parameters;
  std::function<void(std::string_view copy)> untie;
  std::function<void(isize vocab_size)> resize_token_embeddings;

  template <class Model>
  static adapted_model of(Model& m) {
    adapted_model out;
    out.visit = [&m](visitor& v) { m.visit(v); };
    out.tied_parameters = [&m]() -> std::vector<std::pair<std::string, std::string>> {
      if constexpr (requires { m.tied_parameters(); }) return m.tied_parameters();
      return {};
    };
    out.untie = [&m]([[maybe_unused]] std::string_view copy) {
      if constexpr (requires { m.untie(copy); }) m.untie(copy);
    };
    if constexpr (requires(isize n) { m.resize_token_embeddings(n); })
      out.resize_token_embeddings = [&m](isize vocab_size) { m.resize_token_embeddings(vocab_size); };
    return out;
  }

  void for_each(std::function<void(const std::string&, parameter&)> f) const {
    visiting v(std::move(f));
    visit(v);
  }
  /// The layers that take adapters.
  std::vector<std::pair<std::string, LoraLayer*>> layers() const {
    lora_layers v;
    visit(v);
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
    for (const auto& [copy, original] : tied_parameters()) add(copy);
    return {found.begin(), found.end()};
  }
  /// The paths of all copies of a parameter, its own first.
  std::vector<std::string> names_of(const std::string& path) const {
    std::vector<std::string> out{path};
    for (const auto& [copy, original] : tied_parameters())
      if (original == path) out.push_back(copy);
    return out;
  }
};

}  // namespace hft::detail
