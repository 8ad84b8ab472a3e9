// TokenTrie: the texts of a vocabulary as a tree over bytes, in one array that is walked from the front.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace hft::grammars {

/// Nodes stand in depth-first order, the root left out; a node's subtree is what follows it up to its `end`.
class TokenTrie {
 public:
  struct node {
    std::uint32_t end;          // the first node that is not below it
    std::uint32_t first_token;  // into tokens(): those that end here come first, then those of its subtree
    std::uint16_t depth;        // bytes before its own
    unsigned char byte;
  };

  TokenTrie() = default;
  /// Of tokens by their id; those without text are left out, as are those longer than 65535 bytes.
  explicit TokenTrie(const std::vector<std::string>& texts) {
    for (std::uint32_t id = 0; id < texts.size(); ++id)
      if (!texts[id].empty() && texts[id].size() < 0xffff) tokens_.push_back(id);
    std::sort(tokens_.begin(), tokens_.end(), [&](std::uint32_t a, std::uint32_t b) {
      const int order = texts[a].compare(texts[b]);
      return order != 0 ? order < 0 : a < b;
    });
    std::vector<std::uint32_t> path;  // the nodes of the last token
    std::string_view last;
    const auto close = [&](std::size_t depth) {
      for (; path.size() > depth; path.pop_back()) nodes_[path.back()].end = std::uint32_t(nodes_.size());
    };
    for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
      const std::string_view text = texts[tokens_[i]];
      std::size_t shared = 0;
      while (shared < last.size() && shared < text.size() && last[shared] == text[shared]) ++shared;
      close(shared);
      for (std::size_t d = shared; d < text.size(); ++d) {
        path.push_back(std::uint32_t(nodes_.size()));
        nodes_.push_back({0, i, std::uint16_t(d), static_cast<unsigned char>(text[d])});
      }
      longest_ = std::max(longest_, std::uint32_t(text.size()));
      last = text;
    }
    close(0);
    nodes_.push_back({std::uint32_t(nodes_.size() + 1), std::uint32_t(tokens_.size()), 0, 0});  // behind all
  }

  std::uint32_t size() const { return std::uint32_t(nodes_.size() - 1); }
  const node& operator[](std::uint32_t i) const { return nodes_[i]; }
  /// Calls f(id) for the tokens that end at a node.
  template <class F>
  void for_tokens_at(std::uint32_t i, F f) const {
    // Its first child, if it has one, is the next node.
    for (std::uint32_t t = nodes_[i].first_token; t < nodes_[i + 1].first_token; ++t) f(tokens_[t]);
  }
  std::uint32_t longest() const { return longest_; }

 private:
  std::vector<std::uint32_t> tokens_;
  std::vector<node> nodes_;
  std::uint32_t longest_ = 0;
};

}  // namespace hft::grammars
