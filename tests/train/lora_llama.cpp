// Adapters of Llama against peft; several adapters, dropout, files that do not fit.
#include <hft/models/llama.hpp>
#include <hft/train/as_inference.hpp>

#include "train/lora.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(lora_llama)

namespace {
using Trained = LlamaForCausalLM<f32, autodiff<cpu>, with_lora>;
using Inference = LlamaForCausalLM<f32, cpu, with_lora>;
}  // namespace

BOOST_AUTO_TEST_CASE(causal) {
  for (const char* name : {"llama_qv", "llama_all_linear", "llama_regex", "llama_layers", "llama_tied_head"})
    check_lora_case<Trained, Inference>(name);
}

BOOST_AUTO_TEST_CASE(embeddings) {
  for (const char* name : {"llama_embedding", "llama_tied_embedding"}) check_lora_case<Trained, Inference>(name);
}

BOOST_AUTO_TEST_CASE(dora) {
  for (const char* name : {"llama_dora", "llama_dora_biases"}) check_lora_case<Trained, Inference>(name);
}

BOOST_AUTO_TEST_CASE(modules_saved_whole) {
  for (const char* name : {"llama_saved_head", "llama_saved_embedding", "llama_saved_both"})
    check_lora_case<Trained, Inference>(name);
}

BOOST_AUTO_TEST_CASE(a_bias_of_its_own) { check_lora_case<Trained, Inference>("llama_lora_bias"); }

BOOST_AUTO_TEST_CASE(tokens_alone) {
  for (const char* name : {"llama_tokens", "llama_tokens_apart"}) check_lora_case<Trained, Inference>(name);
}

BOOST_AUTO_TEST_CASE(a_tie_that_stays) { check_lora_case<Trained, Inference>("llama_ensured_tie"); }

BOOST_AUTO_TEST_CASE(a_resized_vocabulary) { check_resized_case<Trained, Inference>("llama_resized"); }

BOOST_AUTO_TEST_CASE(patterns_that_mean_no_target_are_named) {
  const lora_case c("llama_qv");
  const auto model = get_peft_model(Inference::from_pretrained(c.base().string()),
                                    {.target_modules = {"q_proj"},
                                     .rank_pattern = {{"q_proj", 2}, {"k_proj", 3}, {"up", 4}},
                                     .alpha_pattern = {{"layers.0.self_attn.q_proj", 2}, {"proj", 3}}});
  BOOST_TEST_REQUIRE(model.warnings().size() == 2u);
  BOOST_TEST(model.warnings()[0].find("rank_pattern") != std::string::npos, model.warnings()[0]);
  BOOST_TEST(model.warnings()[0].ends_with("k_proj, up"), model.warnings()[0]);
  BOOST_TEST(model.warnings()[1].ends_with(" proj"), model.warnings()[1]);
}

BOOST_AUTO_TEST_CASE(factors_taken_from_the_base) {
  for (const char* name : {"llama_pissa", "llama_olora"}) check_lora_case<Trained, Inference>(name);
}

BOOST_AUTO_TEST_CASE(sequence_classification) {
  check_lora_case<LlamaForSequenceClassification<f32, autodiff<cpu>, with_lora>,
                  LlamaForSequenceClassification<f32, cpu, with_lora>>("llama_sequence");
}

BOOST_AUTO_TEST_CASE(a_new_adapter_changes_nothing_and_trains_alone) {
  const lora_case c("llama_qv");
  const auto before = c.logits(Inference::from_pretrained(c.base().string()));
  auto model = get_peft_model(Trained::from_pretrained(c.base().string()), {.target_modules = "all-linear"});
  BOOST_TEST((c.logits(as_inference(model.base_model())) == before));
  isize trainable = 0, drawn = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const bool factor = path.find(".lora_") != path.npos;
    BOOST_TEST(p.trainable() == factor, path);
    if (!factor) return;
    trainable += p.size();
    const auto* v = static_cast<const f32*>(p.data());
    const f64 bound = 1 / std::sqrt(f64(p.shape()[1]));
    for (isize i = 0; i < p.size(); ++i) {
      drawn += v[i] != 0;
      BOOST_TEST(std::abs(f64(v[i])) <= (path.find("lora_B") == path.npos ? bound : 0));
    }
  });
  BOOST_TEST(trainable > 0);
  BOOST_TEST(drawn > 1000);
  BOOST_TEST(model.peft_config().target_modules.names.size() == 14u);  // what "all-linear" found
}

BOOST_AUTO_TEST_CASE(several_adapters) {
  const lora_case c("llama_qv");
  PeftModel model(Trained::from_pretrained(c.base().string()), c.adapter, "first", true);
  const auto first = c.logits(model);
  BOOST_TEST(distance(c.logits(as_inference(model.base_model())), first) < 1e-6);
  model.add_adapter("second", {.r = 2, .target_modules = {"down_proj"}, .init_lora_weights = LoraInit::random}, 7);
  BOOST_TEST((c.logits(model) == first));  // the first one stays active
  model.set_adapter("second");
  const auto second = c.logits(model);
  BOOST_TEST(distance(second, first) > 1e-3);
  for_each_parameter(model, [](const std::string& path, parameter& p) {
    BOOST_TEST(p.trainable() == (path.find(".second.") != path.npos), path);
  });
  model.set_adapter(std::vector<std::string>{"first", "second"});
  const auto both = c.logits(model);
  BOOST_TEST(distance(both, first) > 1e-3);
  model.merge_adapter();
  BOOST_TEST(distance(c.logits(model), both) < 1e-4);
  model.set_adapter("first");
  BOOST_TEST((c.logits(model) == first));
  model.delete_adapter("second");
  BOOST_TEST((c.logits(model) == first));
  BOOST_CHECK_THROW(model.set_adapter("second"), value_error);
  BOOST_CHECK_THROW(model.add_adapter("first", {}), value_error);
  BOOST_CHECK_THROW(model.add_adapter("a.b", {}), value_error);
  BOOST_CHECK_THROW(model.add_adapter("third", {.target_modules = {"no_such_proj"}}), value_error);
  const auto base = std::move(model).unload();
  BOOST_TEST((c.logits(base) == c.logits(Inference::from_pretrained(c.base().string()))));
}

BOOST_AUTO_TEST_CASE(dropout_is_of_training_and_the_same_when_layers_are_computed_again) {
  const lora_case c("llama_qv");
  for (const bool dora : {false, true}) {
    PeftModel model(Trained::from_pretrained(c.base().string()));
    model.add_adapter("default", {.r = 4, .lora_dropout = 0.5, .use_dora = dora, .init_lora_weights = LoraInit::random},
                      3);
    auto args = c.args<Trained>();
    args.labels = c.ids("labels");
    const auto gradients = [&](bool training, std::uint64_t seed, bool checkpointing) {
      args.training = training;
      args.dropout_seed = seed;
      args.gradient_checkpointing = checkpointing;
      for_each_parameter(model, [](const std::string&, parameter& p) { p.zero_grad(); });
      backward(model(c.ids("input_ids"), args).loss);
      std::vector<f32> out;
      for_each_parameter(model, [&](const std::string&, parameter& p) {
        if (p.has_grad()) out.insert(out.end(), static_cast<f32*>(p.grad()), static_cast<f32*>(p.grad()) + p.size());
      });
      return out;
    };
    const auto none = gradients(false, 1, false), one = gradients(true, 1, false);
    BOOST_TEST((one != none));
    BOOST_TEST((one == gradients(true, 1, false)));
    BOOST_TEST((one != gradients(true, 2, false)));
    BOOST_TEST(distance(gradients(true, 1, true), one) < 1e-6);
    BOOST_TEST((none == gradients(false, 5, false)));
  }
}

BOOST_AUTO_TEST_CASE(an_adapter_that_took_from_the_base_gives_it_back) {
  const lora_case c("llama_pissa");
  const auto base = c.logits(Inference::from_pretrained(c.base().string()));
  PeftModel model(Inference::from_pretrained(c.base().string()), c.adapter);
  const auto adapted = c.logits(model);
  model.delete_adapter("default");  // as a trainer does that resumes
  BOOST_TEST((c.logits(model) == base));
  model.load_adapter(c.adapter, "default");
  BOOST_TEST((c.logits(model) == adapted));
  for (const LoraInit init : {LoraInit::pissa, LoraInit::olora}) {
    auto fresh = get_peft_model(Trained::from_pretrained(c.base().string()),
                                {.r = 3, .lora_alpha = 5, .target_modules = "all-linear", .init_lora_weights = init});
    BOOST_TEST(distance(c.logits(as_inference(fresh.base_model())), base) < 1e-5);
  }
  BOOST_CHECK_THROW(model.add_adapter("large", {.r = 1000, .init_lora_weights = LoraInit::pissa}), value_error);
  BOOST_CHECK_THROW(model.add_adapter("e", {.target_modules = {"embed_tokens"}, .init_lora_weights = LoraInit::pissa}),
                    unsupported_error);
  BOOST_CHECK_THROW(model.add_adapter("e", {.init_lora_weights = LoraInit::eva}), unsupported_error);
}

BOOST_AUTO_TEST_CASE(embeddings_and_magnitudes_of_new_adapters) {
  const lora_case c("llama_tied_embedding");  // its head is tied
  const auto base = c.logits(Inference::from_pretrained(c.base().string()));
  auto model = get_peft_model(Trained::from_pretrained(c.base().string()),
                              {.r = 2, .target_modules = {"embed_tokens", "q_proj"}, .use_dora = true});
  BOOST_TEST(distance(c.logits(as_inference(model.base_model())), base) < 1e-5);  // changes nothing yet
  for_each_parameter(model, [](const std::string& path, parameter& p) {
    if (p.trainable()) static_cast<f32*>(p.data())[p.size() / 2] += 0.5f;
    BOOST_TEST(p.trainable() == (path.find(".lora_") != path.npos), path);
  });
  const auto adapted = c.logits(as_inference(model.base_model()));
  BOOST_TEST(distance(adapted, base) > 1e-3);
  model.merge_adapter();  // the head must not change with its embedding
  BOOST_TEST(distance(c.logits(as_inference(model.base_model())), adapted) < 1e-4);
  model.unmerge_adapter();
  const scratch_folder out("new");
  model.save_pretrained(out.path);
  const PeftModel again(Inference::from_pretrained(c.base().string()), out.path);
  BOOST_TEST(distance(c.logits(again), adapted) < 1e-6);
  const auto unloaded = std::move(model).unload();
  BOOST_TEST((c.logits(as_inference(unloaded)) == base));
}

BOOST_AUTO_TEST_CASE(settings_that_peft_refuses) {
  const lora_case c("llama_qv");
  PeftModel model(Inference::from_pretrained(c.base().string()));
  const auto add = [&](const LoraConfig& config) { model.add_adapter("default", config); };
  BOOST_CHECK_THROW(add({.target_modules = ".*q_proj", .layers_to_transform = {0}}), config_error);
  BOOST_CHECK_THROW(add({.target_modules = "all-linear", .layers_pattern = {"layers"}}), config_error);
  BOOST_CHECK_THROW(add({.target_modules = {"q_proj"}, .layers_pattern = {"layers"}}), config_error);
  BOOST_CHECK_THROW(add({.target_modules = {"mlp"}}), unsupported_error);  // no layer, but modules of layers
  BOOST_CHECK_THROW(add({.target_modules = {"q_proj", "input_layernorm"}}), unsupported_error);
  BOOST_CHECK_THROW(add({.target_modules = {"q_proj"}, .exclude_modules = {"q_proj"}}), value_error);
  BOOST_CHECK_THROW(add({.target_modules = {"q_proj"}, .modules_to_save = {"no_such_head"}}), value_error);
  BOOST_TEST(model.adapter_names().empty());
  BOOST_CHECK_NO_THROW(add({.target_modules = "ALL-LINEAR"}));  // in any case
}

BOOST_AUTO_TEST_CASE(files_that_do_not_fit) {
  const lora_case c("llama_qv");
  const scratch_folder bad("bad");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = file_text(c.adapter / "adapter_config.json");
    const auto at = text.find(from);
    BOOST_TEST_REQUIRE(at != text.npos);
    write_file_atomically(bad.path / "adapter_config.json", text.replace(at, from.size(), to));
    std::filesystem::copy_file(c.adapter / "adapter_model.safetensors", bad.path / "adapter_model.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
    PeftModel model(Inference::from_pretrained(c.base().string()));
    const auto before = c.logits(model);
    try {
      model.load_adapter(bad.path, "default");
    } catch (const error&) {
      BOOST_TEST(model.adapter_names().empty());
      BOOST_TEST((c.logits(model) == before));
      throw;
    }
  };
  BOOST_CHECK_NO_THROW(with("\"r\": 4", "\"r\": 4"));
  BOOST_CHECK_THROW(with("\"r\": 4", "\"r\": 5"), weight_error);
  BOOST_CHECK_THROW(with("\"r\": 4", "\"r\": 1000000000000"), weight_error);  // before memory is asked for
  BOOST_CHECK_THROW(with("\"r\": 4", "\"r\": 0"), config_error);
  BOOST_CHECK_THROW(with("\"r\": 4", "\"r\": \"four\""), format_error);
  BOOST_CHECK_THROW(with("\"q_proj\"", "\"k_proj\""), weight_error);
  BOOST_CHECK_THROW(with("\"use_dora\": false", "\"use_dora\": true"), weight_error);  // no magnitudes in the file
  BOOST_CHECK_THROW(with("\"use_qalora\": false", "\"use_qalora\": true"), unsupported_error);
  BOOST_CHECK_THROW(with("\"LORA\"", "\"IA3\""), unsupported_error);
  BOOST_CHECK_THROW(with("\"init_lora_weights\": true", "\"init_lora_weights\": \"corda\""), unsupported_error);
  BOOST_CHECK_THROW(with("\"lora_dropout\": 0.0", "\"lora_dropout\": 1.5"), config_error);
  PeftModel other(Inference::from_pretrained(data("models/llama/mqa").string()));
  BOOST_CHECK_THROW(other.load_adapter(c.adapter, "default"), weight_error);
  BOOST_CHECK_THROW(other.load_adapter(bad.path / "nowhere", "default"), file_error);
}

BOOST_AUTO_TEST_SUITE_END()
