// GPT-2's losses and gradients against PyTorch.
#include <boost/test/unit_test.hpp>

#include <hft/models/gpt2.hpp>

#include "train/gradients.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(gradients_gpt2)

using Causal = GPT2LMHeadModel<f32, autodiff<cpu>>;

BOOST_AUTO_TEST_CASE(causal_models_match_pytorch) {
  for (const char* name : {"gpt2", "gpt2_untied", "gpt2_scaled"}) check_case<Causal>(name);
}

BOOST_AUTO_TEST_CASE(as_inference_computes_the_same) {
  const gradient_case c("gpt2");
  const auto model = c.model<Causal>();
  const auto generating = as_inference(model);
  static_assert(std::is_same_v<decltype(generating), const GPT2LMHeadModel<f32>>);
  const auto y = generating(c.ids("input_ids")).logits;
  const auto expected = model(c.ids("input_ids")).logits.value();
  BOOST_TEST(std::equal(y.data(), y.data() + y.size(), expected.data()));
}

BOOST_AUTO_TEST_CASE(dropout_is_the_same_for_a_seed_and_when_layers_are_computed_again) {
  const gradient_case c("gpt2");
  auto model = c.model<Causal>();
  const auto step = [&](std::uint64_t seed, bool checkpointing) {
    auto args = c.args<Causal>();
    args.training = true;
    args.dropout_seed = seed;
    args.gradient_checkpointing = checkpointing;
    for_each_parameter(model, [](const std::string&, parameter& p) { p.zero_grad(); });
    const auto loss = model(c.ids("input_ids"), args).loss;
    backward(loss);
    std::vector<f32> all{loss.value().data()[0]};
    for_each_parameter(model, [&](const std::string&, parameter& p) {
      const auto* g = static_cast<const f32*>(p.grad());
      all.insert(all.end(), g, g + p.size());
    });
    return all;
  };
  const auto first = step(7, false);
  BOOST_TEST((first == step(7, false)));
  BOOST_TEST((first == step(7, true)));
  BOOST_TEST((first != step(8, false)));
  BOOST_TEST(std::abs(first[0] - f32(c.loss())) > 1e-3f);  // dropout is active: this is no evaluation
}

BOOST_AUTO_TEST_SUITE_END()
