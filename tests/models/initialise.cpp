// A model's start: weights as Transformers' _init_weights draws them, and what a checkpoint lacks.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include <hft/models/bert.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/qwen2.hpp>

#include "../log_of.hpp"
#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(initialise)

namespace {

LlamaConfig small_llama() {
  return {.vocab_size = 61,
          .hidden_size = 48,
          .intermediate_size = 80,
          .num_hidden_layers = 2,
          .num_attention_heads = 4,
          .initializer_range = 0.05,
          .pad_token_id = 3,
          .attention_bias = true};
}

template <class Model>
std::vector<f32> values_of(Model& model, const std::string& wanted) {
  std::vector<f32> out;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    if (path != wanted) return;
    const auto* v = static_cast<const f32*>(p.data());
    out.assign(v, v + p.size());
  });
  BOOST_TEST_REQUIRE(!out.empty(), "no parameter " << wanted);
  return out;
}

f64 deviation(const std::vector<f32>& values) {
  f64 sum = 0;
  for (const f32 v : values) sum += f64(v) * v;
  return std::sqrt(sum / f64(values.size()));
}

}  // namespace

BOOST_AUTO_TEST_CASE(weights_are_normal_norms_one_biases_zero) {
  auto model = LlamaForCausalLM<f32>::from_config(small_llama(), 5);
  int weights = 0, norms = 0, biases = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const auto* v = static_cast<const f32*>(p.data());
    const std::vector<f32> values(v, v + p.size());
    BOOST_TEST_CONTEXT(path) {
      if (p.shape().size() == 2) {
        ++weights;
        BOOST_TEST(std::abs(deviation(values) / 0.05 - 1) < 0.06);
      } else {
        const f32 expected = path.ends_with("bias") ? 0.0f : 1.0f;
        ++(expected == 0 ? biases : norms);
        for (const f32 x : values) BOOST_TEST(x == expected);
      }
    }
  });
  BOOST_TEST(weights == 2 * 7 + 2);
  BOOST_TEST(norms == 5);
  BOOST_TEST(biases == 8);
  const auto table = values_of(model, "model.embed_tokens.weight");
  for (isize c = 0; c < 48; ++c) BOOST_TEST(table[std::size_t(3 * 48 + c)] == 0.0f);  // of the pad token
}

BOOST_AUTO_TEST_CASE(a_seed_gives_the_same_model_whatever_its_dtype) {
  auto a = LlamaForCausalLM<f32>::from_config(small_llama(), 5),
       b = LlamaForCausalLM<f32>::from_config(small_llama(), 5),
       c = LlamaForCausalLM<f32>::from_config(small_llama(), 6);
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  BOOST_TEST((values_of(a, name) == values_of(b, name)));
  BOOST_TEST((values_of(a, name) != values_of(c, name)));
  const auto ids = Tensor<i64, 2>::from({5, 7, 11}, {1, 3});
  const auto y = a(ids).logits, half = LlamaForCausalLM<bf16>::from_config(small_llama(), 5)(ids).logits;
  f32 largest = 0, worst = 0;
  for (isize i = 0; i < y.size(); ++i) {
    largest = std::max(largest, std::abs(y.data()[i]));
    worst = std::max(worst, std::abs(y.data()[i] - f32(half.data()[i])));
  }
  BOOST_TEST(worst < 0.05f * largest);
}

BOOST_AUTO_TEST_CASE(a_model_without_weights_says_so) {
  const LlamaForCausalLM<f32> bare(small_llama());
  BOOST_CHECK_THROW(bare(Tensor<i64, 2>::from({5, 7}, {1, 2})), weight_error);
  const auto folder = std::filesystem::temp_directory_path() / "hft_without_weights";
  BOOST_CHECK_THROW(bare.save_pretrained(folder), weight_error);
  BOOST_TEST(!std::filesystem::exists(folder));
  const LlamaForCausalLM<any_q> any(small_llama());
  BOOST_CHECK_THROW(any(Tensor<i64, 2>::from({5, 7}, {1, 2})), weight_error);
}

BOOST_AUTO_TEST_CASE(what_adds_to_gpt2s_stream_begins_smaller) {
  GPT2Config config;
  config.vocab_size = 61, config.n_embd = 48, config.n_head = 4, config.n_layer = 2, config.n_positions = 9;
  auto model = GPT2LMHeadModel<f32>::from_config(config, 1);
  BOOST_TEST(std::abs(deviation(values_of(model, "transformer.h.1.mlp.c_fc.weight")) / 0.02 - 1) < 0.06);
  BOOST_TEST(std::abs(deviation(values_of(model, "transformer.h.1.mlp.c_proj.weight")) / 0.01 - 1) < 0.06);
}

BOOST_AUTO_TEST_CASE(a_head_that_the_checkpoint_lacks_is_drawn_where_that_is_asked_for) {
  const auto folder = data("models/bert/base").string();
  BOOST_CHECK_THROW(BertForSequenceClassification<f32>::from_pretrained(folder), weight_error);
  ::test::log_of log;
  auto model = BertForSequenceClassification<f32>::from_pretrained(folder, {.init_missing = true, .num_labels = 5});
  BOOST_TEST(model.config().id2label.count() == 5);
  BOOST_TEST(model.classifier.weight.extent(0) == 5);
  BOOST_TEST(log.has("'classifier.weight'"));
  BOOST_TEST(deviation(values_of(model, "classifier.weight")) > 0.01);
  const auto named = BertForSequenceClassification<f32>::from_pretrained(
      folder, {.init_missing = true, .id2label = {"no", "yes", "so"}});
  BOOST_TEST((named.config().id2label.names == std::vector<std::string>{"no", "yes", "so"}));
}

BOOST_AUTO_TEST_CASE(another_shape_is_drawn_anew_where_that_is_asked_for) {
  const auto folder = data("models/bert/sequence_classification").string();
  const auto before = BertForSequenceClassification<f32>::from_pretrained(folder).config().id2label.count();
  BOOST_CHECK_THROW(BertForSequenceClassification<f32>::from_pretrained(folder, {.num_labels = before + 2}),
                    weight_error);
  ::test::log_of log;
  const auto model = BertForSequenceClassification<f32>::from_pretrained(
      folder, {.ignore_mismatched_sizes = true, .num_labels = before + 2});
  BOOST_TEST(model.classifier.weight.extent(0) == before + 2);
  BOOST_TEST(log.has("'classifier.bias'"));
}

BOOST_AUTO_TEST_SUITE_END()
