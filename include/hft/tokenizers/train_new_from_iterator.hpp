// train_new_from_iterator: a tokenizer like another one, trained on other texts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/tokenizers/pretrained.hpp>
#include <hft/tokenizers/train.hpp>

namespace hft {

/// What train_new_from_iterator may be told besides the size of the vocabulary.
struct TrainNewOptions {
  std::vector<trainers::SpecialToken> new_special_tokens = {};               // besides those there are
  std::vector<std::pair<std::string, std::string>> special_tokens_map = {};  // new texts of special tokens
  std::uint64_t min_frequency = 0;                                           // of words or pairs; not of Unigram
  trainers::progress_callback progress = {};
  std::stop_token stop = {};
};

namespace detail {

/// Copies of stages, edited as JSON: the way that Transformers goes.
class new_tokenizer {
 public:
  new_tokenizer(const Tokenizer& old, const TrainNewOptions& options) : options_(options) {
    document_ = parse_json(old.to_json(), "tokenizer");
    auto& model = document_["model"];
    type_ = model["type"].get<std::string>();
    added_ = std::exchange(document_["added_tokens"], json::array());
    processor_ = std::exchange(document_["post_processor"], nullptr);
    if (type_ == "Unigram") {
      if (!model["unk_id"].is_null()) {
        unk_token_ = renamed(model["vocab"][model["unk_id"].get<std::size_t>()][0].get<std::string>());
        model["unk_id"] = 0;
      }
      model["vocab"] = unk_token_ ? json::array({json::array({*unk_token_, 0.0})}) : json::array();
    } else {
      model["vocab"] = json::object();
      if (type_ == "BPE") model["merges"] = json::array();
      if (model["unk_token"].is_string()) model["unk_token"] = renamed(model["unk_token"].get<std::string>());
    }
  }

  /// The tokenizer before training: without vocabulary, added tokens and post-processor.
  Tokenizer untrained() const { return Tokenizer::from_json(dump(document_, {.indent = -1}), "untrained tokenizer"); }

  /// Calls f(trainer) with the trainer of the model's kind.
  template <class F>
  void with_trainer(std::size_t vocab_size, F f) const {
    const auto common = [&](auto trainer) {
      trainer.special_tokens = special_tokens();
      trainer.progress = options_.progress;
      trainer.stop = options_.stop;
      f(trainer);
    };
    const auto& model = document_["model"];
    const auto text = [&](const char* key) {
      return model[key].is_string() ? std::optional(model[key].get<std::string>()) : std::nullopt;
    };
    if (type_ == "BPE") {
      common(trainers::BpeTrainer{.vocab_size = vocab_size,
                                  .min_frequency = options_.min_frequency,
                                  .initial_alphabet = alphabet(),
                                  .continuing_subword_prefix = text("continuing_subword_prefix"),
                                  .end_of_word_suffix = text("end_of_word_suffix")});
    } else if (type_ == "WordPiece") {
      common(trainers::WordPieceTrainer{.vocab_size = vocab_size,
                                        .min_frequency = options_.min_frequency,
                                        .initial_alphabet = alphabet(),
                                        .continuing_subword_prefix = text("continuing_subword_prefix")});
    } else if (type_ == "WordLevel") {
      common(trainers::WordLevelTrainer{.vocab_size = vocab_size, .min_frequency = options_.min_frequency});
    } else {
      if (vocab_size > 0xffffffffu)
        throw value_error("train_new_from_iterator", "vocab_size", "below 2^32", joined(vocab_size));
      common(trainers::UnigramTrainer{
          .vocab_size = std::uint32_t(vocab_size), .initial_alphabet = alphabet(), .unk_token = unk_token_});
    }
  }

  /// The other added tokens, and the post-processor and padding with the ids of the trained tokenizer.
  void finish(Tokenizer& trained) const {
    std::vector<AddedToken> others;
    for (const auto& t : added_)
      if (!is_special(t)) others.push_back(added_token(t));
    trained.add_tokens(others);
    if (auto padding = trained.padding()) {
      padding->pad_token = renamed(padding->pad_token);
      padding->pad_id = trained.token_to_id(padding->pad_token).value_or(padding->pad_id);
      trained.enable_padding(*padding);
    }
    if (processor_.is_null()) return;
    json processor = processor_;
    set_ids(processor, trained);
    json stage = json::object();
    stage["version"] = "1.0";
    stage["model"] = json::object();
    stage["model"]["type"] = "WordLevel";
    stage["model"]["vocab"] = json::object();
    stage["model"]["unk_token"] = "";
    stage["post_processor"] = std::move(processor);
    trained.set_post_processor(Tokenizer::from_json(dump(stage, {.indent = -1}), "post-processor").post_processor());
  }

 private:
  std::string renamed(const std::string& token) const {
    for (const auto& [from, to] : options_.special_tokens_map)
      if (from == token) return to;
    return token;
  }

  /// Whether the trainer takes an added token for a special one: for Unigram all of them are.
  bool is_special(const json& token) const { return type_ == "Unigram" || token["special"].get<bool>(); }
  AddedToken added_token(const json& t) const {
    return {renamed(t["content"].get<std::string>()),
            t["single_word"].get<bool>(),
            t["lstrip"].get<bool>(),
            t["rstrip"].get<bool>(),
            t["normalized"].get<bool>(),
            t["special"].get<bool>()};
  }
  std::vector<trainers::SpecialToken> special_tokens() const {
    std::vector<trainers::SpecialToken> out;
    for (const auto& t : added_)
      if (is_special(t)) out.push_back(added_token(t));
    out.insert(out.end(), options_.new_special_tokens.begin(), options_.new_special_tokens.end());
    return out;
  }

  /// All bytes, where the pre-tokenizer spells bytes.
  std::u32string alphabet() const {
    const auto& p = document_["pre_tokenizer"];
    if (p.is_null()) return {};
    bool bytes = p["type"] == "ByteLevel";
    if (p["type"] == "Sequence")
      for (const auto& inner : p["pretokenizers"]) bytes = bytes || inner["type"] == "ByteLevel";
    return bytes ? trainers::byte_level_alphabet() : std::u32string();
  }

  void set_ids(json& processor, const Tokenizer& trained) const {
    const auto id_of = [&](const std::string& token) {
      const auto id = trained.token_to_id(token);
      if (!id)
        throw value_error("train_new_from_iterator", "token of the post-processor", "one of the vocabulary", token);
      return *id;
    };
    if (processor["type"] == "Sequence")
      for (auto& inner : processor["processors"]) set_ids(inner, trained);
    if (processor.contains("special_tokens")) {
      const json specials = processor["special_tokens"];
      for (const auto& [name, special] : specials.items()) {
        json ids = json::array(), tokens = json::array();
        for (const auto& t : special["tokens"]) {
          const auto token = renamed(t.get<std::string>());
          ids.push_back(id_of(token));
          tokens.push_back(token);
        }
        processor["special_tokens"][name]["ids"] = std::move(ids);
        processor["special_tokens"][name]["tokens"] = std::move(tokens);
      }
    }
    for (const char* name : {"cls", "sep"})
      if (processor.contains(name)) {
        const auto token = renamed(processor[name][0].get<std::string>());
        processor[name] = json::array({token, id_of(token)});
      }
  }

  const TrainNewOptions& options_;
  json document_, added_, processor_;
  std::string type_;
  std::optional<std::string> unk_token_;  // of Unigram
};

/// `feed(tokenizer, trainer)` trains.
template <class Feed>
PreTrainedTokenizerFast train_new(const PreTrainedTokenizerFast& old, std::size_t vocab_size,
                                  const TrainNewOptions& options, Feed feed) {
  const new_tokenizer fresh(old.backend_tokenizer(), options);
  auto trained = fresh.untrained();
  fresh.with_trainer(vocab_size, [&](const auto& trainer) { feed(trained, trainer); });
  fresh.finish(trained);
  std::vector<std::string> more;
  for (const auto& t : options.new_special_tokens) more.push_back(t.content);
  return old.with_tokenizer(std::move(trained), options.special_tokens_map, more);
}

}  // namespace detail

/// Transformers' train_new_from_iterator: the same pipeline and special tokens with a vocabulary of `vocab_size` tokens
/// learned from `texts` (see train_from_iterator). Added tokens that are not special are left out, unless the model is
/// Unigram. Unlike Transformers, it finds ids inside of a Sequence of post-processors, too, and keeps WordPiece's
/// prefix.
template <class Texts>
PreTrainedTokenizerFast train_new_from_iterator(const PreTrainedTokenizerFast& tokenizer, Texts&& texts,
                                                std::size_t vocab_size, const TrainNewOptions& options = {}) {
  return detail::train_new(tokenizer, vocab_size, options, [&](Tokenizer& t, const auto& trainer) {
    train_from_iterator(t, std::forward<Texts>(texts), trainer);
  });
}

/// The same for the lines of text files.
inline PreTrainedTokenizerFast train_new_from_files(const PreTrainedTokenizerFast& tokenizer,
                                                    const std::vector<std::filesystem::path>& files,
                                                    std::size_t vocab_size, const TrainNewOptions& options = {}) {
  return detail::train_new(tokenizer, vocab_size, options,
                           [&](Tokenizer& t, const auto& trainer) { train(t, files, trainer); });
}

}  // namespace hft
