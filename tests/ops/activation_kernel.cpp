// Activations: every instruction set against formulas in f64, over sizes and special values; and the functions they are
// made of (exp, tanh, erf) over all magnitudes.
#include <bit>
#include <functional>

#include <hft/ops/cpu/activation.hpp>

#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(activation_kernels)

namespace {

/// Transformers' activations.py in f64.
f64 exact(f64 x, Activation f) {
  const auto gelu = [&] { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); };
  const auto softplus = [&] { return x > 20 ? x : std::log1p(std::exp(x)); };
  switch (f) {
    case Activation::gelu:
      return gelu();
    case Activation::gelu_10:
      return std::clamp(gelu(), -10.0, 10.0);
    case Activation::gelu_new:
    case Activation::gelu_fast:
    case Activation::gelu_pytorch_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979324) * (x + 0.044715 * x * x * x)));
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::relu2:
      return std::max(x, 0.0) * std::max(x, 0.0);
    case Activation::relu6:
      return std::clamp(x, 0.0, 6.0);
    case Activation::leaky_relu:
      return x > 0 ? x : 0.01 * x;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::mish:
      return x * std::tanh(softplus());
    case Activation::hardswish:
      return x * std::clamp(x + 3, 0.0, 6.0) / 6;
    case Activation::laplace:
      return 0.5 * (1 + std::erf((x - 0.707107) / (0.282095 * std::sqrt(2.0))));
    case Activation::linear:
      return x;
    case Activation::sqrtsoftplus:
      return std::sqrt(softplus());
  }
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(every_activation_equals_its_formula, Tag, isa_tags) {
  for (const auto& [name, f] : activation_names)
    for (const f32 size : {0.01f, 1.0f, 12.0f, 200.0f})
      for (const isize cols : {1, 17, 64, 203}) BOOST_TEST_CONTEXT(name << " size " << size << " cols " << cols) {
          const strided x(9, cols, 3, 1, -size, size), up(9, cols, 1, 2);
          strided y(9, cols, 2, 3), gated(9, cols, 2, 3), expected(9, cols, 2, 3), expected_gated(9, cols, 2, 3);
          for (isize i = 0; i < 9; ++i)
            for (isize j = 0; j < cols; ++j) {
              const f64 e = exact(x.view().row(i)[j], f);
              expected.view().row(i)[j] = f32(e);
              expected_gated.view().row(i)[j] = f32(e * up.view().row(i)[j]);
            }
          activation_kernel(Tag{}, y.view(), x.view(), f);
          gated_activation_kernel(Tag{}, gated.view(), x.view(), up.view(), f);
          BOOST_TEST(largest_difference(y.view(), expected.view()) <= 3e-7f);
          BOOST_TEST(largest_difference(gated.view(), expected_gated.view()) <= 3e-7f);
          BOOST_TEST(y.intact());
          BOOST_TEST(gated.intact());
          strided in_place = x;
          gated_activation_kernel(Tag{}, in_place.view(), in_place.view(), up.view(), f);
          BOOST_TEST(largest_difference(in_place.view(), gated.view()) == 0.0f);
        }
}

// No finite x gives a NaN, and a NaN stays one.
BOOST_AUTO_TEST_CASE_TEMPLATE(extreme_values, Tag, isa_tags) {
  for (const auto& [name, f] : activation_names) BOOST_TEST_CONTEXT(name) {
      f32 x[] = {0.0f, -0.0f, 1e-40f, -1e-40f, 1e18f, -1e18f, 88.8f, -88.8f, 104.0f, -104.0f, 20.0f, NAN};
      const matrix<f32> row{x, 1, 12, 12};
      activation_kernel(Tag{}, row, row, f);
      for (int i = 0; i < 11; ++i) BOOST_TEST(std::isfinite(x[i]));
      BOOST_TEST(std::isnan(x[11]));
    }
}

// Points that need no calculator: gelu and silu pass 0 and approach x; sigmoid(log 3) = 3/4; tanh(log 2) = 3/5.
BOOST_AUTO_TEST_CASE_TEMPLATE(values_by_hand, Tag, isa_tags) {
  const auto at = [](f32 x, Activation f) {
    const matrix<f32> one{&x, 1, 1, 1};
    activation_kernel(Tag{}, one, one, f);
    return x;
  };
  const auto close = boost::test_tools::tolerance(3e-7f);
  BOOST_TEST(at(std::log(3.0f), Activation::sigmoid) == 0.75f, close);
  BOOST_TEST(at(std::log(2.0f), Activation::tanh) == 0.6f, close);
  BOOST_TEST(at(std::log(3.0f), Activation::silu) == 0.75f * std::log(3.0f), close);
  BOOST_TEST(at(0, Activation::gelu) == 0.0f);
  BOOST_TEST(at(30, Activation::gelu) == 30.0f);
  BOOST_TEST(at(30, Activation::gelu_10) == 10.0f);
  BOOST_TEST(at(9, Activation::relu6) == 6.0f);
  BOOST_TEST(at(-3, Activation::relu2) == 0.0f);
  BOOST_TEST(at(3, Activation::relu2) == 9.0f);
  BOOST_TEST(at(-2, Activation::leaky_relu) == -0.02f);
  BOOST_TEST(at(1, Activation::hardswish) == 2.0f / 3, close);
}

#if defined(HFT_ISA_AVX2)

namespace {

/// The largest relative error of f over all magnitudes and both signs, every 4999th number; results that f32 holds as
/// subnormals may be wrong by one step of 2^-149.
template <class V>
f64 worst_error(V (*f)(V), f64 (*exact)(f64)) {
  f64 worst = 0;
  f32 x[V::width], y[V::width];
  for (std::uint64_t bits = 0; bits < 0x1'0000'0000; bits += 4999 * V::width) {
    for (isize i = 0; i < V::width; ++i) {
      x[i] = std::bit_cast<f32>(std::uint32_t(bits + 4999 * std::uint64_t(i)));
      if (std::isnan(x[i])) x[i] = 1;
    }
    f(V::load(x)).store(y);
    for (isize i = 0; i < V::width; ++i) {
      const f64 e = exact(f64(x[i]));
      if (f32(e) == y[i] || std::abs(y[i] - e) <= 0x1p-149) continue;
      worst = std::max(worst, std::abs(y[i] - e) / std::max(0x1p-126, std::abs(e)));
    }
  }
  return worst;
}

template <class V>
void check_functions() {
  BOOST_TEST(worst_error<V>([](V x) { return exp(x); }, [](f64 x) { return std::exp(x); }) < 1.2e-7);
  BOOST_TEST(worst_error<V>([](V x) { return tanh(x); }, [](f64 x) { return std::tanh(x); }) < 1.5e-7);
  BOOST_TEST(worst_error<V>([](V x) { return erf(x); }, [](f64 x) { return std::erf(x); }) < 1.5e-7);
  // What softmax relies on: exp(0) is 1, exp(-inf) is 0.
  f32 x[V::width] = {0, -INFINITY, INFINITY, NAN, -104, 89}, y[V::width];
  exp(V::load(x)).store(y);
  BOOST_TEST((y[0] == 1 && y[1] == 0 && y[2] == INFINITY && std::isnan(y[3]) && y[4] == 0 && y[5] == INFINITY));
}

}  // namespace

BOOST_AUTO_TEST_CASE(exp_tanh_erf_over_all_numbers) {
  check_functions<isa::f32x8>();
#if defined(HFT_ISA_AVX512)
  check_functions<isa::f32x16>();
#endif
}

#endif

BOOST_AUTO_TEST_SUITE_END()
