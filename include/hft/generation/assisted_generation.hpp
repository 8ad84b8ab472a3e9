// Assisted generation: a draft of several tokens, from a smaller model or looked up in the text, goes through the model
// in one pass, which accepts it up to the first token that it would not have said, and says the next one itself. Greedy
// texts are what the model says alone; sampled ones have its distribution. (GenerationMixin._assisted_decoding;
// Leviathan et al. 2022, arXiv 2211.17192)
#pragma once
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <hft/generation/assistant.hpp>
#include <hft/generation/generation_loop.hpp>
#include <hft/generation/prompt_lookup.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/generation/strategy.hpp>
#include <hft/generation/translated_drafts.hpp>

namespace hft::detail {

/// One call of generate with drafts.
class assisted_generation {
 public:
  explicit assisted_generation(generation_loop& loop) : loop_(loop) {
    const auto refuse = [](const char* setting, const char* expected, const message& got) {
      throw value_error("generate", setting, expected, got);
    };
    const char* drafts = loop.options.assistant_model  ? "assistant_model"
                         : early_exit(loop.config) > 0 ? "assistant_early_exit"
                                                       : "prompt_lookup_num_tokens";
    if (loop.rows() != 1 || loop.group() != 1)
      refuse(drafts, "one sequence of one prompt", joined(loop.rows(), " prompts, ", loop.group(), " of each"));
    if (!*loop.config.use_cache) refuse(drafts, "use_cache = true", "false");
    if (loop.config.output_hidden_states.value_or(false) || loop.config.output_attentions.value_or(false))
      throw unsupported_error("generate", drafts, "no output_hidden_states and output_attentions beside", "both");
    if (loop.model.reads_all || !loop.model.keeps_all)
      throw unsupported_error("generate", drafts, "a model whose cache forgets tokens one by one",
                              "one with a recurrent state");
  }

  GenerateOutput operator()() {
    auto& ids = loop_.inputs.ids;
    auto* streamer = loop_.options.streamer;
    if (streamer) streamer->put(ids.row(0));
    bool first = true;
    for (bool open = true; open && !loop_.stopped(); first = false) {
      const isize T = ids.length();
      // One token is the model's own.
      const candidates draft = first ? candidates{} : draft_of(loop_.max_length - T - 1);
      const isize offered = isize(draft.tokens.size());
      for (const i64& token : draft.tokens) loop_.inputs.append({&token, 1});
      const auto scores = loop_.forward(first ? loop_.past : T - 1, offered + 1);
      if (first) begin(scores.cols);
      const auto said = accepted(draft, scores, T);
      loop_.inputs.crop(T);
      isize taken = 0;
      for (const i64& token : said) {
        loop_.keep(loop_.config.output_scores, {scores.row(taken), 1, scores.cols, scores.cols}, out_.scores);
        loop_.inputs.append({&token, 1});
        const std::span<const f32> chosen_from(scores.row(taken), std::size_t(scores.cols));
        if (streamer) streamer->put_scored(token, chosen_from);
        ++taken;
        open = !loop_.ends(ids.row(0), chosen_from);
        loop_.report();
        if (!open) break;
      }
      if (isize(out_.logits.size()) > loop_.new_tokens()) out_.logits.resize(std::size_t(loop_.new_tokens()));
      if (taken <= offered) loop_.model.crop(T + taken - 1);
      if (drafts_ && !first) drafts_->update(offered, taken - 1);
    }
    if (streamer) streamer->end();
    const auto row = ids.row(0);
    out_.sequences = sequences_tensor(loop_, 1, isize(row.size()), 1, loop_.pad_id());
    const isize T = loop_.inputs.prompt_length();
    std::copy(row.begin() + T, row.end(), out_.sequences.data() + T);
    return std::move(out_);
  }

 private:
  static isize early_exit(const GenerationConfig& config) { return config.assistant_early_exit.value_or(0); }
  // Once the prompt has gone through the model, so that it is known what it knows.
  void begin(isize vocab_size) {
    loop_.make_processors();
    if (loop_.options.assistant_model) {
      drafts_ = std::make_unique<assistant>(loop_, loop_.options.assistant_model.step());
      if (loop_.options.assistant_model.translate.encode)
        drafts_ = std::make_unique<translated_drafts>(std::move(drafts_), loop_.options.assistant_model);
    } else if (const isize layers = early_exit(loop_.config)) {
      auto model = loop_.model.again();
      model->num_hidden_layers = layers;
      drafts_ = std::make_unique<assistant>(loop_, std::move(model));
    } else {
      drafts_ = std::make_unique<prompt_lookup>(loop_.config, loop_.processors, vocab_size);
    }
    const auto padding = loop_.inputs.padding();
    padding_ = padding.empty() ? 0 : std::size_t(padding[0]);
  }
  candidates draft_of(isize room) { return (*drafts_)(loop_.inputs.ids.row(0).subspan(padding_), room); }

  // The tokens of a draft that the model takes, and the one that it says behind them. `scores` become what processors
  // make of them, up to there.
  std::vector<i64> accepted(const candidates& draft, matrix<f32> scores, isize T) {
    const auto& ids = loop_.inputs.ids;
    const isize offered = isize(draft.tokens.size()), V = scores.cols;
    const bool drawn = *loop_.config.do_sample, rejects = drawn && !draft.scores.empty();
    const random_stream random(*loop_.config.seed), coins(*loop_.config.seed, coin_stream);
    std::vector<i64> said;
    for (isize i = 0; i <= offered; ++i) {
      const matrix<f32> row{scores.row(i), 1, V, V};
      const std::span<f32> s(row.row(0), std::size_t(V));
      const isize place = T + i - loop_.inputs.prompt_length();  // among the new tokens
      loop_.keep(loop_.config.output_logits, row, out_.logits);
      apply(loop_.processors, {ids.view().row(0), 1, T + i, T + i}, row);
      const i64* offer = i < offered ? &draft.tokens[std::size_t(i)] : nullptr;
      if (!rejects || !offer) {
        // With no distribution of the draft's own, its token is taken where it is the one that is drawn anyway.
        said.push_back(drawn ? sample(s, random.uniform(std::uint64_t(place))) : argmax(s));
        if (!offer || said.back() != *offer) return said;
      } else {
        const std::span<const f32> q(draft.scores.data() + i * V, std::size_t(V));
        const f64 ratio = token_probability(s, *offer) / token_probability(q, *offer);
        if (coins.uniform(std::uint64_t(place)) < ratio) {
          said.push_back(*offer);
          continue;
        }
        said.push_back(sample(left_over(s, q), random.uniform(std::uint64_t(place))));
        return said;
      }
    }
    return said;
  }

  /// The scores of max(p - q, 0), for p and q of these.
  static std::vector<f32> left_over(std::span<const f32> p, std::span<const f32> q) {
    const f64 of_p = log_sum_exp(p), of_q = log_sum_exp(q);
    std::vector<f32> out(p.size(), filter_value);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const f64 more = std::exp(f64(p[i]) - of_p) - std::exp(f64(q[i]) - of_q);
      if (more > 0) out[i] = f32(std::log(more));
    }
    return out;
  }

  static constexpr std::uint64_t coin_stream = (std::uint64_t(1) << 63) + 1;  // of which drafts are accepted

  generation_loop& loop_;
  std::unique_ptr<candidate_generator> drafts_;
  std::size_t padding_ = 0;  // on the left of the prompt
  GenerateOutput out_;
};

inline GenerateOutput assisted(generation_loop& loop) { return assisted_generation(loop)(); }
inline const bool assisted_is_there = (strategies::assisted = &assisted, true);

}  // namespace hft::detail

#endif  // HFT_DEFINES
