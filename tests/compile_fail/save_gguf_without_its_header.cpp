// expect: hft: save_gguf needs #include <hft/pipelines/save_gguf.hpp>
// lines: 10
#ifdef GOOD
#include <hft/pipelines/save_gguf.hpp>
#endif
#include <hft/io/gguf_writer.hpp>
#include <hft/models/llama.hpp>

void f(const hft::LlamaForCausalLM<>& model, const hft::gguf_metadata& tokenizer) {
  model.save_gguf("model.gguf", tokenizer);
}
