// The modules of a sentence-transformers folder: what makes vectors of texts, or changes those of tokens or texts, each
// with a config and perhaps weights in a folder of its own.
// sentence_transformers/base/modules, sentence_transformers/sentence_transformer/modules
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <hft/layers/build.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/pipelines/sentence_features.hpp>
#include <hft/pipelines/sentence_inputs.hpp>
#include <hft/pipelines/sentence_pooling.hpp>
#include <hft/pipelines/sentence_token_modules.hpp>
#include <hft/pipelines/similarity.hpp>
#include <hft/pipelines/sparse_modules.hpp>
#include <hft/pipelines/torch_activation.hpp>

namespace hft {

namespace detail {

using sentence_build = build<f32, cpu>;

/// A Pooling.
struct sentence_pooling {
  PoolingConfig config;

  void operator()(SentenceFeatures& x) const {
    x.sentence_embedding = pool(x.token_embeddings, x.attention_mask, config, x.prompt_length, x.token_weights_sum);
  }
  void sizes(SentenceSizes& sizes, const std::string& where) const {
    check_token_size(sizes, where, "", 0);
    sizes.sentence = *sizes.tokens * isize(config.pooling_mode.size());
  }
};

/// y = f(x W^T + b), and x besides with use_residual, through a matrix of its own where sizes differ.
struct sentence_dense {
  module_feature feature;
  Linear<sentence_build> linear;
  std::optional<Linear<sentence_build>> residual;
  std::optional<Activation> activation;
  bool use_residual;

  static sentence_dense load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const {
    feature.replace(features, [&](const auto& x) {
      auto y = linear(x);
      if (activation) y = activate(y, *activation);
      return use_residual ? add(y, residual ? (*residual)(x) : x) : y;
    });
  }
  void sizes(SentenceSizes& sizes, const std::string& where) const {
    feature.size(sizes, where, "in_features", linear.weight.extent(1)) = linear.weight.extent(0);
  }
  void visit(visitor& v) {
    v("linear", linear);
    v("residual", residual);
  }
};

struct sentence_layer_norm {
  LayerNorm<sentence_build> norm;

  static sentence_layer_norm load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const {
    module_feature().replace(features, [&](const auto& x) { return norm(x); });
  }
  void sizes(SentenceSizes& sizes, const std::string& where) const {
    module_feature().size(sizes, where, "dimension", norm.weight.extent(0));
  }
  void visit(visitor& v) { v("norm", norm); }
};

struct sentence_normalize {
  module_feature feature;

  void operator()(SentenceFeatures& features) const {
    feature.replace(features, [](const auto& x) { return unit_vectors(x); });
  }
  void sizes(SentenceSizes& sizes, const std::string& where) const { feature.size(sizes, where, "", 0); }
};

struct sentence_route;

/// One of several ways that a text may go, by what it is for. (Router, in older folders Asym)
struct sentence_router {
  std::vector<sentence_route> routes;             // no initialiser: clang++ would need the type whole here
  std::map<std::string, std::string> mappings{};  // by Python's text of (task, modality)
  std::string default_route{};

  static sentence_router load(const std::filesystem::path& folder, const SentenceEncoderLoader& loader);
  /// Throws value_error for a task that has no route.
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string& where) const;

 private:
  std::string route_of(const std::string& task) const;
};

}  // namespace detail

using SentenceModule =
    std::variant<detail::sentence_transformer_input, detail::sentence_static_embedding,
                 detail::sentence_word_embeddings, detail::sentence_bag_of_words, detail::sentence_pooling,
                 detail::sentence_dense, detail::sentence_layer_norm, detail::sentence_normalize,
                 detail::splade_pooling, detail::sparse_static_embedding, detail::sparse_auto_encoder,
                 detail::sentence_word_weights, detail::sentence_weighted_layers, detail::sentence_cnn,
                 detail::sentence_lstm, detail::sentence_router>;

struct detail::sentence_route {
  std::string name;
  std::vector<SentenceModule> modules{};
};

/// The module of a class ("Pooling", "Dense", ...) in a folder; none for what changes nothing, Dropout. Throws what
/// reading its files throws, weight_error for weights that are missing or of another shape, unsupported_error for a
/// class that is not one of these.
std::optional<SentenceModule> load_sentence_module(std::string_view kind, const std::filesystem::path& folder,
                                                   const SentenceEncoderLoader& loader);

/// What a module that is loaded from `where` makes of the sizes before it. Throws config_error where it cannot stand
/// there, or with another size.
void check_sentence_module(const SentenceModule& module, SentenceSizes& sizes, const std::string& where);

/// Runs modules one after the other, from the one at `first`.
void run_sentence_modules(const std::vector<SentenceModule>& modules, SentenceFeatures& features,
                          std::size_t first = 0);

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE sentence_dense sentence_dense::load(const std::filesystem::path& folder) {
  const auto where = (folder / "config.json").string();
  const json config = read_json(where);
  const isize in = module_extent(config, "in_features", where), out = module_extent(config, "out_features", where);
  const bool use_residual = get<bool>(config, "use_residual", false, where);
  sentence_dense dense{
      .feature = module_feature::from_json(config, where),
      .linear = {in, out, get<bool>(config, "bias", true, where)},
      .residual = {},
      .activation = torch_activation(get<std::string>(config, "activation_function", "Tanh", where), where),
      .use_residual = use_residual};
  if (use_residual && in != out) dense.residual.emplace(in, out);
  load_module_weights(dense, folder);
  return dense;
}

HFT_INLINE sentence_layer_norm sentence_layer_norm::load(const std::filesystem::path& folder) {
  const auto where = (folder / "config.json").string();
  sentence_layer_norm norm{
      LayerNorm<sentence_build>({.size = module_extent(read_json(where), "dimension", where), .eps = 1e-5})};
  load_module_weights(norm, folder);
  return norm;
}

HFT_INLINE sentence_router sentence_router::load(const std::filesystem::path& folder,
                                                 const SentenceEncoderLoader& loader) {
  auto file = (folder / "router_config.json").string();
  if (!is_there(file)) file = (folder / "config.json").string();  // in older folders
  const json config = read_json(file);
  std::map<std::string, std::optional<SentenceModule>> modules;
  const json types = require<json>(config, "types", file);
  for (const auto& [id, type] : types.items())
    modules[id] = load_sentence_module(module_kind(json_as<std::string>(type, file, "types." + id)),
                                       folder / module_path(id, file, "types"), loader);
  sentence_router out;
  const json structure = require<json>(config, "structure", file);
  for (const auto& [name, ids] : structure.items()) {
    sentence_route route{name};
    for (const auto& id : json_as<std::vector<std::string>>(ids, file, "structure." + name)) {
      const auto found = modules.find(id);
      if (found == modules.end())
        throw config_error(file, "structure." + name, "the name of one of types", quote_text(id));
      if (found->second) route.modules.push_back(*found->second);
    }
    out.routes.push_back(std::move(route));
  }
  if (out.routes.empty()) throw config_error(file, "structure", "a route", "none");
  const json parameters = get<json>(config, "parameters", json::object(), file);
  const auto check = [&](const std::string& name, const std::string& field) {
    for (const auto& route : out.routes)
      if (route.name == name) return;
    throw config_error(file, field, "the name of a route in structure", quote_text(name));
  };
  const bool first = get<bool>(parameters, "allow_empty_key", true, file);
  out.default_route = get<std::string>(parameters, "default_route", first ? out.routes[0].name : "", file);
  if (!out.default_route.empty()) check(out.default_route, "default_route");
  if (const json* mappings = find_member(parameters, "route_mappings", file))
    for (const auto& [key, name] : mappings->items()) {
      check(json_as<std::string>(name, file, "route_mappings"), "route_mappings");
      out.mappings[key] = name.get<std::string>();
    }
  return out;
}

HFT_INLINE std::string sentence_router::route_of(const std::string& task) const {
  const auto its = task.empty() ? std::string("None") : cat("'", task, "'");
  for (const auto& key : {cat("(", its, ", 'text')"), cat("(", its, ", None)"), std::string("(None, 'text')"),
                          std::string("(None, None)")})
    if (const auto found = mappings.find(key); found != mappings.end()) return found->second;
  for (const std::string& name : {task, std::string("text")})
    for (const auto& route : routes)
      if (route.name == name) return name;
  return default_route;
}

HFT_INLINE void sentence_router::operator()(SentenceFeatures& features) const {
  const auto wanted = route_of(features.task);
  std::string known;
  for (const auto& route : routes) {
    if (route.name == wanted) return run_sentence_modules(route.modules, features);
    known += (known.empty() ? "" : ", ") + route.name;
  }
  throw value_error("SentenceTransformer", "task", "one of " + known, quote_text(features.task));
}

HFT_INLINE void sentence_router::sizes(SentenceSizes& sizes, const std::string& where) const {
  const SentenceSizes before = sizes;
  for (const auto& route : routes) {
    SentenceSizes its = before;
    for (const auto& module : route.modules) check_sentence_module(module, its, cat(where, ": ", route.name));
    // What follows sees whichever it is.
    if (&route == &routes[0])
      sizes = its;
    else
      sizes = {.tokens = its.tokens == sizes.tokens ? its.tokens : 0,
               .sentence = its.sentence == sizes.sentence ? its.sentence : 0};
  }
}

}  // namespace detail

HFT_INLINE void check_sentence_module(const SentenceModule& module, SentenceSizes& sizes, const std::string& where) {
  std::visit([&](const auto& m) { m.sizes(sizes, where); }, module);
}

HFT_INLINE void run_sentence_modules(const std::vector<SentenceModule>& modules, SentenceFeatures& features,
                                     std::size_t first) {
  for (std::size_t i = first; i < modules.size(); ++i) std::visit([&](const auto& m) { m(features); }, modules[i]);
}

HFT_INLINE std::optional<SentenceModule> load_sentence_module(std::string_view kind,
                                                              const std::filesystem::path& folder,
                                                              const SentenceEncoderLoader& loader) {
  using namespace detail;
  const auto file = folder / "config.json";
  const auto where = file.string();
  if (kind == "Transformer") return sentence_transformer_input::load(folder, "feature-extraction", loader);
  if (kind == "MLMTransformer") return sentence_transformer_input::load(folder, "fill-mask", loader);
  if (kind == "StaticEmbedding") return sentence_static_embedding::load(folder);
  if (kind == "WordEmbeddings") return sentence_word_embeddings::load(folder);
  if (kind == "BoW") return sentence_bag_of_words::load(folder);
  if (kind == "Router" || kind == "Asym") return sentence_router::load(folder, loader);
  if (kind == "Pooling") return sentence_pooling{PoolingConfig::from_json(read_json(where), where)};
  if (kind == "Dense") return sentence_dense::load(folder);
  if (kind == "LayerNorm") return sentence_layer_norm::load(folder);
  if (kind == "Normalize") return sentence_normalize{module_feature::from_json(module_config(file), where)};
  if (kind == "WordWeights") return sentence_word_weights::load(folder);
  if (kind == "WeightedLayerPooling") return sentence_weighted_layers::load(folder);
  if (kind == "CNN") return sentence_cnn::load(folder);
  if (kind == "LSTM") return sentence_lstm::load(folder);
  if (kind == "SpladePooling") return splade_pooling::load(folder);
  if (kind == "SparseStaticEmbedding") return sparse_static_embedding::load(folder);
  if (kind == "SparseAutoEncoder") return sparse_auto_encoder::load(folder);
  if (kind == "Dropout") return {};
  throw unsupported_error(
      folder.string(), "module",
      "Transformer, MLMTransformer, StaticEmbedding, SparseStaticEmbedding, WordEmbeddings, BoW, "
      "Router, Pooling, SpladePooling, Dense, SparseAutoEncoder, LayerNorm, Normalize, WordWeights, "
      "WeightedLayerPooling, CNN, LSTM or Dropout",
      quote_text(kind));
}

#endif  // HFT_DEFINES

}  // namespace hft
