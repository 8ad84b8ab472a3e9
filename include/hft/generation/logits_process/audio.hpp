// Processors of models that speak and listen, which know what their tokens stand for: Bark, Dia and Whisper, under
// Transformers' class names.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// The two codebooks of Bark take turns, the first of them at input_start_len.
///   scores  semantic_vocab_size tokens that are none of both, codebook_size of the first, those of the second
class AlternatingCodebooksLogitsProcessor final : public LogitsProcessor {
 public:
  /// Throws value_error for a negative length.
  AlternatingCodebooksLogitsProcessor(isize input_start_len, isize semantic_vocab_size, isize codebook_size);
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override;

 private:
  isize start_, semantic_, codebook_;
};

/// Bark ends where the probability of an end-of-sequence token is above min_eos_p.
class BarkEosPrioritizerLogitsProcessor final : public RowLogitsProcessor {
 public:
  /// Throws value_error for negative ids, or a min_eos_p that is not above 0. Without one nothing changes.
  BarkEosPrioritizerLogitsProcessor(std::vector<i64> eos_token_id, std::optional<f64> min_eos_p);

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize row) override;
  std::vector<i64> eos_;
  std::optional<f64> min_p_;
};

/// In Dia only the first of num_channels channels ends: where the end is its best token, it is the only one, else it is
/// ruled out. What lies behind the end in the vocabulary is no sound. Scores are (B * num_channels, V).
class DiaEOSChannelFilterLogitsProcessor final : public LogitsProcessor {
 public:
  /// Throws value_error where there is no channel, or eos_token_id is below 1.
  DiaEOSChannelFilterLogitsProcessor(isize num_channels, i64 eos_token_id);
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override;

 private:
  isize channels_;
  i64 eos_;
};

/// Once the first channel of Dia ends, or the text is as long as it may be, the others end, each delay_pattern tokens
/// later. It remembers which rows end: one for each generation. Scores are (B * channels, V).
class DiaEOSDelayPatternLogitsProcessor final : public LogitsProcessor {
 public:
  /// Throws value_error where there is no channel.
  DiaEOSDelayPatternLogitsProcessor(std::vector<isize> delay_pattern, i64 eos_token_id, isize max_generation_len);
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override;

 private:
  std::vector<isize> pattern_;
  i64 eos_;
  isize last_;                              // the length at which all rows end
  std::vector<std::vector<isize>> delays_;  // of each row what is left of the pattern
  std::vector<bool> ends_;
};

/// The settings of Whisper's timestamps, as its generation_config.json has them.
struct WhisperTimeStampOptions {
  i64 eos_token_id = 50257;
  i64 no_timestamps_token_id = 50363;                  // the timestamps stand behind it
  std::optional<isize> max_initial_timestamp_index{};  // the latest that may come first
  bool detect_timestamp_from_logprob = true;           // one comes where together they are likelier than any word
};

/// Whisper's timestamps come in pairs and never go back; the first token is one. (Radford et al. 2022, arXiv
/// 2212.04356) Scores are those of whole vocabularies, the timestamps last.
class WhisperTimeStampLogitsProcessor final : public RowLogitsProcessor {
 public:
  /// begin_index: the length at which the first token is chosen. Throws value_error for token ids below 0.
  WhisperTimeStampLogitsProcessor(const WhisperTimeStampOptions& options, isize begin_index);
  void set_begin_index(isize begin_index) { begin_ = begin_index; }

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize row) override;
  WhisperTimeStampOptions options_;
  isize begin_;
};

#if HFT_DEFINES(MODELS)

namespace detail {
/// Rules out the tokens from `first` to before `last`, as far as the vocabulary goes.
inline void rule_out_range(std::span<f32> scores, i64 first, i64 last) {
  const i64 V = i64(scores.size());
  for (i64 v = std::clamp<i64>(first, 0, V); v < std::min(last, V); ++v) scores[std::size_t(v)] = filter_value;
}
inline std::span<f32> row_of(matrix<f32> scores, isize row) { return {scores.row(row), std::size_t(scores.cols)}; }

/// The number of rows of texts, each of `channels` rows of scores.
HFT_INLINE_ONCE void check_channels(const char* where, matrix<f32> scores, isize channels, i64 eos) {
  if (scores.rows % channels != 0)
    throw shape_error(where, "scores", joined("rows of ", channels, " channels each"), joined(scores.rows));
  if (eos < 0 || eos >= scores.cols)
    throw value_error(where, "eos_token_id", joined("0 <= id < ", scores.cols), joined(eos));
}
}  // namespace detail

HFT_INLINE_ONCE AlternatingCodebooksLogitsProcessor::AlternatingCodebooksLogitsProcessor(isize input_start_len,
                                                                                         isize semantic_vocab_size,
                                                                                         isize codebook_size)
    : start_(input_start_len), semantic_(semantic_vocab_size), codebook_(codebook_size) {
  if (input_start_len < 0)
    throw value_error("AlternatingCodebooksLogitsProcessor", "input_start_len", "at least 0",
                      detail::joined(input_start_len));
}

HFT_INLINE void AlternatingCodebooksLogitsProcessor::operator()(matrix<const i64> input_ids, matrix<f32> scores) {
  const bool first = (input_ids.cols - start_) % 2 == 0;
  for (isize row = 0; row < scores.rows; ++row) {
    detail::rule_out_range(detail::row_of(scores, row), 0, first ? semantic_ : semantic_ + codebook_);
    if (first) detail::rule_out_range(detail::row_of(scores, row), semantic_ + codebook_, scores.cols);
  }
}

HFT_INLINE_ONCE BarkEosPrioritizerLogitsProcessor::BarkEosPrioritizerLogitsProcessor(std::vector<i64> eos_token_id,
                                                                                     std::optional<f64> min_eos_p)
    : eos_(std::move(eos_token_id)), min_p_(min_eos_p) {
  for (const i64 id : eos_)
    if (id < 0)
      throw value_error("BarkEosPrioritizerLogitsProcessor", "eos_token_id", "ids of at least 0", detail::joined(id));
  if (min_p_ && !(*min_p_ > 0))
    throw value_error("BarkEosPrioritizerLogitsProcessor", "min_eos_p", "above 0", detail::joined(*min_p_));
}

HFT_INLINE void BarkEosPrioritizerLogitsProcessor::process(std::span<const i64>, std::span<f32> scores, isize) {
  if (!min_p_) return;
  const f64 norm = detail::log_sum_exp(scores);
  bool end = false;
  for (const i64 id : eos_) {
    if (std::size_t(id) >= scores.size())
      throw value_error("BarkEosPrioritizerLogitsProcessor", "eos_token_id",
                        detail::joined("0 <= id < ", scores.size()), detail::joined(id));
    end = end || std::exp(f64(scores[std::size_t(id)]) - norm) > *min_p_;
  }
  for (std::size_t v = 0; end && v < scores.size(); ++v)
    if (!detail::contains(eos_, i64(v))) scores[v] = filter_value;
}

HFT_INLINE_ONCE DiaEOSChannelFilterLogitsProcessor::DiaEOSChannelFilterLogitsProcessor(isize num_channels,
                                                                                       i64 eos_token_id)
    : channels_(num_channels), eos_(eos_token_id) {
  if (num_channels < 1)
    throw value_error("DiaEOSChannelFilterLogitsProcessor", "num_channels", "at least 1", detail::joined(num_channels));
  if (eos_token_id < 1)
    throw value_error("DiaEOSChannelFilterLogitsProcessor", "eos_token_id", "at least 1", detail::joined(eos_token_id));
}

HFT_INLINE void DiaEOSChannelFilterLogitsProcessor::operator()(matrix<const i64>, matrix<f32> scores) {
  detail::check_channels("DiaEOSChannelFilterLogitsProcessor", scores, channels_, eos_);
  for (isize row = 0; row < scores.rows; ++row) {
    const auto channel = detail::row_of(scores, row);
    const bool first = row % channels_ == 0;
    detail::rule_out_range(channel, first ? eos_ + 1 : eos_, scores.cols);
    if (argmax(channel) == eos_)
      detail::rule_out_range(channel, 0, eos_);
    else
      channel[std::size_t(eos_)] = filter_value;
  }
}

HFT_INLINE_ONCE DiaEOSDelayPatternLogitsProcessor::DiaEOSDelayPatternLogitsProcessor(std::vector<isize> delay_pattern,
                                                                                     i64 eos_token_id,
                                                                                     isize max_generation_len)
    : pattern_(std::move(delay_pattern)), eos_(eos_token_id) {
  if (pattern_.empty())
    throw value_error("DiaEOSDelayPatternLogitsProcessor", "delay_pattern", "a delay of each channel", "none");
  last_ = max_generation_len - *std::max_element(pattern_.begin(), pattern_.end()) - 1;
}

HFT_INLINE void DiaEOSDelayPatternLogitsProcessor::operator()(matrix<const i64> input_ids, matrix<f32> scores) {
  const isize channels = isize(pattern_.size());
  detail::check_channels("DiaEOSDelayPatternLogitsProcessor", scores, channels, eos_);
  const std::size_t texts = std::size_t(scores.rows / channels);
  if (delays_.empty()) {
    delays_.assign(texts, pattern_);
    ends_.assign(texts, false);
  }
  if (texts != delays_.size())
    throw shape_error("DiaEOSDelayPatternLogitsProcessor", "scores",
                      detail::joined(isize(delays_.size()) * channels, " rows as in its first call"),
                      detail::joined(scores.rows));
  for (std::size_t b = 0; b < texts; ++b) {
    const isize first = isize(b) * channels;
    if (argmax(detail::row_of(scores, first)) == eos_ || input_ids.cols == last_) ends_[b] = true;
    if (!ends_[b]) continue;
    for (isize c = 0; c < channels; ++c)
      if (delays_[b][std::size_t(c)]-- == 0)
        detail::force("DiaEOSDelayPatternLogitsProcessor", detail::row_of(scores, first + c), {&eos_, 1});
  }
}

HFT_INLINE_ONCE WhisperTimeStampLogitsProcessor::WhisperTimeStampLogitsProcessor(const WhisperTimeStampOptions& options,
                                                                                 isize begin_index)
    : options_(options), begin_(begin_index) {
  const auto check = [](const char* field, i64 value) {
    if (value < 0) throw value_error("WhisperTimeStampLogitsProcessor", field, "at least 0", detail::joined(value));
  };
  check("eos_token_id", options_.eos_token_id);
  check("no_timestamps_token_id", options_.no_timestamps_token_id);
  check("begin_index", begin_);
}

HFT_INLINE void WhisperTimeStampLogitsProcessor::process(std::span<const i64> input_ids, std::span<f32> scores, isize) {
  const i64 V = i64(scores.size()), timestamps = options_.no_timestamps_token_id + 1;
  if (timestamps > V || options_.eos_token_id >= V)
    throw value_error("WhisperTimeStampLogitsProcessor", "scores",
                      detail::joined("a vocabulary with token ", std::max(timestamps - 1, options_.eos_token_id)),
                      detail::joined(V, " tokens"));
  detail::rule_out_range(scores, timestamps - 1, timestamps);

  const auto said = input_ids.subspan(std::min(input_ids.size(), std::size_t(begin_)));
  const bool last = !said.empty() && said.back() >= timestamps;
  const bool penultimate = said.size() < 2 || said[said.size() - 2] >= timestamps;
  if (last && penultimate) detail::rule_out_range(scores, timestamps, V);  // a pair is whole: a word follows
  if (last && !penultimate) detail::rule_out_range(scores, 0, options_.eos_token_id);  // its other half, or the end
  for (std::size_t i = said.size(); i-- > 0;)
    if (said[i] >= timestamps) {  // the latest: times do not go back, and only the end of a pair may repeat its start
      detail::rule_out_range(scores, timestamps, said[i] + (last && !penultimate ? 0 : 1));
      break;
    }
  if (isize(input_ids.size()) == begin_) {
    detail::rule_out_range(scores, 0, timestamps);
    if (const auto latest = options_.max_initial_timestamp_index)
      detail::rule_out_range(scores, timestamps + *latest + 1, V);
  }
  if (!options_.detect_timestamp_from_logprob) return;
  const auto words = scores.first(std::size_t(timestamps)), times = scores.subspan(std::size_t(timestamps));
  if (!times.empty() && detail::log_sum_exp(times) > f64(max_score(words)))
    detail::rule_out_range(scores, 0, timestamps);
}

#endif  // HFT_DEFINES

}  // namespace hft
