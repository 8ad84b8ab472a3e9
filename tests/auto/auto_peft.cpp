// Adapters on models behind the facade.
#include <boost/test/unit_test.hpp>

#include <hft/auto_peft.hpp>
#include <hft/generation/generate.hpp>

#include "models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(auto_peft)

BOOST_AUTO_TEST_CASE(an_adapter_on_a_model_of_any_class) {
  const auto folder = data("peft/llama_qv");
  const golden g(folder / "golden.safetensors");
  const auto base = data("models/llama/base").string();
  auto model = AutoModelForCausalLM<any_q, cpu, archs_with_adapters<archs<llama>>>::from_pretrained(base);
  const auto ids = g.ids("input_ids").slice(0, 0, 1);  // a row without padding
  const auto before = model(ids).logits.clone();
  load_adapter(model, folder);
  const auto after = model(ids).logits.dense();
  const auto* expected = reinterpret_cast<const f32*>(g.at("logits").bytes.data());
  f64 worst = 0, largest = 0, change = 0;
  for (isize i = 0; i < after.size(); ++i) {
    worst = std::max(worst, std::abs(f64(after.data()[i]) - f64(expected[i])));
    change = std::max(change, std::abs(f64(after.data()[i]) - f64(before.data()[i])));
    largest = std::max(largest, std::abs(f64(expected[i])));
  }
  BOOST_TEST(worst < 2e-4 * largest);
  BOOST_TEST(change > 1e-2 * largest);
  GenerationConfig config;
  config.max_new_tokens = 4;
  BOOST_TEST(generate(model, ids, config).extent(1) > ids.extent(1));
}

BOOST_AUTO_TEST_CASE(classes_that_take_none) {
  auto model = AutoModelForCausalLM<any_q, cpu, archs<llama>>::from_pretrained(data("models/llama/base").string());
  BOOST_CHECK_THROW(load_adapter(model, data("peft/llama_qv")), unsupported_error);
}

BOOST_AUTO_TEST_SUITE_END()
