// SynthID-Text: a watermark of tournaments, in which pseudo-random g-values of 0 and 1 decide between the tokens that a
// model would say, and what its detectors look at. (Dathathri et al. 2024, "Scalable watermarking for identifying large
// language model outputs", Nature 634) Detectors: generation/synthid_detector.hpp.
//
//   generate(model, prompt, {.do_sample = true, .watermarking_config = SynthIDTextWatermarkingConfig{
//                                .ngram_len = 5, .keys = {654, 400, 836, 123, 340, 443, 597, 160, 57}}});
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>
#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <cmath>
#include <limits>

#include <hft/generation/logits_process/rare.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/torch_random.hpp>
#endif

namespace hft {

/// (transformers.SynthIDTextWatermarkingConfig) GenerationConfig::watermarking_config takes one.
struct SynthIDTextWatermarkingConfig {
  isize ngram_len = 0;                // tokens that g-values are made of, the one to come included; at least 2
  std::vector<i64> keys{};            // one for each round of the tournament
  isize context_history_size = 1024;  // contexts that have no watermark when they come again
  i64 sampling_table_seed = 0;
  isize sampling_table_size = 65536;    // at most 2^24
  bool skip_first_ngram_calls = false;  // the first ngram_len - 1 tokens have no watermark
  bool debug_mode = false;              // all scores are 1 before the watermark

  operator json() const;  // NOLINT: a config is its JSON
  /// Throws value_error for an unknown field or a value outside its range, format_error for one that is missing.
  static SynthIDTextWatermarkingConfig from_json(const json& object);
  void check() const;
};

/// Makes of scores the logarithms of probabilities after the tournaments. It remembers the contexts of one generation.
/// (transformers.SynthIDTextWatermarkLogitsProcessor)
class SynthIDTextWatermarkLogitsProcessor final : public LogitsProcessor {
 public:
  /// Throws value_error for a config outside its range.
  explicit SynthIDTextWatermarkLogitsProcessor(SynthIDTextWatermarkingConfig config);

  /// Throws shape_error where the number of rows is not that of the first call.
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override;

  const SynthIDTextWatermarkingConfig& config() const { return config_; }

  // ---- what detectors look at, of texts (B,T) with T at least ngram_len, where N = T - ngram_len + 1; they throw
  // shape_error for shorter ones

  /// The g-values of each n-gram (B,N,depth), 0 or 1; depth is the number of keys.
  Tensor<i64, 3> compute_g_values(const Tensor<i64, 2>& input_ids) const;
  /// 1 for n-grams whose context was not seen before, else 0 (B,N).
  Tensor<i64, 2> compute_context_repetition_mask(const Tensor<i64, 2>& input_ids) const;
  /// 1 for the tokens before the first eos_token_id, else 0 (B,T).
  static Tensor<i64, 2> compute_eos_token_mask(const Tensor<i64, 2>& input_ids, i64 eos_token_id);
  /// The mean of the g-values of a text with the watermark, for one round and a model that says all tokens equally
  /// often.
  static f64 expected_mean_g_value(isize vocab_size, f64 coinflip_prob = 0.5) {
    return coinflip_prob + coinflip_prob * (1 - coinflip_prob) * (1 - 1 / f64(vocab_size));
  }

 private:
  // The contexts that were seen last; those there have not been are zeros, as in Transformers.
  struct history {
    std::vector<std::uint64_t> hashes;
    std::size_t next = 0;

    /// Whether it was seen; from then on it was.
    bool seen(std::uint64_t hash);
  };
  static std::uint64_t hashed(std::uint64_t hash, i64 data) {
    return (hash + std::uint64_t(data)) * 6364136223846793005u + 1;
  }
  static std::uint64_t hashed(std::span<const i64> data);
  std::uint8_t g_value(std::uint64_t ngram_hash, i64 key) const;
  history new_history() const { return {std::vector<std::uint64_t>(std::size_t(config_.context_history_size)), 0}; }
  isize ngrams(const char* what, const Tensor<i64, 2>& input_ids) const;
  void mark(std::uint64_t context, std::span<f32> scores) const;

  SynthIDTextWatermarkingConfig config_;
  std::vector<std::uint8_t> sampling_table_;
  // Of each row:
  std::vector<std::vector<i64>> contexts_;
  std::vector<history> histories_;
  isize calls_ = 0;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE SynthIDTextWatermarkingConfig::operator json() const {
  return json{{"ngram_len", ngram_len},
              {"keys", keys},
              {"context_history_size", context_history_size},
              {"sampling_table_seed", sampling_table_seed},
              {"sampling_table_size", sampling_table_size},
              {"skip_first_ngram_calls", skip_first_ngram_calls},
              {"debug_mode", debug_mode}};
}

HFT_INLINE_ONCE SynthIDTextWatermarkingConfig SynthIDTextWatermarkingConfig::from_json(const json& object) {
  constexpr const char* where = "watermarking_config";
  SynthIDTextWatermarkingConfig c;
  detail::check_fields(object, json(c), where);
  c.ngram_len = require<isize>(object, "ngram_len", where);
  c.keys = require<std::vector<i64>>(object, "keys", where);
  c.context_history_size = get<isize>(object, "context_history_size", c.context_history_size, where);
  c.sampling_table_seed = get<i64>(object, "sampling_table_seed", c.sampling_table_seed, where);
  c.sampling_table_size = get<isize>(object, "sampling_table_size", c.sampling_table_size, where);
  c.skip_first_ngram_calls = get<bool>(object, "skip_first_ngram_calls", c.skip_first_ngram_calls, where);
  c.debug_mode = get<bool>(object, "debug_mode", c.debug_mode, where);
  c.check();
  return c;
}

HFT_INLINE_ONCE void SynthIDTextWatermarkingConfig::check() const {
  constexpr const char* where = "SynthIDTextWatermarkingConfig";
  const auto within = [](const char* field, isize value, isize least, isize most, const char* expected) {
    if (value < least || value > most) throw value_error(where, field, expected, detail::joined(value));
  };
  within("ngram_len", ngram_len, 2, 1 << 16, "2 to 65536");
  within("keys", isize(keys.size()), 1, 1 << 16, "at least one key");
  within("context_history_size", context_history_size, 1, 1 << 24, "1 to 2^24");
  within("sampling_table_size", sampling_table_size, 1, 1 << 24, "1 to 2^24");
}

HFT_INLINE_ONCE SynthIDTextWatermarkLogitsProcessor::SynthIDTextWatermarkLogitsProcessor(
    SynthIDTextWatermarkingConfig config)
    : config_(std::move(config)) {
  config_.check();
  torch_generator generator(std::uint64_t(config_.sampling_table_seed));
  sampling_table_.resize(std::size_t(config_.sampling_table_size));
  for (auto& g : sampling_table_) g = std::uint8_t(generator() % 2);
}

HFT_INLINE bool SynthIDTextWatermarkLogitsProcessor::history::seen(std::uint64_t hash) {
  const bool found = std::find(hashes.begin(), hashes.end(), hash) != hashes.end();
  hashes[next] = hash;
  next = (next + 1) % hashes.size();
  return found;
}

HFT_INLINE std::uint64_t SynthIDTextWatermarkLogitsProcessor::hashed(std::span<const i64> data) {
  std::uint64_t hash = 1;
  for (const i64 d : data) hash = hashed(hash, d);
  return hash;
}

HFT_INLINE std::uint8_t SynthIDTextWatermarkLogitsProcessor::g_value(std::uint64_t ngram_hash, i64 key) const {
  const i64 n = i64(sampling_table_.size()), place = i64(hashed(ngram_hash, key)) % n;
  return sampling_table_[std::size_t(place < 0 ? place + n : place)];
}

HFT_INLINE void SynthIDTextWatermarkLogitsProcessor::operator()(matrix<const i64> input_ids, matrix<f32> scores) {
  const std::size_t rows = std::size_t(scores.rows);
  if (calls_++ == 0) {
    contexts_.assign(rows, std::vector<i64>(std::size_t(config_.ngram_len - 1)));
    histories_.assign(rows, new_history());
  } else {
    if (rows != contexts_.size())
      throw shape_error("SynthIDTextWatermarkLogitsProcessor", "scores",
                        detail::joined(contexts_.size(), " rows as in its first call"), detail::joined(rows));
    for (isize row = 0; row < scores.rows; ++row) {
      auto& context = contexts_[std::size_t(row)];
      context.erase(context.begin());
      context.push_back(input_ids.row(row)[input_ids.cols - 1]);
    }
  }
  if (config_.debug_mode)
    for (isize row = 0; row < scores.rows; ++row) std::fill_n(scores.row(row), scores.cols, 1.0f);
  if (config_.skip_first_ngram_calls && calls_ < config_.ngram_len) return;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::uint64_t context = hashed(contexts_[row]);
    if (!histories_[row].seen(context)) mark(context, {scores.row(isize(row)), std::size_t(scores.cols)});
  }
}

HFT_INLINE void SynthIDTextWatermarkLogitsProcessor::mark(std::uint64_t context, std::span<f32> scores) const {
  const f64 norm = detail::log_sum_exp(scores);
  for (f32& s : scores) s = f32(std::exp(f64(s) - norm));
  std::vector<std::uint8_t> g(scores.size());
  for (const i64 key : config_.keys) {
    f64 mass = 0;  // of the tokens that win this round
    for (std::size_t i = 0; i < scores.size(); ++i) {
      g[i] = g_value(hashed(context, i64(i)), key);
      mass += g[i] ? f64(scores[i]) : 0;
    }
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] *= 1 + f32(g[i]) - f32(mass);
  }
  for (f32& s : scores) {
    s = std::log(s);
    if (!std::isfinite(s)) s = std::numeric_limits<f32>::lowest();
  }
}

HFT_INLINE_ONCE isize SynthIDTextWatermarkLogitsProcessor::ngrams(const char* what,
                                                                  const Tensor<i64, 2>& input_ids) const {
  if (input_ids.extent(1) < config_.ngram_len)
    throw shape_error(what, "input_ids", detail::joined("at least ngram_len = ", config_.ngram_len, " tokens"),
                      detail::joined(input_ids.extent(1)));
  return input_ids.extent(1) - config_.ngram_len + 1;
}

HFT_INLINE_ONCE Tensor<i64, 3> SynthIDTextWatermarkLogitsProcessor::compute_g_values(
    const Tensor<i64, 2>& input_ids) const {
  const isize N = ngrams("compute_g_values", input_ids), B = input_ids.extent(0), T = input_ids.extent(1);
  const auto ids = input_ids.dense();
  Tensor<i64, 3> out({B, N, isize(config_.keys.size())});
  i64* g = out.data();
  for (isize b = 0; b < B; ++b)
    for (isize n = 0; n < N; ++n) {
      const std::uint64_t hash = hashed({ids.data() + b * T + n, std::size_t(config_.ngram_len)});
      for (const i64 key : config_.keys) *g++ = g_value(hash, key);
    }
  return out;
}

HFT_INLINE_ONCE Tensor<i64, 2> SynthIDTextWatermarkLogitsProcessor::compute_context_repetition_mask(
    const Tensor<i64, 2>& input_ids) const {
  const isize N = ngrams("compute_context_repetition_mask", input_ids), B = input_ids.extent(0),
              T = input_ids.extent(1);
  const auto ids = input_ids.dense();
  Tensor<i64, 2> out({B, N});
  for (isize b = 0; b < B; ++b) {
    history contexts = new_history();
    for (isize n = 0; n < N; ++n)
      out.data()[b * N + n] = !contexts.seen(hashed({ids.data() + b * T + n, std::size_t(config_.ngram_len - 1)}));
  }
  return out;
}

HFT_INLINE_ONCE Tensor<i64, 2> SynthIDTextWatermarkLogitsProcessor::compute_eos_token_mask(
    const Tensor<i64, 2>& input_ids, i64 eos_token_id) {
  const isize B = input_ids.extent(0), T = input_ids.extent(1);
  const auto ids = input_ids.dense();
  Tensor<i64, 2> out({B, T});
  for (isize b = 0; b < B; ++b) {
    bool text = true;
    for (isize t = 0; t < T; ++t) {
      text = text && ids.data()[b * T + t] != eos_token_id;
      out.data()[b * T + t] = text;
    }
  }
  return out;
}

namespace detail {
inline const bool has_synthid = enter(rare_processors::synthid, [](const json& config) -> LogitsProcessor* {
  return new SynthIDTextWatermarkLogitsProcessor(SynthIDTextWatermarkingConfig::from_json(config));
});
}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
