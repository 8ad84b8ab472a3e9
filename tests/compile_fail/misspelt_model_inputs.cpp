// expect: atention_mask
// expect: hft: the inputs in braces are tensors, named as in hft/layers/inputs.hpp
// lines: 10
#include <hft/models/bert.hpp>
#ifdef GOOD
auto y(const hft::BertModel<hft::f32>& m, const hft::Tensor<hft::i64, 2>& x) {
  return m({.input_ids = x, .attention_mask = x});
}
#else
auto y(const hft::BertModel<hft::f32>& m, const hft::Tensor<hft::i64, 2>& x) {
  return m({.input_ids = x, .atention_mask = x});
}
#endif
