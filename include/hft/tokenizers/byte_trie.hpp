// A set of byte strings that finds all of its members a text starts with: a double array (Aoe 1989), one probe a byte.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <hft/tokenizers/large_pages.hpp>

namespace hft::detail {

/// The child of node s by byte c is cell base(s) ^ c, if that cell's parent is s. Cells come in blocks of 256, so every
/// such cell exists.
class byte_trie {
 public:
  static constexpr std::uint32_t none = 0xffffffff;
  struct key {
    std::string_view text;
    std::uint32_t value;  // not none
  };

  byte_trie() { add_block(); }

  /// Keys in any order, each once; an empty one is never found. Linear in their bytes, but for the sorting.
  explicit byte_trie(const std::vector<key>& keys) {
    const auto in_order = sorted(keys);
    // A cell for each node, some holes, and the blocks that are open: no copying as it grows.
    reserve_large(cells_, nodes(in_order) / 16 * 17 + 256 * 20);
    builder(*this).build(in_order);
  }

  /// Calls f(value, bytes) for each key that `text` starts with, the shortest first.
  template <class F>
  void prefixes(std::string_view text, F f) const {
    std::uint32_t node = root;
    for (std::size_t i = 0; i < text.size();) {
      const std::uint32_t child = cells_[node].base ^ static_cast<unsigned char>(text[i]);
      if (cells_[child].parent != node) return;
      node = child, ++i;
      if (cells_[node].value != none) f(cells_[node].value, i);
    }
  }

 private:
  static constexpr std::uint32_t root = 0, taken = none - 1;
  struct cell {
    std::uint32_t base = 0, parent = none, value = none;
  };

  static std::size_t nodes(const std::vector<key>& in_order) {
    std::size_t n = 1;
    std::string_view last;
    for (const auto& k : in_order) {
      const auto shared = std::mismatch(k.text.begin(), k.text.end(), last.begin(), last.end()).first;
      n += std::size_t(k.text.end() - shared);
      last = k.text;
    }
    return n;
  }
  /// By their first eight bytes as a number; few need to be looked at beyond.
  static std::vector<key> sorted(const std::vector<key>& keys) {
    struct item {
      std::uint64_t head;
      const key* k;
      bool operator<(const item& other) const {
        return head != other.head ? head < other.head : k->text < other.k->text;
      }
    };
    std::vector<item> items;
    items.reserve(keys.size());
    for (const auto& k : keys) {
      std::uint64_t head = 0;
      for (std::size_t i = 0; i < 8; ++i)
        head = head << 8 | (i < k.text.size() ? static_cast<unsigned char>(k.text[i]) : 0u);
      items.push_back({head, &k});
    }
    std::sort(items.begin(), items.end());
    std::vector<key> out;
    out.reserve(keys.size());
    for (const auto& i : items) out.push_back(*i.k);
    return out;
  }

  void add_block() {
    cells_.resize(cells_.size() + 256);
    cells_[root].parent = taken;
  }

  /// Finds room for the children of each node. A block that refused often enough takes only children: bounded work,
  /// few holes.
  class builder {
   public:
    explicit builder(byte_trie& trie) : trie_(trie) { add_block(); }

    void build(const std::vector<key>& keys) {
      struct range {
        std::size_t first, last, depth;
        std::uint32_t node;
      };
      take(root);
      std::vector<range> open{{0, keys.size(), 0, root}};
      std::array<unsigned char, 256> labels;
      std::array<std::size_t, 257> starts;
      while (!open.empty()) {
        auto [first, last, depth, node] = open.back();
        open.pop_back();
        for (; first < last && keys[first].text.size() == depth; ++first) trie_.cells_[node].value = keys[first].value;
        if (first == last) continue;
        std::size_t n = 0;
        for (std::size_t i = first; i < last; ++i) {
          const auto c = static_cast<unsigned char>(keys[i].text[depth]);
          if (n == 0 || labels[n - 1] != c) labels[n] = c, starts[n++] = i;
        }
        starts[n] = last;
        const std::uint32_t base = place(labels.data(), n);
        trie_.cells_[node].base = base;
        for (std::size_t k = n; k-- > 0;) {
          const std::uint32_t child = base ^ labels[k];
          take(child);
          trie_.cells_[child].parent = node;
          open.push_back({starts[k], starts[k + 1], depth + 1, child});
        }
      }
    }

   private:
    static constexpr std::size_t most_open = 16, most_refusals = 48;
    struct block {
      std::array<std::uint64_t, 4> vacant{~0ull, ~0ull, ~0ull, ~0ull};
      std::uint32_t count = 256, refusals = 0;
      bool is_vacant(unsigned c) const { return vacant[c >> 6] >> (c & 63) & 1; }
    };

    void add_block() {
      trie_.add_block();
      for_families_.push_back(std::uint32_t(blocks_.size()));
      blocks_.emplace_back();
      if (for_families_.size() > most_open) retire(0);
    }
    void take(std::uint32_t cell) {
      auto& b = blocks_[cell >> 8];
      b.vacant[(cell & 255) >> 6] &= ~(std::uint64_t{1} << (cell & 63));
      --b.count;
    }
    void retire(std::size_t k) {
      for_single_.push_back(for_families_[k]);
      for_families_.erase(for_families_.begin() + std::ptrdiff_t(k));
    }

    /// A base that has all children in vacant cells.
    std::uint32_t place(const unsigned char* labels, std::size_t n) {
      if (n == 1) {
        while (!for_single_.empty() && blocks_[for_single_.back()].count == 0) for_single_.pop_back();
        if (!for_single_.empty()) return fit(for_single_.back(), labels, n);
      }
      for (std::size_t k = 0; k < for_families_.size();) {
        block& b = blocks_[for_families_[k]];
        if (b.count >= n)
          if (const auto base = fit(for_families_[k], labels, n); base != none) return base;
        if (b.count == 0 || ++b.refusals > most_refusals) {
          retire(k);
        } else {
          ++k;
        }
      }
      add_block();
      return fit(std::uint32_t(blocks_.size() - 1), labels, n);
    }
    std::uint32_t fit(std::uint32_t index, const unsigned char* labels, std::size_t n) const {
      const block& b = blocks_[index];
      for (std::size_t w = 0; w < 4; ++w)
        for (auto rest = b.vacant[w]; rest != 0; rest &= rest - 1) {
          const unsigned base = unsigned(w * 64 + std::size_t(std::countr_zero(rest))) ^ labels[0];
          std::size_t k = 1;
          while (k < n && b.is_vacant(base ^ labels[k])) ++k;
          if (k >= n) return index << 8 | base;
        }
      return none;
    }

    byte_trie& trie_;
    std::vector<block> blocks_;
    std::vector<std::uint32_t> for_families_, for_single_;  // blocks that are asked for room, newest last
  };

  std::vector<cell> cells_;
};

}  // namespace hft::detail
