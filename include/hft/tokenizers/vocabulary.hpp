// Tokens and their ids: flat hash tables over one arena of bytes, and packed tables of numbers.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hft {
namespace detail {

__extension__ typedef unsigned __int128 uint128;

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = uint128(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);
  return std::uint64_t(product) ^ std::uint64_t(product >> 64);
}

inline std::uint64_t hash_bytes(std::string_view s) {
  const auto word = [&](std::size_t i, std::size_t n) {
    std::uint64_t w = 0;
    std::memcpy(&w, s.data() + i, n);
    return w;
  };
  std::uint64_t h = s.size();
  std::size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) h = mix(h, word(i, 8));
  return mix(h, word(i, s.size() - i));
}

}  // namespace detail

/// A vocabulary: unique tokens with unique ids, in the order they were inserted.
class Vocabulary {
 public:
  static constexpr std::uint32_t max_id = 0x7fffffff;
  enum class inserted { yes, duplicate_token, duplicate_id };

  void reserve(std::size_t tokens, std::size_t bytes) {
    entries_.reserve(tokens);
    arena_.reserve(bytes);
    rehash(std::bit_ceil(tokens * 2 + 16));
  }

  /// Adds a token; `id` at most max_id. Duplicate ids are found by finish().
  inserted insert(std::string_view token, std::uint32_t id) {
    if ((entries_.size() + 1) * 2 > slots_.size()) rehash(std::bit_ceil(entries_.size() * 4 + 16));
    const auto hash = detail::hash_bytes(token);
    std::size_t at = hash & (slots_.size() - 1);
    for (; slots_[at] != empty; at = (at + 1) & (slots_.size() - 1))
      if (text(entries_[slots_[at]]) == token) return inserted::duplicate_token;
    slots_[at] = std::uint32_t(entries_.size());
    entries_.push_back({std::uint32_t(arena_.size()), std::uint32_t(token.size()), id, std::uint32_t(hash)});
    arena_ += token;
    longest_ = std::max(longest_, token.size());
    return inserted::yes;
  }

  /// Builds the way back from ids. An id that two tokens have is returned; nothing is returned where all is well.
  std::optional<std::uint32_t> finish() {
    std::uint32_t largest = 0;
    for (const auto& e : entries_) largest = std::max(largest, e.id);
    by_id_.clear();
    sparse_.clear();
    id_limit_ = entries_.empty() ? 0 : std::size_t(largest) + 1;
    if (id_limit_ <= entries_.size() * 4 + 65536) {  // holes are filled as long as they cost little
      by_id_.assign(id_limit_, empty);
      for (std::size_t i = 0; i < entries_.size(); ++i) {
        auto& slot = by_id_[entries_[i].id];
        if (slot != empty) return entries_[i].id;
        slot = std::uint32_t(i);
      }
      return {};
    }
    for (std::size_t i = 0; i < entries_.size(); ++i) sparse_.push_back({entries_[i].id, std::uint32_t(i)});
    std::sort(sparse_.begin(), sparse_.end());
    for (std::size_t i = 1; i < sparse_.size(); ++i)
      if (sparse_[i].first == sparse_[i - 1].first) return sparse_[i].first;
    return {};
  }

  std::optional<std::uint32_t> find(std::string_view token) const {
    if (slots_.empty() || token.size() > longest_) return {};
    const auto hash = detail::hash_bytes(token);
    for (std::size_t at = hash & (slots_.size() - 1); slots_[at] != empty; at = (at + 1) & (slots_.size() - 1)) {
      const entry& e = entries_[slots_[at]];
      if (e.hash == std::uint32_t(hash) && text(e) == token) return e.id;
    }
    return {};
  }

  /// The token of an id, or a view without data.
  std::string_view token(std::uint64_t id) const {
    if (id < by_id_.size()) return by_id_[id] == empty ? std::string_view{} : text(entries_[by_id_[id]]);
    const auto at = std::lower_bound(sparse_.begin(), sparse_.end(), std::pair{std::uint32_t(id), std::uint32_t{0}});
    return id <= max_id && at != sparse_.end() && at->first == id ? text(entries_[at->second]) : std::string_view{};
  }
  bool contains(std::uint64_t id) const { return token(id).data() != nullptr; }

  std::size_t size() const noexcept { return entries_.size(); }
  /// One more than the largest id.
  std::size_t id_limit() const noexcept { return id_limit_; }
  /// Bytes of the longest token.
  std::size_t longest() const noexcept { return longest_; }

  /// Calls f(token, id) in the order of insertion.
  template <class F>
  void for_each(F f) const {
    for (const auto& e : entries_) f(text(e), e.id);
  }

 private:
  static constexpr std::uint32_t empty = 0xffffffff;
  struct entry {
    std::uint32_t offset, length, id, hash;
  };
  std::string_view text(const entry& e) const { return {arena_.data() + e.offset, e.length}; }
  void rehash(std::size_t slots) {
    if (slots <= slots_.size()) return;
    slots_.assign(slots, empty);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::size_t at = detail::hash_bytes(text(entries_[i])) & (slots - 1);
      while (slots_[at] != empty) at = (at + 1) & (slots - 1);
      slots_[at] = std::uint32_t(i);
    }
  }

  std::string arena_;
  std::vector<entry> entries_;
  std::vector<std::uint32_t> slots_;                             // indices of entries, open addressing
  std::vector<std::uint32_t> by_id_;                             // index of the entry of an id
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sparse_;  // (id, entry), sorted, where ids are far apart
  std::size_t id_limit_ = 0, longest_ = 0;
};

namespace detail {

/// Pairs of ids to (rank, merged id): open addressing over packed numbers.
class pair_table {
 public:
  struct value {
    std::uint32_t rank = none, id = 0;
  };
  static constexpr std::uint32_t none = 0xffffffff;

  void reserve(std::size_t n) { grow(std::bit_ceil(n * 2 + 16)); }
  void insert(std::uint32_t a, std::uint32_t b, value v) {
    if ((count_ + 1) * 2 > slots_.size()) grow(std::bit_ceil(count_ * 4 + 16));
    slot& s = at(key(a, b));
    if (s.key == vacant) ++count_;
    s = {key(a, b), v};
  }
  /// Rank `none` where the pair does not merge.
  value find(std::uint32_t a, std::uint32_t b) const {
    if (slots_.empty()) return {};
    const auto k = key(a, b);
    for (std::size_t i = start(k);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].key == k) return slots_[i].v;
      if (slots_[i].key == vacant) return {};
    }
  }
  std::size_t size() const noexcept { return count_; }

 private:
  static constexpr std::uint64_t vacant = ~std::uint64_t{0};  // ids stay below 2^31
  struct slot {
    std::uint64_t key = vacant;
    value v = {};
  };
  static std::uint64_t key(std::uint32_t a, std::uint32_t b) { return std::uint64_t(a) << 32 | b; }
  std::size_t start(std::uint64_t k) const { return (k * 0x9e3779b97f4a7c15u) >> shift_; }
  slot& at(std::uint64_t k) {
    std::size_t i = start(k);
    while (slots_[i].key != vacant && slots_[i].key != k) i = (i + 1) & (slots_.size() - 1);
    return slots_[i];
  }
  void grow(std::size_t n) {
    if (n <= slots_.size()) return;
    auto old = std::move(slots_);
    slots_.assign(n, slot{});
    shift_ = unsigned(64 - std::countr_zero(n));
    for (const auto& s : old)
      if (s.key != vacant) at(s.key) = s;
  }
  std::vector<slot> slots_;
  std::size_t count_ = 0;
  unsigned shift_ = 64;
};

}  // namespace detail
}  // namespace hft
