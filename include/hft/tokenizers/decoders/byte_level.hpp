// ByteLevel: characters back to the bytes they spell. Bytes that are no UTF-8 become U+FFFD.
#pragma once
#include <string>
#include <vector>

#include <hft/tokenizers/byte_alphabet.hpp>
#include <hft/tokenizers/decoders/decoder.hpp>

namespace hft {
namespace detail {

/// What a token contributes to the bytes of a text: what it spells, or itself where it spells nothing.
inline void append_token_bytes(std::string& out, std::string_view token) {
  if (!append_bytes_of(out, token)) out += token;
}

/// Text from bytes, every broken part one U+FFFD.
inline std::string lossy_text(std::string_view bytes) {
  std::string out;
  if (unicode::append_lossy(out, bytes) != 0) out += "\xef\xbf\xbd";
  return out;
}

}  // namespace detail

namespace decoders {

struct ByteLevel final : Decoder {
  bool add_prefix_space = true, trim_offsets = true, use_regex = true;  // of other stages; files repeat them here

  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    std::string bytes;
    for (const auto& t : tokens) detail::append_token_bytes(bytes, t);
    return {detail::lossy_text(bytes)};
  }
};

}  // namespace decoders
}  // namespace hft
