// CrossEncoder: how well two texts belong together, read by one model at once: rerankers, classifiers of pairs, and
// language models that are asked. Nogueira & Cho 2019, arXiv 1901.04085. sentence_transformers/cross_encoder/model.py
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
#include <hft/tokenizers/apply_chat_template.hpp>
#include <hft/tokenizers/chat_template.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// Of one call.
struct PredictOptions {
  isize batch_size = 32;
  std::string prompt_name{};            // of the folder's prompts; empty: its default_prompt_name
  std::optional<std::string> prompt{};  // what stands before the first text of each pair, or is a chat's system message
  bool apply_activation = true;         // the folder's; else scores are the model's logits
  bool apply_softmax = false;           // over several labels
};

using TextPair = std::pair<std::string, std::string>;

namespace detail {

/// What a language model's next token says of a pair: the logit of one token, or how far it is above that of another.
/// (sentence_transformers.cross_encoder.modules.LogitScore)
struct logit_score {
  isize true_token_id;
  std::optional<isize> false_token_id;
  std::string where;  // what says so, in errors

  /// logits (B,V) => (B,1). Throws value_error for a token outside the vocabulary.
  Tensor<f32, 2> operator()(const Tensor<f32, 2>& logits) const;
};

/// A pair as a chat of a query and a document, rendered by the tokenizer's template.
struct pair_chat {
  chat_template source;
  bool structured = false;  // whether a message's content is a list of parts

  /// system: the first message, where it is not empty.
  std::string render(const PreTrainedTokenizerFast& tokenizer, const TextPair& pair, const std::string& system) const;
  /// The tokens that the template ends a chat with, whatever the texts are.
  std::vector<i64> ending(const PreTrainedTokenizerFast& tokenizer, const std::string& system) const;
};

/// What is done with a classifier of pairs, whatever its class.
class cross_encoder_pipeline {
 public:
  /// Tokens (B,T) => logits (B,labels), or (B,V) of the token that follows.
  using classifier = std::function<Tensor<f32, 2>(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args)>;

  /// The scores (N, labels) of N pairs, computed in batches of pairs of like length. One label's are sigmoids, several
  /// ones' logits, unless the folder names another activation. A language model has one. Throws value_error for a
  /// prompt_name that the folder does not have, or a batch_size below 1.
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
  /// Whether that of a folder is a language model.
  static bool asks(const std::filesystem::path& folder);

 private:
  struct parts {
    std::filesystem::path transformer{};
    std::optional<std::filesystem::path> score{};  // the folder of a LogitScore
    bool asks = false;
  };
  cross_encoder_pipeline(const std::filesystem::path& folder, const parts& its, isize max_positions, classifier model);
  static parts parts_of(const std::filesystem::path& folder);
  static std::optional<logit_score> score_of(const parts& its, const PreTrainedTokenizerFast& tokenizer);
  static std::optional<pair_chat> chat_of(const std::filesystem::path& transformer,
                                          const PreTrainedTokenizerFast& tokenizer);
  BatchEncoding encoded(const std::vector<TextPair>& pairs, const std::string& prompt) const;

  classifier model_;
  PreTrainedTokenizerFast tokenizer_;
  SentenceTransformerConfig config_;
  bool has_activation_ = false;             // else it goes by the number of labels
  std::optional<Activation> activation_{};  // none: logits as they are
  std::optional<logit_score> score_{};      // of a language model
  std::optional<pair_chat> chat_{};         // else a pair is two texts
};

/// Logits (B,T,V) of the last token => (B,V)
inline Tensor<f32, 2> last_logits(const Tensor<f32, 3>& logits) {
  const isize B = logits.extent(0), T = logits.extent(1), V = logits.extent(2);
  return logits.slice(1, T - 1, T).dense().reshape<2>({B, V});
}
/// The logits of a typed model, and of AnyModel; of a language model those of the last token.
template <class Model>
Tensor<f32, 2> sequence_logits(const Model& model, const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) {
  const auto y = model(unnamed_ids<Model>(input_ids), args);
  if constexpr (decltype(y.logits)::rank == 3)
    return last_logits(y.logits);
  else
    return y.logits;
}
Tensor<f32, 2> sequence_logits(const AnyModel<>& model, const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args);

}  // namespace detail

/// Model is a class whose output has logits (B,labels), BertForSequenceClassification, ..., or (B,T,V) of the token
/// that follows: Qwen3ForCausalLM, .... AutoCrossEncoder (auto_cross_encoder.hpp) finds it in the folder.
template <class Model = BertForSequenceClassification<f32>>
class CrossEncoder : public detail::cross_encoder_pipeline {
 public:
  /// A model's folder, with modules.json that names a Transformer alone, or of a language model one and a LogitScore,
  /// or without. Throws what loading the parts throws, unsupported_error for other modules, and value_error for a chat
  /// template that does not render pairs.
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
  using detail::cross_encoder_pipeline::asks;

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
    if (stored.name == "logits")
      return stored.shape.size() == 3 ? last_logits(output_tensor<3>(stored)) : output_tensor<2>(stored);
  throw unsupported_error(model.architecture(), "its output", "logits", "none");
}

HFT_INLINE Tensor<f32, 2> logit_score::operator()(const Tensor<f32, 2>& logits) const {
  const isize B = logits.extent(0), V = logits.extent(1);
  const auto check = [&](isize id, const char* field) {
    if (id < 0 || id >= V) throw value_error(where, field, joined("0 to ", V - 1, ", a token"), joined(id));
  };
  check(true_token_id, "true_token_id");
  if (false_token_id) check(*false_token_id, "false_token_id");
  Tensor<f32, 2> out({B, 1});
  for (isize b = 0; b < B; ++b) {
    const f32* row = logits.data() + b * V;
    out.data()[b] = row[true_token_id] - (false_token_id ? row[*false_token_id] : 0);
  }
  return out;
}

HFT_INLINE std::string pair_chat::render(const PreTrainedTokenizerFast& tokenizer, const TextPair& pair,
                                         const std::string& system) const {
  json messages = json::array();
  const auto say = [&](const char* role, const std::string& text) {
    json message = json::object();
    message["role"] = role;
    if (structured) {
      json part = json::object();
      part["type"] = "text", part["text"] = text;
      message["content"] = json::array();
      message["content"].push_back(part);
    } else {
      message["content"] = text;
    }
    messages.push_back(message);
  };
  if (!system.empty()) say("system", system);
  say("query", pair.first);
  say("document", pair.second);
  return source.render(chat_template_variables(tokenizer, messages, {}));
}

// What two chats of texts that share nothing have in common at their ends.
HFT_INLINE std::vector<i64> pair_chat::ending(const PreTrainedTokenizerFast& tokenizer,
                                              const std::string& system) const {
  const auto ids = [&](const char* text) {
    TokenizerCallOptions call;
    call.add_special_tokens = false;
    return tokenizer(std::vector{render(tokenizer, {text, text}, system)}, call).input_ids[0];
  };
  const auto a = ids("0"), b = ids("1 2 3 4");
  const std::size_t shorter = std::min(a.size(), b.size());
  std::size_t n = 0;
  while (n < shorter && a[a.size() - 1 - n] == b[b.size() - 1 - n]) ++n;
  return n == shorter ? std::vector<i64>() : std::vector<i64>(a.end() - std::ptrdiff_t(n), a.end());
}

HFT_INLINE cross_encoder_pipeline::parts cross_encoder_pipeline::parts_of(const std::filesystem::path& folder) {
  const auto file = (folder / "modules.json").string();
  parts out{.transformer = folder};
  const bool listed = is_there(file);
  if (listed) {
    const json list = read_json(file);
    const auto modules = json_as<std::vector<json>>(list, file, "");
    const auto place = [&](const json& module) {
      const auto path = module_path(require<std::string>(module, "path", file), file, "path");
      return path.empty() ? folder : folder / path;
    };
    for (std::size_t i = 0; i < modules.size(); ++i) {
      const auto type = require<std::string>(modules[i], "type", file);
      if (module_kind(type) != (i == 1 ? "LogitScore" : "Transformer"))
        throw unsupported_error(file, "modules", "a Transformer, alone or before a LogitScore", quote_text(type));
      if (i == 1) out.score = place(modules[i]);
    }
    if (modules.empty() || modules.size() > 2)
      throw unsupported_error(file, "modules", "one Transformer", joined(modules.size()));
    out.transformer = place(modules[0]);
  }
  const std::string classifies = "sequence-classification", generates = "text-generation";
  const auto settings = transformer_settings::read(out.transformer);
  bool causal = out.score.has_value();
  if (!listed) {
    const auto where = (folder / "config.json").string();
    const auto names = get<std::vector<std::string>>(read_json(where), "architectures", {}, where);
    causal = !names.empty() && names[0].ends_with("ForCausalLM");
  }
  const std::string task = causal ? generates : classifies;
  out.asks = settings.task(task, {task}) == generates;
  return out;
}

HFT_INLINE std::filesystem::path cross_encoder_pipeline::transformer_of(const std::filesystem::path& folder) {
  return parts_of(folder).transformer;
}
HFT_INLINE bool cross_encoder_pipeline::asks(const std::filesystem::path& folder) { return parts_of(folder).asks; }

// Without modules the tokens are those of "yes" and "no".
HFT_INLINE std::optional<logit_score> cross_encoder_pipeline::score_of(const parts& its,
                                                                       const PreTrainedTokenizerFast& tokenizer) {
  if (!its.asks) return {};
  if (!its.score) {
    const auto id = [&](const char* token) {
      const auto found = tokenizer.convert_tokens_to_ids(token);
      if (!found)
        throw value_error(its.transformer.string(), "tokenizer", "the tokens yes and no, which a LogitScore reads",
                          cat("no '", token, "'"));
      return isize(*found);
    };
    return logit_score{id("yes"), id("no"), its.transformer.string()};
  }
  const auto where = (*its.score / "config.json").string();
  const json config = read_json(where);
  const auto input = get<std::string>(config, "module_input_name", "causal_logits", where);
  if (input != "causal_logits") throw unsupported_error(where, "module_input_name", "causal_logits", quote_text(input));
  return logit_score{require<isize>(config, "true_token_id", where),
                     get_optional<isize>(config, "false_token_id", where), where};
}

HFT_INLINE std::optional<pair_chat> cross_encoder_pipeline::chat_of(const std::filesystem::path& transformer,
                                                                    const PreTrainedTokenizerFast& tokenizer) {
  const auto settings = transformer_settings::read(transformer);
  const json* modalities = find_member(settings.values, "modality_config", settings.file);
  const json* message = modalities ? find_member(*modalities, "message", settings.file) : nullptr;
  if (modalities ? !message : tokenizer.chat_templates().empty()) return {};
  const std::string text = tokenizer.get_chat_template();
  std::string format = message ? get<std::string>(*message, "format", "auto", settings.file) : "auto";
  if (format == "auto") {  // as InputFormatter guesses it
    format = "flat";
    for (const char* sign : {"content[0]", ".type", "'type'", "\"type\"", "message.content["})
      if (text.find(sign) != std::string::npos) format = "structured";
  }
  if (format != "flat" && format != "structured")
    throw unsupported_error(settings.file, "modality_config.message.format", "flat or structured", quote_text(format));
  pair_chat chat{chat_template(text), format == "structured"};
  // A template that knows the user and the assistant alone would leave the pair out.
  const auto base = chat.render(tokenizer, {"alpha", "bravo"}, "");
  for (const auto& [role, pair] :
       {std::pair{"query", TextPair{"charlie", "bravo"}}, std::pair{"document", TextPair{"alpha", "foxtrot"}}})
    if (chat.render(tokenizer, pair, "") == base)
      throw value_error(transformer.string(), "chat_template", "one that renders the roles query and document",
                        cat("one without the ", role));
  return chat;
}

HFT_INLINE cross_encoder_pipeline::cross_encoder_pipeline(const std::filesystem::path& folder, isize max_positions,
                                                          classifier model)
    : cross_encoder_pipeline(folder, parts_of(folder), max_positions, std::move(model)) {}

HFT_INLINE cross_encoder_pipeline::cross_encoder_pipeline(const std::filesystem::path& folder, const parts& its,
                                                          isize max_positions, classifier model)
    : model_(std::move(model)),
      tokenizer_([&] {
        auto tokenizer = transformer_settings::read(its.transformer).tokenizer(its.transformer, max_positions);
        if (its.asks) tokenizer.padding_side = PaddingDirection::Left;  // the last token of each row is the text's
        return tokenizer;
      }()),
      config_(SentenceTransformerConfig::read(folder, {})),
      score_(score_of(its, tokenizer_)),
      chat_(chat_of(its.transformer, tokenizer_)) {
  // Where it is said: beside the modules, in the model's config, and there under its older name.
  std::string name = config_.activation_fn, field = "activation_fn";
  auto where = (folder / "config_sentence_transformers.json").string();
  if (name.empty()) {
    where = (its.transformer / "config.json").string();
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

// Of chats, the ending that truncation has cut off is put back.
HFT_INLINE BatchEncoding cross_encoder_pipeline::encoded(const std::vector<TextPair>& pairs,
                                                         const std::string& prompt) const {
  TokenizerCallOptions call;
  call.padding = PaddingStrategy::longest;
  call.truncation = true;
  std::vector<std::string> first, second;
  for (const auto& pair : pairs) {
    first.push_back(chat_ ? chat_->render(tokenizer_, pair, prompt) : prompt + pair.first);
    second.push_back(pair.second);
  }
  if (!chat_) return tokenizer_(first, second, call);
  call.add_special_tokens = false;
  auto batch = tokenizer_(first, call);
  const auto limit = max_length();
  if (!limit) return batch;
  const auto ending = chat_->ending(tokenizer_, prompt);
  for (std::size_t b = 0; b < batch.input_ids.size(); ++b) {
    auto& ids = batch.input_ids[b];
    const auto& mask = batch.attention_mask[b];
    const isize length = isize(std::count(mask.begin(), mask.end(), 1)), kept = std::min(length, isize(ending.size()));
    if (length < *limit) continue;
    const isize end = mask.front() ? length : isize(ids.size());
    std::copy(ending.end() - kept, ending.end(), ids.begin() + (end - kept));
  }
  return batch;
}

HFT_INLINE Tensor<f32, 2> cross_encoder_pipeline::predict(const std::vector<TextPair>& pairs,
                                                          const PredictOptions& options) const {
  if (options.batch_size < 1) throw value_error("CrossEncoder", "batch_size", "at least 1", joined(options.batch_size));
  const auto prompt = config_.prompt_of(options.prompt, options.prompt_name, "CrossEncoder");
  const auto length = [&](std::size_t i) { return pairs[i].first.size() + pairs[i].second.size(); };
  std::vector<std::size_t> order(pairs.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return length(a) < length(b); });
  Tensor<f32, 2> result;
  for (std::size_t begin = 0; begin < order.size(); begin += std::size_t(options.batch_size)) {
    std::vector<TextPair> some;
    const std::size_t end = std::min(order.size(), begin + std::size_t(options.batch_size));
    for (std::size_t i = begin; i < end; ++i) some.push_back(pairs[order[i]]);
    const auto batch = encoded(some, prompt);
    ForwardArgs<> args;
    if (score_) args.logits_to_keep = 1;
    args.attention_mask = ids_tensor(batch.attention_mask);
    if (!batch.token_type_ids.empty()) args.token_type_ids = ids_tensor(batch.token_type_ids);
    auto y = model_(ids_tensor(batch.input_ids), args).dense();
    if (score_) y = (*score_)(y);
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
