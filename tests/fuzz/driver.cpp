// A main for fuzz targets where libFuzzer is absent: replays the seeds, every prefix of the small ones, and N
// mutations of them, which are a function of the number in HFT_FUZZ_SEED: another one, other mutations. scripts/test.sh
// takes the commit's time, so that each commit sees new inputs and a failure can be run again.
//   HFT_FUZZ_SEED=NUMBER fuzz_NAME [-runs=N] SEED_FILE_OR_FOLDER...
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using bytes = std::vector<std::uint8_t>;

bytes read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// An exact-size heap copy, so that the sanitizer sees any read past the end.
void run(const bytes& input) {
  bytes exact(input);
  exact.shrink_to_fit();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

bytes mutate(const std::vector<bytes>& seeds, std::mt19937& random) {
  auto pick = [&](std::size_t n) { return n ? std::size_t(random()) % n : 0; };
  bytes out = seeds[pick(seeds.size())];
  for (auto steps = 1 + pick(6); steps; --steps) {
    const auto at = pick(out.size() + 1);
    switch (pick(7)) {
      case 0:  // flip a bit
        if (at < out.size()) out[at] ^= std::uint8_t(1u << pick(8));
        break;
      case 1:  // an interesting byte
        if (at < out.size()) out[at] = std::uint8_t("\x00\xff\x7f\x80\"{}[]:,\\-9"[pick(14)]);
        break;
      case 2:  // an interesting integer, where lengths and offsets live
        if (at + 8 <= out.size()) {
          const std::uint64_t values[] = {0, 1, ~0ull, ~0ull >> 1, 1ull << 32, 1ull << 63, out.size(), out.size() + 1};
          std::memcpy(&out[at], &values[pick(8)], pick(2) ? 8 : 4);
        }
        break;
      case 3:  // erase
        if (at < out.size())
          out.erase(out.begin() + std::ptrdiff_t(at),
                    out.begin() + std::ptrdiff_t(at + 1 + pick(std::min<std::size_t>(out.size() - at, 16))));
        break;
      case 4:  // insert
        out.insert(out.begin() + std::ptrdiff_t(at), 1 + pick(8), std::uint8_t(random()));
        break;
      case 5:  // truncate
        out.resize(at);
        break;
      case 6: {  // splice a piece of another seed
        const bytes& other = seeds[pick(seeds.size())];
        if (other.empty()) break;
        const auto from = pick(other.size());
        const auto n = 1 + pick(std::min<std::size_t>(other.size() - from, 64));
        out.insert(out.begin() + std::ptrdiff_t(at), other.begin() + std::ptrdiff_t(from),
                   other.begin() + std::ptrdiff_t(std::min(from + n, other.size())));
        break;
      }
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  long runs = 2000;
  const char* number = std::getenv("HFT_FUZZ_SEED");
  const std::uint64_t seed_number = number ? std::strtoull(number, nullptr, 10) : 20240229;
  // Before anything can fail: a sanitizer ends the process.
  std::fprintf(stderr, "the same inputs again: HFT_FUZZ_SEED=%llu", static_cast<unsigned long long>(seed_number));
  for (int i = 0; i < argc; ++i) std::fprintf(stderr, " %s", argv[i]);
  std::fputc('\n', stderr);
  std::vector<bytes> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg.rfind("-runs=", 0) == 0)
      runs = std::atol(arg.c_str() + 6);
    else if (std::filesystem::is_directory(arg)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(arg))
        if (entry.is_regular_file()) seeds.push_back(read(entry.path()));
    } else {
      seeds.push_back(read(arg));
    }
  }
  if (seeds.empty()) seeds.emplace_back();
  for (const bytes& seed : seeds) {
    run(seed);
    if (seed.size() <= 4096)
      for (std::size_t n = 0; n < seed.size(); ++n) run(bytes(seed.begin(), seed.begin() + std::ptrdiff_t(n)));
  }
  std::seed_seq sequence{std::uint32_t(seed_number), std::uint32_t(seed_number >> 32)};
  std::mt19937 random(sequence);
  for (long i = 0; i < runs; ++i) run(mutate(seeds, random));
  std::printf("%zu seeds and %ld mutations: no failure\n", seeds.size(), runs);
}
