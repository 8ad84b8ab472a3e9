// Byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909): the pair of neighbours with the lowest rank is merged
// until none is left. Exact, and n log n in the length of a piece.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/random.hpp>
#include <hft/tokenizers/byte_alphabet.hpp>
#include <hft/tokenizers/models/model.hpp>

namespace hft {
namespace detail {

/// A symbol of a piece while it is merged: a token and the bytes it covers.
struct bpe_symbol {
  std::uint32_t id, length;
};

/// Merges symbols in place and returns how many are left. Ties of rank go to the leftmost pair.
class bpe_merger {
 public:
  std::size_t operator()(bpe_symbol* symbols, std::size_t n, const pair_table& merges) {
    if (n < 2) return n;
    return n <= short_piece ? merge_short(symbols, n, merges) : merge_long(symbols, n, merges, nullptr);
  }
  /// BPE-dropout (Provilkov et al. 2020, arXiv 1910.13267): a merge that is dropped waits for the next one that is
  /// done, and is lost where there is none. Each is dropped with a probability, by numbers of a stream.
  struct dropout {
    random_stream numbers;
    double probability;
    std::uint64_t drawn = 0;
    bool operator()() { return numbers.uniform(drawn++) < probability; }
  };
  std::size_t operator()(bpe_symbol* symbols, std::size_t n, const pair_table& merges, dropout drop) {
    return n < 2 ? n : merge_long(symbols, n, merges, &drop);
  }

 private:
  static constexpr std::size_t short_piece = 48;  // up to here scanning for the minimum beats a heap
  static constexpr std::uint32_t none = pair_table::none;

  static std::size_t merge_short(bpe_symbol* s, std::size_t n, const pair_table& merges) {
    pair_table::value pairs[short_piece];  // pairs[i]: what s[i] and s[i + 1] become
    for (std::size_t i = 0; i + 1 < n; ++i) pairs[i] = merges.find(s[i].id, s[i + 1].id);
    pairs[n - 1] = {};
    for (;;) {
      std::size_t best = 0;
      for (std::size_t i = 1; i + 1 < n; ++i)
        if (pairs[i].rank < pairs[best].rank) best = i;
      if (pairs[best].rank == none) return n;
      s[best] = {pairs[best].id, s[best].length + s[best + 1].length};
      for (std::size_t i = best + 1; i + 1 < n; ++i) s[i] = s[i + 1], pairs[i] = pairs[i + 1];
      if (--n == 1) return n;
      if (best > 0) pairs[best - 1] = merges.find(s[best - 1].id, s[best].id);
      pairs[best] = best + 1 < n ? merges.find(s[best].id, s[best + 1].id) : pair_table::value{};
    }
  }

  // A doubly linked list of symbols and a heap of (rank, position); entries that a merge made stale are skipped.
  std::size_t merge_long(bpe_symbol* s, std::size_t n, const pair_table& merges, dropout* drop) {
    links_.resize(n);
    heap_.clear();
    waiting_.clear();
    const auto look_up = [&](std::size_t i) {
      auto& l = links_[i];
      l.pair = l.next < n ? merges.find(s[i].id, s[l.next].id) : pair_table::value{};
      return l.pair.rank != none;
    };
    for (std::size_t i = 0; i < n; ++i) links_[i] = {std::uint32_t(i - 1), std::uint32_t(i + 1), {}};
    for (std::size_t i = 0; i < n; ++i)
      if (look_up(i)) heap_.push_back(std::uint64_t(links_[i].pair.rank) << 32 | i);
    const auto later = std::greater<std::uint64_t>{};
    std::make_heap(heap_.begin(), heap_.end(), later);
    const auto push = [&](std::size_t i) {
      if (!look_up(i)) return;
      heap_.push_back(std::uint64_t(links_[i].pair.rank) << 32 | i);
      std::push_heap(heap_.begin(), heap_.end(), later);
    };
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const auto top = heap_.back();
      heap_.pop_back();
      if (drop && (*drop)()) {
        waiting_.push_back(top);
        continue;
      }
      for (; !waiting_.empty(); waiting_.pop_back()) {
        heap_.push_back(waiting_.back());
        std::push_heap(heap_.begin(), heap_.end(), later);
      }
      const std::size_t i = top & 0xffffffff;
      auto& l = links_[i];
      if (s[i].length == 0 || l.pair.rank != top >> 32) continue;
      const std::size_t right = l.next;
      s[i] = {l.pair.id, s[i].length + s[right].length};
      s[right].length = 0;
      links_[right].pair = {};
      l.next = links_[right].next;
      if (l.next < n) links_[l.next].previous = std::uint32_t(i);
      if (l.previous < n) push(l.previous);
      push(i);
    }
    return std::size_t(std::remove_if(s, s + n, [](const bpe_symbol& x) { return x.length == 0; }) - s);
  }

  struct link {
    std::uint32_t previous, next;
    pair_table::value pair;
  };
  std::vector<link> links_;
  std::vector<std::uint64_t> heap_, waiting_;
};

/// What encoding needs besides the model: buffers that outlive one piece.
struct bpe_scratch {
  std::vector<bpe_symbol> symbols;
  bpe_merger merge;
};

}  // namespace detail

namespace models {

class BPE final : public Model {
 public:
  struct options {
    std::optional<std::string> unk_token = {};
    std::string continuing_subword_prefix = {};  // before every character but a piece's first
    std::string end_of_word_suffix = {};         // after a piece's last character
    bool fuse_unk = false;                       // neighbouring unknown characters are one unknown token
    bool byte_fallback = false;                  // unknown characters become `<0xE2>` tokens where those exist
    bool ignore_merges = false;                  // a piece that is a token is that token; not with dropout
    std::optional<double> dropout = {};          // the probability that a merge is put off, from 0 to 1
    std::uint64_t dropout_seed = 0;              // pieces draw from one stream each, in the order they are encoded
    // Whether the file gives them, if only as empty strings: for writing it again.
    bool has_continuing_subword_prefix = false, has_end_of_word_suffix = false;
  };

  /// `merges` has ranks in the order of the file. Throws value_error for a dropout that is no probability.
  BPE(Vocabulary vocabulary, detail::pair_table merges, options o)
      : options_(std::move(o)), merges_(std::move(merges)) {
    if (options_.dropout && !(*options_.dropout >= 0 && *options_.dropout <= 1))
      throw value_error("BPE", "dropout", "from 0 to 1", detail::joined(*options_.dropout));
    vocabulary_ = std::move(vocabulary);
    if (options_.byte_fallback) {
      static constexpr char hex[] = "0123456789ABCDEF";
      for (std::size_t b = 0; b < 256; ++b)
        fallback_[b] = vocabulary_.find(std::string("<0x") + hex[b >> 4] + hex[b & 15] + ">");
    }
    plain_ = options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
    for (std::size_t c = 0; plain_ && c < 128; ++c) {
      const char character = char(c);
      ascii_ids_[c] = vocabulary_.find({&character, 1}).value_or(no_id);
    }
    build_byte_level();
  }

  const options& config() const noexcept { return options_; }
  const detail::pair_table& merges() const noexcept { return merges_; }

  void tokenize(std::string_view piece, std::vector<Token>& out) const override {
    if (piece.empty()) return;
    detail::bpe_scratch scratch;
    const std::size_t n = encode(piece, scratch);
    std::size_t at = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const auto& s = scratch.symbols[i];
      out.push_back({s.id, at, at + s.length});
      at += s.length;
    }
  }

  /// The symbols of a piece (well-formed UTF-8), merged. Returns how many of scratch.symbols they are.
  std::size_t encode(std::string_view piece, detail::bpe_scratch& scratch) const {
    const bool random = options_.dropout.value_or(0) > 0;
    scratch.symbols.clear();
    if (options_.ignore_merges && !random)
      if (const auto id = vocabulary_.find(piece)) {
        scratch.symbols.push_back({*id, std::uint32_t(piece.size())});
        return 1;
      }
    symbols_of(piece, scratch.symbols);
    auto* symbols = scratch.symbols.data();
    const std::size_t n = scratch.symbols.size();
    if (!random) return scratch.merge(symbols, n, merges_);
    const random_stream numbers(options_.dropout_seed, pieces_->fetch_add(1, std::memory_order_relaxed));
    return scratch.merge(symbols, n, merges_, {numbers, *options_.dropout});
  }
  /// The `<0xE2>` token of a byte, where byte_fallback is on and there is one.
  std::optional<std::uint32_t> fallback(unsigned char byte) const { return fallback_[byte]; }

  /// Whether raw bytes can be encoded directly, as if ByteLevel had spelled them: nothing looks at characters.
  bool byte_level() const noexcept { return byte_level_; }

  /// The symbols of raw bytes in byte-level vocabularies, merged.
  /// Returns how many of scratch.symbols they are.
  std::size_t encode_bytes(std::string_view bytes, detail::bpe_scratch& scratch) const {
    if (options_.ignore_merges)
      if (const auto id = raw_tokens_.find(bytes)) {
        scratch.symbols.assign(1, {*id, std::uint32_t(bytes.size())});
        return 1;
      }
    if (scratch.symbols.size() < bytes.size()) scratch.symbols.resize(bytes.size());
    std::size_t n = 0;
    for (char c : bytes) {
      const auto id = byte_ids_[static_cast<unsigned char>(c)];
      if (id != no_id) scratch.symbols[n++] = {id, 1};
    }
    return scratch.merge(scratch.symbols.data(), n, merges_);
  }

 private:
  void symbols_of(std::string_view piece, std::vector<detail::bpe_symbol>& out) const {
    std::optional<detail::bpe_symbol> unknown;
    const auto flush = [&] {
      if (unknown) out.push_back(*unknown);
      unknown.reset();
    };
    std::string spelled;
    for (std::size_t i = 0; i < piece.size();) {
      const std::size_t n = detail::unicode::length(static_cast<unsigned char>(piece[i]));
      std::string_view character = piece.substr(i, n);
      const bool first = i == 0, last = i + n == piece.size();
      i += n;
      if (n == 1 && plain_) {
        if (const auto id = ascii_ids_[static_cast<unsigned char>(character[0])]; id != no_id) {
          flush();
          out.push_back({id, 1});
          continue;
        }
      }
      if ((!first && !options_.continuing_subword_prefix.empty()) || (last && !options_.end_of_word_suffix.empty())) {
        spelled = first ? std::string() : options_.continuing_subword_prefix;
        spelled += character;
        if (last) spelled += options_.end_of_word_suffix;
        character = spelled;
      }
      if (const auto id = vocabulary_.find(character)) {
        flush();
        out.push_back({*id, std::uint32_t(n)});
        continue;
      }
      if (options_.byte_fallback && std::all_of(character.begin(), character.end(), [this](char c) {
            return fallback_[static_cast<unsigned char>(c)].has_value();
          })) {
        // As in the tokenizers library, an unknown token that is waiting stays behind these bytes.
        for (char c : character) out.push_back({*fallback_[static_cast<unsigned char>(c)], 1});
        continue;
      }
      if (!options_.unk_token) continue;  // without an unknown token the character vanishes
      if (unknown && options_.fuse_unk) {
        unknown->length += std::uint32_t(n);
        continue;
      }
      flush();
      const auto id = vocabulary_.find(*options_.unk_token);
      if (!id)
        throw value_error("BPE", "unknown character", "unk_token in the vocabulary", "'" + *options_.unk_token + "'");
      unknown = {*id, std::uint32_t(n)};
    }
    flush();
  }

  void build_byte_level() {
    byte_level_ = options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty() &&
                  options_.dropout.value_or(0) == 0;
    for (std::size_t b = 0; b < 256; ++b) {
      const auto id = vocabulary_.find(detail::unicode::encode(detail::byte_alphabet.to_char[b]));
      byte_ids_[b] = id.value_or(no_id);
      const bool in_utf8 = b < 0xc0 || (b >= 0xc2 && b <= 0xf4);
      // A byte without a token vanishes, unless there is something else for it.
      if (!id && in_utf8 && (options_.unk_token || options_.byte_fallback)) byte_level_ = false;
    }
    if (!byte_level_ || !options_.ignore_merges) return;
    std::string raw;
    raw_tokens_.reserve(vocabulary_.size(), 0);
    vocabulary_.for_each([&](std::string_view token, std::uint32_t id) {
      raw.clear();
      if (!token.empty() && detail::append_bytes_of(raw, token)) raw_tokens_.insert(raw, id);
    });
  }

  static constexpr std::uint32_t no_id = 0xffffffff;
  options options_;
  detail::pair_table merges_;
  std::array<std::optional<std::uint32_t>, 256> fallback_{};
  bool plain_ = false;                          // characters are looked up as they are:
  std::array<std::uint32_t, 128> ascii_ids_{};  // these here
  bool byte_level_ = false;
  std::array<std::uint32_t, 256> byte_ids_{};
  Vocabulary raw_tokens_;  // byte-level vocabularies with ignore_merges: tokens as the bytes they spell
  // Pieces encoded so far, which dropout's random numbers differ by.
  std::unique_ptr<std::atomic<std::uint64_t>> pieces_ = std::make_unique<std::atomic<std::uint64_t>>(0);
};

}  // namespace models
}  // namespace hft
