// Writes a checkpoint's folder as a GGUF file, with its tokenizer where it has one, for other programs to read
// (tests/oracle/gguf_saved.py):
//   write_gguf FOLDER FILE [DTYPE]
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>

#include <hft/auto.hpp>
#include <hft/log.hpp>
#include <hft/pipelines/save_gguf.hpp>

int main(int argc, char** argv) try {
  if (argc != 3 && argc != 4) return std::fprintf(stderr, "usage: write_gguf FOLDER FILE [DTYPE]\n"), 2;
  hft::set_log_callback([](hft::log_level, const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); });
  const std::filesystem::path folder = argv[1];
  const auto model = hft::AutoModel<>::from_pretrained(folder.string());
  hft::SaveGgufOptions options;
  options.name = folder.filename().string();
  if (argc == 4) {
    options.dtype = hft::dtype_from_name(argv[3]);
    if (!options.dtype) return std::fprintf(stderr, "write_gguf: no dtype %s\n", argv[3]), 2;
  }
  if (std::filesystem::exists(folder / "tokenizer.json"))
    hft::save_gguf(model, hft::AutoTokenizer::from_pretrained(folder), argv[2], options);
  else
    model.save_gguf(argv[2], {}, options);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
