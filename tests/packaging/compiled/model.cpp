// Uses the compiled part of hft: a model that is not there is an error from within it.
#include <cstdio>
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>
#if HFT_DEFINES(MODELS)
#error "hft::compiled should leave definitions out of its user's source files"
#endif

hft::json parsed_header_only();

int main() {
  using namespace hft;
  try {
    const auto model = LlamaForCausalLM<bf16>::from_pretrained("no/such-model");
    generate(model, Tensor<i64, 2>::from({1}, {1, 1}));
  } catch (const file_error& e) {
    std::puts(e.what());
    return parsed_header_only()["rows"].get<isize>() == 2 ? 0 : 1;
  }
  return 1;
}
