// Greedy search and sampling: one token for each row at a time. (GenerationMixin._sample)
#pragma once
#include <hft/generation/generation_loop.hpp>
#include <hft/generation/sampling.hpp>

namespace hft::detail {

/// What a strategy makes of the scores (rows, V) that the model has just given, before processors.
class score_change {
 public:
  virtual ~score_change() = default;
  virtual void operator()(matrix<f32> scores) = 0;
};

inline GenerateOutput generate_by_token(generation_loop& loop, score_change* change = nullptr) {
  const bool drawn = *loop.config.do_sample;
  const isize rows = loop.rows() * loop.group();
  std::vector<i64> tokens(std::size_t(rows), 0);  // the next column
  std::vector<i64> done(tokens.size(), 0);        // 0 or 1
  GenerateOutput out;
  auto* streamer = loop.options.streamer;
  if (streamer) streamer->put(loop.inputs.ids.row(0));
  for (isize n = 0, open = rows; open > 0 && !loop.stopped(); ++n) {
    const auto scores = n == 0 ? loop.prefill() : loop.next();
    loop.keep(loop.config.output_logits, scores, out.logits);
    if (change) (*change)(scores);
    loop.keep_states(out);
    apply(loop.processors, loop.inputs.ids.view(), scores);
    loop.keep(loop.config.output_scores, scores, out.scores);
    for (isize b = 0; b < rows; ++b) {
      const std::span<const f32> row(scores.row(b), std::size_t(scores.cols));
      i64& token = tokens[std::size_t(b)];
      if (done[std::size_t(b)])
        token = loop.pad_id();
      else
        token = drawn ? sample(row, random_stream(*loop.config.seed, std::uint64_t(b)).uniform(std::uint64_t(n)))
                      : argmax(row);
    }
    loop.inputs.append(tokens);
    if (streamer) streamer->put_scored(tokens[0], {scores.row(0), std::size_t(scores.cols)});
    for (isize b = 0; b < rows; ++b)
      if (!done[std::size_t(b)] && loop.ends(loop.inputs.ids.row(b), {scores.row(b), std::size_t(scores.cols)})) {
        done[std::size_t(b)] = 1;
        --open;
      }
    loop.report();
  }
  if (streamer) streamer->end();

  const bool started = loop.rows() == rows;  // else stopped before the prompts were expanded
  const auto& ids = loop.inputs.ids;
  out.sequences = sequences_tensor(loop, rows, ids.length(), loop.group(), loop.pad_id());
  const isize T = loop.inputs.prompt_length();
  for (isize i = 0; started && i < rows; ++i)
    std::copy_n(ids.row(i).data() + T, ids.length() - T, out.sequences.data() + i * ids.length() + T);
  return out;
}

}  // namespace hft::detail
