// jinja2's urlize: words that look like an address of the web or of a mailbox become links.
#pragma once
#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <hft/jinja/methods.hpp>

namespace hft::detail::jinja {

/// What jinja2.utils' regular expressions accept, told by hand: a template and its texts are untrusted, and this takes
/// linear time.
namespace web_address {

inline bool is_label(std::u32string_view s, std::size_t least = 1, std::size_t most = std::u32string_view::npos) {
  return s.size() >= least && s.size() <= most &&
         std::all_of(s.begin(), s.end(), [](char32_t c) { return is_word(c) || c == '%' || c == '-'; });
}

inline bool is_number(std::u32string_view s, std::size_t most) {
  return !s.empty() && s.size() <= most && std::all_of(s.begin(), s.end(), is_decimal);
}

/// The parts between dots.
inline std::vector<std::u32string_view> labels(std::u32string_view s) {
  std::vector<std::u32string_view> out;
  for (std::size_t dot; (dot = s.find(U'.')) != s.npos; s.remove_prefix(dot + 1)) out.push_back(s.substr(0, dot));
  out.push_back(s);
  return out;
}

inline bool is_top_level(std::u32string_view s) {
  if (s.starts_with(U"xn--"))
    return s.size() >= 6 && s.size() <= 63 &&
           std::all_of(s.begin() + 4, s.end(), [](char32_t c) { return is_word(c) || c == '%'; });
  return s.size() >= 2 && s.size() <= 63 &&
         std::all_of(s.begin(), s.end(), [](char32_t c) { return c >= 'a' && c <= 'z'; });
}

/// Any domain: behind a scheme, its last label says nothing more.
inline bool is_domain(std::u32string_view s) {
  const auto parts = labels(s);
  return is_top_level(parts.back()) &&
         std::all_of(parts.begin(), parts.end() - 1, [](std::u32string_view label) { return is_label(label); });
}

/// A domain that is told by its last label alone.
inline bool is_known_domain(std::u32string_view s) {
  static constexpr std::u32string_view known[] = {U"com", U"net", U"int", U"edu", U"gov", U"org", U"info", U"mil"};
  const auto parts = labels(s);
  return parts.size() > 1 && std::find(std::begin(known), std::end(known), parts.back()) != std::end(known) &&
         std::all_of(parts.begin(), parts.end() - 1, [](std::u32string_view label) { return is_label(label, 2, 63); });
}

inline bool is_ipv4(std::u32string_view s) {
  const auto parts = labels(s);
  return parts.size() == 4 &&
         std::all_of(parts.begin(), parts.end(), [](std::u32string_view part) { return is_number(part, 3); });
}

/// Inside the brackets: two groups of at most four digits that end in a colon, then one to six where it is optional.
inline bool is_ipv6(std::u32string_view s) {
  const auto is_digit = [](char32_t c) { return is_decimal(c) || (c >= 'a' && c <= 'f'); };
  std::size_t groups = 0;
  for (std::size_t run = 0; !s.empty() || groups < 3; run = 0) {
    while (run < s.size() && run < 4 && is_digit(s[run])) ++run;
    const bool colon = run < s.size() && s[run] == ':';
    if ((groups < 2 && !colon) || (run == 0 && !colon && !s.empty()) || ++groups > 8) return false;
    s.remove_prefix(run + colon);
  }
  return true;
}

/// Nothing, or a colon and a port.
inline bool is_port(std::u32string_view s) { return s.empty() || (s[0] == ':' && is_number(s.substr(1), 5)); }

template <class Host>
bool is_host(std::u32string_view s, Host host) {
  const std::size_t colon = std::min(s.find(U':'), s.size());
  return host(s.substr(0, colon)) && is_port(s.substr(colon));
}

/// As Python's IGNORECASE has it, which finds four more characters in [a-z].
inline std::u32string folded(std::string_view word) {
  std::u32string out = to_chars32(word);
  for (char32_t& c : out) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    if (c == 0x130 || c == 0x131) c = 'i';
    if (c == 0x17F) c = 's';
    if (c == 0x212A) c = 'k';
  }
  return out;
}

inline bool is_web(std::string_view word) {
  const std::u32string text = folded(word);
  std::u32string_view s = text;
  const auto take = [&](std::u32string_view prefix) {
    const bool there = s.starts_with(prefix);
    if (there) s.remove_prefix(prefix.size());
    return there;
  };
  const auto host = [](std::u32string_view rest) { return rest.substr(0, rest.find_first_of(U"/?#")); };
  if (is_host(host(s), is_known_domain)) return true;
  if (take(U"www.")) return is_host(host(s), is_domain);
  if (!take(U"http://") && !take(U"https://")) return false;
  if (is_host(host(s), is_domain) || is_host(host(s), is_ipv4)) return true;
  const std::size_t end = s.find(U']');
  return s.starts_with(U"[") && end != s.npos && is_ipv6(s.substr(1, end - 1)) && is_port(host(s.substr(end + 1)));
}

inline bool is_mail(std::string_view word) {
  const std::u32string text = to_chars32(word);
  const std::size_t at = text.rfind(U'@');
  if (at == text.npos || at == 0) return false;
  const auto domain = std::u32string_view(text).substr(at + 1);
  const std::size_t dot = domain.rfind(U'.');
  if (dot == domain.npos || dot == 0 || !is_word(domain[0])) return false;
  const auto top = domain.substr(dot + 1);
  return !top.empty() && std::all_of(top.begin(), top.end(), is_word) &&
         std::all_of(domain.begin(), domain.end(), [](char32_t c) { return is_word(c) || c == '.' || c == '-'; });
}

/// What extra_schemes may name: "tel:", "ftp://".
inline bool is_scheme(std::string_view text) {
  const std::u32string s = to_chars32(text);
  const std::size_t colon = s.find(U':');
  if (colon == s.npos || colon < 2 || s.size() - colon > 3) return false;
  return std::all_of(s.begin(), s.begin() + std::ptrdiff_t(colon),
                     [](char32_t c) { return is_word(c) || c == '.' || c == '+' || c == '-'; }) &&
         std::all_of(s.begin() + std::ptrdiff_t(colon) + 1, s.end(), [](char32_t c) { return c == '/'; });
}

}  // namespace web_address

/// A word between its brackets and punctuation.
struct bare_word {
  std::string_view head, middle, tail;
};

/// Takes brackets off the start and brackets and punctuation off the end, but for what closes a bracket inside.
inline bare_word strip_punctuation(std::string_view word) {
  static constexpr std::string_view opening[] = {"(", "<", "&lt;"}, closing[] = {")", ">", "&gt;", ".", ",", "\n"};
  std::size_t begin = 0, end = word.size();
  const auto step = [&](const auto& marks, auto matches) {
    for (const std::string_view mark : marks)
      if (matches(word.substr(begin, end - begin), mark)) return mark.size();
    return std::size_t(0);
  };
  while (const std::size_t n = step(opening, [](auto s, auto mark) { return s.starts_with(mark); })) begin += n;
  while (const std::size_t n = step(closing, [](auto s, auto mark) { return s.ends_with(mark); })) end -= n;
  const auto count = [](std::string_view s, std::string_view mark) {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = s.find(mark, at)) != s.npos; at += mark.size()) ++n;
    return n;
  };
  for (std::size_t pair = 0; pair < 3; ++pair) {
    const std::size_t opened = count(word.substr(begin, end - begin), opening[pair]);
    if (opened <= count(word.substr(begin, end - begin), closing[pair])) continue;
    for (std::size_t n = std::min(opened, count(word.substr(end), closing[pair])); n; --n)
      end = word.find(closing[pair], end) + closing[pair].size();
  }
  return {word.substr(0, begin), word.substr(begin, end - begin), word.substr(end)};
}

inline value urlize_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "urlize", args, {"trim_url_limit", "nofollow", "target", "rel", "extra_schemes"});
  // rel="...": the words asked for and noopener, sorted
  std::vector<std::string> rel{"noopener"};
  if (truth(p[1], &rt)) rel.push_back("nofollow");
  if (truth(p[3], &rt)) {
    if (!p[3].is_string()) runtime::fail(cat("'", type_name(p[3]), "' object has no attribute 'split'"));
    for (std::string_view word : split_spaces(p[3].text(), std::string_view::npos, false)) rel.emplace_back(word);
  }
  std::sort(rel.begin(), rel.end());
  rel.erase(std::unique(rel.begin(), rel.end()), rel.end());
  std::string attributes;
  for (const auto& word : rel) attributes += (attributes.empty() ? "" : " ") + word;
  const auto escaped = [&](const value& x) { return is_markup(x) ? x.text() : escape_html(to_str(rt, x)); };
  attributes = " rel=\"" + escape_html(attributes) + "\"";
  if (truth(p[2], &rt)) attributes += " target=\"" + escaped(p[2]) + "\"";

  std::vector<std::string> schemes;
  if (!p[4].is_none()) {
    for (const value& scheme : to_items(rt, p[4])) {
      if (!web_address::is_scheme(string_argument("urlize", scheme)))
        runtime::fail(cat(repr(scheme.text()), " is not a valid URI scheme prefix."));
      schemes.push_back(scheme.text());
    }
    if (p[4].is(kind::iterator)) schemes.clear();  // read once, by the check
  }

  const auto shown = [&](const std::string& address) {
    if (p[0].is_none() || !less(rt, p[0], value(char_count(address)), ">")) return address;
    return slice(rt, rt.str(address), {}, p[0], {}).text() + "...";
  };
  const auto linked = [&](std::string middle) {
    const auto link = [&](const char* scheme, const std::string& more, const std::string& text) {
      return cat("<a href=\"", scheme, middle, "\"", more, ">", text, "</a>");
    };
    if (web_address::is_web(middle)) {
      const bool whole = middle.starts_with("https://") || middle.starts_with("http://");
      return link(whole ? "" : "https://", attributes, shown(middle));
    }
    if (middle.starts_with("mailto:") && web_address::is_mail(middle.substr(7))) return link("", "", middle.substr(7));
    if (!middle.starts_with("www.") && !middle.starts_with("@") && middle.find(':') == middle.npos &&
        web_address::is_mail(middle))
      return link("mailto:", "", middle);
    for (const auto& scheme : schemes)
      if (middle != scheme && middle.starts_with(scheme)) middle = link("", attributes, middle);
    return middle;
  };

  const std::string text = escaped(v);
  rt.spend(text.size());
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i, next = i;
    while (next < text.size() && !is_space(next_char(text, next))) end = next;
    const auto [head, middle, tail] = strip_punctuation(std::string_view(text).substr(i, end - i));
    out += head;
    out += linked(std::string(middle));
    out += tail;
    out.append(text, end, next - end);
    rt.check_length(out.size());
    i = next;
  }
  return rt.str(std::move(out));
}

}  // namespace hft::detail::jinja
