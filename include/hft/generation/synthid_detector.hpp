// Finds the watermark of SynthID-Text by its g-values: their means, and a Bayesian classifier that was trained.
//
//   const auto detector_model = BayesianDetectorModel::from_pretrained("folder");
//   SynthIDTextWatermarkDetector detector(detector_model, processor, eos_token_id);
//   detector(input_ids);  // the probability of each row to have the watermark
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <hft/generation/logits_process/synthid.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>
#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <cmath>

#include <hft/io/checkpoint.hpp>
#include <hft/quantization/convert.hpp>
#endif

namespace hft {

/// The mean of the g-values (B,N,depth) that `mask` (B,N) has a 1 for, of each row: 0.5 for texts without the
/// watermark, more for others. (The "Mean" score of Dathathri et al. 2024; synthid-text's detector_mean.py)
std::vector<f64> synthid_mean_score(const Tensor<i64, 3>& g_values, const Tensor<i64, 2>& mask);
/// The same with a weight for each round, of which earlier ones say more; by default from 10 down to 1.
/// (The "Weighted Mean" score)
std::vector<f64> synthid_weighted_mean_score(const Tensor<i64, 3>& g_values, const Tensor<i64, 2>& mask,
                                             std::vector<f64> weights = {});

/// (transformers.BayesianDetectorConfig)
struct BayesianDetectorConfig {
  isize watermarking_depth = 0;  // rounds of the tournament
  f64 base_rate = 0.5;           // the share of texts with the watermark, before they are looked at
  std::string model_name{};      // whose texts it was trained on
  json watermarking_config{};    // a SynthIDTextWatermarkingConfig
};

/// The probability of a text to have the watermark, given its g-values: a model of how they come in such a text.
/// (transformers.BayesianDetectorModel; its training is not here)
class BayesianDetectorModel {
 public:
  /// Reads config.json and the weights of a folder. Throws as checkpoint::open, and weight_error for tensors that are
  /// missing or of another shape.
  static BayesianDetectorModel from_pretrained(const std::filesystem::path& folder);

  /// Of g-values (B,N,depth), 0 or 1, those that mask (B,N) has a 1 for; one probability for each row. Throws
  /// shape_error for another depth.
  std::vector<f64> operator()(const Tensor<i64, 3>& g_values, const Tensor<i64, 2>& mask) const;

  BayesianDetectorConfig config;
  std::vector<f32> beta;   // (depth)
  std::vector<f32> delta;  // (depth, depth)
  f32 prior = 0.5f;
};

/// The probability of texts to have the watermark. (transformers.SynthIDTextWatermarkDetector)
class SynthIDTextWatermarkDetector {
 public:
  /// The processor has the settings that the texts were generated with; what follows eos_token_id is not looked at.
  SynthIDTextWatermarkDetector(BayesianDetectorModel detector_module,
                               SynthIDTextWatermarkLogitsProcessor logits_processor, i64 eos_token_id)
      : model_(std::move(detector_module)), processor_(std::move(logits_processor)), eos_token_id_(eos_token_id) {}

  /// Of texts (B,T), T at least ngram_len.
  std::vector<f64> operator()(const Tensor<i64, 2>& input_ids) const {
    return model_(processor_.compute_g_values(input_ids), mask(input_ids));
  }
  /// What is looked at (B, T - ngram_len + 1): contexts that are new, and no end of sequence before or in the n-gram.
  Tensor<i64, 2> mask(const Tensor<i64, 2>& input_ids) const;

 private:
  BayesianDetectorModel model_;
  SynthIDTextWatermarkLogitsProcessor processor_;
  i64 eos_token_id_;
};

#if HFT_DEFINES(MODELS)

namespace detail {
HFT_INLINE_ONCE void check_g_values(const char* where, const Tensor<i64, 3>& g_values, const Tensor<i64, 2>& mask) {
  if (mask.extent(0) != g_values.extent(0) || mask.extent(1) != g_values.extent(1))
    throw shape_error(where, "mask", joined("(", g_values.extent(0), ", ", g_values.extent(1), ") as g_values"),
                      shape_text(mask.shape()));
}
}  // namespace detail

HFT_INLINE_ONCE std::vector<f64> synthid_mean_score(const Tensor<i64, 3>& g_values, const Tensor<i64, 2>& mask) {
  return synthid_weighted_mean_score(g_values, mask, std::vector<f64>(std::size_t(g_values.extent(2)), 1.0));
}

HFT_INLINE_ONCE std::vector<f64> synthid_weighted_mean_score(const Tensor<i64, 3>& g_values, const Tensor<i64, 2>& mask,
                                                             std::vector<f64> weights) {
  detail::check_g_values("synthid_weighted_mean_score", g_values, mask);
  const isize B = g_values.extent(0), N = g_values.extent(1), depth = g_values.extent(2);
  if (weights.empty())
    for (isize d = 0; d < depth; ++d) weights.push_back(10 - 9 * f64(d) / f64(std::max<isize>(depth - 1, 1)));
  if (isize(weights.size()) != depth)
    throw shape_error("synthid_weighted_mean_score", "weights", detail::joined(depth, ", the depth of the g-values"),
                      detail::joined(weights.size()));
  f64 all = 0;
  for (const f64 w : weights) all += w;
  const auto g = g_values.dense();
  const auto used = mask.dense();
  std::vector<f64> out;
  for (isize b = 0; b < B; ++b) {
    f64 sum = 0, count = 0;
    for (isize n = 0; n < N; ++n) {
      if (!used.data()[b * N + n]) continue;
      ++count;
      for (isize d = 0; d < depth; ++d) sum += weights[std::size_t(d)] * f64(g.data()[(b * N + n) * depth + d]);
    }
    out.push_back(sum / (all * count));
  }
  return out;
}

HFT_INLINE_ONCE BayesianDetectorModel BayesianDetectorModel::from_pretrained(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  const std::string where = file.string();
  const json object = read_json(file);
  BayesianDetectorModel model;
  auto& c = model.config;
  c.watermarking_depth = require<isize>(object, "watermarking_depth", where);
  c.base_rate = get<f64>(object, "base_rate", 0.5, where);
  c.model_name = get<std::string>(object, "model_name", "", where);
  c.watermarking_config = get<json>(object, "watermarking_config", json(), where);
  const isize depth = c.watermarking_depth;
  if (depth < 1 || depth > 1 << 16)
    throw config_error(where, "watermarking_depth", "1 to 65536", detail::joined(depth));

  const auto weights = checkpoint::open(folder);
  const auto read = [&](const char* name, isize size) {
    const stored_tensor* t = weights.find(name);
    const std::string tensor = detail::cat("tensor '", name, "'");
    if (!t) throw weight_error(folder.string(), tensor, detail::joined(size, " numbers"), "none");
    if (t->numel() != size)
      throw weight_error(folder.string(), tensor, detail::joined(size, " numbers"), detail::shape_text(t->shape));
    std::vector<f32> values(static_cast<std::size_t>(size));
    convert(dtype_id::f32, values.data(), t->dtype, t->bytes.data(), size);
    return values;
  };
  model.beta = read("likelihood_model_watermarked.beta", depth);
  model.delta = read("likelihood_model_watermarked.delta", depth * depth);
  model.prior = read("prior", 1)[0];
  return model;
}

HFT_INLINE_ONCE std::vector<f64> BayesianDetectorModel::operator()(const Tensor<i64, 3>& g_values,
                                                                   const Tensor<i64, 2>& mask) const {
  detail::check_g_values("BayesianDetectorModel", g_values, mask);
  const isize B = g_values.extent(0), N = g_values.extent(1), depth = isize(beta.size());
  if (g_values.extent(2) != depth)
    throw shape_error("BayesianDetectorModel", "g_values", detail::joined("a depth of ", depth),
                      detail::shape_text(g_values.shape()));
  const auto values = g_values.dense();
  const auto used = mask.dense();
  const f64 p_watermark = std::clamp(f64(prior), 1e-5, 1 - 1e-5);
  std::vector<f64> out;
  for (isize b = 0; b < B; ++b) {
    f64 log_odds = std::log(p_watermark) - std::log(1 - p_watermark);
    for (isize n = 0; n < N; ++n) {
      if (!used.data()[b * N + n]) continue;
      const i64* g = values.data() + (b * N + n) * depth;
      for (isize d = 0; d < depth; ++d) {
        // The probability of two different tokens to meet in this round, given what won the rounds before it.
        f64 logit = f64(beta[std::size_t(d)]);
        for (isize k = 0; k < d; ++k) logit += f64(delta[std::size_t(d * depth + k)]) * f64(g[k]);
        const f64 two = 1 / (1 + std::exp(-logit));
        log_odds += std::log(std::max(0.5 * ((f64(g[d]) + 0.5) * two + 1 - two), 1e-30)) - std::log(0.5);
      }
    }
    out.push_back(1 / (1 + std::exp(-log_odds)));
  }
  return out;
}

HFT_INLINE_ONCE Tensor<i64, 2> SynthIDTextWatermarkDetector::mask(const Tensor<i64, 2>& input_ids) const {
  auto mask = processor_.compute_context_repetition_mask(input_ids);
  const auto text = SynthIDTextWatermarkLogitsProcessor::compute_eos_token_mask(input_ids, eos_token_id_);
  const isize N = mask.extent(1), T = text.extent(1);
  for (isize b = 0; b < mask.extent(0); ++b)
    for (isize n = 0; n < N; ++n) mask.data()[b * N + n] *= text.data()[b * T + n + T - N];
  return mask;
}

#endif  // HFT_DEFINES

}  // namespace hft
