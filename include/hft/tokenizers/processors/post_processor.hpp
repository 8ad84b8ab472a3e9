// The interface of post-processors: they add special tokens around one sequence or a pair, and adjust offsets.
#pragma once
#include <cstddef>
#include <vector>

#include <hft/tokenizers/encoding.hpp>

namespace hft::processors {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  /// How many tokens are added to a single sequence or to a pair.
  virtual std::size_t added_tokens(bool pair) const = 0;
  /// One or two encodings in, any number out; they are merged in order afterwards.
  virtual std::vector<Encoding> process(std::vector<Encoding> encodings, bool add_special_tokens) const = 0;
};

}  // namespace hft::processors
