// What the modules of a sentence-transformers folder read and write, and how a module reads its own folder.
// sentence_transformers/base/modules/module.py
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/models/fields.hpp>
#include <hft/models/loading.hpp>
#include <hft/module.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The first module makes tensors of the texts, those behind it change them.
struct SentenceFeatures {
  std::vector<std::string> texts{};                    // B
  std::string prompt{};                                // what stands before each text
  std::string task{};                                  // "query", "document", ...: what a Router goes by
  std::optional<isize> max_active_dims{};              // what a SparseAutoEncoder keeps, in place of its own number
  Tensor<i64, 2> input_ids{};                          // (B,T)
  Tensor<i64, 2> attention_mask{};                     // (B,T)
  isize prompt_length = 0;                             // tokens that each row begins with
  Tensor<f32, 3> token_embeddings{};                   // (B,T,C)
  std::vector<Tensor<f32, 3>> all_layer_embeddings{};  // (B,T,C) each, of a model whose config asks for them
  Tensor<f32, 1> token_weights_sum{};                  // (B), behind a WordWeights
  Tensor<f32, 2> sentence_embedding{};                 // (B,C), behind a Pooling
};

/// Which features there are behind a module, and of what size: 0 where the folder does not tell.
struct SentenceSizes {
  std::optional<isize> tokens{}, sentence{};
};

namespace detail {

/// Which of the features a module takes, by its config's module_input_name, and gives.
struct module_feature {
  bool of_tokens = false;

  /// Throws unsupported_error for a name that is not one of the two, and where the result has another name.
  static module_feature from_json(const json& config, std::string_view where);
  /// f of the tensor (..., C) in its place.
  template <class F>
  void replace(SentenceFeatures& features, F f) const {
    if (of_tokens)
      features.token_embeddings = f(features.token_embeddings);
    else
      features.sentence_embedding = f(features.sentence_embedding);
  }
  /// Its size, which the module changes. Throws config_error where there is no such feature, and unless `expected` is 0
  /// or the size is that, for the field of that name.
  std::optional<isize>& size(SentenceSizes& sizes, const std::string& where, const char* field, isize expected) const;
};

/// Throws config_error where no tokens are there, or with other than `expected` values each.
void check_token_size(const SentenceSizes& sizes, const std::string& where, const char* field, isize expected);

/// A path in a folder's list of modules. Throws file_error for one that leads elsewhere.
std::string module_path(const std::string& path, const std::string& file, std::string_view field);

/// The class of a module ("Pooling") by its place in Python.
inline std::string_view module_kind(std::string_view type) { return type.substr(type.rfind('.') + 1); }

/// What the config of a module of that class is called.
const char* module_config_name(std::string_view kind);

/// A module's config, of which older folders may have none.
json module_config(const std::filesystem::path& file);

/// A size that a config says, from 1 on.
isize module_extent(const json& config, const char* name, const std::string& where);

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

/// A tensor of any shape with R dimensions, as f32. Throws weight_error for one that is missing or has others.
template <std::size_t R>
Tensor<f32, R> read_module_tensor(const safetensors_file& file, std::string_view name) {
  const auto* stored = file.find(name);
  if (!stored) throw weight_error(file.where(), "", "tensor " + quote_text(name), "none");
  if (stored->shape.size() != R || !info(stored->dtype).floating)
    throw weight_error(file.where(), "tensor " + quote_text(name), joined("real numbers in ", R, " dimensions"),
                       joined(hft::name(stored->dtype), " ", shape_text(stored->shape)));
  Shape<R> shape;
  std::copy(stored->shape.begin(), stored->shape.end(), shape.begin());
  Tensor<f32, R> out(shape);
  convert(dtype_id::f32, out.data(), stored->dtype, stored->bytes.data(), stored->numel());
  return out;
}

}  // namespace detail

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

HFT_INLINE std::optional<isize>& module_feature::size(SentenceSizes& sizes, const std::string& where, const char* field,
                                                      isize expected) const {
  auto& its = of_tokens ? sizes.tokens : sizes.sentence;
  if (!its)
    throw config_error(where, "", of_tokens ? "vectors of tokens before it" : "vectors of texts before it: a Pooling",
                       "none");
  if (expected && *its && *its != expected)
    throw config_error(where, field, joined(*its, ", the size of what stands before it"), joined(expected));
  return its;
}

HFT_INLINE void check_token_size(const SentenceSizes& sizes, const std::string& where, const char* field,
                                 isize expected) {
  SentenceSizes copy = sizes;
  module_feature{true}.size(copy, where, field, expected);
}

HFT_INLINE std::string module_path(const std::string& path, const std::string& file, std::string_view field) {
  if (path.find("..") != path.npos || path.starts_with('/'))
    throw file_error(file, std::string(field), "a folder inside this one", quote_text(path));
  return path;
}

HFT_INLINE const char* module_config_name(std::string_view kind) {
  return kind == "CNN"                        ? "cnn_config.json"
         : kind == "LSTM"                     ? "lstm_config.json"
         : kind == "WordEmbeddings"           ? "wordembedding_config.json"
         : kind == "Router" || kind == "Asym" ? "router_config.json"
                                              : "config.json";
}

HFT_INLINE json module_config(const std::filesystem::path& file) {
  return is_there(file) ? read_json(file) : json::object();
}

HFT_INLINE isize module_extent(const json& config, const char* name, const std::string& where) {
  const isize n = require<isize>(config, name, where);
  if (n < 1 || f64(n) > field_visitor::largest_extent)
    throw config_error(where, name, joined("1 to ", isize(field_visitor::largest_extent)), joined(n));
  return n;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
