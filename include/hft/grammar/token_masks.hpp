// TokenMasks: which tokens of a vocabulary a grammar allows next.
//
// Most of a vocabulary is decided by the top of the stack alone: within a string of JSON nearly every token is more of
// that string, whatever is around it. So for each top the tokens that stay above it are found once, by walking the
// vocabulary's tree, with the places in the tree where the rule ends; only what follows these depends on what lies
// below, and is walked for each new configuration. (The adaptive token masks of XGrammar, Dong et al. 2024,
// arXiv:2411.15100.) Where a rule ends nearly everywhere, as one of single characters does, the frames below it count
// as part of the top. Masks of configurations are kept, too: one that came before costs its lookup.
#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include <hft/grammar/automaton.hpp>
#include <hft/grammar/token_trie.hpp>
#include <hft/linkage.hpp>

namespace hft::grammars {

class TokenMasks {
 public:
  using Mask = std::vector<std::uint64_t>;  // one bit for each id
  using Configuration = GrammarAutomaton::Configuration;

  /// `tokens`: ids are less than that.
  TokenMasks(TokenTrie trie, std::size_t tokens) : trie_(std::move(trie)), words_((tokens + 63) / 64) {}

  /// The tokens that may follow. Valid until the next call.
  const Mask& operator()(GrammarAutomaton& automaton, Configuration c);
  /// The same without anything that was kept: by walking all of the vocabulary.
  Mask walked(GrammarAutomaton& automaton, Configuration c) const {
    Mask out(words_, 0);
    walk(automaton, c, 0, trie_.size(), [&](std::uint32_t i, Configuration) {
      add_tokens_at(i, out);
      return true;
    });
    return out;
  }
  /// As GrammarAutomaton::forget: masks of configurations that are no longer valid.
  void forget() { masks_.clear(), tops_.clear(); }

 private:
  static constexpr std::size_t most_ends = 1024, most_frames = 8, most_paths = 64;
  static constexpr std::size_t most_kept_bytes = std::size_t{64} << 20;
  // What a top decides.
  struct top {
    Mask inside;                      // tokens that stay above it, or end as it does
    std::vector<std::uint32_t> ends;  // nodes of the tree where it ends
    bool ends_everywhere = false;     // too many of them: the frames below have to be looked at as well, and no mask
  };
  struct gathering {
    GrammarAutomaton& automaton;
    Mask& out;
    std::vector<std::pair<std::uint32_t, std::uint32_t>>
        place;  // the top, and frames below it that count as part of it
    std::size_t paths = 0;
  };

  void add_tokens_at(std::uint32_t node, Mask& mask) const {
    trie_.for_tokens_at(node, [&](std::uint32_t id) { mask[id / 64] |= std::uint64_t{1} << (id % 64); });
  }
  /// Calls visit(node, configuration after its byte) for the nodes in [first, last) that a configuration leads to; it
  /// returns whether to go on. `first` is a child of what the configuration stands at.
  template <class Visit>
  void walk(GrammarAutomaton& automaton, Configuration from, std::uint32_t first, std::uint32_t last,
            Visit visit) const {
    if (first >= last) return;
    const std::size_t depth = trie_[first].depth;
    std::vector<Configuration> at(trie_.longest() + 1 - depth);
    at[0] = from;
    for (std::uint32_t i = first; i < last;) {
      const auto& n = trie_[i];
      const Configuration next = automaton.step(at[n.depth - depth], n.byte);
      if (next == GrammarAutomaton::dead) {
        i = n.end;
        continue;
      }
      if (!visit(i, next)) return;
      at[n.depth - depth + 1] = next;
      i = automaton.may_go_on(next) ? i + 1 : n.end;
    }
  }
  bool gather(gathering& g, GrammarAutomaton::Set below);
  const top& decided(gathering& g, bool at_bottom);

  TokenTrie trie_;
  std::size_t words_;
  std::unordered_map<Configuration, Mask> masks_;
  std::unordered_map<std::uint64_t, top> tops_;  // by frame, and whether nothing lies below
};

}  // namespace hft::grammars

#if HFT_DEFINES(TEXT)

namespace hft::grammars {

HFT_INLINE const TokenMasks::Mask& TokenMasks::operator()(GrammarAutomaton& automaton, Configuration c) {
  const auto known = masks_.find(c);
  if (known != masks_.end()) return known->second;
  const std::size_t most = 16 + most_kept_bytes / (8 * words_ + 1);
  if (masks_.size() > most) masks_.clear();
  if (tops_.size() > most) tops_.clear();
  Mask mask(words_, 0);
  const auto in_tops = automaton.frames(automaton.tops(c));
  const std::vector<GrammarAutomaton::Frame> tops(in_tops.begin(), in_tops.end());
  gathering g{automaton, mask, {}};
  bool few = true;
  for (const auto f : tops) {
    g.place = {{automaton[f].place, automaton[f].count}};
    few = few && gather(g, automaton[f].below);
  }
  if (!few) mask = walked(automaton, c);
  return masks_[c] = std::move(mask);
}

// Adds what the stacks with this top, over those of `below`, allow. False where there are too many of them.
HFT_INLINE bool TokenMasks::gather(gathering& g, GrammarAutomaton::Set below) {
  if (++g.paths > most_paths) return false;
  const auto in_below = g.automaton.frames(below);
  std::vector<GrammarAutomaton::Frame> frames(in_below.begin(), in_below.end());
  if (!frames.empty() && frames.back() == GrammarAutomaton::bottom) {  // the place that sorts behind all
    frames.pop_back();
    const Mask& inside = decided(g, true).inside;
    for (std::size_t w = 0; w < words_; ++w) g.out[w] |= inside[w];
    below = GrammarAutomaton::no_frames;
  }
  if (frames.empty()) return true;
  const top& t = decided(g, false);
  if (!t.ends_everywhere) {
    for (std::size_t w = 0; w < words_; ++w) g.out[w] |= t.inside[w];
    if (t.ends.empty()) return true;
    const Configuration after = g.automaton.popped(frames);
    for (const auto node : t.ends)
      walk(g.automaton, after, node + 1, trie_[node].end, [&](std::uint32_t i, Configuration) {
        add_tokens_at(i, g.out);
        return true;
      });
    return true;
  }
  for (const auto f : frames) {
    g.place.push_back(g.automaton.as_near(f, trie_.longest()));
    const bool few = gather(g, g.automaton[f].below);
    g.place.pop_back();
    if (!few) return false;
  }
  return true;
}

HFT_INLINE const TokenMasks::top& TokenMasks::decided(gathering& g, bool at_bottom) {
  auto& a = g.automaton;
  GrammarAutomaton::Set below = GrammarAutomaton::only_bottom;
  for (std::size_t i = g.place.size(); i-- > 1;)
    below = a.set_of(a.frame_of(g.place[i].first, g.place[i].second, below));
  const auto frame = a.frame_of(g.place[0].first, g.place[0].second, below);
  const auto key = std::uint64_t(frame) << 1 | std::uint64_t(at_bottom);
  const auto known = tops_.find(key);
  if (known != tops_.end()) return known->second;
  top t;
  t.inside.assign(words_, 0);
  const bool any_number = at_bottom || g.place.size() > most_frames;
  walk(a, a.configuration_of(a.set_of(frame)), 0, trie_.size(), [&](std::uint32_t i, Configuration after) {
    add_tokens_at(i, t.inside);
    if (!at_bottom && a.may_end(after)) t.ends.push_back(i);
    t.ends_everywhere = !any_number && t.ends.size() > most_ends;
    return !t.ends_everywhere;
  });
  if (t.ends_everywhere) t = {{}, {}, true};
  return tops_[key] = std::move(t);
}

}  // namespace hft::grammars

#endif  // HFT_DEFINES
