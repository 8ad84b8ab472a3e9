// Grammar: which texts are allowed. GBNF, regular expressions and JSON schemas are read into this one representation.
//
// A context-free grammar over characters: rules, each an expression of classes of characters, sequences, choices,
// counted repetitions and other rules. What uses it is automaton.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/grammar/code_points.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>

namespace hft {

class Grammar {
 public:
  /// An expression of this grammar, and a rule of it, by number.
  enum class Expression : std::uint32_t {};
  enum class Rule : std::uint32_t {};
  static constexpr std::uint32_t unlimited = 0xffffffff;
  // More than any honest grammar has; a hostile one fails here instead of filling memory.
  static constexpr std::size_t max_expressions = std::size_t{1} << 20;
  static constexpr std::uint32_t max_repetitions = 1u << 20;

  enum class Kind : std::uint8_t { text, chars, sequence, choice, repeat, rule };
  struct Node {
    Kind kind;
    std::uint32_t first = 0;          // text, chars: an index; repeat: what; rule: which
    std::uint32_t min = 0, max = 0;   // repeat
    std::vector<Expression> parts{};  // sequence, choice
  };
  struct NamedRule {
    std::string name;
    Expression body{};
    bool defined = false;
    std::uint32_t line = 0, column = 0;  // of its definition, or where it was first spoken of; 0 where there is none
  };

  /// `where` names the grammar in errors: "grammar.gbnf", "schema".
  explicit Grammar(std::string where = "grammar") : where_(std::move(where)) {}

  // Building.

  /// These bytes (UTF-8) and no others; empty: nothing is written.
  Expression text(std::string_view bytes);
  /// One character of a set; of an empty one there is none, so that no text satisfies it.
  Expression chars(CodePoints set);
  Expression sequence(std::vector<Expression> parts);
  /// One of the parts; of none there is no text that satisfies it.
  Expression choice(std::vector<Expression> parts);
  /// `part` from min to max times; max may be `unlimited`. Throws value_error for counts beyond max_repetitions.
  Expression repeat(Expression part, std::uint32_t min, std::uint32_t max);
  Expression optional(Expression part) { return repeat(part, 0, 1); }
  Expression nothing() { return choice({}); }
  Expression reference(Rule rule) { return add({Kind::rule, std::uint32_t(rule)}); }

  /// A rule that is yet to be defined.
  Rule declare(std::string name, std::uint32_t line = 0, std::uint32_t column = 0);
  void define(Rule rule, Expression body) {
    rules_[std::size_t(rule)].body = body;
    rules_[std::size_t(rule)].defined = true;
  }
  /// Whole texts are those of this rule.
  void set_root(Rule rule) { root_ = rule; }

  // Reading.

  const Node& node(Expression e) const { return nodes_[std::size_t(e)]; }
  const std::string& text_of(const Node& n) const { return texts_[n.first]; }
  const CodePoints& chars_of(const Node& n) const { return sets_[n.first]; }
  const std::vector<NamedRule>& rules() const { return rules_; }
  NamedRule& rule(Rule r) { return rules_[std::size_t(r)]; }
  Rule root() const { return root_; }
  const std::string& where() const { return where_; }
  std::size_t size() const { return nodes_.size(); }

  /// Why no text may satisfy it, as its reader knows: the first contradiction that it met. (automaton.hpp finds out
  /// whether that leaves anything.)
  std::string contradiction;

  /// For each rule, whether the empty text satisfies it.
  std::vector<bool> nullable_rules() const;
  /// The least set of rules for which holds(body, set) is true; adding to the set never makes it false.
  template <class Holds>
  std::vector<bool> least(Holds holds) const;
  bool nullable(Expression e, const std::vector<bool>& rules) const;

  /// Throws format_error for a rule that is not defined, and for one that begins with itself, by way of others or not
  /// (left recursion), with line and column where its reader gave them.
  void check() const;

 private:
  Expression add(Node node);
  void depth_first_check(std::size_t rule, const std::vector<bool>& nullable, std::vector<std::uint8_t>& seen) const;
  std::string place(const NamedRule& r) const;

  std::string where_;
  std::vector<Node> nodes_;
  std::vector<std::string> texts_;
  std::vector<CodePoints> sets_;
  std::vector<NamedRule> rules_;
  Rule root_{};
};

template <class Holds>
std::vector<bool> Grammar::least(Holds holds) const {
  std::vector<std::vector<std::uint32_t>> users(rules_.size());
  std::vector<std::uint32_t> open;  // those to look at, the last rules first: readers' rules mostly use later ones
  for (std::uint32_t r = 0; r < rules_.size(); ++r) {
    if (!rules_[r].defined) continue;
    open.push_back(r);
    std::vector<Expression> parts{rules_[r].body};
    while (!parts.empty()) {
      const Node& n = node(parts.back());
      parts.pop_back();
      if (n.kind == Kind::rule) users[n.first].push_back(r);
      if (n.kind == Kind::repeat) parts.push_back(Expression(n.first));
      parts.insert(parts.end(), n.parts.begin(), n.parts.end());
    }
  }
  std::vector<bool> known(rules_.size(), false);
  while (!open.empty()) {
    const std::uint32_t r = open.back();
    open.pop_back();
    if (known[r] || !holds(rules_[r].body, known)) continue;
    known[r] = true;
    open.insert(open.end(), users[r].begin(), users[r].end());
  }
  return known;
}

#if HFT_DEFINES(TEXT)

HFT_INLINE Grammar::Expression Grammar::add(Node node) {
  if (nodes_.size() >= max_expressions)
    throw value_error(where_, "grammar", detail::joined("at most ", max_expressions, " expressions"), "more");
  nodes_.push_back(std::move(node));
  return Expression(nodes_.size() - 1);
}

HFT_INLINE Grammar::Expression Grammar::text(std::string_view bytes) {
  texts_.emplace_back(bytes);
  return add({Kind::text, std::uint32_t(texts_.size() - 1)});
}

HFT_INLINE Grammar::Expression Grammar::chars(CodePoints set) {
  for (std::size_t i = sets_.size(); i > 0 && i + 16 > sets_.size(); --i)  // most classes come again soon
    if (sets_[i - 1] == set) return add({Kind::chars, std::uint32_t(i - 1)});
  sets_.push_back(std::move(set));
  return add({Kind::chars, std::uint32_t(sets_.size() - 1)});
}

HFT_INLINE Grammar::Expression Grammar::sequence(std::vector<Expression> parts) {
  if (parts.size() == 1) return parts[0];
  return add({Kind::sequence, 0, 0, 0, std::move(parts)});
}

HFT_INLINE Grammar::Expression Grammar::choice(std::vector<Expression> parts) {
  if (parts.size() == 1) return parts[0];
  return add({Kind::choice, 0, 0, 0, std::move(parts)});
}

HFT_INLINE Grammar::Expression Grammar::repeat(Expression part, std::uint32_t min, std::uint32_t max) {
  if (min > max_repetitions || (max != unlimited && max > max_repetitions))
    throw value_error(where_, "repetition", detail::joined("at most ", max_repetitions, " times"),
                      detail::joined(min > max_repetitions ? min : max));
  if (max < min) return nothing();
  if (min == 1 && max == 1) return part;
  if (max == 0) return text("");
  // (x{0,b}){c,d} is x{0,bd} and (x{1,b}){c,d} is x{c,bd}: counters within counters make automata large.
  const Node inner = node(part);
  if (inner.kind == Kind::repeat && inner.min <= 1) {
    const std::uint64_t times = std::uint64_t(inner.max) * max;
    const bool endless = inner.max == unlimited || max == unlimited;
    if (endless || times <= max_repetitions)
      return add({Kind::repeat, inner.first, inner.min == 0 ? 0 : min, endless ? unlimited : std::uint32_t(times)});
  }
  return add({Kind::repeat, std::uint32_t(part), min, max});
}

HFT_INLINE Grammar::Rule Grammar::declare(std::string name, std::uint32_t line, std::uint32_t column) {
  rules_.push_back({std::move(name), {}, false, line, column});
  return Rule(rules_.size() - 1);
}

HFT_INLINE bool Grammar::nullable(Expression e, const std::vector<bool>& rules) const {
  const Node& n = node(e);
  switch (n.kind) {
    case Kind::text:
      return text_of(n).empty();
    case Kind::chars:
      return false;
    case Kind::sequence:
      for (const auto part : n.parts)
        if (!nullable(part, rules)) return false;
      return true;
    case Kind::choice:
      for (const auto part : n.parts)
        if (nullable(part, rules)) return true;
      return false;
    case Kind::repeat:
      return n.min == 0 || nullable(Expression(n.first), rules);
    case Kind::rule:
      return rules[n.first];
  }
  return false;
}

HFT_INLINE std::vector<bool> Grammar::nullable_rules() const {
  return least([this](Expression body, const std::vector<bool>& known) { return nullable(body, known); });
}

HFT_INLINE std::string Grammar::place(const NamedRule& r) const {
  return r.line ? detail::cat(where_, ":", r.line, ":", r.column) : where_;
}

HFT_INLINE void Grammar::check() const {
  for (const NamedRule& r : rules_)
    if (!r.defined)
      throw format_error(place(r), detail::joined("rule ", detail::quote_text(r.name)), "a definition", "none");
  const auto nullable = nullable_rules();
  std::vector<std::uint8_t> seen(rules_.size(), 0);  // 1: on the way, 2: done
  for (std::size_t r = 0; r < rules_.size(); ++r)
    if (!seen[r]) depth_first_check(r, nullable, seen);
}

// Of every rule the rules that it may begin with; none of them may lead back.
HFT_INLINE void Grammar::depth_first_check(std::size_t root, const std::vector<bool>& nullable,
                                           std::vector<std::uint8_t>& seen) const {
  const auto begins_with = [&](std::size_t rule) {
    std::vector<std::uint32_t> out;
    std::vector<Expression> open{rules_[rule].body};
    while (!open.empty()) {
      const Node& n = node(open.back());
      open.pop_back();
      if (n.kind == Kind::rule) out.push_back(n.first);
      if (n.kind == Kind::choice) open.insert(open.end(), n.parts.begin(), n.parts.end());
      if (n.kind == Kind::repeat) open.push_back(Expression(n.first));
      if (n.kind == Kind::sequence)
        for (const auto part : n.parts) {
          open.push_back(part);
          if (!this->nullable(part, nullable)) break;
        }
    }
    return out;
  };
  struct visit {
    std::size_t rule;
    std::vector<std::uint32_t> rest;
  };
  std::vector<visit> path;
  const auto enter = [&](std::size_t rule) {
    seen[rule] = 1;
    path.push_back({rule, begins_with(rule)});
  };
  enter(root);
  while (!path.empty()) {
    if (path.back().rest.empty()) {
      seen[path.back().rule] = 2;
      path.pop_back();
      continue;
    }
    const std::size_t next = path.back().rest.back();
    path.back().rest.pop_back();
    if (seen[next] == 0)
      enter(next);
    else if (seen[next] == 1) {
      std::string cycle = rules_[next].name;
      std::size_t i = 0;
      while (path[i].rule != next) ++i;
      for (++i; i < path.size(); ++i) cycle += " -> " + rules_[path[i].rule].name;
      throw format_error(place(rules_[next]), detail::joined("rule ", detail::quote_text(rules_[next].name)),
                         "a rule that does not begin with itself",
                         detail::joined("left recursion: ", cycle, " -> ", rules_[next].name));
    }
  }
}

#endif  // HFT_DEFINES

}  // namespace hft
