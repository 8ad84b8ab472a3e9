// CodeGen: GPT-J with fused projections, which lie as four machines had them. Nijkamp et al. 2022, arXiv 2203.13474.
// transformers/models/codegen/modeling_codegen.py
#pragma once
#include <hft/models/gpt_neox.hpp>
#include <hft/models/gptj.hpp>

namespace hft {

/// transformers.CodeGenConfig; fields have its names and defaults.
struct CodeGenConfig : GPTJConfig {
  isize n_ctx = 2048;  // read by nothing

  static constexpr const char* model_type = "codegen";
  static constexpr const char* class_prefix = "CodeGen";

  void fields(field_visitor& v);
  void check() const;
  TextModelOptions<> text_model() const;

  static constexpr std::string_view ignored[] = {"*.attn.causal_mask", "*.attn.embed_positions"};
  static constexpr name_tables names{.base_model_prefix = "transformer", .rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CodeGenModel = DecoderModel<CodeGenConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CodeGenForCausalLM = CausalLM<CodeGenConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;

struct codegen : architecture<CodeGenConfig, CodeGenModel, CodeGenForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void CodeGenConfig::fields(field_visitor& v) {
  GPTJConfig::fields(v);
  v("n_ctx", n_ctx);
}

HFT_INLINE void CodeGenConfig::check() const {
  if (n_head % 4) throw config_error(model_type, "n_head", "a multiple of 4", detail::joined(n_head));
  GPTJConfig::check();
}

HFT_INLINE TextModelOptions<> CodeGenConfig::text_model() const {
  auto o = GPTJConfig::text_model();
  o.where = class_prefix;
  for (auto& layer : o.layers) layer.attention.qkv = {.groups = 4, .values_before_keys = true};
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
