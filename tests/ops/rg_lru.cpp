// Griffin's recurrence: by hand, against the plain kernel, in one part and in several, its gradients.
#include <hft/ops/rg_lru.hpp>

#include "gradient_testing.hpp"
#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(rg_lrus)

namespace {

struct arguments {
  Tensor<f64, 3> x, input, recurrence, state;
  Tensor<f64, 1> param;
  Tensor<u8, 2> begins;

  arguments(isize batch, isize tokens, isize channels)
      : x(random_values<3>({batch, tokens, channels}, 1)),
        input(random_values<3>({batch, tokens, channels}, 2)),
        recurrence(random_values<3>({batch, tokens, channels}, 3)),
        state(random_values<3>({batch, 1, channels}, 4)),
        param(random_values<1>({channels}, 5)),
        begins(Tensor<u8, 2>::zeros({batch, tokens})) {
    for (isize i = 0; i < channels; ++i) param.data()[i] -= 3;  // states that last for some tokens
    begins.data()[begins.size() - 1 - tokens / 2] = 1;          // in the last row, in its middle
  }
  auto states() const {
    return rg_lru(as<f32>(x), as<f32>(input), as<f32>(recurrence), as<f32>(param), begins, as<f32>(state));
  }
};

}  // namespace

// softplus(0) = log 2 and open gates: a = 2^-8 sigmoid's, here 2^-4.
BOOST_AUTO_TEST_CASE(one_step_by_hand) {
  const auto one = [](f32 x) { return Tensor<f32, 3>::from({x}, {1, 1, 1}); };
  const auto zero = Tensor<f32, 1>::zeros({1});
  const auto y = rg_lru(one(6), one(0), one(0), zero, {}, one(32));
  BOOST_TEST(y.data()[0] == 2 + 3 * std::sqrt(1 - 1 / 256.0f), boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(rg_lru(one(6), one(0), one(0), zero, Tensor<u8, 2>::from({1}, {1, 1}), one(32)).data()[0] == 3);
}

BOOST_AUTO_TEST_CASE(the_kernel_follows_the_plain_one) {
  for (const isize C : {1, 7, 8, 15, 16, 17, 65, 130}) BOOST_TEST_CONTEXT("C " << C) {
      const arguments a(3, 20, C);
      const auto h = a.states();
      const detail::rg_lru_arguments<f32, cpu> in(as<f32>(a.x), as<f32>(a.input), as<f32>(a.recurrence),
                                                  as<f32>(a.param), a.begins, as<f32>(a.state));
      const Tensor<f32, 3> plain(h.shape());
      rg_lru_kernel(isa::generic{}, plain.rows(), in.view());
      BOOST_TEST(testing::largest_difference(h.rows(), plain.rows()) <= 1e-5f);
    }
}

BOOST_AUTO_TEST_CASE(parts_of_a_sequence_make_the_whole) {
  const isize T = 21;
  const arguments a(2, T, 19);
  const auto whole = a.states();
  for (const isize part : {1, 4, 20}) {
    auto state = as<f32>(a.state);
    for (isize begin = 0; begin < T; begin += part) {
      const isize end = std::min(T, begin + part);
      const auto cut = [&](const auto& x) { return as<f32>(x).slice(1, begin, end); };
      const auto h =
          rg_lru(cut(a.x), cut(a.input), cut(a.recurrence), as<f32>(a.param), a.begins.slice(1, begin, end), state);
      const auto expected = whole.slice(1, begin, end).dense();
      BOOST_TEST((std::equal(h.data(), h.data() + h.size(), expected.data())), "from " << begin << " by " << part);
      state = h.slice(1, end - begin - 1, end - begin);
    }
  }
}

// What stands before a text's first token plays no part in it.
BOOST_AUTO_TEST_CASE(a_beginning_forgets) {
  const arguments a(1, 8, 5);
  const auto whole = a.states();
  isize first = 0;
  while (!a.begins.data()[first]) ++first;
  const auto cut = [&](const auto& x) { return as<f32>(x).slice(1, first, 8); };
  const auto alone = rg_lru(cut(a.x), cut(a.input), cut(a.recurrence), as<f32>(a.param), a.begins.slice(1, first, 8));
  const auto expected = whole.slice(1, first, 8).dense();
  BOOST_TEST((std::equal(alone.data(), alone.data() + alone.size(), expected.data())));
}

BOOST_AUTO_TEST_CASE(gradients) {
  for (const auto& [B, T, C] : {std::array<isize, 3>{2, 6, 3}, {1, 1, 1}, {3, 4, 17}}) {
    const arguments a(B, T, C);
    const auto states = [&]<class X>(const X& x, const auto& input, const auto& recurrence, const auto& param) {
      return rg_lru(x, input, recurrence, param, a.begins, as<typename X::dtype_t>(a.state));
    };
    check_gradients(states, a.x, a.input, a.recurrence, a.param);
  }
}

// Where a is 1 the slope of the square root has no end, and is cut off.
BOOST_AUTO_TEST_CASE(gradients_have_an_end) {
  using X = tracked<f32, 3>;
  const auto one = [](f32 x) { return X::leaf(Tensor<f32, 3>::from({x}, {1, 1, 1})); };
  const X x = one(2), input = one(0), recurrence = one(-100);
  const auto param = tracked<f32, 1>::leaf(Tensor<f32, 1>::from({-50}, {1}));
  backward(rg_lru(x, input, recurrence, param, {}, Tensor<f32, 3>::from({3}, {1, 1, 1})));
  for (const auto& leaf : {x, input, recurrence}) BOOST_TEST(std::isfinite(leaf.grad().data()[0]));
  BOOST_TEST(std::isfinite(param.grad().data()[0]));
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto x = Tensor<f32, 3>::zeros({2, 5, 3}), other = Tensor<f32, 3>::zeros({2, 4, 3});
  const auto param = Tensor<f32, 1>::zeros({3});
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(rg_lru(x, other, x, param), shape_error,
                        says("[rg_lru] input gate: expected (2, 5, 3), to match x (2, 5, 3), got (2, 4, 3)"));
  BOOST_CHECK_EXCEPTION(rg_lru(x, x, other, param), shape_error,
                        says("[rg_lru] recurrence gate: expected (2, 5, 3), to match x (2, 5, 3), got (2, 4, 3)"));
  BOOST_CHECK_EXCEPTION(rg_lru(x, x, x, Tensor<f32, 1>::zeros({4})), shape_error,
                        says("[rg_lru] parameter: expected (3), to match x (2, 5, 3), got (4)"));
  BOOST_CHECK_EXCEPTION(rg_lru(x, x, x, param, Tensor<u8, 2>::zeros({2, 4})), shape_error,
                        says("[rg_lru] beginnings: expected (2, 5), to match x (2, 5, 3), got (2, 4)"));
  BOOST_CHECK_EXCEPTION(rg_lru(x, x, x, param, {}, x), shape_error,
                        says("[rg_lru] state: expected (2, 1, 3), to match x (2, 5, 3), got (2, 5, 3)"));
}

BOOST_AUTO_TEST_SUITE_END()
