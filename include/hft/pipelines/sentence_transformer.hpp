// SentenceTransformer: texts to vectors, by the modules that a folder names.
// Reimers & Gurevych 2019, arXiv 1908.10084. sentence_transformers/sentence_transformer/model.py
#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <hft/models/bert.hpp>
#include <hft/pipelines/sentence_config.hpp>
#include <hft/pipelines/sentence_modules.hpp>
#include <hft/pipelines/similarity.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// Of one call.
struct EncodeOptions {
  isize batch_size = 32;
  std::string prompt_name{};               // of the folder's prompts; empty: its default_prompt_name
  std::optional<std::string> prompt{};     // the text itself
  bool normalize_embeddings = false;       // to length 1, whatever the modules do
  std::optional<isize> truncate_dim{};     // in place of the folder's
  std::string task{};                      // "query", "document", ...: the way that a Router goes
  std::optional<isize> max_active_dims{};  // of each vector so many features, the largest, the others 0
};

namespace detail {

/// The modules of a folder and what is done with them, whatever its models' class.
class sentence_pipeline {
 public:
  /// Reads modules.json, or where there is none a model alone, whose tokens' mean is the vector, or the last token of a
  /// causal model, or the largest logits of a masked one. `config` is what the folder does not say. Throws what reading
  /// throws, unsupported_error for a module that hft does not have, config_error for one that does not fit what stands
  /// before it.
  sentence_pipeline(const std::filesystem::path& folder, const SentenceEncoderLoader& loader,
                    SentenceTransformerConfig config = {});

  /// Vectors (N, C) of N texts, computed in batches of texts of like length. Throws value_error for a prompt_name
  /// that the folder does not have, a task without a route, or a batch_size below 1.
  Tensor<f32, 2> encode(const std::vector<std::string>& texts, const EncodeOptions& options = {}) const;
  /// The vectors of each text's tokens, (T,C) each, of what the last module that has some made.
  /// Throws unsupported_error for a folder whose modules see no tokens.
  std::vector<Tensor<f32, 2>> encode_tokens(const std::vector<std::string>& texts,
                                            const EncodeOptions& options = {}) const;

  /// encode() of questions: with the folder's prompt and route "query", or none.
  Tensor<f32, 2> encode_query(const std::vector<std::string>& texts, EncodeOptions options = {}) const {
    return encode(texts, with_prompt(std::move(options), {"query"}, "query"));
  }
  /// encode() of what is searched: with its prompt "document", "passage" or "corpus", or none, and route "document".
  Tensor<f32, 2> encode_document(const std::vector<std::string>& texts, EncodeOptions options = {}) const {
    return encode(texts, with_prompt(std::move(options), {"document", "passage", "corpus"}, "document"));
  }

  /// The vectors of tokenised texts: ids (B,T), of which each row's first `prompt_length` are a prompt => (B,C).
  /// Throws unsupported_error where the first module is no Transformer.
  Tensor<f32, 2> encode_ids(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args, isize prompt_length = 0) const;

  /// How alike vectors are, by the folder's similarity_fn_name: (N,C) and (M,C) => (N,M).
  Tensor<f32, 2> similarity(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b) const {
    return hft::similarity(a, b, config_.similarity_fn_name);
  }
  /// The same of each a[i] and b[i]: (N).
  Tensor<f32, 1> similarity_pairwise(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b) const {
    return hft::similarity_pairwise(a, b, config_.similarity_fn_name);
  }

  /// The features of a vector, 0 where the folder does not tell.
  isize get_sentence_embedding_dimension() const;
  /// Tokens of a text beyond which it is cut, on the longest route of a Router; nothing where there is no limit.
  std::optional<isize> max_seq_length() const;
  /// Throws value_error for a length below 1.
  void set_max_seq_length(isize length);

  /// That of the first Transformer or SparseStaticEmbedding. Throws unsupported_error where there is none.
  const PreTrainedTokenizerFast& tokenizer() const;
  const SentenceTransformerConfig& config() const { return config_; }
  const std::vector<SentenceModule>& modules() const { return modules_; }

 protected:
  EncodeOptions with_prompt(EncodeOptions options, std::initializer_list<const char*> names, const char* task) const;
  /// Calls f(features, places of its rows in texts) for each batch of texts.
  void for_each_batch(const std::vector<std::string>& texts, const EncodeOptions& options,
                      const std::function<void(SentenceFeatures&, const std::size_t*)>& f) const;
  Tensor<f32, 2> finish(Tensor<f32, 2> y, const EncodeOptions& options) const;

  std::vector<SentenceModule> modules_;
  SentenceTransformerConfig config_;
  isize size_ = 0;
};

}  // namespace detail

/// Model is a class whose output has last_hidden_state: BertModel, MPNetModel, T5EncoderModel, Qwen3Model, ....
/// AutoSentenceTransformer (auto_sentence_transformer.hpp) finds it in the folder.
template <class Model = BertModel<f32>>
class SentenceTransformer : public detail::sentence_pipeline {
 public:
  /// A folder with modules.json (see load_sentence_module), or of a model alone. Throws what loading the parts throws,
  /// and unsupported_error for another kind of module.
  static SentenceTransformer from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return from_pretrained(id_or_path, options,
                           [&](const std::string& folder) { return Model::from_pretrained(folder, options); });
  }
  /// The same, with a function that makes the model of a Transformer's folder.
  static SentenceTransformer from_pretrained(std::string_view id_or_path, const LoadOptions& options,
                                             const std::function<Model(const std::string& folder)>& load_model) {
    std::shared_ptr<const SentenceEncoderOf<Model>> first;
    const auto load = [&](const std::string& folder, const std::string&) {
      auto model = std::make_shared<const SentenceEncoderOf<Model>>(load_model(folder));
      if (!first) first = model;
      return model;
    };
    detail::sentence_pipeline pipeline(resolve_model(id_or_path, options.revision), {{"feature-extraction"}, load});
    return SentenceTransformer(std::move(pipeline), std::move(first));
  }

  /// That of the first Transformer. Throws unsupported_error where there is none.
  const Model& model() const {
    if (!model_) throw unsupported_error("SentenceTransformer", "model", "a folder with a Transformer", "none");
    return model_->model;
  }

 private:
  SentenceTransformer(detail::sentence_pipeline pipeline, std::shared_ptr<const SentenceEncoderOf<Model>> model)
      : detail::sentence_pipeline(std::move(pipeline)), model_(std::move(model)) {}

  std::shared_ptr<const SentenceEncoderOf<Model>> model_;
};

#if HFT_DEFINES(MODELS)

namespace detail {

inline bool makes_features(std::string_view kind) {
  for (const char* input : {"Transformer", "MLMTransformer", "StaticEmbedding", "SparseStaticEmbedding",
                            "WordEmbeddings", "BoW", "Router", "Asym"})
    if (kind == input) return true;
  return false;
}

HFT_INLINE sentence_pipeline::sentence_pipeline(const std::filesystem::path& folder,
                                                const SentenceEncoderLoader& loader, SentenceTransformerConfig config)
    : config_(SentenceTransformerConfig::read(folder, std::move(config))) {
  SentenceSizes sizes;
  const auto add = [&](std::optional<SentenceModule> module, const std::string& where) {
    if (!module) return;
    check_sentence_module(*module, sizes, where);
    modules_.push_back(*std::move(module));
  };
  const auto file = (folder / "modules.json").string();
  if (is_there(file)) {
    const json list = read_json(file);
    bool first = true;
    for (const json& module : json_as<std::vector<json>>(list, file, "")) {
      const auto type = require<std::string>(module, "type", file);
      const auto kind = module_kind(type);
      const auto path = module_path(require<std::string>(module, "path", file), file, "path");
      if (first && !makes_features(kind))
        throw unsupported_error(
            file, "its first module",
            "a Transformer, MLMTransformer, StaticEmbedding, SparseStaticEmbedding, WordEmbeddings, "
            "BoW or Router",
            quote_text(type));
      if (!first && makes_features(kind) && kind != "Router" && kind != "Asym")
        throw unsupported_error(file, "a module that is not the first", "one that changes vectors", quote_text(type));
      const auto place = path.empty() ? folder : folder / path;
      add(load_sentence_module(kind, place, loader), (place / module_config_name(kind)).string());
      first = false;
    }
    if (!sizes.sentence)
      throw unsupported_error(file, "modules", "one that gives vectors of texts, as a Pooling does", "none");
  } else {
    const bool masked = loader.tasks[0] == "fill-mask";
    add(load_sentence_module(masked ? "MLMTransformer" : "Transformer", folder, loader), folder.string());
    const auto config_file = (folder / "config.json").string();
    const json model = read_json(config_file);
    const auto names = get<std::vector<std::string>>(model, "architectures", {}, config_file);
    const bool causal =
        !names.empty() && names[0].ends_with("ForCausalLM") && get<bool>(model, "is_causal", true, config_file);
    if (masked)
      add(splade_pooling(), folder.string());
    else
      add(sentence_pooling{{.pooling_mode = {causal ? PoolingMode::lasttoken : PoolingMode::mean}}}, folder.string());
  }
  size_ = *sizes.sentence;
}

HFT_INLINE void sentence_pipeline::for_each_batch(
    const std::vector<std::string>& texts, const EncodeOptions& options,
    const std::function<void(SentenceFeatures&, const std::size_t*)>& f) const {
  if (options.batch_size < 1)
    throw value_error("SentenceTransformer", "batch_size", "at least 1", joined(options.batch_size));
  const auto prompt = config_.prompt_of(options.prompt, options.prompt_name, "SentenceTransformer");
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return texts[a].size() < texts[b].size(); });
  for (std::size_t begin = 0; begin < order.size(); begin += std::size_t(options.batch_size)) {
    SentenceFeatures features{.prompt = prompt, .task = options.task, .max_active_dims = options.max_active_dims};
    const std::size_t end = std::min(order.size(), begin + std::size_t(options.batch_size));
    for (std::size_t i = begin; i < end; ++i) features.texts.push_back(texts[order[i]]);
    run_sentence_modules(modules_, features);
    f(features, order.data() + begin);
  }
}

HFT_INLINE Tensor<f32, 2> sentence_pipeline::finish(Tensor<f32, 2> y, const EncodeOptions& options) const {
  if (const auto size = options.truncate_dim ? options.truncate_dim : config_.truncate_dim)
    y = y.slice(1, 0, std::clamp<isize>(*size, 0, y.extent(1))).dense();
  if (options.max_active_dims) y = largest_features(y, *options.max_active_dims);
  return options.normalize_embeddings ? unit_vectors(y) : y;
}

HFT_INLINE Tensor<f32, 2> sentence_pipeline::encode(const std::vector<std::string>& texts,
                                                    const EncodeOptions& options) const {
  Tensor<f32, 2> result(
      {0, options.truncate_dim ? std::min(size_, *options.truncate_dim) : get_sentence_embedding_dimension()});
  for_each_batch(texts, options, [&](SentenceFeatures& features, const std::size_t* place) {
    const auto y = finish(features.sentence_embedding, options);
    const isize C = y.extent(1);
    if (!result.extent(0)) result = Tensor<f32, 2>({isize(texts.size()), C});
    for (isize i = 0; i < y.extent(0); ++i) std::copy_n(y.data() + i * C, C, result.data() + isize(place[i]) * C);
  });
  return result;
}

HFT_INLINE std::vector<Tensor<f32, 2>> sentence_pipeline::encode_tokens(const std::vector<std::string>& texts,
                                                                        const EncodeOptions& options) const {
  std::vector<Tensor<f32, 2>> result(texts.size());
  for_each_batch(texts, options, [&](SentenceFeatures& features, const std::size_t* place) {
    if (!features.token_embeddings)
      throw unsupported_error("SentenceTransformer", "encode_tokens", "modules that see tokens", "none");
    const auto mask = features.attention_mask.dense();
    const isize T = mask.extent(1), shown = features.token_embeddings.extent(1);
    for (isize i = 0; i < features.token_embeddings.extent(0); ++i) {
      isize last = T;
      while (last > 1 && !mask.data()[i * T + last - 1]) --last;
      result[place[i]] = features.token_embeddings[i].slice(0, 0, std::min(last, shown)).clone();
    }
  });
  return result;
}

HFT_INLINE Tensor<f32, 2> sentence_pipeline::encode_ids(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args,
                                                        isize prompt_length) const {
  const auto* transformer = std::get_if<sentence_transformer_input>(&modules_.front());
  if (!transformer)
    throw unsupported_error("SentenceTransformer", "encode_ids", "a folder whose first module is a Transformer",
                            "another");
  auto y = (*transformer->model)(input_ids, args);
  SentenceFeatures features{.input_ids = input_ids,
                            .attention_mask = args.attention_mask,
                            .prompt_length = prompt_length,
                            .token_embeddings = std::move(y.last_hidden_state),
                            .all_layer_embeddings = std::move(y.hidden_states)};
  if (!features.attention_mask) features.attention_mask = Tensor<i64, 2>::filled(input_ids.shape(), 1);
  run_sentence_modules(modules_, features, 1);
  return features.sentence_embedding;
}

HFT_INLINE EncodeOptions sentence_pipeline::with_prompt(EncodeOptions options, std::initializer_list<const char*> names,
                                                        const char* task) const {
  if (options.task.empty()) options.task = task;
  if (options.prompt || !options.prompt_name.empty()) return options;
  const auto found = std::find_if(names.begin(), names.end(), [&](auto n) { return config_.prompts.contains(n); });
  options.prompt = found == names.end() ? std::string() : config_.prompts.at(*found);
  return options;
}

HFT_INLINE isize sentence_pipeline::get_sentence_embedding_dimension() const {
  return config_.truncate_dim ? std::clamp<isize>(*config_.truncate_dim, 0, size_) : size_;
}

// Calls f with each module of kind Module; those of a Router's routes, too.
template <class Module, class Modules, class F>
void for_each_of(Modules& modules, const F& f) {
  for (auto& module : modules) {
    if (auto* router = std::get_if<sentence_router>(&module))
      for (auto& route : router->routes) for_each_of<Module>(route.modules, f);
    else if (auto* found = std::get_if<Module>(&module))
      f(*found);
  }
}

HFT_INLINE std::optional<isize> sentence_pipeline::max_seq_length() const {
  constexpr isize none = PreTrainedTokenizerFast::no_max_length;
  isize longest = 0;
  const auto see = [&](isize its) { longest = std::max(longest, its); };
  for_each_of<sentence_transformer_input>(
      modules_, [&](const sentence_transformer_input& t) { see(t.tokenizer.model_max_length); });
  for_each_of<sentence_word_embeddings>(modules_, [&](const sentence_word_embeddings& w) { see(w.max_seq_length); });
  for_each_of<sentence_static_embedding>(modules_, [&](const sentence_static_embedding&) { see(none); });
  return longest && longest != none ? std::optional(longest) : std::nullopt;
}

HFT_INLINE void sentence_pipeline::set_max_seq_length(isize length) {
  if (length < 1) throw value_error("SentenceTransformer", "max_seq_length", "1 or more", joined(length));
  for_each_of<sentence_transformer_input>(
      modules_, [&](sentence_transformer_input& t) { t.tokenizer.model_max_length = length; });
  for_each_of<sentence_word_embeddings>(modules_, [&](sentence_word_embeddings& w) { w.max_seq_length = length; });
}

HFT_INLINE const PreTrainedTokenizerFast& sentence_pipeline::tokenizer() const {
  const PreTrainedTokenizerFast* first = nullptr;
  const auto see = [&](const auto& module) {
    if (!first) first = &module.tokenizer;
  };
  for_each_of<sentence_transformer_input>(modules_, see);
  for_each_of<sparse_static_embedding>(modules_, see);
  if (!first) throw unsupported_error("SentenceTransformer", "tokenizer", "a folder with a Transformer", "none");
  return *first;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
