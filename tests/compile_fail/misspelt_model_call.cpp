// expect: atention_mask
// expect: hft: these braces name fields of ForwardArgs
// lines: 10
#include <hft/models/bert.hpp>
#ifdef GOOD
auto y(const hft::BertModel<hft::f32>& m, const hft::Tensor<hft::i64, 2>& ids) {
  return m(ids, {.attention_mask = ids});
}
#else
auto y(const hft::BertModel<hft::f32>& m, const hft::Tensor<hft::i64, 2>& ids) {
  return m(ids, {.atention_mask = ids});
}
#endif
