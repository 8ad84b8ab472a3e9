// expect: hft: generate takes a Tensor<i64, 2> of ids
// lines: 10
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
using ids = hft::Tensor<hft::i64, 2>;
#ifdef GOOD
auto y(const model& m) { return hft::generate(m, hft::ids_tensor({{1, 2}})); }
#else
auto y(const model& m) { return hft::generate(m, std::vector<int>{1, 2}); }
#endif
