// PrefixCache: a cache that remembers which tokens it holds, so that generate computes what is new alone.
//
//   PrefixCache<> cache(model.cache_options());
//   for (;;) {
//     const auto ids = tokenizer.apply_chat_template(chat, ...);  // the whole history, each time
//     answer = generate(model, ids, config, {.past_key_values = &cache});
//   }
//
// generate compares the ids with those of the cache, forgets what differs, and computes the rest: a chat that grows,
// one that was edited, several questions behind one text. Prompts of a batch take, each, the row that they begin with,
// so that one row's prefix serves many; where not a token is equal it begins anew. A state, or a window that has
// forgotten, cannot go back: there only a prompt that goes on behind all that is held saves anything.
#pragma once
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <hft/generation/cache.hpp>
#include <hft/generation/cache_use.hpp>

namespace hft {

/// Base: any cache, QuantizedCache<> too. Tokens that a pass outside generate takes in are not remembered, and such a
/// cache begins anew.
template <class Base = DynamicCache<>>
class PrefixCache : public Base {
 public:
  using Base::Base;

  std::vector<std::vector<i64>>* token_ids() override { return &ids_; }

  void reorder(std::span<const isize> rows) override {
    Base::reorder(rows);
    if (ids_.empty()) return;
    std::vector<std::vector<i64>> moved;
    for (const isize row : rows) moved.push_back(ids_[std::size_t(row)]);
    ids_ = std::move(moved);
  }
  void crop(isize length) override {
    Base::crop(length);
    for (auto& row : ids_) row.resize(std::min(row.size(), std::size_t(length)));
  }
  void reset() override {
    Base::reset();
    ids_.clear();
  }

 private:
  std::vector<std::vector<i64>> ids_;  // of each row; -1 where the mask hid a token
};

}  // namespace hft
