// Strip: cuts up to `start` and `stop` of a character off the ends of each token.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <hft/tokenizers/decoders/decoder.hpp>

namespace hft::decoders {

struct Strip final : Decoder {
  std::string content;  // one character
  std::size_t start = 0, stop = 0;

  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    if (content.empty()) return tokens;
    for (auto& t : tokens) {
      std::size_t begin = 0, end = t.size();
      for (std::size_t n = 0; n < start && t.compare(begin, content.size(), content) == 0; ++n) begin += content.size();
      for (std::size_t n = 0;
           n < stop && end >= begin + content.size() && t.compare(end - content.size(), content.size(), content) == 0;
           ++n)
        end -= content.size();
      t = t.substr(begin, end - begin);
    }
    return tokens;
  }
};

}  // namespace hft::decoders
