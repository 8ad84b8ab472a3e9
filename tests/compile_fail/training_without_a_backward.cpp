// expect: NeedsNoBackward<D>.*D = hft::autodiff<hft::cpu>|autodiff<(hft::)?cpu>. does not satisfy .NeedsNoBackward
#include <hft/autodiff.hpp>
#include <hft/ops/softmax.hpp>
using tracked = hft::Tensor<hft::f32, 2, hft::autodiff<hft::cpu>>;
// An op of one's own, for base devices, as an op must be.
template <hft::Scalar A, std::size_t R, hft::BaseDevice D>
hft::Tensor<A, R, D> my_op(const hft::Tensor<A, R, D>& x) {
  return x;
}
#ifdef GOOD
auto y(const tracked& x) { return my_op(hft::value(x)); }
#else
auto y(const tracked& x) { return my_op(x); }
#endif
