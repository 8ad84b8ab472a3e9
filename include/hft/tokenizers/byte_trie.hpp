// A set of byte strings that finds all of its members a text starts with: a double array (Aoe 1989), one probe a byte.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
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
  explicit byte_trie(std::vector<key> keys) {
    const auto in_order = sorted(std::move(keys));
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
  /// Keys [first, last) that agree in their first `depth` bytes, on the way to `node`.
  struct range {
    std::size_t first, last, depth;
    std::uint32_t node = none;
  };
  /// Byte by byte from the first: keys that agree in some bytes are counted out by the next one.
  static std::vector<key> sorted(std::vector<key> keys) {
    constexpr std::size_t few = 16;
    std::vector<key> placed(keys.size());
    std::vector<range> open{{0, keys.size(), 0}};
    while (!open.empty()) {
      const auto [first, last, depth, node] = open.back();
      open.pop_back();
      if (last - first <= few) {
        for (std::size_t i = first + 1; i < last; ++i)
          for (std::size_t k = i; k > first && keys[k].text < keys[k - 1].text; --k) std::swap(keys[k], keys[k - 1]);
        continue;
      }
      const auto label = [&keys, depth = depth](std::size_t i) {  // 0: the key ends
        return depth < keys[i].text.size() ? 1u + static_cast<unsigned char>(keys[i].text[depth]) : 0u;
      };
      std::array<std::size_t, 258> starts{};
      for (std::size_t i = first; i < last; ++i) ++starts[label(i) + 1];
      starts[0] = first;
      for (std::size_t c = 1; c < starts.size(); ++c) starts[c] += starts[c - 1];
      for (std::size_t c = 1; c + 1 < starts.size(); ++c)
        if (starts[c + 1] - starts[c] > 1) open.push_back({starts[c], starts[c + 1], depth + 1});
      for (std::size_t i = first; i < last; ++i) placed[starts[label(i)]++] = keys[i];
      for (std::size_t i = first; i < last; ++i) keys[i] = placed[i];
    }
    return keys;
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
