// budget: 8 s, 1000 MB; compiled: 3 s, 500 MB
// without: autodiff
// Loads a Llama checkpoint and generates. What it takes today is in README.
#include <cstdio>
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>

int main(int argc, char** argv) {
  using namespace hft;
  const auto model = LlamaForCausalLM<bf16>::from_pretrained(argc > 1 ? argv[1] : "smollm2");
  const auto ids = generate(model, Tensor<i64, 2>::from({1, 2, 3}, {1, 3}), {.max_new_tokens = 32});
  for (isize i = 0; i < ids.size(); ++i) std::printf("%td ", isize(ids.data()[i]));
}
