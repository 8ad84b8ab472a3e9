// What the tokenizer tests share: the golden files of tests/oracle/tokenizer.py.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/tokenizers/tokenizer.hpp>

namespace test {

inline const char* const kinds[] = {"gpt2",       "roberta",   "llama3",    "qwen2",         "cl100k", "smollm",
                                    "regex",      "llama2",    "metaspace", "clip",          "prefix", "bert",
                                    "bert_cased", "wordlevel", "truncated", "truncated_left"};

inline std::filesystem::path data() { return std::filesystem::path(HFT_TEST_DATA) / "tokenizers"; }
inline hft::Tokenizer tokenizer(const std::string& kind) {
  return hft::Tokenizer::from_file(data() / (kind + ".json"));
}
inline hft::json golden(const std::string& kind) { return hft::read_json(data() / (kind + ".golden.json")); }

/// An encoding as the golden files write it.
inline hft::json columns(const hft::Encoding& e) {
  hft::json offsets = hft::json::array(), overflowing = hft::json::array();
  for (const auto& o : e.offsets) offsets.push_back({o.start, o.end});
  for (const auto& o : e.overflowing) overflowing.push_back(columns(o));
  const auto optional = [](const std::vector<std::optional<std::int64_t>>& v) {
    hft::json out = hft::json::array();
    for (const auto& x : v) out.push_back(x ? hft::json(*x) : hft::json(nullptr));
    return out;
  };
  return {{"ids", e.ids},
          {"tokens", e.tokens},
          {"offsets", offsets},
          {"type_ids", e.type_ids},
          {"attention_mask", e.attention_mask},
          {"special_tokens_mask", e.special_tokens_mask},
          {"word_ids", optional(e.word_ids)},
          {"sequence_ids", optional(e.sequence_ids)},
          {"overflowing", overflowing}};
}

/// All columns as one text, as the oracle spells them.
inline std::string spelled(const hft::Encoding& e) {
  std::string out;
  const auto number = [](const auto& x) { return x ? std::to_string(*x) : "-"; };
  for (std::size_t i = 0; i < e.size(); ++i) {
    out += std::to_string(e.ids[i]) + "," + e.tokens[i] + "," + std::to_string(e.offsets[i].start) + "," +
           std::to_string(e.offsets[i].end) + "," + std::to_string(e.type_ids[i]) + "," +
           std::to_string(e.attention_mask[i]) + "," + std::to_string(e.special_tokens_mask[i]) + "," +
           number(e.word_ids[i]) + "," + number(e.sequence_ids[i]) + ";";
  }
  for (const auto& o : e.overflowing) out += "[" + spelled(o) + "]";
  return out;
}

/// FNV-1a, as the oracle's digests.
inline std::string fnv(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[h >> shift & 15];
  return out;
}

}  // namespace test
