// expect: hft: no braces here: Tensor<i64, 2>::from
// lines: 10
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
using ids = hft::Tensor<hft::i64, 2>;
#ifdef GOOD
auto y(const model& m) { return hft::generate(m, ids::from({1, 2}, {1, 2})); }
#else
auto y(const model& m) { return hft::generate(m, {1, 2}); }
#endif
