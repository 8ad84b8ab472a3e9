// TextIteratorStreamer: the text of generate, pulled piece by piece from another thread.
//
//   TextIteratorStreamer streamer(tokenizer, {.skip_prompt = true});
//   streamer.start([&] {
//     generate(model, ids, {.max_new_tokens = 100}, {.streamer = &streamer, .stop = streamer.stop_token()});
//   });
//   for (const std::string& text : streamer.pieces()) std::cout << text;
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <hft/error.hpp>
#include <hft/generation/streamers.hpp>

namespace hft {

/// The text of one generation for another thread than that of generate. What generate throws arrives there.
/// (transformers.TextIteratorStreamer)
class TextIteratorStreamer final : public BaseStreamer {
 public:
  struct Options {
    bool skip_prompt = false;
    bool skip_special_tokens = true;
    std::optional<f64> timeout{};  // seconds to wait for a piece
  };

  /// Of an AutoTokenizer's, or the pipeline in it.
  template <class Tokenizer>
  explicit TextIteratorStreamer(const Tokenizer& tokenizer, const Options& options)
      : text_(tokenizer, [this](std::string_view piece) { push(piece); },
              {.skip_prompt = options.skip_prompt, .skip_special_tokens = options.skip_special_tokens}),
        timeout_(options.timeout) {}
  template <class Tokenizer>
  explicit TextIteratorStreamer(const Tokenizer& tokenizer) : TextIteratorStreamer(tokenizer, Options()) {}
  /// Cancels what start() began, and waits for it.
  ~TextIteratorStreamer() override { cancel(); }
  TextIteratorStreamer(const TextIteratorStreamer&) = delete;
  TextIteratorStreamer& operator=(const TextIteratorStreamer&) = delete;

  // ---- who generates

  void put(std::span<const i64> tokens) override { text_.put(tokens); }
  void end() override {
    text_.end();
    close({});
  }
  void fail(std::exception_ptr error) override { close(std::move(error)); }

  /// Calls a function, which calls generate with this streamer, in a thread of its own. Throws value_error where it has
  /// one already.
  template <class F>
  void start(F function) {
    if (thread_.joinable()) throw value_error("TextIteratorStreamer", "start", "one generation", "another");
    thread_ = std::jthread([this, function = std::move(function)]() mutable {
      try {
        function();
        close({});
      } catch (...) {
        close(std::current_exception());
      }
    });
  }
  /// What generate is to look at before each token: GenerateOptions::stop.
  std::stop_token stop_token() const { return stop_.get_token(); }

  // ---- who reads

  /// Waits for a piece of text; none after the last. Throws what generate threw, and timeout_error where the wait is
  /// longer than it may be.
  std::optional<std::string> next() {
    std::unique_lock lock(mutex_);
    const auto comes = [&] { return !ready_.empty() || closed_; };
    if (!timeout_)
      changed_.wait(lock, comes);
    else if (!changed_.wait_for(lock, std::chrono::duration<f64>(*timeout_), comes))
      throw timeout_error("TextIteratorStreamer", "text", detail::joined("a piece within ", *timeout_, " s"), "none");
    if (!ready_.empty()) {
      std::string piece = std::move(ready_.front());
      ready_.pop_front();
      return piece;
    }
    if (error_) std::rethrow_exception(error_);
    return {};
  }

  /// Ends generation before its next token; the text until then is still there to be read.
  void cancel() { stop_.request_stop(); }

  class iterator {
   public:
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    explicit iterator(TextIteratorStreamer& streamer) : streamer_(&streamer), piece_(streamer.next()) {}
    const std::string& operator*() const { return *piece_; }
    iterator& operator++() {
      piece_ = streamer_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return !i.piece_; }

   private:
    TextIteratorStreamer* streamer_;
    std::optional<std::string> piece_;
  };
  struct range {
    TextIteratorStreamer& streamer;
    iterator begin() const { return iterator(streamer); }
    std::default_sentinel_t end() const { return {}; }
  };
  /// All that is still to come, for a loop: each step waits for a piece, and throws as next() does.
  range pieces() { return {*this}; }

 private:
  void push(std::string_view piece) {
    const std::lock_guard lock(mutex_);
    ready_.emplace_back(piece);
    changed_.notify_one();
  }
  // Of several ends the first counts.
  void close(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
    error_ = std::move(error);
    changed_.notify_all();
  }

  TextStreamer text_;
  std::optional<f64> timeout_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> ready_;
  bool closed_ = false;
  std::exception_ptr error_;
  std::jthread thread_;  // ends before what it writes to
};

}  // namespace hft
