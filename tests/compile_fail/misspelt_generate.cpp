// expect: max_new_tokns
// expect: hft: these braces name fields of GenerationConfig
// lines: 10
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
#ifdef GOOD
auto y(const hft::LlamaForCausalLM<hft::f32>& m, const hft::Tensor<hft::i64, 2>& ids) {
  return hft::generate(m, ids, {.max_new_tokens = 3});
}
#else
auto y(const hft::LlamaForCausalLM<hft::f32>& m, const hft::Tensor<hft::i64, 2>& ids) {
  return hft::generate(m, ids, {.max_new_tokns = 3});
}
#endif
