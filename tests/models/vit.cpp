// ViTModel and ViTForImageClassification against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/models/vit.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(vit)

BOOST_AUTO_TEST_CASE(classifier_gives_transformers_logits) {
  for (const auto& folder : cases("vit", "ViTForImageClassification")) BOOST_TEST_CONTEXT(folder.filename().string())
  check_passes(ViTForImageClassification<f32>::from_pretrained(folder.string()), golden(folder / "golden.safetensors"),
               "logits");
}

BOOST_AUTO_TEST_CASE(base_model_gives_transformers_hidden_states) {
  for (const auto& folder : cases("vit", "ViTModel"))
    check_passes(ViTModel<f32>::from_pretrained(folder.string()), golden(folder / "golden.safetensors"),
                 "pooler_output");
}

BOOST_AUTO_TEST_CASE(images_of_another_size_are_refused) {
  const auto model = ViTForImageClassification<f32>::from_pretrained(data("models/vit/base").string());
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(model(Tensor<f32, 4>::zeros({2, 3, 12, 13})), shape_error,
                        says("[ViT] pixel_values: expected (batch, 3, 13, 13), got (2, 3, 12, 13)"));
  BOOST_CHECK_EXCEPTION(
      model(Tensor<f32, 4>::zeros({1, 3, 13, 13}), {.attention_mask = Tensor<i64, 2>::zeros({1, 10})}), value_error,
      says("[ViT] arguments: expected pixel_values alone, got those of tokens"));
}

BOOST_AUTO_TEST_CASE(sizes_are_numbers_or_pairs) {
  const auto read = [](const char* text) { return config_from_json<ViTConfig>(parse_json(text, "t"), "config.json"); };
  BOOST_TEST((read(R"({"image_size": 30})").image_size == ImageSize(30, 30)));
  BOOST_TEST((read(R"({"image_size": [30, 20]})").image_size == ImageSize(30, 20)));
  BOOST_TEST(config_to_json(read(R"({"image_size": [30, 20]})"))["image_size"].dump() == "[30, 20]");
  BOOST_TEST(config_to_json(read("{}"))["image_size"].dump() == "224");
  BOOST_CHECK_THROW(read(R"({"image_size": [30, 20, 10]})"), format_error);
  BOOST_CHECK_THROW(read(R"({"image_size": [30, 0]})"), config_error);
  BOOST_CHECK_THROW(read(R"({"image_size": 30, "patch_size": [4, 31]})"), config_error);
}

BOOST_AUTO_TEST_SUITE_END()
