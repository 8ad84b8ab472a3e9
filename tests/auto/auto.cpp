// AutoModel and AutoModelForCausalLM: the checkpoint's own config chooses the class.
#include <boost/test/unit_test.hpp>

#include <hft/auto.hpp>
#include <hft/generation/generate.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(auto_model)

BOOST_AUTO_TEST_CASE(every_case_is_loaded_as_the_class_it_names) {
  int folders = 0;
  for (const std::string arch : {"llama", "qwen2", "gpt2", "bert", "mamba"})
    for (const auto& folder : cases(arch)) {
      ++folders;
      BOOST_TEST_CONTEXT(folder.string()) {
        const auto model = AutoModel<>::from_pretrained(folder.string());
        BOOST_TEST(model.architecture() == read_json(folder / "config.json")["architectures"][0]);
        const golden g(folder / "golden.safetensors");
        const auto outputs = model.forward(g.ids("single.input_ids"), g.args("single"));
        BOOST_TEST(!outputs.empty());
        for (const auto& y : outputs)
          BOOST_TEST(y.shape == g.at("single." + y.name).shape, boost::test_tools::per_element());
      }
    }
  BOOST_TEST(folders == 56);
}

BOOST_AUTO_TEST_CASE(only_causal_models_are_causal) {
  const auto folder = data("models/llama/base").string();
  BOOST_TEST(AutoModelForCausalLM<>::from_pretrained(folder).is_causal_lm());
  BOOST_CHECK_THROW(AutoModelForCausalLM<>::from_pretrained(data("models/bert/base").string()), unsupported_error);
  const auto bert = AutoModel<>::from_pretrained(data("models/bert/base").string());
  BOOST_CHECK_THROW(bert(Tensor<i64, 2>::from({1}, {1, 1})), unsupported_error);
}

BOOST_AUTO_TEST_CASE(an_architecture_outside_the_list_is_refused_by_name) {
  const auto folder = data("models/gpt2/base").string();
  try {
    AutoModelForCausalLM<any_q, cpu, archs<llama>>::from_pretrained(folder);
    BOOST_TEST(false, "gpt2 was loaded from a list of llama alone");
  } catch (const unsupported_error& e) {
    BOOST_TEST(std::string(e.what()).find("gpt2") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(the_default_length_ends_with_the_positions) {
  const auto folder = data("models/llama/base").string();
  const auto prompt = Tensor<i64, 2>::filled({1, 20}, 5);
  const GenerationConfig config{.eos_token_id = TokenIds{}};
  BOOST_TEST(generate(AutoModelForCausalLM<>::from_pretrained(folder), prompt, config).extent(1) == 32);
  BOOST_TEST(generate(LlamaForCausalLM<f32>::from_pretrained(folder), prompt, config).extent(1) == 32);
}

BOOST_AUTO_TEST_SUITE_END()
