// GBNF, the grammars of llama.cpp: rules such as `root ::= "yes" | [0-9]+ sign?`, whole texts being those of `root`.
// (llama.cpp, grammars/README.md and llama_grammar_parser)
#pragma once
#include <string>
#include <string_view>

#include <hft/grammar/grammar.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(TEXT)
#include <map>

#include <hft/grammar/text_reader.hpp>
#endif

namespace hft {

/// The grammar of a GBNF text. `where` names it in errors, which say line and column. Throws format_error for text that
/// is no GBNF, a rule that is used and not defined, no rule `root`, and left recursion; unsupported_error for the
/// elements `<token>` of newer llama.cpp; value_error beyond the limits of Grammar. Of a rule that is defined twice the
/// last definition counts, as there. Names may have `_`, which llama.cpp's may not.
Grammar grammar_from_gbnf(std::string_view text, const std::string& where = "grammar");

#if HFT_DEFINES(TEXT)

namespace grammars {

class gbnf_reader : text_reader {
 public:
  gbnf_reader(std::string_view text, const std::string& where) : text_reader(text, where, "GBNF"), grammar_(where) {}

  Grammar read() {
    skip(true);
    while (!done()) read_rule();
    const auto root = names_.find("root");
    if (root == names_.end()) throw format_error(where_, "rule 'root'", "a definition", "none");
    grammar_.set_root(root->second);
    grammar_.check();
    return std::move(grammar_);
  }

 private:
  using Expression = Grammar::Expression;
  static constexpr int max_nesting = 200;

  /// Spaces and comments, and line ends where they mean nothing.
  void skip(bool lines) {
    while (!done()) {
      const char c = peek();
      if (c == '#')
        while (!done() && peek() != '\n' && peek() != '\r') ++at_;
      else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r')))
        ++at_;
      else
        return;
    }
  }

  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  }
  /// The rule whose name stands here.
  Grammar::Rule rule() {
    const std::size_t begin = at_;
    while (!done() && is_word(peek())) ++at_;
    if (at_ == begin) fail("a name");
    std::string name(text_.substr(begin, at_ - begin));
    const auto known = names_.find(name);
    if (known != names_.end()) return known->second;
    const auto place = position(begin);
    const auto rule = grammar_.declare(name, place.first, place.second);
    names_.emplace(std::move(name), rule);
    return rule;
  }

  void read_rule() {
    const auto defined_at = position(at_);
    const auto defined = rule();
    skip(false);
    if (!take("::=")) fail("'::='");
    skip(true);
    const Expression body = choice(false);
    grammar_.define(defined, body);
    grammar_.rule(defined).line = defined_at.first;
    grammar_.rule(defined).column = defined_at.second;
    if (!done() && peek() != '\n' && peek() != '\r') fail("the end of the line");
    skip(true);
  }

  Expression choice(bool nested) {
    if (++nesting_ > max_nesting) fail(detail::cat("at most ", max_nesting, " parentheses within each other"), "more");
    std::vector<Expression> parts{sequence(nested)};
    while (take('|')) {
      skip(true);
      parts.push_back(sequence(nested));
    }
    --nesting_;
    return grammar_.choice(std::move(parts));
  }

  Expression sequence(bool nested) {
    std::vector<Expression> parts;
    for (; !done(); skip(nested)) {
      const char c = peek();
      if (c == '"') {
        parts.push_back(literal());
      } else if (c == '[') {
        parts.push_back(char_class());
      } else if (is_word(c)) {
        parts.push_back(grammar_.reference(rule()));
      } else if (take('(')) {
        skip(true);
        parts.push_back(choice(true));
        if (!take(')')) fail("')'");
      } else if (take('.')) {
        parts.push_back(grammar_.chars(CodePoints::all()));
      } else if (c == '*' || c == '+' || c == '?' || c == '{') {
        if (parts.empty()) fail("something to repeat");
        parts.back() = repetition(parts.back());
      } else if (c == '<' || c == '!') {
        refuse("GBNF: a token as an element");
      } else {
        break;
      }
    }
    return grammar_.sequence(std::move(parts));
  }

  Expression literal() {
    ++at_;
    std::string bytes;
    while (!take('"')) {
      if (done()) fail("'\"'");
      detail::append_utf8(bytes, character());
    }
    return grammar_.text(bytes);
  }

  Expression char_class() {
    ++at_;
    const bool negated = take('^');
    CodePoints set;
    while (!take(']')) {
      if (done()) fail("']'");
      const char32_t first = character();
      char32_t last = first;
      if (peek() == '-' && at_ + 1 < text_.size() && peek(1) != ']') {
        ++at_;
        last = character();
        if (last < first) fail("a range from the smaller to the larger character", "the other way");
      }
      set.add(first, last);
    }
    return grammar_.chars(negated ? set.complement() : std::move(set));
  }

  char32_t character() {
    if (!take('\\')) return take_character();
    if (take('n')) return '\n';
    if (take('r')) return '\r';
    if (take('t')) return '\t';
    for (const char c : {'\\', '"', '[', ']'})
      if (take(c)) return char32_t(c);
    const int digits = take('x') ? 2 : take('u') ? 4 : take('U') ? 8 : 0;
    if (digits == 0) fail("an escape \\n \\r \\t \\\\ \\\" \\[ \\] \\x \\u \\U");
    const char32_t code = take_hex(digits);
    if (code >= 0xd800 && code <= 0xdfff) fail("a character", "half of a surrogate pair");
    return code;
  }

  Expression repetition(Expression part) {
    if (take('*')) return grammar_.repeat(part, 0, Grammar::unlimited);
    if (take('+')) return grammar_.repeat(part, 1, Grammar::unlimited);
    if (take('?')) return grammar_.optional(part);
    ++at_;
    skip(true);
    const std::uint32_t min = peek() == ',' ? 0 : take_number(Grammar::max_repetitions);
    std::uint32_t max = min;
    skip(true);
    if (take(',')) {
      skip(true);
      max = peek() == '}' ? Grammar::unlimited : take_number(Grammar::max_repetitions);
      skip(true);
    }
    if (max < min) fail("a second number that is no smaller than the first", "a smaller one");
    if (!take('}')) fail("'}'");
    return grammar_.repeat(part, min, max);
  }

  Grammar grammar_;
  int nesting_ = 0;
  std::map<std::string, Grammar::Rule, std::less<>> names_;
};

}  // namespace grammars

HFT_INLINE Grammar grammar_from_gbnf(std::string_view text, const std::string& where) {
  return grammars::gbnf_reader(text, where).read();
}

#endif  // HFT_DEFINES

}  // namespace hft
