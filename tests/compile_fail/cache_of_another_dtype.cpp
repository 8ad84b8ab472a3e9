// expect: hft: past_key_values takes the address of a cache of the model's activation dtype
// lines: 10
#include <hft/generation/cache.hpp>
#include <hft/models/llama.hpp>
using model = hft::LlamaForCausalLM<hft::f32>;
using ids = hft::Tensor<hft::i64, 2>;
#ifdef GOOD
auto y(const model& m, const ids& x, hft::DynamicCache<hft::f32>& cache) { return m(x, {.past_key_values = &cache}); }
#else
auto y(const model& m, const ids& x, hft::DynamicCache<hft::f64>& cache) { return m(x, {.past_key_values = &cache}); }
#endif
