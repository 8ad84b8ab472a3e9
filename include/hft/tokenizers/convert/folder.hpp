// The files of a model's folder that say what its tokenizer is: which kind it has, as AutoTokenizer finds it, and the
// pipeline of a folder without tokenizer.json.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/tokenizers/convert/convert.hpp>
#include <hft/tokenizers/convert/model_types.hpp>
#include <hft/tokenizers/convert/tiktoken.hpp>
#include <hft/tokenizers/convert/vocabulary_files.hpp>

namespace hft::detail {

/// The files of a folder that say what its tokenizer is. Those that it lacks are empty objects.
struct tokenizer_folder {
  std::filesystem::path path;
  json config = json::object(), special_tokens_map = json::object(), added_tokens = json::object(),
       model_config = json::object();

  explicit tokenizer_folder(std::filesystem::path folder) : path(std::move(folder)) {
    for (const auto& [to, name] :
         {std::pair{&config, "tokenizer_config.json"}, std::pair{&special_tokens_map, "special_tokens_map.json"},
          std::pair{&added_tokens, "added_tokens.json"}, std::pair{&model_config, "config.json"}})
      if (has(name)) *to = read_json(path / name);
  }
  bool has(const std::string& name) const { return is_there(path / name); }
  std::string where(const std::string& name) const { return (path / name).string(); }

  special_tokens read_special_tokens() const {
    special_tokens out;
    out.read_config(config, where("tokenizer_config.json"));
    out.read_map(special_tokens_map, where("special_tokens_map.json"));
    out.read_added_tokens(added_tokens, where("added_tokens.json"));
    return out;
  }

  /// The kind of the class that tokenizer_config.json names; null where it names none that is known.
  const tokenizer_kind* named_kind() const {
    return find_tokenizer_kind(hft::get<std::string>(config, "tokenizer_class", "", where("tokenizer_config.json")));
  }
  /// The class that the files name; empty where none does.
  std::string class_named() const {
    const auto name = hft::get<std::string>(config, "tokenizer_class", "", where("tokenizer_config.json"));
    return !name.empty() ? name : hft::get<std::string>(model_config, "tokenizer_class", "", where("config.json"));
  }
  std::string model_type() const { return hft::get<std::string>(model_config, "model_type", "", where("config.json")); }

  /// The kind of the tokenizer; where no file names one, the vocabulary's files say it.
  const tokenizer_kind& kind() const {
    auto name = class_named();
    if (name.empty() && model_type().empty() && !has("tokenizer.model"))
      name = has("vocab.txt") ? "BertTokenizer" : has("merges.txt") ? "GPT2Tokenizer" : "";
    return choose_tokenizer_kind(name, model_type(), where("tokenizer_config.json"));
  }
  /// The kind of the class that takes over the pipeline of tokenizer.json; null where that is as the file has it.
  const tokenizer_kind* kind_over_pipeline() const {
    const auto name = class_named();
    const auto* kind = find_tokenizer_kind(name, model_type());
    if (kind == &generic_tokenizer_kind) return nullptr;
    // Many name Llama's class and have a byte-level tokenizer, as Llama 3 has.
    const bool names_llama = name == "LlamaTokenizer" || name == "LlamaTokenizerFast";
    if (names_llama && !has_word(misnamed_model_types, model_type()) &&
        mapped_file::open(path / "tokenizer.json")->text().find("\"ByteLevel\"") != std::string_view::npos)
      return nullptr;
    return kind;
  }
};

/// Builds the pipeline of a folder that has no tokenizer.json. Throws file_error where the kind's files are missing,
/// format_error where they are broken, unsupported_error for a class that is no pipeline.
inline tokenizer_components convert_tokenizer(const tokenizer_folder& folder, const tokenizer_kind& kind,
                                              special_tokens& special) {
  tokenizer_converter converter(kind, folder.config, folder.where("tokenizer_config.json"), special);
  const auto need = [&](const std::string& name) {
    if (!folder.has(name)) throw file_error(folder.path.string(), "tokenizer", "tokenizer.json or " + name, "neither");
    return folder.path / name;
  };
  switch (kind.source) {
    case vocabulary_source::wordpiece: {
      const auto file = need("vocab.txt");
      return converter.from_wordpiece(read_vocabulary_lines(read_text(file), file.string()));
    }
    case vocabulary_source::bpe_files: {
      auto vocabulary = read_vocabulary_file(need("vocab.json"));
      const auto file = need("merges.txt");
      auto merges = read_merges_text(read_text(file), vocabulary, file.string());
      return converter.from_bpe(std::move(vocabulary), std::move(merges));
    }
    default: {
      std::string name = "tokenizer.model";
      for (const std::string& other :
           {std::string(kind.file), std::string("spiece.model"), std::string("spm.model"),
            std::string("sentencepiece.bpe.model"), std::string("sentencepiece.model"), std::string("tiktoken.model")})
        if (!folder.has(name)) name = other;
      if (!folder.has(name)) name = kind.file;
      const auto file = need(name);
      auto text = read_text(file);
      if (is_tiktoken(text)) return converter.from_tiktoken(read_tiktoken(text, file.string()));
      return converter.from_sentencepiece(sentencepiece_model::parse(std::move(text), file.string()));
    }
  }
}

}  // namespace hft::detail
