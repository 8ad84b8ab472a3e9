// expect: hft: backward\(\) takes a tensor that ops on autodiff<D> made
// lines: 10
#include <hft/models/llama.hpp>
#include <hft/train/autodiff.hpp>
#ifdef GOOD
using device = hft::autodiff<hft::cpu>;
#else
using device = hft::cpu;
#endif
using model = hft::LlamaForCausalLM<hft::f32, device>;
void train(const model& m, const hft::Tensor<hft::i64, 2>& ids) { hft::backward(m(ids).logits); }
