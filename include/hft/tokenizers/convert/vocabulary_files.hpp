// Vocabularies in files of their own: vocab.txt, and vocab.json with merges.txt.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <hft/error.hpp>
#include <hft/io/large_json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/placeholder.hpp>
#include <hft/io/utf8.hpp>
#include <hft/tokenizers/serialization.hpp>
#include <hft/tokenizers/unicode.hpp>

namespace hft::detail {

/// Calls f(line, number) for the lines of a text, without their ends ("\n" or "\r\n").
template <class F>
void for_each_line(std::string_view text, F f) {
  for (std::size_t number = 0, at = 0; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    f(line, number);
    at = end + 1;
  }
}

/// vocab.txt of BERT's kinds: a token a line, its id the line's number. White space at the end of a line is no part of
/// it; of a token listed twice the last line counts.
inline Vocabulary read_vocabulary_lines(std::string_view text, const std::string& where) {
  refuse_web_page(text, where);
  if (const auto at = find_invalid_utf8(text); at != std::string_view::npos)
    throw format_error(where, joined("byte ", at), "UTF-8", quote_text(text.substr(at, 4)));
  const auto trimmed = [](std::string_view line) {
    unsigned n;
    while (!line.empty() && unicode::is(unicode::decode_before(line.data() + line.size(), n), unicode::space))
      line.remove_suffix(n);
    return line;
  };
  Vocabulary lines;
  lines.reserve(0, text.size());
  for_each_line(text, [&](std::string_view line, std::size_t id) {
    if (id > Vocabulary::max_id) throw format_error(where, "vocabulary", "fewer lines", joined(id));
    lines.insert_latest(trimmed(line), std::uint32_t(id));
  });
  if (lines.size() == 0) throw format_error(where, "vocabulary", "a token a line", "an empty file");
  Vocabulary out;
  out.reserve(lines.size(), text.size());
  lines.for_each([&](std::string_view token, std::uint32_t id) {
    if (lines.find(token) == id) out.insert(token, id);
  });
  out.finish();
  return out;
}

/// vocab.json: an object of ids by token.
inline Vocabulary read_vocabulary_file(const std::filesystem::path& path) {
  const auto document = large_json::open(path);
  return read_vocabulary(json_node(document.root(), document.where()));
}

/// merges.txt: two tokens a line, the most frequent merge first.
inline pair_table read_merges_text(std::string_view text, const Vocabulary& vocabulary, const std::string& where) {
  refuse_web_page(text, where);
  if (const auto at = find_invalid_utf8(text); at != std::string_view::npos)
    throw format_error(where, joined("byte ", at), "UTF-8", quote_text(text.substr(at, 4)));
  merge_reader reader(vocabulary, 0);
  for_each_line(text, [&](std::string_view line, std::size_t number) {
    if (!line.empty() && !line.starts_with("#version")) reader.add(line, {where, ": line ", number + 1});
  });
  return std::move(reader.merges);
}

}  // namespace hft::detail
