// Adapters of GPT-2 (Conv1D, biases, a module saved whole) and BERT against peft, and the rules of target modules.
#include <hft/models/bert.hpp>
#include <hft/models/gpt2.hpp>

#include "train/lora.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(lora_others)

BOOST_AUTO_TEST_CASE(gpt2) {
  for (const char* name : {"gpt2_bias", "gpt2_all_biases"})
    check_lora_case<GPT2LMHeadModel<f32, autodiff<cpu>, with_lora>, GPT2LMHeadModel<f32, cpu, with_lora>>(name);
}

BOOST_AUTO_TEST_CASE(bert) {
  check_lora_case<BertForSequenceClassification<f32, autodiff<cpu>, with_lora>,
                  BertForSequenceClassification<f32, cpu, with_lora>>("bert_sequence");
}

BOOST_AUTO_TEST_CASE(targets) {
  LoraConfig c{.target_modules = {"q_proj", "mlp.up"}};
  BOOST_TEST(is_target(c, "model.layers.0.q_proj"));
  BOOST_TEST(is_target(c, "q_proj"));
  BOOST_TEST(is_target(c, "a.mlp.up"));
  BOOST_TEST(!is_target(c, "model.layers.0.xq_proj"));
  BOOST_TEST(!is_target(c, "model.layers.0.q_proj.inner"));
  c.layers_to_transform = {1, 12};
  BOOST_TEST(!is_target(c, "model.layers.0.q_proj"));
  BOOST_TEST(is_target(c, "model.layers.12.attn.q_proj"));
  BOOST_TEST(!is_target(c, "h.1.q_proj"));  // peft's default wants something before the list's name
  c.layers_pattern = {"h"};
  BOOST_TEST(is_target(c, "h.1.q_proj"));
  BOOST_TEST(!is_target(c, "model.layers.1.q_proj"));
  c = {.target_modules = R"(.*\.(q|v)_proj)", .exclude_modules = {"0.q_proj"}, .modules_to_save = {"head"}};
  BOOST_TEST(is_target(c, "a.1.q_proj"));
  BOOST_TEST(!is_target(c, "a.1.q_proj.x"));
  BOOST_TEST(!is_target(c, "a.0.q_proj"));
  BOOST_TEST(!is_target(c, "a.head.q_proj"));
  BOOST_CHECK_THROW(is_target({.target_modules = "(q"}, "q"), error);
  BOOST_TEST(pattern_value<isize>({{"layers.1.q", 3}, {".*q", 4}}, "a.layers.1.q", 8) == 3);
  BOOST_TEST(pattern_value<isize>({{"layers.1.q", 3}, {".*q", 4}}, "a.layers.0.q", 8) == 4);
  BOOST_TEST(pattern_value<isize>({{"layers.1.q", 3}, {"q", 4}}, "a.layers.0.xq", 8) == 8);
}

BOOST_AUTO_TEST_SUITE_END()
