// save_gguf: a model and its tokenizer as one file, which llama.cpp and AutoModel load.
//
//   save_gguf(model, AutoTokenizer::from_pretrained(folder), "model-q8_0.gguf", {.dtype = dtype_id::q8_0});
#pragma once
#include <cstddef>
#include <filesystem>

#include <hft/models/gguf_saving_impl.hpp>
#include <hft/tokenizers/gguf_writer.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// Writes a model, of a class or an AnyModel, with a tokenizer. The file is there whole or not at all. What a GGUF file
/// cannot say of the tokenizer is a warning (log.hpp). Throws what save_gguf of the model and gguf_tokenizer do.
template <class Model>
void save_gguf(const Model& model, const PreTrainedTokenizerFast& tokenizer, const std::filesystem::path& file,
               const SaveGgufOptions& options = {}) {
  isize rows = 0;
  if constexpr (requires { model.any_config(); })
    rows = get_field(model.any_config().ref(), "vocab_size").value_or(0);
  else
    rows = model.config().vocab_size;
  model.save_gguf(file, gguf_tokenizer(tokenizer, std::size_t(rows)), options);
  check_gguf_tokenizer(tokenizer, file);
}

}  // namespace hft
