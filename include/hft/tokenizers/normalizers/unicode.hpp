// NFD, NFKD, NFC, NFKC: Unicode normal forms (UAX #15), from utf8proc's data. The only header that includes it.
// The tokenizers library's data is Unicode 9; what is younger passes through it, so it passes through here.
#pragma once
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <hft/io/sorting.hpp>
#include <hft/tokenizers/normalizers/normalizer.hpp>

namespace hft {
namespace detail {

inline bool has_normal_form(char32_t c) { return !unicode::is(c, unicode::inert); }

inline unsigned combining_class(char32_t c) {
  return c < 0x300 || !has_normal_form(c) ? 0u : unsigned(utf8proc_get_property(utf8proc_int32_t(c))->combining_class);
}

/// Calls f for each character of c's full decomposition.
template <class F>
void decompose(char32_t c, bool compatible, F f) {
  if (c < 0x80 || !has_normal_form(c)) return f(c);
  std::array<utf8proc_int32_t, 32> parts;
  const int options = UTF8PROC_DECOMPOSE | (compatible ? int(UTF8PROC_COMPAT) : 0);
  const auto n = utf8proc_decompose_char(utf8proc_int32_t(c), parts.data(), utf8proc_ssize_t(parts.size()),
                                         utf8proc_option_t(options), nullptr);
  if (n <= 0 || n > utf8proc_ssize_t(parts.size())) return f(c);
  for (utf8proc_ssize_t i = 0; i < n; ++i) f(char32_t(parts[std::size_t(i)]));
}

/// The primary composite of two characters, or 0.
inline char32_t compose(char32_t a, char32_t b) {
  if (b < 0x300 || !has_normal_form(a) || !has_normal_form(b)) return 0;
  utf8proc_int32_t pair[2] = {utf8proc_int32_t(a), utf8proc_int32_t(b)};
  const auto n = utf8proc_normalize_utf32(pair, 2, utf8proc_option_t(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  return n == 1 && has_normal_form(char32_t(pair[0])) ? char32_t(pair[0]) : 0;
}

/// The text's characters decomposed and in canonical order. A moved mark keeps its change, as in the crate that the
/// tokenizers library uses (unicode-normalization-alignments), so alignments come out equal.
inline std::vector<char_change> decomposed(const std::string& text, bool compatible) {
  std::vector<char_change> out;
  std::vector<unsigned> classes;
  out.reserve(text.size());
  std::size_t pending = 0;  // the run of marks that is not yet in order starts here
  const auto sort_pending = [&](std::size_t end) {
    if (!std::is_sorted(classes.begin(), classes.end())) {
      const std::vector<char_change> run(out.begin() + std::ptrdiff_t(pending), out.end());
      for (const auto i :
           sorted_positions(run.size(), [&](std::size_t a, std::size_t b) { return classes[a] < classes[b]; }))
        out[pending++] = run[i];
    }
    pending = end;
    classes.clear();
  };
  unicode::for_each(text, [&](char32_t c, std::size_t, unsigned) {
    std::int32_t change = 0;
    decompose(c, compatible, [&](char32_t d) {
      const unsigned ccc = combining_class(d);
      if (ccc == 0) sort_pending(out.size());
      out.push_back({d, change});
      classes.push_back(ccc);
      change = 1;
    });
  });
  sort_pending(out.size());
  return out;
}

/// Canonical composition of a decomposed text.
inline std::vector<char_change> recomposed(const std::vector<char_change>& in) {
  std::vector<char_change> out;
  out.reserve(in.size());
  std::ptrdiff_t starter = -1;  // index in out of the last starter
  int last_class = -1;          // class of the mark kept after it, -1: none
  for (const auto& d : in) {
    const int ccc = int(combining_class(d.c));
    if (starter < 0) {
      if (ccc == 0) starter = std::ptrdiff_t(out.size()), last_class = -1;
      out.push_back(d);
      continue;
    }
    if (last_class < ccc) {  // not blocked
      auto& s = out[std::size_t(starter)];
      if (const char32_t c = compose(s.c, d.c)) {
        s.c = c;
        s.change += d.change - 1;
        continue;
      }
    }
    if (ccc == 0) {
      starter = std::ptrdiff_t(out.size());
      last_class = -1;
    } else {
      last_class = ccc;
    }
    out.push_back(d);
  }
  return out;
}

}  // namespace detail

namespace normalizers {

struct NFD final : Normalizer {
  void normalize(NormalizedString& text) const override { text.transform(detail::decomposed(text.get(), false)); }
};
struct NFKD final : Normalizer {
  void normalize(NormalizedString& text) const override { text.transform(detail::decomposed(text.get(), true)); }
};
struct NFC final : Normalizer {
  void normalize(NormalizedString& text) const override {
    text.transform(detail::recomposed(detail::decomposed(text.get(), false)));
  }
};
struct NFKC final : Normalizer {
  void normalize(NormalizedString& text) const override {
    text.transform(detail::recomposed(detail::decomposed(text.get(), true)));
  }
};

}  // namespace normalizers
}  // namespace hft
