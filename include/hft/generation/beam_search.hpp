// Beam search: the num_beams most probable continuations side by side, with or without sampling.
// (GenerationMixin._beam_search)
#pragma once
#include <hft/generation/generation_loop.hpp>
#include <hft/generation/sampling.hpp>

namespace hft::detail {

/// One call of generate with num_beams > 1.
class beam_search {
 public:
  explicit beam_search(generation_loop& loop)
      : loop_(loop),
        prompts_(loop.rows()),
        beams_(*loop.config.num_beams),
        // Enough that num_beams of them go on, even if the best ones all end.
        candidates_(std::max<isize>(2, 1 + isize(loop.eos().size())) * beams_),
        early_(loop.config.early_stopping->kind),
        length_penalty_(*loop.config.length_penalty),
        running_(std::size_t(prompts_ * beams_), unlikely),
        finished_(std::size_t(prompts_)),
        improvable_(std::size_t(prompts_), 1) {
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
      normalise(scores);
      apply(loop_.processors, loop_.inputs.ids.view(), scores);
      open = advance(scores, n);
      loop_.report();
    }
    return result();
  }

 private:
  static constexpr f32 unlikely = -1e9f;  // added where a continuation must not win
  struct continuation {
    f32 score;  // sum of log probabilities
    isize beam;
    i64 token;
    bool ends;
  };
  struct hypothesis {
    f32 score;                // with the length penalty
    std::vector<i64> tokens;  // new ones
  };

  static void normalise(matrix<f32> scores) {
    for (isize r = 0; r < scores.rows; ++r) {
      const f64 norm = log_sum_exp({scores.row(r), std::size_t(scores.cols)});
      for (isize v = 0; v < scores.cols; ++v) scores.row(r)[v] = f32(f64(scores.row(r)[v]) - norm);
    }
  }

  f32 penalised(f32 score, isize length) const { return score / f32(std::pow(f64(length), length_penalty_)); }

  /// The best continuations of a prompt's beams, or as many drawn without replacement.
  std::vector<continuation> best_continuations(matrix<f32> scores, isize prompt, isize n) const {
    const bool drawn = *loop_.config.do_sample;
    const random_stream random(*loop_.config.seed, std::uint64_t(prompt));
    best_candidates best{std::size_t(candidates_)};
    const isize V = scores.cols;
    const auto score_of = [&](isize i) {
      return scores.row(prompt * beams_ + i / V)[i % V] + running_[std::size_t(prompt * beams_ + i / V)];
    };
    for (isize i = 0; i < beams_ * V; ++i) {
      f32 key = score_of(i);
      if (key != key) key = filter_value;
      if (drawn)  // adding Gumbel noise draws by probability (Kool et al. 2019)
        key -= f32(std::log(-std::log(random.uniform(std::uint64_t(n * beams_ * V + i)) + 0x1p-60)));
      best.push({key, i});
    }
    std::vector<continuation> out;
    for (const auto& c : std::move(best).sorted()) out.push_back({score_of(c.id), c.id / V, c.id % V, false});
    return out;
  }

  /// Takes one token; false where the search has ended.
  bool advance(matrix<f32> scores, isize n) {
    const isize length = n + 1;
    std::vector<isize> rows;   // of the beams that go on, where each comes from
    std::vector<i64> tokens;   // their next tokens
    std::vector<f32> running;  // their scores
    bool all_end = true;
    for (isize p = 0; p < prompts_; ++p) {
      auto best = best_continuations(scores, p, n);
      for (auto& c : best) {
        c.ends = is_done(loop_.criteria, text_of(p, c));
        all_end = all_end && c.ends;
      }
      finish(p, best, length);
      best_candidates going_on{std::size_t(beams_)};
      for (isize k = 0; k < isize(best.size()); ++k) {
        const auto& c = best[std::size_t(k)];
        going_on.push({c.ends ? c.score + unlikely : c.score, k});
      }
      for (const auto& [score, k] : std::move(going_on).sorted()) {
        const auto& c = best[std::size_t(k)];
        rows.push_back(p * beams_ + c.beam);
        tokens.push_back(c.token);
        running.push_back(score);
      }
    }
    running_ = std::move(running);
    loop_.reorder(rows);
    loop_.inputs.ids.append(tokens);
    return !all_end && may_improve(length);
  }

  std::span<const i64> text_of(isize prompt, const continuation& c) {
    const auto row = loop_.inputs.ids.row(prompt * beams_ + c.beam);
    text_.assign(row.begin(), row.end());
    text_.push_back(c.token);
    return text_;
  }

  /// Puts those of the best num_beams continuations that end among the finished ones, of which the best stay.
  void finish(isize prompt, const std::vector<continuation>& best, isize length) {
    auto& finished = finished_[std::size_t(prompt)];
    if (!improvable_[std::size_t(prompt)] || (full(prompt) && early_ == EarlyStopping::on)) return;
    for (isize k = 0; k < beams_; ++k) {
      const auto& c = best[std::size_t(k)];
      if (!c.ends) continue;
      const auto text = text_of(prompt, c);
      const f32 score = penalised(c.score, length);
      // Before all that are worse, behind its equals.
      auto at = finished.begin();
      while (at != finished.end() && at->score >= score) ++at;
      finished.insert(at, {score, {text.end() - length, text.end()}});
    }
    if (isize(finished.size()) > beams_) finished.resize(std::size_t(beams_));
  }

  bool full(isize prompt) const { return isize(finished_[std::size_t(prompt)].size()) == beams_; }

  /// Whether a running beam may still become better than a finished one. (_check_early_stop_heuristic)
  bool may_improve(isize length) {
    if (early_ == EarlyStopping::never && length_penalty_ > 0) length = loop_.max_length - loop_.inputs.prompt_length();
    bool any = false, all_full = true;
    for (isize p = 0; p < prompts_; ++p) {
      const f32 best = penalised(running_[std::size_t(p * beams_)], length);
      const f32 worst = full(p) ? finished_[std::size_t(p)].back().score : unlikely;
      u8& improvable = improvable_[std::size_t(p)];
      improvable = improvable && best > worst;
      any = any || improvable;
      all_full = all_full && full(p);
    }
    return any && !(all_full && early_ == EarlyStopping::on);
  }

  GenerateOutput result() {
    const isize returned = *loop_.config.num_return_sequences, T = loop_.inputs.prompt_length();
    isize length = 0;
    for (isize p = 0; p < prompts_; ++p) {
      auto& finished = finished_[std::size_t(p)];
      // Stopped before its end: what runs is what there is.
      for (isize k = 0; isize(finished.size()) < returned && k < beams_; ++k) {
        if (loop_.new_tokens() == 0) {
          finished.push_back({0, {}});
          continue;
        }
        const auto row = loop_.inputs.ids.row(p * beams_ + k);
        finished.push_back(
            {penalised(running_[std::size_t(p * beams_ + k)], loop_.new_tokens()), {row.begin() + T, row.end()}});
      }
      for (isize i = 0; i < returned; ++i) length = std::max(length, isize(finished[std::size_t(i)].tokens.size()));
    }
    GenerateOutput out;
    out.sequences = sequences_tensor(loop_, prompts_ * returned, T + length, returned);
    out.sequences_scores = Tensor<f32, 1>({prompts_ * returned});
    for (isize i = 0; i < prompts_ * returned; ++i) {
      const auto& h = finished_[std::size_t(i / returned)][std::size_t(i % returned)];
      std::copy(h.tokens.begin(), h.tokens.end(), out.sequences.data() + i * (T + length) + T);
      out.sequences_scores[i] = h.score;
    }
    return out;
  }

  generation_loop& loop_;
  isize prompts_, beams_, candidates_;
  EarlyStopping::kind_t early_;
  f64 length_penalty_;
  std::vector<f32> running_;  // (prompts * beams), from the best down
  std::vector<std::vector<hypothesis>> finished_;
  std::vector<u8> improvable_;
  std::vector<i64> text_;
};

}  // namespace hft::detail
