// expect: hft: these braces name fields of ForwardArgs, in its order; labels: on autodiff
// lines: 10
#include <hft/models/llama.hpp>
#include <hft/train/autodiff.hpp>
#ifdef GOOD
using device = hft::autodiff<hft::cpu>;
#else
using device = hft::cpu;
#endif
using model = hft::LlamaForCausalLM<hft::f32, device>;
auto y(const model& m, const hft::Tensor<hft::i64, 2>& ids) { return m(ids, {.labels = ids}).loss; }
