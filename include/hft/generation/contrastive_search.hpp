// Contrastive search: of the top_k most probable tokens the one whose hidden state is least like those before it, so
// that texts are neither dull nor repeat themselves. (Su et al. 2022, arXiv 2202.06417;
// GenerationMixin._contrastive_search of Transformers 4)
#pragma once
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <hft/generation/generation_loop.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/generation/strategy.hpp>

namespace hft::detail {

/// One call of generate with penalty_alpha.
class contrastive_search {
 public:
  /// Throws value_error for settings out of range or that contradict it.
  explicit contrastive_search(generation_loop& loop)
      : loop_(loop), alpha_(*loop.config.penalty_alpha), width_(*loop.config.top_k), rows_(loop.rows()) {
    const auto refuse = [](const char* setting, const char* expected, const message& got) {
      throw value_error("generate", setting, expected, got);
    };
    if (alpha_ > 1) refuse("penalty_alpha", "0 to 1", joined(alpha_));
    if (!*loop.config.use_cache) refuse("penalty_alpha", "use_cache = true", "false");
    if (loop.past) refuse("penalty_alpha", "a cache without tokens", joined(loop.past));
    if (loop.model.reads_all)
      throw unsupported_error("generate", "penalty_alpha", "a model that continues what it has read");
    const isize taken_in = loop.inputs.longest_prompt() + loop.max_length - loop.inputs.prompt_length();
    if (loop.model.max_positions && taken_in > loop.model.max_positions)
      refuse("penalty_alpha", "a position for each token, the last one, too: fewer new tokens",
             joined(taken_in, " of ", loop.model.max_positions));
    one_by_one_ = loop.config.low_memory.value_or(false) && loop.model.keeps_all;
    loop.model.output_hidden_states = true;
  }

  GenerateOutput operator()() {
    auto* streamer = loop_.options.streamer;
    if (streamer) streamer->put(loop_.inputs.ids.row(0));
    std::vector<i64> done(std::size_t(rows_), 0);
    isize open = rows_;
    GenerateOutput out;
    auto scores = loop_.prefill();
    begin(scores);
    while (open > 0 && !loop_.stopped()) {
      loop_.model.states = std::move(states_);
      loop_.keep_states(out);
      loop_.keep(loop_.config.output_logits, scores_view(), out.logits);
      apply(loop_.processors, loop_.inputs.ids.view(), scores_view());
      loop_.keep(loop_.config.output_scores, scores_view(), out.scores);
      const auto chosen_from = scores_;
      auto tokens = chosen();
      for (isize b = 0; b < rows_; ++b)
        if (done[std::size_t(b)]) tokens[std::size_t(b)] = loop_.pad_id();
      loop_.inputs.crop(loop_.inputs.ids.length() - 1);
      loop_.inputs.append(tokens);
      const auto row = [&](isize b) {
        return std::span<const f32>(chosen_from.data() + b * vocab_, std::size_t(vocab_));
      };
      if (streamer) streamer->put_scored(tokens[0], row(0));
      for (isize b = 0; b < rows_; ++b)
        if (!done[std::size_t(b)] && loop_.ends(loop_.inputs.ids.row(b), row(b))) {
          done[std::size_t(b)] = 1;
          --open;
        }
      loop_.report();
    }
    if (streamer) streamer->end();
    out.sequences = loop_.inputs.ids.tensor();
    const isize T = loop_.inputs.prompt_length();
    const auto prompts = loop_.input_ids.dense();  // as they were given, wherever their padding is
    for (isize b = 0; b < rows_; ++b)
      std::copy_n(prompts.data() + b * T, T, out.sequences.data() + b * out.sequences.extent(1));
    return out;
  }

 private:
  matrix<f32> scores_view() { return {scores_.data(), rows_, vocab_, vocab_}; }

  // What the prompts leave: the scores of what follows, and the directions of all their hidden states.
  void begin(matrix<f32> scores) {
    vocab_ = scores.cols;
    if (width_ > vocab_) width_ = vocab_;
    scores_.assign(scores.row(0), scores.row(0) + rows_ * vocab_);
    states_ = std::move(loop_.model.states);
    if (states_.hidden_states.empty())
      throw unsupported_error("generate", "penalty_alpha", "a model that shows hidden states");
    const auto last = states_.hidden_states.back().dense();  // (B,T,C)
    const isize T = last.extent(1);
    channels_ = last.extent(2);
    const auto padding = loop_.inputs.padding();
    seen_.resize(std::size_t(rows_));
    for (isize b = 0; b < rows_; ++b)
      for (isize t = padding.empty() ? 0 : padding[std::size_t(b)]; t < T; ++t)
        add_direction(b, last.data() + (b * T + t) * channels_);
  }

  void add_direction(isize row, const f32* state) {
    f64 square = 0;
    for (isize c = 0; c < channels_; ++c) square += f64(state[c]) * f64(state[c]);
    const f64 length = std::sqrt(square);
    for (isize c = 0; c < channels_; ++c) seen_[std::size_t(row)].push_back(f32(f64(state[c]) / length));
  }

  // How much a hidden state is like the most similar one before it: the cosine of their angle.
  f32 likeness(isize row, const f32* state) const {
    f64 square = 0;
    for (isize c = 0; c < channels_; ++c) square += f64(state[c]) * f64(state[c]);
    const f32 scale = f32(1 / std::sqrt(square));
    f32 most = -std::numeric_limits<f32>::infinity();
    const auto& seen = seen_[std::size_t(row)];
    for (std::size_t at = 0; at < seen.size(); at += std::size_t(channels_)) {
      f32 dot = 0;
      for (isize c = 0; c < channels_; ++c) dot += seen[at + std::size_t(c)] * state[c];
      most = std::max(most, dot * scale);
    }
    return most;
  }

  // The next token of each row; cache, inputs and scores are then behind it.
  std::vector<i64> chosen() {
    std::vector<candidate> best;  // (rows, width), from the most probable down
    for (isize b = 0; b < rows_; ++b) {
      best_candidates heap{std::size_t(width_)};
      const std::span<const f32> row(scores_.data() + b * vocab_, std::size_t(vocab_));
      const f64 norm = log_sum_exp(row);
      for (isize v = 0; v < vocab_; ++v) heap.push({row[std::size_t(v)], v});
      for (const auto& c : std::move(heap).sorted())
        // Fewer than width_ tokens may be left: what is ruled out has probability 0.
        best.push_back({f32(std::exp(f64(c.score) - norm)), c.id < vocab_ ? c.id : 0});
    }
    const auto next = one_by_one_ ? passes(best) : pass(best);
    std::vector<i64> tokens;
    std::vector<isize> rows;  // of `next`, which each row goes on as
    for (isize b = 0; b < rows_; ++b) {
      isize at = b * width_;
      f32 most = -std::numeric_limits<f32>::infinity();
      for (isize i = b * width_; i < (b + 1) * width_; ++i) {
        const f32 score = f32((1 - alpha_) * f64(best[std::size_t(i)].score) -
                              alpha_ * f64(likeness(b, next.hidden.data() + i * channels_)));
        if (score > most) most = score, at = i;
      }
      rows.push_back(at);
      tokens.push_back(best[std::size_t(at)].id);
      add_direction(b, next.hidden.data() + at * channels_);
      std::copy_n(next.scores.data() + at * vocab_, vocab_, scores_.data() + b * vocab_);
    }
    if (one_by_one_) {
      loop_.inputs.append(tokens);
      loop_.next();
      states_ = std::move(loop_.model.states);
    } else {
      loop_.reorder(rows);
      const auto of_rows = [&]<std::size_t R>(std::vector<Tensor<f32, R>>& layers) {
        for (auto& layer : layers) {
          Shape<R> shape = layer.shape();
          shape[0] = rows_;
          Tensor<f32, R> t(shape);
          const auto dense = layer.dense();
          const isize size = dense.size() / dense.extent(0);
          for (isize b = 0; b < rows_; ++b)
            std::copy_n(dense.data() + rows[std::size_t(b)] * size, size, t.data() + b * size);
          layer = t;
        }
      };
      of_rows(states_.hidden_states);
      of_rows(states_.attentions);
      of_rows(states_.cross_attentions);
    }
    return tokens;
  }

  struct looked_at {
    std::vector<f32> scores, hidden;  // (rows * width, V) behind each candidate, (rows * width, C) of it
  };

  // All candidates side by side, as rows of one batch.
  looked_at pass(const std::vector<candidate>& best) {
    std::vector<isize> each(best.size());
    std::vector<i64> tokens;
    for (std::size_t i = 0; i < best.size(); ++i) {
      each[i] = isize(i) / width_;
      tokens.push_back(best[i].id);
    }
    loop_.reorder(each);
    loop_.inputs.append(tokens);
    const auto scores = loop_.next();
    looked_at out;
    out.scores.assign(scores.row(0), scores.row(0) + scores.rows * vocab_);
    states_ = std::move(loop_.model.states);
    const auto last = states_.hidden_states.back().dense();
    out.hidden.assign(last.data(), last.data() + last.size());
    return out;
  }

  // The candidates of each rank after those before, so that the cache holds each row but once.
  looked_at passes(const std::vector<candidate>& best) {
    looked_at out{std::vector<f32>(best.size() * std::size_t(vocab_)),
                  std::vector<f32>(best.size() * std::size_t(channels_))};
    const isize T = loop_.inputs.ids.length();
    for (isize k = 0; k < width_; ++k) {
      std::vector<i64> tokens;
      for (isize b = 0; b < rows_; ++b) tokens.push_back(best[std::size_t(b * width_ + k)].id);
      loop_.inputs.append(tokens);
      const auto scores = loop_.next();
      const auto last = loop_.model.states.hidden_states.back().dense();
      for (isize b = 0; b < rows_; ++b) {
        std::copy_n(scores.row(b), vocab_, out.scores.data() + (b * width_ + k) * vocab_);
        std::copy_n(last.data() + b * channels_, channels_, out.hidden.data() + (b * width_ + k) * channels_);
      }
      loop_.inputs.crop(T);
      loop_.model.crop(T);
    }
    return out;
  }

  generation_loop& loop_;
  f64 alpha_;
  isize width_, rows_, vocab_ = 0, channels_ = 0;
  bool one_by_one_ = false;
  std::vector<f32> scores_;             // (rows, V) of the next token
  step_states states_;                  // of the last one
  std::vector<std::vector<f32>> seen_;  // of each row (tokens, C): directions of hidden states
};

inline GenerateOutput generate_contrastively(generation_loop& loop) { return contrastive_search(loop)(); }
inline const bool contrastive_search_is_there = (strategies::contrastive_search = &generate_contrastively, true);

}  // namespace hft::detail

#endif  // HFT_DEFINES
