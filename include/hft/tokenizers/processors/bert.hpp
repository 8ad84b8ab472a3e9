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
inline Encoding surround(Encoding e, const special_token* before, const special_token& after, std::size_t sequence,
                         std::int64_t type_id) {
  Encoding out;
  if (before) out.push_back(before->id, before->token, {}, {}, type_id, true);
  auto parts = std::exchange(e.overflowing, {});
  e.attention_mask.assign(e.size(), 1);
  e.special_tokens_mask.assign(e.size(), 0);
  e.clear_sequence_ranges();
  out.merge_with(std::move(e));
  out.push_back(after.id, after.token, {}, {}, type_id, true);
  out.set_sequence_range(sequence, before ? 1 : 0, out.size() - 1);
  for (auto& o : parts) out.overflowing.push_back(surround(std::move(o), before, after, sequence, type_id));
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
      encodings[i] = detail::surround(std::move(encodings[i]), i == 0 ? &cls : nullptr, sep, i ? 1 : 0, i ? 1 : 0);
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
      encodings[i] = detail::surround(std::move(encodings[i]), i == 0 ? &cls : &sep, sep, i ? 1 : 0, 0);
    return encodings;
  }
};

}  // namespace processors
}  // namespace hft
