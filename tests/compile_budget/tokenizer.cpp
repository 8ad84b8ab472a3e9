// budget: 16 s, 1000 MB; compiled: 3 s, 500 MB
// Loads a tokenizer, encodes and decodes. What it takes today is in README.
#include <cstdio>
#include <hft/tokenizers/pretrained.hpp>

int main(int argc, char** argv) {
  using namespace hft;
  const auto tok = AutoTokenizer::from_pretrained(argc > 1 ? argv[1] : "smollm2");
  std::puts(tok.decode(tok.encode("Hello, world")).c_str());
}
