// Metaspace: the visible character back to spaces; the one that was prepended vanishes.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <hft/tokenizers/decoders/decoder.hpp>
#include <hft/tokenizers/decoders/wordpiece.hpp>
#include <hft/tokenizers/pre_tokenizers/metaspace.hpp>

namespace hft::decoders {

struct Metaspace final : Decoder {
  std::string replacement = "\xe2\x96\x81";
  PrependScheme prepend_scheme = PrependScheme::Always;
  bool split = true;  // a pre-tokenizer's setting, which files repeat here

  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      detail::replace_all(tokens[i], replacement, i == 0 && prepend_scheme != PrependScheme::Never ? "" : " ");
    return tokens;
  }
};

}  // namespace hft::decoders
