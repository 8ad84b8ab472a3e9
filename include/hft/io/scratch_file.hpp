// Memory that lies in a file without a name, which is gone with the last who uses it: to hold more than the machine's
// memory, or to share pages between several places until one of them is written to.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>

#include <hft/device.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <hft/io/mapped_file.hpp>
#endif

namespace hft {

class scratch_file {
 public:
  /// A file of zeros in that folder, whose space is taken at once, so that a full disk is an error here and not where
  /// it is written to; with no folder in the system's memory. Throws file_error where it cannot be made.
  explicit scratch_file(std::size_t bytes, const std::filesystem::path& folder = {});
  ~scratch_file();
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;

  /// The file as memory, of a device whose memory the host's is. Throws file_error.
  buffer map() const { return map(1, true); }
  /// The file n times, one behind the other, a multiple of page() each: who writes to one of them gets the page
  /// copied, and the others and the file stay as they are.
  buffer map_copies(std::size_t n) const { return map(n, false); }

  static std::size_t page();

 private:
  buffer map(std::size_t n, bool shared) const;

  int fd_ = -1;
  std::size_t bytes_ = 0;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE std::size_t scratch_file::page() { return std::size_t(::sysconf(_SC_PAGESIZE)); }

HFT_INLINE_ONCE scratch_file::scratch_file(std::size_t bytes, const std::filesystem::path& folder) : bytes_(bytes) {
  const auto fail = [&](const char* what) {
    const std::string why = detail::errno_text(errno);
    if (fd_ >= 0) ::close(fd_);
    throw file_error(folder.string(), detail::joined(what, " of ", bytes, " bytes: ", why));
  };
#ifdef MFD_CLOEXEC
  if (folder.empty()) fd_ = ::memfd_create("hft", MFD_CLOEXEC);
#endif
  if (fd_ < 0) {
    std::string name =
        ((folder.empty() ? std::filesystem::temp_directory_path() : folder) / "hft-scratch-XXXXXX").string();
    fd_ = ::mkstemp(name.data());
    if (fd_ < 0) fail("cannot make a scratch file");
    ::unlink(name.c_str());
    (void)::fcntl(fd_, F_SETFD, FD_CLOEXEC);
  }
  if (::ftruncate(fd_, off_t(bytes)) != 0) fail("cannot make a scratch file");
  if (!folder.empty() && bytes) {
    const int failed = ::posix_fallocate(fd_, 0, off_t(bytes));
    if (failed && failed != EINVAL && failed != EOPNOTSUPP) {  // those: a file system that cannot take space at once
      errno = failed;
      fail("no space for a scratch file");
    }
  }
}

HFT_INLINE_ONCE scratch_file::~scratch_file() { ::close(fd_); }

HFT_INLINE_ONCE buffer scratch_file::map(std::size_t n, bool shared) const {
  if (bytes_ == 0) return cpu::allocate(0);
  struct mapping {
    void* data;
    std::size_t bytes;
    ~mapping() { ::munmap(data, bytes); }
  };
  const auto fail = [&] { throw file_error("scratch_file", "cannot map: " + detail::errno_text(errno)); };
  // A place for all of them, then each in its place.
  void* data = ::mmap(nullptr, n * bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) fail();
  const std::shared_ptr<const mapping> owner(new mapping{data, n * bytes_});
  for (std::size_t i = 0; i < n; ++i)
    if (::mmap(static_cast<std::byte*>(data) + i * bytes_, bytes_, PROT_READ | PROT_WRITE,
               MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE), fd_, 0) == MAP_FAILED)
      fail();
  return buffer::share(owner, data, n * bytes_, shared);
}

#endif  // HFT_DEFINES

}  // namespace hft
