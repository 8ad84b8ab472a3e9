// The progress of the library while it lives, for tests.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hft/progress.hpp"

namespace test {

/// An event, its texts kept.
struct seen_progress {
  std::string what, where, unit;
  hft::isize done, total;
  std::optional<double> remaining, loss;
  bool finished;
};

class progress_of {
 public:
  /// `then` sees each event, too, and may throw.
  explicit progress_of(hft::progress_callback then = {}) {
    before_ = hft::set_progress_callback([this, then = std::move(then)](const hft::progress_event& e) {
      events.push_back({std::string(e.what), std::string(e.where), std::string(e.unit), e.done, e.total, e.remaining,
                        e.loss, e.finished});
      if (then) then(e);
    });
  }
  progress_of(const progress_of&) = delete;
  progress_of& operator=(const progress_of&) = delete;
  ~progress_of() { hft::set_progress_callback(std::move(before_)); }

  std::vector<seen_progress> events;

  std::vector<seen_progress> of(const std::string& what) const {
    std::vector<seen_progress> out;
    for (const auto& e : events)
      if (e.what == what) out.push_back(e);
    return out;
  }

 private:
  hft::progress_callback before_;
};

/// Whether they are the events of one task from `first` to its total: forward, of one total, the last one alone
/// finished.
inline bool whole(const std::vector<seen_progress>& task, hft::isize first = 0) {
  if (task.empty() || task[0].done != first || task.back().done != task[0].total) return false;
  for (std::size_t i = 0; i < task.size(); ++i) {
    if (task[i].total != task[0].total || task[i].finished != (i + 1 == task.size())) return false;
    if (i && task[i].done <= task[i - 1].done) return false;
  }
  return true;
}

}  // namespace test
