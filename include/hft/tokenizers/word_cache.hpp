// What the fast path writes to, ids or tokens with their places, and the bounded caches of what whole words become.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <hft/tokenizers/large_pages.hpp>
#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/pre_tokenized_string.hpp>
#include <hft/tokenizers/vocabulary.hpp>

namespace hft::detail {

/// Ids being written: room is made in blocks, not per id.
class id_sink {
 public:
  explicit id_sink(std::size_t expected) {
    reserve_large(ids_, expected + 16);
    ids_.resize(expected + 16);
  }
  /// Room for n ids.
  std::int32_t* room(std::size_t n) {
    if (n > ids_.size() - size_) ids_.resize(ids_.size() * 2 + n);
    return ids_.data() + size_;
  }
  void advance(std::size_t n) { size_ += n; }
  void push_back(std::int32_t id) {
    *room(1) = id;
    ++size_;
  }
  std::size_t size() const noexcept { return size_; }
  /// Forgets what was written after the first n ids.
  void truncate(std::size_t n) noexcept { size_ = n; }
  std::vector<std::int32_t> take() {
    ids_.resize(size_);
    return std::move(ids_);
  }

  // What word caches keep.
  using cached = std::int32_t;
  static constexpr cached unused = -1;
  template <std::size_t N>
  void append(const std::array<cached, N>& ids, std::string_view) {
    std::memcpy(room(N), ids.data(), sizeof ids);
    std::size_t n = 0;
    for (const auto id : ids) n += id >= 0;  // without a branch: how many they are is hard to guess
    size_ += n;
  }
  /// Copies what was appended since `before` for a word, of at most N entries.
  template <std::size_t N>
  void copy_since(std::size_t before, std::array<cached, N>& out, std::string_view) const {
    std::copy(ids_.data() + before, ids_.data() + size_, out.begin());
  }

 private:
  std::vector<std::int32_t> ids_;
  std::size_t size_ = 0;
};

/// A token and its place: bytes [begin, end) of the original text.
struct placed_token {
  std::uint32_t id, begin, end, word;
};

/// A token of a word of less than 256 bytes: its place in the word, and which part of the word it is in, should the
/// normalizer have made several of it. No token where the id is negative.
struct token_of_word {
  std::int32_t id = -1;
  std::uint8_t begin = 0, end = 0, part = 0;
};

/// Tokens with their places being written. Words are counted as the pieces of the general pipeline are.
class token_sink {
 public:
  explicit token_sink(std::size_t expected) { reserve_large(tokens_, expected); }
  /// The text that places refer to: `text` begins at byte `begin` of the original.
  void set_text(std::string_view text, std::size_t begin) { text_ = text.data(), begin_ = begin; }
  void begin_word() { ++words_; }
  /// A token of the word begun last; `text` is what it stands for.
  void push_back(std::uint32_t id, const char* begin, const char* end) {
    tokens_.push_back({id, place(begin), place(end), words_ - 1});
  }
  /// The places are not what the general pipeline would make of them.
  void fail() noexcept { failed_ = true; }
  bool failed() const noexcept { return failed_; }
  std::size_t size() const noexcept { return tokens_.size(); }
  std::vector<placed_token>& tokens() noexcept { return tokens_; }

  // What word caches keep.
  using cached = token_of_word;
  static constexpr cached unused = {};
  template <std::size_t N>
  void append(const std::array<cached, N>& values, std::string_view word) {
    const auto at = place(word.data());
    std::uint32_t parts = 0;
    for (const auto& c : values) {
      if (c.id < 0) break;
      tokens_.push_back({std::uint32_t(c.id), at + c.begin, at + c.end, words_ + c.part});
      parts = c.part + 1u;
    }
    words_ += parts;
  }
  template <std::size_t N>
  void copy_since(std::size_t before, std::array<cached, N>& out, std::string_view word) const {
    const auto at = place(word.data());
    for (std::size_t i = before; i < tokens_.size(); ++i) {
      const auto& t = tokens_[i];
      out[i - before] = {std::int32_t(t.id), std::uint8_t(t.begin - at), std::uint8_t(t.end - at),
                         std::uint8_t(t.word - tokens_[before].word)};
    }
  }

 private:
  std::uint32_t place(const char* p) const { return std::uint32_t(begin_ + std::size_t(p - text_)); }
  std::vector<placed_token> tokens_;
  const char* text_ = nullptr;
  std::size_t begin_ = 0;
  std::uint32_t words_ = 0;
  bool failed_ = false;
};

/// A bounded map from short words to what they become, in sets of two: a new word replaces the older of its set.
/// Keys are up to Words * 8 - 1 bytes, values up to Count of what Sink keeps.
template <class Sink, std::size_t Words, std::size_t Count>
class word_cache {
 public:
  static constexpr std::size_t max_bytes = Words * 8 - 1, max_count = Count;
  using key = std::array<std::uint64_t, Words>;
  using values = std::array<typename Sink::cached, Count>;
  struct entry {
    key k{};
    values v{};  // from the first unused one on unused
  };

  explicit word_cache(std::size_t bits) : entries_(std::size_t{1} << bits), shift_(unsigned(64 - bits)) {}

  /// The key of a word: its bytes, zeros, and its length in the last byte. `end` is where readable memory ends.
  [[gnu::always_inline]] static inline key key_of(std::string_view word, const char* end) {
    key k{};
    char bytes[Words * 8];
    if (std::size_t(end - word.data()) >= sizeof bytes) {
      std::memcpy(k.data(), word.data(), sizeof bytes);  // reads past the word and masks: no call, no loop
      for (std::size_t i = 0; i < Words; ++i) {
        const std::size_t start = i * 8;
        if (word.size() < start + 8)
          k[i] &= word.size() <= start ? 0 : ~std::uint64_t{0} >> (64 - 8 * (word.size() - start));
      }
    } else {
      std::memset(bytes, 0, sizeof bytes);
      std::memcpy(bytes, word.data(), word.size());
      std::memcpy(k.data(), bytes, sizeof bytes);
    }
    k[Words - 1] |= std::uint64_t(word.size()) << 56;
    return k;
  }
  const entry* find(const key& k) const {
    const entry* set = &entries_[set_of(k)];
    const bool first = same(set[0].k, k), second = same(set[1].k, k);
    return (first | second) ? set + second : nullptr;  // which of the two is hard to guess
  }
  /// The values of a new entry, all unused.
  values& insert(const key& k) {
    entry* set = &entries_[set_of(k)];
    set[1] = set[0];
    set[0].k = k;
    set[0].v.fill(Sink::unused);
    return set[0].v;
  }

 private:
  // Not std::array's ==, which calls memcmp.
  static bool same(const key& a, const key& b) {
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < Words; ++i) difference |= a[i] ^ b[i];
    return difference == 0;
  }
  std::size_t set_of(const key& k) const {
    std::uint64_t h = k[0];
    for (std::size_t i = 1; i < Words; ++i) h = mix(h, k[i]);
    return ((h * 0x9e3779b97f4a7c15u) >> shift_) & ~std::size_t{1};
  }
  std::vector<entry> entries_;
  unsigned shift_;
};

template <class Sink>
struct word_caches {
  word_cache<Sink, 2, 4> short_words;
  word_cache<Sink, 4, 12> long_words;
};

/// Buffers and caches of one running call.
struct encode_scratch {
  word_caches<id_sink> ids{word_cache<id_sink, 2, 4>{15}, word_cache<id_sink, 4, 12>{13}};  // 1 MiB, 640 KiB
  std::optional<word_caches<token_sink>> tokens_of_words;                                   // 768 KiB, 512 KiB
  bpe_scratch bpe;
  unigram_scratch unigram;
  std::vector<Token> tokens;
  std::string text;

  std::thread::id thread;                // that had it last
  std::unique_ptr<encode_scratch> next;  // in the pool

  word_caches<id_sink>& caches(id_sink&) { return ids; }
  word_caches<token_sink>& caches(token_sink&) {
    if (!tokens_of_words)
      tokens_of_words = word_caches<token_sink>{word_cache<token_sink, 2, 4>{14}, word_cache<token_sink, 4, 12>{12}};
    return *tokens_of_words;
  }
};

/// Hands a scratch to each call and keeps those that came back: as many as calls ever ran at once. A thread gets the
/// one it had, which its core's caches know.
class scratch_pool {
 public:
  class lease {
   public:
    /// Holds nothing where none is wanted.
    lease(scratch_pool& pool, bool wanted) : pool_(pool), scratch_(wanted ? pool.take() : nullptr) {}
    lease(const lease&) = delete;
    lease& operator=(const lease&) = delete;
    ~lease() {
      if (scratch_) pool_.give(std::move(scratch_));
    }
    encode_scratch* get() const noexcept { return scratch_.get(); }

   private:
    scratch_pool& pool_;
    std::unique_ptr<encode_scratch> scratch_;
  };

 private:
  std::unique_ptr<encode_scratch> take() {
    const auto me = std::this_thread::get_id();
    {
      const std::lock_guard lock(mutex_);
      auto* place = &free_;  // of what this thread had, or else of the one longest here
      while (*place && (*place)->thread != me && (*place)->next) place = &(*place)->next;
      if (auto s = std::move(*place)) {
        *place = std::move(s->next);
        --count_;
        return s;
      }
    }
    return std::make_unique<encode_scratch>();
  }
  void give(std::unique_ptr<encode_scratch> s) {
    s->thread = std::this_thread::get_id();
    const std::lock_guard lock(mutex_);
    if (count_ == max_kept) return;
    s->next = std::move(free_);
    free_ = std::move(s);
    ++count_;
  }
  static constexpr std::size_t max_kept = 64;
  std::mutex mutex_;
  std::unique_ptr<encode_scratch> free_;  // the last that came back, and so on
  std::size_t count_ = 0;
};

/// A way from text to ids that knows the whole pipeline.
class fast_path {
 public:
  virtual ~fast_path() = default;
  /// Appends the ids of a text (well-formed UTF-8) without added tokens; `begin` is where the text begins in the
  /// original. False where only the general pipeline knows: what was appended is of no use then.
  virtual bool encode(std::string_view text, std::size_t begin, encode_scratch& scratch, id_sink& out) const = 0;
  /// The same with places.
  virtual bool encode(std::string_view text, std::size_t begin, encode_scratch& scratch, token_sink& out) const = 0;
  /// Whether it knows the places of any text.
  virtual bool has_places() const { return true; }
};

/// Appends what a word becomes, where a cache knows it. `end` is where readable memory ends.
template <class Sink>
bool append_known(std::string_view word, const char* end, word_caches<Sink>& caches, Sink& out) {
  const auto from = [&](auto& cache) {
    const auto* e = cache.find(cache.key_of(word, end));
    if (e) out.append(e->v, word);
    return e != nullptr;
  };
  if (word.size() <= caches.short_words.max_bytes) return from(caches.short_words);
  return word.size() <= caches.long_words.max_bytes && from(caches.long_words);
}
/// Keeps what was appended for a word since there were `before` entries, as far as there is room for it.
template <class Sink>
void keep(std::string_view word, const char* end, word_caches<Sink>& caches, const Sink& out, std::size_t before) {
  const auto in = [&](auto& cache) {
    if (out.size() - before <= cache.max_count) out.copy_since(before, cache.insert(cache.key_of(word, end)), word);
  };
  if (word.size() <= caches.short_words.max_bytes) return in(caches.short_words);
  if (word.size() <= caches.long_words.max_bytes) in(caches.long_words);
}
/// Appends what a word becomes: from a cache, or by compute(word), which appends it to `out` and says whether it may be
/// kept.
template <class Sink, class Compute>
void append_word(std::string_view word, const char* end, word_caches<Sink>& caches, Sink& out, Compute compute) {
  if (append_known(word, end, caches, out)) return;
  const std::size_t before = out.size();
  if (compute(word)) keep(word, end, caches, out, before);
}

}  // namespace hft::detail
