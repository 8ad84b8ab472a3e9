// expect: hft: the weight dtype must be a floating dtype, a block format, any_q
#include <hft/models/llama.hpp>
#ifdef GOOD
using model = hft::LlamaForCausalLM<hft::q4_0>;
#else
using model = hft::LlamaForCausalLM<hft::i32>;
#endif
hft::isize size(const model& m) { return m.config().vocab_size; }
