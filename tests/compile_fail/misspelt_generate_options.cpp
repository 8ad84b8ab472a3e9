// expect: streamr
// expect: hft: these braces name fields of GenerateOptions
// lines: 10
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
#include <hft/tokenizers/pretrained.hpp>
#ifdef GOOD
auto y(const hft::LlamaForCausalLM<hft::f32>& m, const hft::PreTrainedTokenizerFast& tok) {
  return hft::generate(m, tok, "a", {}, {.streamer = nullptr});
}
#else
auto y(const hft::LlamaForCausalLM<hft::f32>& m, const hft::PreTrainedTokenizerFast& tok) {
  return hft::generate(m, tok, "a", {}, {.streamr = nullptr});
}
#endif
