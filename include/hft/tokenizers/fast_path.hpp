// Ids without offsets, as fast as the pipeline allows: byte-level BPE and BERT's WordPiece cut the text in one pass and
// look whole words up in a bounded cache. Equal to the general pipeline, which stays the oracle.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/models/wordpiece.hpp>
#include <hft/tokenizers/normalizers/bert.hpp>
#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/normalizers/unicode.hpp>
#include <hft/tokenizers/pre_tokenizers/bert.hpp>
#include <hft/tokenizers/pre_tokenizers/byte_level.hpp>
#include <hft/tokenizers/pre_tokenizers/digits.hpp>
#include <hft/tokenizers/pre_tokenizers/sequence.hpp>
#include <hft/tokenizers/pre_tokenizers/split.hpp>

namespace hft::detail {

/// Ids being written: room is made in blocks, not per id.
class id_sink {
 public:
  explicit id_sink(std::size_t expected) : ids_(expected + 16) {}
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
  const std::int32_t* data() const noexcept { return ids_.data(); }
  std::vector<std::int32_t> take() {
    ids_.resize(size_);
    return std::move(ids_);
  }

 private:
  std::vector<std::int32_t> ids_;
  std::size_t size_ = 0;
};

/// A bounded map from short words to their ids, in sets of two: a new word replaces the older of its set.
/// Keys are up to Words * 8 - 1 bytes, values up to Ids ids.
template <std::size_t Words, std::size_t Ids>
class word_cache {
 public:
  static constexpr std::size_t max_bytes = Words * 8 - 1, max_ids = Ids;
  using key = std::array<std::uint64_t, Words>;
  struct entry {
    key k{};
    std::array<std::int32_t, Ids> ids{};  // from the first -1 on unused
  };

  explicit word_cache(std::size_t bits) : entries_(std::size_t{1} << bits), shift_(unsigned(64 - bits)) {}

  /// The key of a word: its bytes, zeros, and its length in the last byte. `end` is where readable memory ends.
  static key key_of(std::string_view word, const char* end) {
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
    return set[0].k == k ? set : set[1].k == k ? set + 1 : nullptr;
  }
  void insert(const key& k, const std::int32_t* ids, std::size_t n) {
    entry* set = &entries_[set_of(k)];
    set[1] = set[0];
    set[0].k = k;
    set[0].ids.fill(-1);
    std::copy(ids, ids + n, set[0].ids.begin());
  }

 private:
  std::size_t set_of(const key& k) const {
    std::uint64_t h = k[0];
    for (std::size_t i = 1; i < Words; ++i) h = mix(h, k[i]);
    return ((h * 0x9e3779b97f4a7c15u) >> shift_) & ~std::size_t{1};
  }
  std::vector<entry> entries_;
  unsigned shift_;
};

/// Buffers and caches of one running call.
struct encode_scratch {
  word_cache<2, 4> short_words{15};  // 1 MiB
  word_cache<4, 12> long_words{13};  // 640 KiB
  bpe_scratch bpe;
  std::vector<Token> tokens;
  std::string text;
};

/// Hands a scratch to each call and keeps those that came back: as many as calls ever ran at once.
class scratch_pool {
 public:
  class lease {
   public:
    explicit lease(scratch_pool& pool) : pool_(pool), scratch_(pool.take()) {}
    lease(const lease&) = delete;
    lease& operator=(const lease&) = delete;
    ~lease() { pool_.give(std::move(scratch_)); }
    encode_scratch& operator*() const { return *scratch_; }

   private:
    scratch_pool& pool_;
    std::unique_ptr<encode_scratch> scratch_;
  };

 private:
  std::unique_ptr<encode_scratch> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto s = std::move(free_.back());
        free_.pop_back();
        return s;
      }
    }
    return std::make_unique<encode_scratch>();
  }
  void give(std::unique_ptr<encode_scratch> s) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < max_kept) free_.push_back(std::move(s));
  }
  static constexpr std::size_t max_kept = 64;
  std::mutex mutex_;
  std::vector<std::unique_ptr<encode_scratch>> free_;
};

/// Appends a word's ids: from a cache, or by compute(word), which appends them to `out`. `end` is where readable memory
/// ends.
template <class Compute>
void append_word(std::string_view word, const char* end, encode_scratch& scratch, id_sink& out, Compute compute) {
  const auto known = [&](const auto& cache, const auto& k) {
    const auto* e = cache.find(k);
    if (!e) return false;
    constexpr std::size_t max_ids = std::remove_cvref_t<decltype(cache)>::max_ids;
    std::memcpy(out.room(max_ids), e->ids.data(), sizeof e->ids);
    std::size_t n = 0;
    while (n < max_ids && e->ids[n] >= 0) ++n;
    out.advance(n);
    return true;
  };
  auto& short_words = scratch.short_words;
  auto& long_words = scratch.long_words;
  if (word.size() <= short_words.max_bytes) {
    const auto k = short_words.key_of(word, end);
    if (known(short_words, k)) return;
    const std::size_t before = out.size();
    compute(word);
    if (const std::size_t n = out.size() - before; n <= short_words.max_ids)
      short_words.insert(k, out.data() + before, n);
  } else if (word.size() <= long_words.max_bytes) {
    const auto k = long_words.key_of(word, end);
    if (known(long_words, k)) return;
    const std::size_t before = out.size();
    compute(word);
    if (const std::size_t n = out.size() - before; n <= long_words.max_ids)
      long_words.insert(k, out.data() + before, n);
  } else {
    compute(word);
  }
}

class fast_path {
 public:
  virtual ~fast_path() = default;
  /// Appends the ids of a text (well-formed UTF-8) without added tokens.
  virtual void encode(std::string_view text, encode_scratch& scratch, id_sink& out) const = 0;
};

/// Whether the text is in NFC because nothing in it composes: every character is below U+0300.
inline bool plainly_normal(std::string_view text) {
  for (char c : text)
    if (static_cast<unsigned char>(c) >= 0xcc) return false;
  return true;
}

/// [NFC] > [Split | Digits]* > ByteLevel > BPE over bytes.
class byte_level_bpe_path final : public fast_path {
 public:
  struct stage {
    enum class kind { scan, split, digits } what;
    split_pattern pattern = {};
    const pre_tokenizers::Split* split = nullptr;
    bool individual_digits = false;
  };

  /// Null where the pipeline is not of this form.
  static std::unique_ptr<fast_path> make(const normalizers::Normalizer* normalizer,
                                         const pre_tokenizers::PreTokenizer* pre_tokenizer,
                                         const models::Model& model) {
    auto path = std::make_unique<byte_level_bpe_path>();
    path->model_ = dynamic_cast<const models::BPE*>(&model);
    if (!path->model_ || !path->model_->byte_level() || !pre_tokenizer) return nullptr;
    if (normalizer && !dynamic_cast<const normalizers::NFC*>(normalizer)) return nullptr;
    path->normalizer_ = normalizer;
    std::vector<const pre_tokenizers::PreTokenizer*> steps;
    if (const auto* sequence = dynamic_cast<const pre_tokenizers::Sequence*>(pre_tokenizer)) {
      for (const auto& p : sequence->pre_tokenizers) steps.push_back(p.get());
    } else {
      steps.push_back(pre_tokenizer);
    }
    const auto* last = steps.empty() ? nullptr : dynamic_cast<const pre_tokenizers::ByteLevel*>(steps.back());
    if (!last) return nullptr;  // only there do bytes become characters
    steps.pop_back();
    path->add_prefix_space_ = last->add_prefix_space;
    if (last->add_prefix_space && !steps.empty()) return nullptr;
    for (const auto* step : steps) {
      if (const auto* s = dynamic_cast<const pre_tokenizers::Split*>(step)) {
        const bool isolated = s->behavior == SplitDelimiterBehavior::Isolated ||
                              (s->behavior == SplitDelimiterBehavior::Removed && s->invert);
        if (s->pattern.known() && isolated) {
          path->stages_.push_back({stage::kind::scan, *s->pattern.known()});
        } else {
          path->stages_.push_back({stage::kind::split, {}, s});
        }
      } else if (const auto* d = dynamic_cast<const pre_tokenizers::Digits*>(step)) {
        path->stages_.push_back({stage::kind::digits, {}, nullptr, d->individual_digits});
      } else {
        return nullptr;
      }
    }
    if (last->use_regex) path->stages_.push_back({stage::kind::scan, split_pattern::gpt2});
    return path;
  }

  void encode(std::string_view text, encode_scratch& scratch, id_sink& out) const override {
    if (text.empty()) return;
    std::string normalized;
    if (normalizer_ && !plainly_normal(text)) {
      NormalizedString s(text, false);
      normalizer_->normalize(s);
      text = normalized = s.get();
    }
    if (add_prefix_space_ && text.front() != ' ') {
      scratch.text.assign(1, ' ');
      scratch.text += text;
      text = scratch.text;
    }
    run(0, text, text.data() + text.size(), scratch, out);
  }

 private:
  void run(std::size_t k, std::string_view text, const char* end, encode_scratch& scratch, id_sink& out) const {
    if (k == stages_.size()) return word(text, end, scratch, out);
    const stage& s = stages_[k];
    const bool last = k + 1 == stages_.size();
    const auto part = [&](std::size_t from, std::size_t to) {
      if (from == to) return;
      const auto p = text.substr(from, to - from);
      if (last) return word(p, end, scratch, out);
      run(k + 1, p, end, scratch, out);
    };
    switch (s.what) {
      case stage::kind::scan:
        return scan(s.pattern, text, part);
      case stage::kind::split: {
        auto matches = s.split->pattern.find(text);
        if (s.split->invert)
          for (auto& m : matches) m.is_match = !m.is_match;
        for (const auto& m : apply_behavior(std::move(matches), s.split->behavior)) part(m.begin, m.end);
        return;
      }
      case stage::kind::digits:
        return digits(text, s.individual_digits, part);
    }
  }

  template <class Part>
  static void digits(std::string_view text, bool individual, Part part) {
    std::size_t begin = 0;
    bool previous = false;
    unicode::for_each(text, [&](char32_t c, std::size_t i, unsigned) {
      const bool now = c < 0x80 ? c >= '0' && c <= '9' : unicode::is(c, unicode::numeric);
      if (now != previous || (now && individual)) part(begin, i), begin = i;
      previous = now;
    });
    part(begin, text.size());
  }

  void word(std::string_view piece, const char* end, encode_scratch& scratch, id_sink& out) const {
    append_word(piece, end, scratch, out, [&](std::string_view w) {
      const std::size_t n = model_->encode_bytes(w, scratch.bpe);
      std::int32_t* ids = out.room(n);
      for (std::size_t i = 0; i < n; ++i) ids[i] = std::int32_t(scratch.bpe.symbols[i].id);
      out.advance(n);
    });
  }

  const models::BPE* model_ = nullptr;
  const normalizers::Normalizer* normalizer_ = nullptr;
  bool add_prefix_space_ = false;
  std::vector<stage> stages_;
};

/// BertNormalizer > BertPreTokenizer > any model. White space, punctuation and (where they are set apart) CJK
/// characters separate words before the normalizer as well as after it, so each word is normalized alone, and only when
/// the cache does not know it.
class bert_path final : public fast_path {
 public:
  static std::unique_ptr<fast_path> make(const normalizers::Normalizer* normalizer,
                                         const pre_tokenizers::PreTokenizer* pre_tokenizer,
                                         const models::Model& model) {
    const auto* bert = dynamic_cast<const normalizers::BertNormalizer*>(normalizer);
    if (!bert || !dynamic_cast<const pre_tokenizers::BertPreTokenizer*>(pre_tokenizer)) return nullptr;
    auto path = std::make_unique<bert_path>();
    path->pre_tokenizer_ = pre_tokenizer;
    path->model_ = &model;
    path->bert_ = bert;
    for (char32_t c = 0; c < 128; ++c) {
      path->ascii_[c] = path->kind_of(c);
      path->plain_[c] = path->ascii_[c] == letter && !unicode::is(c, unicode::cleaned);
    }
    return path;
  }

  void encode(std::string_view text, encode_scratch& scratch, id_sink& out) const override {
    const char* const end = text.data() + text.size();
    const auto compute = [&](std::string_view word) { general(word, scratch, out); };
    for (std::size_t i = 0, n = text.size(); i < n;) {
      const std::size_t begin = i;
      unsigned length = 1;
      kind what = letter;
      for (; i < n; i += length) {
        const auto c = static_cast<unsigned char>(text[i]);
        length = 1;
        what = c < 128 ? ascii_[c] : kind_of(unicode::decode(text.data() + i, length));
        if (what != letter) break;
      }
      if (i > begin) append_word(text.substr(begin, i - begin), end, scratch, out, compute);
      if (i == n) return;
      if (what == alone) append_word(text.substr(i, length), end, scratch, out, compute);
      i += length;
    }
  }

 private:
  enum kind : std::uint8_t { letter, separator, alone };

  kind kind_of(char32_t c) const {
    const unsigned p = unicode::properties(c);
    if ((p & unicode::space) && !(bert_->clean_text && (p & unicode::cleaned))) return separator;
    return (p & unicode::punctuation) || (bert_->handle_chinese_chars && is_bert_cjk(c)) ? alone : letter;
  }
  void general(std::string_view word, encode_scratch& scratch, id_sink& out) const {
    const auto append = [&](std::string_view text) {
      scratch.tokens.clear();
      model_->tokenize(text, scratch.tokens);
      for (const auto& t : scratch.tokens) out.push_back(std::int32_t(t.id));
    };
    // A word of ASCII letters and digits has nothing to normalize but its case.
    const auto plain = [this](char c) { return static_cast<unsigned char>(c) < 128 && plain_[std::size_t(c)]; };
    if (std::all_of(word.begin(), word.end(), plain)) {
      scratch.text = word;
      if (bert_->lowercase)
        for (char& c : scratch.text) c = char(unicode::lowercase(char32_t(c)));
      return append(scratch.text);
    }
    PreTokenizedString s(word, false);
    s.normalize([&](NormalizedString& text) { bert_->normalize(text); });
    pre_tokenizer_->pre_tokenize(s);
    for (const auto& p : s.pieces) {
      if (!p.text.empty()) append(p.text.get());
    }
  }

  const normalizers::BertNormalizer* bert_ = nullptr;
  const pre_tokenizers::PreTokenizer* pre_tokenizer_ = nullptr;
  const models::Model* model_ = nullptr;
  std::array<kind, 128> ascii_{};
  std::array<bool, 128> plain_{};  // letters that the normalizer keeps, but for their case
};

/// The fast path of a pipeline, or null where it has none.
inline std::unique_ptr<fast_path> make_fast_path(const normalizers::Normalizer* normalizer,
                                                 const pre_tokenizers::PreTokenizer* pre_tokenizer,
                                                 const models::Model& model) {
  if (auto path = byte_level_bpe_path::make(normalizer, pre_tokenizer, model)) return path;
  return bert_path::make(normalizer, pre_tokenizer, model);
}

}  // namespace hft::detail
