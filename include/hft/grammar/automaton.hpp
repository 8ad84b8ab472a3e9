// GrammarAutomaton: which bytes a grammar allows next, byte by byte.
//
// Rules become automata over the bytes of UTF-8 whose edges are bytes or calls of other rules; what is to be done after
// a call lies on a stack. Where a grammar leaves several ways open there are several stacks, which share what they have
// in common (a graph-structured stack, Tomita 1986): equal frames of one set are one frame with the union of what lies
// below them, so that work for a byte grows with the grammar and not with the number of ways. Frames, sets and
// configurations (a set of stacks between two bytes) are interned, and a step from one configuration by a byte is
// computed once. Repetitions that would be long written out are a frame with a counter.
//
// Rules that no text satisfies are left out, so that whatever lies on a stack can be completed.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/grammar/grammar.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(TEXT)
#include <algorithm>
#include <map>
#include <set>
#endif

namespace hft {

class GrammarAutomaton {
 public:
  using Configuration = std::uint32_t;
  static constexpr Configuration dead = 0;  // nothing may follow, and it is no end

  /// Throws value_error where no text satisfies the grammar, saying why if its reader knew, and for a grammar that is
  /// too large. Of characters that are not in `writable` (default: of all) no text is made.
  explicit GrammarAutomaton(const Grammar& grammar, const CodePoints* writable = nullptr);

  Configuration start() const { return start_; }
  Configuration step(Configuration c, unsigned char byte) { return step_class(c, class_of_[byte]); }
  Configuration advance(Configuration c, std::string_view bytes) {
    for (const char b : bytes)
      if (c != dead) c = step(c, static_cast<unsigned char>(b));
    return c;
  }
  /// Whether the text so far is a whole one.
  bool may_end(Configuration c) const { return configurations_[c].ends; }
  /// Whether anything may follow.
  bool may_go_on(Configuration c) const { return configurations_[c].tops != no_frames; }

  // What masks (token_mask.hpp) look into.

  using Set = std::uint32_t;    // of frames, sorted
  using Frame = std::uint32_t;  // a place in a rule or a counter, and what lies below
  static constexpr Frame bottom = 0;
  static constexpr Set no_frames = 0, only_bottom = 1;
  struct frame {
    std::uint32_t place, count;  // a state, or a counter and how often its part came before
    Set below;
  };

  unsigned byte_class(unsigned char byte) const { return class_of_[byte]; }
  Configuration step_class(Configuration c, unsigned byte_class) {
    const Configuration known = steps_[c * classes_ + byte_class];
    return known != unknown ? known : compute_step(c, byte_class);
  }
  std::span<const Frame> frames(Set s) const {
    return {members_.data() + sets_[s].first, std::size_t(sets_[s].second - sets_[s].first)};
  }
  const frame& operator[](Frame f) const { return frames_[f]; }
  Set tops(Configuration c) const { return configurations_[c].tops; }
  Set set_of(Frame f) { return intern_set({&f, 1}); }
  Frame frame_of(std::uint32_t place, std::uint32_t count, Set below);
  /// The configuration in which these are the tops of stacks.
  Configuration configuration_of(Set tops) { return intern({tops, false}); }
  /// The one after the rules above these frames have ended.
  Configuration popped(std::span<const Frame> ended) { return close({}, {ended.begin(), ended.end()}); }
  /// The frame's place and count, or those that allow the same as long as at most `bytes` bytes follow: counters far
  /// from their end are alike.
  std::pair<std::uint32_t, std::uint32_t> as_near(Frame f, std::uint32_t bytes) const;

  /// How much it remembers; forget() lets that go, and makes all configurations but start() invalid.
  std::size_t size() const { return frames_.size() + configurations_.size(); }
  void forget();

 private:
  static constexpr std::uint32_t none = 0xffffffff, counter_bit = 0x80000000;
  static constexpr Configuration unknown = 0xffffffff;
  static constexpr std::size_t max_states = std::size_t{1} << 20, max_edges = std::size_t{1} << 22;
  static constexpr std::uint32_t max_depth = 10000;

  struct edge {
    unsigned char first, last;
    std::uint32_t to;
  };
  struct call {
    std::uint32_t unit, next;  // what is called, and where it goes on; a counter's call has counter_bit
  };
  struct state {
    std::vector<edge> edges;
    std::vector<std::uint32_t> free;  // states that are reached without a byte
    std::vector<call> calls;
    bool final = false;  // of a unit
    bool plain_end() const { return final && edges.empty() && free.empty() && calls.empty(); }
  };
  // A rule, or the part of a counter: what is called.
  struct unit {
    std::uint32_t start, end;
    std::uint32_t order = none;  // those that one begins with come behind it
    bool nullable = false;
  };
  struct counter {
    std::uint32_t unit, min, max, next;
    std::uint32_t endless;  // the counter with the same minimum and no maximum
  };
  // What a state reaches without a byte.
  struct reach {
    bool known = false, final = false;
    std::vector<std::uint32_t> reading;  // states with edges
    std::vector<call> calls;
  };
  struct configuration {
    Set tops;
    bool ends;
  };
  struct item {
    std::uint32_t state;
    Set below;
  };
  struct builder;

  const reach& reached(std::uint32_t s);
  Configuration compute_step(Configuration c, unsigned byte_class);
  Configuration close(std::vector<item> items, std::vector<Frame> popped);
  Set intern_set(std::span<const Frame> sorted);
  Set unite(Set a, Set b);
  Configuration intern(configuration c);
  void put_order();
  static std::uint64_t pair_key(std::uint64_t a, std::uint64_t b) { return a << 32 | b; }

  std::vector<state> states_;
  std::vector<unit> units_;
  std::vector<counter> counters_;
  std::vector<reach> reached_;
  std::array<std::uint16_t, 256> class_of_{};
  std::vector<unsigned char> byte_of_class_;
  std::size_t classes_ = 0;
  std::uint32_t root_unit_ = 0;
  Configuration start_ = dead;

  struct frame_hash {
    std::size_t operator()(const frame& f) const {
      std::uint64_t h = (std::uint64_t(f.place) << 32 | f.below) * 0x9e3779b97f4a7c15u;
      h ^= (h >> 29) + f.count;
      return std::size_t(h * 0xbf58476d1ce4e5b9u);
    }
  };
  struct frame_equal {
    bool operator()(const frame& a, const frame& b) const {
      return a.place == b.place && a.count == b.count && a.below == b.below;
    }
  };
  std::vector<frame> frames_;
  std::vector<std::uint32_t> depth_;  // of each set
  std::unordered_map<frame, Frame, frame_hash, frame_equal> frame_ids_;
  std::vector<Frame> members_;
  std::vector<std::pair<std::size_t, std::size_t>> sets_;  // ranges of members_
  std::unordered_multimap<std::uint64_t, Set> set_ids_;
  std::unordered_map<std::uint64_t, Set> unions_;
  std::vector<configuration> configurations_;
  std::unordered_map<std::uint64_t, Configuration> configuration_ids_;
  std::vector<Configuration> steps_;  // of each configuration one for each class of bytes
};

#if HFT_DEFINES(TEXT)

// Makes states of expressions.
struct GrammarAutomaton::builder {
  using Expression = Grammar::Expression;
  using Kind = Grammar::Kind;

  GrammarAutomaton& a;
  const Grammar& g;
  const CodePoints* writable;
  std::vector<bool> nullable{}, possible{};   // of rules
  std::vector<std::int8_t> possible_parts{};  // of expressions: -1 for not known yet
  std::vector<std::uint32_t> sizes{};         // of expressions: 0 for not known yet
  std::size_t edges = 0;
  std::map<std::pair<std::vector<unsigned char>, std::uint32_t>, std::uint32_t> tails{};

  CodePoints set_of(const Grammar::Node& n) const { return writable ? g.chars_of(n) & *writable : g.chars_of(n); }

  bool is_possible(Expression e, const std::vector<bool>& rules) const {
    const auto& n = g.node(e);
    switch (n.kind) {
      case Kind::text: {
        if (!writable) return true;
        const std::string& t = g.text_of(n);
        for (std::size_t i = 0; i < t.size();) {
          const auto lead = static_cast<unsigned char>(t[i++]);
          char32_t c = lead < 0x80 ? lead : lead & (lead >= 0xf0 ? 0x07 : lead >= 0xe0 ? 0x0f : 0x1f);
          while (i < t.size() && (static_cast<unsigned char>(t[i]) & 0xc0) == 0x80)
            c = c << 6 | (static_cast<unsigned char>(t[i++]) & 0x3f);
          if (!writable->contains(c)) return false;
        }
        return true;
      }
      case Kind::chars:
        return !set_of(n).empty();
      case Kind::sequence:
        for (const auto part : n.parts)
          if (!is_possible(part, rules)) return false;
        return true;
      case Kind::choice:
        for (const auto part : n.parts)
          if (is_possible(part, rules)) return true;
        return false;
      case Kind::repeat:
        return n.min == 0 || is_possible(Expression(n.first), rules);
      case Kind::rule:
        return rules[n.first];
    }
    return false;
  }
  bool is_possible(Expression e) {
    auto& known = possible_parts[std::size_t(e)];
    if (known < 0) known = is_possible(e, possible);
    return known != 0;
  }

  std::uint32_t new_state() {
    if (a.states_.size() >= max_states)
      throw value_error(g.where(), "grammar", detail::joined("at most ", max_states, " states"), "more");
    a.states_.emplace_back();
    return std::uint32_t(a.states_.size() - 1);
  }
  void add_edge(std::uint32_t from, unsigned first, unsigned last, std::uint32_t to) {
    if (++edges > max_edges)
      throw value_error(g.where(), "grammar", detail::joined("at most ", max_edges, " edges"), "more");
    a.states_[from].edges.push_back({static_cast<unsigned char>(first), static_cast<unsigned char>(last), to});
  }

  void run() {
    g.check();
    nullable = g.nullable_rules();
    possible = g.least([this](Expression e, const std::vector<bool>& known) { return is_possible(e, known); });
    possible_parts.assign(g.size(), -1);
    sizes.assign(g.size(), 0);
    if (!possible[std::size_t(g.root())])
      throw value_error(g.where(), g.contradiction.empty() ? "grammar" : g.contradiction, "a text that satisfies it",
                        writable ? "none that the vocabulary can write" : "none");
    for (std::size_t r = 0; r < g.rules().size(); ++r) a.units_.push_back(new_unit(nullable[r]));
    for (std::size_t r = 0; r < g.rules().size(); ++r)
      if (possible[r]) write(g.rules()[r].body, a.units_[r].start, a.units_[r].end);
    a.root_unit_ = std::uint32_t(g.root());
  }
  unit new_unit(bool is_nullable) {
    const unit u{new_state(), new_state(), none, is_nullable};
    a.states_[u.end].final = true;
    return u;
  }

  /// About how many states an expression becomes.
  std::uint32_t size(Expression e) {
    if (sizes[std::size_t(e)]) return sizes[std::size_t(e)];
    constexpr std::uint64_t most = 1u << 30;
    const auto& n = g.node(e);
    std::uint64_t total = 1;
    if (n.kind == Kind::text) total += g.text_of(n).size();
    if (n.kind == Kind::chars) total += g.chars_of(n).ranges().size();
    for (const auto part : n.parts) total += size(part);
    if (n.kind == Kind::repeat) total += written_out(n) ? std::uint64_t(size(Expression(n.first))) * copies(n) : 1;
    return sizes[std::size_t(e)] = std::uint32_t(std::min(total, most));
  }
  static std::uint32_t copies(const Grammar::Node& n) {
    return std::max(1u, n.max == Grammar::unlimited ? n.min + 1 : n.max);
  }
  bool written_out(const Grammar::Node& n) {
    constexpr std::uint64_t worth_a_counter = 256;
    const std::uint32_t least = n.max == Grammar::unlimited ? n.min : n.max;
    return least <= 1 || std::uint64_t(size(Expression(n.first))) * copies(n) <= worth_a_counter;
  }

  /// Paths from a state to another that read what an expression allows.
  void write(Expression e, std::uint32_t from, std::uint32_t to) {
    if (!is_possible(e)) return;
    const auto& n = g.node(e);
    switch (n.kind) {
      case Kind::text: {
        const std::string& t = g.text_of(n);
        if (t.empty()) a.states_[from].free.push_back(to);
        for (std::size_t i = 0; i < t.size(); ++i) {
          const std::uint32_t next = i + 1 == t.size() ? to : new_state();
          add_edge(from, static_cast<unsigned char>(t[i]), static_cast<unsigned char>(t[i]), next);
          from = next;
        }
        break;
      }
      case Kind::chars:
        tails.clear();
        for (const CodePoints set = set_of(n); const auto& r : set.ranges()) write_range(r.first, r.last, from, to);
        break;
      case Kind::sequence: {
        if (n.parts.empty()) a.states_[from].free.push_back(to);
        for (std::size_t i = 0; i < n.parts.size(); ++i) {
          const std::uint32_t next = i + 1 == n.parts.size() ? to : new_state();
          write(n.parts[i], from, next);
          from = next;
        }
        break;
      }
      case Kind::choice:
        for (const auto part : n.parts) write(part, from, to);
        break;
      case Kind::repeat:
        write_repeat(n, from, to);
        break;
      case Kind::rule:
        a.states_[from].calls.push_back({n.first, to});
        break;
    }
  }

  void write_repeat(const Grammar::Node& n, std::uint32_t from, std::uint32_t to) {
    const Expression part{n.first};
    if (!is_possible(part)) {
      a.states_[from].free.push_back(to);  // no times
      return;
    }
    if (!written_out(n)) {
      const bool may_be_empty = g.nullable(part, nullable);
      unit u = new_unit(may_be_empty);
      write(part, u.start, u.end);
      a.units_.push_back(u);
      // Where the part may be empty, any smaller number of times does.
      counter c{std::uint32_t(a.units_.size() - 1), may_be_empty ? 0 : n.min, n.max, to, 0};
      const auto index = std::uint32_t(a.counters_.size());
      c.endless = n.max == Grammar::unlimited ? index : index + 1;
      a.counters_.push_back(c);
      if (c.endless != index) {
        c.max = Grammar::unlimited;
        a.counters_.push_back(c);
      }
      a.states_[from].calls.push_back({index | counter_bit, to});
      return;
    }
    for (std::uint32_t i = 0; i < n.min; ++i) {
      const std::uint32_t next = new_state();
      write(part, from, next);
      from = next;
    }
    if (n.max == Grammar::unlimited) {
      const std::uint32_t loop = new_state();
      a.states_[from].free.push_back(loop);
      write(part, loop, loop);
      a.states_[loop].free.push_back(to);
      return;
    }
    for (std::uint32_t i = n.min; i < n.max; ++i) {
      a.states_[from].free.push_back(to);
      const std::uint32_t next = new_state();
      write(part, from, next);
      from = next;
    }
    a.states_[from].free.push_back(to);
  }

  // The characters of a range as sequences of ranges of bytes: cut where the number of bytes changes, and then so that
  // all bytes but the first differing one are free. (Ken Thompson's utf8 ranges, as RE2 has them.)
  void write_range(char32_t first, char32_t last, std::uint32_t from, std::uint32_t to) {
    for (const char32_t limit : {0x7fu, 0x7ffu, 0xffffu})
      if (first <= limit && last > limit) {
        write_range(first, limit, from, to);
        write_range(limit + 1, last, from, to);
        return;
      }
    for (int i = 1; i < 4 && last > 0x7f; ++i) {
      const char32_t mask = (1u << (6 * i)) - 1;
      if ((first & ~mask) == (last & ~mask)) continue;
      if (first & mask) {
        write_range(first, first | mask, from, to);
        write_range((first | mask) + 1, last, from, to);
        return;
      }
      if ((last & mask) != mask) {
        write_range(first, (last & ~mask) - 1, from, to);
        write_range(last & ~mask, last, from, to);
        return;
      }
    }
    std::string low, high;
    detail::append_utf8(low, first);
    detail::append_utf8(high, last);
    // Equal endings of one set are one path.
    std::uint32_t target = to;
    std::vector<unsigned char> ending;
    for (std::size_t i = low.size() - 1; i > 0; --i) {
      const auto l = static_cast<unsigned char>(low[i]), h = static_cast<unsigned char>(high[i]);
      ending.push_back(l);
      ending.push_back(h);
      auto& known = tails[{ending, to}];
      if (known == 0) {
        known = new_state();
        add_edge(known, l, h, target);
      }
      target = known;
    }
    add_edge(from, static_cast<unsigned char>(low[0]), static_cast<unsigned char>(high[0]), target);
  }
};

HFT_INLINE GrammarAutomaton::GrammarAutomaton(const Grammar& grammar, const CodePoints* writable) {
  builder{*this, grammar, writable}.run();
  reached_.resize(states_.size());
  // Bytes that no edge tells apart are one class.
  std::array<bool, 257> begins{};
  for (const auto& s : states_)
    for (const auto& e : s.edges) begins[e.first] = begins[std::size_t(e.last) + 1] = true;
  for (std::size_t b = 0; b < 256; ++b) {
    if (b == 0 || begins[b]) byte_of_class_.push_back(static_cast<unsigned char>(b));
    class_of_[b] = std::uint16_t(byte_of_class_.size() - 1);
  }
  classes_ = byte_of_class_.size();
  put_order();
  forget();
}

// Units in an order in which each comes before those that it begins with: there is one, since nothing is left
// recursive.
HFT_INLINE void GrammarAutomaton::put_order() {
  std::vector<std::pair<std::uint32_t, std::size_t>> path;
  std::vector<bool> seen(units_.size(), false);
  std::uint32_t order = std::uint32_t(units_.size());
  const auto called = [&](const call& c) {
    return c.unit & counter_bit ? counters_[c.unit & ~counter_bit].unit : c.unit;
  };
  for (std::uint32_t root = 0; root < units_.size(); ++root) {
    if (seen[root]) continue;
    seen[root] = true;
    path.push_back({root, 0});
    while (!path.empty()) {
      const std::uint32_t u = path.back().first;
      const auto& calls = reached(units_[u].start).calls;
      if (path.back().second == calls.size()) {
        units_[u].order = --order;
        path.pop_back();
        continue;
      }
      const std::uint32_t next = called(calls[path.back().second++]);
      if (!seen[next]) seen[next] = true, path.push_back({next, 0});
    }
  }
}

HFT_INLINE void GrammarAutomaton::forget() {
  frames_.assign(1, {none, 0, no_frames});
  frame_ids_.clear();
  members_.assign(1, bottom);
  sets_ = {{0, 0}, {0, 1}};
  depth_ = {0, 0};
  set_ids_.clear();
  unions_.clear();
  configurations_.clear();
  configuration_ids_.clear();
  steps_.clear();
  intern({no_frames, false});  // dead
  start_ = close({{units_[root_unit_].start, only_bottom}}, {});
}

HFT_INLINE const GrammarAutomaton::reach& GrammarAutomaton::reached(std::uint32_t s) {
  if (reached_[s].known) return reached_[s];
  reach out;
  out.known = true;
  std::set<std::uint32_t> seen{s};
  std::vector<std::uint32_t> open{s};
  const auto visit = [&](std::uint32_t next) {
    if (seen.insert(next).second) open.push_back(next);
  };
  while (!open.empty()) {
    const state& at = states_[open.back()];
    if (!at.edges.empty()) out.reading.push_back(open.back());
    open.pop_back();
    out.final = out.final || at.final;
    for (const auto next : at.free) visit(next);
    for (const auto& c : at.calls) {
      out.calls.push_back(c);
      const bool skips = c.unit & counter_bit ? counters_[c.unit & ~counter_bit].min == 0 : units_[c.unit].nullable;
      if (skips) visit(c.next);
    }
  }
  return reached_[s] = std::move(out);
}

HFT_INLINE GrammarAutomaton::Frame GrammarAutomaton::frame_of(std::uint32_t place, std::uint32_t count, Set below) {
  const frame f{place, count, below};
  const auto known = frame_ids_.find(f);
  if (known != frame_ids_.end()) return known->second;
  frames_.push_back(f);
  return frame_ids_[f] = Frame(frames_.size() - 1);
}

HFT_INLINE GrammarAutomaton::Set GrammarAutomaton::intern_set(std::span<const Frame> sorted) {
  if (sorted.empty()) return no_frames;
  if (sorted.size() == 1 && sorted[0] == bottom) return only_bottom;
  std::uint64_t hash = 0xcbf29ce484222325u;
  std::uint32_t depth = 0;
  for (const Frame f : sorted) {
    hash = (hash ^ f) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 31;
    depth = std::max(depth, 1 + depth_[frames_[f].below]);
  }
  const auto known = set_ids_.equal_range(hash);
  for (auto at = known.first; at != known.second; ++at) {
    const auto there = frames(at->second);
    if (std::equal(there.begin(), there.end(), sorted.begin(), sorted.end())) return at->second;
  }
  if (depth > max_depth)
    throw value_error("grammar", "nesting", detail::joined("at most ", max_depth, " rules within each other"), "more");
  const std::size_t begin = members_.size();
  members_.insert(members_.end(), sorted.begin(), sorted.end());
  sets_.push_back({begin, members_.size()});
  depth_.push_back(depth);
  const Set made = Set(sets_.size() - 1);
  set_ids_.emplace(hash, made);
  return made;
}

HFT_INLINE GrammarAutomaton::Set GrammarAutomaton::unite(Set a, Set b) {
  if (a == b || b == no_frames) return a;
  if (a == no_frames) return b;
  if (a > b) std::swap(a, b);
  const auto known = unions_.find(pair_key(a, b));
  if (known != unions_.end()) return known->second;
  std::vector<Frame> out;
  // By index: what is interned meanwhile moves members_.
  const auto range_a = sets_[a], range_b = sets_[b];
  std::size_t i = range_a.first, k = range_b.first;
  while (i < range_a.second || k < range_b.second) {
    const auto key = [&](std::size_t at) { return pair_key(frames_[members_[at]].place, frames_[members_[at]].count); };
    if (k == range_b.second || (i < range_a.second && key(i) < key(k))) {
      out.push_back(members_[i++]);
    } else if (i == range_a.second || key(k) < key(i)) {
      out.push_back(members_[k++]);
    } else {
      const Frame x = members_[i++], y = members_[k++];
      const frame f = frames_[x];
      out.push_back(x == y ? x : frame_of(f.place, f.count, unite(f.below, frames_[y].below)));
    }
  }
  return unions_[pair_key(a, b)] = intern_set(out);
}

HFT_INLINE GrammarAutomaton::Configuration GrammarAutomaton::intern(configuration c) {
  const std::uint64_t key = std::uint64_t(c.tops) << 1 | std::uint64_t(c.ends);
  const auto known = configuration_ids_.find(key);
  if (known != configuration_ids_.end()) return known->second;
  configurations_.push_back(c);
  steps_.resize(configurations_.size() * classes_, unknown);
  return configuration_ids_[key] = Configuration(configurations_.size() - 1);
}

HFT_INLINE GrammarAutomaton::Configuration GrammarAutomaton::compute_step(Configuration c, unsigned byte_class) {
  const unsigned char byte = byte_of_class_[byte_class];
  std::vector<item> items;
  for (const Frame f : frames(configurations_[c].tops))
    for (const edge& e : states_[frames_[f].place].edges)
      if (byte >= e.first && byte <= e.last) items.push_back({e.to, frames_[f].below});
  const Configuration next = items.empty() ? dead : close(std::move(items), {});
  return steps_[c * classes_ + byte_class] = next;
}

// What can be read next, from places that were just reached. First units end, and what lies below goes on, all the way
// down; then units are called, all the way up. That a unit may end without having read anything is no matter of its
// own here: whoever calls it goes on without it (`reached`).
HFT_INLINE GrammarAutomaton::Configuration GrammarAutomaton::close(std::vector<item> items, std::vector<Frame> pops) {
  bool ends = false;
  std::map<std::uint32_t, Set> tops;  // by state
  std::map<std::uint32_t, std::pair<std::uint32_t, Set>>
      called;  // by order: the unit, and the frames that it returns to
  std::set<std::uint64_t> seen;
  std::set<Frame> ended;
  const auto call_unit = [&](std::uint32_t u, Set below) {
    auto& entry = called[units_[u].order];
    entry = {u, unite(entry.second, below)};
  };
  const auto count = [&](std::uint32_t index, std::uint32_t times, Set below) {
    const counter& c = counters_[index];
    const std::uint32_t kept = c.max == Grammar::unlimited ? std::min(times, c.min) : times;
    call_unit(c.unit, set_of(frame_of(index | counter_bit, kept, below)));
  };
  const auto begin = [&](const reach& r, Set below) {
    for (const auto s : r.reading) {
      auto& top = tops[s];
      top = unite(top, below);
    }
    for (const call& c : r.calls) {
      if (c.unit & counter_bit)
        count(c.unit & ~counter_bit, 0, below);
      else  // where nothing is left to do after it, there is nothing to return to
        call_unit(c.unit, states_[c.next].plain_end() ? below : set_of(frame_of(c.next, 0, below)));
    }
  };
  while (!items.empty() || !pops.empty()) {
    if (!pops.empty()) {
      const Frame f = pops.back();
      pops.pop_back();
      if (!ended.insert(f).second) continue;
      if (f == bottom) {
        ends = true;
        continue;
      }
      const frame at = frames_[f];
      if (!(at.place & counter_bit)) {
        items.push_back({at.place, at.below});
        continue;
      }
      const std::uint32_t index = at.place & ~counter_bit;
      const counter& c = counters_[index];
      if (at.count + 1 >= c.min) items.push_back({c.next, at.below});
      if (at.count + 1 < c.max) count(index, at.count + 1, at.below);
      continue;
    }
    const item it = items.back();
    items.pop_back();
    if (!seen.insert(pair_key(it.state, it.below)).second) continue;
    const reach& r = reached(it.state);
    begin(r, it.below);
    if (r.final) {
      const auto below = frames(it.below);
      pops.insert(pops.end(), below.begin(), below.end());
    }
  }
  while (!called.empty()) {
    const auto [u, below] = called.begin()->second;
    called.erase(called.begin());
    begin(reached(units_[u].start), below);
  }
  std::vector<Frame> out;
  for (const auto& [s, below] : tops) out.push_back(frame_of(s, 0, below));
  return intern({intern_set(out), ends});
}

HFT_INLINE std::pair<std::uint32_t, std::uint32_t> GrammarAutomaton::as_near(Frame f, std::uint32_t bytes) const {
  const frame& at = frames_[f];
  if (f == bottom || !(at.place & counter_bit)) return {at.place, at.count};
  std::uint32_t index = at.place & ~counter_bit, times = at.count;
  if (counters_[index].max != Grammar::unlimited) {
    if (counters_[index].max - times <= bytes) return {at.place, times};
    index = counters_[index].endless;
    times = std::min(times, counters_[index].min);
  }
  const std::uint32_t min = counters_[index].min;
  if (min - times > bytes + 1) times = min - bytes - 1;
  return {index | counter_bit, times};
}

#endif  // HFT_DEFINES

}  // namespace hft
