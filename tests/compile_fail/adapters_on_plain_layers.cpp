// expect: hft: adapters need a model of layer kind with_lora
#include <hft/models/llama.hpp>
#include <hft/train/peft/peft_model.hpp>
#ifdef GOOD
using kind = hft::with_lora;
#else
using kind = hft::plain;
#endif
using model = hft::LlamaForCausalLM<hft::f32, hft::cpu, kind>;
void add(model& m) { hft::get_peft_model(std::move(m), {.r = 4}); }
