// The first modules of sentence-transformers folders, which make tensors of texts: Transformer, StaticEmbedding,
// WordEmbeddings and BoW. sentence_transformers/base/modules/transformer.py, sentence_transformer/modules
#pragma once
#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <hft/ops/embedding.hpp>
#include <hft/pipelines/sentence_encoder.hpp>
#include <hft/pipelines/sentence_features.hpp>
#include <hft/pipelines/sentence_token_modules.hpp>
#include <hft/pipelines/sentence_words.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// How the model of a Transformer's folder is loaded, by what it is used for: the tasks that `load` knows, of which the
/// first is that of a folder without modules.json. "feature-extraction" takes last_hidden_state, "fill-mask" logits.
struct SentenceEncoderLoader {
  std::vector<std::string> tasks;
  std::function<std::shared_ptr<const SentenceEncoder>(const std::string& folder, const std::string& task)> load;
};

namespace detail {

/// What stands beside the config of a Transformer's model: sentence_bert_config.json, which older folders call after
/// another architecture.
struct transformer_settings {
  std::string file{};
  json values = json::object();

  /// Throws unsupported_error for arguments of the tokenizer's calls.
  static transformer_settings read(const std::filesystem::path& folder);
  /// What the model is used for. Throws unsupported_error where that is none of `tasks`, or is said of another of the
  /// model's outputs than that task has.
  std::string task(const std::string& by_default, const std::vector<std::string>& tasks) const;
  /// The folder's tokenizer: with lower case, where they say so, and their limit, or that of the model's positions.
  PreTrainedTokenizerFast tokenizer(const std::filesystem::path& folder, isize max_positions) const;
};

/// A Transformer: a tokenizer and a model.
struct sentence_transformer_input {
  std::shared_ptr<const SentenceEncoder> model;
  PreTrainedTokenizerFast tokenizer;
  std::optional<isize> query_length{}, document_length{};  // of texts of these tasks, in place of the tokenizer's limit

  /// task: that of settings which do not say it.
  static sentence_transformer_input load(const std::filesystem::path& folder, const std::string& task,
                                         const SentenceEncoderLoader& loader);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string&) const { sizes = {.tokens = model->output_size()}; }
};

/// The mean of vectors that each token has, whatever stands beside it; a text without tokens is zeros.
/// (torch.nn.EmbeddingBag; also of folders of model2vec, whose vectors are shared and weighted)
struct sentence_static_embedding {
  Tokenizer tokenizer;
  Tensor<f32, 2> embedding;  // (V,C)

  static sentence_static_embedding load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string&) const { sizes = {.sentence = embedding.extent(1)}; }
};

/// A vector for each word.
struct sentence_word_embeddings {
  sentence_words words;
  Tensor<f32, 2> embedding;  // (V,C)
  isize max_seq_length;

  static sentence_word_embeddings load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string&) const { sizes = {.tokens = embedding.extent(1)}; }
};

/// How often each word of the vocabulary is in a text, times its weight.
struct sentence_bag_of_words {
  sentence_words words;
  Tensor<f32, 1> weights;  // (V)
  bool cumulative;         // else whether it is there

  static sentence_bag_of_words load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string&) const { sizes = {.sentence = weights.extent(0)}; }
};

}  // namespace detail

#if HFT_DEFINES(MODELS)

namespace detail {

/// Lower case before whatever a tokenizer does.
struct lower_case_first final : normalizers::Normalizer {
  std::shared_ptr<const normalizers::Normalizer> rest;
  void normalize(NormalizedString& text) const override {
    text.lowercase();
    if (rest) rest->normalize(text);
  }
};

HFT_INLINE transformer_settings transformer_settings::read(const std::filesystem::path& folder) {
  transformer_settings out{.file = (folder / "sentence_bert_config.json").string()};
  for (const char* kind : {"bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"})
    if (const auto file = folder / cat("sentence_", kind, "_config.json"); is_there(file)) {
      out.file = file.string();
      out.values = read_json(file);
      break;
    }
  if (const json* other = find_member(out.values, "processing_kwargs", out.file); other && !other->empty())
    throw unsupported_error(out.file, "processing_kwargs", "none", describe(*other));
  return out;
}

HFT_INLINE std::string transformer_settings::task(const std::string& by_default,
                                                  const std::vector<std::string>& tasks) const {
  auto task = get<std::string>(values, "transformer_task", by_default, file);
  std::string known;
  for (const auto& its : tasks) known += (known.empty() ? "" : " or ") + its;
  if (std::find(tasks.begin(), tasks.end(), task) == tasks.end())
    throw unsupported_error(file, "transformer_task", known, quote_text(task));
  const json* modalities = find_member(values, "modality_config", file);
  if (!modalities) return task;
  const json* text = find_member(*modalities, "text", file);
  const std::string output = task == "feature-extraction" ? "last_hidden_state" : "logits";
  const auto name = text ? get<std::string>(*text, "method_output_name", output, file) : "none";
  if (name != output) throw unsupported_error(file, "modality_config.text", output, quote_text(name));
  return task;
}

HFT_INLINE PreTrainedTokenizerFast transformer_settings::tokenizer(const std::filesystem::path& folder,
                                                                   isize max_positions) const {
  auto out = AutoTokenizer::from_pretrained(folder.string());
  if (const auto length = get_optional<isize>(values, "max_seq_length", file)) {
    if (*length < 1) throw config_error(file, "max_seq_length", "1 or more", joined(*length));
    out.model_max_length = *length;
  } else if (max_positions > 0) {
    out.model_max_length = std::min(out.model_max_length, std::int64_t(max_positions));
  }
  if (get<bool>(values, "do_lower_case", false, file)) {
    auto pipeline = out.tokenizer();
    auto normalizer = std::make_shared<lower_case_first>();
    normalizer->rest = pipeline.normalizer();
    pipeline.set_normalizer(std::move(normalizer));
    out = out.with_tokenizer(std::move(pipeline));
  }
  return out;
}

HFT_INLINE sentence_transformer_input sentence_transformer_input::load(const std::filesystem::path& folder,
                                                                       const std::string& task,
                                                                       const SentenceEncoderLoader& loader) {
  const auto settings = transformer_settings::read(folder);
  auto model = loader.load(folder.string(), settings.task(task, loader.tasks));
  auto tokenizer = settings.tokenizer(folder, model->field("max_position_embeddings"));
  const auto length = [&](const char* field) {
    const auto its = get_optional<isize>(settings.values, field, settings.file);
    if (its && *its < 1) throw config_error(settings.file, field, "1 or more", joined(*its));
    return its;
  };
  return {std::move(model), std::move(tokenizer), length("query_length"), length("document_length")};
}

HFT_INLINE void sentence_transformer_input::operator()(SentenceFeatures& features) const {
  TokenizerCallOptions options;
  options.padding = PaddingStrategy::longest;
  options.truncation = true;
  if (!features.prompt.empty()) {
    // As Python counts them: a special token behind the prompt stands behind the text, too.
    const auto ids = tokenizer(std::vector{features.prompt}, options).input_ids[0];
    const auto special = tokenizer.all_special_ids();
    const bool ends = !ids.empty() && std::find(special.begin(), special.end(), ids.back()) != special.end();
    features.prompt_length = isize(ids.size()) - ends;
  }
  if (const auto length = features.task == "query"      ? query_length
                          : features.task == "document" ? document_length
                                                        : std::nullopt)
    options.max_length = std::size_t(*length);
  std::vector<std::string> texts;
  for (const auto& text : features.texts) texts.push_back(features.prompt + text);
  const auto batch = tokenizer(texts, options);
  ForwardArgs<> args;
  args.attention_mask = ids_tensor(batch.attention_mask);
  if (!batch.token_type_ids.empty()) args.token_type_ids = ids_tensor(batch.token_type_ids);
  features.input_ids = ids_tensor(batch.input_ids);
  features.attention_mask = args.attention_mask;
  auto y = (*model)(features.input_ids, args);
  features.token_embeddings = std::move(y.last_hidden_state);
  features.all_layer_embeddings = std::move(y.hidden_states);
}

HFT_INLINE sentence_static_embedding sentence_static_embedding::load(const std::filesystem::path& folder) {
  auto tokenizer = PreTrainedTokenizerFast::from_file(folder / "tokenizer.json").backend_tokenizer();
  tokenizer.no_padding();
  const auto file = safetensors_file::open(folder / "model.safetensors");
  if (file.find("embedding.weight") || !file.find("embeddings"))
    return {std::move(tokenizer), read_module_tensor<2>(file, "embedding.weight")};
  // model2vec: a row that tokens share, and a weight of each token.
  auto rows = read_module_tensor<2>(file, "embeddings");
  const isize C = rows.extent(1);
  if (const auto* mapping = file.find("mapping")) {
    if (mapping->shape.size() != 1)
      throw weight_error(file.where(), "tensor 'mapping'", "(tokens)", shape_text(mapping->shape));
    Tensor<i64, 2> row_of({1, mapping->shape[0]});
    read_numbers(*mapping, row_of.data(), file.where());
    rows = hft::embedding<f32>(row_of, rows).reshape<2>({mapping->shape[0], C});
  }
  if (file.find("weights")) {
    const auto weights = read_module_tensor<1>(file, "weights");
    if (weights.extent(0) != rows.extent(0))
      throw weight_error(file.where(), "tensor 'weights'", joined(rows.extent(0), ", one a token"),
                         joined(weights.extent(0)));
    for (isize i = 0; i < rows.size(); ++i) rows.data()[i] *= weights.data()[i / C];
  }
  return {std::move(tokenizer), rows};
}

HFT_INLINE void sentence_static_embedding::operator()(SentenceFeatures& features) const {
  const isize B = isize(features.texts.size()), V = embedding.extent(0), C = embedding.extent(1);
  features.sentence_embedding = Tensor<f32, 2>::zeros({B, C});
  for (isize b = 0; b < B; ++b) {
    const auto ids = tokenizer.encode_ids(features.prompt + features.texts[std::size_t(b)], false);
    std::vector<f64> sum(std::size_t(C), 0.0);
    for (const auto id : ids) {
      if (isize(id) < 0 || isize(id) >= V)
        throw value_error("StaticEmbedding", "id", joined("0 <= id < ", V, " (rows of the table)"), joined(id));
      for (isize c = 0; c < C; ++c) sum[std::size_t(c)] += f64(embedding.data()[isize(id) * C + c]);
    }
    for (isize c = 0; c < C && !ids.empty(); ++c)
      features.sentence_embedding.data()[b * C + c] = f32(sum[std::size_t(c)] / f64(ids.size()));
  }
}

HFT_INLINE sentence_word_embeddings sentence_word_embeddings::load(const std::filesystem::path& folder) {
  const auto where = (folder / "wordembedding_config.json").string();
  const json config = read_json(where);
  const auto kind = require<std::string>(config, "tokenizer_class", where);
  if (!kind.ends_with("WhitespaceTokenizer"))
    throw unsupported_error(where, "tokenizer_class", "WhitespaceTokenizer", quote_text(kind));
  const auto words_file = (folder / "whitespacetokenizer_config.json").string();
  const json its = read_json(words_file);
  auto words = words_of(require<std::vector<std::string>>(its, "vocab", words_file));
  for (auto& word : get<std::vector<std::string>>(its, "stop_words", {}, words_file))
    words.stop_words.insert(std::move(word));
  words.do_lower_case = get<bool>(its, "do_lower_case", false, words_file);
  sentence_word_embeddings out{
      std::move(words), read_module_tensor<2>(safetensors_file::open(folder / "model.safetensors"), "emb_layer.weight"),
      get<isize>(config, "max_seq_length", 1000000, where)};
  if (out.max_seq_length < 1) throw config_error(where, "max_seq_length", "1 or more", joined(out.max_seq_length));
  return out;
}

HFT_INLINE void sentence_word_embeddings::operator()(SentenceFeatures& features) const {
  std::vector<std::vector<i64>> rows, mask;
  std::size_t longest = 1;
  for (const auto& text : features.texts) {
    rows.push_back(words(features.prompt + text));
    rows.back().resize(std::min(rows.back().size(), std::size_t(max_seq_length)));
    mask.emplace_back(rows.back().size(), 1);
    longest = std::max(longest, rows.back().size());
  }
  for (std::size_t b = 0; b < rows.size(); ++b) rows[b].resize(longest, 0), mask[b].resize(longest, 0);
  features.input_ids = ids_tensor(rows);
  features.attention_mask = ids_tensor(mask);
  features.token_embeddings = hft::embedding<f32>(features.input_ids, embedding);
}

HFT_INLINE sentence_bag_of_words sentence_bag_of_words::load(const std::filesystem::path& folder) {
  const auto where = (folder / "config.json").string();
  const json config = read_json(where);
  std::vector<std::string> vocabulary;  // each word once
  std::unordered_set<std::string> seen;
  for (auto& word : require<std::vector<std::string>>(config, "vocab", where))
    if (seen.insert(word).second) vocabulary.push_back(std::move(word));
  return {words_of(vocabulary), word_weights_of(config, vocabulary, where),
          get<bool>(config, "cumulative_term_frequency", true, where)};
}

HFT_INLINE void sentence_bag_of_words::operator()(SentenceFeatures& features) const {
  const isize V = weights.extent(0);
  features.sentence_embedding = Tensor<f32, 2>::zeros({isize(features.texts.size()), V});
  for (std::size_t b = 0; b < features.texts.size(); ++b)
    for (const i64 id : words(features.prompt + features.texts[b])) {
      f32& value = features.sentence_embedding.data()[isize(b) * V + id];
      value = weights.data()[id] + (cumulative ? value : 0);
    }
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
