// expect: hft: generate takes a text behind its tokenizer: generate.model, tokenizer, text.
// lines: 10
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
#include <hft/tokenizers/pretrained.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
#ifdef GOOD
auto y(const model& m, const hft::PreTrainedTokenizerFast& tok) { return hft::generate(m, tok, "hello"); }
#else
auto y(const model& m, const hft::PreTrainedTokenizerFast&) { return hft::generate(m, "hello"); }
#endif
