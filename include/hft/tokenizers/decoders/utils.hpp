// Small decoders: Fuse joins, Replace edits each token, BPEDecoder turns a suffix into spaces, Sequence chains.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/decoders/decoder.hpp>
#include <hft/tokenizers/decoders/wordpiece.hpp>
#include <hft/tokenizers/pattern.hpp>

namespace hft::decoders {

struct Fuse final : Decoder {
  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    std::string all;
    for (const auto& t : tokens) all += t;
    return {std::move(all)};
  }
};

struct Replace final : Decoder {
  Pattern pattern;
  std::string content;

  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    for (auto& t : tokens) {
      std::string out;
      for (const auto& m : pattern.find(t)) {
        if (m.is_match) {
          out += content;
        } else {
          out.append(t, m.begin, m.end - m.begin);
        }
      }
      t = std::move(out);
    }
    return tokens;
  }
};

struct BPEDecoder final : Decoder {
  std::string suffix = "</w>";

  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      detail::replace_all(tokens[i], suffix, i + 1 == tokens.size() ? "" : " ");
    return tokens;
  }
};

struct Sequence final : Decoder {
  std::vector<std::unique_ptr<const Decoder>> decoders;

  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    const std::size_t before = bytes(tokens);
    for (const auto& d : decoders) {
      tokens = d->decode_chain(std::move(tokens));
      // Replacements of replacements grow exponentially; no honest decoder comes near this.
      if (const std::size_t now = bytes(tokens); now > (std::size_t{1} << 24) && now / 64 > before)
        throw value_error("decoder", "text", detail::joined("at most 64 times its ", before, " bytes"),
                          detail::joined(now, " bytes"));
    }
    return tokens;
  }

 private:
  static std::size_t bytes(const std::vector<std::string>& tokens) {
    std::size_t n = tokens.size();
    for (const auto& t : tokens) n += t.size();
    return n;
  }
};

}  // namespace hft::decoders
