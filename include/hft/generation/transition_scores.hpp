// compute_transition_scores: the score of each token that generation chose.
#pragma once
#include <algorithm>
#include <vector>

#include <hft/generation/generate_options.hpp>
#include <hft/generation/sampling.hpp>

namespace hft {

/// The scores of the chosen tokens (R,N), of the N last of `sequences` (R,T), by the scores of each step (rows,V) that
/// output_scores returns; 0 behind the end of a beam. beam_indices (R,N): the rows that they were chosen from; empty
/// without beams, where row r chose its own. With normalize_logits log probabilities of the scores. Throws shape_error
/// for arguments that do not fit each other, value_error for tokens and rows that there are not.
/// (GenerationMixin.compute_transition_scores)
inline Tensor<f32, 2> compute_transition_scores(const Tensor<i64, 2>& sequences,
                                                const std::vector<Tensor<f32, 2>>& scores,
                                                const Tensor<i64, 2>& beam_indices = {},
                                                bool normalize_logits = false) {
  constexpr const char* where = "compute_transition_scores";
  const isize R = sequences.extent(0), N = beam_indices ? beam_indices.extent(1) : isize(scores.size());
  if (N > isize(scores.size()) || N > sequences.extent(1) || (beam_indices && beam_indices.extent(0) != R))
    throw shape_error(where, "",
                      detail::joined("the scores of ", N, " steps, sequences at least as long, and rows of them"),
                      detail::joined(scores.size(), " steps and sequences ", detail::shape_text(sequences.shape())));
  const auto ids = sequences.dense(), from = beam_indices.dense();
  auto chosen = Tensor<f32, 2>::zeros({R, N});
  for (isize t = 0; t < N; ++t) {
    const auto step = scores[std::size_t(t)].dense();
    const isize rows = step.extent(0), V = step.extent(1);
    for (isize r = 0; r < R; ++r) {
      const i64 row = beam_indices ? from.data()[r * N + t] : r, id = ids.data()[(r + 1) * sequences.extent(1) - N + t];
      if (row < 0) continue;
      if (row >= rows || id < 0 || id >= V)
        throw value_error(where, "token", detail::joined("one of ", V, ", of one of ", rows, " rows"),
                          detail::joined(id, " of row ", row));
      const f32* all = step.data() + row * V;
      const f64 norm = normalize_logits ? detail::log_sum_exp({all, std::size_t(V)}) : 0;
      chosen.data()[r * N + t] = f32(f64(all[id]) - norm);
    }
  }
  return chosen;
}

/// The same of what generate_detailed gave with output_scores.
inline Tensor<f32, 2> compute_transition_scores(const GenerateOutput& output, bool normalize_logits = false) {
  if (output.scores.empty())
    throw value_error("compute_transition_scores", "scores", "those of output_scores = true", "none");
  return compute_transition_scores(output.sequences, output.scores, output.beam_indices, normalize_logits);
}

}  // namespace hft
