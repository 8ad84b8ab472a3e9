// Lookbehinds of varying length, which Oniguruma has and PCRE2 (before 10.43) has not, as alternatives of fixed length.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hft::detail {

/// What a lookbehind asks is whether some match of it ends here, so it may be written as all that it can match:
/// (?<=x(?:a|bb)?) is (?<=x|xa|xbb), and what is repeated without limit at its start needs no more than the least
/// number. Works on expressions as oniguruma_to_pcre2 writes them.
class lookbehind {
 public:
  enum class outcome { fixed, expanded, unsupported };

  /// Writes the alternatives of `body` to `out` where it varies within alternatives. Groups lose their numbers.
  static outcome expand(std::string_view body, bool has_references, std::string& out) {
    lookbehind parser(body, has_references);
    const auto all = parser.alternatives(true);
    if (!parser.varies_) return outcome::fixed;
    if (parser.failed_ || parser.i_ != body.size()) return outcome::unsupported;
    out.clear();
    for (const auto& one : all) (out += out.empty() && &one == all.data() ? "" : "|") += one;
    return outcome::expanded;
  }

 private:
  using strings = std::vector<std::string>;
  static constexpr std::size_t most = 256, most_bytes = std::size_t{1} << 16;

  lookbehind(std::string_view body, bool has_references) : in_(body), has_references_(has_references) {}

  char peek(std::size_t ahead = 0) const { return i_ + ahead < in_.size() ? in_[i_ + ahead] : '\0'; }
  bool take(std::string_view s) {
    if (!in_.substr(i_).starts_with(s)) return false;
    i_ += s.size();
    return true;
  }
  std::string_view take_through(char last) {
    const std::size_t end = std::min(in_.find(last, i_), in_.size() - 1) + 1;
    const auto text = in_.substr(i_, end - i_);
    i_ = end;
    return text;
  }
  strings give_up() {
    failed_ = true;
    return {};
  }

  // Up to a ) or the end; `at_start`: nothing of the lookbehind stands before.
  strings alternatives(bool at_start) {
    strings all;
    do {
      for (auto& one : sequence(at_start))
        if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(std::move(one));
      if (all.size() > most) return give_up();
    } while (!failed_ && take("|"));
    return all;
  }

  strings sequence(bool at_start) {
    strings all{""};
    while (!failed_ && i_ < in_.size() && peek() != '|' && peek() != ')') {
      const bool first = at_start && all.size() == 1 && all[0].empty();
      const bool reduced = std::exchange(reduced_, false);
      auto one = atom(first);
      all = product(all, repeated(std::move(one), first));
      reduced_ |= reduced;
    }
    return all;
  }

  strings product(const strings& left, const strings& right) {
    std::size_t bytes = 0;
    for (const auto& r : right) bytes += r.size();
    for (const auto& l : left) bytes += l.size() * right.size();
    if (left.size() * right.size() > most || bytes > most_bytes) return give_up();
    strings out;
    for (const auto& l : left)
      for (const auto& r : right) out.push_back(l + r);
    return out;
  }

  strings repeated(strings one, bool first) {
    std::size_t low = 1, high = 1;
    bool unlimited = false;
    if (take("?")) {
      low = 0;
    } else if (take("*")) {
      low = 0, unlimited = true;
    } else if (take("+")) {
      unlimited = true;
    } else if (peek() == '{') {
      const auto body = take_through('}');
      std::size_t* n = &low;
      low = high = 0;
      for (const char c : body.substr(1, body.size() - 2)) {
        if (c == ',') {
          n = &high, unlimited = true;  // unless a number follows
        } else {
          *n = std::min<std::size_t>(*n * 10 + std::size_t(c - '0'), 1000);
          unlimited = unlimited && n != &high;
        }
      }
      if (n == &low) high = low;
    } else {
      return one;
    }
    if (peek() == '+') {  // possessive: not all of its matches count
      varies_ = true;
      return give_up();
    }
    take("?");
    if (low == 1 && high == 1 && !unlimited) return one;
    if (unlimited) {
      varies_ = true;
      if (!first) return give_up();
      high = low;
    }
    if (high > 1 && reduced_) return give_up();  // only the first of several stands at the start
    reduced_ |= unlimited;
    varies_ |= low != high;
    strings out, times{""};
    for (std::size_t n = 0; !failed_; ++n) {
      if (n >= low) out.insert(out.end(), times.begin(), times.end());
      if (n == high) break;
      times = product(times, one);
    }
    return out.size() > most ? give_up() : out;
  }

  strings atom(bool first) {
    const std::size_t begin = i_;
    const auto as_it_is = [&] { return strings{std::string(in_.substr(begin, i_ - begin))}; };
    if (take("[")) {
      while (i_ < in_.size() && peek() != ']') i_ += peek() == '\\' ? 2 : 1;
      ++i_;
      return as_it_is();
    }
    if (take("\\")) {
      const char c = peek();
      ++i_;
      if (c == 'R' || c == 'X') varies_ = failed_ = true;
      if (peek() == '{') take_through('}');
      return as_it_is();
    }
    if (!take("(")) {
      ++i_;
      return as_it_is();
    }
    for (const std::string_view look : {"?=", "?!", "?<=", "?<!"})
      if (take(look)) {
        skip_group();
        return as_it_is();
      }
    std::string open = "(?:";
    const bool atomic = take("?>");
    if (atomic) {
    } else if (peek() == '?' && peek(1) != '<') {
      open = "(" + std::string(take_through(':'));
    } else {
      if (peek() == '?') take_through('>');  // a name
      if (has_references_) open.clear();
    }
    const bool varied = std::exchange(varies_, false);
    auto all = alternatives(first);
    const bool several = all.size() > 1;
    if (several && !varies_) varies_ = lengths_differ(all);
    if (varies_ && (atomic || open.empty())) failed_ = true;
    const bool inner = varies_;
    varies_ |= varied;
    if (!take(")") || failed_) return give_up();
    if (!inner) return as_it_is();
    for (auto& one : all) one = open + one + ")";
    return all;
  }

  void skip_group() {
    for (std::size_t depth = 1; i_ < in_.size() && depth > 0;) {
      if (peek() == '[') {
        while (i_ < in_.size() && peek() != ']') i_ += peek() == '\\' ? 2 : 1;
      } else if (peek() == '\\') {
        ++i_;
      } else {
        depth += peek() == '(', depth -= peek() == ')';
      }
      ++i_;
    }
    i_ = std::min(i_, in_.size());
  }

  // Whether alternatives, which do not vary themselves, are of different numbers of characters.
  static bool lengths_differ(const strings& all) {
    std::optional<std::size_t> length;
    for (const auto& one : all) {
      lookbehind counter(one, false);
      const std::size_t n = counter.count();
      if (length && *length != n) return true;
      length = n;
    }
    return false;
  }
  std::size_t count() {
    std::size_t n = 0, last = 0;
    for (; i_ < in_.size() && peek() != ')'; n += last) {
      if (peek() == '{') {
        const auto body = take_through('}');
        std::size_t times = 0;
        for (const char c : body)
          if (c >= '0' && c <= '9') times = std::min<std::size_t>(times * 10 + std::size_t(c - '0'), 1000);
        n -= last;
        last *= times;
        continue;
      }
      last = 1;
      if (peek() == '^' || peek() == '$') {
        ++i_, last = 0;
      } else if (take("(")) {
        const bool look = take("?=") || take("?!") || take("?<=") || take("?<!");
        if (look) {
          skip_group();
          last = 0;
        } else {
          if (peek() == '?') {
            while (i_ < in_.size() && peek() != ':' && peek() != '>') ++i_;
            ++i_;
          }
          last = count();
          while (take("|")) count();
          take(")");
        }
      } else {
        if (peek() == '\\' && std::string_view("AZzGK").find(peek(1)) != std::string_view::npos) last = 0;
        atom(false);
      }
    }
    return n;
  }

  std::string_view in_;
  bool has_references_;
  std::size_t i_ = 0;
  bool varies_ = false, failed_ = false;
  bool reduced_ = false;  // the atom has less than what it repeats without limit
};

}  // namespace hft::detail
