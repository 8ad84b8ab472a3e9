// One model trained in other builds: f64, half precision with f32 masters, over frozen block formats; and as inference.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>

#include <hft/models/llama.hpp>
#include <hft/ops/cpu/f64.hpp>

#include "train/gradients.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(builds)

using device = autodiff<cpu>;
using gradient_map = std::map<std::string, std::vector<f32>>;

static gradient_map gradients(LlamaForCausalLM<f32, device>& model) {
  gradient_map all;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const auto* g = static_cast<const f32*>(p.grad());
    all[path].assign(g, g + p.size());
  });
  return all;
}

// The cosine between two gradients of a parameter.
static f64 cosine(const std::vector<f32>& a, const f32* b) {
  f64 ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) ab += f64(a[i]) * b[i], aa += f64(a[i]) * a[i], bb += f64(b[i]) * b[i];
  return ab / std::sqrt(aa * bb);
}

BOOST_AUTO_TEST_CASE(f64_matches_pytorch) { check_case<LlamaForCausalLM<f64, device>>("llama_tied"); }

// What is trained is f32; what is computed with is what bf16 keeps of it.
BOOST_AUTO_TEST_CASE(bf16_has_f32_masters) {
  using M = LlamaForCausalLM<bf16, device>;
  const gradient_case c("llama");
  auto exact = c.model<LlamaForCausalLM<f32, device>>();
  backward(exact(c.ids("input_ids"), c.args<M>()).loss);
  const auto expected = gradients(exact);
  auto model = c.model<M>();
  const auto loss = model(c.ids("input_ids"), c.args<M>()).loss;
  BOOST_TEST(std::abs(f64(loss.value().data()[0]) - c.loss()) < 0.03 * c.loss());
  backward(loss);
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    BOOST_TEST((p.format() == dtype_id::f32), path);
    BOOST_TEST(p.trainable());
    BOOST_TEST_REQUIRE(p.has_grad(), path);
    BOOST_TEST((p.grad_format() == dtype_id::f32));
    BOOST_TEST(cosine(expected.at(path), static_cast<const f32*>(p.grad())) > 0.99, path);
  });

  const auto generating = as_inference(model);
  static_assert(std::is_same_v<decltype(generating), const LlamaForCausalLM<bf16>>);
  const auto logits = generating(c.ids("input_ids")).logits;
  BOOST_TEST(std::isfinite(logits.data()[0]));
}

// Quantised weights are frozen by their type; gradients flow through them to the norms and, here, dense embeddings.
BOOST_AUTO_TEST_CASE(block_formats_are_frozen) {
  using M = LlamaForCausalLM<weights<q8_0, f32>, device>;
  const auto folder = data("models/llama/base").string();  // its rows are whole blocks
  const auto ids = gradient_case("llama").ids("input_ids").clone();
  for (isize i = 0; i < ids.size(); ++i) ids.data()[i] %= 99;
  auto exact = LlamaForCausalLM<f32, device>::from_pretrained(folder);
  backward(exact(ids, {.labels = ids}).loss);
  const auto expected = gradients(exact);
  auto model = M::from_pretrained(folder);
  backward(model(ids, {.labels = ids}).loss);
  int trained = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const bool dense = path.find("norm") != path.npos || path.find("embed") != path.npos || path == "lm_head.weight";
    BOOST_TEST(p.trainable() == dense, path);
    BOOST_TEST(p.has_grad() == dense, path);
    if (!dense) return;
    ++trained;
    BOOST_TEST(cosine(expected.at(path), static_cast<const f32*>(p.grad())) > 0.99, path);
  });
  BOOST_TEST(trained == 2 * model.config().num_hidden_layers + 3);
}

// Products in bf16 are the same by the model's type and by autocast, which a checkpointed pass remembers.
BOOST_AUTO_TEST_CASE(autocast_is_what_a_bf16_model_does) {
  const gradient_case c("llama");
  auto typed = c.model<LlamaForCausalLM<bf16, device>>();
  backward(typed(c.ids("input_ids"), c.args<LlamaForCausalLM<bf16, device>>()).loss);
  gradient_map expected;
  for_each_parameter(typed, [&](const std::string& path, parameter& p) {
    const auto* g = static_cast<const f32*>(p.grad());
    expected[path].assign(g, g + p.size());
  });
  for (const bool checkpointing : {false, true}) {
    auto model = c.model<LlamaForCausalLM<f32, device>>();
    auto args = c.args<LlamaForCausalLM<f32, device>>();
    args.gradient_checkpointing = checkpointing;
    const auto loss = [&] {
      const autocast products(dtype_id::bf16);
      return model(c.ids("input_ids"), args).loss;
    }();
    BOOST_TEST(!autocast_dtype());
    backward(loss);
    for (const auto& [path, g] : gradients(model)) BOOST_TEST((g == expected.at(path)), path);
  }
  BOOST_CHECK_THROW(autocast(dtype_id::q8_0), unsupported_error);
}

// Of any_q what a file has in f32 is trained, and what it has in another format is a constant.
BOOST_AUTO_TEST_CASE(any_q_trains_what_is_f32) {
  const gradient_case c("llama");
  auto exact = c.model<LlamaForCausalLM<f32, device>>();
  backward(exact(c.ids("input_ids"), c.args<LlamaForCausalLM<f32, device>>()).loss);
  const auto expected = gradients(exact);
  using M = LlamaForCausalLM<any_q, device>;
  auto model = c.model<M>();
  backward(model(c.ids("input_ids"), c.args<M>()).loss);
  isize count = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    BOOST_TEST_REQUIRE(p.has_grad(), path);
    const auto* g = static_cast<const f32*>(p.grad());
    BOOST_TEST((std::vector<f32>(g, g + p.size()) == expected.at(path)), path);
    ++count;
  });
  BOOST_TEST(count == isize(expected.size()));

  auto halved = c.model<M>({.dtype = dtype_id::bf16});
  isize constants = 0;
  for_each_parameter(halved, [&](const std::string& path, parameter& p) {
    BOOST_TEST(p.trainable() == (p.format() == dtype_id::f32), path);
    if (p.trainable()) return;
    BOOST_CHECK_THROW(p.set_trainable(true), unsupported_error);
    ++constants;
  });
  BOOST_TEST(constants > 5);
}

BOOST_AUTO_TEST_CASE(as_inference_shares_memory) {
  const gradient_case c("llama_tied");
  auto model = c.model<LlamaForCausalLM<f32, device>>();
  auto generating = as_inference(model);
  std::map<std::string, void*> places;
  for_each_parameter(model, [&](const std::string& path, parameter& p) { places[path] = p.data(); });
  for_each_parameter(generating, [&](const std::string& path, parameter& p) {
    BOOST_TEST(p.data() == places.at(path), path);
    BOOST_TEST(!p.trainable());
  });
  const auto before = generating(c.ids("input_ids")).logits;
  for_each_parameter(model, [](const std::string& path, parameter& p) {  // a step of training
    if (path.ends_with("norm.weight")) static_cast<f32*>(p.data())[0] += 1;
  });
  const auto after = generating(c.ids("input_ids")).logits;
  BOOST_TEST(!std::equal(before.data(), before.data() + before.size(), after.data()));
}

BOOST_AUTO_TEST_SUITE_END()
