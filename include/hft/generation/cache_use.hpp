// What generate does with a cache that remembers its ids: which of its tokens the prompt begins with, and which it
// holds afterwards. prefix_cache.hpp includes it, so that programs without such a cache do not compile it.
#pragma once
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <vector>

#include <hft/generation/generation_inputs.hpp>
#include <hft/generation/generation_step.hpp>
#include <hft/generation/strategy.hpp>
#include <hft/layers/cache.hpp>

namespace hft::detail {

/// The tokens of `ids` (B,T) that the cache holds. It is brought to what it has in common with `ids`, at most all but
/// the last: rows that begin as they do, cut behind that. What cannot go back so far (a state, a window that has
/// forgotten) begins anew.
[[gnu::cold]] inline isize kept_tokens(CacheBase& cache, const Tensor<i64, 2>& ids, const Tensor<i64, 2>& mask,
                                       const generation_step& model) {
  const auto* held = cache.token_ids();
  const isize length = cache.get_seq_length();
  if (mask && mask.shape() != ids.shape()) return 0;  // which is said where both are read
  const auto given = ids.dense(), shown = mask ? mask.dense() : mask;
  const isize B = ids.extent(0), T = ids.extent(1), most = model.cache_renewed_after;
  isize kept = T - 1;
  // What an encoder read is not among the ids, nor are those of passes that generate did not make; with padding on the
  // right the prompt is turned; keys of longrope are others once there are more than so many.
  if (model.encodes || model.reads_all || held->empty() || (most && length > most && T <= most)) kept = 0;
  for (const auto& row : *held)
    if (isize(row.size()) != length) kept = 0;
  std::vector<isize> rows;
  bool moved = isize(held->size()) != B;
  for (isize b = 0; b < B && kept > 0; ++b) {
    if (shown && shown.data()[b * T + T - 1] == 0) kept = 0;
    isize best = 0;
    for (std::size_t from = 0; from < held->size(); ++from) {
      const auto& row = (*held)[from];
      isize n = 0;
      const auto id = [&](isize t) { return shown && shown.data()[b * T + t] == 0 ? -1 : given.data()[b * T + t]; };
      while (n < T - 1 && n < length && row[std::size_t(n)] == id(n)) ++n;
      if (n > best || from == 0 || (n == best && isize(from) == b)) {
        best = n;
        if (isize(rows.size()) == b)
          rows.push_back(isize(from));
        else
          rows[std::size_t(b)] = isize(from);
      }
    }
    kept = std::min(kept, best);
    moved = moved || rows[std::size_t(b)] != b;
  }
  if (kept > 0) try {
      if (kept < length) cache.crop(kept);
      if (moved) cache.reorder(rows);
      return kept;
    } catch (const unsupported_error&) {  // not one that says something of the call
    }
  cache.reset();
  return 0;
}

/// Tells a cache those ids that a pass took in.
[[gnu::cold]] inline void remember_tokens(CacheBase& cache, const generation_inputs& inputs) {
  auto* held = cache.token_ids();
  const isize B = inputs.ids.rows(), T = inputs.ids.length();
  const auto mask = inputs.attention_mask(inputs.ids.length());
  if (isize(held->size()) != B) held->assign(std::size_t(B), {});
  for (isize b = 0; b < B; ++b) {
    auto& row = (*held)[std::size_t(b)];
    for (isize t = isize(row.size()); t < T; ++t)
      row.push_back(mask && mask.data()[b * T + t] == 0 ? -1 : inputs.ids.row(b)[std::size_t(t)]);
  }
}

inline const bool cache_use_is_there =
    (strategies::kept_tokens = &kept_tokens, strategies::remember_tokens = &remember_tokens, true);

}  // namespace hft::detail

#endif  // HFT_DEFINES
