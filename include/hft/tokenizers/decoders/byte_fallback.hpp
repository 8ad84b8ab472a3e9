// ByteFallback: tokens such as `<0xE2>` back to bytes; a run that is no UTF-8 becomes one U+FFFD per token.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/utf8.hpp>
#include <hft/tokenizers/decoders/decoder.hpp>

namespace hft::decoders {

struct ByteFallback final : Decoder {
  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (detail::valid_utf8(bytes)) {
        out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), "\xef\xbf\xbd");
      }
      bytes.clear();
    };
    for (auto& t : tokens) {
      if (const int b = byte(t); b >= 0) {
        bytes += char(b);
      } else {
        flush();
        out.push_back(std::move(t));
      }
    }
    flush();
    return out;
  }

 private:
  static int byte(std::string_view t) {
    if (t.size() != 6 || !t.starts_with("<0x") || t[5] != '>') return -1;
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    if (t[3] == '+') return digit(t[4]);  // Rust's number parser takes a sign
    const int high = digit(t[3]), low = digit(t[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }
};

}  // namespace hft::decoders
