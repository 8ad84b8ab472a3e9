// A watermark of green tokens, which the text before them chooses and a bias favours, and its detector. (Kirchenbauer
// et al. 2023, "A watermark for large language models", arXiv 2301.10226, and "On the reliability of watermarks", arXiv
// 2306.04634)
//
//   const WatermarkingConfig marked{.bias = 2.5};
//   auto ids = generate(model, prompt, {.max_new_tokens = 200, .watermarking_config = marked});
//   auto found = WatermarkDetector(model.config(), marked)(ids);  // found.z_score[0], found.prediction[0]
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>
#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include <hft/generation/logits_process/rare.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/log.hpp>
#include <hft/torch_random.hpp>
#endif

namespace hft {

/// (transformers.WatermarkingConfig) GenerationConfig::watermarking_config takes one.
struct WatermarkingConfig {
  f64 greenlist_ratio = 0.25;  // the share of the vocabulary that is green; above 0, below 1
  f64 bias = 2.0;              // added to the scores of green tokens
  i64 hashing_key = 15485863;
  /// "lefthash": the last token chooses the green ones; "selfhash": the last tokens and the one to come, which is
  /// slower and harder to remove.
  std::string seeding_scheme = "lefthash";
  isize context_width = 1;  // tokens that choose, the one to come included where it does

  operator json() const;  // NOLINT: a config is its JSON
  /// Throws value_error for an unknown field or a value outside its range.
  static WatermarkingConfig from_json(const json& object);
  void check() const;
};

/// Adds the bias to the scores of green tokens. (transformers.WatermarkLogitsProcessor; the same tokens are green)
class WatermarkLogitsProcessor final : public LogitsProcessor {
 public:
  /// Throws value_error for a config outside its range.
  explicit WatermarkLogitsProcessor(const WatermarkingConfig& config);

  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override;

  /// The tokens of a vocabulary that are green behind input_ids, of which there are at least 1; with "selfhash" the
  /// last of them is the token to come, which is then green where it is among these.
  std::vector<std::uint32_t> greenlist_ids(std::span<const i64> input_ids, isize vocab_size) const;

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores) const;
  std::uint64_t seed(std::span<const i64> input_ids) const;

  WatermarkingConfig config_;
  bool selfhash_;
  std::vector<std::uint32_t> table_;  // a permutation, of "selfhash"
  bool warned_ = false;
};

/// Of each row of a batch. (transformers.WatermarkDetectorOutput)
struct WatermarkDetectorOutput {
  std::vector<f64> num_tokens_scored, num_green_tokens, green_fraction;
  std::vector<f64> z_score;        // by how many standard deviations there are more green tokens than by chance
  std::vector<f64> p_value;        // the probability of that many by chance
  std::vector<bool> prediction{};  // whether the text has the watermark
  std::vector<f64> confidence{};   // 1 - p_value
};

/// Finds the watermark that generate put into a text with the same WatermarkingConfig. (transformers.WatermarkDetector)
class WatermarkDetector {
 public:
  struct Options {
    std::optional<i64> bos_token_id{};    // not scored where rows begin with it
    bool ignore_repeated_ngrams = false;  // each n-gram counts once
  };

  /// Throws value_error for a config outside its range.
  WatermarkDetector(isize vocab_size, const WatermarkingConfig& config, const Options& options);
  WatermarkDetector(isize vocab_size, const WatermarkingConfig& config = {})
      : WatermarkDetector(vocab_size, config, Options()) {}
  /// Of a model's config: its vocabulary and the token that texts begin with.
  template <class ModelConfig>
  requires requires(const ModelConfig& c) { isize(c.vocab_size); }
  explicit WatermarkDetector(const ModelConfig& model_config, const WatermarkingConfig& config = {},
                             bool ignore_repeated_ngrams = false)
      : WatermarkDetector(
            model_config.vocab_size, config,
            {.bos_token_id = first_token(model_config), .ignore_repeated_ngrams = ignore_repeated_ngrams}) {}

  /// input_ids (B,T): texts, better without their prompts. Throws value_error where a part of the rows begins with
  /// bos_token_id, or there is no token to score.
  WatermarkDetectorOutput operator()(const Tensor<i64, 2>& input_ids, f64 z_threshold = 3) const;

 private:
  template <class ModelConfig>
  static std::optional<i64> first_token(const ModelConfig& c) {
    if constexpr (requires { c.decoder_start_token_id; })
      return c.decoder_start_token_id;
    else if constexpr (requires { c.bos_token_id; })
      return c.bos_token_id;
    else
      return {};
  }
  WatermarkLogitsProcessor processor_;
  isize vocab_size_, context_width_, ngram_;
  f64 greenlist_ratio_;
  Options options_;
};

#if HFT_DEFINES(MODELS)

namespace detail {
/// The seed that Python makes of key * factor for a torch.Generator: the whole product modulo 2^64 - 1.
inline std::uint64_t torch_seed(i64 key, i64 factor) {
  __extension__ typedef __int128 int128;
  constexpr int128 modulus = (int128(1) << 64) - 1;
  const int128 rest = int128(key) * factor % modulus;
  return std::uint64_t(rest < 0 ? rest + modulus : rest);
}
}  // namespace detail

HFT_INLINE_ONCE WatermarkingConfig::operator json() const {
  return json{{"greenlist_ratio", greenlist_ratio},
              {"bias", bias},
              {"hashing_key", hashing_key},
              {"seeding_scheme", seeding_scheme},
              {"context_width", context_width}};
}

HFT_INLINE_ONCE WatermarkingConfig WatermarkingConfig::from_json(const json& object) {
  constexpr const char* where = "watermarking_config";
  WatermarkingConfig c;
  detail::check_fields(object, json(c), where);
  c.greenlist_ratio = get<f64>(object, "greenlist_ratio", c.greenlist_ratio, where);
  c.bias = get<f64>(object, "bias", c.bias, where);
  c.hashing_key = get<i64>(object, "hashing_key", c.hashing_key, where);
  c.seeding_scheme = get<std::string>(object, "seeding_scheme", c.seeding_scheme, where);
  c.context_width = get<isize>(object, "context_width", c.context_width, where);
  c.check();
  return c;
}

HFT_INLINE_ONCE void WatermarkingConfig::check() const {
  constexpr const char* where = "WatermarkingConfig";
  if (!(greenlist_ratio > 0 && greenlist_ratio < 1))
    throw value_error(where, "greenlist_ratio", "above 0, below 1", detail::joined(greenlist_ratio));
  if (seeding_scheme != "lefthash" && seeding_scheme != "selfhash")
    throw value_error(where, "seeding_scheme", "'lefthash' or 'selfhash'", detail::quote_text(seeding_scheme));
  if (context_width < 1) throw value_error(where, "context_width", "at least 1", detail::joined(context_width));
}

HFT_INLINE_ONCE WatermarkLogitsProcessor::WatermarkLogitsProcessor(const WatermarkingConfig& config)
    : config_(config), selfhash_(config.seeding_scheme == "selfhash") {
  config_.check();
  if (!selfhash_) return;
  constexpr isize table_size = 1'000'003;
  torch_generator generator(detail::torch_seed(config_.hashing_key, 1));
  table_ = torch_randperm(table_size, table_size, generator);
}

HFT_INLINE std::uint64_t WatermarkLogitsProcessor::seed(std::span<const i64> input_ids) const {
  if (!selfhash_) return detail::torch_seed(config_.hashing_key, input_ids.back());
  const auto hash = [&](i64 id) {
    const i64 n = i64(table_.size());
    return std::uint64_t(table_[std::size_t((id % n + n) % n)]) + 1;
  };
  // Products of 64 bits that overflow, as torch's do.
  const auto context = input_ids.last(std::min(input_ids.size(), std::size_t(config_.context_width)));
  const std::uint64_t last = hash(context.back());
  i64 least = std::numeric_limits<i64>::max();
  for (const i64 id : context) least = std::min(least, i64(std::uint64_t(config_.hashing_key) * hash(id) * last));
  return detail::torch_seed(least, 1);
}

HFT_INLINE std::vector<std::uint32_t> WatermarkLogitsProcessor::greenlist_ids(std::span<const i64> input_ids,
                                                                              isize vocab_size) const {
  torch_generator generator(seed(input_ids));
  return torch_randperm(vocab_size, isize(f64(vocab_size) * config_.greenlist_ratio), generator);
}

HFT_INLINE void WatermarkLogitsProcessor::operator()(matrix<const i64> input_ids, matrix<f32> scores) {
  if (input_ids.cols < config_.context_width) {
    if (!std::exchange(warned_, true))
      log_message(log_level::warning, "WatermarkLogitsProcessor",
                  detail::joined("tokens have no watermark until there are context_width = ", config_.context_width,
                                 " before them"));
    return;
  }
  for (isize row = 0; row < scores.rows; ++row)
    process({input_ids.row(row), std::size_t(input_ids.cols)}, {scores.row(row), std::size_t(scores.cols)});
}

HFT_INLINE void WatermarkLogitsProcessor::process(std::span<const i64> input_ids, std::span<f32> scores) const {
  const f32 bias = f32(config_.bias);
  if (!selfhash_) {
    for (const auto id : greenlist_ids(input_ids, isize(scores.size()))) scores[id] += bias;
    return;
  }
  // Each candidate has a list of its own: of the best ones, those that are green by theirs.
  constexpr std::size_t looked_at = 40;
  std::vector<detail::candidate> candidates;
  detail::collect(scores, candidates);
  candidates.resize([&] {
    const std::size_t n = std::min(looked_at, candidates.size());
    detail::select_best(candidates, n);
    return n;
  }());
  std::vector<i64> text(input_ids.begin(), input_ids.end());
  text.push_back(0);
  for (const auto& c : candidates) {
    text.back() = c.id;
    const auto green = greenlist_ids(text, isize(scores.size()));
    if (std::find(green.begin(), green.end(), std::uint32_t(c.id)) != green.end()) scores[std::size_t(c.id)] += bias;
  }
}

HFT_INLINE_ONCE WatermarkDetector::WatermarkDetector(isize vocab_size, const WatermarkingConfig& config,
                                                     const Options& options)
    : processor_(config),
      vocab_size_(vocab_size),
      context_width_(config.context_width),
      ngram_(config.context_width + (config.seeding_scheme == "selfhash" ? 0 : 1)),
      greenlist_ratio_(config.greenlist_ratio),
      options_(options) {
  if (vocab_size < 1) throw value_error("WatermarkDetector", "vocab_size", "at least 1", detail::joined(vocab_size));
}

HFT_INLINE_ONCE WatermarkDetectorOutput WatermarkDetector::operator()(const Tensor<i64, 2>& input_ids,
                                                                      f64 z_threshold) const {
  const auto ids = input_ids.dense();
  const isize B = ids.extent(0), T = ids.extent(1);
  isize begun = 0;
  for (isize b = 0; b < B && T > 0; ++b) begun += options_.bos_token_id && ids.data()[b * T] == *options_.bos_token_id;
  if (begun != 0 && begun != B)
    throw value_error("WatermarkDetector", "input_ids",
                      detail::joined("all or no rows to begin with bos_token_id = ", *options_.bos_token_id),
                      detail::joined(begun, " of ", B));
  const isize first = begun ? 1 : 0;
  if (T - first - context_width_ < 1)
    throw value_error("WatermarkDetector", "input_ids",
                      detail::joined("a token to score behind the context_width = ", context_width_, " first"),
                      detail::joined(T - first, " tokens"));
  WatermarkDetectorOutput out;
  const bool selfhash = ngram_ == context_width_;
  for (isize b = 0; b < B; ++b) {
    // N-grams and how often each stands in the row: a list of green tokens is worth remembering.
    std::map<std::vector<i64>, isize> ngrams;
    const i64* row = ids.data() + b * T;
    for (isize i = first; i + ngram_ <= T; ++i) ++ngrams[std::vector<i64>(row + i, row + i + ngram_)];
    f64 scored = 0, green = 0;
    for (const auto& [ngram, times] : ngrams) {
      const auto list =
          processor_.greenlist_ids(std::span(ngram).first(ngram.size() - (selfhash ? 0 : 1)), vocab_size_);
      const bool is_green = std::find(list.begin(), list.end(), ngram.back()) != list.end();
      const f64 counted = options_.ignore_repeated_ngrams ? 1 : f64(times);
      scored += counted;
      green += is_green ? counted : 0;
    }
    const f64 z = (green - greenlist_ratio_ * scored) / std::sqrt(scored * greenlist_ratio_ * (1 - greenlist_ratio_));
    const f64 p = 0.5 * std::erfc(z / std::sqrt(2.0));
    out.num_tokens_scored.push_back(scored);
    out.num_green_tokens.push_back(green);
    out.green_fraction.push_back(green / scored);
    out.z_score.push_back(z);
    out.p_value.push_back(p);
    out.prediction.push_back(z > z_threshold);
    out.confidence.push_back(1 - p);
  }
  return out;
}

namespace detail {
inline const bool has_watermark = enter(rare_processors::watermark, [](const json& config) -> LogitsProcessor* {
  return new WatermarkLogitsProcessor(WatermarkingConfig::from_json(config));
});
}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
