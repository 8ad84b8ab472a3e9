// How far work that takes its time has come: to a function that the program sets, and to nobody until then.
//
//   hft::set_progress_callback([](const hft::progress_event& e) { bar.set(e.what, double(e.done) / double(e.total));
//   }); hft::set_progress_callback(hft::ProgressBar());  // progress_bar.hpp: a line on a terminal
//
// What tells: loading a checkpoint, and quantising on the way ("loading", parameters; "preparing", parameters that are
// laid out for the device's products), writing one ("quantizing", parameters; "saving", bytes), rows of datasets that
// are read as a whole ("tokenizing", "reading", "filtering", "packing", rows), Trainer ("training", steps;
// "evaluating", batches).
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <hft/dtype.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// Where a task stands. The first event of each has nothing done, or what an earlier run did; the last one is
/// `finished`, unless an error cut the task short.
struct progress_event {
  std::string_view what;              // "loading", "training", ...; texts live as long as the call
  std::string_view where;             // the file, folder or name that it is about, or empty
  isize done = 0, total = 0;          // of units
  std::string_view unit;              // "parameters", "bytes", "rows", "steps", "batches"
  f64 elapsed = 0;                    // seconds since it began, this time
  std::optional<f64> remaining = {};  // seconds, at the pace so far; nothing before something is done, 0 at the end
  std::optional<f64> loss = {};       // of the last step, where the task is training
  bool finished = false;              // done == total, or it ended sooner, as training may
};

/// Takes an event, on the thread that works; of several tasks perhaps on several threads at once, those of one task in
/// their order. There may be thousands in a second: whoever draws them chooses which. What the function throws leaves
/// the call that works, and so ends it: a file is then not written, a model that was to be made is not, one whose
/// load_weights was called has some of the new weights.
using progress_callback = std::function<void(const progress_event& event)>;

/// Sets where the progress of the whole program goes, an empty function for nowhere, and returns what was set before.
progress_callback set_progress_callback(progress_callback callback);

namespace detail {

/// Whether a callback is set; what there is to pay where none is.
inline std::atomic<bool> progress_is_heard = false;

/// A task that tells how far it has come; nothing where nobody listened when it began.
class progress {
 public:
  /// `first`: what is done already. `what` and `unit` outlive the task.
  progress(const char* what, std::string_view where, isize total, const char* unit, isize first = 0)
      : heard_(progress_is_heard.load(std::memory_order_relaxed)) {
    if (heard_) begin(what, where, total, unit, first);
  }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// So many more are done.
  void advance(isize n = 1, std::optional<f64> loss = {}) {
    if (heard_) tell(n, loss, false);
  }
  /// All is done.
  void finish() {
    if (heard_ && !event_.finished) tell(event_.total - event_.done, event_.loss, true);
  }
  /// It ends here, though not all is done.
  void end() {
    if (heard_ && !event_.finished) tell(0, event_.loss, true);
  }

 private:
  void begin(const char* what, std::string_view where, isize total, const char* unit, isize first);
  void tell(isize n, std::optional<f64> loss, bool last);

  const bool heard_;
  std::string where_;
  progress_event event_;
  isize first_ = 0;
  f64 begun_ = 0;  // seconds
};

/// The callback of the program, and what guards it.
struct progress_target {
  std::mutex guard;
  std::shared_ptr<const progress_callback> callback;
};
progress_target& the_progress();

/// Seconds on a clock that only goes forward.
f64 steady_seconds();

}  // namespace detail
}  // namespace hft

#if HFT_DEFINES(MODELS)
#include <time.h>  // clock_gettime: <chrono> would cost more than all else here

namespace hft {

HFT_INLINE_ONCE detail::progress_target& detail::the_progress() {
  static progress_target target;
  return target;
}

HFT_INLINE_ONCE progress_callback set_progress_callback(progress_callback callback) {
  auto next = callback ? std::make_shared<const progress_callback>(std::move(callback)) : nullptr;
  auto& target = detail::the_progress();
  const std::lock_guard lock(target.guard);
  std::swap(next, target.callback);
  detail::progress_is_heard = target.callback != nullptr;
  return next ? *next : progress_callback();
}

HFT_INLINE_ONCE f64 detail::steady_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return f64(now.tv_sec) + f64(now.tv_nsec) * 1e-9;
}

HFT_INLINE_ONCE void detail::progress::begin(const char* what, std::string_view where, isize total, const char* unit,
                                             isize first) {
  where_ = where;
  event_.what = what, event_.where = where_, event_.total = total, event_.unit = unit;
  event_.done = first_ = first;
  begun_ = steady_seconds();
  tell(0, {}, false);
}

HFT_INLINE_ONCE void detail::progress::tell(isize n, std::optional<f64> loss, bool last) {
  event_.done += n;
  event_.loss = loss;
  event_.finished = last || event_.done >= event_.total;
  event_.elapsed = steady_seconds() - begun_;
  const isize here = event_.done - first_;
  if (here > 0) event_.remaining = event_.elapsed / f64(here) * f64(event_.total - event_.done);
  if (event_.finished) event_.remaining = 0;
  std::shared_ptr<const progress_callback> callback;
  {
    auto& target = the_progress();
    const std::lock_guard lock(target.guard);
    callback = target.callback;
  }
  if (callback) (*callback)(event_);
}

}  // namespace hft

#endif  // HFT_DEFINES
