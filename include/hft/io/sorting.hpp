// Sorting for readers of files: names, and the order of things without moving them, by one and the same sort.
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <hft/linkage.hpp>

namespace hft::detail {

// The comparison is erased: files are put in order in many places, and one sort is enough code for all of them.
std::vector<std::size_t> sorted_positions(std::size_t n, const void* less,
                                          bool (*call)(const void*, std::size_t, std::size_t));

/// The positions 0 .. n-1 so that `less(position, position)` holds from each to the next; equal ones keep their order.
template <class Less>
std::vector<std::size_t> sorted_positions(std::size_t n, const Less& less) {
  return sorted_positions(n, &less, [](const void* l, std::size_t a, std::size_t b) -> bool {
    return (*static_cast<const Less*>(l))(a, b);
  });
}

/// Sorts strings or views of them.
template <class Name>
void sort_names(std::vector<Name>& names) {
  std::vector<Name> sorted;
  sorted.reserve(names.size());
  for (const std::size_t i :
       sorted_positions(names.size(), [&](std::size_t a, std::size_t b) { return names[a] < names[b]; }))
    sorted.push_back(std::move(names[i]));
  names.swap(sorted);
}

#if HFT_DEFINES(MODELS)

[[gnu::noinline]] HFT_INLINE std::vector<std::size_t> sorted_positions(std::size_t n, const void* less,
                                                                       bool (*call)(const void*, std::size_t,
                                                                                    std::size_t)) {
  std::vector<std::size_t> order(n), merged(n);
  for (std::size_t i = 0; i < n; ++i) order[i] = i;
  for (std::size_t run = 1; run < n; run *= 2) {  // what is in order: pairs of runs become one
    for (std::size_t begin = 0; begin < n; begin += 2 * run) {
      const std::size_t middle = std::min(begin + run, n), end = std::min(begin + 2 * run, n);
      for (std::size_t a = begin, b = middle, i = begin; i < end; ++i)
        merged[i] = a < middle && (b == end || !call(less, order[b], order[a])) ? order[a++] : order[b++];
    }
    order.swap(merged);
  }
  return order;
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
