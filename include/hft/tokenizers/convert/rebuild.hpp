// A tokenizer.json under a class of Transformers that makes its own stages: of the file it takes the vocabulary with
// its merges, the map of characters, truncation and padding, and builds the rest anew from tokenizer_config.json
// (TokenizersBackend.convert_to_native_format and the classes' __init__). kinds.hpp says which class does what.
#pragma once
#include <string>
#include <utility>

#include <hft/io/json.hpp>
#include <hft/tokenizers/convert/convert.hpp>
#include <hft/tokenizers/convert/kinds.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/normalizers/precompiled.hpp>
#include <hft/tokenizers/normalizers/utils.hpp>
#include <hft/tokenizers/special_tokens.hpp>

namespace hft::detail {

/// The first Precompiled of a normalizer or of its sequence; empty where there is none.
inline std::string charsmap_of(const normalizers::Normalizer* normalizer) {
  if (const auto* map = dynamic_cast<const normalizers::Precompiled*>(normalizer)) return map->precompiled_charsmap();
  if (const auto* sequence = dynamic_cast<const normalizers::Sequence*>(normalizer))
    for (const auto& step : sequence->normalizers)
      if (const auto* map = dynamic_cast<const normalizers::Precompiled*>(step.get()))
        return map->precompiled_charsmap();
  return {};
}

/// The pipeline of `file` as the class of `kind` has it. `special` comes with what the folder's files and the kind say.
inline tokenizer_components rebuild_tokenizer(tokenizer_components file, const tokenizer_kind& kind, json config,
                                              const std::string& where, special_tokens& special) {
  // Nothing is rebuilt but for a frame that the class has; a Unigram class cannot be made of tokens without scores.
  const bool has_scores = dynamic_cast<const models::Unigram*>(file.model.get()) != nullptr;
  if ((kind.keeps_pipeline && kind.keeps_frame()) || (kind.source == vocabulary_source::unigram && !has_scores)) {
    special.add_to(file.added_tokens);
    return file;
  }
  for (const auto key : {"add_bos_token", "add_eos_token"}) config.erase(key);  // the file's post-processor says it
  tokenizer_converter converter(kind, config, where, special);
  if (!special.has_decoder()) converter.with_tokens(file.added_tokens);  // else it lists all of them
  auto out = converter.from_model(file.model, charsmap_of(file.normalizer.get()));
  if (kind.keeps_pipeline) {
    special.add_to(file.added_tokens);
    file.post_processor = std::move(out.post_processor);
    return file;
  }
  if (kind.keeps_frame() && file.post_processor) out.post_processor = std::move(file.post_processor);
  out.truncation = file.truncation;
  out.padding = std::move(file.padding);
  return out;
}

}  // namespace hft::detail
