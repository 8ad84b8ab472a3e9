// The interface of decoders: they turn tokens back into text, each a step in a chain.
#pragma once
#include <string>
#include <vector>

namespace hft::decoders {

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// The parts that follow from `tokens`; the text is all of them joined.
  virtual std::vector<std::string> decode_chain(std::vector<std::string> tokens) const = 0;
};

}  // namespace hft::decoders
