// What beams must say, as constraints that are fed token by token, under Transformers' class names.
// (transformers.generation.beam_constraints of 4.53.3)
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>

namespace hft {

/// Something that a beam must say: a state that tokens bring forward. Whoever says what `advance` gives comes to its
/// end.
class Constraint {
 public:
  /// What a token did: whether it brought the constraint forward, completed it, threw it back to its beginning.
  struct progress {
    bool stepped = false, completed = false, reset = false;
  };

  virtual ~Constraint() = default;
  /// The tokens of which each brings it forward; none where it is complete.
  virtual std::vector<i64> advance() const = 0;
  virtual bool does_advance(i64 token_id) const = 0;
  virtual progress update(i64 token_id) = 0;
  virtual void reset() = 0;
  /// The most tokens that it takes. (seqlen)
  virtual isize length() const = 0;
  /// How many of these are left, and the fewest that are.
  virtual isize remaining() const = 0;
  virtual isize least_remaining() const { return remaining(); }
  /// The same constraint, where it is or from its beginning.
  virtual std::unique_ptr<Constraint> copy(bool stateful) const = 0;
  /// Sequences of which one completes it, where they are known: settings are held against them.
  virtual std::vector<std::vector<i64>> words() const { return {}; }
};

/// A sequence of tokens.
class PhrasalConstraint final : public Constraint {
 public:
  /// Throws value_error for no tokens, or ids below 0.
  explicit PhrasalConstraint(std::vector<i64> token_ids) : ids_(std::move(token_ids)) {
    check("PhrasalConstraint", ids_);
  }

  std::vector<i64> advance() const override {
    if (said_ == ids_.size()) return {};
    return {ids_[said_]};
  }
  bool does_advance(i64 token_id) const override { return said_ < ids_.size() && ids_[said_] == token_id; }
  progress update(i64 token_id) override {
    if (!does_advance(token_id)) {
      reset();
      return {.reset = true};
    }
    ++said_;
    return {.stepped = true, .completed = said_ == ids_.size()};
  }
  void reset() override { said_ = 0; }
  isize length() const override { return isize(ids_.size()); }
  isize remaining() const override { return isize(ids_.size() - said_); }
  std::unique_ptr<Constraint> copy(bool stateful) const override {
    auto made = std::make_unique<PhrasalConstraint>(*this);
    if (!stateful) made->reset();
    return made;
  }
  std::vector<std::vector<i64>> words() const override { return {ids_}; }

  /// Throws value_error where they are no ids of tokens.
  static void check(const char* where, std::span<const i64> ids) {
    if (ids.empty()) throw value_error(where, "token_ids", "at least one token", "none");
    for (const i64 id : ids)
      if (id < 0) throw value_error(where, "token id", "at least 0", detail::joined(id));
  }

 private:
  std::vector<i64> ids_;
  std::size_t said_ = 0;
};

/// One of several sequences of tokens, none of which another begins with.
class DisjunctiveConstraint final : public Constraint {
 public:
  /// Throws value_error for no sequences, for one that PhrasalConstraint would not take, or that another begins with.
  explicit DisjunctiveConstraint(std::vector<std::vector<i64>> nested_token_ids) : words_(std::move(nested_token_ids)) {
    constexpr const char* where = "DisjunctiveConstraint";
    if (words_.empty()) throw value_error(where, "nested_token_ids", "at least one sequence", "none");
    for (const auto& word : words_) {
      PhrasalConstraint::check(where, word);
      for (const auto& other : words_)
        if (&word != &other && begins(other, word))
          throw value_error(where, "nested_token_ids", "sequences that no other begins with",
                            detail::joined("one of ", word.size(), " tokens from ", word[0], " on that does"));
    }
  }

  /// In the order of the sequences.
  std::vector<i64> advance() const override {
    std::vector<i64> tokens;
    const auto& said = *said_;
    for (const auto& word : words_)
      if (begins(word, said) && word.size() > said.size() &&
          std::find(tokens.begin(), tokens.end(), word[said.size()]) == tokens.end())
        tokens.push_back(word[said.size()]);
    return tokens;
  }
  bool does_advance(i64 token_id) const override {
    const auto tokens = advance();
    return std::find(tokens.begin(), tokens.end(), token_id) != tokens.end();
  }
  progress update(i64 token_id) override {
    if (!does_advance(token_id)) {
      reset();
      return {.reset = true};
    }
    said_->push_back(token_id);
    completed_ = std::find(words_.begin(), words_.end(), *said_) != words_.end();
    return {.stepped = true, .completed = completed_};
  }
  void reset() override {
    said_ = std::make_shared<std::vector<i64>>();
    completed_ = false;
  }
  isize length() const override {
    std::size_t most = 0;
    for (const auto& word : words_) most = std::max(most, word.size());
    return isize(most);
  }
  isize remaining() const override { return completed_ ? 0 : length() - isize(said_->size()); }
  isize least_remaining() const override {
    isize least = length();
    for (const auto& word : words_)
      if (begins(word, *said_)) least = std::min(least, isize(word.size() - said_->size()));
    return least;
  }
  /// Stateful copies share what was said, also what is said after: so they do in Transformers, where of several tokens
  /// that bring a beam's sequence forward only the first counts as progress.
  std::unique_ptr<Constraint> copy(bool stateful) const override {
    auto made = std::make_unique<DisjunctiveConstraint>(*this);
    if (!stateful) made->reset();
    return made;
  }
  std::vector<std::vector<i64>> words() const override { return words_; }

 private:
  static bool begins(const std::vector<i64>& word, const std::vector<i64>& with) {
    return with.size() <= word.size() && std::equal(with.begin(), with.end(), word.begin());
  }

  std::vector<std::vector<i64>> words_;
  std::shared_ptr<std::vector<i64>> said_ = std::make_shared<std::vector<i64>>();
  bool completed_ = false;
};

/// How far a text is with several constraints, one after the other in any order. A token brings one of them forward,
/// and one that was begun goes on or starts anew.
class ConstraintListState {
 public:
  explicit ConstraintListState(std::span<const std::shared_ptr<Constraint>> constraints) : all_(constraints) {
    for (const auto& c : all_) {
      longest_ = std::max(longest_, c->length());
      pending_.push_back(c->copy(false));
    }
  }
  /// Of what a text says.
  ConstraintListState(std::span<const std::shared_ptr<Constraint>> constraints, std::span<const i64> token_ids)
      : ConstraintListState(constraints) {
    for (const i64 id : token_ids) add(id);
  }
  ConstraintListState(ConstraintListState&&) = default;
  ConstraintListState(const ConstraintListState& other)
      : all_(other.all_), longest_(other.longest_), complete_(other.complete_) {
    if (other.begun_) begun_ = other.begun_->copy(true);
    for (const auto& c : other.pending_) pending_.push_back(c->copy(false));
  }
  ConstraintListState& operator=(const ConstraintListState&) = delete;

  bool completed() const { return complete_ == isize(all_.size()); }
  /// What beams are sorted by: the more, the further.
  isize get_bank() const { return complete_ * longest_ + (begun_ ? longest_ - begun_->remaining() : 0); }
  /// The fewest tokens that are left.
  isize least_remaining() const {
    isize sum = begun_ ? begun_->least_remaining() : 0;
    for (const auto& c : pending_) sum += c->least_remaining();
    return sum;
  }
  /// The tokens of which each brings it forward.
  std::vector<i64> advance() const {
    if (begun_) return begun_->advance();
    std::vector<i64> tokens;
    for (const auto& c : pending_)
      for (const i64 id : c->advance()) tokens.push_back(id);
    return tokens;
  }
  void add(i64 token_id) {
    if (completed()) return;
    if (begun_) {
      const auto [stepped, completed, reset] = begun_->update(token_id);
      if (reset) pending_.push_back(begun_->copy(false));
      if (completed) ++complete_;
      if (reset || completed) begun_.reset();
      return;
    }
    for (auto c = pending_.begin(); c != pending_.end(); ++c) {
      if (!(*c)->does_advance(token_id)) continue;
      if ((*c)->update(token_id).completed)
        ++complete_;
      else
        begun_ = std::move(*c);
      pending_.erase(c);
      return;
    }
  }

 private:
  std::span<const std::shared_ptr<Constraint>> all_;
  isize longest_ = 0, complete_ = 0;
  std::unique_ptr<Constraint> begun_;
  std::vector<std::unique_ptr<Constraint>> pending_;
};

}  // namespace hft
