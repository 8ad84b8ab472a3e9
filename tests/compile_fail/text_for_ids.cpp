// expect: hft: a model takes no text, but what a tokenizer makes of it: model\(tokenizer\(text\)\)
// lines: 10
#include <hft/models/llama.hpp>
#include <hft/tokenizers/pretrained.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
#ifdef GOOD
auto y(const model& m, const hft::PreTrainedTokenizerFast& tok) { return m(tok("hello")); }
#else
auto y(const model& m, const hft::PreTrainedTokenizerFast&) { return m("hello"); }
#endif
