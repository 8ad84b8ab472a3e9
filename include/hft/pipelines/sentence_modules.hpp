// What a folder of sentence-transformers has behind its Transformer: modules that change the vectors of tokens or of
// texts, each with a config and perhaps weights in a folder of its own.
// sentence_transformers/base/modules, sentence_transformers/sentence_transformer/modules
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <hft/io/safetensors.hpp>
#include <hft/layers/build.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/models/fields.hpp>
#include <hft/models/loading.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/pipelines/sentence_pooling.hpp>

namespace hft {

/// What modules read and write.
struct SentenceFeatures {
  Tensor<f32, 3> token_embeddings;         // (B,T,C)
  Tensor<i64, 2> attention_mask;           // (B,T)
  isize prompt_length = 0;                 // tokens that each row begins with
  Tensor<f32, 2> sentence_embedding = {};  // (B,C), behind a Pooling
};

namespace detail {

using sentence_build = build<f32, cpu>;

/// Which of the features a module takes, by its config's module_input_name, and gives.
struct module_feature {
  bool of_tokens = false;

  /// Throws unsupported_error for a name that is not one of the two, and where the result has another name.
  static module_feature from_json(const json& config, std::string_view where);
  /// f of the tensor (..., C) in its place. Throws unsupported_error where there is none yet.
  template <class F>
  void replace(SentenceFeatures& features, F f) const {
    if (of_tokens) {
      features.token_embeddings = f(features.token_embeddings);
    } else {
      if (!features.sentence_embedding)
        throw unsupported_error("modules.json", "a module of sentence_embedding", "a Pooling before it", "none");
      features.sentence_embedding = f(features.sentence_embedding);
    }
  }
};

/// A Pooling.
struct sentence_pooling {
  PoolingConfig config;

  void operator()(SentenceFeatures& x) const {
    x.sentence_embedding = pool(x.token_embeddings, x.attention_mask, config, x.prompt_length);
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
  void visit(visitor& v) { v("norm", norm); }
};

/// Each vector (..., C) at length 1 (torch.nn.functional.normalize).
template <std::size_t R>
Tensor<f32, R> unit_vectors(const Tensor<f32, R>& x) {
  const auto dense = x.dense();
  const isize C = x.extent(R - 1);
  Tensor<f32, R> y(x.shape());
  for (isize r = 0; r < (C ? x.size() / C : 0); ++r) {
    const f32* from = dense.data() + r * C;
    f64 square = 0;
    for (isize c = 0; c < C; ++c) square += f64(from[c]) * f64(from[c]);
    const f32 scale = f32(1 / std::max(std::sqrt(square), 1e-12));
    for (isize c = 0; c < C; ++c) y.data()[r * C + c] = from[c] * scale;
  }
  return y;
}

struct sentence_normalize {
  module_feature feature;

  void operator()(SentenceFeatures& features) const {
    feature.replace(features, [](const auto& x) { return unit_vectors(x); });
  }
};

}  // namespace detail

using SentenceModule = std::variant<detail::sentence_pooling, detail::sentence_dense, detail::sentence_layer_norm,
                                    detail::sentence_normalize>;

/// The module of a class ("Pooling", "Dense", ...) in a folder; none for what changes nothing, Dropout. Throws what
/// reading its files throws, weight_error for weights that are missing or of another shape, unsupported_error for a
/// class that is not one of these.
std::optional<SentenceModule> load_sentence_module(std::string_view kind, const std::filesystem::path& folder);

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE module_feature module_feature::from_json(const json& config, std::string_view where) {
  const auto in = get<std::string>(config, "module_input_name", "sentence_embedding", where);
  const auto to = get<std::string>(config, "module_output_name", in, where);
  if (in != "sentence_embedding" && in != "token_embeddings")
    throw unsupported_error(std::string(where), "module_input_name", "sentence_embedding or token_embeddings",
                            quote_text(in));
  if (to != in) throw unsupported_error(std::string(where), "module_output_name", quote_text(in), quote_text(to));
  return {in == "token_embeddings"};
}

/// The config of a module that may have none.
inline json module_config(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  return is_there(file) ? read_json(file) : json::object();
}

/// Gives a module its weights. Throws weight_error for one that is missing or of another shape.
template <class Module>
void load_module_weights(Module& module, const std::filesystem::path& folder) {
  const auto file = safetensors_file::open(folder / "model.safetensors");
  for_each_parameter(module, [&](const std::string& path, parameter& p) {
    const auto* stored = file.find(path);
    if (!stored) throw weight_error(file.where(), "", "tensor " + quote_text(path), "none");
    if (stored->shape != p.shape())
      throw weight_error(file.where(), "tensor " + quote_text(path), shape_text(p.shape()), shape_text(stored->shape));
    assign(p, *stored, file.where(), {}, {});
  });
}

/// The activation of a class of torch.nn; none for the one that changes nothing.
inline std::optional<Activation> torch_activation(std::string_view path, std::string_view where) {
  const auto name = path.substr(path.rfind('.') + 1);
  static constexpr std::pair<std::string_view, Activation> known[] = {
      {"Tanh", Activation::tanh},       {"ReLU", Activation::relu},          {"ReLU6", Activation::relu6},
      {"GELU", Activation::gelu},       {"SiLU", Activation::silu},          {"Mish", Activation::mish},
      {"Sigmoid", Activation::sigmoid}, {"Hardswish", Activation::hardswish}};
  if (name == "Identity") return {};
  for (const auto& [its_name, activation] : known)
    if (name == its_name) return activation;
  throw unsupported_error(std::string(where), "activation_function",
                          "Identity, Tanh, ReLU, ReLU6, GELU, SiLU, Mish, Sigmoid or Hardswish of torch.nn",
                          quote_text(path));
}

inline isize module_extent(const json& config, const char* name, const std::string& where) {
  const isize n = require<isize>(config, name, where);
  if (n < 1 || f64(n) > field_visitor::largest_extent)
    throw config_error(where, name, joined("1 to ", isize(field_visitor::largest_extent)), joined(n));
  return n;
}

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

}  // namespace detail

HFT_INLINE std::optional<SentenceModule> load_sentence_module(std::string_view kind,
                                                              const std::filesystem::path& folder) {
  const auto where = (folder / "config.json").string();
  if (kind == "Pooling") return detail::sentence_pooling{PoolingConfig::from_json(read_json(where), where)};
  if (kind == "Dense") return detail::sentence_dense::load(folder);
  if (kind == "LayerNorm") return detail::sentence_layer_norm::load(folder);
  if (kind == "Normalize")
    return detail::sentence_normalize{detail::module_feature::from_json(detail::module_config(folder), where)};
  if (kind == "Dropout") return {};
  throw unsupported_error(folder.string(), "module", "Transformer, Pooling, Dense, LayerNorm, Normalize or Dropout",
                          detail::quote_text(kind));
}

#endif  // HFT_DEFINES

}  // namespace hft
