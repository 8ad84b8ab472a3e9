// expect: revison
// lines: 10
#include <hft/models/bert.hpp>
#ifdef GOOD
auto y() { return hft::BertModel<hft::f32>::from_pretrained("bert", {.revision = "main"}); }
#else
auto y() { return hft::BertModel<hft::f32>::from_pretrained("bert", {.revison = "main"}); }
#endif
