// QuantizedCache: older tokens as codes, the newest as they are.
//
//   QuantizedCache<> cache(model.cache_options(), {.nbits = 4, .q_group_size = 64, .residual_length = 128});
//   generate(model, prompt, config, {.past_key_values = &cache});
//
// Of layers that see all tokens; those with a window or a state stay as they are. Each pass a layer's codes are decoded
// into memory that lives until its attention is done: what is saved is what the other layers would keep meanwhile. With
// L layers and S tokens of E bytes that are E' as codes, S * (L * E' + E) in the place of S * L * E: for 32 layers of
// f32 and 4 bits in groups of 64 (5 bits an element) 0.19 of it.
// (transformers.QuantizedCache; Liu et al. 2024, KIVI, arXiv 2402.02750)
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/generation/cache.hpp>
#include <hft/generation/cache_kinds.hpp>
#include <hft/generation/saved_layer.hpp>
#include <hft/linkage.hpp>
#include <hft/parallel.hpp>
#if HFT_DEFINES(MODELS)
#include <cmath>
#include <cstring>
#include <numeric>
#include <string_view>

#include <hft/nearest_name.hpp>
#include <hft/quantization/quantize.hpp>
#endif

namespace hft {

/// How tokens become codes; names and defaults are those of Transformers' cache_config.
///
/// quanto: levels 0 to 2^nbits - 1 from the smallest value of a group to its largest. Along axis 0 a group is
/// q_group_size elements of a token's head, or their largest common divisor where the head is no multiple of it; along
/// axis -1 it is q_group_size tokens of one element of a head, as KIVI has keys. q8_0: blocks of 32 elements of a head,
/// levels of 8 bits and a scale, as llama.cpp has them; nbits, axes and groups have no say.
///
/// Transformers makes codes of all of a prompt, and again of what codes gave whenever residual_length tokens have come;
/// here a token becomes codes once, when residual_length newer ones are there.
struct QuantizedCacheConfig {
  std::string backend = "quanto";
  isize nbits = 4;  // 2, 4 or 8
  isize axis_key = 0, axis_value = 0;
  isize q_group_size = 64;
  isize residual_length = 128;

  /// Of Transformers' cache_config, or null. Throws value_error for a name that is none, format_error for a value of
  /// another type.
  static QuantizedCacheConfig from_json(const json& object);
  /// Throws value_error for values that are none of these; unsupported_error for Transformers' other backends.
  void check() const;
};

namespace detail {

/// What a few tokens of one head become.
class kv_codec {
 public:
  kv_codec() = default;
  /// Of heads of that many elements. Throws value_error where they do not fit the format.
  kv_codec(const QuantizedCacheConfig& config, bool of_keys, isize head_dim);

  isize tokens() const { return tokens_; }  // of a unit, which becomes codes at once
  isize unit_bytes() const { return unit_bytes_; }
  /// x (tokens(), head_dim) => unit_bytes() of codes, and back.
  void encode(const f32* x, std::byte* to) const;
  void decode(const std::byte* from, f32* x) const;

 private:
  bool q8_0_ = false, by_channel_ = false;
  isize bits_ = 0, group_ = 0, dim_ = 0, tokens_ = 1, unit_bytes_ = 0;
};

}  // namespace detail

/// A layer whose tokens become codes once `residual_length` newer ones are there.
template <Scalar A = f32, BaseDevice D = cpu>
class QuantizedLayer : public DynamicLayer<A, D>, public SaveableLayer {
 public:
  using typename CacheLayer<A, D>::tensor;
  using typename CacheLayer<A, D>::view;

  explicit QuantizedLayer(QuantizedCacheConfig config) : config_(std::move(config)) {
    static_assert(D::host_memory, "hft: QuantizedCache makes codes on the host");
    config_.check();
  }

  view update(const tensor& keys, const tensor& values) override {
    if (key_codes_.lanes.empty()) begin(keys.extent(0) * keys.extent(2), keys.extent(3), values.extent(3));
    this->check("QuantizedCache", keys, values);
    const isize unit = std::max(key_codes_.codec.tokens(), value_codes_.codec.tokens());  // 1 or the group, of either
    const isize usual = config_.residual_length + unit + 64;
    const isize needed = this->end_ - this->begin_ + keys.extent(1);
    if (this->end_ + keys.extent(1) > this->room()) this->resize(std::max(needed, usual), keys, values);
    view all = this->append(keys, values);
    if (this->first_) all = {whole(key_codes_, all.keys), whole(value_codes_, all.values), 0};
    const isize old = (this->end_ - this->begin_ - config_.residual_length) / unit * unit;
    if (old > 0) {
      const auto [k, v] = this->held();
      encode(key_codes_, k.slice(2, 0, old));
      encode(value_codes_, v.slice(2, 0, old));
      this->forget(old);
      if (this->room() > 2 * usual) this->resize(usual, keys, values);  // that of a long prompt is let go
    }
    return all;
  }
  void reorder(std::span<const isize> rows) override {
    if (!this->keys_ || detail::checked_identity(rows, this->batch_size())) return;
    const std::size_t heads = std::size_t(this->keys_.extent(1));
    for (coded* part : {&key_codes_, &value_codes_}) {
      std::vector<std::vector<std::byte>> moved;
      for (const isize row : rows)
        for (std::size_t h = 0; h < heads; ++h) moved.push_back(part->lanes[std::size_t(row) * heads + h]);
      part->lanes = std::move(moved);
    }
    DynamicLayer<A, D>::reorder(rows);
  }
  /// What has become codes stays what these say.
  void crop(isize length) override {
    if (length >= this->first_) return DynamicLayer<A, D>::crop(length);
    const isize unit = std::max(key_codes_.codec.tokens(), value_codes_.codec.tokens()), kept = length / unit * unit;
    const auto rest = [&](coded& part, const tensor& like) {  // (B,Hk,length - kept,D) of a unit that is cut
      const tensor all = decoded(part, like);
      for (auto& lane : part.lanes) lane.resize(std::size_t(kept / part.codec.tokens() * part.codec.unit_bytes()));
      return all.slice(2, kept, length).clone();
    };
    const tensor k = rest(key_codes_, this->keys_), v = rest(value_codes_, this->values_);
    this->hold(k, v, kept, length - kept);
  }
  void reset() override {
    DynamicLayer<A, D>::reset();
    key_codes_ = value_codes_ = {};
  }

  /// The bytes that its tokens take, room for more included.
  isize bytes() const {
    isize n = this->keys_ ? this->keys_.bytes() + this->values_.bytes() : 0;
    for (const coded* part : {&key_codes_, &value_codes_})
      for (const auto& lane : part->lanes) n += isize(lane.capacity());
    return n;
  }

  SavedLayer saved() const override {
    SavedLayer out{"quantized", this->first_, this->get_seq_length(), settings()};
    if (!out.tokens) return out;
    const auto held = this->held();
    out.tensors = {detail::stored("keys", held.first), detail::stored("values", held.second),
                   detail::stored("key_codes", together(key_codes_)),
                   detail::stored("value_codes", together(value_codes_))};
    return out;
  }
  void restore(const SavedLayer& from, const std::string& where) override {
    reset();
    if (from.kind != "quantized") throw value_error(where, "kind", "quantized, as the cache's layer", from.kind);
    if (const json own = settings(); !(own == from.settings))
      throw value_error(where, "settings", own.dump() + ", as the cache has", from.settings.dump());
    if (!from.tokens) return;
    const auto k = detail::loaded<A, 4, D>(from.tensor("keys", 4, where), where);
    const auto v = detail::loaded<A, 4, D>(from.tensor("values", 4, where), where);
    const isize B = k.extent(0), heads = k.extent(1), S = k.extent(2);
    if (S != from.tokens - from.first || v.extent(2) != S || v.extent(1) != heads || B * heads < 1)
      throw format_error(where, "keys and values", detail::joined(from.tokens - from.first, " tokens of equal heads"),
                         detail::joined(detail::shape_text(k.shape()), " and ", detail::shape_text(v.shape())));
    begin(B * heads, k.extent(3), v.extent(3));
    take_apart(key_codes_, from, "key_codes", B, where);
    take_apart(value_codes_, from, "value_codes", B, where);
    this->hold(k, v, from.first, S);
  }

 private:
  // The codes of keys or of values: a lane for each head of each row, units of tokens one behind the other.
  struct coded {
    detail::kv_codec codec;
    std::vector<std::vector<std::byte>> lanes;
  };

  void begin(isize lanes, isize key_dim, isize value_dim) {
    key_codes_ = {detail::kv_codec(config_, true, key_dim), std::vector<std::vector<std::byte>>(std::size_t(lanes))};
    value_codes_ = {detail::kv_codec(config_, false, value_dim),
                    std::vector<std::vector<std::byte>>(std::size_t(lanes))};
  }
  // x (B,Hk,n,D), behind what has become codes.
  void encode(coded& part, const tensor& x) {
    const isize T = part.codec.tokens(), dim = x.extent(3), n = x.extent(2);
    std::vector<f32> unit(std::size_t(T * dim));
    const std::size_t bytes = std::size_t(part.codec.unit_bytes());
    for (isize i = 0; i < isize(part.lanes.size()); ++i) {
      auto& lane = part.lanes[std::size_t(i)];
      const tensor head =
          x.slice(0, i / x.extent(1), i / x.extent(1) + 1).slice(1, i % x.extent(1), i % x.extent(1) + 1);
      for (isize t = 0; t < n; t += T) {
        for (isize e = 0; e < T * dim; ++e)
          unit[std::size_t(e)] = f32(head.data()[(t + e / dim) * head.stride(2) + e % dim]);
        lane.resize(lane.size() + bytes);
        part.codec.encode(unit.data(), lane.data() + lane.size() - bytes);
      }
    }
  }
  // What codes hold, in memory (B,Hk,room,D) for as many tokens as that and `more`.
  tensor decoded(const coded& part, const tensor& like, isize more = 0) const {
    const isize T = part.codec.tokens(), dim = like.extent(3), heads = like.extent(1);
    const tensor out({like.extent(0), heads, this->first_ + more, dim});
    const isize grain = std::max<isize>(1, 16384 / std::max<isize>(1, this->first_ * dim));
    parallel_for(isize(part.lanes.size()), grain, [&](isize begin, isize end) {
      std::vector<f32> unit(std::is_same_v<A, f32> ? 0 : std::size_t(T * dim));
      for (isize i = begin; i < end; ++i) {
        auto* to = out.data() + i * out.stride(1);
        const std::byte* from = part.lanes[std::size_t(i)].data();
        for (isize t = 0; t < this->first_; t += T, from += part.codec.unit_bytes(), to += T * dim) {
          if constexpr (std::is_same_v<A, f32>) {
            part.codec.decode(from, to);
          } else {
            part.codec.decode(from, unit.data());
            for (isize e = 0; e < T * dim; ++e) to[e] = A(unit[std::size_t(e)]);
          }
        }
      }
    });
    return out;
  }
  // Codes and what is behind them, exact (B,n,Hk,D), as (B,S,Hk,D).
  tensor whole(const coded& part, const tensor& exact) const {
    const isize n = exact.extent(1);
    const tensor all = decoded(part, exact.permute({0, 2, 1, 3}), n).permute({0, 2, 1, 3});
    copy_into(all.slice(1, this->first_, this->first_ + n), exact);
    return all;
  }
  json settings() const {
    return {{"backend", config_.backend},           {"nbits", config_.nbits},
            {"axis_key", config_.axis_key},         {"axis_value", config_.axis_value},
            {"q_group_size", config_.q_group_size}, {"residual_length", config_.residual_length}};
  }
  Tensor<u8, 3> together(const coded& part) const {
    const isize B = this->keys_.extent(0), bytes = isize(part.lanes[0].size());
    Tensor<u8, 3> all({B, isize(part.lanes.size()) / B, bytes});
    for (std::size_t i = 0; i < part.lanes.size(); ++i)
      std::copy_n(reinterpret_cast<const u8*>(part.lanes[i].data()), bytes, all.data() + isize(i) * bytes);
    return all;
  }
  static void take_apart(coded& part, const SavedLayer& from, const char* name, isize B, const std::string& where) {
    const auto all = detail::loaded<u8, 3>(from.tensor(name, 3, where), where);
    const isize lanes = isize(part.lanes.size()), bytes = from.first / part.codec.tokens() * part.codec.unit_bytes();
    if (from.first % part.codec.tokens() || all.extent(0) != B || all.extent(0) * all.extent(1) != lanes ||
        all.extent(2) != bytes)
      throw format_error(where, name, detail::joined(bytes, " bytes of each of ", lanes, " heads"),
                         detail::shape_text(all.shape()));
    for (isize i = 0; i < lanes; ++i) {
      const auto* at = reinterpret_cast<const std::byte*>(all.data()) + i * bytes;
      part.lanes[std::size_t(i)].assign(at, at + bytes);
    }
  }

  QuantizedCacheConfig config_;
  coded key_codes_, value_codes_;
};

/// A cache of such layers, and of others where a model's layers have a window or a state.
template <Scalar A = f32, BaseDevice D = cpu>
class QuantizedCache : public LayeredCache<A, D> {
 public:
  /// `model`: what model.cache_options() says. Throws value_error for settings that are none.
  explicit QuantizedCache(CacheOptions model = {}, QuantizedCacheConfig config = {})
      : LayeredCache<A, D>(std::move(model), "QuantizedCache"), config_(std::move(config)) {
    config_.check();
  }

 protected:
  std::unique_ptr<CacheLayer<A, D>> make_layer(const std::string& type) const override {
    if (type == "full_attention") return std::make_unique<QuantizedLayer<A, D>>(config_);
    return LayeredCache<A, D>::make_layer(type);
  }

 private:
  QuantizedCacheConfig config_;
};

HFT_COMPILED_IN(MODELS, class QuantizedLayer<f32, cpu>)

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE QuantizedCacheConfig QuantizedCacheConfig::from_json(const json& object) {
  QuantizedCacheConfig c;
  if (object.is_null()) return c;
  const std::pair<const char*, isize*> numbers[] = {{"nbits", &c.nbits},
                                                    {"axis_key", &c.axis_key},
                                                    {"axis_value", &c.axis_value},
                                                    {"q_group_size", &c.q_group_size},
                                                    {"residual_length", &c.residual_length}};
  c.backend = get<std::string>(object, "backend", c.backend, "cache_config");
  for (const auto& [name, to] : numbers) *to = get<isize>(object, name, *to, "cache_config");
  std::vector<std::string_view> names = {"backend"};
  for (const auto& [name, unused] : numbers) names.push_back(name);
  for (const auto& [key, unused] : object.items())
    if (std::find(names.begin(), names.end(), key) == names.end())
      throw value_error(
          "cache_config", "unknown field",
          detail::joined("a field of QuantizedCacheConfig; the nearest is '", nearest_name(key, names), "'"),
          detail::quote_text(key));
  return c;
}

HFT_INLINE_ONCE void QuantizedCacheConfig::check() const {
  const auto fail = [](const char* what, const char* expected, detail::message got) {
    throw value_error("QuantizedCacheConfig", what, expected, got);
  };
  if (backend == "hqq" || backend == "fp8")
    throw unsupported_error("QuantizedCacheConfig", "backend", "quanto or q8_0", backend);
  if (backend != "quanto" && backend != "q8_0") fail("backend", "quanto or q8_0", detail::quote_text(backend));
  if (nbits != 2 && nbits != 4 && nbits != 8) fail("nbits", "2, 4 or 8", detail::joined(nbits));
  for (const isize axis : {axis_key, axis_value})
    if (axis != 0 && axis != -1) fail("axis_key and axis_value", "0 or -1", detail::joined(axis));
  if (q_group_size < 1 || q_group_size > 1 << 16) fail("q_group_size", "1 to 65536", detail::joined(q_group_size));
  if (residual_length < 0) fail("residual_length", "at least 0", detail::joined(residual_length));
}

namespace detail {

inline const bool quantized_caches = [] {
  cache_kinds<f32, cpu>::quantized = [](CacheOptions model, const json& config) -> std::unique_ptr<Cache<f32>> {
    return std::make_unique<QuantizedCache<f32>>(std::move(model), QuantizedCacheConfig::from_json(config));
  };
  return true;
}();

HFT_INLINE_ONCE kv_codec::kv_codec(const QuantizedCacheConfig& config, bool of_keys, isize head_dim) : dim_(head_dim) {
  if (dim_ < 1) throw value_error("QuantizedCache", "head_dim", "at least 1", joined(dim_));
  if (config.backend == "q8_0") {
    if (dim_ % 32) throw value_error("QuantizedCache", "head_dim", "a multiple of q8_0's blocks of 32", joined(dim_));
    q8_0_ = true;
    unit_bytes_ = dim_ / 32 * isize(sizeof(q8_0::storage));
    return;
  }
  bits_ = config.nbits;
  by_channel_ = (of_keys ? config.axis_key : config.axis_value) == -1;
  group_ = by_channel_ ? config.q_group_size : std::gcd(config.q_group_size, dim_);
  if (by_channel_) tokens_ = group_;
  const isize elements = tokens_ * dim_;
  unit_bytes_ = (elements * bits_ + 7) / 8 + elements / group_ * 2 * isize(sizeof(f32));
}

// Levels first, packed from low bits on, in the order of groups; then scale and minimum of each.
HFT_INLINE void kv_codec::encode(const f32* x, std::byte* to) const {
  if (q8_0_) {
    q8_0::storage block;
    for (isize i = 0; i < dim_; i += 32, to += sizeof block) {
      quantize<q8_0>(x + i, &block, 32);
      std::memcpy(to, &block, sizeof block);
    }
    return;
  }
  const isize elements = tokens_ * dim_, groups = elements / group_, per_byte = 8 / bits_;
  const f32 top = f32((1 << bits_) - 1);
  std::byte* numbers = to + (elements * bits_ + 7) / 8;
  std::fill(to, numbers, std::byte(0));
  for (isize g = 0; g < groups; ++g) {
    const f32* from = by_channel_ ? x + g : x + g * group_;
    const isize step = by_channel_ ? dim_ : 1;
    f32 low = from[0], high = from[0];
    for (isize i = 1; i < group_; ++i) low = std::min(low, from[i * step]), high = std::max(high, from[i * step]);
    const f32 scale = (high - low) / top;
    for (isize i = 0; i < group_; ++i) {
      const f32 level = scale > 0 ? std::nearbyint((from[i * step] - low) / scale) : 0.0f;
      const unsigned q = level > 0 ? unsigned(std::min(level, top)) : 0u;  // NaN is 0
      const isize at = g * group_ + i;
      to[at / per_byte] |= std::byte(q << (at % per_byte * bits_));
    }
    std::memcpy(numbers + g * 8, &scale, 4);
    std::memcpy(numbers + g * 8 + 4, &low, 4);
  }
}

/// A group whose levels fill whole bytes.
template <int Bits>
void decode_group(const std::byte* from, f32 scale, f32 low, isize n, isize step, f32* x) {
  constexpr int per_byte = 8 / Bits;
  constexpr unsigned mask = (1u << Bits) - 1;
  for (isize i = 0; i < n; i += per_byte) {
    const unsigned levels = unsigned(*from++);
    for (int j = 0; j < per_byte; ++j) x[(i + j) * step] = scale * f32(levels >> (j * Bits) & mask) + low;
  }
}

HFT_INLINE void kv_codec::decode(const std::byte* from, f32* x) const {
  if (q8_0_) {
    q8_0::storage block;
    for (isize i = 0; i < dim_; i += 32, from += sizeof block) {
      std::memcpy(&block, from, sizeof block);
      dequantize<q8_0>(&block, x + i, 32);
    }
    return;
  }
  const isize elements = tokens_ * dim_, groups = elements / group_, per_byte = 8 / bits_;
  const unsigned mask = (1u << bits_) - 1;
  const std::byte* numbers = from + (elements * bits_ + 7) / 8;
  for (isize g = 0; g < groups; ++g) {
    f32 scale, low;
    std::memcpy(&scale, numbers + g * 8, 4);
    std::memcpy(&low, numbers + g * 8 + 4, 4);
    f32* to = by_channel_ ? x + g : x + g * group_;
    const isize step = by_channel_ ? dim_ : 1;
    if (group_ % per_byte == 0) {
      const std::byte* levels = from + g * group_ / per_byte;
      const auto decode = bits_ == 8 ? decode_group<8> : bits_ == 4 ? decode_group<4> : decode_group<2>;
      decode(levels, scale, low, group_, step, to);
      continue;
    }
    for (isize i = 0; i < group_; ++i) {
      const isize at = g * group_ + i;
      to[i * step] = scale * f32(unsigned(from[at / per_byte]) >> (at % per_byte * bits_) & mask) + low;
    }
  }
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
