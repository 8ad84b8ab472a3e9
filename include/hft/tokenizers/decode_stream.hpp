// DecodeStream: text from ids that arrive one by one (tokenizers' DecodeStream).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/pipeline.hpp>

namespace hft {

class Tokenizer;

/// What a stream does where an id changes text that was given out: a byte token may have been a character of its own,
/// and the next one makes both of them U+FFFD.
enum class EarlierText {
  must_stay,   // that is a value_error, as in tokenizers' DecodeStream
  may_change,  // the stream goes on behind as many characters as were given out, as Transformers' TextStreamer does
};

/// A piece of text is given out once it is complete: none ends within a character, and all of them joined are the
/// decoded text. Work and memory for an id do not grow with the number of ids before it.
class DecodeStream {
 public:
  /// The stream keeps the tokenizer's pipeline alive.
  explicit DecodeStream(const Tokenizer& tokenizer, bool skip_special_tokens = true,
                        EarlierText earlier_text = EarlierText::must_stay);
  /// A stream that goes on after `ids`, the prompt: their text is not given out again.
  DecodeStream(const Tokenizer& tokenizer, std::span<const std::int64_t> ids, bool skip_special_tokens = true);

  /// The text that `id` completes; none where it completes nothing yet. Throws value_error where earlier text changes
  /// and must not.
  std::optional<std::string> step(std::int64_t id) { return step(std::span<const std::int64_t>(&id, 1)); }
  /// The same for several ids at once.
  std::optional<std::string> step(std::span<const std::int64_t> ids) {
    return pipeline_->byte_level_decoder ? step_bytes(ids) : step_tokens(ids);
  }

  /// What is left at the end: incomplete characters as U+FFFD. The stream is as new.
  std::string finish() {
    std::string out;
    if (pipeline_->byte_level_decoder) {
      out = std::exchange(ready_, {}) + detail::lossy_text(std::exchange(tail_, {}));
    } else {
      out = behind_prefix(decode());
    }
    ids_.clear();
    prefix_.clear();
    prefix_ids_ = 0;
    return out;
  }
  std::string flush() { return finish(); }

 private:
  static bool incomplete(std::string_view text) { return text.ends_with("\xef\xbf\xbd"); }
  std::string decode() const {
    return pipeline_->decode<std::int64_t>(std::span<const std::int64_t>(ids_), skip_special_tokens_);
  }

  // What of `text` was not given out yet: what follows the last piece or, where that has changed, as many characters.
  std::string behind_prefix(const std::string& text) const {
    if (text.starts_with(prefix_)) return text.substr(prefix_.size());
    std::size_t at = 0;
    for (std::size_t n = detail::unicode::count(prefix_); n != 0 && at < text.size(); --n) do
        ++at;
      while (at < text.size() && detail::unicode::is_continuation(text[at]));
    return text.substr(at);
  }

  // The decoder sees the ids of the last piece and those since: its first token is often treated in another way.
  std::optional<std::string> step_tokens(std::span<const std::int64_t> ids) {
    if (prefix_.empty() && !ids_.empty()) {
      auto text = decode();
      if (!incomplete(text)) prefix_ = std::move(text), prefix_ids_ = ids_.size();
    }
    // Ids without text need not be kept: any number of them may come before the next one that has some.
    const std::size_t before = ids_.size();
    for (const auto id : ids)
      if (!pipeline_->leaves_out(id, skip_special_tokens_)) ids_.push_back(id);
    if (ids_.size() == before && before != 0) return {};
    auto text = decode();  // of no tokens there may be some, too
    if (text.size() <= prefix_.size() || incomplete(text)) return {};
    if (earlier_text_ == EarlierText::must_stay && !text.starts_with(prefix_))
      throw value_error("DecodeStream", detail::joined("token ", ids_.back()), "text that goes on",
                        "a change of earlier text");
    auto out = behind_prefix(text);
    if (out.empty()) return {};
    ids_.erase(ids_.begin(), ids_.begin() + std::ptrdiff_t(prefix_ids_));
    prefix_ids_ = ids_.size();
    prefix_ = decode();
    return out;
  }

  // Byte-level text is the concatenation of its tokens' bytes, so only what is not yet given out needs to be kept:
  // `ready_` decoded, `tail_` the bytes of a character that is not complete.
  std::optional<std::string> step_bytes(std::span<const std::int64_t> ids) {
    for (const auto id : ids) pipeline_->append_bytes(tail_, id, skip_special_tokens_);
    const std::size_t open = detail::unicode::append_lossy(ready_, tail_);
    tail_.erase(0, tail_.size() - open);
    if (open != 0 || ready_.empty() || incomplete(ready_)) return {};
    return std::exchange(ready_, {});
  }

  std::shared_ptr<const detail::tokenizer_pipeline> pipeline_;
  bool skip_special_tokens_;
  EarlierText earlier_text_;
  std::vector<std::int64_t> ids_;
  std::string prefix_, ready_, tail_;
  std::size_t prefix_ids_ = 0;
};

}  // namespace hft
