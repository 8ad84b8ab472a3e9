// AutoModel and AutoModelForCausalLM: the checkpoint's own config chooses the class.
#include <boost/test/unit_test.hpp>

#include <hft/auto.hpp>
#include <hft/generation/generate.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(auto_model)

BOOST_AUTO_TEST_CASE(only_causal_models_are_causal) {
  const auto folder = data("models/llama/base").string();
  BOOST_TEST(AutoModelForCausalLM<>::from_pretrained(folder).is_causal_lm());
  BOOST_CHECK_THROW(AutoModelForCausalLM<>::from_pretrained(data("models/distilbert/base").string()),
                    unsupported_error);
  const auto bert = AutoModel<>::from_pretrained(data("models/bert/base").string());
  BOOST_CHECK_THROW(bert(Tensor<i64, 2>::from({1}, {1, 1})), unsupported_error);
}

BOOST_AUTO_TEST_CASE(a_head_is_found_by_its_kind) {
  BOOST_TEST(AutoModelForSeq2SeqLM<>::from_pretrained(data("models/t5/base").string()).architecture() ==
             "T5ForConditionalGeneration");
  BOOST_TEST(AutoModelForImageClassification<>::from_pretrained(data("models/vit/base").string()).architecture() ==
             "ViTForImageClassification");
  BOOST_TEST(
      AutoModelForMaskedImageModeling<>::from_pretrained(data("models/vit/masked_image").string()).architecture() ==
      "ViTForMaskedImageModeling");
  const auto bert = data("models/bert/sequence_classification").string();
  BOOST_TEST(AutoModelForSequenceClassification<>::from_pretrained(bert).architecture() ==
             "BertForSequenceClassification");
  try {
    AutoModelForSeq2SeqLM<>::from_pretrained(bert);
    BOOST_TEST(false, "BERT was loaded as an encoder and a decoder");
  } catch (const unsupported_error& e) {
    BOOST_TEST(std::string(e.what()).find("AutoModelForSeq2SeqLM of model_type") != std::string::npos, e.what());
  }
}

BOOST_AUTO_TEST_CASE(what_a_model_does_not_take_is_refused) {
  const auto model = AutoModel<>::from_pretrained(data("models/vit/base").string());
  BOOST_CHECK_THROW(model.forward(Tensor<i64, 2>::from({1}, {1, 1})), unsupported_error);
  const golden g(data("models/t5/base") / "golden.safetensors");
  BOOST_CHECK_EXCEPTION(model.forward(g.pass("batch", result_names()), "t5"), value_error, [](const error& e) {
    return std::string(e.what()) == "[t5] expected an input 'pixel_values', got none";
  });
}

BOOST_AUTO_TEST_CASE(an_encoder_and_a_decoder_generate_behind_the_facade) {
  const auto folder = data("models/t5/base");
  const auto model = AutoModelForSeq2SeqLM<>::from_pretrained(folder.string());
  const golden g(folder / "golden.safetensors");
  const auto ids = generate(model, g.ids("greedy.input_ids"), {.max_new_tokens = 12});
  const auto expected = g.ids("greedy.sequences");
  BOOST_CHECK_EQUAL_COLLECTIONS(ids.data(), ids.data() + ids.size(), expected.data(),
                                expected.data() + expected.size());
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
