// Beam search: the num_beams most probable continuations side by side, with or without sampling.
// (GenerationMixin._beam_search)
#pragma once
#include <hft/generation/generation_loop.hpp>
#include <hft/generation/logits_process/tokens.hpp>
#include <hft/generation/sampling.hpp>

namespace hft::detail {

/// One call of generate with num_beams > 1.
class beam_search {
 public:
  [[gnu::cold]] explicit beam_search(generation_loop& loop)
      : loop_(loop),
        prompts_(loop.rows()),
        beams_(*loop.config.num_beams),
        // Enough that num_beams of them go on, even if the best ones all end.
        candidates_(std::max<isize>(2, 1 + isize(loop.eos().size())) * beams_),
        early_(loop.config.early_stopping->kind),
        length_penalty_(*loop.config.length_penalty),
        running_(std::size_t(prompts_ * beams_), unlikely),
        rows_(running_.size()),
        tokens_(running_.size()),
        finished_(running_.size()),
        number_finished_(std::size_t(prompts_)),
        improvable_(std::size_t(prompts_), 1),
        best_(std::size_t(candidates_)),
        going_on_(std::size_t(beams_)) {
    // All beams of a prompt start equal: only the first may go on, else they stayed equal.
    for (isize b = 0; b < prompts_; ++b) running_[std::size_t(b * beams_)] = 0;
  }

  GenerateOutput operator()() {
    bool open = true;
    for (isize n = 0; open && !loop_.stopped(); ++n) {
      const auto scores = n == 0 ? loop_.prefill() : loop_.next();
      if (scores.cols * beams_ < candidates_)
        throw value_error("generate", "num_beams", joined("beams for which ", scores.cols, " tokens are enough"),
                          joined(beams_));
      loop_.keep_states(out_);
      loop_.keep(loop_.config.output_logits, scores, out_.logits);
      LogitNormalization()(loop_.inputs.ids.view(), scores);
      apply(loop_.processors, loop_.inputs.ids.view(), scores);
      loop_.keep(loop_.config.output_scores, scores, out_.scores);
      open = advance(scores, n);
      loop_.report();
    }
    return result();
  }

 private:
  static constexpr f32 unlikely = -1e9f;  // added where a continuation must not win
  struct hypothesis {
    f32 score = 0;            // with the length penalty
    std::vector<i64> tokens;  // new ones
    std::vector<i64> rows{};  // of the scores that each was chosen from, where they are asked for
  };

  f32 penalised(f32 score, isize length) const { return score / f32(std::pow(f64(length), length_penalty_)); }

  /// The best continuations of a prompt's beams, or as many drawn without replacement: the sum of log probabilities,
  /// and the beam and the token as beam * V + token.
  std::span<const candidate> best_continuations(matrix<f32> scores, isize prompt, isize n) {
    const bool drawn = *loop_.config.do_sample;
    const random_stream random(*loop_.config.seed, std::uint64_t(prompt));
    best_.clear();
    const isize V = scores.cols;
    const auto score_of = [&](isize i) {
      const f32 score = scores.row(prompt * beams_ + i / V)[i % V] + running_[std::size_t(prompt * beams_ + i / V)];
      return score == score ? score : filter_value;
    };
    for (isize i = 0; i < beams_ * V; ++i) {
      f32 key = score_of(i);
      if (drawn)  // adding Gumbel noise draws by probability (Kool et al. 2019)
        key -= f32(std::log(-std::log(random.uniform(std::uint64_t(n * beams_ * V + i)) + 0x1p-60)));
      best_.push({key, i});
    }
    const auto out = best_.sorted();
    for (candidate& c : out) c.score = score_of(c.id);
    return out;
  }

  /// Takes one token; false where the search has ended.
  bool advance(matrix<f32> scores, isize n) {
    const isize length = n + 1, V = scores.cols;
    bool all_end = true;
    for (isize p = 0; p < prompts_; ++p) {
      const auto best = best_continuations(scores, p, n);
      const bool open = improvable_[std::size_t(p)] && !(full(p) && early_ == EarlyStopping::on);
      going_on_.clear();
      for (std::size_t k = 0; k < best.size(); ++k) {
        const auto [score, id] = best[k];
        const isize row = p * beams_ + id / V;
        const auto text = text_of(row, id % V);
        const bool ends = loop_.ends(text, {scores.row(row), std::size_t(V)});
        all_end = all_end && ends;
        if (ends && open && isize(k) < beams_) finish(p, penalised(score, length), text.last(std::size_t(length)), row);
        going_on_.push({ends ? score + unlikely : score, i64(k)});
      }
      isize row = p * beams_;
      for (const auto& [score, k] : going_on_.sorted()) {
        const i64 id = best[std::size_t(k)].id;
        rows_[std::size_t(row)] = p * beams_ + id / V;
        tokens_[std::size_t(row)] = id % V;
        running_[std::size_t(row)] = score;
        ++row;
      }
    }
    if (keeps_rows()) follow_rows();
    loop_.reorder(rows_);
    loop_.inputs.append(tokens_);
    return !all_end && may_improve(length);
  }

  std::span<const i64> text_of(isize row, i64 next) {
    const auto ids = loop_.inputs.ids.row(row);
    text_.assign(ids.data(), ids.data() + ids.size());
    text_.push_back(next);
    return text_;
  }

  bool full(isize prompt) const { return number_finished_[std::size_t(prompt)] == beams_; }
  hypothesis& finished(isize prompt, isize i) { return finished_[std::size_t(prompt * beams_ + i)]; }

  bool keeps_rows() const { return loop_.config.output_scores.value_or(false); }
  /// The rows that the tokens of a beam were chosen from, and a next one of it is.
  [[gnu::cold, gnu::noinline]] std::vector<i64> rows_to(isize row) const {
    std::vector<i64> rows;
    if (!chosen_from_.empty()) rows = chosen_from_[std::size_t(row)];
    rows.push_back(row);
    return rows;
  }

  [[gnu::cold, gnu::noinline]] void follow_rows() {
    std::vector<std::vector<i64>> all;
    for (const isize row : rows_) all.push_back(rows_to(row));
    chosen_from_ = std::move(all);
  }

  /// Puts new tokens, the last of them chosen from `row`, among the finished ones of a prompt, of which the best
  /// num_beams stay: before all that are worse, behind their equals.
  void finish(isize prompt, f32 score, std::span<const i64> tokens, isize row) {
    isize& n = number_finished_[std::size_t(prompt)];
    if (n < beams_)
      ++n;
    else if (finished(prompt, n - 1).score >= score)
      return;
    isize at = n - 1;  // the new one, or the worst, whose place it takes
    for (; at > 0 && !(finished(prompt, at - 1).score >= score); --at)
      std::swap(finished(prompt, at), finished(prompt, at - 1));
    finished(prompt, at).score = score;
    finished(prompt, at).tokens.assign(tokens.data(), tokens.data() + tokens.size());
    if (keeps_rows()) finished(prompt, at).rows = rows_to(row);
  }

  /// Whether a running beam may still become better than a finished one. (_check_early_stop_heuristic)
  bool may_improve(isize length) {
    if (early_ == EarlyStopping::never && length_penalty_ > 0) length = loop_.max_length - loop_.inputs.prompt_length();
    bool any = false, all_full = true;
    for (isize p = 0; p < prompts_; ++p) {
      const f32 best = penalised(running_[std::size_t(p * beams_)], length);
      const f32 worst = full(p) ? finished(p, beams_ - 1).score : unlikely;
      isize& improvable = improvable_[std::size_t(p)];
      improvable = improvable && best > worst;
      any = any || improvable;
      all_full = all_full && full(p);
    }
    return any && !(all_full && early_ == EarlyStopping::on);
  }

  [[gnu::cold]] GenerateOutput result() {
    const isize returned = *loop_.config.num_return_sequences, T = loop_.inputs.prompt_length();
    isize length = 0;
    for (isize p = 0; p < prompts_; ++p) {
      // Stopped before its end: what runs is what there is.
      isize& n = number_finished_[std::size_t(p)];
      for (isize k = 0; n < returned; ++k) {
        hypothesis& h = finished(p, n++);
        if (loop_.new_tokens() == 0) continue;
        const auto row = loop_.inputs.ids.row(p * beams_ + k);
        h.score = penalised(running_[std::size_t(p * beams_ + k)], loop_.new_tokens());
        h.tokens.assign(row.data() + T, row.data() + row.size());
        if (keeps_rows()) h.rows = chosen_from_[std::size_t(p * beams_ + k)];
      }
      for (isize i = 0; i < returned; ++i) length = std::max(length, isize(finished(p, i).tokens.size()));
    }
    GenerateOutput out = std::move(out_);
    out.sequences = sequences_tensor(loop_, prompts_ * returned, T + length, returned, loop_.beam_pad_id());
    out.sequences_scores = Tensor<f32, 1>({prompts_ * returned});
    if (keeps_rows()) out.beam_indices = Tensor<i64, 2>::filled({prompts_ * returned, length}, -1);
    for (isize i = 0; i < prompts_ * returned; ++i) {
      const hypothesis& h = finished(i / returned, i % returned);
      std::copy_n(h.tokens.data(), h.tokens.size(), out.sequences.data() + i * (T + length) + T);
      out.sequences_scores[i] = h.score;
      if (keeps_rows()) std::copy_n(h.rows.data(), h.rows.size(), out.beam_indices.data() + i * length);
    }
    return out;
  }

  generation_loop& loop_;
  isize prompts_, beams_, candidates_;
  EarlyStopping::kind_t early_;
  f64 length_penalty_;
  // Of each prompt num_beams, one prompt's after the other:
  std::vector<f32> running_;                   // scores of the beams that go on, from the best down
  std::vector<isize> rows_;                    // where each of them comes from
  std::vector<i64> tokens_;                    // and its next token
  std::vector<hypothesis> finished_;           // from the best down
  std::vector<std::vector<i64>> chosen_from_;  // rows of scores, of each token; where they are asked for
  // Of each prompt:
  std::vector<isize> number_finished_;
  std::vector<isize> improvable_;  // 0 or 1

  best_candidates best_, going_on_;  // of the prompt at hand
  std::vector<i64> text_;
  GenerateOutput out_;  // what is kept of each step
};

}  // namespace hft::detail
