// Architectures that cost a config: what computes is another's, and is compiled once for both.
#include <boost/test/unit_test.hpp>
#include <type_traits>

#include <hft/models/granite.hpp>
#include <hft/models/jamba.hpp>
#include <hft/models/lfm2.hpp>
#include <hft/models/minimax.hpp>
#include <hft/models/mistral.hpp>
#include <hft/models/qwen3.hpp>
#include <hft/models/qwen3_5_moe.hpp>
#include <hft/models/recurrent_gemma.hpp>

using namespace hft;

namespace {
template <class A, class B>
constexpr bool same_body = std::is_same_v<typename A::body_type, typename B::body_type>;
}  // namespace

BOOST_AUTO_TEST_CASE(llamas_body) {
  static_assert(same_body<MistralForCausalLM<f32>, LlamaForCausalLM<f32>>);
  static_assert(same_body<MistralForSequenceClassification<f32>, LlamaForSequenceClassification<f32>>);
  static_assert(same_body<Qwen3ForCausalLM<f32>, LlamaForCausalLM<f32>>);
  static_assert(same_body<Qwen3Model<f32>, LlamaModel<f32>>);
  static_assert(same_body<GraniteForCausalLM<f32>, LlamaForCausalLM<f32>>);
}

BOOST_AUTO_TEST_CASE(a_body_of_attention_and_recurrences_by_turns) {
  static_assert(same_body<Qwen3NextForCausalLM<f32>, MiniMaxForCausalLM<f32>>);
  static_assert(same_body<Qwen3_5ForCausalLM<f32>, MiniMaxForCausalLM<f32>>);
  static_assert(same_body<Qwen3_5MoeForCausalLM<f32>, MiniMaxForCausalLM<f32>>);
  static_assert(same_body<JambaForCausalLM<f32>, MiniMaxForCausalLM<f32>>);
  static_assert(same_body<Lfm2ForCausalLM<f32>, MiniMaxForCausalLM<f32>>);
  static_assert(same_body<RecurrentGemmaForCausalLM<f32>, MiniMaxForCausalLM<f32>>);
}
