// Regular expressions written for Oniguruma, as tokenizer.json has them, rewritten for PCRE2.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/utf8.hpp>
#include <hft/tokenizers/pre_tokenizers/lookbehind.hpp>
#include <hft/tokenizers/unicode.hpp>
#include <hft/tokenizers/unicode_runs.hpp>

namespace hft::detail {

/// Rewrites what the two read differently: classes within classes and `&&`, options ((?m) is PCRE2's (?s)), repeated
/// repetitions, escapes, \s, \w and \b, properties (Oniguruma's Unicode is younger than some PCRE2's). What is left of
/// a difference: a character that folds to several (U+00DF and ss) is equal to itself only.
class oniguruma_to_pcre2 {
 public:
  /// Throws unsupported_error, naming `where`, for what PCRE2 has not. What is no expression it mostly leaves to PCRE2.
  static std::string rewrite(std::string_view pattern, std::string_view where) {
    if (!valid_utf8(pattern)) throw format_error(where, "regular expression", "UTF-8");
    oniguruma_to_pcre2 r(pattern, where);
    r.expression();
    return std::move(r.out_);
  }

 private:
  struct group {
    std::size_t start;     // in out_
    std::size_t to_close;  // groups that (?i) opened around it
    bool extended;
  };
  static constexpr std::size_t nothing = std::string::npos;
  // What untrusted expressions may cost.
  static constexpr std::size_t max_size = std::size_t{1} << 20, max_depth = 50, max_repetitions = 20;

  oniguruma_to_pcre2(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

  bool done() const { return i_ >= in_.size(); }
  char peek(std::size_t ahead = 0) const { return i_ + ahead < in_.size() ? in_[i_ + ahead] : '\0'; }
  bool next_is(std::string_view s) const { return in_.substr(i_).starts_with(s); }
  bool take(std::string_view s) {
    if (!next_is(s)) return false;
    i_ += s.size();
    return true;
  }
  /// All up to and with `last`, or to the end.
  std::string_view take_through(char last) {
    const auto text = in_.substr(i_, in_.find(last, i_) == nothing ? nothing : in_.find(last, i_) + 1 - i_);
    i_ += text.size();
    return text;
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    throw unsupported_error(where_, joined("regular expression with ", what, " before byte ", i_), "what PCRE2 has");
  }
  [[noreturn]] void invalid(std::string_view expected) const {
    throw format_error(where_, joined("invalid regular expression at byte ", i_), expected);
  }

  void expression() {
    while (!done()) {
      if (out_.size() > max_size) unsupported("so many parts");
      const char c = peek();
      if (extended_ && (c == ' ' || (c >= '\t' && c <= '\r'))) {
        ++i_;
      } else if (extended_ && c == '#') {
        take_through('\n');
      } else if (c == '(') {
        open();
      } else if (c == ')') {
        close();
      } else if (c == '*' || c == '+' || c == '?' || (c == '{' && interval())) {
        repetition();
      } else if (c == '|' || c == '^' || c == '$') {
        start_atom(c == '|' ? nothing : out_.size());
        out_ += in_[i_++];
      } else {
        start_atom(out_.size());
        if (c == '.') {
          out_ += in_[i_++];
        } else if (c == '[') {
          out_ += bracket(0);
        } else if (c == '\\') {
          ++i_;
          escape();
        } else {
          out_ += literal(character());
        }
      }
    }
    out_.append(to_close_, ')');
  }

  void start_atom(std::size_t at) { atom_ = at, repetitions_ = 0; }

  void open() {
    if (next_is("(*")) unsupported("(*");
    if (next_is("(?#")) {
      take_through(')');
      return;
    }
    if (const char c = peek(2); next_is("(?") && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-'))
      return options();
    push();
    ++i_;
    out_ += '(';
    if (!take("?")) return;
    out_ += '?';
    const char c = peek();
    if (c == '<' && peek(1) != '=' && peek(1) != '!') {  // a name
      out_ += take_through('>');
    } else if (c == '<') {
      out_ += in_.substr(i_, 2);
      i_ += 2;
    } else if (c == ':' || c == '=' || c == '!' || c == '>') {
      out_ += in_[i_++];
    } else {
      unsupported("such a group");
    }
  }

  // (?i) lasts to the end of its group, over all alternatives: a(?i)b|c is a(?i:b|c).
  void options() {
    i_ += 2;
    std::string set;
    bool on = true, extended = extended_;
    for (; peek() != ')' && peek() != ':'; ++i_) {
      const char c = peek();
      if (c == 'x') {
        extended = on;
      } else if (c == 'm' || c == 'i' || (c == '-' && on)) {
        set += c == 'm' ? 's' : c;
        on = on && c != '-';
      } else {
        unsupported("such options");
      }
    }
    if (in_[i_++] == ':') {
      push();
    } else {
      ++to_close_;
      start_atom(nothing);
    }
    extended_ = extended;
    out_ += cat("(?", set, ":");
  }

  void push() {
    groups_.push_back({out_.size(), to_close_, extended_});
    to_close_ = 0;
    start_atom(nothing);
  }
  void close() {
    ++i_;
    out_.append(to_close_ + 1, ')');
    to_close_ = 0;
    if (groups_.empty()) return;  // one too many, as PCRE2 will say
    const group g = groups_.back();
    groups_.pop_back();
    expand_lookbehind(g.start);
    to_close_ = g.to_close, extended_ = g.extended;
    start_atom(g.start);
  }

  // The group that was just closed starts at `start` in out_.
  void expand_lookbehind(std::size_t start) {
    const std::string_view all = std::string_view(out_).substr(start);
    if (!all.starts_with("(?<=") && !all.starts_with("(?<!")) return;
    bool refers = false;
    for (std::size_t i = 0; i + 1 < in_.size(); i += in_[i] == '\\' ? 2 : 1)
      refers |= in_[i] == '\\' && (in_[i + 1] == 'k' || in_[i + 1] == 'g' || (in_[i + 1] >= '1' && in_[i + 1] <= '9'));
    std::string alternatives;
    switch (lookbehind::expand(all.substr(4, all.size() - 5), refers, alternatives)) {
      case lookbehind::outcome::fixed:
        return;
      case lookbehind::outcome::unsupported:
        unsupported("a lookbehind of such varying length");
      case lookbehind::outcome::expanded:
        out_.replace(start + 4, out_.size() - start - 5, alternatives);
    }
  }

  // Whether {n}, {n,}, {,m} or {n,m} is next; what else starts with { is text.
  bool interval() const {
    std::size_t k = i_ + 1, digits = 0;
    const auto number = [&] {
      for (; k < in_.size() && in_[k] >= '0' && in_[k] <= '9'; ++k) ++digits;
    };
    number();
    if (k < in_.size() && in_[k] == ',') ++k, number();
    return digits > 0 && digits < 16 && k < in_.size() && in_[k] == '}';
  }

  void repetition() {
    if (atom_ == nothing) invalid("something to repeat");
    if (repetitions_++ > 0) {  // what is repeated again is a group
      if (repetitions_ > max_repetitions) unsupported("so many repetitions of one thing");
      out_.insert(atom_, "(?:");
      out_ += ')';
    }
    if (peek() != '{') {
      out_ += in_[i_++];
      if (peek() == '?' || peek() == '+') out_ += in_[i_++];
      return;
    }
    const auto body = take_through('}').substr(1);
    const std::size_t comma = body.find(',');
    if (comma == nothing) {  // a sign after {n} or {n,m} repeats again, but for the ? of {n,m}
      out_ += cat("{", body);
      return;
    }
    std::string low(body.substr(0, comma)), high(body.substr(comma + 1, body.size() - comma - 2));
    if (low.empty()) low = "0";
    const bool swapped = !high.empty() && std::stoull(low) > std::stoull(high);
    if (swapped) std::swap(low, high);  // and possessive
    out_ += cat("{", low, ",", high, swapped ? "}+" : "}");
    if (!swapped && take("?")) out_ += '?';
  }

  // What stands after a backslash, outside of a class.
  void escape() {
    bool negated = false;
    if (const auto members = class_escape(negated, true); !members.empty()) {
      out_ += cat(negated ? "[^" : "[", members, "]");
      return;
    }
    const char c = peek();
    if (c == 'b' || c == 'B') {
      ++i_;
      const std::string word = cat("[", words(true), "])");
      const bool at_edge = c == 'b';
      out_ += cat("(?:(?<=", word, at_edge ? "(?!" : "(?=", word, "|(?<!", word, at_edge ? "(?=" : "(?!", word, ")");
    } else if (c == 'O') {
      ++i_;
      out_ += "(?s:.)";
    } else if (c == 'N') {
      ++i_;
      out_ += "[^\\n]";
    } else if (c == 'k' || c == 'g') {
      out_ += '\\';
      out_ += take_through('>');
    } else if (c >= '1' && c <= '9') {  // a back reference; where there is no such group both read it as octal
      out_ += '\\';
      while (peek() >= '0' && peek() <= '9') out_ += in_[i_++];
    } else if (c != '\0' && std::string_view("AZzGKRX").find(c) != nothing) {
      out_ += '\\';
      out_ += in_[i_++];
    } else if (c == 'y' || c == 'Y') {
      unsupported(cat("\\", c));
    } else {
      out_ += literal(escaped_character());
    }
  }

  // Members of \s, \w, \d, \h or \p{..}, after the backslash; empty where it is none of them.
  std::string class_escape(bool& negated, bool outside) {
    const char c = peek();
    if ((c == 'p' || c == 'P') && peek(1) == '{') {
      ++i_;
      negated = c == 'P';
      return property(take_through('}'), negated);
    }
    std::string members;
    switch (c) {
      case 's':
      case 'S':
        members = spaces;
        break;
      case 'w':
      case 'W':
        members = words(outside);
        break;
      case 'd':
      case 'D':
        members = category("Nd");
        break;
      case 'h':
      case 'H':
        members = "0-9A-Fa-f";
        break;
      default:
        return members;
    }
    ++i_;
    negated = c < 'a';
    return members;
  }

  // The character that stands here, or after the backslash that was just read.
  char32_t character() {
    if (done()) invalid("a character");
    unsigned n;
    const char32_t c = unicode::decode(in_.data() + i_, n);
    i_ += n;
    return c;
  }
  char32_t escaped_character() {
    if (done()) invalid("a character after \\");
    switch (const char c = in_[i_++]) {
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'a':
        return '\a';
      case 'e':
        return 0x1b;
      case 'c':
        return character() & 0x1f;
      case 'u':
        return number(16, 4);
      case 'o':
        if (!take("{")) return 'o';
        return braced_number(8);
      case 'x':
        if (take("{")) return braced_number(16);
        if (const char32_t byte = number(16, 2); byte < 0x80) return byte;
        unsupported("bytes of characters");
      case 'C':
      case 'M':
        if (peek() == '-') unsupported(cat("\\", c, "-"));
        return char32_t(c);
      default:
        --i_;
        if (c >= '0' && c <= '7') return number(8, 3);
        return character();
    }
  }
  char32_t number(unsigned base, int most_digits) {
    char32_t n = 0;
    for (; most_digits > 0; --most_digits, ++i_) {
      const auto digit = digit_value(peek());
      if (digit >= base) break;
      n = n * base + digit;
    }
    return n;
  }
  char32_t braced_number(unsigned base) {
    const char32_t n = number(base, 8);
    if (!take("}")) invalid("}");
    return n;
  }
  static unsigned digit_value(char c) {
    return c >= '0' && c <= '9'   ? unsigned(c - '0')
           : c >= 'a' && c <= 'f' ? unsigned(c - 'a' + 10)
           : c >= 'A' && c <= 'F' ? unsigned(c - 'A' + 10)
                                  : 99;
  }
  static std::string literal(char32_t c) {
    const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (alphanumeric) return std::string(1, char(c));
    if (c > ' ' && c < 0x7f) return cat("\\", char(c));
    return code(c);
  }
  static std::string code(char32_t c) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string hex;
    do hex.insert(hex.begin(), digits[c & 15]);
    while (c >>= 4);
    return cat("\\x{", hex, "}");
  }

  /// The class that starts here, as an expression for one character. PCRE2's classes are flat and know no
  /// intersection; alternatives and lookaheads say the same.
  std::string bracket(std::size_t depth) {
    if (depth > max_depth) unsupported("classes so deep");
    ++i_;
    const bool negated = take("^");
    std::vector<std::string> both;  // operands of &&
    std::string members;            // of the current operand: in one flat class,
    std::vector<std::string> more;  // and as expressions of their own
    const auto operand = [&] {
      std::string one = members.empty() ? "" : cat("[", members, "]");
      for (const auto& m : more) one += cat(one.empty() ? "" : "|", m);
      if (one.empty()) return cat("(?!)");
      return more.size() + !members.empty() > 1 ? cat("(?:", one, ")") : one;
    };
    for (bool first = true;; first = false) {
      if (done()) invalid("]");
      if (members.size() > max_size) unsupported("so many parts");
      if (!first && take("]")) break;
      if (take("&&")) {
        both.push_back(operand());
        members.clear();
        more.clear();
        continue;
      }
      if (posix_bracket(members, more)) continue;
      if (peek() == '[') {
        auto inner = bracket(depth + 1);
        if (inner[0] == '[' && inner[1] != '^') {  // flat: its members are members here
          members.append(inner, 1, inner.size() - 2);
        } else {
          more.push_back(std::move(inner));
        }
        continue;
      }
      bool not_these = false;
      char32_t low;
      if (take("\\")) {
        if (const auto these = class_escape(not_these, false); !these.empty()) {
          if (not_these) {
            more.push_back(cat("[^", these, "]"));
          } else {
            members += these;
          }
          continue;
        }
        low = take("b") ? U'\b' : escaped_character();
      } else {
        low = character();
      }
      members += literal(low);
      if (peek() != '-' || i_ + 1 >= in_.size() || peek(1) == ']' || peek(1) == '[') continue;
      ++i_;
      const bool escaped = take("\\");
      if (escaped && !class_escape(not_these, false).empty()) invalid("a character at the end of a range");
      members += cat("-", literal(escaped ? escaped_character() : character()));
    }
    if (both.empty() && more.empty()) return cat(negated ? "[^" : "[", members, "]");
    std::string one = operand();
    if (!both.empty()) {
      for (auto b = both.rbegin(); b != both.rend(); ++b) one = cat("(?=", *b, ")", one);
      one = cat("(?:", one, ")");
    }
    return negated ? cat("(?:(?!", one, ")(?s:.))") : one;
  }

  bool posix_bracket(std::string& members, std::vector<std::string>& more) {
    if (!next_is("[:")) return false;
    const std::size_t end = in_.find(":]", i_ + 2);
    if (end == nothing) return false;
    auto name = in_.substr(i_ + 2, end - i_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const auto these = named(name);
    if (these.empty()) return false;
    i_ = end + 2;
    // Here, not as \p{Punct}, symbols count as punctuation.
    const std::string all = name == "punct" ? cat(these, category("S")) : these;
    if (negated) {
      more.push_back(cat("[^", all, "]"));
    } else {
      members += all;
    }
    return true;
  }

  /// Members of the property in `braced`, "{^Name}".
  std::string property(std::string_view braced, bool& negated) {
    if (!braced.starts_with('{') || !braced.ends_with('}')) invalid("a property's name in braces");
    auto name = braced.substr(1, braced.size() - 2);
    if (name.starts_with('^')) negated = !negated, name.remove_prefix(1);
    for (const char c : name)
      if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' && c != ' ' && c != '-')
        unsupported("such a property");
    if (auto members = named(name); !members.empty()) return members;
    std::string plain;
    for (const char c : name)
      if (c != '_' && c != ' ' && c != '-') plain += char(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (plain.empty() || plain.starts_with("in")) {
      for (std::string_view script : {"inherited", "inscriptionalpahlavi", "inscriptionalparthian"})
        if (plain == script) return cat("\\p{sc:", plain, "}");
      unsupported("such a property");
    }
    if (plain.size() <= 2) {
      plain[0] = char(plain[0] - 32);
      return category(plain);
    }
    static constexpr std::pair<std::string_view, std::string_view> categories[] = {{"other", "C"},
                                                                                   {"control", "Cc"},
                                                                                   {"format", "Cf"},
                                                                                   {"unassigned", "Cn"},
                                                                                   {"privateuse", "Co"},
                                                                                   {"surrogate", "Cs"},
                                                                                   {"letter", "L"},
                                                                                   {"lowercaseletter", "Ll"},
                                                                                   {"modifierletter", "Lm"},
                                                                                   {"otherletter", "Lo"},
                                                                                   {"titlecaseletter", "Lt"},
                                                                                   {"uppercaseletter", "Lu"},
                                                                                   {"mark", "M"},
                                                                                   {"combiningmark", "M"},
                                                                                   {"spacingmark", "Mc"},
                                                                                   {"enclosingmark", "Me"},
                                                                                   {"nonspacingmark", "Mn"},
                                                                                   {"number", "N"},
                                                                                   {"decimalnumber", "Nd"},
                                                                                   {"letternumber", "Nl"},
                                                                                   {"othernumber", "No"},
                                                                                   {"punctuation", "P"},
                                                                                   {"connectorpunctuation", "Pc"},
                                                                                   {"dashpunctuation", "Pd"},
                                                                                   {"closepunctuation", "Pe"},
                                                                                   {"finalpunctuation", "Pf"},
                                                                                   {"initialpunctuation", "Pi"},
                                                                                   {"otherpunctuation", "Po"},
                                                                                   {"openpunctuation", "Ps"},
                                                                                   {"symbol", "S"},
                                                                                   {"currencysymbol", "Sc"},
                                                                                   {"modifiersymbol", "Sk"},
                                                                                   {"mathsymbol", "Sm"},
                                                                                   {"othersymbol", "So"},
                                                                                   {"separator", "Z"},
                                                                                   {"lineseparator", "Zl"},
                                                                                   {"paragraphseparator", "Zp"},
                                                                                   {"spaceseparator", "Zs"}};
    for (const auto& [long_name, short_name] : categories)
      if (plain == long_name) return category(short_name);
    static constexpr std::string_view binary[] = {"alphabetic",
                                                  "uppercase",
                                                  "lowercase",
                                                  "whitespace",
                                                  "emoji",
                                                  "emojipresentation",
                                                  "emojimodifier",
                                                  "emojimodifierbase",
                                                  "emojicomponent",
                                                  "extendedpictographic",
                                                  "ideographic",
                                                  "unifiedideograph",
                                                  "math",
                                                  "dash",
                                                  "hexdigit",
                                                  "diacritic",
                                                  "extender",
                                                  "idstart",
                                                  "idcontinue",
                                                  "xidstart",
                                                  "xidcontinue",
                                                  "quotationmark",
                                                  "radical",
                                                  "cased",
                                                  "caseignorable",
                                                  "defaultignorablecodepoint",
                                                  "variationselector",
                                                  "regionalindicator"};
    if (std::find(std::begin(binary), std::end(binary), plain) != std::end(binary)) return cat("\\p{", plain, "}");
    // PCRE2's \p{Greek} has what Greek shares with others; Oniguruma's has not.
    return cat("\\p{sc:", plain, "}", plain == "han" ? younger(any, any, true) : "");
  }

  /// POSIX names, which are properties too. Empty for any other.
  static std::string named(std::string_view name) {
    std::string plain;
    for (const char c : name) plain += char(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (plain == "alpha") return cat("\\p{Alphabetic}", younger('L', any));
    if (plain == "alnum") return cat(named("alpha"), category("Nd"));
    if (plain == "digit") return category("Nd");
    if (plain == "space") return spaces;
    if (plain == "blank") return cat("\\t", category("Zs"));
    if (plain == "word") return words(false);
    if (plain == "punct") return category("P");
    if (plain == "upper") return cat("\\p{Uppercase}", younger(any, 'u'));
    if (plain == "lower") return cat("\\p{Lowercase}", younger(any, 'l'));
    if (plain == "cntrl") return "\\p{Cc}";
    if (plain == "xdigit") return "0-9A-Fa-f";
    if (plain == "ascii") return "\\x{0}-\\x{7f}";
    if (plain == "any") return "\\x{0}-\\x{10ffff}";
    if (plain == "graph")
      return cat(category("L"), category("M"), category("N"), category("P"), category("S"), category("Cf"), "\\p{Co}");
    if (plain == "print") return cat(named("graph"), "\\p{Zs}");
    return {};
  }

  /// Members of a general category, with those that PCRE2 may be too old for.
  static std::string category(std::string_view name) {
    return cat("\\p{", name, "}", younger(name[0], name.size() < 2 ? any : name[1]));
  }
  /// Younger characters whose category has these two letters, or any; han: of that script.
  static constexpr char any = 0;
  static std::string younger(char first, char second, bool han = false) {
    std::string out;
    for (const auto& r : unicode::younger_runs)
      if ((first == any || first == r.category[0]) && (second == any || second == r.category[1]) && (!han || r.han))
        out += cat(code(r.first), r.first == r.last ? "" : cat("-", code(r.last)));
    return out;
  }
  /// \w. Outside of a class Oniguruma asks Latin-1's own table, where superscripts and fractions are of words.
  static std::string words(bool outside) {
    static const std::string inside =
        cat(category("L"), category("M"), category("Nd"), category("Nl"), category("Pc"),
            R"(\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})");
    return cat(inside, outside ? R"(\xb2\xb3\xb9\xbc-\xbe)" : "");
  }
  // U+180E is none.
  static constexpr const char* spaces =
      R"(\x09-\x0d\x20\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

  std::string_view in_, where_;
  std::size_t i_ = 0;
  std::string out_;
  std::vector<group> groups_;
  std::size_t to_close_ = 0;     // groups that (?i) opened within the current one
  std::size_t atom_ = nothing;   // where in out_ that starts which a repetition repeats
  std::size_t repetitions_ = 0;  // of that
  bool extended_ = false;        // (?x): white space and comments do not count
};

}  // namespace hft::detail
