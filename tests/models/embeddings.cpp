// The tables of the vocabulary, looked at and replaced.
#include <boost/test/unit_test.hpp>

#include <hft/generation/generate.hpp>
#include <hft/models/bert.hpp>
#include <hft/models/qwen2.hpp>
#include <hft/models/t5.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(embeddings)

namespace {
template <class Model>
Model loaded(const std::string& folder) {
  return Model::from_pretrained(data("models/" + folder).string());
}
}  // namespace

BOOST_AUTO_TEST_CASE(a_tied_head_follows_the_table) {
  auto model = loaded<LlamaForCausalLM<f32>>("llama/tied");
  BOOST_TEST(model.get_input_embeddings().data() == model.get_output_embeddings().data());
  model.set_input_embeddings(Tensor<f32, 2>::filled(model.get_input_embeddings().shape(), 0.5f));
  BOOST_TEST(model.get_output_embeddings().data()[3] == 0.5f);
  const auto logits = model(Tensor<i64, 2>::from({5, 6}, {1, 2})).logits;
  BOOST_TEST(logits.data()[0] == logits.data()[1]);  // rows of one table that are equal
}

BOOST_AUTO_TEST_CASE(a_head_that_is_replaced_is_tied_no_longer) {
  auto model = loaded<LlamaForCausalLM<f32>>("llama/tied");
  const f32 first = model.get_input_embeddings().data()[0];
  model.set_output_embeddings(Tensor<f32, 2>::filled(model.get_output_embeddings().shape(), 0.25f));
  BOOST_TEST(model.get_input_embeddings().data()[0] == first);
  BOOST_TEST(!model.config().tie_word_embeddings);
  model.tie_weights();
  BOOST_TEST(model.get_output_embeddings().data()[0] == 0.25f);
  BOOST_CHECK_EXCEPTION(model.set_input_embeddings(Tensor<f32, 2>::zeros({3, 4})), shape_error, [](const error& e) {
    return std::string(e.what()).find("[embeddings] table: expected (") == 0;
  });
}

BOOST_AUTO_TEST_CASE(every_kind_of_model_has_its_tables) {
  auto t5 = loaded<T5ForConditionalGeneration<f32>>("t5/base");
  t5.set_input_embeddings(Tensor<f32, 2>::filled(t5.get_input_embeddings().shape(), 2.0f));
  BOOST_TEST(t5.get_output_embeddings().data()[0] == 2.0f);
  BOOST_TEST(t5.model.decoder.embeddings.embed_tokens.weight.data() == t5.get_input_embeddings().data());
  auto bert = loaded<BertForMaskedLM<f32>>("bert/masked_lm");
  bert.set_input_embeddings(Tensor<f32, 2>::filled(bert.get_input_embeddings().shape(), 3.0f));
  BOOST_TEST(bert.get_output_embeddings().data()[0] == 3.0f);
}

// What generate keeps of a layer with a window is what it shows, and the tokens are the same.
BOOST_AUTO_TEST_CASE(windows_of_the_config_are_the_caches) {
  const auto model = loaded<Qwen2ForCausalLM<f32>>("qwen2/layer_types");
  const auto options = model.cache_options();
  BOOST_TEST(options.sliding_window == *model.config().sliding_window);
  BOOST_TEST(options.layer_types == model.config().layer_types, boost::test_tools::per_element());
  const auto prompt = Tensor<i64, 2>::from({5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, {2, 5});
  const GenerationConfig config{.max_new_tokens = 20, .num_beams = 2, .eos_token_id = TokenIds{}};
  const auto ids = generate(model, prompt, config);
  DynamicCache<> all;
  const auto expected = generate(model, prompt, config, {.past_key_values = &all});
  BOOST_CHECK_EQUAL_COLLECTIONS(ids.data(), ids.data() + ids.size(), expected.data(),
                                expected.data() + expected.size());
  BOOST_TEST(loaded<LlamaForCausalLM<f32>>("llama/base").cache_options().layer_types.empty());
}

BOOST_AUTO_TEST_SUITE_END()
