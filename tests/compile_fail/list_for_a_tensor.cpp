// expect: hft: the inputs in braces are tensors
// lines: 10
#include <hft/models/llama.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
using ids = hft::Tensor<hft::i64, 2>;
#ifdef GOOD
auto y(const model& m) { return m(ids::from({1, 2}, {1, 2})); }
#else
auto y(const model& m) { return m({1, 2}); }
#endif
