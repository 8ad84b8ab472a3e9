// The merges that a vocabulary implies: sentencepiece and GGUF files of BPE models list tokens and scores, no merges.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <hft/tokenizers/unicode.hpp>
#include <hft/tokenizers/vocabulary.hpp>

namespace hft::detail {

/// Every way to write a token as two tokens is a merge (Transformers' generate_merges). Ranks follow the ids of the
/// merged tokens; where `scores` has one for each token in the order of insertion, the largest score comes first.
/// The merges have the ids of `target`, if given, which has all tokens of `vocabulary`. Of one token the merges follow
/// the lengths of the halves, or only their ids.
inline pair_table generate_merges(const Vocabulary& vocabulary, const std::vector<double>* scores = nullptr,
                                  const Vocabulary* target = nullptr, bool by_length = true) {
  struct merge {
    std::uint32_t left, right, result;
    double order;                         // the smaller, the earlier
    std::uint32_t left_size, right_size;  // in characters
  };
  // Only halves of a length that some token has can be tokens, which bounds the work for long tokens.
  std::vector<bool> lengths(vocabulary.longest() + 1);
  vocabulary.for_each([&](std::string_view token, std::uint32_t) { lengths[token.size()] = true; });

  std::vector<merge> merges;
  std::size_t index = 0;
  vocabulary.for_each([&](std::string_view token, std::uint32_t id) {
    const double order = scores ? -(*scores)[index] : double(id);
    ++index;
    const std::size_t first = merges.size();
    std::uint32_t characters = 0;
    for (std::size_t at = 1; at < token.size(); ++at) {
      if (unicode::is_continuation(token[at])) continue;
      ++characters;
      if (!lengths[at] || !lengths[token.size() - at]) continue;
      const auto left = vocabulary.find(token.substr(0, at));
      if (!left) continue;
      if (const auto right = vocabulary.find(token.substr(at)))
        merges.push_back({*left, *right, id, order, characters, 0});
    }
    for (std::size_t i = first; i < merges.size(); ++i) merges[i].right_size = characters + 1 - merges[i].left_size;
    std::sort(merges.begin() + std::ptrdiff_t(first), merges.end(),
              [](const merge& a, const merge& b) { return a.left != b.left ? a.left < b.left : a.right < b.right; });
  });
  // By score, the longer halves come first, as the whole order is reversed there.
  const bool reversed = scores != nullptr;
  std::stable_sort(merges.begin(), merges.end(), [reversed, by_length](const merge& a, const merge& b) {
    if (a.order != b.order || !by_length) return a.order < b.order;
    if (a.left_size != b.left_size) return reversed ? a.left_size > b.left_size : a.left_size < b.left_size;
    return reversed ? a.right_size > b.right_size : a.right_size < b.right_size;
  });
  pair_table out;
  out.reserve(merges.size());
  const auto id = [&](std::uint32_t id) { return target ? *target->find(vocabulary.token(id)) : id; };
  for (std::size_t i = 0; i < merges.size(); ++i)
    out.insert(id(merges[i].left), id(merges[i].right), {std::uint32_t(i), id(merges[i].result)});
  return out;
}

}  // namespace hft::detail
