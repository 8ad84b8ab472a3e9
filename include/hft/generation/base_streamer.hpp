// BaseStreamer: takes in the tokens of generate as they come. Those that make text of them: streamers.hpp.
#pragma once
#include <exception>
#include <span>

#include <hft/dtype.hpp>

namespace hft {

/// (transformers.BaseStreamer)
class BaseStreamer {
 public:
  virtual ~BaseStreamer() = default;
  /// First the whole prompt, then each new token, the end-of-sequence token included.
  virtual void put(std::span<const i64> tokens) = 0;
  /// Each new token with the scores (V) that it was chosen from, after all processors.
  virtual void put_scored(i64 token, std::span<const f32> /*scores*/) { put({&token, 1}); }
  /// After the last token, however generation ended, but for an error.
  virtual void end() = 0;
  /// An error ends generation. Whoever called generate gets it as well.
  virtual void fail(std::exception_ptr /*error*/) {}
};

}  // namespace hft
