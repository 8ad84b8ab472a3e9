// expect: hft: this type is not a dtype; use f32, f16, bf16
#include <string>

#include <hft/tensor.hpp>
#ifdef GOOD
using element = hft::f32;
#else
using element = std::string;
#endif
hft::isize size(const hft::Tensor<element, 2>& t) { return t.size(); }
