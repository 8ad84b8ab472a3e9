// What each token of a tokenizer writes, in bytes, as its decoder has it.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <hft/grammar/compiled_grammar.hpp>
#include <hft/linkage.hpp>
#include <hft/tokenizers/tokenizer.hpp>
#if HFT_DEFINES(TEXT)
#include <hft/tokenizers/decoders/byte_level.hpp>
#include <hft/tokenizers/decoders/wordpiece.hpp>
#endif

namespace hft {

/// By their ids what tokens add to a text: the bytes of byte-level tokens and of `<0xE2>`, spaces for SentencePiece's
/// U+2581, the space before a word of WordPiece. Special tokens write nothing. What stands first is written without
/// WordPiece's space; of SentencePiece's tokens it counts as if it did not, as behind a prompt.
TokenTexts token_texts(const Tokenizer& tokenizer);

#if HFT_DEFINES(TEXT)

HFT_INLINE TokenTexts token_texts(const Tokenizer& tokenizer) {
  const auto* decoder = tokenizer.decoder().get();
  const bool byte_level = dynamic_cast<const decoders::ByteLevel*>(decoder) != nullptr;
  const bool words = !decoder || dynamic_cast<const decoders::WordPiece*>(decoder) != nullptr;
  const auto joined = [&](std::vector<std::string> tokens) {
    std::string out;
    if (!decoder) {
      for (std::size_t i = 0; i < tokens.size(); ++i) out += (i ? " " : "") + tokens[i];
      return out;
    }
    for (const auto& part : decoder->decode_chain(std::move(tokens))) out += part;
    return out;
  };
  const auto hex = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  // A byte alone is none of UTF-8, so a decoder of bytes gives U+FFFD for it.
  const bool byte_tokens = !byte_level && joined({"a", "<0xE2>"}) == "a\xef\xbf\xbd";
  const std::string before = joined({"a"});
  TokenTexts out;
  const std::size_t n = tokenizer.id_limit();
  out.texts.resize(n);
  if (words) out.first.resize(n);
  for (std::size_t id = 0; id < n; ++id) {
    if (tokenizer.is_special(std::int64_t(id))) continue;
    const auto token = tokenizer.id_to_token(std::int64_t(id));
    if (!token) continue;
    std::string& text = out.texts[id];
    if (byte_level) {
      detail::append_token_bytes(text, *token);
    } else if (byte_tokens && token->size() == 6 && token->starts_with("<0x") && hex((*token)[3]) >= 0 &&
               hex((*token)[4]) >= 0) {
      text = char(hex((*token)[3]) * 16 + hex((*token)[4]));
    } else {
      text = joined({"a", *token});
      text = text.starts_with(before) ? text.substr(before.size()) : std::string();
    }
    if (words) out.first[id] = joined({*token});
  }
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft
