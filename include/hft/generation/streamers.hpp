// Streamers: the text of generate, piece by piece. No piece ends within a character, and no token ends the text. With
// probabilities: token_streamer.hpp; from another thread: text_iterator_streamer.hpp.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <hft/generation/base_streamer.hpp>
#include <hft/tokenizers/tokenizer.hpp>

namespace hft {

struct StreamerOptions {
  bool skip_prompt = false;
  bool skip_special_tokens = true;  // Transformers' default is false
};

/// Calls a function with each piece of text as soon as it is complete.
/// (transformers.TextStreamer, whose pieces are words; these are as small as tokens allow)
class TextStreamer : public BaseStreamer {
 public:
  /// Of an AutoTokenizer's, or the pipeline in it. The streamer may be used for one generation after the other.
  template <class PreTrained>
  requires requires(const PreTrained& t) { Tokenizer(t.tokenizer()); }
  TextStreamer(const PreTrained& tokenizer, std::function<void(std::string_view)> on_text,
               const StreamerOptions& options = {})
      : TextStreamer(tokenizer.tokenizer(), std::move(on_text), options) {}
  TextStreamer(Tokenizer tokenizer, std::function<void(std::string_view)> on_text, const StreamerOptions& options = {})
      : stream_(std::move(tokenizer), options.skip_special_tokens, EarlierText::may_change),
        on_text_(std::move(on_text)),
        options_(options) {}

  void put(std::span<const i64> tokens) override {
    if (std::exchange(next_is_prompt_, false) && options_.skip_prompt) return;
    for (const i64 id : tokens)
      if (const auto text = stream_.step(id)) give(*text);
  }
  void end() override {
    next_is_prompt_ = true;
    give(stream_.finish());
  }

 private:
  void give(const std::string& text) {
    if (!text.empty()) on_text_(text);
  }
  DecodeStream stream_;
  std::function<void(std::string_view)> on_text_;
  StreamerOptions options_;
  bool next_is_prompt_ = true;
};

}  // namespace hft
