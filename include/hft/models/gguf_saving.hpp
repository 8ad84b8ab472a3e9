// Writing a model as a GGUF file: what loading.hpp reads, by the same tables the other way round. What a weight's name
// says was done to it (name_rules.hpp) is done here, and the keys that name a config's fields are written; what a
// config says beside them, its complete_in does, the inverse of its complete_from. (llama.cpp: convert_hf_to_gguf.py,
// src/llama-quant.cpp)
#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include <hft/dtype.hpp>
#include <hft/io/gguf.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/model_parts.hpp>

namespace hft {

/// How a GGUF file is written.
struct SaveGgufOptions {
  /// Of matrices: f32, f16, bf16 or a block format; default: what each has. Where rows are no whole number of blocks,
  /// another format is taken, as llama.cpp does, and the log says so. Vectors, norms and what else llama.cpp's kernels
  /// take in f32 alone are f32.
  std::optional<dtype_id> dtype = {};
  std::string name = {};  // general.name
};

namespace detail {

/// Whether what writes a file with such metadata is compiled somewhere in the program.
template <class Metadata>
#ifdef HFT_COMPILED
inline constexpr bool writes_gguf = true;
#else
inline constexpr bool writes_gguf = false;  // gguf_saving_impl.hpp says otherwise
#endif

/// Writes a model as a GGUF file, all or nothing.
///   architecture  the class's name, for errors
void save_gguf(ModelParts& model, const AnyConfig& config, const std::string& architecture,
               const gguf_metadata& tokenizer, const std::filesystem::path& file, const SaveGgufOptions& options);

}  // namespace detail

}  // namespace hft
