// Adapters of GPT-2 (Conv1D, biases, a module saved whole) and BERT against peft, and the rules of target modules.
#include <hft/models/bert.hpp>
#include <hft/models/gpt2.hpp>

#include "train/lora.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(lora_others)

BOOST_AUTO_TEST_CASE(gpt2) {
  using Trained = GPT2LMHeadModel<f32, autodiff<cpu>, with_lora>;
  using Inference = GPT2LMHeadModel<f32, cpu, with_lora>;
  for (const char* name :
       {"gpt2_bias", "gpt2_all_biases", "gpt2_saved_biases", "gpt2_embedding", "gpt2_dora", "gpt2_tokens"})
    check_lora_case<Trained, Inference>(name);
  check_resized_case<Trained, Inference>("gpt2_resized");
}

BOOST_AUTO_TEST_CASE(modules_saved_whole_belong_to_their_adapter) {
  const lora_case c("gpt2_bias");
  using Model = GPT2LMHeadModel<f32, autodiff<cpu>, with_lora>;
  PeftModel model(Model::from_pretrained(c.base().string()), c.adapter, "default", true);
  const auto first = c.logits(model);
  model.add_adapter("other", {.bias = "all", .modules_to_save = {"wpe", "ln_f"}});
  model.set_adapter("other");
  BOOST_TEST(distance(c.logits(model), first) > 1e-3);
  std::vector<f32> base;
  {
    const auto guard = model.disable_adapter();
    base = c.logits(model);
  }
  BOOST_TEST((c.logits(model) == base));  // a new adapter changes nothing yet
  for_each_parameter(model, [](const std::string& path, parameter& p) {
    const bool whole = path.find("wpe") != path.npos || path.find("ln_f") != path.npos || path.ends_with("bias");
    BOOST_TEST(p.trainable() == (whole || path.find(".other.") != path.npos), path);
    if (whole) static_cast<f32*>(p.data())[0] += 1;  // as training would
  });
  const auto trained = c.logits(model);
  BOOST_TEST(distance(trained, base) > 1e-3);
  const scratch_folder out("whole");
  model.save_pretrained(out.path);  // the one that is not active, too
  BOOST_TEST((file_text(out.path / "adapter_model.safetensors") == file_text(c.adapter / "adapter_model.safetensors")));
  model.set_adapter("default");
  BOOST_TEST((c.logits(model) == first));
  model.set_adapter("other");
  BOOST_TEST((c.logits(model) == trained));
  PeftModel again(Model::from_pretrained(c.base().string()), out.path / "other", "other");
  BOOST_TEST((c.logits(again) == trained));
  {
    const auto guard = model.disable_adapter();
    BOOST_TEST((c.logits(model) == base));
  }
}

BOOST_AUTO_TEST_CASE(bert) {
  for (const char* name : {"bert_sequence", "bert_all_linear", "bert_classifier_biases", "bert_embedding"})
    check_lora_case<BertForSequenceClassification<f32, autodiff<cpu>, with_lora>,
                    BertForSequenceClassification<f32, cpu, with_lora>>(name);
  using Trained = BertForMaskedLM<f32, autodiff<cpu>, with_lora>;
  using Inference = BertForMaskedLM<f32, cpu, with_lora>;
  for (const char* name : {"bert_masked", "bert_tied_biases", "bert_decoder_bias", "bert_saved_cls",
                           "bert_saved_decoder", "bert_saved_words"})
    check_lora_case<Trained, Inference>(name);
  check_resized_case<Trained, Inference>("bert_resized");
  // peft leaves the head's bias out where it replaces tokens of its weight, and no merged weight does.
  const lora_case tokens("bert_tokens");
  check_training<Trained>(tokens);
  const PeftModel model(Inference::from_pretrained(tokens.base().string()), tokens.adapter);
  BOOST_TEST(distance(tokens.logits(model), tokens.expected_logits()) < 2e-4);
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
