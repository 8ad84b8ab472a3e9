// RelativePositionBias: a learned bias of attention for each bucket of distances (Raffel et al. 2019, arXiv
// 1910.10683).
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include <hft/layers/build.hpp>
#include <hft/layers/embedding.hpp>
#include <hft/linkage.hpp>
#include <hft/module.hpp>
#include <hft/ops/gather_bias.hpp>

namespace hft {

struct RelativePositionOptions {
  isize num_buckets = 32;
  isize max_distance = 128;  // from here on all distances share a bucket
  bool bidirectional = true;
  isize heads = 1;
  isize rows = 0;  // of the table, where it has more than buckets
};

/// The bucket of a key that lies `distance` positions after its query: half of the buckets for each direction (if
/// bidirectional; else keys after the query share bucket 0), and of these half for one distance each, the others
/// for ranges that grow with the logarithm. The options were checked. (T5Attention._relative_position_bucket)
isize relative_position_bucket(isize distance, const RelativePositionOptions& o);

namespace detail {
void check(const RelativePositionOptions& o);
Tensor<i64, 2> relative_position_buckets(isize first_query, isize queries, isize keys,
                                         const RelativePositionOptions& o);
}  // namespace detail

/// Checkpoint name: relative_attention_bias.weight (num_buckets, heads), which is held in the activation dtype whatever
/// the model's weight dtype is: it is small, and few numbers of heads are whole blocks.
template <class B>
class RelativePositionBias {
 public:
  /// Throws config_error for fewer buckets than the scheme needs, or a max_distance among the single distances.
  explicit RelativePositionBias(const RelativePositionOptions& o)
      : relative_attention_bias((detail::check(o), std::max(o.rows, o.num_buckets)), o.heads), options_(o) {}

  /// The bias of `queries` tokens, the first of them at position first_query, on keys 0, 1, ...: (1,H,T,S)
  typename B::template tensor<4> operator()(isize first_query, isize queries, isize keys) const {
    return gather_bias(relative_attention_bias.weight,
                       detail::relative_position_buckets(first_query, queries, keys, options_));
  }
  void visit(visitor& v) { v("relative_attention_bias", relative_attention_bias); }

  Embedding<build<typename B::activation, typename B::device, typename B::layer_kind>> relative_attention_bias;

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

#endif  // HFT_DEFINES

}  // namespace hft
