// Files as bytes: read-only memory maps, whole small text files, and writes that are all or nothing.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <hft/error.hpp>
#include <hft/io/placeholder.hpp>
#include <hft/linkage.hpp>

namespace hft {

namespace detail {

/// The system's text for an errno value, without strerror's shared buffer.
std::string errno_text(int code);

/// folder / name. (A path is made of much inline code, and out of line once.)
std::filesystem::path below(const std::filesystem::path& folder, std::string_view name);
/// The extension of a file's name with its dot, or nothing.
std::string extension_of(const std::filesystem::path& path);

/// An open file descriptor that is closed when it goes out of scope.
class file_descriptor {
 public:
  explicit file_descriptor(int fd = -1) noexcept : fd_(fd) {}
  file_descriptor(file_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    if (this != &other) close(), fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~file_descriptor() { close(); }
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Closes now and reports whether the system accepted all that was written.
  bool close() noexcept { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

/// Opens a regular file for reading and returns it with its size.
std::pair<file_descriptor, std::size_t> open_regular_file(const std::filesystem::path& path);

/// Whether there is something to open at the path, without an exception: what cannot be looked at is there, and opening
/// it says why. With `links`, so is a link that leads nowhere.
bool is_there(const std::filesystem::path& path, bool links = false);

}  // namespace detail

/// How a mapping is going to be read; a hint to the system, never an error.
enum class access_hint { normal, sequential, random, will_need };

/// A file mapped into memory, read-only and private. An empty file has an empty span. The bytes stay valid while the
/// object lives, also when the file is replaced or removed; a file that another process cuts short while it is mapped
/// raises SIGBUS on access, as with every mapping.
class mapped_file {
 public:
  /// Throws file_error where the path is not a readable regular file, format_error where it is a Git LFS pointer.
  static std::shared_ptr<const mapped_file> open(const std::filesystem::path& path);
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;
  ~mapped_file() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }

  std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(data_), size_}; }
  std::string_view text() const noexcept { return {static_cast<const char*>(data_), size_}; }
  std::size_t size() const noexcept { return size_; }
  const std::filesystem::path& path() const noexcept { return path_; }

  /// Tells the system how the bytes will be read; will_need starts to read them ahead in the background.
  void advise(access_hint hint) const noexcept { advise(hint, bytes()); }
  void advise(access_hint hint, std::span<const std::byte> part) const noexcept;

 private:
  explicit mapped_file(const std::filesystem::path& path);

  std::filesystem::path path_;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The whole of a small file. Throws file_error where it is larger than `max_bytes` or cannot be read, format_error
/// where it is a Git LFS pointer.
std::string read_text(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{256} << 20);

/// Writes a file that appears complete or not at all: the bytes go to a temporary file in the same folder, which
/// commit() syncs and renames over the target. Without commit() the temporary file is removed and the target stays as
/// it was. A target that is a symbolic link is replaced, not followed; a device or a pipe is written to in place.
class atomic_writer {
 public:
  /// Throws file_error where the folder cannot be written.
  explicit atomic_writer(std::filesystem::path target);
  atomic_writer(const atomic_writer&) = delete;
  atomic_writer& operator=(const atomic_writer&) = delete;
  ~atomic_writer();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

  /// Bytes written so far.
  std::uint64_t position() const noexcept { return written_; }

  /// Where they are until commit(); empty where the target is no regular file and is written at once.
  const std::filesystem::path& temporary() const noexcept { return temporary_; }

  /// Makes the file appear under its name. Throws file_error, with the old file intact, where that fails.
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  detail::file_descriptor fd_;
  std::uint64_t written_ = 0;
  bool committed_ = false;
};

/// Writes `contents` as the whole of `path`, all or nothing.
void write_file_atomically(const std::filesystem::path& path, std::string_view contents);

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE std::string errno_text(int code) { return std::generic_category().message(code); }

[[gnu::noinline]] HFT_INLINE std::filesystem::path below(const std::filesystem::path& folder, std::string_view name) {
  return folder / name;
}

[[gnu::noinline]] HFT_INLINE std::string extension_of(const std::filesystem::path& path) {
  return path.extension().string();
}

HFT_INLINE std::pair<file_descriptor, std::size_t> open_regular_file(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a named pipe must fail below rather than wait for a writer.
  file_descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) throw file_error(path.string(), "cannot open: " + errno_text(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw file_error(path.string(), "cannot stat: " + errno_text(errno));
  if (!S_ISREG(status.st_mode))
    throw file_error(path.string(), "", "a regular file", S_ISDIR(status.st_mode) ? "a folder" : "a special file");
  return {std::move(fd), std::size_t(status.st_size)};
}

HFT_INLINE bool is_there(const std::filesystem::path& path, bool links) {
  struct stat status {};
  const int failed = links ? ::lstat(path.c_str(), &status) : ::stat(path.c_str(), &status);
  return failed == 0 || (errno != ENOENT && errno != ENOTDIR);
}

}  // namespace detail

HFT_INLINE std::shared_ptr<const mapped_file> mapped_file::open(const std::filesystem::path& path) {
  std::shared_ptr<const mapped_file> file(new mapped_file(path));
  detail::refuse_lfs_pointer(file->text(), path.string());
  return file;
}

HFT_INLINE mapped_file::mapped_file(const std::filesystem::path& path) : path_(path) {
  auto [fd, size] = detail::open_regular_file(path);
  if (size == 0) return;  // mmap refuses a length of zero
  // A weight may be written by its model's owner: the page is then copied, and the file stays as it is.
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd.get(), 0);
  if (data == MAP_FAILED) throw file_error(path.string(), "cannot map: " + detail::errno_text(errno));
  data_ = data;
  size_ = size;
}

HFT_INLINE std::string read_text(const std::filesystem::path& path, std::size_t max_bytes) {
  auto [fd, size] = detail::open_regular_file(path);
  if (size > max_bytes)
    throw file_error(path.string(), "file is too large", detail::joined("at most ", max_bytes, " bytes"),
                     detail::joined(size, " bytes"));
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const auto n = ::read(fd.get(), text.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw file_error(path.string(), "cannot read: " + detail::errno_text(errno));
    if (n == 0) break;  // the file became shorter since fstat
    done += std::size_t(n);
  }
  text.resize(done);
  detail::refuse_lfs_pointer(text, path.string());
  return text;
}

HFT_INLINE atomic_writer::atomic_writer(std::filesystem::path target) : target_(std::move(target)) {
  struct stat status {};
  if (::stat(target_.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    fd_ = detail::file_descriptor(::open(target_.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd_) return;
    throw file_error(target_.string(), "cannot write: " + detail::errno_text(errno));
  }
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary_ = target_;
    temporary_ += detail::cat(".", long(::getpid()), "-", counter.fetch_add(1), ".tmp");
    fd_ = detail::file_descriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (fd_) return;
    if (errno != EEXIST) break;
  }
  throw file_error(target_.string(), "cannot write: " + detail::errno_text(errno));
}

HFT_INLINE atomic_writer::~atomic_writer() {
  if (committed_ || temporary_.empty()) return;
  fd_.close();
  ::unlink(temporary_.c_str());
}

HFT_INLINE void atomic_writer::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw file_error(target_.string(), "cannot write: " + detail::errno_text(errno));
    bytes = bytes.subspan(std::size_t(n));
    written_ += std::uint64_t(n);
  }
}

HFT_INLINE void atomic_writer::commit() {
  if (temporary_.empty()) {
    if (!fd_.close()) throw file_error(target_.string(), "cannot write: " + detail::errno_text(errno));
    return;
  }
  if (::fsync(fd_.get()) != 0 || !fd_.close() || ::rename(temporary_.c_str(), target_.c_str()) != 0)
    throw file_error(target_.string(), "cannot write: " + detail::errno_text(errno));
  committed_ = true;
  // The rename itself survives a power cut only once the folder is synced; not every file system can, so a failure
  // here is no error.
  const auto folder = target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
  const detail::file_descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) (void)::fsync(fd.get());
}

HFT_INLINE void write_file_atomically(const std::filesystem::path& path, std::string_view contents) {
  atomic_writer file(path);
  file.write(contents);
  file.commit();
}

HFT_INLINE void mapped_file::advise(access_hint hint, std::span<const std::byte> part) const noexcept {
  if (part.empty()) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<std::uintptr_t>(part.data()) & ~(page - 1);
  const auto last = reinterpret_cast<std::uintptr_t>(part.data() + part.size());
  const int advice = hint == access_hint::sequential  ? MADV_SEQUENTIAL
                     : hint == access_hint::random    ? MADV_RANDOM
                     : hint == access_hint::will_need ? MADV_WILLNEED
                                                      : MADV_NORMAL;
  (void)::madvise(reinterpret_cast<void*>(first), last - first, advice);
}

#endif  // HFT_DEFINES

}  // namespace hft
