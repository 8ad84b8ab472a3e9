// Data files of arbitrary bytes: each is read whole or refused with an hft::error.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include <hft/train/data/load_dataset.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hft;
  const int fd = ::memfd_create("dataset", 0);
  if (fd < 0 || ::write(fd, data, size) != ssize_t(size)) {
    if (fd >= 0) ::close(fd);
    return 0;
  }
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const auto read = [&](auto load) {
    try {
      const Dataset rows = load();
      for (isize i = 0; i < rows.size(); ++i) {
        try {
          (void)rows[i];
        } catch (const error&) {
        }
      }
    } catch (const error&) {
    }
  };
  read([&] { return load_json_lines(path); });
  read([&] { return load_csv(path, ','); });
  read([&] { return load_text(path); });
  read([&] { return detail::json_file(path); });
  ::close(fd);
  return 0;
}
