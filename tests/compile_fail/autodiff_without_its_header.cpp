// expect: IncludesTrainAutodiffHpp
// lines: 16
#include <hft/models/llama.hpp>
#ifdef GOOD
#include <hft/train/autodiff.hpp>
#endif
using model = hft::LlamaForCausalLM<hft::f32, hft::autodiff<hft::cpu>>;
