// Precompiled: the table of replacements that a SentencePiece model carries (precompiled_charsmap).
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/utf8.hpp>
#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/unicode_segmentation.hpp>

namespace hft {
namespace detail {

/// A precompiled_charsmap: the size of a double array in bytes (u32, little endian), the array (u32 units in the layout
/// of Darts), and the replacements, each ended by a zero byte. What the array finds is where one starts.
class charsmap {
 public:
  /// Throws format_error, naming `where`, for a map that some text would make reach outside of itself.
  charsmap(std::string bytes, std::string_view where) : bytes_(std::move(bytes)) {
    if (bytes_.size() < 4) throw format_error(where, "precompiled_charsmap", "at least 4 bytes", joined(bytes_.size()));
    const std::size_t count = number(0) / 4;
    if (count == 0 || count > (bytes_.size() - 4) / 4)
      throw format_error(where, "size of precompiled_charsmap's trie",
                         joined("from 4 to ", bytes_.size() - 4, " bytes"), joined(number(0)));
    units_.resize(count);
    for (std::size_t i = 0; i < count; ++i) units_[i] = number(4 + 4 * i);
    replacements_ = std::string_view(bytes_).substr(4 + 4 * count);
    if (!valid_utf8(replacements_)) throw format_error(where, "precompiled_charsmap", "replacements in UTF-8");
    for (std::size_t i = 0; i < count; ++i) {
      if (i != 0 && is_value(units_[i])) continue;  // no byte leads here
      const std::size_t node = i ^ offset(units_[i]);
      if ((node | 255) >= count) throw bad_unit(where, i, "children within the trie");
      if (i == 0 || !has_value(units_[i])) continue;
      const std::size_t at = value(units_[node]);
      if (at > replacements_.size() || (at < replacements_.size() && unicode::is_continuation(replacements_[at])))
        throw bad_unit(where, i, "the start of a character");
    }
  }
  charsmap(const charsmap&) = delete;  // replacements_ refers to bytes_
  charsmap& operator=(const charsmap&) = delete;

  const std::string& bytes() const noexcept { return bytes_; }

  /// The replacement of the shortest key that `text` starts with.
  std::optional<std::string_view> find(std::string_view text) const {
    std::size_t node = offset(units_[0]);
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0) return {};
      node ^= byte;
      const std::uint32_t unit = units_[node];
      if ((unit & (value_bit | 255)) != byte) return {};
      node ^= offset(unit);
      if (!has_value(unit)) continue;
      const auto rest = replacements_.substr(value(units_[node]));
      return rest.substr(0, rest.find('\0'));
    }
    return {};
  }

 private:
  static constexpr std::uint32_t value_bit = std::uint32_t{1} << 31;
  static bool is_value(std::uint32_t unit) { return (unit & value_bit) != 0; }
  static bool has_value(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
  static std::size_t value(std::uint32_t unit) { return unit & ~value_bit; }
  static std::size_t offset(std::uint32_t unit) { return std::size_t{unit >> 10} << ((unit & 1u << 9) >> 6); }

  std::uint32_t number(std::size_t at) const {
    std::uint32_t n = 0;
    for (unsigned k = 4; k-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes_[at + k]);
    return n;
  }
  static format_error bad_unit(std::string_view where, std::size_t i, std::string_view expected) {
    return format_error(where, cat("precompiled_charsmap, unit ", i), expected, "something outside");
  }

  std::string bytes_;
  std::vector<std::uint32_t> units_;
  std::string_view replacements_;
};

}  // namespace detail

namespace normalizers {

/// Grapheme clusters shorter than 6 bytes are replaced as a whole where the map knows how they start; of others each
/// character that the map knows.
class Precompiled final : public Normalizer {
 public:
  /// `charsmap` is the map's bytes. Throws format_error, naming `where`, for bytes that are no map.
  explicit Precompiled(std::string charsmap, std::string_view where = "Precompiled")
      : map_(std::move(charsmap), where) {
    for (unsigned c = 0; c < 128; ++c) {
      const char text[2] = {char(c), '\n'};  // \r\n is the only cluster of more than one ASCII character
      plain_[c] = !map_.find({text, c == '\r' ? std::size_t{2} : std::size_t{1}});
    }
  }
  const std::string& precompiled_charsmap() const noexcept { return map_.bytes(); }

  void normalize(NormalizedString& text) const override {
    const std::string& s = text.get();
    if (std::all_of(s.begin(), s.end(), [this](char c) { return is_plain(c); })) return;
    std::vector<char_change> dest;
    dest.reserve(s.size());
    bool modified = false;
    const auto replace = [&](std::string_view from, std::string_view to) {
      modified = true;
      text.check_growth(dest.size() + to.size());
      const auto was = std::int32_t(detail::unicode::count(from)), is = std::int32_t(detail::unicode::count(to));
      std::int32_t n = 0;
      detail::unicode::for_each(to, [&](char32_t c, std::size_t, unsigned) { dest.push_back({c, n++ >= was}); });
      if (is < was && !dest.empty()) dest.back().change += is - was;  // what goes at the start of a text leaves no mark
    };
    detail::unicode::for_each_grapheme(s, [&](std::size_t begin, std::size_t end) {
      const auto cluster = std::string_view(s).substr(begin, end - begin);
      if (cluster.size() < 6)
        if (const auto to = map_.find(cluster)) return replace(cluster, *to);
      detail::unicode::for_each(cluster, [&](char32_t c, std::size_t i, unsigned n) {
        const auto character = cluster.substr(i, n);
        if (const auto to = map_.find(character)) return replace(character, *to);
        dest.push_back({c, 0});
      });
    });
    if (modified) text.transform(dest);
  }

 private:
  /// Whether this is an ASCII character that stays as it is among its kind.
  bool is_plain(char c) const { return static_cast<unsigned char>(c) < 128 && plain_[std::size_t(c)]; }

  detail::charsmap map_;
  std::array<bool, 128> plain_{};
};

}  // namespace normalizers
}  // namespace hft
