// Llama's losses and gradients against PyTorch, and what can be asked of a training pass.
#include <boost/test/unit_test.hpp>

#include <hft/models/llama.hpp>

#include "train/gradients.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(gradients_llama)

using Causal = LlamaForCausalLM<f32, autodiff<cpu>>;

static f32 item(const Tensor<f32, 1, autodiff<cpu>>& loss) { return loss.value().data()[0]; }

static std::vector<f32> all_gradients(Causal& model) {
  std::vector<f32> all;
  for_each_parameter(model, [&](const std::string&, parameter& p) {
    const auto* g = static_cast<const f32*>(p.grad());
    if (g) all.insert(all.end(), g, g + p.size());
  });
  return all;
}

BOOST_AUTO_TEST_CASE(causal_models_match_pytorch) {
  for (const char* name : {"llama", "llama_tied", "llama_biases", "llama_yarn"}) check_case<Causal>(name);
}

BOOST_AUTO_TEST_CASE(a_sequence_classifier_matches_pytorch) {
  check_case<LlamaForSequenceClassification<f32, autodiff<cpu>>>("llama_sequence");
}

BOOST_AUTO_TEST_CASE(two_backward_passes_add_up) {
  const gradient_case c("llama_tied");
  auto model = c.model<Causal>();
  backward(model(c.ids("input_ids"), c.args<Causal>()).loss);
  const auto once = all_gradients(model);
  backward(model(c.ids("input_ids"), c.args<Causal>()).loss);
  const auto twice = all_gradients(model);
  f32 worst = 0, largest = 0;
  for (std::size_t i = 0; i < once.size(); ++i)
    worst = std::max(worst, std::abs(twice[i] - 2 * once[i])), largest = std::max(largest, std::abs(once[i]));
  BOOST_TEST(worst <= 1e-5f * largest);
}

BOOST_AUTO_TEST_CASE(the_loss_is_divided_by_num_items_in_batch) {
  const gradient_case c("llama");
  const auto model = c.model<Causal>();
  auto args = c.args<Causal>();
  const auto mean = item(model(c.ids("input_ids"), args).loss);
  isize counted = 0;
  for (isize b = 0; b < args.labels.extent(0); ++b)
    for (isize t = 1; t < args.labels.extent(1); ++t)
      counted += args.labels.data()[b * args.labels.extent(1) + t] != -100;
  args.num_items_in_batch = 2 * counted;
  BOOST_TEST(item(model(c.ids("input_ids"), args).loss) == mean / 2, boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_CASE(logits_are_there_without_labels_or_where_asked_for) {
  const gradient_case c("llama");
  const auto model = c.model<Causal>();
  auto args = c.args<Causal>();
  BOOST_TEST(!model(c.ids("input_ids"), args).logits);
  args.return_logits = true;
  const auto both = model(c.ids("input_ids"), args);
  BOOST_TEST(bool(both.logits));
  args.labels = {};
  const auto y = model(c.ids("input_ids"), args);
  BOOST_TEST(!y.loss);
  const auto inference = LlamaForCausalLM<f32>::from_pretrained(c.folder().string());
  const auto expected = inference(c.ids("input_ids"), {.attention_mask = args.attention_mask}).logits;
  BOOST_TEST(std::equal(y.logits.value().data(), y.logits.value().data() + expected.size(), expected.data()));
}

BOOST_AUTO_TEST_CASE(no_grad_records_nothing) {
  const gradient_case c("llama");
  const auto model = c.model<Causal>();
  no_grad guard;
  const auto y = model(c.ids("input_ids"), c.args<Causal>());
  BOOST_TEST(item(y.loss) == f32(c.loss()), boost::test_tools::tolerance(1e-4f));
  BOOST_TEST(!y.loss.requires_grad());
  BOOST_CHECK_THROW(backward(y.loss), value_error);
}

BOOST_AUTO_TEST_CASE(a_frozen_parameter_gets_no_gradient) {
  const gradient_case c("llama");
  auto model = c.model<Causal>();
  const auto is_frozen = [](const std::string& path) { return path.find("self_attn") == path.npos; };
  for_each_parameter(model, [&](const std::string& path, parameter& p) { p.set_trainable(!is_frozen(path)); });
  backward(model(c.ids("input_ids"), c.args<Causal>()).loss);
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    BOOST_TEST(p.has_grad() == !is_frozen(path), path);
    BOOST_TEST(p.trainable() == !is_frozen(path), path);
  });
}

BOOST_AUTO_TEST_CASE(neftune_adds_noise_in_training) {
  const gradient_case c("llama");
  const auto model = c.model<Causal>();
  auto args = c.args<Causal>();
  const auto loss = [&] { return item(model(c.ids("input_ids"), args).loss); };
  const auto plain = loss();
  args.neftune_noise_alpha = 5;
  BOOST_TEST(loss() == plain);
  args.training = true;
  const auto noisy = loss();
  BOOST_TEST(noisy != plain);
  BOOST_TEST(loss() == noisy);
  args.dropout_seed = 1;
  BOOST_TEST(loss() != noisy);
}

BOOST_AUTO_TEST_CASE(wrong_labels_are_refused) {
  const gradient_case c("llama");
  const auto model = c.model<Causal>();
  auto args = c.args<Causal>();
  args.labels = Tensor<i64, 2>::zeros({1, 2});
  BOOST_CHECK_THROW(model(c.ids("input_ids"), args), shape_error);
  args.labels = c.ids("labels").clone();
  args.labels.data()[4] = model.config().vocab_size;
  BOOST_CHECK_THROW(model(c.ids("input_ids"), args), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
