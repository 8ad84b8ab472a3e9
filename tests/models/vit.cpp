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

BOOST_AUTO_TEST_CASE(masked_image_model_gives_transformers_pixels) {
  for (const auto& folder : cases("vit", "ViTForMaskedImageModeling"))
    check_passes(ViTForMaskedImageModeling<f32>::from_pretrained(folder.string()),
                 golden(folder / "golden.safetensors"), "reconstruction");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_masked_or_resized_is_refused) {
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  const auto mask = Tensor<i64, 2>::filled({1, 9}, 1);
  const auto images = [](isize c, isize h, isize w) { return Tensor<f32, 4>::zeros({1, c, h, w}); };
  const auto plain = ViTForImageClassification<f32>::from_pretrained(data("models/vit/base").string());
  BOOST_CHECK_EXCEPTION(plain({.pixel_values = images(3, 13, 13), .bool_masked_pos = mask}), value_error,
                        says("[ViT] bool_masked_pos: expected none: the model has no mask token"));
  BOOST_CHECK_EXCEPTION(plain({.pixel_values = images(3, 3, 13), .interpolate_pos_encoding = 1}), shape_error,
                        says("[ViT] pixel_values: expected (batch, 3, at least 4, at least 4), got (1, 3, 3, 13)"));
  const auto rectangles = ViTForImageClassification<f32>::from_pretrained(data("models/vit/rectangles").string());
  BOOST_CHECK_THROW(rectangles({.pixel_values = images(1, 22, 34), .interpolate_pos_encoding = 1}), unsupported_error);
  const auto masked = ViTForMaskedImageModeling<f32>::from_pretrained(data("models/vit/masked_image").string());
  BOOST_CHECK_THROW(masked({.pixel_values = images(3, 12, 12), .bool_masked_pos = Tensor<i64, 2>::zeros({1, 8})}),
                    shape_error);
  BOOST_CHECK_EXCEPTION(
      masked({.pixel_values = images(3, 12, 16), .interpolate_pos_encoding = 1}), value_error,
      says("[ViT] pixel_values: expected an image of as many patches in a row as in a column, got 12 patches"));
  const auto other = ViTForMaskedImageModeling<f32>::from_pretrained(data("models/vit/other_stride").string());
  BOOST_CHECK_EXCEPTION(
      other({.pixel_values = images(2, 9, 9), .bool_masked_pos = mask}), value_error,
      says("[ViT] bool_masked_pos: expected patches of encoder_stride x encoder_stride = 2 x 2 pixels, "
           "got 3 x 3"));
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
