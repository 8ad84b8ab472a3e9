// The order in which an epoch visits the rows of a dataset.
#pragma once
#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/train/data/dataset.hpp>

namespace hft {

/// TrainingArguments::train_sampling_strategy.
enum class SamplingStrategy { random, sequential, group_by_length };

/// An order in which slices of `batch_size` have rows of similar length: rows are shuffled, then sorted by length,
/// longest first, in groups of up to 50 batches; the longest row of all comes first, so that what does not fit into
/// memory fails at once. (transformers.trainer_pt_utils.get_length_grouped_indices, with hft's random numbers)
inline std::vector<isize> length_grouped_indices(const std::vector<isize>& lengths, isize batch_size,
                                                 std::uint64_t seed, std::uint64_t stream = 0) {
  const isize n = isize(lengths.size());
  auto order = random_permutation(n, seed, stream);
  if (n == 0) return order;
  const isize batches = std::clamp<isize>(n / (batch_size * 4), 1, 50), group = batches * batch_size;
  const auto length = [&](isize row) { return lengths[std::size_t(row)]; };
  isize longest = 0;  // where its group begins
  for (isize begin = 0; begin < n; begin += group) {
    std::stable_sort(order.begin() + begin, order.begin() + std::min(begin + group, n),
                     [&](isize a, isize b) { return length(a) > length(b); });
    if (length(order[std::size_t(begin)]) > length(order[std::size_t(longest)])) longest = begin;
  }
  std::swap(order[0], order[std::size_t(longest)]);
  return order;
}

}  // namespace hft
