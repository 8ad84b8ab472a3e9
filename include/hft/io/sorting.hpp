// Sorting for readers of files: names, and the order of things without moving them. One instantiation each.
#pragma once
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>
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

void sort_names(std::vector<std::string_view>& names);

#if HFT_DEFINES(MODELS)

[[gnu::noinline]] HFT_INLINE std::vector<std::size_t> sorted_positions(std::size_t n, const void* less,
                                                                       bool (*call)(const void*, std::size_t,
                                                                                    std::size_t)) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [=](std::size_t a, std::size_t b) {
    if (call(less, a, b)) return true;
    return a < b && !call(less, b, a);
  });
  return order;
}

[[gnu::noinline]] HFT_INLINE void sort_names(std::vector<std::string_view>& names) {
  std::sort(names.begin(), names.end());
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
