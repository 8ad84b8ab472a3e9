// pformat of Python's pprint, 80 columns wide: what a value says on one line, or else its parts below each other. Dicts
// are sorted by their keys.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/jinja/operations.hpp>

namespace hft::detail::jinja {

class pretty_printer {
 public:
  explicit pretty_printer(runtime& rt) : rt_(rt) {}

  std::string run(const value& v) {
    format(v, 0, 0, 0);
    return std::move(out_);
  }

 private:
  using entry = std::pair<value, value>;
  static constexpr std::int64_t width = 80;

  /// What groupby yields, and Markup, print themselves: they are never broken.
  static bool is_plain_sequence(const value& v) { return v.is_sequence() && !v.as<list_object>().group; }

  /// `indent` columns stand to the left, `allowance` to the right of the last line.
  void format(const value& v, std::int64_t indent, std::int64_t allowance, int level) {
    class level guard(rt_);
    const std::string line = one_line(v);
    if (static_cast<std::int64_t>(char_count(line)) > width - indent - allowance) {
      if (v.is(kind::dict)) return format_dict(v, indent, allowance, level + 1);
      if (is_plain_sequence(v)) return format_sequence(v, indent, allowance, level + 1);
      if (v.is_string() && !is_markup(v)) return format_string(v.text(), indent, allowance, level + 1);
    }
    write(line);
  }

  void format_dict(const value& v, std::int64_t indent, std::int64_t allowance, int level) {
    write("{");
    const auto entries = sorted(v);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const bool last = i + 1 == entries.size();
      const std::string key = one_line(entries[i].first);
      write(key + ": ");
      format(entries[i].second, indent + static_cast<std::int64_t>(char_count(key)) + 3, last ? allowance + 1 : 1,
             level);
      if (!last) new_line(",", indent + 1);
    }
    write("}");
  }

  void format_sequence(const value& v, std::int64_t indent, std::int64_t allowance, int level) {
    const std::string_view end = v.is(kind::list) ? "]" : v.items().size() == 1 ? ",)" : ")";
    write(v.is(kind::list) ? "[" : "(");
    for (std::size_t i = 0; i < v.items().size(); ++i) {
      const bool last = i + 1 == v.items().size();
      format(v.items()[i], indent + 1, last ? allowance + static_cast<std::int64_t>(end.size()) : 1, level);
      if (!last) new_line(",", indent + 1);
    }
    write(end);
  }

  /// Pieces that Python would join: its lines, and those too long cut between words.
  void format_string(std::string_view text, std::int64_t indent, std::int64_t allowance, int level) {
    if (text.empty()) return write("''");
    const bool outermost = level == 1;
    indent += outermost;
    allowance += outermost;
    const auto columns = [](const std::string& s) { return static_cast<std::int64_t>(char_count(s)); };
    std::vector<std::string> pieces;
    const auto lines = split_lines(text, true);
    std::string line;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::int64_t room = width - indent, last_room = room - (i + 1 == lines.size() ? allowance : 0);
      line = repr(lines[i]);
      if (columns(line) <= last_room) {
        pieces.push_back(line);
        continue;
      }
      const auto words = words_with_space(lines[i]);
      std::string current;
      for (std::size_t j = 0; j < words.size(); ++j) {
        rt_.spend_bytes(current.size() + words[j].size());
        const std::string longer = current + std::string(words[j]);
        if (columns(repr(longer)) <= (j + 1 == words.size() ? last_room : room)) {
          current = longer;
          continue;
        }
        if (!current.empty()) pieces.push_back(repr(current));
        current = words[j];
      }
      if (!current.empty()) pieces.push_back(repr(current));
    }
    if (pieces.size() == 1) return write(line);
    if (outermost) write("(");
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (i) new_line("", indent);
      write(pieces[i]);
    }
    if (outermost) write(")");
  }

  /// \S*\s* of Python, one match after the other.
  static std::vector<std::string_view> words_with_space(std::string_view s) {
    std::vector<std::string_view> out;
    std::size_t from = 0;
    bool space = false;
    for (std::size_t i = 0; i < s.size();) {
      const std::size_t at = i;
      const bool now = is_space(next_char(s, i));
      if (space && !now) out.push_back(s.substr(std::exchange(from, at), at - from));
      space = now;
    }
    if (from < s.size()) out.push_back(s.substr(from));
    return out;
  }

  /// repr with sorted dicts.
  std::string one_line(const value& v) {
    class level guard(rt_);
    std::string out;
    const auto add = [&](const std::string& text) {
      out += text;
      rt_.check_length(out.size());
    };
    if (v.is(kind::dict)) {
      for (const auto& [key, item] : sorted(v)) {
        add(out.empty() ? "{" : ", ");
        add(one_line(key) + ": ");
        add(one_line(item));
      }
      return out.empty() ? "{}" : out + "}";
    }
    if (!is_plain_sequence(v)) {
      append_repr(rt_, out, v);
      return out;
    }
    out = v.is(kind::list) ? "[" : "(";
    for (std::size_t i = 0; i < v.items().size(); ++i) {
      if (i) out += ", ";
      add(one_line(v.items()[i]));
    }
    return out += v.is(kind::list) ? "]" : v.items().size() == 1 ? ",)" : ")";
  }

  std::vector<entry> sorted(const value& v) {
    std::vector<entry> entries = v.entries().items;
    rt_.spend(entries.size());
    std::stable_sort(entries.begin(), entries.end(),
                     [&](const entry& a, const entry& b) { return key_less(a.first, b.first); });
    return entries;
  }

  /// <, or the order of their types' names where Python cannot compare two keys.
  bool key_less(const value& a, const value& b) {
    rt_.spend();
    require_defined(a);
    require_defined(b);
    const bool comparable = (a.is_number() && b.is_number()) || a.kind() == b.kind();
    if (comparable) try {
        return less(rt_, a, b);
      } catch (const failure&) {  // two tuples of different things
      }
    return std::string_view(type_name(a)) < type_name(b);
  }

  void write(std::string_view text) {
    out_ += text;
    rt_.check_length(out_.size());
  }
  void new_line(std::string_view before, std::int64_t indent) {
    write(before);
    write("\n");
    write(std::string(std::size_t(indent), ' '));
  }

  runtime& rt_;
  std::string out_;
};

}  // namespace hft::detail::jinja
