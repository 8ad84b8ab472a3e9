// alibi_bias: ALiBi's biases of models that add them rounded, of the keys that a mask shows (Falcon).
#pragma once
#include <optional>
#include <vector>

#include <hft/layers/positions.hpp>

namespace hft {

struct AlibiBiasOptions {
  isize heads;
  f64 factor = 1;  // of all biases
};

/// factor * bf16(bf16(slope of a head) * key's place), the same for T queries: (1|B,H,T,S). A key's place is its own
/// among those that the mask (B,S) shows; without one, among all.
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> alibi_bias(const AlibiBiasOptions& o, const Tensor<u8, 2, D>& key_mask, isize T, isize S) {
  const AttentionOptions heads{.hidden_size = o.heads, .num_heads = o.heads, .num_kv_heads = o.heads, .head_dim = 1};
  const auto slopes = alibi(heads).slopes<cpu>();  // (H)
  const isize B = key_mask ? key_mask.extent(0) : 1;
  const auto shown = key_mask ? to_host(key_mask).dense() : Tensor<u8, 2>();
  std::vector<A> values;
  for (isize b = 0; b < B; ++b)
    for (isize h = 0; h < o.heads; ++h) {
      const f32 slope = f32(bf16(slopes.data()[h]));
      isize seen = 0;
      for (isize s = 0; s < S; ++s) {
        const bool here = !shown || shown.data()[b * S + s] != 0;
        seen += here;
        values.push_back(A(o.factor * f64(f32(bf16(slope * f32(bf16(f32(here ? seen - 1 : 0))))))));
      }
    }
  Tensor<A, 4, D> bias({B, o.heads, 1, S});
  D::copy_from_host(bias.data(), values.data(), values.size() * sizeof(A));
  return bias.repeated(2, T);
}

HFT_COMPILED_IN(MODELS, Tensor<f32, 4> alibi_bias(const AlibiBiasOptions&, const Tensor<u8, 2>&, isize, isize))

}  // namespace hft
