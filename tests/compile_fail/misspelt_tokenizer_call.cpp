// expect: paddng
// lines: 10
#include <hft/tokenizers/pretrained.hpp>
#ifdef GOOD
auto y(const hft::PreTrainedTokenizerFast& tok) { return tok("a", {.padding = true}); }
#else
auto y(const hft::PreTrainedTokenizerFast& tok) { return tok("a", {.paddng = true}); }
#endif
