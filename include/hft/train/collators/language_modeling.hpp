// Collators that make labels: DataCollatorForLanguageModeling (causal, masked), DataCollatorForSeq2Seq,
// DataCollatorForPermutationLanguageModeling. (transformers/data/data_collator.py) What they draw at random depends on
// their seed and the batch's position in the run, so it is the same for any number of threads and after a resume.
#pragma once
#include <hft/linkage.hpp>
#include <hft/random.hpp>
#include <hft/train/collators/padding.hpp>
#include <hft/train/data/dataset.hpp>

namespace hft {

/// Pads, and makes labels: the ids with padding ignored, or (mlm) the ids of tokens chosen at random, which are masked,
/// replaced by another token, or left, as BERT was trained (Devlin et al. 2019, arXiv 1810.04805, A.1). With
/// whole_word_mask words are chosen, and all their tokens masked; rows then bring offset_mapping, a list of [start,
/// end]. With mlm=false labels that rows bring are kept.
struct DataCollatorForLanguageModeling {
  CollatorTokens tokens;
  bool mlm = true;
  f64 mlm_probability = 0.15;
  f64 mask_replace_prob = 0.8;
  f64 random_replace_prob = 0.1;
  std::optional<isize> pad_to_multiple_of = {};
  std::uint64_t seed = 0;
  bool whole_word_mask = false;

  /// Throws value_error for probabilities out of range, for mlm without a mask token, for words without mlm.
  void check() const {
    const auto probability = [](f64 p) { return p >= 0 && p <= 1; };
    if (!probability(mlm_probability) || !probability(mask_replace_prob) || !probability(random_replace_prob) ||
        mask_replace_prob + random_replace_prob > 1)
      throw value_error(where, "probabilities", "from 0 to 1, mask_replace_prob + random_replace_prob at most 1",
                        detail::joined(mlm_probability, ", ", mask_replace_prob, ", ", random_replace_prob));
    if (mlm && !tokens.mask_token_id)
      throw value_error(where, "mlm", "a tokenizer with a mask_token, or mlm=false", "none");
    if (whole_word_mask && !mlm) throw value_error(where, "whole_word_mask", "mlm=true", "false");
  }

  Batch operator()(std::span<const json> rows, std::uint64_t position = 0) const {
    check();
    detail::demand_rows(rows);
    Batch batch;
    const bool labelled = !mlm && find_member(rows[0], "labels");
    const isize length = detail::pad_rows(batch, rows, tokens, {.pad_to_multiple_of = pad_to_multiple_of},
                                          {"labels", "length", "offset_mapping"});
    if (mlm) {
      mask(batch, rows, position);
    } else if (labelled) {
      std::vector<std::vector<i64>> labels;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        labels.push_back(detail::integers_of(rows[i], "labels"));
        if (labels.back().size() != rows[i]["input_ids"].size())
          throw value_error(where, "labels", detail::joined(rows[i]["input_ids"].size(), ", one a token"),
                            detail::joined(labels.back().size()));
      }
      batch["labels"] = detail::pad_sequences(labels, length, -100, tokens.pad_left);
    } else {
      BatchTensor labels = batch.at("input_ids");
      if (tokens.pad_token_id)
        for (i64& id : labels.integers)
          if (id == *tokens.pad_token_id) id = -100;
      batch["labels"] = std::move(labels);
    }
    batch.erase("special_tokens_mask");
    return batch;
  }

 private:
  static constexpr const char* where = "DataCollatorForLanguageModeling";

  void mask(Batch& batch, std::span<const json> rows, std::uint64_t position) const;

  // Which tokens begin a word: those behind a gap in the text or behind a special token.
  std::vector<bool> word_begins(const BatchTensor& ids, std::span<const json> rows,
                                const std::vector<bool>& kept) const {
    using offset = std::vector<i64>;
    const auto length = std::size_t(ids.shape[1]);
    std::vector<bool> begins(kept.size(), false);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const auto offsets = require<std::vector<offset>>(rows[r], "offset_mapping", where);
      const std::size_t n = rows[r]["input_ids"].size(), first = r * length + (tokens.pad_left ? length - n : 0);
      if (offsets.size() != n)
        throw value_error(where, "offset_mapping", detail::joined(n, ", one a token"), detail::joined(offsets.size()));
      for (std::size_t t = 0; t < n; ++t) {
        if (offsets[t].size() != 2)
          throw value_error(where, "offset_mapping", "[start, end]", detail::joined(offsets[t].size(), " numbers"));
        begins[first + t] = !kept[first + t] && (t == 0 || offsets[t][0] != offsets[t - 1][1] || kept[first + t - 1]);
      }
    }
    return begins;
  }
};

/// Pads inputs, and labels, which are of another length; with decoder_start_token_id, makes decoder_input_ids: the
/// labels one place to the right.
struct DataCollatorForSeq2Seq {
  CollatorTokens tokens;
  PaddingOptions padding = {};
  i64 label_pad_token_id = -100;
  std::optional<i64> decoder_start_token_id = {};

  Batch operator()(std::span<const json> rows, std::uint64_t = 0) const {
    detail::demand_rows(rows);
    const char* key = find_member(rows[0], "label") ? "label" : "labels";
    Batch batch;
    detail::pad_rows(batch, rows, tokens, padding, {"label", "labels"});
    if (!find_member(rows[0], key)) return batch;
    std::vector<std::vector<i64>> labels;
    isize longest = 0;
    for (const json& row : rows) {
      labels.push_back(detail::integers_of(row, key));
      longest = std::max(longest, isize(labels.back().size()));
    }
    const isize length = detail::padded_length(longest, padding);
    auto padded = detail::pad_sequences(labels, length, label_pad_token_id, tokens.pad_left);
    if (decoder_start_token_id) {
      BatchTensor shifted = padded;
      for (isize b = 0; b < padded.shape[0]; ++b)
        for (isize t = 0; t < length; ++t) {
          const i64 id = t == 0 ? *decoder_start_token_id : padded.integers[std::size_t(b * length + t - 1)];
          shifted.integers[std::size_t(b * length + t)] = id == -100 ? tokens.pad_token_id.value_or(0) : id;
        }
      batch["decoder_input_ids"] = std::move(shifted);
    }
    batch["labels"] = std::move(padded);
    return batch;
  }
};

/// For XLNet (Yang et al. 2019, arXiv 1906.08237): spans of tokens to predict, and which tokens each may see in a
/// random order of factorisation, perm_mask (B,T,T). Throws value_error for an odd number of tokens.
struct DataCollatorForPermutationLanguageModeling {
  CollatorTokens tokens;
  f64 plm_probability = 1.0 / 6;
  isize max_span_length = 5;
  std::uint64_t seed = 0;

  Batch operator()(std::span<const json> rows, std::uint64_t position = 0) const {
    constexpr const char* where = "DataCollatorForPermutationLanguageModeling";
    detail::demand_rows(rows);
    if (!tokens.mask_token_id) throw value_error(where, "", "a tokenizer with a mask_token", "none");
    if (!(plm_probability > 0 && plm_probability <= 1) || max_span_length < 1)
      throw value_error(where, "plm_probability and max_span_length", "above 0",
                        detail::joined(plm_probability, ", ", max_span_length));
    std::vector<json> only_ids;
    for (const json& row : rows) only_ids.push_back({{"input_ids", json(detail::integers_of(row, "input_ids"))}});
    Batch batch;
    const isize T = detail::pad_rows(batch, only_ids, tokens, {}), B = isize(rows.size());
    batch.erase("attention_mask");
    if (T % 2)
      throw value_error(where, "tokens", "an even number, half of which is the memory of the other", detail::joined(T));
    auto& ids = batch["input_ids"].integers;
    BatchTensor labels = batch.at("input_ids"), perm, target;
    perm.shape = target.shape = {B, T, T};
    perm.real = target.real = true;
    perm.reals.assign(std::size_t(B * T * T), 0);
    target.reals.assign(std::size_t(B * T * T), 0);
    const random_stream random(seed, position);
    std::uint64_t drawn = 0;
    const auto below = [&](isize n) { return isize(random.uniform(drawn++) * f64(n)); };
    for (isize b = 0; b < B; ++b) {
      i64* row = ids.data() + b * T;
      std::vector<bool> masked(std::size_t(T), false), functional(std::size_t(T), false);
      for (isize at = 0; at < T;) {
        const isize span = 1 + below(max_span_length), context = isize(f64(span) / plm_probability);
        const isize start = at + below(std::max<isize>(context - span, 0) + 1);
        for (isize t = start; t < std::min(start + span, T); ++t) masked[std::size_t(t)] = true;
        at += std::max<isize>(context, 1);
      }
      // A random order of each half, the same for both, so that they do not see each other's masked tokens.
      const auto half = random_permutation(T / 2, seed + 1, position * std::uint64_t(B) + std::uint64_t(b));
      std::vector<isize> order(static_cast<std::size_t>(T));
      for (isize t = 0; t < T; ++t) order[std::size_t(t)] = half[std::size_t(t % (T / 2))] + (t < T / 2 ? 0 : T / 2);
      for (isize t = 0; t < T; ++t) {
        const auto i = std::size_t(t);
        functional[i] = tokens.is_special(row[t]) || row[t] == tokens.pad_token_id;
        if (functional[i]) masked[i] = false;
        if (!masked[i] && !functional[i]) order[i] = -1;  // seen by all, sees no masked token
        target.reals[std::size_t((b * T + t) * T + t)] = 1;
      }
      for (isize t = 0; t < T; ++t)
        for (isize s = 0; s < T; ++s)
          perm.reals[std::size_t((b * T + t) * T + s)] =
              masked[std::size_t(s)] && order[std::size_t(t)] <= order[std::size_t(s)];
      for (isize t = 0; t < T; ++t)
        if (masked[std::size_t(t)])
          row[t] = *tokens.mask_token_id;
        else
          labels.integers[std::size_t(b * T + t)] = -100;
    }
    batch["perm_mask"] = std::move(perm);
    batch["target_mapping"] = std::move(target);
    batch["labels"] = std::move(labels);
    return batch;
  }
};

#if HFT_DEFINES(TRAIN)

HFT_INLINE void DataCollatorForLanguageModeling::mask(Batch& batch, std::span<const json> rows,
                                                      std::uint64_t position) const {
  const random_stream random(seed, position);
  const BatchTensor* special = batch.find("special_tokens_mask");
  BatchTensor labels = batch.at("input_ids");
  auto& ids = batch["input_ids"].integers;
  if (tokens.vocab_size < 1) throw value_error(where, "vocab_size", "at least 1", detail::joined(tokens.vocab_size));
  std::vector<bool> kept(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i)
    kept[i] = special ? special->integers[i] != 0 : tokens.is_special(ids[i]);
  const auto begins = whole_word_mask ? word_begins(labels, rows, kept) : std::vector<bool>(ids.size(), true);
  bool chosen = false;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (begins[i]) chosen = random.uniform(3 * i) < mlm_probability;
    if (kept[i] || !chosen) {
      labels.integers[i] = -100;
      continue;
    }
    const f64 u = whole_word_mask ? 0 : random.uniform(3 * i + 1);
    if (u < mask_replace_prob || whole_word_mask)
      ids[i] = *tokens.mask_token_id;
    else if (u < mask_replace_prob + random_replace_prob)
      ids[i] = i64(random.uniform(3 * i + 2) * f64(tokens.vocab_size));
  }
  batch["labels"] = std::move(labels);
}

#endif  // HFT_DEFINES

}  // namespace hft
