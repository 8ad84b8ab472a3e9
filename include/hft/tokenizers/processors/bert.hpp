// BertProcessing: [CLS] A [SEP] and [CLS] A [SEP] B [SEP]. RobertaProcessing: <s> A </s> and <s> A </s></s> B </s>.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <hft/tokenizers/processors/byte_level.hpp>
#include <hft/tokenizers/processors/post_processor.hpp>

namespace hft {
namespace detail {

struct special_token {
  std::string token;
  std::int64_t id = 0;
};

/// `e`, and each overflowing part of it, between special tokens; they belong to no sequence. What was known of masks
/// and overflowing parts of parts is replaced.
inline Encoding surround(const Encoding& e, const special_token* before, const special_token& after,
                         std::size_t sequence, std::int64_t type_id) {
  Encoding out;
  const auto add = [&](const special_token& t) { out.push_back(t.id, t.token, {}, {}, type_id, true); };
  if (before) add(*before);
  for (std::size_t i = 0; i < e.size(); ++i)
    out.push_back(e.ids[i], e.tokens[i], e.offsets[i], e.word_ids[i], e.type_ids[i]);
  add(after);
  out.set_sequence_range(sequence, before ? 1 : 0, out.size() - 1);
  for (const auto& o : e.overflowing) out.overflowing.push_back(surround(o, before, after, sequence, type_id));
  return out;
}

}  // namespace detail

namespace processors {

struct BertProcessing final : PostProcessor {
  detail::special_token sep, cls;

  std::size_t added_tokens(bool pair) const override { return pair ? 3 : 2; }
  std::vector<Encoding> process(std::vector<Encoding> encodings, bool add_special_tokens) const override {
    if (!add_special_tokens) return encodings;
    for (std::size_t i = 0; i < encodings.size(); ++i)
      encodings[i] = detail::surround(encodings[i], i == 0 ? &cls : nullptr, sep, i ? 1 : 0, i ? 1 : 0);
    return encodings;
  }
};

/// All type ids are 0.
struct RobertaProcessing final : PostProcessor {
  detail::special_token sep, cls;
  bool trim_offsets = true, add_prefix_space = true;

  std::size_t added_tokens(bool pair) const override { return pair ? 4 : 2; }
  std::vector<Encoding> process(std::vector<Encoding> encodings, bool add_special_tokens) const override {
    for (auto& e : encodings) {
      if (trim_offsets) detail::trim_offsets(e, add_prefix_space);
      e.set_type_ids(0);
    }
    if (!add_special_tokens) return encodings;
    for (auto& e : encodings)
      for (auto& o : e.overflowing) o.set_type_ids(0);
    for (std::size_t i = 0; i < encodings.size(); ++i)
      encodings[i] = detail::surround(encodings[i], i == 0 ? &cls : &sep, sep, i ? 1 : 0, 0);
    return encodings;
  }
};

}  // namespace processors
}  // namespace hft
