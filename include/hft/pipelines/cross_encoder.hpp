// CrossEncoder: how well two texts belong together, read by one model at once: rerankers, and classifiers of pairs.
// Nogueira & Cho 2019, arXiv 1901.04085. sentence_transformers/cross_encoder/model.py
#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/models/bert.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/softmax.hpp>
#include <hft/pipelines/sentence_config.hpp>
#include <hft/pipelines/sentence_encoder.hpp>
#include <hft/pipelines/sentence_inputs.hpp>
#include <hft/pipelines/similarity.hpp>
#include <hft/pipelines/torch_activation.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// Of one call.
struct PredictOptions {
  isize batch_size = 32;
  std::string prompt_name{};            // of the folder's prompts; empty: its default_prompt_name
  std::optional<std::string> prompt{};  // what stands before the first text of each pair
  bool apply_activation = true;         // the folder's; else scores are the model's logits
  bool apply_softmax = false;           // over several labels
};

using TextPair = std::pair<std::string, std::string>;

namespace detail {

/// What is done with a classifier of pairs, whatever its class.
class cross_encoder_pipeline {
 public:
  /// Tokens (B,T) => logits (B,labels).
  using classifier = std::function<Tensor<f32, 2>(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args)>;

  /// The scores (N, labels) of N pairs, computed in batches of pairs of like length. One label's are sigmoids, several
  /// ones' logits, unless the folder names another activation. Throws value_error for a prompt_name that the folder
  /// does not have, or a batch_size below 1.
  Tensor<f32, 2> predict(const std::vector<TextPair>& pairs, const PredictOptions& options = {}) const;
  /// The places of documents, that which answers the query best first, with their scores; top_k of them, or all.
  /// Throws value_error for a model with several labels.
  std::vector<SearchHit> rank(const std::string& query, const std::vector<std::string>& documents,
                              std::optional<isize> top_k = {}, const PredictOptions& options = {}) const;

  const PreTrainedTokenizerFast& tokenizer() const { return tokenizer_; }
  const SentenceTransformerConfig& config() const { return config_; }
  /// Tokens of a pair beyond which its longer text is cut; nothing where there is no limit.
  std::optional<isize> max_length() const {
    const auto length = tokenizer_.model_max_length;
    return length == PreTrainedTokenizerFast::no_max_length ? std::nullopt : std::optional<isize>(length);
  }
  /// Throws value_error for a length below 1.
  void set_max_length(isize length) {
    if (length < 1) throw value_error("CrossEncoder", "max_length", "1 or more", joined(length));
    tokenizer_.model_max_length = length;
  }

 protected:
  /// Throws unsupported_error for modules beside a Transformer, or another of the model's outputs.
  cross_encoder_pipeline(const std::filesystem::path& folder, isize max_positions, classifier model);
  /// Where the Transformer of a folder is.
  static std::filesystem::path transformer_of(const std::filesystem::path& folder);

 private:
  classifier model_;
  PreTrainedTokenizerFast tokenizer_;
  SentenceTransformerConfig config_;
  bool has_activation_ = false;             // else it goes by the number of labels
  std::optional<Activation> activation_{};  // none: logits as they are
};

/// The logits of a typed model, and of AnyModel.
template <class Model>
Tensor<f32, 2> sequence_logits(const Model& model, const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) {
  return model(input_ids, args).logits;
}
Tensor<f32, 2> sequence_logits(const AnyModel<>& model, const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args);

}  // namespace detail

/// Model is a class whose output has logits (B,labels): BertForSequenceClassification, .... AutoCrossEncoder
/// (auto_cross_encoder.hpp) finds it in the folder.
template <class Model = BertForSequenceClassification<f32>>
class CrossEncoder : public detail::cross_encoder_pipeline {
 public:
  /// A model's folder, with modules.json that names a Transformer alone, or without. Throws what loading the parts
  /// throws, and unsupported_error for other modules.
  static CrossEncoder from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return from_pretrained(id_or_path, options,
                           [&](const std::string& folder) { return Model::from_pretrained(folder, options); });
  }
  /// The same, with a function that makes the model of a Transformer's folder.
  static CrossEncoder from_pretrained(std::string_view id_or_path, const LoadOptions& options,
                                      const std::function<Model(const std::string& folder)>& load_model) {
    const auto folder = resolve_model(id_or_path, options.revision);
    return CrossEncoder(folder, std::make_shared<const Model>(load_model(transformer_of(folder).string())));
  }

  const Model& model() const { return *model_; }

 private:
  CrossEncoder(const std::filesystem::path& folder, std::shared_ptr<const Model> model)
      : detail::cross_encoder_pipeline(folder, model->max_position_embeddings(),
                                       [model](const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) {
                                         return detail::sequence_logits(*model, input_ids, args);
                                       }),
        model_(std::move(model)) {}

  std::shared_ptr<const Model> model_;
};

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE Tensor<f32, 2> sequence_logits(const AnyModel<>& model, const Tensor<i64, 2>& input_ids,
                                          const ForwardArgs<>& args) {
  for (const auto& stored : model.forward(input_ids, args))
    if (stored.name == "logits") return output_tensor<2>(stored);
  throw unsupported_error(model.architecture(), "its output", "logits", "none");
}

HFT_INLINE std::filesystem::path cross_encoder_pipeline::transformer_of(const std::filesystem::path& folder) {
  const auto file = (folder / "modules.json").string();
  if (!is_there(file)) return folder;
  const json list = read_json(file);
  const auto modules = json_as<std::vector<json>>(list, file, "");
  for (const json& module : modules) {
    const auto type = require<std::string>(module, "type", file);
    if (module_kind(type) != "Transformer")
      throw unsupported_error(file, "modules", "a Transformer alone", quote_text(type));
  }
  if (modules.size() != 1) throw unsupported_error(file, "modules", "one Transformer", joined(modules.size()));
  const auto path = module_path(require<std::string>(modules[0], "path", file), file, "path");
  return path.empty() ? folder : folder / path;
}

HFT_INLINE cross_encoder_pipeline::cross_encoder_pipeline(const std::filesystem::path& folder, isize max_positions,
                                                          classifier model)
    : model_(std::move(model)),
      tokenizer_([&] {
        const auto place = transformer_of(folder);
        const auto settings = transformer_settings::read(place);
        settings.task("sequence-classification", {"sequence-classification"});
        return settings.tokenizer(place, max_positions);
      }()),
      config_(SentenceTransformerConfig::read(folder, {})) {
  // Where it is said: beside the modules, in the model's config, and there under its older name.
  std::string name = config_.activation_fn, field = "activation_fn";
  auto where = (folder / "config_sentence_transformers.json").string();
  if (name.empty()) {
    where = (transformer_of(folder) / "config.json").string();
    const json config = read_json(where);
    if (const json* own = find_member(config, "sentence_transformers", where))
      name = get<std::string>(*own, field, "", where);
    if (name.empty()) {
      field = "sbert_ce_default_activation_function";
      name = get<std::string>(config, field, "", where);
    }
  }
  // Others are code of the folder's own, which sentence-transformers does not run either.
  has_activation_ = name.starts_with("torch.");
  if (has_activation_) activation_ = torch_activation(name, where, field.c_str());
}

HFT_INLINE Tensor<f32, 2> cross_encoder_pipeline::predict(const std::vector<TextPair>& pairs,
                                                          const PredictOptions& options) const {
  if (options.batch_size < 1) throw value_error("CrossEncoder", "batch_size", "at least 1", joined(options.batch_size));
  const auto prompt = config_.prompt_of(options.prompt, options.prompt_name, "CrossEncoder");
  const auto length = [&](std::size_t i) { return pairs[i].first.size() + pairs[i].second.size(); };
  std::vector<std::size_t> order(pairs.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return length(a) < length(b); });
  TokenizerCallOptions call;
  call.padding = PaddingStrategy::longest;
  call.truncation = true;
  Tensor<f32, 2> result;
  for (std::size_t begin = 0; begin < order.size(); begin += std::size_t(options.batch_size)) {
    std::vector<std::string> first, second;
    const std::size_t end = std::min(order.size(), begin + std::size_t(options.batch_size));
    for (std::size_t i = begin; i < end; ++i) {
      first.push_back(prompt + pairs[order[i]].first);
      second.push_back(pairs[order[i]].second);
    }
    const auto batch = tokenizer_(first, second, call);
    ForwardArgs<> args;
    args.attention_mask = ids_tensor(batch.attention_mask);
    if (!batch.token_type_ids.empty()) args.token_type_ids = ids_tensor(batch.token_type_ids);
    auto y = model_(ids_tensor(batch.input_ids), args).dense();
    const isize labels = y.extent(1);
    const auto f = has_activation_ ? activation_ : labels == 1 ? std::optional(Activation::sigmoid) : std::nullopt;
    if (options.apply_activation && f) y = activate(y, *f);
    if (options.apply_softmax && labels > 1) y = softmax(y);
    if (!result) result = Tensor<f32, 2>({isize(pairs.size()), labels});
    for (std::size_t i = begin; i < end; ++i)
      std::copy_n(y.data() + isize(i - begin) * labels, labels, result.data() + isize(order[i]) * labels);
  }
  return result ? result : Tensor<f32, 2>({0, 1});
}

HFT_INLINE std::vector<SearchHit> cross_encoder_pipeline::rank(const std::string& query,
                                                               const std::vector<std::string>& documents,
                                                               std::optional<isize> top_k,
                                                               const PredictOptions& options) const {
  if (top_k && *top_k < 1) throw value_error("CrossEncoder", "top_k", "1 or more", joined(*top_k));
  std::vector<TextPair> pairs;
  for (const auto& document : documents) pairs.emplace_back(query, document);
  const auto scores = predict(pairs, options);
  if (scores.extent(1) != 1)
    throw value_error("CrossEncoder", "rank", "a model with one label", joined(scores.extent(1), " labels"));
  std::vector<SearchHit> hits;
  for (isize i = 0; i < scores.extent(0); ++i) hits.push_back({i, scores.data()[i]});
  std::stable_sort(hits.begin(), hits.end(), [](const SearchHit& a, const SearchHit& b) { return a.score > b.score; });
  if (top_k && *top_k < isize(hits.size())) hits.erase(hits.begin() + *top_k, hits.end());
  return hits;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
