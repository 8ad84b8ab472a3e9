// What the library has to say beside its results: to a function that the program sets, and to nobody until then.
//
//   hft::set_log_callback([](hft::log_level, const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); });
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <hft/error.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// How much a message matters. What fails is no message: it throws.
enum class log_level {
  info,
  warning  // the work went on, but perhaps not as the user wanted it
};

/// Takes a message, on the thread that has it, perhaps on several at once. It reads as an error does: `[where] what`.
/// What the function throws leaves the call that had something to say: a program that wants no warnings throws.
using log_callback = std::function<void(log_level level, const std::string& text)>;

/// Sets where the messages of the whole program go, an empty function for nowhere, and returns what was set before.
log_callback set_log_callback(log_callback callback);

namespace detail {

/// Makes the message only where somebody listens.
void log_message(log_level level, message where, message what);

/// The callback of the program, and what guards it.
struct log_target {
  std::mutex guard;
  std::shared_ptr<const log_callback> callback;
};
log_target& the_log();

}  // namespace detail

#if HFT_DEFINES(MODELS)

HFT_INLINE detail::log_target& detail::the_log() {
  static log_target target;
  return target;
}

HFT_INLINE log_callback set_log_callback(log_callback callback) {
  auto next = callback ? std::make_shared<const log_callback>(std::move(callback)) : nullptr;
  auto& target = detail::the_log();
  const std::lock_guard lock(target.guard);
  std::swap(next, target.callback);
  return next ? *next : log_callback();
}

HFT_INLINE void detail::log_message(log_level level, message where, message what) {
  std::shared_ptr<const log_callback> callback;
  {
    auto& target = the_log();
    const std::lock_guard lock(target.guard);
    callback = target.callback;
  }
  if (callback) (*callback)(level, error(where, what).what());
}

#endif  // HFT_DEFINES

}  // namespace hft
