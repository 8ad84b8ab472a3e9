// Makes a model of one's own architecture, saves it as Transformers saves its models, loads it again in other dtypes
// and through the run-time facade, and generates.
#include <cstdio>
#include <exception>
#include <filesystem>

#include <hft/auto.hpp>
#include <hft/generation/generate.hpp>

#include "my_lm.hpp"

using namespace hft;

int main() try {
  example::MyConfig config;
  config.vocab_size = 101;
  config.hidden_size = 64;
  config.intermediate_size = 160;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;

  config.initializer_range = 0.2;

  auto model = example::MyForCausalLM<f32>::from_config(config, 7);
  const auto folder = std::filesystem::temp_directory_path() / "hft_own_architecture";
  model.save_pretrained(folder);
  std::printf("%td parameters, saved in %s\n", num_parameters(model), folder.c_str());

  const auto prompt = Tensor<i64, 2>::from({3, 14, 15, 92, 65}, {1, 5});
  const auto print = [](const char* name, const Tensor<i64, 2>& ids) {
    std::printf("%-8s", name);
    for (isize i = 0; i < ids.size(); ++i) std::printf(" %td", isize(ids.data()[i]));
    std::printf("\n");
  };
  const GenerationConfig settings{.max_new_tokens = 12};
  print("f32", generate(example::MyForCausalLM<f32>::from_pretrained(folder.string()), prompt, settings));
  print("q8_0", generate(example::MyForCausalLM<q8_0>::from_pretrained(folder.string()), prompt, settings));
  using mine = AutoModelForCausalLM<bf16, cpu, archs<llama, example::my_arch>>;
  print("bf16", generate(mine::from_pretrained(folder.string()), prompt, settings));
  std::filesystem::remove_all(folder);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
