// CTC (connectionist temporal classification): repetitions are one token, padding parts equal ones.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <hft/tokenizers/decoders/decoder.hpp>
#include <hft/tokenizers/decoders/wordpiece.hpp>

namespace hft::decoders {

struct CTC final : Decoder {
  std::string pad_token = "<pad>";
  std::string word_delimiter_token = "|";  // becomes a space where `cleanup` is set
  bool cleanup = true;

  std::vector<std::string> decode_chain(std::vector<std::string> tokens) const override {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && tokens[i] == tokens[i - 1]) continue;
      std::string t = tokens[i];
      detail::replace_all(t, pad_token, "");
      if (cleanup) {
        detail::clean_up_tokenization(t);
        detail::replace_all(t, word_delimiter_token, " ");
      }
      if (!t.empty()) out.push_back(std::move(t));
    }
    return out;
  }
};

}  // namespace hft::decoders
