// BlockSparseBias: which blocks of keys a block of queries sees, as an attention's bias. Zaheer et al. 2020, arXiv
// 2007.14062 (BigBird).
#pragma once
#include <cmath>

#include <hft/tensor.hpp>

namespace hft {

struct BlockSparseOptions {
  isize block_size = 64;
  isize random_blocks = 3;

  /// Up to here all tokens see each other.
  isize full_until() const { return (5 + 2 * random_blocks) * block_size; }
};

/// The bias of T tokens (1,1,T,T): 0 on keys that are seen, -1e30 on others. The first and the last block see all;
/// others see these two and their neighbours, and random ones, which in Transformers are all the first block but in
/// training: it counts as often, thus the logarithm. In training, too, here.
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> block_sparse_bias(const BlockSparseOptions& o, isize T) {
  static_assert(D::host_memory, "hft: the bias is made on the host");
  const isize n = (T + o.block_size - 1) / o.block_size;
  const A first = A(std::log(f64(1 + o.random_blocks)));
  Tensor<A, 4, D> bias({1, 1, T, T});
  for (isize t = 0; t < T; ++t)
    for (isize s = 0; s < T; ++s) {
      const isize q = t / o.block_size, k = s / o.block_size;
      const bool all = q == 0 || q == n - 1, near = std::abs(q - k) <= 1;
      bias.data()[t * T + s] = all ? A(0) : k == 0 ? first : near || k == n - 1 ? A(0) : A(-1e30);
    }
  return bias;
}

}  // namespace hft
