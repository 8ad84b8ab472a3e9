// What group and constrained beam search share: beams whose ends are hypotheses of Transformers 4, which are those of
// the end tokens alone, and are told apart from beams that only ran out of room.
// (transformers.generation.beam_search: BeamSearchScorer, BeamHypotheses, of 4.53.3)
#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <hft/generation/generation_loop.hpp>
#include <hft/generation/logits_process/tokens.hpp>
#include <hft/generation/sampling.hpp>

namespace hft::detail {

/// What a beam said, with its score.
struct beam_hypothesis {
  f64 score = 0;            // with the length penalty
  std::vector<i64> tokens;  // new ones, without the end
  std::vector<i64> rows;    // of the scores that each, and the end, was chosen from, where they are asked for
  bool ended = false;       // by an end token
};

/// The best hypotheses of a prompt, or of one of its groups. (BeamHypotheses)
class beam_hypotheses {
 public:
  beam_hypotheses(isize num_beams, const generation_loop& loop)
      : num_beams_(num_beams),
        room_(loop.max_length - loop.inputs.prompt_length()),
        length_penalty_(*loop.config.length_penalty),
        early_(loop.config.early_stopping->kind) {}

  /// In the order in which they came.
  std::span<beam_hypothesis> all() { return beams_; }

  /// length: new tokens, the end included.
  void add(f32 sum_logprobs, isize length, beam_hypothesis made) {
    made.score = penalised(sum_logprobs, length);
    const bool full = isize(beams_.size()) >= num_beams_;
    if (full && !(made.score > worst_)) return;
    beams_.push_back(std::move(made));
    if (full) {  // the first of the worst goes
      const auto less = [](const beam_hypothesis& a, const beam_hypothesis& b) { return a.score < b.score; };
      beams_.erase(std::min_element(beams_.begin(), beams_.end(), less));
      worst_ = std::min_element(beams_.begin(), beams_.end(), less)->score;
    } else {
      worst_ = std::min(worst_, beams_.back().score);
    }
  }

  /// Whether no beam can become better than the worst hypothesis, the best sum of one that goes on being `best`.
  bool is_done(f32 best, isize length) const {
    if (isize(beams_.size()) < num_beams_) return false;
    if (early_ == EarlyStopping::on) return true;
    return worst_ >= penalised(best, early_ == EarlyStopping::never && length_penalty_ > 0 ? room_ : length);
  }

 private:
  f64 penalised(f32 sum, isize length) const { return f64(sum) / std::pow(f64(length), length_penalty_); }

  isize num_beams_, room_;
  f64 length_penalty_;
  EarlyStopping::kind_t early_;
  std::vector<beam_hypothesis> beams_;
  f64 worst_ = 1e9;
};

/// One call of generate whose beams are scored in `groups` of as many for each prompt, one group after the other.
class beam_scorer {
 public:
  beam_scorer(generation_loop& loop, isize groups)
      : loop_(loop),
        prompts_(loop.rows()),
        beams_(*loop.config.num_beams),
        groups_(groups),
        size_(beams_ / groups),
        candidates_(std::max<isize>(2, 1 + isize(loop.eos().size())) * size_),
        running_(std::size_t(prompts_ * beams_), unlikely),
        next_(running_),
        rows_(running_.size()),
        tokens_(running_.size()),
        hypotheses_(std::size_t(prompts_ * groups), beam_hypotheses(size_, loop)),
        done_(hypotheses_.size(), false) {
    // The beams of a group start equal: only the first may go on, else they stayed equal.
    for (std::size_t r = 0; r < running_.size(); r += std::size_t(size_)) running_[r] = 0;
  }
  beam_scorer(const beam_scorer&) = delete;
  beam_scorer& operator=(const beam_scorer&) = delete;
  virtual ~beam_scorer() = default;

  GenerateOutput operator()() {
    bool open = true;
    for (isize n = 0; open && !loop_.stopped(); ++n) {
      const auto scores = n == 0 ? loop_.prefill() : loop_.next();
      if (n == 0) begin(scores.cols);
      loop_.keep_states(out_);
      loop_.keep(loop_.config.output_logits, scores, out_.logits);
      LogitNormalization()(loop_.inputs.ids.view(), scores);
      for (isize g = 0; g < groups_; ++g) {
        process(g, scores);
        for (isize p = 0; p < prompts_; ++p) advance(p, g, scores, n + 1);
      }
      loop_.keep(loop_.config.output_scores, scores, out_.scores);
      running_.swap(next_);
      if (keeps_rows()) follow_rows();
      loop_.reorder(rows_);
      loop_.inputs.append(tokens_);
      open = !all_done();
      loop_.report();
    }
    return result();
  }

 protected:
  /// Before the first token is chosen. Throws value_error where there are more beams than tokens.
  virtual void begin(isize vocabulary) {
    if (vocabulary * size_ < candidates_)
      throw value_error("generate", "num_beams", joined("beams for which ", vocabulary, " tokens are enough"),
                        joined(beams_));
  }
  /// Applies the processors to a group's rows of `scores` (B * num_beams, V).
  virtual void process(isize group, matrix<f32> scores) = 0;
  /// Whether what a row says may be all of it.
  virtual bool may_end(isize /*row*/) const { return true; }
  /// After the best continuations of a prompt are `next_`, `rows_` and `tokens_`: others in their place.
  virtual void choose(isize /*prompt*/, matrix<f32> /*scores*/) {}
  /// The rows of a prompt's group that become hypotheses where the search stops before it is done.
  virtual std::vector<isize> last_rows(isize prompt, isize group) const {
    std::vector<isize> rows;
    for (isize i = 0; i < size_; ++i) rows.push_back(first_row(prompt, group) + i);
    return rows;
  }

  isize first_row(isize prompt, isize group) const { return prompt * beams_ + group * size_; }
  bool is_end(i64 token) const { return std::find(loop_.eos().begin(), loop_.eos().end(), token) != loop_.eos().end(); }

  generation_loop& loop_;
  isize prompts_, beams_, groups_, size_, candidates_;
  // Of each prompt num_beams, one prompt's after the other:
  std::vector<f32> running_;  // sums of log probabilities
  std::vector<f32> next_;     // and with the next token
  std::vector<isize> rows_;   // where each beam comes from
  std::vector<i64> tokens_;   // and its next token
  static constexpr f32 unlikely = -1e9f;

 private:
  bool keeps_rows() const { return loop_.config.output_scores.value_or(false); }
  std::vector<i64> rows_to(isize row) const {
    std::vector<i64> rows;
    if (!chosen_from_.empty()) rows = chosen_from_[std::size_t(row)];
    rows.push_back(row);
    return rows;
  }
  void follow_rows() {
    std::vector<std::vector<i64>> all;
    for (const isize row : rows_) all.push_back(rows_to(row));
    chosen_from_ = std::move(all);
  }
  std::vector<i64> said(isize row) const {
    const auto ids = loop_.inputs.ids.row(row);
    return {ids.begin() + loop_.inputs.prompt_length(), ids.end()};
  }

  /// Takes one token for a group of a prompt. (BeamSearchScorer.process)
  void advance(isize prompt, isize group, matrix<f32> scores, isize length) {
    const isize first = first_row(prompt, group), V = scores.cols;
    const auto place = std::size_t(prompt * groups_ + group);
    if (done_[place]) {  // the others go on
      for (isize r = first; r < first + size_; ++r) {
        next_[std::size_t(r)] = 0;
        rows_[std::size_t(r)] = r;
        tokens_[std::size_t(r)] = loop_.pad_id();
      }
      return;
    }
    best_candidates best{std::size_t(candidates_)};
    for (isize i = 0; i < size_ * V; ++i) {
      const f32 score = scores.row(first + i / V)[i % V] + running_[std::size_t(first + i / V)];
      best.push({score == score ? score : filter_value, i});
    }
    const auto sorted = best.sorted();
    std::size_t to = std::size_t(first);
    for (isize k = 0; k < isize(sorted.size()) && to < std::size_t(first + size_); ++k) {
      const auto [score, id] = sorted[std::size_t(k)];
      const isize row = first + id / V;
      if (!is_end(id % V)) {
        next_[to] = score;
        rows_[to] = row;
        tokens_[to++] = id % V;
      } else if (k < size_ && may_end(row)) {
        hypotheses_[place].add(score, length, {0, said(row), keeps_rows() ? rows_to(row) : std::vector<i64>(), true});
      }
    }
    choose(prompt, scores);
    done_[place] = hypotheses_[place].is_done(sorted[0].score, length);
  }

  bool all_done() const {
    if (std::find(done_.begin(), done_.end(), false) == done_.end()) return true;
    for (isize r = 0; r < loop_.rows(); ++r)
      if (!loop_.ends(loop_.inputs.ids.row(r))) return false;
    return true;
  }

  GenerateOutput result() {
    const isize returned = *loop_.config.num_return_sequences, T = loop_.inputs.prompt_length();
    std::vector<beam_hypothesis> best;
    isize length = 0;
    for (isize p = 0; p < prompts_; ++p) {
      std::vector<beam_hypothesis> all;
      for (isize g = 0; g < groups_; ++g) {
        const auto place = std::size_t(p * groups_ + g);
        auto& made = hypotheses_[place];
        if (!done_[place] && loop_.new_tokens() > 0)
          for (const isize r : last_rows(p, g))
            made.add(running_[std::size_t(r)], loop_.new_tokens(),
                     {0, said(r), keeps_rows() ? chosen_from_[std::size_t(r)] : std::vector<i64>(), false});
        std::move(made.all().begin(), made.all().end(), std::back_inserter(all));
      }
      all.resize(std::max(all.size(), std::size_t(returned)));  // stopped before a token
      // From the best down, of equals the last.
      std::reverse(all.begin(), all.end());
      std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
      for (isize i = 0; i < returned; ++i) {
        length = std::max(length, isize(all[std::size_t(i)].tokens.size()) + all[std::size_t(i)].ended);
        best.push_back(std::move(all[std::size_t(i)]));
      }
    }
    GenerateOutput out = std::move(out_);
    const isize rows = prompts_ * returned;
    out.sequences = sequences_tensor(loop_, rows, T + length, returned, loop_.pad_id());
    out.sequences_scores = Tensor<f32, 1>({rows});
    if (keeps_rows()) out.beam_indices = Tensor<i64, 2>::filled({rows, length}, -1);
    for (isize i = 0; i < rows; ++i) {
      const beam_hypothesis& h = best[std::size_t(i)];
      i64* to = std::copy(h.tokens.begin(), h.tokens.end(), out.sequences.data() + i * (T + length) + T);
      if (h.ended) *to = loop_.eos()[0];  // whichever it was
      out.sequences_scores[i] = f32(h.score);
      if (keeps_rows()) std::copy(h.rows.begin(), h.rows.end(), out.beam_indices.data() + i * length);
    }
    return out;
  }

  std::vector<beam_hypotheses> hypotheses_;    // of each prompt, of its groups one after the other
  std::vector<bool> done_;                     // the same
  std::vector<std::vector<i64>> chosen_from_;  // rows of scores, of each token; where they are asked for
  GenerateOutput out_;                         // what is kept of each step
};

}  // namespace hft::detail
