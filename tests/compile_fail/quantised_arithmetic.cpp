// expect: no matching function for call to .add\(
#include <hft/ops/elementwise.hpp>
#ifdef GOOD
using T = hft::f32;
#else
using T = hft::q4_0;  // weights are stored in blocks; activations are not
#endif
auto sum(const hft::Tensor<T, 2>& a) { return hft::add(a, a); }
