// GPT2Model and GPT2LMHeadModel against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/models/gpt2.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(gpt2)

BOOST_AUTO_TEST_CASE(lm_head_model_gives_transformers_logits) {
  for (const auto& folder : cases("gpt2", "GPT2LMHeadModel")) {
    BOOST_TEST_CONTEXT(folder.filename().string()) {
      const auto model = GPT2LMHeadModel<f32>::from_pretrained(folder.string());
      const golden g(folder / "golden.safetensors");
      for (const auto& pass : g.passes("logits")) {
        const auto args = g.args(pass);
        check_close(model(g.ids(pass + ".input_ids"), args).logits, g.at(pass + ".logits"), args.attention_mask);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(base_model_gives_transformers_hidden_states) {
  for (const auto& folder : cases("gpt2", "GPT2Model")) {
    const auto model = GPT2Model<f32>::from_pretrained(folder.string());
    const golden g(folder / "golden.safetensors");
    for (const auto& pass : g.passes("last_hidden_state")) {
      const auto args = g.args(pass);
      check_close(model(g.ids(pass + ".input_ids"), args).last_hidden_state, g.at(pass + ".last_hidden_state"),
                  args.attention_mask);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_prompt_longer_than_the_context_is_refused) {
  const auto model = GPT2LMHeadModel<f32>::from_pretrained(data("models/gpt2/base").string());
  const isize n = model.config().n_positions + 1;
  BOOST_CHECK_THROW(model(Tensor<i64, 2>::zeros({1, n})), value_error);
}

BOOST_AUTO_TEST_CASE(another_architecture_is_refused) {
  BOOST_CHECK_THROW(GPT2LMHeadModel<f32>::from_pretrained(data("models/llama/base").string()), unsupported_error);
}

BOOST_AUTO_TEST_SUITE_END()
