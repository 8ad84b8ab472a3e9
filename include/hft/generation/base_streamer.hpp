// BaseStreamer: takes in the tokens of generate as they come. Those that make text of them: streamers.hpp.
#pragma once
#include <span>

#include <hft/dtype.hpp>

namespace hft {

/// (transformers.BaseStreamer)
class BaseStreamer {
 public:
  virtual ~BaseStreamer() = default;
  /// First the whole prompt, then each new token, the end-of-sequence token included.
  virtual void put(std::span<const i64> tokens) = 0;
  /// After the last token, however generation ended.
  virtual void end() = 0;
};

}  // namespace hft
