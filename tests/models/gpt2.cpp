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

BOOST_AUTO_TEST_CASE(places_of_a_choice_are_checked) {
  const auto model = GPT2DoubleHeadsModel<f32>::from_pretrained(data("models/gpt2/double_heads").string());
  DoubleHeadsInputs in;
  in.input_ids = Tensor<i64, 3>::filled({1, 2, 4}, 5);
  in.mc_token_ids = Tensor<i64, 2>::from({3, 1}, {1, 2});
  BOOST_TEST((model(in).logits.shape() == Shape<4>{1, 2, 4, 41}));
  BOOST_TEST((model(in, {.logits_to_keep = 1}).logits.shape() == Shape<4>{1, 2, 1, 41}));
  in.mc_token_ids = Tensor<i64, 2>::from({3, 4}, {1, 2});
  BOOST_CHECK_EXCEPTION(model(in), value_error, [](const value_error& e) {
    return std::string(e.what()).find("mc_token_ids: expected 0 to 3, places in a text, got 4") != std::string::npos;
  });
  in.mc_token_ids = Tensor<i64, 2>::from({3, 1, 0}, {1, 3});
  BOOST_CHECK_THROW(model(in), shape_error);
}

BOOST_AUTO_TEST_CASE(a_choice_of_other_kinds_is_refused) {
  const auto build = [](const auto& change) {
    GPT2Config config;
    config.vocab_size = 9, config.n_embd = 4, config.n_head = 2, config.n_layer = 1, config.n_positions = 5;
    change(config);
    GPT2DoubleHeadsModel<f32>::from_config(config, 1);
  };
  BOOST_CHECK_THROW(build([](auto& c) { c.summary_type = "mean"; }), unsupported_error);
  BOOST_CHECK_THROW(build([](auto& c) { c.summary_use_proj = false; }), unsupported_error);
  BOOST_CHECK_THROW(build([](auto& c) { c.summary_proj_to_labels = false; }), unsupported_error);
  BOOST_CHECK_THROW(build([](auto& c) { c.summary_activation = short_string("loud"); }), hft::error);
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
