// ByteLevel: takes the white space that byte-level tokens carry out of their offsets.
#pragma once
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/tokenizers/byte_alphabet.hpp>
#include <hft/tokenizers/processors/post_processor.hpp>

namespace hft {
namespace detail {

/// Moves offsets past the spaces at both ends of each token.
inline void trim_offsets(Encoding& e, bool add_prefix_space) {
  const auto is_space = [](char32_t c) { return c == byte_alphabet.to_char[' '] || unicode::is(c, unicode::space); };
  for (std::size_t i = 0; i < e.size(); ++i) {
    const std::string_view token = e.tokens[i];
    std::int64_t leading = 0, trailing = 0;
    unsigned n;
    for (std::size_t k = 0; k < token.size() && is_space(unicode::decode(token.data() + k, n)); k += n) ++leading;
    for (std::size_t k = token.size(); k > 0 && is_space(unicode::decode_before(token.data() + k, n)); k -= n)
      ++trailing;
    auto& o = e.offsets[i];
    if (leading > 0) {
      // The single space of the first token is the one that add_prefix_space put there: it has no place to leave.
      if ((i == 0 || o.start == 0) && add_prefix_space && leading == 1) leading = 0;
      o.start = std::min(o.start + leading, o.end);
    }
    if (trailing > 0 && o.end >= trailing) o.end = std::max(o.end - trailing, o.start);
  }
  for (auto& part : e.overflowing) trim_offsets(part, add_prefix_space);
}

}  // namespace detail

namespace processors {

struct ByteLevel final : PostProcessor {
  bool add_prefix_space = true, trim_offsets = true;
  bool use_regex = true;  // a pre-tokenizer's setting, which files repeat here

  std::size_t added_tokens(bool) const override { return 0; }
  std::vector<Encoding> process(std::vector<Encoding> encodings, bool) const override {
    for (std::size_t i = 0; i < encodings.size(); ++i) {
      if (trim_offsets) detail::trim_offsets(encodings[i], add_prefix_space);
      encodings[i].set_sequence_id(i);
    }
    return encodings;
  }
};

}  // namespace processors
}  // namespace hft
