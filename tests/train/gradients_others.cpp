// Losses and gradients of Qwen2, Mamba, T5 and ViT against PyTorch.
#include <boost/test/unit_test.hpp>

#include <hft/models/mamba.hpp>
#include <hft/models/qwen2.hpp>
#include <hft/models/t5.hpp>
#include <hft/models/vit.hpp>

#include "train/gradients.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(gradients_others)

BOOST_AUTO_TEST_CASE(qwen2_matches_pytorch) {
  check_case<Qwen2ForCausalLM<f32, autodiff<cpu>>>("qwen2");
  check_case<Qwen2ForTokenClassification<f32, autodiff<cpu>>>("qwen2_token");
}

BOOST_AUTO_TEST_CASE(mamba_matches_pytorch) {
  for (const char* name : {"mamba", "mamba_biases"}) check_case<MambaForCausalLM<f32, autodiff<cpu>>>(name);
}

BOOST_AUTO_TEST_CASE(t5_matches_pytorch) {
  for (const char* name : {"t5", "t5_gated"}) check_case<T5ForConditionalGeneration<f32, autodiff<cpu>>>(name);
}

BOOST_AUTO_TEST_CASE(vit_matches_pytorch) {
  for (const char* name : {"vit", "vit_rectangles"}) check_case<ViTForImageClassification<f32, autodiff<cpu>>>(name);
}

BOOST_AUTO_TEST_SUITE_END()
