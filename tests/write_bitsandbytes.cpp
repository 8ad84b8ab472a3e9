// Saves a checkpoint's folder with weights that bitsandbytes quantises, and what a forward pass over the result gives,
// for Transformers to read (tests/oracle/bitsandbytes_saved.py):
//   write_bitsandbytes FOLDER INPUTS.safetensors TARGET nf4|fp4 [double]     TARGET/outputs.safetensors: the results
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include <hft/auto.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/io/safetensors_writer.hpp>
#include <hft/log.hpp>
#include <hft/models/bitsandbytes_config.hpp>

int main(int argc, char** argv) try {
  if (argc != 5 && argc != 6)
    return std::fprintf(stderr, "usage: write_bitsandbytes FOLDER INPUTS TARGET nf4|fp4 [double]\n"), 2;
  hft::set_log_callback([](hft::log_level, const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); });
  const std::filesystem::path target = argv[3];
  hft::AutoModel<>::from_pretrained(argv[1]).save_pretrained(
      target, {.quantization_config = hft::BitsAndBytesConfig{
                   .load_in_4bit = true, .bnb_4bit_quant_type = argv[4], .bnb_4bit_use_double_quant = argc == 6}});
  const auto inputs = hft::safetensors_file::open(argv[2]);
  hft::write_safetensors(target / "outputs.safetensors",
                         hft::AutoModel<>::from_pretrained(target.string()).forward(inputs.tensors(), argv[2]));
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
