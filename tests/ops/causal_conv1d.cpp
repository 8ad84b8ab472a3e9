// Causal convolutions of channels: against torch, against the plain kernel, in one part and in several.
#include <hft/ops/causal_conv1d.hpp>

#include "../golden_tensors.hpp"
#include "gradient_testing.hpp"
#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::test;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(causal_convolutions)

BOOST_AUTO_TEST_CASE(by_hand) {
  const auto x = Tensor<f32, 3>::from({1, 2, 3, 4}, {1, 4, 1});
  const auto weight = Tensor<f32, 2>::from({100, 10, 1}, {1, 3});
  const auto [y, last] = causal_conv1d(x, weight, Tensor<f32, 1>::from({0.5}, {1}));
  for (const auto& [t, expected] : {std::pair<isize, f32>{0, 1.5f}, {1, 12.5f}, {2, 123.5f}, {3, 234.5f}})
    BOOST_TEST(y.data()[t] == expected);
  BOOST_TEST((last.data()[0] == 3 && last.data()[1] == 4));
}

BOOST_AUTO_TEST_CASE(as_torch) {
  const golden_tensors golden("ops/causal_conv1d");
  for (const std::string name : {"four", "short", "one_tap", "wide"}) {
    const auto x = golden.leaf<3>(name + ".x");
    const auto weight = golden.leaf<2>(name + ".weight");
    const auto bias = golden.leaf<1>(name + ".bias");
    const bool has_state = weight.extent(1) > 1;
    const auto state = has_state ? golden.get<f32, 3>(name + ".state") : Tensor<f32, 3>();
    const auto [y, last] = causal_conv1d(x, weight, bias, state);
    golden.check(y.value(), name + ".y", 1e-6);
    if (has_state) golden.check(last, name + ".last", 0);
    backward(y, golden.get<f32, 3>(name + ".dy"));
    golden.check(x.grad(), name + ".grad.x", 1e-6);
    golden.check(weight.grad(), name + ".grad.weight", 1e-6);
    golden.check(bias.grad(), name + ".grad.bias", 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(the_kernel_follows_the_plain_one) {
  for (const isize C : widths)
    for (const isize K : {1, 2, 4}) BOOST_TEST_CONTEXT("C " << C << " K " << K) {
        const isize B = 2, T = 5;
        const strided x(B * T, C, 3, 1), before(B * (K - 1), C, 1, 2), weight(C, K, 2, 3), bias(1, C, 0, 4);
        const causal_inputs<f32> in{x.view(), before.view(), T, K};
        for (const f32* b : {static_cast<const f32*>(nullptr), bias.memory.data()}) {
          strided y(B * T, C, 2, 5), expected(B * T, C, 2, 6);
          causal_conv1d_kernel(isa::generic{}, expected.view(), in, weight.view(), b, 0, B * T);
          causal_conv1d_kernel(cpu{}, y.view(), in, weight.view(), b);
          BOOST_TEST(largest_difference(y.view(), expected.view()) <= 1e-6f);
          BOOST_TEST(y.intact());
        }
      }
}

BOOST_AUTO_TEST_CASE(parts_of_a_sequence_make_the_whole) {
  const isize B = 2, T = 11, C = 19, K = 4;
  const auto x = as<f32>(random_values<3>({B, T, C}, 1));
  const auto weight = as<f32>(random_values<2>({C, K}, 2));
  const auto bias = as<f32>(random_values<1>({C}, 3));
  const auto [whole, last] = causal_conv1d(x, weight, bias);
  Tensor<f32, 3> state;
  for (isize begin = 0, n = 1; begin < T; begin += n, n = n % 5 + 1) {
    const isize end = std::min(T, begin + n);
    const auto [y, after] = causal_conv1d(x.slice(1, begin, end), weight, bias, state);
    const auto expected = whole.slice(1, begin, end).dense();
    BOOST_CHECK_EQUAL_COLLECTIONS(y.data(), y.data() + y.size(), expected.data(), expected.data() + y.size());
    state = after;
  }
  BOOST_CHECK_EQUAL_COLLECTIONS(state.data(), state.data() + state.size(), last.data(), last.data() + last.size());
}

BOOST_AUTO_TEST_CASE(gradients) {
  const auto state = random_values<3>({2, 3, 21}, 4);
  const auto with_state = [&]<class X>(const X& x, const auto& w, const auto& b) {
    return causal_conv1d(x, w, b, as<typename X::dtype_t>(state)).first;
  };
  const auto x = random_values<3>({2, 6, 21}, 1);
  const auto w = random_values<2>({21, 4}, 2);
  const auto b = random_values<1>({21}, 3);
  check_gradients(with_state, x, w, b);
  check_gradients([](const auto& x, const auto& w) { return causal_conv1d(x, w).first; }, x, w);
  // Two uses: the second adds.
  check_gradients(
      [&](const auto& x, const auto& w, const auto& b) { return add(with_state(x, w, b), with_state(x, w, b)); },
      random_values<3>({2, 2, 21}, 1), w, b);
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto x = Tensor<f32, 3>::zeros({2, 5, 3});
  const auto weight = Tensor<f32, 2>::zeros({3, 4});
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(causal_conv1d(x, Tensor<f32, 2>::zeros({4, 4})), shape_error,
                        says("[causal_conv1d] weight: expected (3, K) with K >= 1, to match x (2, 5, 3), got (4, 4)"));
  BOOST_CHECK_EXCEPTION(causal_conv1d(x, weight, Tensor<f32, 1>::zeros({2})), shape_error,
                        says("[causal_conv1d] bias: expected (3), got (2)"));
  BOOST_CHECK_EXCEPTION(causal_conv1d(x, weight, {}, Tensor<f32, 3>::zeros({2, 4, 3})), shape_error,
                        says("[causal_conv1d] state: expected (2, 3, 3), the K-1 inputs before x, got (2, 4, 3)"));
}

BOOST_AUTO_TEST_SUITE_END()
