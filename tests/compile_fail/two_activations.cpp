// expect: hft: an MLP has one activation
#include <hft/layers/mlp.hpp>
using B = hft::build<hft::f32>;
#ifdef GOOD
hft::MLP<B, hft::gelu> make() { return hft::MLP<B, hft::gelu>({.hidden_size = 8, .intermediate_size = 16}); }
#else
hft::MLP<B, hft::gelu, hft::silu> make() {
  return hft::MLP<B, hft::gelu, hft::silu>({.hidden_size = 8, .intermediate_size = 16});
}
#endif
