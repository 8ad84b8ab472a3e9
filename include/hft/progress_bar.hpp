// ProgressBar: progress as a line on a terminal.
//
//   hft::set_progress_callback(hft::ProgressBar());
#pragma once
#include <cstdio>
#include <memory>
#include <string>

#include <hft/linkage.hpp>
#include <hft/progress.hpp>

namespace hft {

/// A progress_callback that draws `loading smollm2  50% [=====     ] 67M/134M  00:03 < 00:03`: the time so far and what
/// remains. It draws only where its stream is a terminal, a few times a second and nothing of what is done at once, and
/// wipes the line where a task ends. Copies draw the same line.
class ProgressBar {
 public:
  explicit ProgressBar(std::FILE* stream = stderr);
  /// One that draws every event, whatever the stream is.
  static ProgressBar always(std::FILE* stream);

  void operator()(const progress_event& event) const;
  /// Wipes the line, for who has something to say on the same terminal.
  void clear() const;

 private:
  struct line;
  std::shared_ptr<line> line_;
};

namespace detail {

/// `50% [=====     ]`
std::string bar_text(isize done, isize total);
/// 75 -> "01:15", 3725 -> "1:02:05"
std::string clock_text(f64 seconds);
/// 9999 -> "9999", 134515008 -> "134M"
std::string short_count(isize n);
/// Four digits, as Python's '.4g'.
std::string four_digits(f64 x);

}  // namespace detail
}  // namespace hft

#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <cmath>
#include <mutex>

#include <unistd.h>

#include <hft/error.hpp>

namespace hft {

HFT_INLINE_ONCE std::string detail::bar_text(isize done, isize total) {
  constexpr isize width = 30;
  total = std::max<isize>(total, 1), done = std::clamp<isize>(done, 0, total);
  const isize filled = done * width / total;
  return cat(done * 100 / total, "% [", std::string(std::size_t(filled), '='),
             std::string(std::size_t(width - filled), ' '), "]");
}

HFT_INLINE_ONCE std::string detail::clock_text(f64 seconds) {
  const isize s = isize(std::clamp(seconds, 0.0, 1e9));
  const auto two = [](isize n) { return (n < 10 ? "0" : "") + cat(n); };
  return (s >= 3600 ? cat(s / 3600, ":") : std::string()) + two(s / 60 % 60) + ":" + two(s % 60);
}

HFT_INLINE_ONCE std::string detail::short_count(isize n) {
  if (n < 10000) return cat(n);
  const char* unit = "kMGTPE";
  for (n /= 1000; n >= 1000; n /= 1000) ++unit;
  return cat(n, *unit);
}

HFT_INLINE_ONCE std::string detail::four_digits(f64 x) {
  if (std::isnan(x)) return "nan";  // without the sign that 0 / 0 has
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", x);
  return buffer;
}

struct ProgressBar::line {
  std::mutex guard;
  std::FILE* stream;
  bool shown, always = false, drawn = false;
  f64 drawn_at = 0;  // seconds

  void wipe() {
    if (!std::exchange(drawn, false)) return;
    std::fputs("\r\033[K", stream);
    std::fflush(stream);
  }
};

HFT_INLINE_ONCE ProgressBar::ProgressBar(std::FILE* stream) : line_(std::make_shared<line>()) {
  line_->stream = stream;
  line_->shown = ::isatty(::fileno(stream)) == 1;
}

HFT_INLINE_ONCE ProgressBar ProgressBar::always(std::FILE* stream) {
  ProgressBar bar(stream);
  bar.line_->shown = bar.line_->always = true;
  return bar;
}

HFT_INLINE_ONCE void ProgressBar::clear() const {
  const std::lock_guard lock(line_->guard);
  line_->wipe();
}

HFT_INLINE_ONCE void ProgressBar::operator()(const progress_event& event) const {
  if (!line_->shown) return;
  const std::lock_guard lock(line_->guard);
  if (event.finished && !line_->always) return line_->wipe();
  const f64 now = detail::steady_seconds();
  // Most tasks are over before a line could be read.
  if (!line_->always && (event.elapsed < 0.3 || now - line_->drawn_at < 0.1)) return;
  line_->drawn_at = now, line_->drawn = true;
  std::string name(event.where.substr(event.where.find_last_of('/') + 1).substr(0, 40));
  for (char& c : name)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = '?';  // terminals obey such
  std::string text = detail::cat("\r\033[K", event.what, name.empty() ? "" : " ", name, "  ",
                                 detail::bar_text(event.done, event.total), " ", detail::short_count(event.done), "/",
                                 detail::short_count(event.total), "  ", detail::clock_text(event.elapsed));
  if (event.remaining) text += " < " + detail::clock_text(*event.remaining);
  if (event.loss) text += "  loss " + detail::four_digits(*event.loss);
  std::fputs(text.c_str(), line_->stream);
  std::fflush(line_->stream);
  if (event.finished) line_->wipe();
}

}  // namespace hft

#endif  // HFT_DEFINES
