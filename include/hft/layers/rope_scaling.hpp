// RopeScaling: the inverse frequencies of rotary embeddings, for every rope_type of Transformers' modeling_rope_utils.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/linkage.hpp>
#include <hft/short_string.hpp>

namespace hft {

/// The fields of a config's `rope_parameters` (v5) or `rope_theta` and `rope_scaling` (v4).
struct RopeParameters {
  short_string rope_type = "default";  // default, linear, dynamic, yarn, longrope, llama3, proportional
  f64 rope_theta = 10000;
  std::optional<f64> factor = {};
  std::optional<f64> partial_rotary_factor = {};
  std::optional<isize> original_max_position_embeddings = {};
  // yarn (Peng et al. 2023, arXiv 2309.00071); attention_factor also longrope's
  std::optional<f64> attention_factor = {}, beta_fast = {}, beta_slow = {}, mscale = {}, mscale_all_dim = {};
  bool truncate = true;
  // longrope (Ding et al. 2024, arXiv 2402.13753): one factor for each pair
  std::vector<f64> short_factor = {}, long_factor = {};
  // llama3 (Dubey et al. 2024, arXiv 2407.21783)
  std::optional<f64> low_freq_factor = {}, high_freq_factor = {};
  // How pairs are dealt out to an image token's positions (Qwen3.5), which of text are one: kept, and not heeded.
  std::vector<isize> mrope_section = {};
  std::optional<bool> mrope_interleaved = {};
  std::optional<f64> alpha = {};  // of HunYuan's kind of dynamic, which its config turns into another rope_theta

  bool operator==(const RopeParameters&) const = default;
};

/// Computes inverse frequencies in f32, step by step as Transformers does, so that angles agree at far positions.
class RopeScaling {
 public:
  /// `dim` elements of each head are rotated, one more where it is odd; `max_positions` is the config's
  /// max_position_embeddings.
  /// Throws config_error for an unknown rope_type or a field that it needs and does not have.
  RopeScaling(RopeParameters p, isize dim, isize max_positions);

  isize dim() const { return 2 * pairs(); }
  /// What it was made from.
  const RopeParameters& parameters() const { return *p_; }
  isize size() const { return dim_; }
  isize max_positions() const { return max_positions_; }
  bool operator==(const RopeScaling& other) const {
    return dim_ == other.dim_ && max_positions_ == other.max_positions_ && (p_ == other.p_ || *p_ == *other.p_);
  }

  /// Inverse frequencies (dim() / 2) and the factor on cosines and sines, for sequences that reach `length` tokens.
  std::pair<std::vector<f32>, f64> frequencies(isize length) const;

 private:
  [[noreturn]] static void fail(const char* what, detail::message expected, detail::message got) {
    throw config_error("rope_parameters", what, expected, got);
  }
  static void above_zero(const char* what, f64 value) {
    if (!(value > 0)) fail(what, "a number above 0", detail::joined(value));
  }
  template <class T>
  void need(const std::optional<T>& field, const char* name) const {
    if (!field) fail(name, detail::joined("a value for rope_type ", p_->rope_type.view()), "none");
  }

  isize pairs() const { return (dim_ + 1) / 2; }

  // 1 / theta^(2i / dim)
  std::vector<f32> base(f64 theta) const {
    std::vector<f32> f(static_cast<std::size_t>(pairs()));
    for (std::size_t i = 0; i < f.size(); ++i) f[i] = 1.0f / f32(std::pow(theta, f64(f32(2 * i) / f32(dim_))));
    return f;
  }
  static std::vector<f32> divided(std::vector<f32> f, f64 factor) {
    for (auto& x : f) x = f32(x / f32(factor));
    return f;
  }

  // "Dynamic NTK": the base grows with the length once it exceeds the trained one.
  f64 dynamic_theta(isize length) const {
    const f64 trained = f64(max_positions_), n = f64(std::max(length, max_positions_)), factor = *p_->factor;
    return p_->rope_theta * std::pow(factor * n / trained - (factor - 1), f64(dim_) / f64(dim_ - 2));
  }

  std::pair<std::vector<f32>, f64> yarn() const {
    const f64 factor = *p_->factor;
    const f64 original = f64(p_->original_max_position_embeddings.value_or(max_positions_));
    const auto get_mscale = [](f64 scale, f64 m = 1) { return scale <= 1 ? 1.0 : 0.1 * m * std::log(scale) + 1.0; };
    f64 attention = 1;
    if (p_->attention_factor)
      attention = *p_->attention_factor;
    else if (p_->mscale.value_or(0) != 0 && p_->mscale_all_dim.value_or(0) != 0)
      attention = get_mscale(factor, *p_->mscale) / get_mscale(factor, *p_->mscale_all_dim);
    else
      attention = get_mscale(factor);

    // The dimension that turns `rotations` times over the original length.
    const auto dimension = [&](f64 rotations) {
      return f64(dim_) * std::log(original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(p_->rope_theta));
    };
    const auto or_default = [](const std::optional<f64>& v, f64 d) { return v.value_or(0) != 0 ? *v : d; };
    f64 low = dimension(or_default(p_->beta_fast, 32)), high = dimension(or_default(p_->beta_slow, 1));
    if (p_->truncate) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, f64(dim_ - 1));
    if (low == high) high += 0.001;  // no division by zero

    auto f = base(p_->rope_theta);
    for (std::size_t i = 0; i < f.size(); ++i) {
      const f32 ramp = std::clamp((f32(i) - f32(low)) / f32(high - low), 0.0f, 1.0f);
      const f32 extrapolation = 1 - ramp;  // share of the unscaled frequency
      f[i] = f[i] / f32(factor) * (1 - extrapolation) + f[i] * extrapolation;
    }
    return {f, attention};
  }

  std::pair<std::vector<f32>, f64> longrope(isize length) const {
    const isize original = p_->original_max_position_embeddings.value_or(max_positions_);
    const f64 factor = p_->factor.value_or(f64(max_positions_) / f64(original));
    const f64 attention = p_->attention_factor ? *p_->attention_factor
                          : factor <= 1        ? 1.0
                                               : std::sqrt(1 + std::log(factor) / std::log(f64(original)));
    const auto& factors = length > original ? p_->long_factor : p_->short_factor;
    std::vector<f32> f(static_cast<std::size_t>(pairs()));
    for (std::size_t i = 0; i < f.size(); ++i)
      f[i] = 1.0f / (f32(factors[i]) * f32(std::pow(p_->rope_theta, f64(f32(2 * i) / f32(dim_)))));
    return {f, attention};
  }

  std::vector<f32> llama3() const {
    const f64 factor = *p_->factor, low = *p_->low_freq_factor, high = *p_->high_freq_factor;
    const f64 original = f64(p_->original_max_position_embeddings.value_or(max_positions_));
    auto f = base(p_->rope_theta);
    for (auto& x : f) {
      const f32 wavelength = f32(2 * std::numbers::pi / f64(x));
      if (wavelength > f32(original / low)) {
        x = x / f32(factor);
      } else if (wavelength >= f32(original / high)) {  // between the two bands: interpolate
        const f32 smooth = (f32(original) / wavelength - f32(low)) / f32(high - low);
        x = (1 - smooth) * x / f32(factor) + smooth * x;
      }
    }
    return f;
  }

  // The frequencies of all elements, of which only the first partial_rotary_factor turn.
  std::vector<f32> proportional() const {
    auto f = divided(base(p_->rope_theta), p_->factor.value_or(1));
    const f64 turning = p_->partial_rotary_factor.value_or(1) * f64(pairs());
    for (std::size_t i = 0; i < f.size(); ++i)
      if (f64(i + 1) > turning) f[i] = 0;
    return f;
  }

  std::shared_ptr<const RopeParameters> p_;  // shared: options are copied for each layer
  isize dim_, max_positions_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE RopeScaling::RopeScaling(RopeParameters p, isize dim, isize max_positions)
    : dim_(dim), max_positions_(max_positions) {
  if (const auto trained = p.original_max_position_embeddings; p.rope_type.view() == "yarn" && !p.factor && trained)
    p.factor = f64(max_positions) / f64(*trained);
  p_ = std::make_shared<const RopeParameters>(std::move(p));
  if (dim < 1) fail("rotary dimension", "at least 1", detail::joined(dim));
  const auto kind = p_->rope_type.view();
  if (kind != "default" && kind != "linear" && kind != "dynamic" && kind != "yarn" && kind != "longrope" &&
      kind != "llama3" && kind != "proportional")
    fail("rope_type", "default, linear, dynamic, yarn, longrope, llama3 or proportional", kind);
  if (kind == "linear" || kind == "dynamic" || kind == "llama3") need(p_->factor, "factor");
  if (kind == "llama3") {
    need(p_->low_freq_factor, "low_freq_factor");
    need(p_->high_freq_factor, "high_freq_factor");
  }
  if (kind == "yarn") need(p_->factor, "factor or original_max_position_embeddings");
  if (kind == "longrope")
    for (const auto* factors : {&p_->short_factor, &p_->long_factor})
      if (isize(factors->size()) != pairs())
        fail(factors == &p_->short_factor ? "short_factor" : "long_factor", detail::joined(pairs(), " factors"),
             detail::joined(factors->size()));
  if (kind == "dynamic" && dim <= 2) fail("rotary dimension", "more than 2 for rope_type dynamic", detail::joined(dim));
  if (const auto n = p_->original_max_position_embeddings; n && *n < 1)
    fail("original_max_position_embeddings", "at least 1", detail::joined(*n));
  above_zero("rope_theta", p_->rope_theta);
  if (p_->factor) above_zero("factor", *p_->factor);
  if (p_->low_freq_factor) above_zero("low_freq_factor", *p_->low_freq_factor);
  if (p_->high_freq_factor) above_zero("high_freq_factor", *p_->high_freq_factor);
  for (const f64 f : p_->short_factor) above_zero("short_factor", f);
  for (const f64 f : p_->long_factor) above_zero("long_factor", f);
}

HFT_INLINE_ONCE std::pair<std::vector<f32>, f64> RopeScaling::frequencies(isize length) const {
  const auto kind = p_->rope_type.view();
  if (kind == "linear") return {divided(base(p_->rope_theta), *p_->factor), 1};
  if (kind == "dynamic") return {base(dynamic_theta(length)), 1};
  if (kind == "yarn") return yarn();
  if (kind == "longrope") return longrope(length);
  if (kind == "llama3") return {llama3(), 1};
  if (kind == "proportional") return {proportional(), 1};
  return {base(p_->rope_theta), 1};
}

#endif  // HFT_DEFINES

}  // namespace hft
