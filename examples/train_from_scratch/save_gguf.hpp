// Writes a Llama with its tokenizer as one GGUF file, matrices quantised: what hft, and llama.cpp, run as it is.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/models/llama.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace example {

using namespace hft;

// Rotary rows as llama.cpp has them: pairs (2i, 2i + 1) in place of halves (i, i + D/2).
inline std::vector<f32> in_pairs(const f32* values, isize rows, isize cols, isize heads) {
  const isize D = rows / heads;
  std::vector<f32> out(static_cast<std::size_t>(rows * cols));
  for (isize h = 0; h < heads; ++h)
    for (isize i = 0; i < D; ++i)
      std::copy_n(values + (h * D + i) * cols, cols,
                  out.begin() + (h * D + (i < D / 2 ? 2 * i : 2 * (i - D / 2) + 1)) * cols);
  return out;
}

// tokenizer.ggml.*: the byte-level BPE of a tokenizer.json, digits alone, as llama.cpp calls "smollm"'s.
inline void set_tokenizer(gguf_metadata& m, const PreTrainedTokenizerFast& tokenizer) {
  const json file = parse_json(tokenizer.tokenizer().to_json(), "tokenizer.json");
  std::vector<std::string> tokens(static_cast<std::size_t>(tokenizer.size())), merges;
  std::vector<std::int32_t> types(tokens.size(), 1);  // normal
  for (const auto& [token, id] : file["model"]["vocab"].items()) tokens[id.get<std::size_t>()] = token;
  for (const json& added : file["added_tokens"]) {
    const auto id = added["id"].get<std::size_t>();
    tokens[id] = added["content"].get<std::string>();
    types[id] = 3;  // control
  }
  for (const json& pair : file["model"]["merges"])
    merges.push_back(pair[0].get<std::string>() + " " + pair[1].get<std::string>());
  m.set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.pre", "smollm");
  m.set("tokenizer.ggml.tokens", tokens).set("tokenizer.ggml.token_type", types).set("tokenizer.ggml.merges", merges);
  const auto name = [&](const char* key, std::optional<std::int64_t> id) {
    if (id) m.set(key, std::uint32_t(*id));
  };
  name("tokenizer.ggml.bos_token_id", tokenizer.bos_token_id());
  name("tokenizer.ggml.eos_token_id", tokenizer.eos_token_id());
  name("tokenizer.ggml.padding_token_id", tokenizer.pad_token_id());
  m.set("tokenizer.ggml.add_bos_token", false);
  if (const auto text = tokenizer.chat_template()) m.set("tokenizer.chat_template", *text);
}

/// Matrices are written as q8_0, vectors as f32. Throws file_error where the file cannot be written.
template <class Model>
void save_gguf(Model& model, const PreTrainedTokenizerFast& tokenizer, const std::filesystem::path& path) {
  const LlamaConfig& c = model.config();
  gguf_metadata m;
  m.set("general.architecture", "llama").set("general.file_type", std::uint32_t{7});  // all but vectors is q8_0
  m.set("llama.embedding_length", std::uint32_t(c.hidden_size));
  m.set("llama.feed_forward_length", std::uint32_t(c.intermediate_size));
  m.set("llama.block_count", std::uint32_t(c.num_hidden_layers));
  m.set("llama.attention.head_count", std::uint32_t(c.num_attention_heads));
  m.set("llama.attention.head_count_kv", std::uint32_t(c.key_value_heads()));
  m.set("llama.context_length", std::uint32_t(c.max_position_embeddings));
  m.set("llama.attention.layer_norm_rms_epsilon", f32(c.rms_norm_eps));
  m.set("llama.rope.dimension_count", std::uint32_t(c.head_size()));
  m.set("llama.rope.freq_base", f32(c.rope_parameters.rope_theta));
  m.set("llama.vocab_size", std::uint32_t(c.vocab_size));
  set_tokenizer(m, tokenizer);

  std::vector<stored_tensor> tensors;
  for_each_parameter(model, [&](const std::string& parameter_path, parameter& p) {
    stored_tensor t;
    const renamed theirs = to_theirs(gguf_decoder_names, parameter_path).value();
    t.name = theirs.name;
    t.shape = p.shape();
    t.dtype = t.shape.size() > 1 ? dtype_id::q8_0 : dtype_id::f32;
    const isize cols = t.shape.back(), rows = p.size() / cols;
    std::vector<f32> values(std::size_t(p.size()));
    convert(dtype_id::f32, values.data(), p.format(), p.data(), p.size());
    if (theirs.stored == stored_as::rope_pairs) values = in_pairs(values.data(), rows, cols, rows / c.head_size());
    auto bytes =
        std::make_shared<std::vector<std::byte>>(std::size_t(p.size() / info(t.dtype).block * info(t.dtype).bytes));
    convert_rows(t.dtype, bytes->data(), dtype_id::f32, values.data(), rows, cols);
    t.bytes = *bytes;
    t.owner = std::move(bytes);
    tensors.push_back(std::move(t));
  });
  write_gguf(path, m, tensors);
}

}  // namespace example
