// nearest_name: what was meant by a name that is unknown.
#pragma once
#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/linkage.hpp>

namespace hft {

/// The name that the fewest inserted, deleted and replaced letters make of `word` (Levenshtein's distance), the first
/// of several; empty where there are no names.
std::string_view nearest_name(std::string_view word, const std::vector<std::string_view>& names);

#if HFT_DEFINES(MODELS)

HFT_INLINE std::string_view nearest_name(std::string_view word, const std::vector<std::string_view>& names) {
  std::string_view nearest;
  std::size_t least = ~std::size_t(0);
  std::vector<std::size_t> row(word.size() + 1);  // distances of the word's beginnings to the name's beginning at hand
  for (const auto name : names) {
    std::iota(row.begin(), row.end(), std::size_t(0));
    for (std::size_t i = 0; i < name.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i + 1);
      for (std::size_t k = 0; k < word.size(); ++k) {
        const std::size_t replaced = diagonal + (name[i] != word[k]);
        diagonal = row[k + 1];
        row[k + 1] = std::min({replaced, diagonal + 1, row[k] + 1});
      }
    }
    if (row.back() < least) least = row.back(), nearest = name;
  }
  return nearest;
}

#endif  // HFT_DEFINES

}  // namespace hft
