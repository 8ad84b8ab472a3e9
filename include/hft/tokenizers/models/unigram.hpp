// Unigram (Kudo 2018, arXiv 1804.10959): of all ways to write a piece as tokens, the one with the largest sum of
// scores.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/byte_trie.hpp>
#include <hft/tokenizers/models/model.hpp>

namespace hft {
namespace detail {

/// Buffers that outlive one piece.
struct unigram_scratch {
  struct node {
    double score = 0;
    std::uint32_t length = 0, id = 0;  // of the token that ends here on the best way; length 0: none does
  };
  struct segment {
    std::uint32_t begin, end, id;
  };
  std::vector<node> ends;
  std::vector<segment> segments;
};

}  // namespace detail

namespace models {

/// tokenizers' Unigram. Neighbouring unknown characters are one unknown token. Linear in the length of a piece times
/// that of the longest token.
class Unigram final : public Model {
 public:
  /// `pieces` are tokens and their scores (log probabilities), in the order of their ids. A token listed twice is
  /// encoded with its last id and score. With `byte_fallback` unknown text becomes `<0xE2>` tokens where all of them
  /// exist. Throws value_error for an `unk_id` that no piece has and for too many pieces.
  Unigram(std::vector<std::pair<std::string, double>> pieces, std::optional<std::uint32_t> unk_id, bool byte_fallback)
      : unk_id_(unk_id), byte_fallback_(byte_fallback) {
    if (pieces.size() > Vocabulary::max_id)
      throw value_error("Unigram", "pieces", "at most 2^31 - 1", detail::joined(pieces.size()));
    if (unk_id && *unk_id >= pieces.size())
      throw value_error("Unigram", "unk_id", detail::joined("less than the number of pieces, ", pieces.size()),
                        detail::joined(*unk_id));
    std::size_t bytes = 0;
    for (const auto& p : pieces) bytes += p.first.size();
    vocabulary_.reserve(pieces.size(), bytes);
    scores_.reserve(pieces.size());
    double lowest = std::numeric_limits<double>::infinity();
    bool each_once = true;
    for (const auto& [text, score] : pieces) {
      each_once &= vocabulary_.insert_latest(text, std::uint32_t(scores_.size()));
      scores_.push_back(score);
      if (score < lowest) lowest = score;
    }
    vocabulary_.finish();
    unk_score_ = lowest - unk_penalty;

    std::vector<detail::byte_trie::key> keys;
    keys.reserve(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (each_once || vocabulary_.find(pieces[i].first) == std::uint32_t(i))
        keys.push_back({pieces[i].first, std::uint32_t(i)});
    trie_ = detail::byte_trie(std::move(keys));

    if (byte_fallback) {
      static constexpr char hex[] = "0123456789ABCDEF";
      for (std::size_t b = 0; b < 256; ++b)
        bytes_[b] = vocabulary_.find(std::string("<0x") + hex[b >> 4] + hex[b & 15] + ">");
    }
  }

  std::optional<std::uint32_t> unk_id() const noexcept { return unk_id_; }
  bool byte_fallback() const noexcept { return byte_fallback_; }
  /// The score of an id below vocabulary().size().
  double score(std::uint32_t id) const { return scores_[id]; }

  void tokenize(std::string_view piece, std::vector<Token>& out) const override {
    detail::unigram_scratch scratch;
    for_each_token(piece, scratch, [&](std::uint32_t id, std::size_t begin, std::size_t end, bool unknown) {
      out.push_back({id, begin, end, unknown ? std::string(piece.substr(begin, end - begin)) : std::string()});
    });
  }

  /// Calls f(id, begin, end, unknown) for each token of a piece. Tokens of bytes all stand for the whole unknown text.
  template <class F>
  void for_each_token(std::string_view piece, detail::unigram_scratch& scratch, F f) const {
    if (piece.empty()) return;
    find_best(piece, scratch);
    for (std::size_t k = scratch.segments.size(); k-- > 0;) {
      const auto& s = scratch.segments[k];
      if (s.id != unk_id_) {
        f(s.id, s.begin, s.end, false);
        continue;
      }
      // What is unknown part by part may be a token as a whole, one that scores worse than its parts.
      const auto text = piece.substr(s.begin, s.end - s.begin);
      if (const auto id = vocabulary_.find(text)) {
        f(*id, s.begin, s.end, false);
      } else if (byte_fallback_ && std::all_of(text.begin(), text.end(), [this](char c) {
                   return bytes_[static_cast<unsigned char>(c)].has_value();
                 })) {
        for (char c : text) f(*bytes_[static_cast<unsigned char>(c)], s.begin, s.end, false);
      } else {
        f(s.id, s.begin, s.end, true);
      }
    }
  }

 private:
  static constexpr double unk_penalty = 10;

  /// Viterbi's algorithm forwards, then back along the best way: scratch.segments, the last first.
  void find_best(std::string_view piece, detail::unigram_scratch& scratch) const {
    using node = detail::unigram_scratch::node;
    auto& ends = scratch.ends;
    ends.assign(piece.size() + 1, node{});
    const auto offer = [&](std::size_t end, double score, std::size_t length, std::uint32_t id) {
      node& e = ends[end];
      if (e.length == 0 || score > e.score) e = {score, std::uint32_t(length), id};
    };
    for (std::size_t begin = 0; begin < piece.size();) {
      const double before = ends[begin].score;
      const std::size_t character = detail::unicode::length(static_cast<unsigned char>(piece[begin]));
      bool known = false;
      trie_.prefixes(piece.substr(begin), [&](std::uint32_t id, std::size_t length) {
        offer(begin + length, scores_[id] + before, length, id);
        known |= length == character;
      });
      if (!known) {
        if (unk_id_) {
          offer(begin + character, unk_score_ + before, character, *unk_id_);
        } else if (const node& e = ends[begin + character]; e.length == 0 || unk_score_ + before > e.score) {
          throw value_error("Unigram", "unknown character", "an unk_id", "none");
        }
      }
      begin += character;
    }
    scratch.segments.clear();
    for (std::size_t end = piece.size(); end > 0;) {
      const node& e = ends[end];
      const std::size_t begin = end - e.length;
      auto& found = scratch.segments;
      if (e.id == unk_id_ && !found.empty() && found.back().id == unk_id_) {
        found.back().begin = std::uint32_t(begin);
      } else {
        found.push_back({std::uint32_t(begin), std::uint32_t(end), e.id});
      }
      end = begin;
    }
  }

  std::optional<std::uint32_t> unk_id_;
  bool byte_fallback_;
  double unk_score_ = 0;
  std::vector<double> scores_;  // by id
  detail::byte_trie trie_;      // tokens to ids
  std::array<std::optional<std::uint32_t>, 256> bytes_{};
};

}  // namespace models
}  // namespace hft
