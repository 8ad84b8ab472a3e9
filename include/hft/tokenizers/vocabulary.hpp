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

#include <hft/io/sorting.hpp>

namespace hft {
namespace detail {

__extension__ typedef unsigned __int128 uint128;

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = uint128(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);
  return std::uint64_t(product) ^ std::uint64_t(product >> 64);
}

inline std::uint64_t hash_bytes(std::string_view s) {
  const auto read = [&](std::size_t at, auto word) {
    std::memcpy(&word, s.data() + at, sizeof word);
    return std::uint64_t(word);
  };
  std::uint64_t h = s.size();
  std::size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) h = mix(h, read(i, std::uint64_t{}));
  // Of what is left, words that overlap: no copy of a length that is not known.
  const std::size_t n = s.size() - i;
  if (n >= 4) return mix(h, read(i, std::uint32_t{}) | read(s.size() - 4, std::uint32_t{}) << 32);
  if (n == 0) return mix(h, 0);
  return mix(h,
             read(i, std::uint8_t{}) | read(i + n / 2, std::uint8_t{}) << 8 | read(s.size() - 1, std::uint8_t{}) << 16);
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
    const std::size_t at = slot_of(token, hash);
    if (slots_[at].index != empty) return inserted::duplicate_token;
    append(at, token, id, hash);
    return inserted::yes;
  }

  /// Adds a token that may be there already: find() gives its latest id, and each id keeps its token. Returns whether
  /// the token is new.
  bool insert_latest(std::string_view token, std::uint32_t id) {
    if ((entries_.size() + 1) * 2 > slots_.size()) rehash(std::bit_ceil(entries_.size() * 4 + 16));
    const auto hash = detail::hash_bytes(token);
    const std::size_t at = slot_of(token, hash);
    const bool is_new = slots_[at].index == empty;
    append(at, token, id, hash);
    return is_new;
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
    sparse_ = detail::sorted_positions(
        entries_.size(), [this](std::size_t a, std::size_t b) { return entries_[a].id < entries_[b].id; });
    for (std::size_t i = 1; i < sparse_.size(); ++i)
      if (entries_[sparse_[i]].id == entries_[sparse_[i - 1]].id) return entries_[sparse_[i]].id;
    return {};
  }

  std::optional<std::uint32_t> find(std::string_view token) const {
    if (slots_.empty() || token.size() > longest_) return {};
    const auto hash = detail::hash_bytes(token);
    const slot& s = slots_[slot_of(token, hash)];
    return s.index == empty ? std::nullopt : std::optional(entries_[s.index].id);
  }

  /// The token of an id, or a view without data.
  std::string_view token(std::uint64_t id) const {
    if (id < by_id_.size()) return by_id_[id] == empty ? std::string_view{} : text(entries_[by_id_[id]]);
    const auto at = std::lower_bound(sparse_.begin(), sparse_.end(), id,
                                     [this](std::size_t i, std::uint64_t wanted) { return entries_[i].id < wanted; });
    return at != sparse_.end() && entries_[*at].id == id ? text(entries_[*at]) : std::string_view{};
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
    std::uint32_t offset, length, id;
  };
  // An entry and some bits of its token's hash, which tell most other tokens apart without looking at them.
  struct slot {
    std::uint32_t hash = 0, index = empty;
  };
  std::string_view text(const entry& e) const { return {arena_.data() + e.offset, e.length}; }
  void rehash(std::size_t slots) {
    if (slots <= slots_.size()) return;
    slots_.assign(slots, slot{});
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const auto token = text(entries_[i]);
      const auto hash = detail::hash_bytes(token);
      slots_[slot_of(token, hash)] = {std::uint32_t(hash >> 32), std::uint32_t(i)};
    }
  }
  /// The slot of a token, or the empty one where it belongs.
  std::size_t slot_of(std::string_view token, std::uint64_t hash) const {
    std::size_t at = hash & (slots_.size() - 1);
    for (; slots_[at].index != empty; at = (at + 1) & (slots_.size() - 1))
      if (slots_[at].hash == std::uint32_t(hash >> 32) && text(entries_[slots_[at].index]) == token) break;
    return at;
  }
  void append(std::size_t at, std::string_view token, std::uint32_t id, std::uint64_t hash) {
    slots_[at] = {std::uint32_t(hash >> 32), std::uint32_t(entries_.size())};
    entries_.push_back({std::uint32_t(arena_.size()), std::uint32_t(token.size()), id});
    arena_ += token;
    longest_ = std::max(longest_, token.size());
  }

  std::string arena_;
  std::vector<entry> entries_;
  std::vector<slot> slots_;           // open addressing, at most half full
  std::vector<std::uint32_t> by_id_;  // index of the entry of an id
  std::vector<std::size_t> sparse_;   // the same where ids are far apart: indices in the order of their ids
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
  /// Calls f(a, b, value) for all pairs, in no particular order.
  template <class F>
  void for_each(F f) const {
    for (const auto& s : slots_)
      if (s.key != vacant) f(std::uint32_t(s.key >> 32), std::uint32_t(s.key), s.v);
  }

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
