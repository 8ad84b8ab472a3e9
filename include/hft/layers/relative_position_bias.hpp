// RelativePositionBias: a learned bias of attention for each bucket of distances (Raffel et al. 2019, arXiv
// 1910.10683).
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <hft/layers/build.hpp>
#include <hft/layers/embedding.hpp>
#include <hft/linkage.hpp>
#include <hft/module.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/gather_bias.hpp>

namespace hft {

struct RelativePositionOptions {
  isize num_buckets = 32;
  isize max_distance = 128;  // from here on all distances share a bucket
  bool bidirectional = true;
  isize heads = 1;
  isize rows = 0;         // of the table, where it has more than buckets
  isize side_block = 0;   // of a SideAttention, whose side keys have a table of their own; 0: there are none
  isize side_radius = 0;  // tokens on either side that it sees
};

/// The bucket of a key that lies `distance` positions after its query: half of the buckets for each direction (if
/// bidirectional; else keys after the query share bucket 0), and of these half for one distance each, the others
/// for ranges that grow with the logarithm. The options were checked. (T5Attention._relative_position_bucket)
isize relative_position_bucket(isize distance, const RelativePositionOptions& o);

namespace detail {
void check(const RelativePositionOptions& o);
Tensor<i64, 2> relative_position_buckets(isize first_query, isize queries, isize keys,
                                         const RelativePositionOptions& o);

/// The block of `size` tokens that each token of (B,T) belongs to, or -1: those that the mask hides belong to none,
/// those of a last block that is not whole to the one before it. (transformers' _make_global_fixed_block_ids)
std::vector<isize> side_blocks(const Tensor<u8, 2>& mask, isize rows, isize tokens, isize size);

/// The buckets of a SideAttention (B*T, T+G): of tokens those of the first table, of blocks those of the second behind
/// it, and the number behind both for keys that are not seen.
Tensor<i64, 2> side_buckets(const std::vector<isize>& blocks, isize rows, isize tokens,
                            const RelativePositionOptions& o);
/// The mask (B,T) with one for the side keys behind it; empty where all are seen.
Tensor<u8, 2> side_mask(const Tensor<u8, 2>& mask, const std::vector<isize>& blocks, isize rows, isize tokens,
                        isize size);
}  // namespace detail

/// Checkpoint names: relative_attention_bias.weight (num_buckets, heads), or of a SideAttention
/// sides.relative_attention_bias, sides.global_relative_attention_bias; a table is held in the activation dtype
/// whatever the model's weight dtype is: it is small, and few numbers of heads are whole blocks.
template <class B>
class RelativePositionBias {
 public:
  /// Throws config_error for fewer buckets than the scheme needs, or a max_distance among the single distances.
  explicit RelativePositionBias(const RelativePositionOptions& o)
      : relative_attention_bias((detail::check(o), std::max(o.rows, o.num_buckets)), o.heads), options_(o) {
    if (o.side_block) global_relative_attention_bias.emplace(o.num_buckets, o.heads);
  }

  /// Gives a pass over T tokens the bias, and of a SideAttention the mask with its side keys.
  template <class Context>
  void begin(Context& context, isize T) const {
    if (!global_relative_attention_bias) {
      context.attention_bias = (*this)(context.key_length - T, T, context.key_length);
      return;
    }
    using A = typename B::activation;
    using table_t = typename B::template tensor<3>;
    const isize rows = context.position_ids.extent(0), n = options_.num_buckets, H = options_.heads;
    const auto mask = to_host(context.key_mask);
    const auto blocks = detail::side_blocks(mask, rows, T, options_.side_block);
    const auto table = [&](const auto& t) { return t.weight.template reshape<3>({1, n, H}); };
    const table_t hidden(Tensor<A, 3, typename B::base>::filled({1, 1, H}, A(-1e30)));
    const auto both = concat_tokens(table(relative_attention_bias), table(*global_relative_attention_bias));
    const auto all = concat_tokens(both, hidden).template reshape<2>({2 * n + 1, H});
    const auto buckets = detail::side_buckets(blocks, rows, T, options_);
    context.attention_bias =
        gather_bias(all, buckets).template reshape<4>({H, rows, T, buckets.extent(1)}).permute({1, 0, 2, 3});
    context.key_mask = to_device<typename B::base>(detail::side_mask(mask, blocks, rows, T, options_.side_block));
  }

  /// The bias of `queries` tokens, the first of them at position first_query, on keys 0, 1, ...: (1,H,T,S)
  typename B::template tensor<4> operator()(isize first_query, isize queries, isize keys) const {
    return gather_bias(relative_attention_bias.weight,
                       detail::relative_position_buckets(first_query, queries, keys, options_));
  }
  void visit(visitor& v) {
    v(global_relative_attention_bias ? "sides.relative_attention_bias" : "relative_attention_bias",
      relative_attention_bias);
    v("sides.global_relative_attention_bias", global_relative_attention_bias);
  }

  using table_type = Embedding<build<typename B::activation, typename B::device, typename B::layer_kind>>;
  table_type relative_attention_bias;
  std::optional<table_type> global_relative_attention_bias;

 private:
  RelativePositionOptions options_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE isize relative_position_bucket(isize distance, const RelativePositionOptions& o) {
  isize buckets = o.num_buckets, first = 0;
  if (o.bidirectional) {
    buckets /= 2;
    if (distance > 0) first = buckets;
    distance = std::abs(distance);
  } else {
    distance = std::max<isize>(0, -distance);
  }
  const isize single = buckets / 2;
  if (distance < single) return first + distance;
  // In f32, as Transformers computes it: at a range's first distance the last bit decides.
  const f32 part = std::log(f32(distance) / f32(single)) / f32(std::log(f64(o.max_distance) / f64(single)));
  return first + std::min(buckets - 1, single + isize(part * f32(buckets - single)));
}

HFT_INLINE void detail::check(const RelativePositionOptions& o) {
  const isize least = o.bidirectional ? 4 : 2;
  if (o.num_buckets < least)
    throw config_error("RelativePositionBias", "num_buckets", joined("at least ", least), joined(o.num_buckets));
  const isize single = o.num_buckets / least;
  if (o.max_distance <= single)
    throw config_error("RelativePositionBias", "max_distance",
                       joined("more than the ", single, " distances with a bucket of their own"),
                       joined(o.max_distance));
}

HFT_INLINE Tensor<i64, 2> detail::relative_position_buckets(isize first_query, isize queries, isize keys,
                                                            const RelativePositionOptions& o) {
  Tensor<i64, 2> buckets({queries, keys});
  // A bucket depends on the distance alone: each is computed once.
  const isize nearest = -(first_query + queries - 1);
  std::vector<i64> of_distance;
  for (isize d = nearest; d < keys - first_query; ++d) of_distance.push_back(relative_position_bucket(d, o));
  for (isize t = 0; t < queries; ++t)
    std::copy_n(of_distance.begin() + (-(first_query + t) - nearest), keys, buckets.data() + t * keys);
  return buckets;
}

HFT_INLINE std::vector<isize> detail::side_blocks(const Tensor<u8, 2>& mask, isize rows, isize tokens, isize size) {
  std::vector<isize> blocks;
  for (isize b = 0; b < rows; ++b) {
    const auto shown = [&](isize t) { return !mask || mask.data()[b * mask.stride(0) + t] != 0; };
    isize ends = 0;
    for (isize t = size - 1; t < tokens; t += size) ends += shown(t);
    for (isize t = 0; t < tokens; ++t) blocks.push_back(std::min(shown(t) ? t / size : -1, ends - 1));
  }
  return blocks;
}

HFT_INLINE Tensor<i64, 2> detail::side_buckets(const std::vector<isize>& blocks, isize rows, isize tokens,
                                               const RelativePositionOptions& o) {
  const isize sides = tokens / o.side_block, n = o.num_buckets;
  Tensor<i64, 2> buckets({rows * tokens, tokens + sides});
  i64* to = buckets.data();
  for (isize row = 0; row < rows * tokens; ++row) {
    const isize t = row % tokens;
    for (isize s = 0; s < tokens; ++s)
      *to++ = std::abs(s - t) <= o.side_radius ? relative_position_bucket(s - t, o) : 2 * n;
    for (isize s = 0; s < sides; ++s) *to++ = n + relative_position_bucket(s - blocks[std::size_t(row)], o);
  }
  return buckets;
}

HFT_INLINE Tensor<u8, 2> detail::side_mask(const Tensor<u8, 2>& mask, const std::vector<isize>& blocks, isize rows,
                                           isize tokens, isize size) {
  if (!mask) return {};
  const isize sides = tokens / size;
  auto out = Tensor<u8, 2>::zeros({rows, tokens + sides});
  for (isize b = 0; b < rows; ++b) {
    u8* to = out.data() + b * (tokens + sides);
    std::copy_n(mask.data() + b * mask.stride(0), tokens, to);
    const isize last = *std::max_element(blocks.begin() + b * tokens, blocks.begin() + (b + 1) * tokens);
    std::fill_n(to + tokens, last + 1, u8(1));
  }
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft
