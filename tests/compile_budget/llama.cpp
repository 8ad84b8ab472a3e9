// budget: 8 s, 1000 MB
// The program of README: loads a Llama checkpoint and generates.
#include <cstdio>
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
#include <hft/tokenizers/tokenizer.hpp>

int main(int argc, char** argv) {
  using namespace hft;
  const std::string folder = argc > 1 ? argv[1] : "smollm2";
  const auto tok = AutoTokenizer::from_pretrained(folder);
  const auto model = LlamaForCausalLM<bf16>::from_pretrained(folder);
  const auto text = tok.decode(generate(model, tok("Hello"), {.max_new_tokens = 32}));
  std::puts(text.c_str());
}
