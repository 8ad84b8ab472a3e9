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

BOOST_AUTO_TEST_CASE(inputs_of_other_shapes_are_refused) {
  const auto model = GPT2Model<f32>::from_pretrained(data("models/gpt2/token_types").string());
  const auto ids = Tensor<i64, 2>::filled({2, 3}, 5);
  ForwardArgs<> args;
  args.token_type_ids = Tensor<i64, 2>::filled({1, 3}, 5);
  BOOST_CHECK_THROW(model(ids, args), shape_error);
  args = {};
  args.position_ids = Tensor<i64, 2>::zeros({3, 3});
  BOOST_CHECK_THROW(model(ids, args), shape_error);
  args.position_ids = Tensor<i64, 2>::zeros({1, 2});
  BOOST_CHECK_THROW(model(ids, args), shape_error);
}

BOOST_AUTO_TEST_CASE(fields_are_read_under_the_names_of_other_architectures) {
  const auto* text = R"({"hidden_size": 24, "max_position_embeddings": 7, "num_attention_heads": 3,
                         "num_hidden_layers": 2, "n_layer": 5})";
  const auto config = config_from_json<GPT2Config>(parse_json(text, "config.json"), "config.json");
  BOOST_TEST(config.n_embd == 24);
  BOOST_TEST(config.n_positions == 7);
  BOOST_TEST(config.n_head == 3);
  BOOST_TEST(config.n_layer == 2);
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
