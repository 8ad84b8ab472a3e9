// Classifier-free guidance: scores of the same text with and without its condition, held against each other. (Ho and
// Salimans 2022, arXiv 2207.12598)
#pragma once
#include <cmath>
#include <optional>
#include <vector>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// Of a batch that holds each text with its condition and then, in a second half, each without: the first half becomes
/// what the condition changes, times guidance_scale. Of input_ids (B,T) and scores (2B,V) the first B rows are the
/// result; the second half stays. (transformers.ClassifierFreeGuidanceLogitsProcessor, of MusicGen)
class ClassifierFreeGuidanceLogitsProcessor final : public LogitsProcessor {
 public:
  /// Throws value_error unless guidance_scale is above 1.
  explicit ClassifierFreeGuidanceLogitsProcessor(f64 guidance_scale);
  /// Throws shape_error unless there are twice as many rows of scores as texts.
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override;

 private:
  f32 scale_;
};

/// The same with the conditioned scores as what is moved; with guidance_top_k these are not changed, but only those of
/// the so many best after guidance stay. (transformers.DiaClassifierFreeGuidanceLogitsProcessor)
class DiaClassifierFreeGuidanceLogitsProcessor final : public LogitsProcessor {
 public:
  /// Throws value_error unless guidance_scale is above 1 and guidance_top_k, where it is given, at least 1.
  explicit DiaClassifierFreeGuidanceLogitsProcessor(f64 guidance_scale, std::optional<isize> guidance_top_k = {});
  /// Throws shape_error unless there are twice as many rows of scores as texts.
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override;

 private:
  f32 scale_;
  std::optional<isize> top_k_;
};

#if HFT_DEFINES(MODELS)

namespace detail {
HFT_INLINE_ONCE void check_guidance_scale(const char* where, f64 guidance_scale) {
  if (!(guidance_scale > 1)) throw value_error(where, "guidance_scale", "above 1", joined(guidance_scale));
}
HFT_INLINE_ONCE void check_halves(const char* where, matrix<const i64> input_ids, matrix<f32> scores) {
  if (scores.rows != 2 * input_ids.rows)
    throw shape_error(where, "scores", joined(2 * input_ids.rows, " rows, with and without the condition"),
                      joined(scores.rows));
}
}  // namespace detail

HFT_INLINE_ONCE ClassifierFreeGuidanceLogitsProcessor::ClassifierFreeGuidanceLogitsProcessor(f64 guidance_scale)
    : scale_(f32(guidance_scale)) {
  detail::check_guidance_scale("ClassifierFreeGuidanceLogitsProcessor", guidance_scale);
}

HFT_INLINE void ClassifierFreeGuidanceLogitsProcessor::operator()(matrix<const i64> input_ids, matrix<f32> scores) {
  detail::check_halves("ClassifierFreeGuidanceLogitsProcessor", input_ids, scores);
  for (isize row = 0; row < input_ids.rows; ++row) {
    f32 *with = scores.row(row), *without = scores.row(row + input_ids.rows);
    for (isize v = 0; v < scores.cols; ++v) with[v] = without[v] + (with[v] - without[v]) * scale_;
  }
}

HFT_INLINE_ONCE DiaClassifierFreeGuidanceLogitsProcessor::DiaClassifierFreeGuidanceLogitsProcessor(
    f64 guidance_scale, std::optional<isize> guidance_top_k)
    : scale_(f32(guidance_scale)), top_k_(guidance_top_k) {
  detail::check_guidance_scale("DiaClassifierFreeGuidanceLogitsProcessor", guidance_scale);
  if (top_k_ && *top_k_ < 1)
    throw value_error("DiaClassifierFreeGuidanceLogitsProcessor", "guidance_top_k", "at least 1",
                      detail::joined(*top_k_));
}

HFT_INLINE void DiaClassifierFreeGuidanceLogitsProcessor::operator()(matrix<const i64> input_ids, matrix<f32> scores) {
  detail::check_halves("DiaClassifierFreeGuidanceLogitsProcessor", input_ids, scores);
  std::vector<detail::candidate> guided(static_cast<std::size_t>(scores.cols));
  for (isize row = 0; row < input_ids.rows; ++row) {
    f32 *with = scores.row(row), *without = scores.row(row + input_ids.rows);
    for (isize v = 0; v < scores.cols; ++v) guided[std::size_t(v)] = {with[v] + (with[v] - without[v]) * scale_, v};
    if (!top_k_) {
      for (const auto& c : guided) with[c.id] = c.score;
      continue;
    }
    detail::select_best(guided, std::size_t(*top_k_));
    for (std::size_t i = std::size_t(*top_k_); i < guided.size(); ++i) with[guided[i].id] = filter_value;
  }
}

#endif  // HFT_DEFINES

}  // namespace hft
