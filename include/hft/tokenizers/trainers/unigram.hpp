// UnigramTrainer (Kudo 2018, arXiv 1804.10959): from many substrings, expectation maximization finds how likely each is
// as a piece, and those that are missed least are dropped, round by round, until the vocabulary has its size.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/parallel.hpp>
#include <hft/tokenizers/byte_trie.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/trainers/substrings.hpp>
#include <hft/tokenizers/trainers/trainer.hpp>

namespace hft {
namespace trainers {

/// tokenizers' UnigramTrainer. Scores agree with the library's but for the order of sums; characters that no piece has
/// get theirs in the order of code points, where the library leaves that to chance.
struct UnigramTrainer {
  std::uint32_t vocab_size = 8000;  // special tokens included
  std::uint32_t n_sub_iterations = 2;
  double shrinking_factor = 0.75;  // of the pieces to keep in a round; from 0 to below 1
  std::vector<SpecialToken> special_tokens = {};
  std::u32string initial_alphabet = {};       // characters to have as pieces, seen or not
  std::optional<std::string> unk_token = {};  // the first token, unless it is a special one
  std::size_t max_piece_length = 16;          // in characters
  std::size_t seed_size = 1000000;            // pieces to start with at most
  progress_callback progress = {};
  std::stop_token stop = {};

  /// Throws value_error where the words have more characters than vocab_size, and for a shrinking_factor out of range.
  std::shared_ptr<const models::Model> train(const word_counts& words, const models::Model& model) const;
};

}  // namespace trainers

namespace detail {

/// One training. Pieces keep their ids while others are dropped; id 0 stands for what no piece covers.
class unigram_training {
 public:
  unigram_training(const trainers::UnigramTrainer& options, const word_counts& words) : o_(options), words_(words) {}

  std::shared_ptr<const models::Model> run() {
    const auto required = required_characters();
    if (required.size() > o_.vocab_size)
      throw value_error("UnigramTrainer", "vocab_size",
                        joined("at least the ", required.size(), " characters of the text"), joined(o_.vocab_size));
    report(o_, "Suffix array seeds", 0, words_.size());
    make_seeds();
    report(o_, "Suffix array seeds", words_.size(), words_.size());

    const std::size_t desired = std::size_t(o_.vocab_size) * 11 / 10;
    const double loops = (std::log(double(desired)) - std::log(double(order_.size()))) / std::log(o_.shrinking_factor);
    const std::size_t updates = (loops > 0 && loops < 1e6 ? std::size_t(loops) + 1 : 1) * o_.n_sub_iterations;
    // Pieces that have no alternative are kept, however many; then only a round or two more can help.
    for (std::size_t done = 0, stuck = 0; stuck < max_stuck;) {
      for (std::uint32_t i = 0; i < o_.n_sub_iterations; ++i) {
        report(o_, "EM training", std::min(done++, updates), updates);
        maximize(expect());
      }
      if (order_.size() <= desired) break;
      const std::size_t before = order_.size();
      prune(desired);
      stuck = order_.size() < before ? 0 : stuck + 1;
    }
    report(o_, "EM training", updates, updates);
    return finalize(required);
  }

 private:
  static constexpr std::size_t max_stuck = 8;
  static constexpr double unk_penalty = 10;
  static constexpr std::size_t parts = 16;  // of the words, summed one after the other whatever the threads

  struct node {
    std::uint32_t end, id;
    double score;
  };
  /// The pieces that a text may be cut into, by where they begin. Buffers outlive one text.
  struct lattice {
    std::vector<node> nodes;
    std::vector<std::uint32_t> first;  // nodes that begin at byte i: nodes[first[i]] to nodes[first[i + 1]]
    std::vector<double> forward, backward;
    std::vector<std::uint32_t> best, start;  // by end: the id of the last piece on the best way, where it begins
  };

  std::vector<char32_t> required_characters() const {
    std::vector<bool> seen(0x110000);
    for (const auto& [word, n] : words_)
      unicode::for_each(word, [&](char32_t c, std::size_t, unsigned) { seen[c] = true; });
    for (char32_t c : check_alphabet(o_.initial_alphabet, "UnigramTrainer")) seen[c] = true;
    std::vector<char32_t> out;
    for (char32_t c = 0; c < seen.size(); ++c)
      if (seen[c]) out.push_back(c);
    return out;
  }

  void make_seeds() {
    std::vector<std::uint64_t> counts(0x110000);
    for (const auto& [word, n] : words_)
      unicode::for_each(word, [&, n = n](char32_t c, std::size_t, unsigned) { counts[c] += n; });
    std::vector<char32_t> characters;
    for (char32_t c = 0x10ffff; c > 0; --c)
      if (counts[c] > 0) characters.push_back(c);
    std::stable_sort(characters.begin(), characters.end(),
                     [&](char32_t a, char32_t b) { return counts[a] > counts[b]; });

    const auto add = [&](std::string text, double score) {
      order_.push_back(std::uint32_t(texts_.size()));
      texts_.push_back(std::move(text));
      scores_.push_back(score);
    };
    add("<UNK>", std::numeric_limits<double>::quiet_NaN());
    for (char32_t c : characters) add(unicode::encode(c), double(counts[c]));
    repeated_substrings substrings(words_, o_.max_piece_length);
    const std::size_t room = o_.seed_size > characters.size() ? o_.seed_size - characters.size() : 1;
    for (const auto& s : substrings.best(room)) {
      std::string text;
      for (char32_t c : substrings.text(s)) unicode::append(text, c);
      add(std::move(text), double(s.score));
    }
    double sum = 0;
    for (std::size_t i = 1; i < scores_.size(); ++i) sum += scores_[i];
    const double log_sum = std::log(sum);
    for (std::size_t i = 1; i < scores_.size(); ++i) scores_[i] = std::log(scores_[i]) - log_sum;
    update_model();
  }

  /// After order_ or scores_ changed: what lattices need.
  void update_model() {
    alive_.assign(texts_.size(), false);
    min_score_ = std::numeric_limits<double>::infinity();
    for (const auto id : order_) {
      if (id == 0) continue;
      alive_[id] = true;
      min_score_ = std::min(min_score_, scores_[id]);
    }
    if (order_.size() * 2 > keys_) return;  // a trie with some dead keys is right, and making one takes long
    keys_ = order_.size();
    std::vector<byte_trie::key> keys;
    keys.reserve(keys_);
    for (const auto id : order_)
      if (id != 0) keys.push_back({texts_[id], id});
    trie_ = byte_trie(std::move(keys));
  }

  /// All pieces in the text, each place of a character that is none alone taking id 0.
  void fill(lattice& l, std::string_view text) const {
    l.nodes.clear();
    l.first.assign(text.size() + 1, 0);
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t character = unicode::length(static_cast<unsigned char>(text[begin]));
      bool alone = false;
      l.first[begin] = std::uint32_t(l.nodes.size());
      trie_.prefixes(text.substr(begin), [&](std::uint32_t id, std::size_t size) {
        if (!alive_[id]) return;
        l.nodes.push_back({std::uint32_t(begin + size), id, scores_[id]});
        alone |= size == character;
      });
      if (!alone) l.nodes.push_back({std::uint32_t(begin + character), 0, min_score_ - unk_penalty});
      for (std::size_t i = 1; i <= character; ++i) l.first[begin + i] = std::uint32_t(l.nodes.size());
      begin += character;
    }
  }

  /// log(exp(x) + exp(y))
  static double log_sum_exp(double x, double y) {
    const double high = std::max(x, y), low = std::min(x, y);
    return high > low + 50 ? high : high + std::log(std::exp(low - high) + 1);
  }

  /// Adds to `expected` how often each piece is to be expected in `count` times the text, over all ways to cut it.
  void add_expected(lattice& l, std::string_view text, double count, std::vector<double>& expected) const {
    constexpr double unset = std::numeric_limits<double>::infinity();
    fill(l, text);
    const std::size_t n = text.size();
    l.forward.assign(n + 1, unset);
    l.backward.assign(n + 1, 0);
    l.forward[0] = 0;
    for (std::size_t begin = 0; begin < n; ++begin)
      for (auto k = l.first[begin]; k < l.first[begin + 1]; ++k) {
        double& f = l.forward[l.nodes[k].end];
        const double way = l.nodes[k].score + l.forward[begin];
        f = f == unset ? way : log_sum_exp(f, way);
      }
    for (std::size_t begin = n; begin-- > 0;)
      for (auto k = l.first[begin]; k < l.first[begin + 1]; ++k) {
        const double way = l.nodes[k].score + l.backward[l.nodes[k].end];
        l.backward[begin] = k == l.first[begin] ? way : log_sum_exp(l.backward[begin], way);
      }
    for (std::size_t begin = 0; begin < n; ++begin)
      for (auto k = l.first[begin]; k < l.first[begin + 1]; ++k) {
        const auto& [end, id, score] = l.nodes[k];
        expected[id] += count * std::exp(l.forward[begin] + score + l.backward[end] - l.forward[n]);
      }
  }

  /// The best way to cut the text; of equal ones that whose last piece begins first. `whole` false: not as one piece.
  /// False: there is none. Its pieces are l.best and l.start, from the end on; its score is l.forward.back().
  bool find_best(lattice& l, std::string_view text, bool whole) const {
    fill(l, text);
    const std::size_t n = text.size();
    constexpr std::uint32_t none = byte_trie::none;
    l.forward.assign(n + 1, 0);
    l.best.assign(n + 1, none);
    l.start.assign(n + 1, 0);
    for (std::size_t begin = 0; begin < n; ++begin)
      for (auto k = l.first[begin]; k < l.first[begin + 1]; ++k) {
        const auto& [end, id, score] = l.nodes[k];
        if (!whole && begin == 0 && end == n) continue;
        if (begin > 0 && l.best[begin] == none) continue;
        const double way = l.forward[begin] + score;
        if (l.best[end] != none && !(way > l.forward[end])) continue;
        l.forward[end] = way, l.best[end] = id, l.start[end] = std::uint32_t(begin);
      }
    return l.best[n] != none;
  }

  /// Calls f(word, count, sums, lattice) for all words, and returns the sums by id: those of each part in the order of
  /// words, then those of the parts in theirs.
  template <class F>
  std::vector<double> sum_over_words(F f) const {
    const std::size_t n = std::min(parts, words_.size());
    std::vector<std::vector<double>> sums(n);
    std::atomic<std::size_t> next{0};
    thread_pool::instance().run([&](int) {
      lattice l;
      for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) {
        sums[i].assign(texts_.size(), 0);
        for (std::size_t w = words_.size() * i / n; w < words_.size() * (i + 1) / n; ++w)
          f(words_[w].first, double(words_[w].second), sums[i], l);
      }
    });
    std::vector<double> out(texts_.size());
    for (const auto& part : sums)
      for (std::size_t id = 0; id < out.size(); ++id) out[id] += part[id];
    return out;
  }

  std::vector<double> expect() const {
    return sum_over_words([this](std::string_view word, double count, std::vector<double>& expected, lattice& l) {
      add_expected(l, word, count, expected);
    });
  }

  static double digamma(double x) {
    double out = 0;
    for (; x < 7; ++x) out -= 1 / x;
    x -= 0.5;
    const double y = 1 / x, y2 = y * y, y4 = y2 * y2;
    return out + (std::log(x) + 1.0 / 24 * y2 - 7.0 / 960 * y4 + 31.0 / 8064 * y4 * y2 - 127.0 / 30720 * y4 * y4);
  }

  /// New scores; pieces that are hardly expected at all are dropped. With digamma in place of the logarithm rare pieces
  /// lose more than their share (Liang and Klein's variational EM), which makes the vocabulary sparse.
  void maximize(const std::vector<double>& expected) {
    constexpr double least = 0.5;
    double sum = 0;
    std::vector<std::uint32_t> kept;
    for (const auto id : order_) {
      if (id != 0 && expected[id] < least) continue;
      kept.push_back(id);
      if (id != 0) sum += expected[id];
    }
    const double log_sum = digamma(sum);
    for (const auto id : kept)
      if (id != 0) scores_[id] = digamma(expected[id]) - log_sum;
    order_ = std::move(kept);
    update_model();
  }

  /// What a piece is cut into where it is not one: nothing where it is best cut anyway, or cannot be.
  std::vector<std::vector<std::uint32_t>> alternatives() const {
    std::vector<std::vector<std::uint32_t>> out(order_.size());
    std::atomic<std::size_t> next{0};
    constexpr std::size_t share = 256;
    thread_pool::instance().run([&](int) {
      lattice l;
      for (std::size_t first; (first = next.fetch_add(share, std::memory_order_relaxed)) < out.size();)
        for (std::size_t i = first; i < std::min(first + share, out.size()); ++i) {
          const auto id = order_[i];
          if (id == 0 || !find_best(l, texts_[id], false) || l.forward.back() > scores_[id]) continue;
          for (std::size_t end = texts_[id].size(); end > 0; end = l.start[end]) out[i].push_back(l.best[end]);
          std::reverse(out[i].begin(), out[i].end());
        }
    });
    return out;
  }

  /// Drops pieces that the best ways do not use, and of the others those whose loss costs the least likelihood, taking
  /// it that their alternatives stand in for them.
  void prune(std::size_t desired) {
    const auto others = alternatives();
    const auto used =
        sum_over_words([this](std::string_view word, double count, std::vector<double>& sums, lattice& l) {
          if (!find_best(l, word, true)) return;
          for (std::size_t end = word.size(); end > 0; end = l.start[end]) sums[l.best[end]] += count;
        });
    double words = 0, sum = 0;
    for (const auto& [word, n] : words_) words += double(n);
    for (const double n : used) sum += n;
    const double log_sum = std::log(sum);

    struct candidate {
      std::uint32_t id;
      double loss;
    };
    std::vector<candidate> candidates;
    std::vector<std::uint32_t> kept{0};
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const auto id = order_[i];
      const double n = used[id];
      if (id == 0) continue;
      if (others[i].empty()) {
        // Without an alternative because it is best cut, it goes; because it cannot be, it stays.
        if (n > 0 || is_indivisible(id)) kept.push_back(id);
      } else if (n > 0) {
        // As in the library, the sum grows by the number of all pieces, where that of the alternatives is meant.
        const double log_sum_without = std::log(sum + n * double(order_.size() - 1));
        double without = 0;
        for (const auto other : others[i]) without += std::log(used[other] + n) - log_sum_without;
        candidates.push_back({id, n / words * (std::log(n) - log_sum - without)});
      }
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const candidate& a, const candidate& b) { return a.loss > b.loss; });
    const std::size_t size = std::max(desired, std::size_t(double(order_.size()) * o_.shrinking_factor));
    // As in the library, a size that is exceeded already is no limit.
    for (const auto& c : candidates) {
      if (kept.size() == size) break;
      kept.push_back(c.id);
    }
    order_ = std::move(kept);
    update_model();
  }
  bool is_indivisible(std::uint32_t id) const {
    return texts_[id].size() == unicode::length(static_cast<unsigned char>(texts_[id][0]));
  }

  std::shared_ptr<const models::Model> finalize(const std::vector<char32_t>& required) const {
    std::unordered_map<std::string_view, std::uint32_t> known;
    for (const auto id : order_) known.insert_or_assign(texts_[id], id);
    std::unordered_set<std::string> inserted{texts_[0]};
    std::vector<std::pair<std::string, double>> pieces;
    const double lowest = order_.size() > 1 ? min_score_ : 0;
    double penalty = 0;  // added, as in the library, so that scores of missing characters differ
    for (char32_t c : required) {
      auto text = unicode::encode(c);
      const auto at = known.find(text);
      pieces.emplace_back(text, at != known.end() ? scores_[at->second] : lowest + penalty);
      if (at == known.end()) penalty += 0.0001;
      inserted.insert(std::move(text));
    }
    std::optional<std::uint32_t> unk_id;
    bool add_unk = false;
    if (o_.unk_token) {
      const auto at = std::find_if(o_.special_tokens.begin(), o_.special_tokens.end(),
                                   [&](const auto& t) { return t.content == *o_.unk_token; });
      add_unk = at == o_.special_tokens.end();
      unk_id = add_unk ? 0 : std::uint32_t(at - o_.special_tokens.begin());
    }
    // As in the library, a size that is exceeded already, or that the special tokens alone exceed, is no limit.
    const std::size_t size = std::size_t(o_.vocab_size) - o_.special_tokens.size() - std::size_t(add_unk);
    for (const auto id : order_) {
      if (!inserted.insert(texts_[id]).second) continue;
      pieces.emplace_back(texts_[id], scores_[id]);
      if (pieces.size() == size) break;
    }
    std::stable_sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.second > b.second; });

    std::vector<std::pair<std::string, double>> out;
    if (add_unk) out.emplace_back(*o_.unk_token, 0.0);
    for (const auto& t : o_.special_tokens) out.emplace_back(t.content, 0.0);
    out.insert(out.end(), std::make_move_iterator(pieces.begin()), std::make_move_iterator(pieces.end()));
    return std::make_shared<models::Unigram>(std::move(out), unk_id, false);
  }

  const trainers::UnigramTrainer& o_;
  const word_counts& words_;
  std::vector<std::string> texts_;  // of pieces by id
  std::vector<double> scores_;
  std::vector<std::uint32_t> order_;  // ids of the pieces there are, in the order of the library
  std::vector<bool> alive_;           // whether an id is among them
  double min_score_ = 0;
  byte_trie trie_;
  std::size_t keys_ = std::numeric_limits<std::size_t>::max();  // pieces when the trie was made
};

}  // namespace detail

namespace trainers {

inline std::shared_ptr<const models::Model> UnigramTrainer::train(const word_counts& words,
                                                                  const models::Model& model) const {
  (void)detail::model_to_train<models::Unigram>(model, "UnigramTrainer", "Unigram");
  if (!(shrinking_factor >= 0 && shrinking_factor < 1))
    throw value_error("UnigramTrainer", "shrinking_factor", "from 0 to below 1", detail::joined(shrinking_factor));
  return detail::unigram_training(*this, words).run();
}

}  // namespace trainers
}  // namespace hft
