// LlamaBlock, and the bodies of it that hft::compiled has: of Llama, and of the many decoders that differ from it by
// what their configs say.
#pragma once
#include <hft/linkage.hpp>
#include <hft/models/decoder.hpp>

namespace hft {

template <class B>
using LlamaBlock = PreNormBlock<RMSNorm<B>, SelfAttention<B, rope>, GatedMLP<B>>;

#define HFT_OF_WEIGHT(W)                                                                  \
  HFT_COMPILED_IN(BODIES, class Backbone<TokenEmbeddings, LlamaBlock, RMSNorm, build<W>>) \
  HFT_COMPILED_IN(BODIES, class Headed<TokenModel<LlamaBlock, RMSNorm, build<W>>>)        \
  HFT_COMPILED_IN(BODIES, class LMHead<TokenModel<LlamaBlock, RMSNorm, build<W>>>)        \
  HFT_COMPILED_IN(BODIES, class ForCausalLM<TokenModel<LlamaBlock, RMSNorm, build<W>>>)   \
  HFT_COMPILED_IN(BODIES, class NamedModel<TokenModel<LlamaBlock, RMSNorm, build<W>>>)    \
  HFT_COMPILED_IN(BODIES, class NamedModel<ForCausalLM<TokenModel<LlamaBlock, RMSNorm, build<W>>>>)
HFT_OF_WEIGHT(f32)
HFT_OF_WEIGHT(bf16)
HFT_OF_WEIGHT(any_q)
#undef HFT_OF_WEIGHT

}  // namespace hft
