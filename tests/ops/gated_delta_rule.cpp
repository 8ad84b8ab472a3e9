// The gated delta rule: by hand, against the plain kernel, in one part and in several, its gradients.
#include <hft/ops/gated_delta_rule.hpp>

#include "gradient_testing.hpp"
#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(gated_delta_rules)

namespace {

struct arguments {
  Tensor<f64, 4> q, k, v, state;
  Tensor<f64, 3> log_decay, beta;

  arguments(isize B, isize T, isize Hk, isize H, isize K, isize V)
      : q(random_values<4>({B, T, Hk, K}, 1)),
        k(random_values<4>({B, T, Hk, K}, 2, 1 / std::sqrt(f64(K)))),
        v(random_values<4>({B, T, H, V}, 3)),
        state(random_values<4>({B, H, K, V}, 4)),
        log_decay(random_values<3>({B, T, H}, 5, 0.3)),
        beta(random_values<3>({B, T, H}, 6)) {
    for (isize i = 0; i < beta.size(); ++i) {
      log_decay.data()[i] = -std::abs(log_decay.data()[i]);
      beta.data()[i] = 1 / (1 + std::exp(-beta.data()[i]));
    }
  }
  auto in_f32() const {
    return gated_delta_rule(as<f32>(q), as<f32>(k), as<f32>(v), as<f32>(log_decay), as<f32>(beta), as<f32>(state));
  }
};

}  // namespace

// Of a state of 2 a half is left; the key's value becomes half 3, half what it was.
BOOST_AUTO_TEST_CASE(one_step_by_hand) {
  const auto vector = [](f32 x) { return Tensor<f32, 4>::from({x}, {1, 1, 1, 1}); };
  const auto rate = [](f32 x) { return Tensor<f32, 3>::from({x}, {1, 1, 1}); };
  const f32 half = std::log(0.5f);
  const auto [y, last] = gated_delta_rule(vector(5), vector(1), vector(3), rate(half), rate(0.5f), vector(2));
  BOOST_TEST(last.data()[0] == 2, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(y.data()[0] == 10, boost::test_tools::tolerance(1e-6f));
  const auto [y0, last0] = gated_delta_rule(vector(5), vector(1), vector(3), rate(half), rate(0.5f));
  BOOST_TEST((last0.data()[0] == 1.5f && y0.data()[0] == 7.5f));
}

// With a rate of 1 and a key of length 1, what the key is asked for is its newest value, whatever was there.
BOOST_AUTO_TEST_CASE(a_key_is_overwritten) {
  const arguments a(1, 2, 1, 1, 3, 5);
  const auto k = Tensor<f32, 4>::from({0.6f, 0, 0.8f, 0.6f, 0, 0.8f}, {1, 2, 1, 3});
  const auto ones = Tensor<f32, 3>::filled({1, 2, 1}, 1);
  const auto y = gated_delta_rule(k, k, as<f32>(a.v), as<f32>(a.log_decay), ones, as<f32>(a.state)).first;
  for (isize i = 0; i < y.size(); ++i) BOOST_TEST(std::abs(f64(y.data()[i]) - a.v.data()[i]) < 1e-5);
}

BOOST_AUTO_TEST_CASE(the_kernel_follows_the_plain_one) {
  for (const isize K : {1, 4, 19})
    for (const isize V : {1, 7, 8, 16, 17, 35})
      for (const isize Hk : {1, 3}) BOOST_TEST_CONTEXT("K " << K << " V " << V << " Hk " << Hk) {
          const arguments a(2, 70, Hk, 3, K, V);
          const detail::delta_arguments<f32, cpu> in(as<f32>(a.q), as<f32>(a.k), as<f32>(a.v), as<f32>(a.log_decay),
                                                     as<f32>(a.beta), as<f32>(a.state));
          const auto [y, last] = a.in_f32();
          const Tensor<f32, 4> y_plain(y.shape()), last_plain(last.shape());
          gated_delta_rule_kernel(isa::generic{}, heads(y_plain), last_plain.data(), in.view());
          BOOST_TEST(testing::largest_difference(y.rows(), y_plain.rows()) <= 1e-4f);
          BOOST_TEST(testing::largest_difference(last.rows(), last_plain.rows()) <= 1e-4f);
        }
}

BOOST_AUTO_TEST_CASE(parts_of_a_sequence_make_the_whole) {
  const isize T = 75;
  const arguments a(2, T, 2, 4, 6, 19);
  const auto [whole, last] = a.in_f32();
  for (const isize part : {1, 7, 64}) {
    auto state = as<f32>(a.state);
    for (isize begin = 0; begin < T; begin += part) {
      const isize end = std::min(T, begin + part);
      const auto cut = [&](const auto& x) { return as<f32>(x).slice(1, begin, end); };  // at a distance
      const auto [y, after] = gated_delta_rule(cut(a.q), cut(a.k), cut(a.v), cut(a.log_decay), cut(a.beta), state);
      const auto expected = whole.slice(1, begin, end).dense();
      BOOST_TEST((std::equal(y.data(), y.data() + y.size(), expected.data())), "from " << begin << " by " << part);
      state = after;
    }
    BOOST_TEST((std::equal(state.data(), state.data() + state.size(), last.data())));
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  for (const auto& [T, Hk, H, K, V] :
       {std::array<isize, 5>{5, 2, 4, 3, 5}, {1, 1, 1, 1, 1}, {67, 1, 2, 2, 3}, {4, 1, 1, 3, 19}}) {
    const arguments a(2, T, Hk, H, K, V);
    const auto rule = [&]<class X>(const X& q, const auto& k, const auto& v, const auto& log_decay, const auto& beta) {
      return gated_delta_rule(q, k, v, log_decay, beta, as<typename X::dtype_t>(a.state)).first;
    };
    check_gradients(rule, a.q, a.k, a.v, a.log_decay, a.beta);
  }
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto k = Tensor<f32, 4>::zeros({2, 5, 2, 3}), v = Tensor<f32, 4>::zeros({2, 5, 4, 6});
  const auto rates = Tensor<f32, 3>::zeros({2, 5, 4});
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(gated_delta_rule(v, v, k, rates, rates), shape_error,
                        says("[gated_delta_rule] k: expected (2, 5, a number that divides 2 heads, K), to match v "
                             "(2, 5, 2, 3), got (2, 5, 4, 6)"));
  BOOST_CHECK_EXCEPTION(gated_delta_rule(k.slice(3, 0, 2), k, v, rates, rates), shape_error,
                        says("[gated_delta_rule] q: expected (2, 5, 2, 3), to match k (2, 5, 2, 3) and v "
                             "(2, 5, 4, 6), got (2, 5, 2, 2)"));
  BOOST_CHECK_THROW(gated_delta_rule(k, k, v, rates.slice(2, 0, 2), rates), shape_error);
  BOOST_CHECK_THROW(gated_delta_rule(k, k, v, rates, rates.slice(1, 0, 2)), shape_error);
  BOOST_CHECK_THROW(gated_delta_rule(k, k, v, rates, rates, Tensor<f32, 4>::zeros({2, 4, 6, 3})), shape_error);
}

BOOST_AUTO_TEST_SUITE_END()
