// Builds specialised to one config: a tiny one gives what the runtime build gives, and refuses other checkpoints.
#include <boost/test/unit_test.hpp>

#include <hft/models/llama.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(specialised)

namespace {

// The extents of tests/data/models/llama/base.
struct tiny {
  static constexpr LlamaConfig config{.vocab_size = 99,
                                      .hidden_size = 64,
                                      .intermediate_size = 96,
                                      .num_hidden_layers = 2,
                                      .num_attention_heads = 4,
                                      .num_key_value_heads = 2,
                                      .max_position_embeddings = 32};
};

template <class W>
using fixed_llama = LlamaForCausalLM<W, cpu, plain, fixed<tiny>>;

}  // namespace

BOOST_AUTO_TEST_CASE(a_fixed_build_gives_what_the_runtime_build_gives) {
  const auto folder = data("models/llama/base");
  const golden g(folder / "golden.safetensors");
  const auto model = fixed_llama<f32>::from_pretrained(folder.string());
  for (const auto& pass : g.passes("logits")) {
    const auto args = g.args(pass);
    check_close(model(g.ids(pass + ".input_ids"), args).logits, g.at(pass + ".logits"), args.attention_mask);
  }
  const auto ids = g.ids("batch.input_ids");
  const auto quantised = fixed_llama<q8_0>::from_pretrained(folder.string())(ids).logits,
             expected = LlamaForCausalLM<q8_0>::from_pretrained(folder.string())(ids).logits;
  f32 worst = 0;
  for (isize i = 0; i < expected.size(); ++i)
    worst = std::max(worst, std::abs(quantised.data()[i] - expected.data()[i]));
  BOOST_TEST(worst <= 1e-5f);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_of_other_extents_is_refused) {
  BOOST_CHECK_THROW(fixed_llama<f32>::from_pretrained(data("models/llama/mqa").string()), config_error);
}

BOOST_AUTO_TEST_SUITE_END()
