// RWKV's mean of values: by hand, against the plain kernel, in one part and in several, its gradients.
#include <hft/ops/wkv.hpp>

#include "gradient_testing.hpp"
#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(wkvs)

namespace {

struct arguments {
  Tensor<f64, 3> key, value, state;
  Tensor<f64, 1> decay, bonus;

  arguments(isize batch, isize tokens, isize channels)
      : key(random_values<3>({batch, tokens, channels}, 1)),
        value(random_values<3>({batch, tokens, channels}, 2)),
        state(random_values<3>({batch, 3, channels}, 3)),
        decay(random_values<1>({channels}, 4, 0.5)),
        bonus(random_values<1>({channels}, 5)) {
    for (isize c = 0; c < channels; ++c) decay.data()[c] = -std::exp(decay.data()[c] - 1);
    for (isize b = 0; b < batch; ++b)
      for (isize c = 0; c < channels; ++c) {
        f64* of = state.data() + b * 3 * channels + c;
        of[channels] = std::abs(of[channels]) + 0.1;  // a sum of weights
        of[2 * channels] = 0;                         // as the plain kernel has it
      }
  }
  auto means() const { return wkv(as<f32>(key), as<f32>(value), as<f32>(decay), as<f32>(bonus), as<f32>(state)); }
};

}  // namespace

// The first token is its own value; of the second, with keys 0, log 3 and a bonus of log 2, (5 + 6 * 11) / 7.
BOOST_AUTO_TEST_CASE(two_tokens_by_hand) {
  const auto key = Tensor<f32, 3>::from({0, std::log(3.0f)}, {1, 2, 1});
  const auto value = Tensor<f32, 3>::from({5, 11}, {1, 2, 1});
  const auto decay = Tensor<f32, 1>::from({std::log(0.5f)}, {1}), bonus = Tensor<f32, 1>::from({std::log(2.0f)}, {1});
  const auto [y, last] = wkv(key, value, decay, bonus);
  const auto near = boost::test_tools::tolerance(1e-6f);
  BOOST_TEST(y.data()[0] == 5.0f, near);
  BOOST_TEST(y.data()[1] == 71 / 7.0f, near);
  // n = 5/2 + 3 * 11 and d = 1/2 + 3, over the 3 of the larger exponent
  BOOST_TEST(last.data()[0] == 35.5f / 3, near);
  BOOST_TEST(last.data()[1] == 3.5f / 3, near);
  BOOST_TEST(last.data()[2] == std::log(3.0f), near);
}

BOOST_AUTO_TEST_CASE(the_kernel_follows_the_plain_one) {
  for (const isize C : {1, 7, 8, 15, 16, 17, 65, 130}) BOOST_TEST_CONTEXT("C " << C) {
      const arguments a(3, 20, C);
      const auto [y, last] = a.means();
      const detail::wkv_arguments<f32, cpu> in(as<f32>(a.key), as<f32>(a.value), as<f32>(a.decay), as<f32>(a.bonus),
                                               as<f32>(a.state));
      const Tensor<f32, 3> plain(y.shape()), plain_last(last.shape());
      wkv_kernel(isa::generic{}, plain.rows(), plain_last.data(), in.view());
      BOOST_TEST(testing::largest_difference(y.rows(), plain.rows()) <= 1e-5f);
      for (isize b = 0; b < 3; ++b)
        for (isize i = 0; i < 2 * C; ++i) {
          const f32* of = last.data() + b * 3 * C;
          BOOST_TEST(of[i] * std::exp(of[2 * C + i % C]) - plain_last.data()[b * 3 * C + i] + 1 == 1,
                     boost::test_tools::tolerance(1e-4f));
        }
    }
}

BOOST_AUTO_TEST_CASE(parts_of_a_sequence_make_the_whole) {
  const isize T = 21;
  const arguments a(2, T, 19);
  const auto [whole, last] = a.means();
  for (const isize part : {1, 4, 20}) {
    auto state = as<f32>(a.state);
    for (isize begin = 0; begin < T; begin += part) {
      const isize end = std::min(T, begin + part);
      const auto [y, after] = wkv(as<f32>(a.key).slice(1, begin, end), as<f32>(a.value).slice(1, begin, end),
                                  as<f32>(a.decay), as<f32>(a.bonus), state);
      const auto expected = whole.slice(1, begin, end).dense();
      BOOST_TEST((std::equal(y.data(), y.data() + y.size(), expected.data())), "from " << begin << " by " << part);
      state = after;
    }
    BOOST_TEST((std::equal(state.data(), state.data() + state.size(), last.data())));
  }
}

// Keys whose exponentials no f32 holds weigh against each other all the same, forward and backward.
BOOST_AUTO_TEST_CASE(large_keys) {
  const arguments a(1, 6, 9);
  const auto run = [&](f32 shift) {
    auto key = as<f32>(a.key);
    for (isize i = 0; i < key.size(); ++i) key.data()[i] += shift;
    const auto k = tracked<f32, 3>::leaf(key), v = tracked<f32, 3>::leaf(as<f32>(a.value));
    const auto w = tracked<f32, 1>::leaf(as<f32>(a.decay)), u = tracked<f32, 1>::leaf(as<f32>(a.bonus));
    const auto y = wkv(k, v, w, u).first;
    backward(y, as<f32>(a.value));
    return std::pair{y.value(), std::array{k.grad(), v.grad()}};
  };
  const auto [y, gradients] = run(0);
  for (const f32 shift : {-200.0f, 200.0f}) {
    const auto [moved, moved_gradients] = run(shift);
    BOOST_TEST(testing::largest_difference(y.rows(), moved.rows()) <= 1e-4f);
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(testing::largest_difference(gradients[i].rows(), moved_gradients[i].rows()) <= 1e-4f);
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  for (const auto& [B, T, C] : {std::array<isize, 3>{2, 6, 3}, {1, 1, 1}, {3, 4, 17}}) {
    const arguments a(B, T, C);
    const auto means = [&]<class X>(const X& key, const auto& value, const auto& decay, const auto& bonus) {
      return wkv(key, value, decay, bonus, as<typename X::dtype_t>(a.state)).first;
    };
    check_gradients(means, a.key, a.value, a.decay, a.bonus);
    const auto from_nothing = [&](const auto& key, const auto& value, const auto& decay, const auto& bonus) {
      return wkv(key, value, decay, bonus).first;
    };
    check_gradients(from_nothing, a.key, a.value, a.decay, a.bonus);
  }
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto x = Tensor<f32, 3>::zeros({2, 5, 3}), other = Tensor<f32, 3>::zeros({2, 4, 3});
  const auto vector = Tensor<f32, 1>::zeros({3}), longer = Tensor<f32, 1>::zeros({4});
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(wkv(x, other, vector, vector), shape_error,
                        says("[wkv] values: expected (2, 5, 3), to match keys (2, 5, 3), got (2, 4, 3)"));
  BOOST_CHECK_EXCEPTION(wkv(x, x, longer, vector), shape_error,
                        says("[wkv] decay: expected (3), to match keys (2, 5, 3), got (4)"));
  BOOST_CHECK_EXCEPTION(wkv(x, x, vector, longer), shape_error,
                        says("[wkv] bonus: expected (3), to match keys (2, 5, 3), got (4)"));
  BOOST_CHECK_EXCEPTION(wkv(x, x, vector, vector, x), shape_error,
                        says("[wkv] state: expected (2, 3, 3), to match keys (2, 5, 3), got (2, 5, 3)"));
}

BOOST_AUTO_TEST_SUITE_END()
