// Patches of images: with a linear layer they are torch's convolution whose stride is its kernel.
#include <hft/ops/linear.hpp>
#include <hft/ops/patches.hpp>

#include "../golden_tensors.hpp"
#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(patches_of_images)

BOOST_AUTO_TEST_CASE(by_hand) {
  const auto image = Tensor<f32, 4>::from({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, {1, 2, 1, 7});
  const auto y = patches(image, 1, 3);  // the pixels 6 and 13 are left over
  const auto expected = {0, 1, 2, 7, 8, 9, 3, 4, 5, 10, 11, 12};
  BOOST_TEST((y.shape() == Shape<3>{1, 2, 6}));
  BOOST_CHECK_EQUAL_COLLECTIONS(y.data(), y.data() + y.size(), expected.begin(), expected.end());
  BOOST_TEST((patches(Tensor<f32, 4>({0, 2, 4, 4}), 2, 2).shape() == Shape<3>{0, 4, 8}));
}

BOOST_AUTO_TEST_CASE(as_conv2d) {
  const golden_tensors golden("ops/patches");
  for (const std::string name : {"square", "odd", "one"}) {
    const auto image = golden.leaf<4>(name + ".image");
    const auto weight = golden.get<f32, 4>(name + ".weight");
    const auto flat = weight.reshape<2>({weight.extent(0), weight.size() / weight.extent(0)});
    const auto y = linear(patches(image, weight.extent(2), weight.extent(3)), flat);
    golden.check(y.value(), name + ".y", 1e-6);
    backward(y, golden.get<f32, 3>(name + ".dy"));
    golden.check(image.grad(), name + ".grad.image", 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  check_gradients([](const auto& x) { return patches(x, 2, 3); }, random_values<4>({2, 3, 5, 7}, 1));
  // Two uses of one image: the second adds.
  check_gradients([](const auto& x) { return add(patches(x, 2, 3), patches(x, 2, 3)); },
                  random_values<4>({1, 2, 5, 6}, 1));
  // A view with strides.
  check_gradients([](const auto& x) { return patches(x.slice(3, 1, 5), 2, 2); }, random_values<4>({1, 2, 4, 6}, 1));
}

BOOST_AUTO_TEST_CASE(an_image_of_its_patches) {
  const auto image = random_values<4>({2, 3, 6, 6}, 5);
  const auto again = image_of_patches(patches(image, 2, 2), 3, 2);
  BOOST_TEST((again.shape() == image.shape()));
  BOOST_TEST(std::equal(image.data(), image.data() + image.size(), again.data()));
  check_gradients([](const auto& x) { return image_of_patches(x, 2, 3); }, random_values<3>({2, 4, 18}, 1));
  BOOST_CHECK_EXCEPTION(image_of_patches(Tensor<f32, 3>::zeros({1, 5, 8}), 2, 2), shape_error, [](const error& e) {
    return std::string(e.what()) == "[image_of_patches] patches: expected (batch, 4, channels * 2 * 2), got (1, 5, 8)";
  });
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto image = Tensor<f32, 4>::zeros({1, 3, 4, 5});
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(patches(image, 2, 6), shape_error,
                        says("[patches] images: expected at least 2 x 6 pixels, one patch, got (1, 3, 4, 5)"));
  BOOST_CHECK_EXCEPTION(patches(image, 0, 2), value_error,
                        says("[patches] patch: expected at least 1 x 1 pixels, got 0 x 2"));
}

BOOST_AUTO_TEST_SUITE_END()
