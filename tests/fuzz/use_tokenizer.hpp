// What the fuzz targets of tokenizers do with one that loads.
#pragma once
#include <string_view>

#include <hft/tokenizers/tokenizer.hpp>

/// Encodes and decodes a few texts; refusing one by an error is as good as doing it.
inline void use_tokenizer(const hft::Tokenizer& tokenizer) {
  for (const std::string_view input :
       {"", "Hello, world 12 \xef\xbd\x81\xc2\xbd\n\n e\xcc\x81 <s>[CLS]", "aaaaaaaaaa"}) {
    try {
      const auto encoding = tokenizer.encode(input);
      (void)tokenizer.decode(encoding.ids, false);
    } catch (const hft::error&) {
    }
  }
}
