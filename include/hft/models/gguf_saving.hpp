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
#include <hft/linkage.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/loading.hpp>
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

/// What loading and writing need to know of a model beside its parameters, but for ties and values at the start.
load_plan plan_of(const ModelParts& model, const AnyConfig& config);

/// Writes a model as a GGUF file, all or nothing.
///   architecture  the class's name, for errors
void save_gguf(ModelParts& model, const AnyConfig& config, const std::string& architecture,
               const gguf_metadata& tokenizer, const std::filesystem::path& file, const SaveGgufOptions& options);

}  // namespace detail

}  // namespace hft

#if HFT_DEFINES(MODELS)

namespace hft::detail {

HFT_INLINE_ONCE load_plan plan_of(const ModelParts& model, const AnyConfig& config) {
  load_plan plan{.names = config.info().names, .base_model_prefix = model.base_model_prefix()};
  const config_ref ref = config.ref();
  plan.num_heads = get_field(ref, "num_attention_heads").value_or(0);
  plan.num_kv_heads = get_field(ref, "num_key_value_heads").value_or(plan.num_heads);
  const isize padding = get_field(ref, "pad_token_id").value_or(-1);
  plan.left_out = padding >= 0 && f64(padding) < field_visitor::largest_extent ? padding + 1 : 0;
  plan.parts_of = [&info = config.info(), c = ref.config.config](std::string_view path) {
    return info.gguf_parts(c, path);
  };
  return plan;
}

}  // namespace hft::detail

#endif  // HFT_DEFINES
