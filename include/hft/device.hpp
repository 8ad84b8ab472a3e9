// Devices: where a tensor's memory lies and which kernels run on it.
//
// A device is a policy type. A base device owns memory and is the tag by which an op finds its kernel,
// `rms_norm_kernel(D{}, ...)`, unqualified, so that a device defined outside the library is found by argument-dependent
// lookup. A decorated device (autodiff<D>, distributed<D, Comm>) wraps another one and names the base device beneath as
// `base`.
//
// A base device provides
//   using base = itself;
//   static constexpr bool tracked = false;
//   static constexpr bool host_memory;  // the host may read and write its memory, so files map in place
//   template <class W>
//   using activation = ...;             // the dtype that activations have beside weights of dtype W
//   static buffer allocate(std::size_t bytes);  // uninitialised, aligned to 64 bytes
//   static void copy_from_host(void* to, const void* from, std::size_t bytes);
//   static void copy_to_host(void* to, const void* from, std::size_t bytes);
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// Reference-counted memory of any device. Copies share it; the last one releases it.
class buffer {
 public:
  struct header {
    std::atomic<isize> references{1};
    void* data = nullptr;
    std::size_t bytes = 0;
    void (*release)(header*) = nullptr;
    header* companion = nullptr;  // see attach()
    bool mapped = false;          // the memory is a file's mapping
    bool read_only = false;       // its owner, another library, forbids writing to it
  };

  buffer() = default;
  explicit buffer(header* h) : header_(h) {}  // takes over one reference
  buffer(const buffer& other) : header_(other.header_) {
    if (header_) header_->references.fetch_add(1, std::memory_order_relaxed);
  }
  buffer(buffer&& other) noexcept : header_(std::exchange(other.header_, nullptr)) {}
  buffer& operator=(buffer other) noexcept {
    std::swap(header_, other.header_);
    return *this;
  }
  ~buffer() {
    if (header_) drop(header_);
  }

  /// Memory that another object keeps alive; `mapped` where that is a file's mapping, `read_only` where its owner
  /// forbids writing to it.
  static buffer share(std::shared_ptr<const void> owner, const void* data, std::size_t bytes, bool mapped = false,
                      bool read_only = false);

  void* data() const { return header_ ? header_->data : nullptr; }
  std::size_t bytes() const { return header_ ? header_->bytes : 0; }
  /// Whether other libraries are to be told not to write to it. (hft may write to a file's mapping: see mapped_file.)
  bool read_only() const { return header_ && (header_->mapped || header_->read_only); }
  bool unique() const { return header_ && header_->references.load(std::memory_order_acquire) == 1; }
  explicit operator bool() const { return header_ != nullptr; }

  /// Keeps `other`, another form of the same values that a device's kernels read faster, as long as this memory.
  /// Neither is to be written from then on. Not to be called while another thread uses the memory.
  void attach(buffer other) const { header_->companion = std::exchange(other.header_, nullptr); }
  /// What was attached, or null.
  const void* companion() const { return header_ && header_->companion ? header_->companion->data : nullptr; }

  /// Lets the pages of a mapped file go; who reads the bytes again gets them from the file again.
  void let_pages_go() const {
    if (header_ && header_->mapped) let_pages_go(header_->data, header_->bytes);
  }
  /// The same for part of a mapped file.
  static void let_pages_go(const void* data, std::size_t bytes);

 private:
  // Out of line, because tensors end everywhere: a call costs each place less than an atomic decrement and a branch.
  static void drop(header* h) noexcept;

  header* header_ = nullptr;
};

/// Whether a device is defined, and not declared alone, as autodiff<D> is where a program does not
///   #include <hft/train/autodiff.hpp>
/// which fails here by name.
template <class D>
concept IncludesTrainAutodiffHpp = requires {
  sizeof(D);
};

/// What every device policy offers, decorated or not.
template <class D>
concept Device = IncludesTrainAutodiffHpp<D> && requires {
  typename D::base;
  { D::tracked } -> std::convertible_to<bool>;
};

/// A device that does not record. An op for base devices alone, called on one that does (autodiff<D>), fails here by
/// name: it has no backward. Such an op brings an overload that records one, or its arguments go through value().
template <class D>
concept NeedsNoBackward = !D::tracked;

/// A device that owns memory and runs kernels.
template <class D>
concept BaseDevice = Device<D> && NeedsNoBackward<D> && std::same_as<typename D::base, D>;

/// A device that records what is computed on D: see hft/train/autodiff.hpp, which programs that train include.
template <BaseDevice D>
struct autodiff;

namespace detail {

// Freed chunks are kept by size class and handed out again, so a steady decode loop asks the system for nothing. As a
// rule 48 MB are kept at most; while someone holds() on to memory, as a training does, whose every step frees and takes
// some hundred MB, all of it, as long as no more is taken from the system than was in use at once, and a quarter.
class cpu_allocator {
 public:
  static cpu_allocator& instance() {
    static auto* allocator = new cpu_allocator;  // never destroyed: tensors in static objects may outlive it
    return *allocator;
  }

  buffer allocate(std::size_t bytes);

  /// Gives all cached chunks back to the system.
  void trim() {
    std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < slots; ++i) drop(i);
  }

  /// +1: from now on freed memory is kept; -1: that was all that this caller needed it for.
  void hold(int change) {
    std::lock_guard lock(mutex_);
    if (!holders_) most_used_ = used_;
    holders_ += change;
    if (!holders_ && cached_ > limit)
      for (std::size_t i = 0; i < slots; ++i) drop(i);
  }

 private:
  static constexpr std::size_t offset = 64;  // the header's place in front of the data
  static constexpr std::size_t slots = 96;
  static constexpr std::size_t limit = std::size_t(48) << 20;  // bytes kept at most

  struct chunk : buffer::header {
    std::size_t slot = 0;
  };
  static_assert(sizeof(chunk) <= offset);

  // Four classes for each power of two: at most a quarter of a chunk is unused.
  static std::pair<std::size_t, std::size_t> size_class(std::size_t bytes) {
    if (bytes <= 256) return {256, 0};
    const int top = 63 - __builtin_clzll(bytes - 1);
    const std::size_t step = std::size_t(1) << (top - 2);
    const std::size_t size = (bytes + step - 1) / step * step;
    return {size, std::size_t(top - 8) * 4 + (size - 1) / step - 3};
  }

  static void destroy(chunk* h) {
    h->~chunk();
    ::operator delete(h, std::align_val_t(offset));
  }

  // Gives the cached chunks of a class back to the system.
  void drop(std::size_t slot) {
    for (auto* h : free_[slot]) {
      cached_ -= h->bytes;
      destroy(h);
    }
    free_[slot].clear();
  }

  void take_back(chunk* h);

  std::mutex mutex_;
  std::array<std::vector<chunk*>, slots> free_;
  std::size_t cached_ = 0, used_ = 0, most_used_ = 0;  // bytes; used_: in the hands of callers
  int holders_ = 0;
};

}  // namespace detail

/// The host's processors. Activations are f32 beside weights of every dtype (f64 beside f64).
struct cpu {
  using base = cpu;
  static constexpr bool tracked = false;
  static constexpr bool host_memory = true;
  template <class W>
  using activation = std::conditional_t<std::is_same_v<W, f64>, f64, f32>;

  cpu() = default;
  /// What a call of a kernel ends in on a device that has none: no conversion, but an error that says so.
  template <class Other>
  requires(!std::is_base_of_v<cpu, Other>) cpu(const Other&) {  // NOLINT
    static_assert(sizeof(Other) == 0,
                  "hft: this device lacks a kernel that an op calls: declare that name_kernel(device, ...) beside it");
  }

  static buffer allocate(std::size_t bytes) { return detail::cpu_allocator::instance().allocate(bytes); }
  static void copy_from_host(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  static void copy_to_host(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  /// Gives memory that freed tensors left in the cache back to the system.
  static void release_cached_memory() { detail::cpu_allocator::instance().trim(); }

  /// While one lives, memory that tensors leave is kept for the next ones, about as much as was in use at once.
  class memory_hold {
   public:
    memory_hold() { detail::cpu_allocator::instance().hold(1); }
    memory_hold(const memory_hold&) = delete;
    memory_hold& operator=(const memory_hold&) = delete;
    ~memory_hold() { detail::cpu_allocator::instance().hold(-1); }
  };
};

#if HFT_DEFINES(MODELS)

[[gnu::noinline]] HFT_INLINE void buffer::drop(header* h) noexcept {
  if (h->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (header* companion = std::exchange(h->companion, nullptr)) drop(companion);
  h->release(h);
}

HFT_INLINE buffer buffer::share(std::shared_ptr<const void> owner, const void* data, std::size_t bytes, bool mapped,
                                bool read_only) {
  struct shared : header {
    std::shared_ptr<const void> owner;
  };
  auto* h = new shared;
  h->owner = std::move(owner);
  h->data = const_cast<void*>(data);
  h->bytes = bytes;
  h->mapped = mapped;
  h->read_only = read_only;
  h->release = [](header* p) { delete static_cast<shared*>(p); };
  return buffer(h);
}

HFT_INLINE void buffer::let_pages_go(const void* data, std::size_t bytes) {
  const auto page = std::uintptr_t(::sysconf(_SC_PAGESIZE));  // whole pages alone: the others are shared
  const auto begin = (std::uintptr_t(data) + page - 1) / page * page,
             end = (std::uintptr_t(data) + bytes) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

HFT_INLINE buffer detail::cpu_allocator::allocate(std::size_t bytes) {
  if (bytes > SIZE_MAX / 4) throw std::bad_alloc();
  const auto [size, slot] = size_class(bytes);
  if (slot < slots) {
    std::lock_guard lock(mutex_);
    used_ += size;
    most_used_ = std::max(most_used_, used_);
    auto& chunks = free_[slot];
    if (!chunks.empty()) {
      auto* h = chunks.back();
      chunks.pop_back();
      cached_ -= size;
      h->references.store(1, std::memory_order_relaxed);
      return buffer(h);
    }
    if (holders_)
      for (std::size_t i = slots; i-- > 0 && used_ + cached_ > most_used_ + most_used_ / 4 + limit;) drop(i);
  }
  void* memory = ::operator new(offset + size, std::align_val_t(offset));
  auto* h = new (memory) chunk;
  h->data = static_cast<std::byte*>(memory) + offset;
  h->bytes = size;
  h->slot = slot;
  h->release = [](buffer::header* p) { instance().take_back(static_cast<chunk*>(p)); };
  return buffer(h);
}

HFT_INLINE void detail::cpu_allocator::take_back(chunk* h) {
  if (h->slot < slots) {
    std::lock_guard lock(mutex_);
    used_ -= h->bytes;
    if (holders_ || cached_ + h->bytes <= limit) {
      cached_ += h->bytes;
      free_[h->slot].push_back(h);
      return;
    }
  }
  destroy(h);
}

#endif  // HFT_DEFINES

}  // namespace hft
