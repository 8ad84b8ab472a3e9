// Writes the checkpoints of a folder with their weights, for programs that read them as users' files:
//   write_seeded SOURCE TARGET
// Each folder of SOURCE, itself among them, that has weights.json is written under TARGET.
#include <cstdio>
#include <exception>

#include "seeded_checkpoint.hpp"

int main(int argc, char** argv) try {
  if (argc != 3) return std::fprintf(stderr, "usage: write_seeded SOURCE TARGET\n"), 2;
  const std::filesystem::path source = argv[1], target = argv[2];
  int written = 0;
  const auto write = [&](const std::filesystem::path& folder) {
    if (!std::filesystem::exists(folder / "weights.json")) return;
    hft::test::write_seeded_checkpoint(folder, target / folder.lexically_relative(source));
    ++written;
  };
  write(source);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source))
    if (entry.is_directory()) write(entry.path());
  if (!written) return std::fprintf(stderr, "write_seeded: no weights.json in %s\n", argv[1]), 1;
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
