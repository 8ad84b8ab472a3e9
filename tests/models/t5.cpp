// T5Model, T5ForConditionalGeneration and T5EncoderModel against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/generation/generate.hpp>
#include <hft/models/t5.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(t5)

BOOST_AUTO_TEST_CASE(conditional_generation_gives_transformers_logits) {
  for (const auto& folder : cases("t5", "T5ForConditionalGeneration")) BOOST_TEST_CONTEXT(folder.filename().string())
  check_passes(T5ForConditionalGeneration<f32>::from_pretrained(folder.string()), golden(folder / "golden.safetensors"),
               "logits");
}

BOOST_AUTO_TEST_CASE(base_model_gives_transformers_hidden_states) {
  for (const auto& folder : cases("t5", "T5Model"))
    check_passes(T5Model<f32>::from_pretrained(folder.string()), golden(folder / "golden.safetensors"),
                 "last_hidden_state");
}

BOOST_AUTO_TEST_CASE(encoder_gives_transformers_hidden_states) {
  for (const auto& folder : cases("t5", "T5EncoderModel"))
    check_passes(T5EncoderModel<f32>::from_pretrained(folder.string()), golden(folder / "golden.safetensors"),
                 "last_hidden_state");
}

BOOST_AUTO_TEST_CASE(generates_transformers_tokens) {
  for (const auto& folder : cases("t5", "T5ForConditionalGeneration")) {
    const auto model = T5ForConditionalGeneration<f32>::from_pretrained(folder.string());
    const golden g(folder / "golden.safetensors");
    const auto passes = g.passes("sequences");
    BOOST_TEST(passes.size() == 5u);
    for (const auto& pass : passes) {
      GenerationConfig config{.max_new_tokens = 12};
      if (pass == "uncached") config.use_cache = false;
      if (pass == "beams") config.num_beams = 3;
      GenerateOptions options;
      options.attention_mask = g.ids(pass + ".attention_mask");
      const auto ids = generate(model, g.ids(pass + ".input_ids"), config, options);
      const auto expected = g.ids(pass + ".sequences");
      BOOST_TEST_CONTEXT(folder.filename().string() << " " << pass) {
        BOOST_TEST_REQUIRE((ids.shape() == expected.shape()));
        BOOST_CHECK_EQUAL_COLLECTIONS(ids.data(), ids.data() + ids.size(), expected.data(),
                                      expected.data() + expected.size());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_cache_gives_what_the_whole_gives) {
  const auto folder = data("models/t5/base");
  const auto model = T5ForConditionalGeneration<f32>::from_pretrained(folder.string());
  const golden g(folder / "golden.safetensors");
  const auto ids = g.ids("padded.decoder_input_ids").slice(1, 0, 2);
  const Seq2SeqInputs<f32, cpu> whole{.input_ids = g.ids("padded.input_ids"),
                                      .attention_mask = g.ids("padded.attention_mask"),
                                      .decoder_input_ids = ids};
  const auto expected = model(whole).logits;
  DynamicCache<> cache;
  auto part = whole;
  for (isize t = 0; t < 2; ++t) {
    part.decoder_input_ids = ids.slice(1, t, t + 1);
    const auto y = model(part, {.past_key_values = &cache}).logits.dense(), x = expected.slice(1, t, t + 1).dense();
    for (isize i = 0; i < y.size(); ++i) BOOST_TEST(std::abs(y.data()[i] - x.data()[i]) < 1e-4f);
  }
}

BOOST_AUTO_TEST_CASE(what_a_decoder_needs) {
  const auto model = T5ForConditionalGeneration<f32>::from_pretrained(data("models/t5/base").string());
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  const auto ids = Tensor<i64, 2>::from({5, 6, 7}, {1, 3});
  BOOST_CHECK_EXCEPTION(model(ids), value_error,
                        says("[T5] decoder_input_ids: expected the decoder's tokens, got none"));
  auto other = T5ForConditionalGeneration<f32>::from_pretrained(data("models/t5/base").string());
  other.generation_config.decoder_start_token_id = {};
  BOOST_CHECK_EXCEPTION(
      generate(other, ids, {}), value_error,
      says("[generate] decoder_start_token_id: expected a token for the decoder to start with, got none"));
}

BOOST_AUTO_TEST_SUITE_END()
