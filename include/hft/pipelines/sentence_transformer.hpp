// SentenceTransformer: texts to vectors, by an encoder and the modules that its own folder names.
// Reimers & Gurevych 2019, arXiv 1908.10084. sentence_transformers/sentence_transformer/model.py
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <hft/models/bert.hpp>
#include <hft/pipelines/sentence_modules.hpp>
#include <hft/tokenizers/normalized_string.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// config_sentence_transformers.json; fields have its names.
struct SentenceTransformerConfig {
  std::map<std::string, std::string> prompts{};      // by name, what stands before a text
  std::optional<std::string> default_prompt_name{};  // of texts that are given with no other
  std::string similarity_fn_name = "cosine";         // dot, euclidean, manhattan
  std::optional<isize> truncate_dim{};               // vectors' first features alone

  /// Throws format_error for values of a wrong type, config_error for those that do not fit.
  static SentenceTransformerConfig from_json(const json& object, const std::string& where);
};

/// Of one call.
struct EncodeOptions {
  isize batch_size = 32;
  std::string prompt_name{};            // of the folder's prompts; empty: its default_prompt_name
  std::optional<std::string> prompt{};  // the text itself
  bool normalize_embeddings = false;    // to length 1, whatever the modules do
  std::optional<isize> truncate_dim{};  // in place of the folder's
};

namespace detail {

/// The folder's modules.json, read: where its Transformer is, and what comes behind it.
struct sentence_folder {
  std::filesystem::path transformer;
  std::vector<SentenceModule> modules{};
  std::optional<isize> max_seq_length{};
  bool do_lower_case = false;
  SentenceTransformerConfig config{};

  /// Throws what reading throws, and unsupported_error for a module that hft does not have.
  static sentence_folder read(const std::filesystem::path& folder);
};

/// As tokenizers' Lowercase.
std::string lower_case(std::string_view text);

/// How alike vectors are: (N,C) and (M,C) => (N,M), larger for the more alike; distances are negative.
Tensor<f32, 2> similarity(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b, std::string_view function);

}  // namespace detail

/// Model is a class whose output has last_hidden_state: BertModel, MPNetModel, T5EncoderModel, Qwen3Model, ....
template <class Model = BertModel<f32>>
class SentenceTransformer {
 public:
  /// A folder with modules.json: a Transformer, and modules behind it (see load_sentence_module). Throws what loading
  /// the parts throws, and unsupported_error for another kind of module.
  static SentenceTransformer from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    auto parts = detail::sentence_folder::read(resolve_model(id_or_path, options.revision));
    const auto place = parts.transformer.string();
    return {Model::from_pretrained(place, options), AutoTokenizer::from_pretrained(place), std::move(parts)};
  }

  /// Vectors (N, C) of N texts, computed in batches of texts of like length. Throws value_error for a prompt_name
  /// that the folder does not have, or a batch_size below 1.
  Tensor<f32, 2> encode(const std::vector<std::string>& texts, const EncodeOptions& options = {}) const {
    if (options.batch_size < 1)
      throw value_error("SentenceTransformer", "batch_size", "at least 1", detail::joined(options.batch_size));
    const auto prompt = prompt_of(options);
    const isize prompt_length = prompt.empty() ? 0 : tokens_of_prompt(prompt);
    std::vector<std::size_t> order(texts.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return texts[a].size() < texts[b].size(); });
    Tensor<f32, 2> result;
    for (std::size_t begin = 0; begin < order.size(); begin += std::size_t(options.batch_size)) {
      std::vector<std::string> batch;
      const std::size_t end = std::min(order.size(), begin + std::size_t(options.batch_size));
      for (std::size_t i = begin; i < end; ++i) batch.push_back(prompt + texts[order[i]]);
      const auto y = encode_batch(batch, prompt_length, options);
      if (!result) result = Tensor<f32, 2>({isize(texts.size()), y.extent(1)});
      for (std::size_t i = begin; i < end; ++i)
        std::copy_n(y.data() + isize(i - begin) * y.extent(1), y.extent(1),
                    result.data() + isize(order[i]) * y.extent(1));
    }
    return result;
  }

  /// The same of questions: with the folder's prompt "query", or none.
  Tensor<f32, 2> encode_query(const std::vector<std::string>& texts, EncodeOptions options = {}) const {
    return encode(texts, with_prompt(std::move(options), {"query"}));
  }
  /// The same of what is searched: with its prompt "document", "passage" or "corpus", or none.
  Tensor<f32, 2> encode_document(const std::vector<std::string>& texts, EncodeOptions options = {}) const {
    return encode(texts, with_prompt(std::move(options), {"document", "passage", "corpus"}));
  }

  /// The vectors of tokenised texts: ids (B,T), of which each row's first `prompt_length` are a prompt => (B,C).
  Tensor<f32, 2> encode_ids(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args, isize prompt_length = 0) const {
    SentenceFeatures features{.token_embeddings = model_(input_ids, args).last_hidden_state,
                              .attention_mask = args.attention_mask,
                              .prompt_length = prompt_length};
    if (!features.attention_mask) features.attention_mask = Tensor<i64, 2>::filled(input_ids.shape(), 1);
    for (const auto& module : folder_.modules) std::visit([&](const auto& m) { m(features); }, module);
    return features.sentence_embedding;
  }

  /// How alike vectors are, by the folder's similarity_fn_name: (N,C) and (M,C) => (N,M).
  Tensor<f32, 2> similarity(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b) const {
    return detail::similarity(a, b, config().similarity_fn_name);
  }

  const Model& model() const { return model_; }
  const PreTrainedTokenizerFast& tokenizer() const { return tokenizer_; }
  const SentenceTransformerConfig& config() const { return folder_.config; }

 private:
  SentenceTransformer(Model model, PreTrainedTokenizerFast tokenizer, detail::sentence_folder folder)
      : model_(std::move(model)), tokenizer_(std::move(tokenizer)), folder_(std::move(folder)) {
    if (folder_.max_seq_length)
      tokenizer_.model_max_length = *folder_.max_seq_length;
    else if constexpr (requires { model_.config().max_position_embeddings; })
      tokenizer_.model_max_length =
          std::min(tokenizer_.model_max_length, std::int64_t(model_.config().max_position_embeddings));
  }

  EncodeOptions with_prompt(EncodeOptions options, std::initializer_list<const char*> names) const {
    if (options.prompt || !options.prompt_name.empty()) return options;
    const auto found = std::find_if(names.begin(), names.end(), [&](auto n) { return config().prompts.contains(n); });
    options.prompt = found == names.end() ? std::string() : config().prompts.at(*found);
    return options;
  }
  std::string prompt_of(const EncodeOptions& options) const {
    if (options.prompt) return *options.prompt;
    const auto& name = options.prompt_name.empty() ? config().default_prompt_name.value_or("") : options.prompt_name;
    const auto found = config().prompts.find(name);
    if (found != config().prompts.end()) return found->second;
    if (options.prompt_name.empty()) return "";
    std::string known;
    for (const auto& [its_name, text] : config().prompts) known += (known.empty() ? "" : ", ") + its_name;
    throw value_error("SentenceTransformer", "prompt_name",
                      known.empty() ? std::string("none, as the folder has no prompts") : "one of " + known,
                      detail::quote_text(name));
  }

  BatchEncoding tokens_of(const std::vector<std::string>& texts) const {
    TokenizerCallOptions options;
    options.padding = PaddingStrategy::longest;
    options.truncation = true;
    if (!folder_.do_lower_case) return tokenizer_(texts, options);
    std::vector<std::string> lower;
    for (const auto& text : texts) lower.push_back(detail::lower_case(text));
    return tokenizer_(lower, options);
  }
  // As Python counts them: a special token behind the prompt stands behind the text, too.
  isize tokens_of_prompt(const std::string& prompt) const {
    const auto ids = tokens_of({prompt}).input_ids[0];
    const auto special = tokenizer_.all_special_ids();
    const bool ends = !ids.empty() && std::find(special.begin(), special.end(), ids.back()) != special.end();
    return isize(ids.size()) - ends;
  }

  Tensor<f32, 2> encode_batch(const std::vector<std::string>& texts, isize prompt_length,
                              const EncodeOptions& options) const {
    const auto batch = tokens_of(texts);
    ForwardArgs<> args;
    args.attention_mask = ids_tensor(batch.attention_mask);
    if (!batch.token_type_ids.empty()) args.token_type_ids = ids_tensor(batch.token_type_ids);
    auto y = encode_ids(ids_tensor(batch.input_ids), args, prompt_length);
    if (const auto size = options.truncate_dim ? options.truncate_dim : config().truncate_dim)
      y = y.slice(1, 0, std::clamp<isize>(*size, 0, y.extent(1))).dense();
    return options.normalize_embeddings ? detail::unit_vectors(y) : y;
  }

  Model model_;
  PreTrainedTokenizerFast tokenizer_;
  detail::sentence_folder folder_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE SentenceTransformerConfig SentenceTransformerConfig::from_json(const json& object,
                                                                          const std::string& where) {
  SentenceTransformerConfig config;
  if (const json* prompts = find_member(object, "prompts", where)) {
    if (!prompts->is_object()) throw format_error(where, "prompts", "an object", detail::describe(*prompts));
    for (const auto& [name, text] : prompts->items())
      if (!text.is_null()) config.prompts[name] = json_as<std::string>(text, where, name);
  }
  config.default_prompt_name = get_optional<std::string>(object, "default_prompt_name", where);
  config.similarity_fn_name = get<std::string>(object, "similarity_fn_name", config.similarity_fn_name, where);
  config.truncate_dim = get_optional<isize>(object, "truncate_dim", where);
  if (config.default_prompt_name && !config.prompts.contains(*config.default_prompt_name))
    throw config_error(where, "default_prompt_name", "the name of one of prompts",
                       detail::quote_text(*config.default_prompt_name));
  return config;
}

namespace detail {

HFT_INLINE sentence_folder sentence_folder::read(const std::filesystem::path& folder) {
  sentence_folder out;
  const auto file = (folder / "modules.json").string();
  const json modules = read_json(file);
  for (const json& module : json_as<std::vector<json>>(modules, file, "")) {
    const auto type = require<std::string>(module, "type", file);
    const auto kind = std::string_view(type).substr(type.rfind('.') + 1);
    const auto path = require<std::string>(module, "path", file);
    if (path.find("..") != path.npos || path.starts_with('/'))
      throw file_error(file, "path", "a folder inside this one", quote_text(path));
    if (kind == "Transformer")
      out.transformer = path.empty() ? folder : folder / path;
    else if (out.transformer.empty())
      throw unsupported_error(file, "its first module", "a Transformer", quote_text(type));
    else if (auto m = load_sentence_module(kind, folder / path))
      out.modules.push_back(*std::move(m));
  }
  const auto gives_vectors = [](const SentenceModule& m) { return std::holds_alternative<sentence_pooling>(m); };
  if (std::none_of(out.modules.begin(), out.modules.end(), gives_vectors))
    throw unsupported_error(file, "modules", "a Transformer and a Pooling", "no Pooling");
  if (const auto settings = out.transformer / "sentence_bert_config.json"; is_there(settings)) {
    const json values = read_json(settings);
    out.max_seq_length = get_optional<isize>(values, "max_seq_length", settings.string());
    out.do_lower_case = get<bool>(values, "do_lower_case", false, settings.string());
  }
  if (const auto settings = folder / "config_sentence_transformers.json"; is_there(settings))
    out.config = SentenceTransformerConfig::from_json(read_json(settings), settings.string());
  return out;
}

HFT_INLINE std::string lower_case(std::string_view text) {
  std::string sound;  // UTF-8
  unicode::append_lossy(sound, text);
  NormalizedString normalized(sound, false);
  normalized.lowercase();
  return normalized.get();
}

HFT_INLINE Tensor<f32, 2> similarity(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b, std::string_view function) {
  if (a.extent(1) != b.extent(1))
    throw shape_error("similarity", "", joined("vectors of ", a.extent(1), " features"), shape_text(b.shape()));
  if (function == "cosine") return linear(unit_vectors(a), unit_vectors(b));
  const auto x = a.dense(), y = b.dense();
  if (function == "dot") return linear(x, y);
  const bool euclidean = function == "euclidean";
  if (!euclidean && function != "manhattan")
    throw unsupported_error("similarity", "similarity_fn_name", "cosine, dot, euclidean or manhattan",
                            quote_text(function));
  Tensor<f32, 2> distances({a.extent(0), b.extent(0)});
  const isize C = a.extent(1);
  for (isize i = 0; i < a.extent(0); ++i)
    for (isize j = 0; j < b.extent(0); ++j) {
      f64 sum = 0;
      for (isize c = 0; c < C; ++c) {
        const f64 d = f64(x.data()[i * C + c]) - f64(y.data()[j * C + c]);
        sum += euclidean ? d * d : std::abs(d);
      }
      distances.data()[i * b.extent(0) + j] = f32(-(euclidean ? std::sqrt(sum) : sum));
    }
  return distances;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
