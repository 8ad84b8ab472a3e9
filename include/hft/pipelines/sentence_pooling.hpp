// How the vectors of a text's tokens become one. Reimers & Gurevych 2019, arXiv 1908.10084, and Muennighoff 2022,
// arXiv 2202.08904, for the weighted mean. sentence_transformers/sentence_transformer/modules/pooling.py
#pragma once
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/tensor.hpp>

namespace hft {

enum class PoolingMode {
  cls,                   // the first token that is none of padding
  max,                   // of each feature
  mean,                  //
  mean_sqrt_len_tokens,  // the sum over the root of the number of tokens
  weightedmean,          // the n-th token counts n times
  lasttoken
};

/// sentence_transformers' Pooling; fields have the names of its config.json.
struct PoolingConfig {
  std::vector<PoolingMode> pooling_mode{PoolingMode::mean};  // joined end to end
  bool include_prompt = true;                                // whether a prompt's tokens count

  /// Of one that says pooling_mode, or the older pooling_mode_cls_token, .... Throws format_error for values of a wrong
  /// type, unsupported_error for a mode that is not one of these.
  static PoolingConfig from_json(const json& object, std::string_view where);
};

/// Token vectors (B,T,C), their mask (B,T) and the tokens of the prompt that each row begins with => (B, modes * C).
/// A mask of another T, or none, hides nothing. weights_sum (B): what means divide by, instead of the tokens' number.
Tensor<f32, 2> pool(const Tensor<f32, 3>& tokens, const Tensor<i64, 2>& mask, const PoolingConfig& config,
                    isize prompt_length = 0, const Tensor<f32, 1>& weights_sum = {});

#if HFT_DEFINES(MODELS)

HFT_INLINE PoolingConfig PoolingConfig::from_json(const json& object, std::string_view where) {
  static constexpr std::string_view names[] = {"cls",          "max",      "mean", "mean_sqrt_len_tokens",
                                               "weightedmean", "lasttoken"};
  // mean_sqrt_len_tokens has its whole name there, weightedmean its own.
  static constexpr const char* older[] = {"pooling_mode_cls_token",           "pooling_mode_max_tokens",
                                          "pooling_mode_mean_tokens",         "pooling_mode_mean_sqrt_len_tokens",
                                          "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"};
  PoolingConfig config;
  config.include_prompt = get<bool>(object, "include_prompt", true, where);
  std::vector<PoolingMode> modes;
  if (const json* said = find_member(object, "pooling_mode", where)) {
    const auto list = said->is_array() ? json_as<std::vector<std::string>>(*said, where, "pooling_mode")
                                       : std::vector{json_as<std::string>(*said, where, "pooling_mode")};
    for (const auto& name : list) {
      const auto* found = std::find(std::begin(names), std::end(names), name);
      if (found == std::end(names))
        throw unsupported_error(std::string(where), "pooling_mode",
                                "cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken",
                                detail::quote_text(name));
      modes.push_back(PoolingMode(found - names));
    }
  } else {
    for (std::size_t i = 0; i < std::size(older); ++i)
      if (get<bool>(object, older[i], false, where)) modes.push_back(PoolingMode(i));
  }
  if (!modes.empty()) config.pooling_mode = std::move(modes);
  return config;
}

HFT_INLINE Tensor<f32, 2> pool(const Tensor<f32, 3>& tokens, const Tensor<i64, 2>& mask, const PoolingConfig& config,
                               isize prompt_length, const Tensor<f32, 1>& weights_sum) {
  const isize B = tokens.extent(0), T = tokens.extent(1), C = tokens.extent(2);
  const auto x = tokens.dense();
  const auto m = mask && mask.extent(1) == T ? mask.dense() : Tensor<i64, 2>::filled({B, T}, 1);
  const Tensor<f32, 2> y({B, isize(config.pooling_mode.size()) * C});
  for (isize b = 0; b < B; ++b) {
    const i64* shown = m.data() + b * T;
    const isize padding = std::find_if(shown, shown + T, [](i64 v) { return v != 0; }) - shown;
    const isize begins = config.include_prompt ? 0 : (padding < T ? padding : 0) + prompt_length;
    const auto counts = [&](isize t) { return t >= begins && shown[t] != 0; };
    isize first = 0, last = 0, number = 0;
    for (isize t = T - 1; t >= 0; --t)
      if (counts(t)) first = t, last = number++ ? last : t;

    f32* out = y.data() + b * y.extent(1);
    // The sum of weight(t) times token t, over `by`.
    const auto mean = [&](auto weight, f64 by) {
      std::vector<f64> sum(std::size_t(C), 0.0);
      for (isize t = 0; t < T; ++t)
        if (counts(t))
          for (isize c = 0; c < C; ++c) sum[std::size_t(c)] += f64(weight(t)) * f64(x.data()[(b * T + t) * C + c]);
      for (isize c = 0; c < C; ++c) out[c] = f32(sum[std::size_t(c)] / std::max(by, 1e-9));
    };
    const auto once = [](isize) { return 1; };
    const f64 divisor = weights_sum ? f64(weights_sum.data()[b]) : f64(number);
    const auto place = [&](isize t) { return t - padding + 1; };
    for (const auto mode : config.pooling_mode) {
      switch (mode) {
        case PoolingMode::cls:
          std::copy_n(x.data() + (b * T + first) * C, C, out);
          break;
        case PoolingMode::lasttoken:
          if (number > 0)
            std::copy_n(x.data() + (b * T + last) * C, C, out);
          else
            std::fill_n(out, C, 0.0f);
          break;
        case PoolingMode::max:
          std::fill_n(out, C, -INFINITY);
          for (isize t = 0; t < T; ++t)
            if (counts(t))
              for (isize c = 0; c < C; ++c) out[c] = std::max(out[c], x.data()[(b * T + t) * C + c]);
          break;
        case PoolingMode::mean:
          mean(once, divisor);
          break;
        case PoolingMode::mean_sqrt_len_tokens:
          mean(once, std::sqrt(std::max(divisor, 1e-9)));
          break;
        case PoolingMode::weightedmean: {
          isize weights = 0;
          for (isize t = 0; t < T; ++t)
            if (counts(t)) weights += place(t);
          mean(place, weights_sum ? divisor : f64(weights));
          break;
        }
      }
      out += C;
    }
  }
  return y;
}

#endif  // HFT_DEFINES

}  // namespace hft
