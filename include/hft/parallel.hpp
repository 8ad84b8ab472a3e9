// Threads: one pool per process, static contiguous ranges, a spinning barrier that falls asleep.
//
// A decode step enters a few hundred parallel regions of some microseconds each, so entering one must cost a fraction
// of a microsecond: workers spin a short while for the next region before they sleep on a futex. (An OpenMP region
// costs 0.8 us where this costs 0.2 us, and needs a compiler flag in every program that includes hft.)
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/linkage.hpp>

namespace hft {

namespace detail {

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();  // <immintrin.h>, which has it under another name, is 40000 lines
#endif
}

class thread_pool {
 public:
  /// The pool of the process; its size is OMP_NUM_THREADS where that is set, else the number of processors.
  static thread_pool& instance() {
    static thread_pool pool;
    return pool;
  }

  int size() const { return size_.load(std::memory_order_relaxed); }

  /// Waits for a running region to end. n < 1 counts as 1. Throws value_error where the system does not start so many;
  /// the calling thread is then alone.
  void resize(int n) {
    std::lock_guard lock(region_);
    stop_workers();
    start_workers(std::max(n, 1));
  }

  /// Runs task(0) ... task(size() - 1), each once, and returns when all have ended; rethrows the first exception.
  /// A region inside a region, or beside another thread's region, runs on the calling thread alone.
  template <class Task>
  void run(Task&& task) {
    using task_t = std::remove_reference_t<Task>;
    run([](void* context, int i) { (*static_cast<task_t*>(context))(i); },
        const_cast<void*>(static_cast<const void*>(std::addressof(task))));
  }
  void run(void (*call)(void*, int), void* context);

 private:
  static constexpr int most_threads = 4096;
  static constexpr int spins = 4000;  // some 50 us of pause instructions

  thread_pool() { start_workers(default_size()); }
  ~thread_pool() { stop_workers(); }

  static int default_size() {
    if (const char* text = std::getenv("OMP_NUM_THREADS"))
      if (const int n = std::atoi(text); n > 0) return n;
    return std::max(1, int(std::thread::hardware_concurrency()));
  }

  static bool& inside_region() {
    static thread_local bool inside = false;
    return inside;
  }

  void work(int index);
  void start_workers(int n);
  void stop_workers();
  void loop(int index, unsigned& seen);

  std::mutex region_;  // held while a region runs
  std::vector<std::thread> workers_;
  std::atomic<int> size_{1};
  void (*call_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  std::atomic<bool> stopping_ = false;
  alignas(64) std::atomic<unsigned> epoch_ = 0;  // counts regions; workers wait for it to move
  alignas(64) std::atomic<int> pending_ = 0;     // workers still inside the region
  alignas(64) std::atomic<int> sleeping_ = 0;
};

// parallel_for's work, whose type is erased: call(task, begin, end).
void parallel_ranges(isize n, isize grain, void (*call)(void*, isize, isize), void* task);

}  // namespace detail

/// The number of threads that ops use, the calling one included.
inline int num_threads() { return detail::thread_pool::instance().size(); }

/// Sets the number of threads that ops use. Not to be called from inside an op. Throws value_error, with one thread
/// left, for more than the system starts.
inline void set_num_threads(int n) { detail::thread_pool::instance().resize(n); }

/// Splits [0, n) into one contiguous range per thread, each a multiple of `grain` long but the last, and calls
/// f(begin, end) for each that is not empty. Work of a single grain stays on the calling thread. The split depends on
/// n, grain and num_threads() alone; ops whose result must not depend on the thread count do not accumulate across
/// ranges.
template <class F>
void parallel_for(isize n, isize grain, F&& f) {
  using range_task = std::remove_reference_t<F>;
  detail::parallel_ranges(
      n, grain, [](void* task, isize begin, isize end) { (*static_cast<range_task*>(task))(begin, end); },
      const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

#if HFT_DEFINES(MODELS)

HFT_INLINE void detail::thread_pool::run(void (*call)(void*, int), void* context) {
  std::unique_lock lock(region_, std::defer_lock);
  if (inside_region() || size() == 1 || !lock.try_lock()) {
    for (int i = 0, n = size(); i < n; ++i) call(context, i);
    return;
  }
  context_ = context;
  call_ = call;
  const int workers = size() - 1;
  pending_.store(workers, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  if (sleeping_.load(std::memory_order_seq_cst)) epoch_.notify_all();
  work(0);
  for (int spin = 0; pending_.load(std::memory_order_acquire); ++spin) {
    if (spin < spins)
      cpu_relax();
    else  // a worker lost its processor
      std::this_thread::yield();
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

HFT_INLINE void detail::thread_pool::work(int index) {
  inside_region() = true;
  try {
    call_(context_, index);
  } catch (...) {
    std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
  inside_region() = false;
}

HFT_INLINE void detail::thread_pool::start_workers(int n) {
  stopping_ = false;
  size_.store(1, std::memory_order_relaxed);
  if (n > most_threads) throw value_error("threads", "their number", joined("at most ", most_threads), joined(n));
  try {
    for (int i = 1; i < n; ++i) workers_.emplace_back([this, i, seen = epoch_.load()]() mutable { loop(i, seen); });
  } catch (const std::exception&) {
    const std::size_t started = workers_.size() + 1;
    stop_workers();
    throw value_error("threads", "their number", joined("at most the ", started, " that the system starts"), joined(n));
  }
  size_.store(n, std::memory_order_relaxed);
}

HFT_INLINE void detail::thread_pool::stop_workers() {
  stopping_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (auto& w : workers_) w.join();
  workers_.clear();
}

HFT_INLINE void detail::thread_pool::loop(int index, unsigned& seen) {
  for (;;) {
    for (int spin = 0; spin < spins && epoch_.load(std::memory_order_acquire) == seen; ++spin) cpu_relax();
    if (epoch_.load(std::memory_order_acquire) == seen) {
      sleeping_.fetch_add(1, std::memory_order_seq_cst);
      epoch_.wait(seen, std::memory_order_seq_cst);
      sleeping_.fetch_sub(1, std::memory_order_relaxed);
      continue;
    }
    ++seen;
    if (stopping_) return;
    work(index);
    pending_.fetch_sub(1, std::memory_order_release);
  }
}

HFT_INLINE void detail::parallel_ranges(isize n, isize grain, void (*call)(void*, isize, isize), void* task) {
  const isize grains = (n + grain - 1) / grain;
  if (grains <= 0) return;
  auto& pool = thread_pool::instance();
  const isize parts = std::min<isize>(pool.size(), grains);
  if (parts == 1) return call(task, 0, n);
  pool.run([&](int i) {
    if (i >= parts) return;
    const isize begin = grains * i / parts * grain, end = std::min(n, grains * (i + 1) / parts * grain);
    if (begin < end) call(task, begin, end);
  });
}

#endif  // HFT_DEFINES

}  // namespace hft
