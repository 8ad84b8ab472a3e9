// expect: hft: generate needs a causal model .ForCausalLM
// lines: 10
#include <hft/generation/generate.hpp>
#include <hft/models/bert.hpp>
#include <hft/models/gpt2.hpp>
#ifdef GOOD
using model = hft::GPT2LMHeadModel<hft::f32>;
#else
using model = hft::BertModel<hft::f32>;
#endif
auto ids(const model& m, const hft::Tensor<hft::i64, 2>& prompt) { return hft::generate(m, prompt); }
