// EncoderDecoderModel: which halves it takes, and what it says of others.
#include <boost/test/unit_test.hpp>
#include <string>

#include <hft/models/encoder_decoder.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(encoder_decoder_halves)

namespace {
EncoderDecoderConfig read(const std::string& encoder, const std::string& decoder) {
  const std::string text = R"({"encoder": )" + encoder + R"(, "decoder": )" + decoder + "}";
  return config_from_json<EncoderDecoderConfig>(parse_json(text, "config.json"), "config.json");
}
const std::string bert = R"({"model_type": "bert"})";
const std::string decodes = R"(, "is_decoder": true, "add_cross_attention": true})";

template <class Error>
void refuse(const std::string& encoder, const std::string& decoder, const char* says) {
  BOOST_CHECK_EXCEPTION(read(encoder, decoder), Error, [&](const Error& e) {
    BOOST_TEST_CONTEXT(e.what()) BOOST_TEST(std::string(e.what()).find(says) != std::string::npos);
    return true;
  });
}
}  // namespace

BOOST_AUTO_TEST_CASE(other_halves_are_refused) {
  refuse<unsupported_error>(R"({"model_type": "longformer"})", R"({"model_type": "bert")" + decodes,
                            "encoder.model_type: expected one of albert, bert, ");
  // Transformers has names for its cross-attention, and no shapes that fit each other.
  refuse<unsupported_error>(bert, R"({"model_type": "gpt_bigcode")" + decodes,
                            "pegasus, prophetnet, roberta, roformer, xglm, xlm-roberta, got 'gpt_bigcode'");
  refuse<unsupported_error>(bert, R"({"model_type": "distilbert")" + decodes, "decoder.model_type");
  refuse<unsupported_error>(bert, R"({"model_type": "bert", "is_decoder": false})", "decoder.is_decoder");
  refuse<unsupported_error>(bert, R"({"model_type": "roberta", "add_cross_attention": false})",
                            "decoder.add_cross_attention");
  refuse<unsupported_error>(bert, R"({"model_type": "gpt2", "add_cross_attention": false})",
                            "decoder.add_cross_attention");
  refuse<unsupported_error>(R"({"model_type": "bert", "is_decoder": true})", R"({"model_type": "bert")" + decodes,
                            "encoder.is_decoder");
  refuse<unsupported_error>(bert, R"({"model_type": "prophetnet", "tie_word_embeddings": false})",
                            "decoder.tie_word_embeddings");
  refuse<config_error>(bert, R"({"model_type": "roformer", "hidden_size": 36, "num_attention_heads": 4)" + decodes,
                       "hidden_size: expected heads of an even size");
  refuse<config_error>(R"({"model_type": "distilbert", "n_heads": 7})", R"({"model_type": "bert")" + decodes,
                       "n_heads");
  refuse<config_error>(bert, R"({"model_type": "xglm", "attention_heads": 7, "add_cross_attention": true})",
                       "attention_heads");
}

BOOST_AUTO_TEST_CASE(halves_keep_their_fields) {
  const auto config =
      read(R"({"model_type": "electra", "embedding_size": 20, "id2label": {"0": "no"}})",
           R"({"model_type": "mbart", "scale_embedding": true, "decoder_layers": 3, "encoder_layers": 3})");
  BOOST_TEST(config.encoder_config.config.as<ElectraConfig>().embedding_size == 20);
  const json written = config_to_json(config);
  BOOST_TEST(written["encoder"]["embedding_size"].dump() == "20");
  BOOST_TEST(written["encoder"]["id2label"]["0"].dump() == "\"no\"");
  BOOST_TEST(written["decoder"]["model_type"].dump() == "\"mbart\"");
  BOOST_TEST(written["decoder"]["decoder_layers"].dump() == "3");
  BOOST_TEST(written["decoder"]["scale_embedding"].dump() == "true");
  const auto again = config_from_json<EncoderDecoderConfig>(written, "config.json");
  BOOST_TEST(config_to_json(again)["decoder"].dump() == written["decoder"].dump());
  BOOST_TEST(again.encoder_config.config.as<ElectraConfig>().id2label.names.at(0) == "no");
}

BOOST_AUTO_TEST_CASE(halves_of_a_program) {
  RobertaConfig encoder;
  encoder.vocab_size = 19, encoder.hidden_size = 8, encoder.num_hidden_layers = 1, encoder.num_attention_heads = 2;
  encoder.intermediate_size = 8, encoder.max_position_embeddings = 9, encoder.initializer_range = 0.5;
  GPT2Config decoder;
  decoder.vocab_size = 13, decoder.n_embd = 12, decoder.n_layer = 1, decoder.n_head = 2, decoder.n_positions = 7;
  decoder.initializer_range = 0.25;
  EncoderDecoderConfig config{encoder, decoder};
  config.pad_token_id = 1, config.decoder_start_token_id = 0;
  // Each half begins as its own config says.
  BOOST_TEST(config.initial_deviation("encoder.embeddings.word_embeddings.weight") == 0.5);
  BOOST_TEST(config.initial_deviation("decoder.transformer.wte.weight") == 0.25);
  BOOST_TEST((config.projection() == std::pair<isize, isize>{8, 12}));
  const auto model = EncoderDecoderModel<f32>::from_config(config, 3);
  const auto out = model(Seq2SeqInputs<f32, cpu>{.input_ids = Tensor<i64, 2>::from({5, 6, 1}, {1, 3}),
                                                 .decoder_input_ids = Tensor<i64, 2>::from({0, 4}, {1, 2})});
  BOOST_TEST((out.logits.shape() == Shape<3>{1, 2, 13}));
  BOOST_TEST(model.input_embeddings() == "encoder.embeddings.word_embeddings.weight");
  BOOST_TEST(model.output_embeddings() == "decoder.lm_head.weight");
}

BOOST_AUTO_TEST_SUITE_END()
