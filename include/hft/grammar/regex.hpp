// Regular expressions as grammars: what Python's re and ECMA-262 have in common and a regular language can say.
#pragma once
#include <string>
#include <string_view>

#include <hft/grammar/grammar.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(TEXT)
#include <functional>
#include <utility>
#include <vector>

#include <hft/grammar/text_reader.hpp>
#endif

namespace hft {

/// The texts that match as a whole, as re.fullmatch has it. Where the dialects differ a text is one of both: `\d`, `\w`
/// and `\s` are of ASCII, as are the characters that `\D`, `\W` and `\S` leave out; `.` is no end of a line. Greedy and
/// lazy repetitions allow the same. Throws format_error with line and column for what is no expression;
/// unsupported_error for lookaround, backreferences, word boundaries, anchors within the expression, flags, atomic
/// groups and properties (`\p`); value_error beyond the limits of Grammar.
Grammar grammar_from_regex(std::string_view pattern, const std::string& where = "regex");

#if HFT_DEFINES(TEXT)

namespace grammars {

/// Reads an expression into a grammar that has other parts, too.
class regex_reader : text_reader {
 public:
  using Expression = Grammar::Expression;
  using characters = std::function<Expression(const CodePoints&)>;

  /// chars: what the characters of a set are written as.
  regex_reader(Grammar& grammar, std::string_view pattern, const std::string& where, characters chars)
      : text_reader(pattern, where, "regular expression"), grammar_(grammar), chars_(std::move(chars)) {}

  /// The texts that match as a whole or, with `search`, those in which something matches.
  Expression read(bool search) {
    std::vector<Expression> ways;
    do {
      bool from_begin = false, to_end = false;
      while (take('^')) from_begin = true;
      Expression part = sequence(true);
      while (take('$')) to_end = true;
      if (!done() && peek() != '|') fail("the end of the expression, or '|'");
      if (search) {
        const Expression any = grammar_.repeat(chars_(CodePoints::all()), 0, Grammar::unlimited);
        std::vector<Expression> whole;
        if (!from_begin) whole.push_back(any);
        whole.push_back(part);
        if (!to_end) whole.push_back(any);
        part = grammar_.sequence(std::move(whole));
      }
      ways.push_back(part);
    } while (take('|'));
    return grammar_.choice(std::move(ways));
  }

 private:
  static constexpr int max_nesting = 200;

  Expression choice() {
    if (++nesting_ > max_nesting) fail(detail::cat("at most ", max_nesting, " groups within each other"), "more");
    std::vector<Expression> ways;
    do ways.push_back(sequence(false));
    while (take('|'));
    --nesting_;
    return grammar_.choice(std::move(ways));
  }

  Expression sequence(bool outermost) {
    std::vector<Expression> parts;
    while (!done() && peek() != '|' && peek() != ')') {
      if (peek() == '$' && outermost) break;
      parts.push_back(repeated(atom()));
    }
    return grammar_.sequence(std::move(parts));
  }

  Expression atom() {
    switch (peek()) {
      case '(':
        return group();
      case '[':
        return chars_(char_class());
      case '.':
        ++at_;
        return chars_(CodePoints{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.complement());
      case '\\': {
        CodePoints set;
        escape(set, false);
        return chars_(set);
      }
      case '^':
      case '$':
        refuse("regular expression: an anchor within it");
      case '*':
      case '+':
      case '?':
        fail("something to repeat");
      case '{':
        if (counts()) fail("something to repeat");
        break;
      default:
        break;
    }
    const char32_t c = take_character();
    return chars_(CodePoints{{c, c}});
  }

  Expression group() {
    ++at_;
    if (take('?')) {
      if (take("P<") || (peek() == '<' && peek(1) != '=' && peek(1) != '!')) {
        take('<');
        while (!done() && peek() != '>') ++at_;
        if (!take('>')) fail("'>'");
      } else if (!take(':')) {
        refuse("regular expression: lookaround, flags, or another group that is not (?:...) or (?<name>...)");
      }
    }
    const Expression inner = choice();
    if (!take(')')) fail("')'");
    return inner;
  }

  bool counts() const { return peek() == '{' && ((peek(1) >= '0' && peek(1) <= '9') || peek(1) == ','); }
  Expression repeated(Expression part) {
    std::uint32_t min = 0, max = Grammar::unlimited;
    if (take('+')) {
      min = 1;
    } else if (take('?')) {
      max = 1;
    } else if (counts()) {
      ++at_;
      min = max = take_number(Grammar::max_repetitions);  // {,n} is a text in ECMA-262
      if (take(',')) max = peek() == '}' ? Grammar::unlimited : take_number(Grammar::max_repetitions);
      if (max < min) fail("a second number that is no smaller than the first", "a smaller one");
      if (!take('}')) fail("'}'");
    } else if (!take('*')) {
      return part;
    }
    take('?');  // lazy
    if (peek() == '+') refuse("regular expression: a possessive repetition");
    if (peek() == '*' || peek() == '?' || counts()) fail("one repetition", "another behind it");
    return grammar_.repeat(part, min, max);
  }

  static CodePoints digits() { return {{'0', '9'}}; }
  static CodePoints words() { return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}; }
  static CodePoints spaces() { return {{'\t', '\r'}, {' ', ' '}}; }

  /// Adds what an escape stands for; true where it is one character, which may begin a range.
  bool escape(CodePoints& set, bool in_class) {
    ++at_;
    if (done()) fail("a character behind '\\'");
    const char c = peek();
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter) {
      last_ = take_character();
      set.add(last_);
      return true;
    }
    ++at_;
    const auto all = [&](const CodePoints& s) {
      set.add(s);
      return false;
    };
    const auto one = [&](char32_t code) {
      last_ = code;
      set.add(code);
      return true;
    };
    switch (c) {
      case 'd':
        return all(digits());
      case 'D':
        return all(digits().complement());
      case 'w':
        return all(words());
      case 'W':
        return all(words().complement());
      case 's':
        return all(spaces());
      case 'S':
        return all(spaces().complement());
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case '0':
        if (peek() >= '0' && peek() <= '9') break;
        return one(0);
      case 'x':
        return one(take_hex(2));
      case 'u': {
        char32_t code;
        if (take('{')) {
          code = 0;
          do code = code << 4 | take_hex(1);
          while (peek() != '}' && code <= CodePoints::largest >> 4);
          if (!take('}')) fail("'}'");
        } else {
          code = take_hex(4);
          if (code >= 0xd800 && code < 0xdc00 && take("\\u")) {
            const char32_t low = take_hex(4);
            if (low < 0xdc00 || low > 0xdfff) fail("the other half of a surrogate pair", "another character");
            code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
          }
        }
        if (code >= 0xd800 && code <= 0xdfff) fail("a character", "half of a surrogate pair");
        return one(code);
      }
      case 'b':
        if (in_class) return one('\b');
        [[fallthrough]];
      default:
        break;
    }
    at_ -= 2;
    refuse(detail::cat("regular expression: the escape ", detail::quote_text(text_.substr(at_, 2))));
  }

  CodePoints char_class() {
    ++at_;
    const bool negated = take('^');
    if (peek() == ']') fail("a class that is not empty");  // to Python a ']' in it, to ECMA-262 its end
    CodePoints set;
    while (!take(']')) {
      if (done()) fail("']'");
      const auto member = [&] {
        if (peek() == '\\') return escape(set, true);
        last_ = take_character();
        set.add(last_);
        return true;
      };
      const bool one = member();
      if (peek() != '-' || peek(1) == ']' || at_ + 1 >= text_.size()) continue;
      ++at_;
      const char32_t first = last_;
      if (!one || !member()) fail("a range between two characters", "a class");
      if (last_ < first) fail("a range from the smaller to the larger character", "the other way");
      set.add(first, last_);
    }
    return negated ? set.complement() : set;
  }

  Grammar& grammar_;
  characters chars_;
  int nesting_ = 0;
  char32_t last_ = 0;
};

}  // namespace grammars

HFT_INLINE Grammar grammar_from_regex(std::string_view pattern, const std::string& where) {
  Grammar g(where);
  const auto root = g.declare("root");
  g.define(root,
           grammars::regex_reader(g, pattern, where, [&](const CodePoints& set) { return g.chars(set); }).read(false));
  g.set_root(root);
  return g;
}

#endif  // HFT_DEFINES

}  // namespace hft
