// expect: hft: a base model has none; a model with a head has
// lines: 10
#include <hft/models/llama.hpp>
using ids = hft::Tensor<hft::i64, 2>;
#ifdef GOOD
auto y(const hft::LlamaForCausalLM<hft::f32>& m, const ids& x) { return m(x).logits; }
#else
auto y(const hft::LlamaModel<hft::f32>& m, const ids& x) { return m(x).logits; }
#endif
