// Constrained beam search: beams that must say given words, anywhere and in any order. Including this header is what
// makes generate know it.
//
//   generate(model, input_ids, {.num_beams = 4, .force_words_ids = {{17, 4}, {9}}});       both, each in its order
//   generate(model, input_ids, {.num_beams = 4, .force_words_ids = {{{17, 4}, {9, 5}}}});  one of them
//   GenerateOptions::constraints                                                           those of a program's own
//
// (Post and Vilar 2018, arXiv 1804.06609; GenerationMixin._constrained_beam_search of Transformers 4.53.3)
#pragma once
#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <hft/generation/beam_constraints.hpp>
#include <hft/generation/generate_options.hpp>
#include <hft/generation/strategy.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <hft/generation/beam_scorer.hpp>
#endif

namespace hft::detail {

/// What a prompt or the decoder's first token says already counts. Where beams reach the end of their room without
/// their words, the best of them are returned nevertheless, as by Transformers, and the log says so. Before anything
/// runs it throws value_error for words that contradict other settings, or need more tokens than there is room for;
/// after the prompt's pass for ids outside the vocabulary.
GenerateOutput constrained_beam_search(generation_loop& loop);

inline const bool has_constrained_beam_search = (strategies::constrained_beam_search = constrained_beam_search, true);

#if HFT_DEFINES(MODELS)

class constrained_beams final : public beam_scorer {
 public:
  using constraint_list = std::vector<std::shared_ptr<Constraint>>;

  constrained_beams(generation_loop& loop, constraint_list constraints)
      : beam_scorer(loop, 1), constraints_(std::move(constraints)) {}

  /// Those of `settings` behind those of `options`.
  static constraint_list asked_for(const GenerationConfig& settings, const GenerateOptions& options);
  /// Throws where they cannot be met.
  static void check(const generation_loop& loop, const constraint_list& constraints);

 private:
  void begin(isize vocabulary) override {
    beam_scorer::begin(vocabulary);
    for (const auto& c : constraints_)
      for (const auto& word : c->words())
        for (const i64 id : word)
          if (id >= vocabulary)
            throw value_error("generate", "force_words_ids", joined("token ids below ", vocabulary), joined(id));
  }
  void process(isize, matrix<f32> scores) override { apply(loop_.processors, loop_.inputs.ids.view(), scores); }
  ConstraintListState state(std::span<const i64> ids) const { return {constraints_, ids}; }
  bool may_end(isize row) const override { return state(loop_.inputs.ids.row(row)).completed(); }

  // Beside the best continuations of a prompt those that bring one of its beams forward: of each bank, the furthest
  // first, the best, then the second best of each, and so on. (ConstrainedBeamSearchScorer.step_sentence_constraint)
  void choose(isize prompt, matrix<f32> scores) override {
    struct continuation {
      isize row;
      i64 token;
      f32 score;
      ConstraintListState state;
      isize bank;
    };
    std::vector<continuation> all;
    const auto text = [&](isize row) { return loop_.inputs.ids.row(row); };
    const isize first = first_row(prompt, 0);
    for (isize r = first; r < first + beams_; ++r) {
      const auto i = std::size_t(r);
      all.push_back({rows_[i], tokens_[i], next_[i], state(text(rows_[i])), 0});
      all.back().state.add(tokens_[i]);
    }
    for (isize r = first; r < first + beams_; ++r) {
      const auto before = state(text(r));
      for (const i64 token : before.advance()) {
        // A copy of each, even of those that are known: see DisjunctiveConstraint::copy.
        ConstraintListState after = before;
        after.add(token);
        const bool known = std::any_of(all.begin(), all.end(), [&](const continuation& c) {
          const auto a = text(c.row), b = text(r);
          return c.token == token && (c.row == r || std::equal(a.begin(), a.end(), b.begin(), b.end()));
        });
        if (!known) all.push_back({r, token, scores.row(r)[token] + running_[std::size_t(r)], std::move(after), 0});
      }
    }
    if (isize(all.size()) == beams_) return;

    for (continuation& c : all) c.bank = c.state.get_bank();
    std::vector<std::size_t> order(all.size()), place(all.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    const auto key = [&](std::size_t i) { return f32(all[i].bank * 100) + all[i].score; };
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return key(a) > key(b); });
    for (std::size_t k = 1; k < order.size(); ++k)  // the place of each in its bank
      place[order[k]] = all[order[k]].bank == all[order[k - 1]].bank ? place[order[k - 1]] + 1 : 0;
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return place[a] < place[b]; });
    for (isize i = 0; i < beams_; ++i) {
      const continuation& c = all[order[std::size_t(i)]];
      const auto to = std::size_t(first + i);
      rows_[to] = c.row;
      tokens_[to] = c.token;
      next_[to] = c.score;
    }
  }

  // Those that are complete, and where these are too few the others. (ConstrainedBeamSearchScorer.finalize)
  std::vector<isize> last_rows(isize prompt, isize group) const override {
    std::vector<isize> complete, others;
    for (const isize row : beam_scorer::last_rows(prompt, group)) (may_end(row) ? complete : others).push_back(row);
    if (isize(complete.size()) < *loop_.config.num_return_sequences) {
      if (!loop_.stopped())
        log_message(log_level::warning, "generate",
                    joined("prompt ", prompt, ": ", others.size(), " of ", beams_,
                           " beams end without all of the words that they must say"));
      complete.insert(complete.end(), others.begin(), others.end());
    }
    return complete;
  }

  constraint_list constraints_;
};

HFT_INLINE_ONCE constrained_beams::constraint_list constrained_beams::asked_for(const GenerationConfig& settings,
                                                                                const GenerateOptions& options) {
  constraint_list constraints = options.constraints;
  for (const auto& c : constraints)
    if (!c) throw value_error("generate", "constraints", "constraints", "null");
  const json& words = settings.force_words_ids;
  if (words.is_null()) return constraints;
  const auto refuse = [](const json& got) {
    throw value_error("generate", "force_words_ids", "a list of lists of token ids, or of lists of such",
                      describe(got));
  };
  const auto ids = [&](const json& list) {
    std::vector<i64> out;
    for (const json& id : list) {
      if (!id.is_number_integer()) refuse(id);
      out.push_back(id.get<i64>());
    }
    return out;
  };
  if (!words.is_array() || words.empty()) refuse(words);
  for (const json& word : words) {
    if (!word.is_array() || word.empty()) refuse(word);
    if (!word[0].is_array()) {
      constraints.push_back(std::make_shared<PhrasalConstraint>(ids(word)));
      continue;
    }
    std::vector<std::vector<i64>> alternatives;
    for (const json& alternative : word) {
      if (!alternative.is_array()) refuse(alternative);
      alternatives.push_back(ids(alternative));
    }
    constraints.push_back(std::make_shared<DisjunctiveConstraint>(std::move(alternatives)));
  }
  return constraints;
}

HFT_INLINE_ONCE void constrained_beams::check(const generation_loop& loop, const constraint_list& constraints) {
  const auto& config = loop.config;
  const char* what = config.force_words_ids.is_null() ? "constraints" : "force_words_ids";
  if (*config.num_beams < 2)
    throw value_error("generate", what, joined("num_beams above 1 beside ", what), joined(*config.num_beams));
  if (*config.do_sample) throw value_error("generate", what, joined("do_sample = false beside ", what), "true");

  // A program's own must come to an end by what it advances with. (Constraint.test)
  for (const auto& c : constraints) {
    const auto probe = c->copy(false);
    isize steps = 0;
    for (auto tokens = probe->advance(); !tokens.empty() && steps <= c->length(); tokens = probe->advance(), ++steps)
      if (probe->update(tokens[0]).completed) break;
    if (probe->remaining() != 0)
      throw value_error("generate", "constraints", "constraints that what they advance with completes",
                        joined(probe->remaining(), " tokens left after ", steps));
  }

  // Words of which no token may be said.
  const auto& suppressed = config.suppress_tokens;
  for (const auto& c : constraints) {
    const auto words = c->words();
    const auto refuse_all = [&](const std::string& other, const auto& contradicts) {
      if (!words.empty() && std::all_of(words.begin(), words.end(), contradicts))
        throw value_error("generate", what, joined("words that ", other, " lets be said"),
                          joined("one of ", words[0].size(), " tokens from ", words[0][0], " on that it does not"));
    };
    const auto has_any = [](const std::vector<i64>& word, const std::vector<i64>& ids) {
      return std::find_first_of(word.begin(), word.end(), ids.begin(), ids.end()) != word.end();
    };
    refuse_all("suppress_tokens", [&](const auto& word) { return has_any(word, suppressed); });
    refuse_all("eos_token_id, the end,", [&](const auto& word) { return has_any(word, loop.eos()); });
    refuse_all("bad_words_ids", [&](const auto& word) {
      return std::any_of(config.bad_words_ids.begin(), config.bad_words_ids.end(), [&](const auto& bad) {
        return std::search(word.begin(), word.end(), bad.begin(), bad.end()) != word.end();
      });
    });
  }

  const isize room = loop.max_length - loop.inputs.prompt_length();
  for (isize b = 0; b < loop.rows(); ++b) {
    const isize least = ConstraintListState(constraints, loop.inputs.ids.row(b)).least_remaining();
    if (least > room)
      throw value_error("generate", what, joined("words of at most ", room, " tokens, the room for new ones"),
                        joined("words of ", least));
  }
}

HFT_INLINE_ONCE GenerateOutput constrained_beam_search(generation_loop& loop) {
  auto constraints = constrained_beams::asked_for(loop.config, loop.options);
  constrained_beams::check(loop, constraints);
  return constrained_beams(loop, std::move(constraints))();
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
