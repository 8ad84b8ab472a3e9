// The real SmolLM2-135M-Instruct, where HFT_TEST_MODELS names a folder with smollm2/ (and its Q4_1 GGUF beside it).
#include <boost/test/unit_test.hpp>

#include <hft/generation/generate.hpp>
#include <hft/models/smollm2.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

namespace {

constexpr const char* gguf = "SmolLM2-135M-Instruct.Q4_1.gguf";

boost::test_tools::assertion_result has_models(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result r(std::filesystem::exists(real_model("smollm2") / "model.safetensors") &&
                                        std::filesystem::exists(real_model(gguf)));
  r.message() << "HFT_TEST_MODELS names no folder with smollm2/ and " << gguf;
  return r;
}

std::vector<i64> values(const Tensor<i64, 2>& t) { return {t.data(), t.data() + t.size()}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(smollm2, *boost::unit_test::precondition(has_models))

BOOST_AUTO_TEST_CASE(greedy_ids_are_transformers) {
  const auto model = LlamaForCausalLM<any_q>::from_pretrained(real_model("smollm2").string(), {.dtype = dtype_id::f32});
  const golden g(data("models/smollm2/golden.safetensors"));
  for (const std::string name : {"short", "long"}) {
    const auto prompt = g.ids(name + ".input_ids"), expected = g.ids(name + ".sequences_f32");
    const auto y =
        generate(model, prompt, {.max_new_tokens = expected.extent(1) - prompt.extent(1), .do_sample = false});
    BOOST_TEST(values(y) == values(expected), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_specialised_build_gives_the_same_ids) {
  const auto file = real_model(gguf).string();
  const auto prompt = golden(data("models/smollm2/golden.safetensors")).ids("long.input_ids");
  const GenerationConfig settings{.max_new_tokens = 24, .do_sample = false};
  using mix = weights<q4_1, q8_0>;
  const auto plain_ids = generate(LlamaForCausalLM<any_q>::from_pretrained(file), prompt, settings);
  const auto fixed_ids =
      generate(LlamaForCausalLM<mix, cpu, plain, fixed<smollm2_135m>>::from_pretrained(file), prompt, settings);
  BOOST_TEST(values(plain_ids) == values(fixed_ids), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(another_config_is_refused_by_a_specialised_build) {
  using specialised = LlamaForCausalLM<f32, cpu, plain, fixed<smollm2_135m>>;
  BOOST_CHECK_THROW(specialised::from_pretrained(data("models/llama/base").string()), config_error);
}

BOOST_AUTO_TEST_SUITE_END()
