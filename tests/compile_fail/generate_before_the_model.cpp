// expect: hft: the model comes first: generate.model, input_ids.
// lines: 10
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
using ids = hft::Tensor<hft::i64, 2>;
#ifdef GOOD
auto y(const model& m, const ids& x) { return hft::generate(m, x); }
#else
auto y(const model& m, const ids& x) { return hft::generate(x, m); }
#endif
