// expect: hft: generate takes a Tensor<i64, 2> of ids
// lines: 10
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
#ifdef GOOD
auto y(const model& m, const hft::Tensor<hft::i64, 2>& x) { return hft::generate(m, x); }
#else
auto y(const model& m, const hft::Tensor<hft::f32, 2>& x) { return hft::generate(m, x); }
#endif
