// The merges that a vocabulary implies: sentencepiece and GGUF files of BPE models list tokens and scores, no merges.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <hft/io/sorting.hpp>
#include <hft/tokenizers/unicode.hpp>
#include <hft/tokenizers/vocabulary.hpp>

namespace hft::detail {

/// Every way to write a token as two tokens is a merge (Transformers' generate_merges). Ranks follow the ids of the
/// merged tokens; where `scores` has one for each token in the order of insertion, the largest score comes first.
/// The merges have the ids of `target`, if given, which has all tokens of `vocabulary`. Of one token the merges follow
/// the lengths of the halves, or only their ids.
inline pair_table generate_merges(const Vocabulary& vocabulary, const std::vector<double>* scores = nullptr,
                                  const Vocabulary* target = nullptr, bool by_length = true) {
  std::vector<std::string_view> tokens;
  std::vector<std::uint32_t> ids;
  std::vector<double> order;  // the smaller, the earlier
  // Only halves of a length that some token has can be tokens, which bounds the work for long tokens.
  std::vector<char> lengths(vocabulary.longest() + 1);
  vocabulary.for_each([&](std::string_view token, std::uint32_t id) {
    lengths[token.size()] = 1;
    order.push_back(scores ? -(*scores)[tokens.size()] : double(id));
    tokens.push_back(token);
    ids.push_back(id);
  });
  const auto by_order =
      sorted_positions(tokens.size(), [&](std::size_t a, std::size_t b) { return order[a] < order[b]; });

  struct merge {
    std::uint32_t left, right;
    std::uint32_t left_size, right_size;  // in characters
    std::size_t token;                    // what it makes
  };
  // By score, the longer halves come first, as the whole order is reversed there.
  const auto earlier = [reversed = scores != nullptr, by_length](const merge& a, const merge& b) {
    if (by_length && a.left_size != b.left_size) return reversed != (a.left_size < b.left_size);
    if (by_length && a.right_size != b.right_size) return reversed != (a.right_size < b.right_size);
    if (a.token != b.token) return a.token < b.token;
    return a.left != b.left ? a.left < b.left : a.right < b.right;
  };
  pair_table out;
  std::uint32_t rank = 0;
  std::vector<merge> merges;  // of the tokens that have the same place in the order
  for (std::size_t k = 0; k < by_order.size();) {
    merges.clear();
    for (const double place = order[by_order[k]]; k < by_order.size() && order[by_order[k]] == place; ++k) {
      const auto token = tokens[by_order[k]];
      const std::size_t first = merges.size();
      std::uint32_t characters = 0;
      for (std::size_t at = 1; at < token.size(); ++at) {
        if (unicode::is_continuation(token[at])) continue;
        ++characters;
        if (!lengths[at] || !lengths[token.size() - at]) continue;
        const auto left = vocabulary.find(token.substr(0, at));
        if (!left) continue;
        if (const auto right = vocabulary.find(token.substr(at)))
          merges.push_back({*left, *right, characters, 0, by_order[k]});
      }
      for (std::size_t i = first; i < merges.size(); ++i) merges[i].right_size = characters + 1 - merges[i].left_size;
    }
    for (const auto i :
         sorted_positions(merges.size(), [&](std::size_t a, std::size_t b) { return earlier(merges[a], merges[b]); })) {
      const auto& m = merges[i];
      std::uint32_t three[] = {m.left, m.right, ids[m.token]};
      if (target)
        for (auto& id : three) id = *target->find(vocabulary.token(id));
      out.insert(three[0], three[1], {rank++, three[2]});
    }
  }
  return out;
}

}  // namespace hft::detail
