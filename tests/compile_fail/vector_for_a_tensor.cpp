// expect: hft: a model takes tensors: Tensor<i64, 2>::from
// lines: 10
#include <hft/models/llama.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
using ids = hft::Tensor<hft::i64, 2>;
#ifdef GOOD
auto y(const model& m) { return m(hft::ids_tensor({{1, 2}})); }
#else
auto y(const model& m) { return m(std::vector<int>{1, 2}); }
#endif
