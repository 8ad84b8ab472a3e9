// expect: skip_special_token\b
// lines: 10
#include <hft/tokenizers/pretrained.hpp>
#ifdef GOOD
auto y(const hft::PreTrainedTokenizerFast& tok) { return tok.decode({1, 2}, {.skip_special_tokens = true}); }
#else
auto y(const hft::PreTrainedTokenizerFast& tok) { return tok.decode({1, 2}, {.skip_special_token = true}); }
#endif
