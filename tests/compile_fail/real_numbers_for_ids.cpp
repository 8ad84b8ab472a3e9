// expect: hft: a model over tokens takes a Tensor<i64, 2> of ids
// lines: 10
#include <hft/models/llama.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
#ifdef GOOD
auto y(const model& m, const hft::Tensor<hft::i64, 2>& x) { return m(x); }
#else
auto y(const model& m, const hft::Tensor<hft::f32, 2>& x) { return m(x); }
#endif
