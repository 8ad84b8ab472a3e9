// expect: hft: this device lacks a kernel that an op calls
// lines: 10
#include <hft/ops/softmax.hpp>
// A device that shares nothing with cpu has only the kernels it brings.
struct other {
  using base = other;
  static constexpr bool tracked = false;
  static constexpr bool host_memory = true;
  template <class W>
  using activation = hft::f32;
  static hft::buffer allocate(std::size_t bytes) { return hft::cpu::allocate(bytes); }
  static void copy_from_host(void* to, const void* from, std::size_t n) { std::memcpy(to, from, n); }
  static void copy_to_host(void* to, const void* from, std::size_t n) { std::memcpy(to, from, n); }
};
#ifdef GOOD
inline void softmax_kernel(other, hft::matrix<hft::f32>, hft::matrix<const hft::f32>) {}
#endif
auto y(const hft::Tensor<hft::f32, 2, other>& x) { return hft::softmax(x); }
