// Mamba's selective scan: against torch, against the plain kernel, in one part and in several, its gradients.
#include <hft/ops/selective_scan.hpp>

#include "../golden_tensors.hpp"
#include "gradient_testing.hpp"
#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(selective_scans)

namespace {

struct arguments {
  Tensor<f64, 3> u, delta, B, C, state;
  Tensor<f64, 2> A;
  Tensor<f64, 1> D;

  arguments(isize batch, isize tokens, isize channels, isize states)
      : u(random_values<3>({batch, tokens, channels}, 1)),
        delta(random_values<3>({batch, tokens, channels}, 2, 0.3)),
        B(random_values<3>({batch, tokens, states}, 3)),
        C(random_values<3>({batch, tokens, states}, 4)),
        state(random_values<3>({batch, channels, states}, 5)),
        A(random_values<2>({channels, states}, 6)),
        D(random_values<1>({channels}, 7)) {
    for (isize i = 0; i < delta.size(); ++i) delta.data()[i] = std::abs(delta.data()[i]) + 0.01;
    for (isize i = 0; i < A.size(); ++i) A.data()[i] = -std::abs(A.data()[i]) - 0.1;
  }
  auto scan_f32() const {
    return selective_scan(as<f32>(u), as<f32>(delta), as<f32>(A), as<f32>(B), as<f32>(C), as<f32>(D), as<f32>(state));
  }
};

}  // namespace

// One channel, one state: h = e^-1 * 2 + 1 * 3 * 5, y = 7 h + 11 * 5.
BOOST_AUTO_TEST_CASE(one_step_by_hand) {
  const auto one = [](f32 x) { return Tensor<f32, 3>::from({x}, {1, 1, 1}); };
  const auto A = Tensor<f32, 2>::from({-1}, {1, 1});
  const auto D = Tensor<f32, 1>::from({11}, {1});
  const auto [y, last] = selective_scan(one(5), one(1), A, one(3), one(7), D, one(2));
  BOOST_TEST(last.data()[0] == 15.7357589f, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(y.data()[0] == 165.150312f, boost::test_tools::tolerance(1e-6f));
  const auto [y0, last0] = selective_scan(one(5), one(1), A, one(3), one(7), D);
  BOOST_TEST((y0.data()[0] == 160 && last0.data()[0] == 15));
}

BOOST_AUTO_TEST_CASE(as_torch) {
  const golden_tensors golden("ops/selective_scan");
  for (const std::string name : {"odd", "one", "chunks", "wide"}) {
    const auto u = golden.leaf<3>(name + ".u"), delta = golden.leaf<3>(name + ".delta");
    const auto B = golden.leaf<3>(name + ".B"), C = golden.leaf<3>(name + ".C");
    const auto A = golden.leaf<2>(name + ".A");
    const auto D = golden.leaf<1>(name + ".D");
    const auto state = golden.get<f32, 3>(name + ".state");
    const auto [y, last] = selective_scan(u, delta, A, B, C, D, state);
    golden.check(y.value(), name + ".y", 1e-5);
    golden.check(last, name + ".last", 1e-5);
    const auto [plain, plain_last] =
        selective_scan(u.value(), delta.value(), A.value(), B.value(), C.value(), D.value(), state);
    golden.check(plain, name + ".y", 1e-5);
    golden.check(plain_last, name + ".last", 1e-5);
    backward(y, golden.get<f32, 3>(name + ".dy"));
    for (const auto& [x, key] : {std::pair{u, "u"}, {delta, "delta"}, {B, "B"}, {C, "C"}})
      golden.check(x.grad(), name + ".grad." + key, 1e-4);
    golden.check(A.grad(), name + ".grad.A", 1e-4);
    golden.check(D.grad(), name + ".grad.D", 1e-4);
  }
}

BOOST_AUTO_TEST_CASE(the_kernel_follows_the_plain_one) {
  for (const isize C : {1, 7, 8, 15, 16, 17, 65, 130})
    for (const isize N : {1, 4, 16}) BOOST_TEST_CONTEXT("C " << C << " N " << N) {
        const isize batch = 2, T = 70;
        const arguments a(batch, T, C, N);
        const detail::scan_arguments<f32, cpu> in(as<f32>(a.u), as<f32>(a.delta), as<f32>(a.A), as<f32>(a.B),
                                                  as<f32>(a.C), as<f32>(a.D), as<f32>(a.state));
        const auto [y, last] = a.scan_f32();
        const Tensor<f32, 3> y_plain(y.shape()), last_plain(last.shape());
        selective_scan_kernel(isa::generic{}, y_plain.rows(), last_plain.data(), in.view());
        BOOST_TEST(testing::largest_difference(y.rows(), y_plain.rows()) <= 1e-5f);
        BOOST_TEST(testing::largest_difference(last.rows(), last_plain.rows()) <= 1e-5f);
      }
}

BOOST_AUTO_TEST_CASE(parts_of_a_sequence_make_the_whole) {
  const isize T = 75;
  const arguments a(2, T, 19, 5);
  const auto [whole, last] = a.scan_f32();
  for (const isize part : {1, 7, 64}) {
    auto state = as<f32>(a.state);
    for (isize begin = 0; begin < T; begin += part) {
      const isize end = std::min(T, begin + part);
      const auto cut = [&](const auto& x) { return as<f32>(x).slice(1, begin, end); };
      const auto [y, after] =
          selective_scan(cut(a.u), cut(a.delta), as<f32>(a.A), cut(a.B), cut(a.C), as<f32>(a.D), state);
      const auto expected = whole.slice(1, begin, end).dense();
      BOOST_TEST((std::equal(y.data(), y.data() + y.size(), expected.data())), "from " << begin << " by " << part);
      state = after;
    }
    BOOST_TEST((std::equal(state.data(), state.data() + state.size(), last.data())));
  }
}

BOOST_AUTO_TEST_CASE(half_precision_is_widened) {
  const arguments a(2, 9, 5, 3);
  const auto rounded = [](const Tensor<f64, 3>& x) {
    Tensor<bf16, 3> y(x.shape());
    for (isize i = 0; i < x.size(); ++i) y.data()[i] = bf16(f32(x.data()[i]));
    return y;
  };
  const auto widened = [&](const Tensor<f64, 3>& x) {
    const auto half = rounded(x);
    Tensor<f32, 3> y(x.shape());
    for (isize i = 0; i < x.size(); ++i) y.data()[i] = f32(half.data()[i]);
    return y;
  };
  const auto A = as<f32>(a.A);
  const auto D = as<f32>(a.D);
  const auto state = as<f32>(a.state);
  const auto [y, last] = selective_scan(rounded(a.u), rounded(a.delta), A, rounded(a.B), rounded(a.C), D, state);
  const auto [expected, last_expected] =
      selective_scan(widened(a.u), widened(a.delta), A, widened(a.B), widened(a.C), D, state);
  for (isize i = 0; i < y.size(); ++i) BOOST_TEST(y.data()[i].bits == bf16(expected.data()[i]).bits);
  BOOST_TEST((std::equal(last.data(), last.data() + last.size(), last_expected.data())));
}

BOOST_AUTO_TEST_CASE(gradients) {
  for (const auto& [T, C, N] : {std::array<isize, 3>{5, 3, 2}, {1, 1, 1}, {67, 2, 2}, {3, 67, 2}}) {
    const arguments a(2, T, C, N);
    const auto scan = [&]<class X>(const X& u, const auto& delta, const auto& A, const auto& B, const auto& C,
                                   const auto& D) {
      return selective_scan(u, delta, A, B, C, D, as<typename X::dtype_t>(a.state)).first;
    };
    check_gradients(scan, a.u, a.delta, a.A, a.B, a.C, a.D);
  }
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto u = Tensor<f32, 3>::zeros({2, 5, 3}), b = Tensor<f32, 3>::zeros({2, 5, 4});
  const auto A = Tensor<f32, 2>::zeros({3, 4});
  const auto D = Tensor<f32, 1>::zeros({3});
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(
      selective_scan(u, b, A, b, b, D), shape_error,
      says("[selective_scan] delta: expected (2, 5, 3), to match u (2, 5, 3) and A (3, 4), got (2, 5, 4)"));
  BOOST_CHECK_EXCEPTION(selective_scan(u, u, Tensor<f32, 2>::zeros({4, 4}), b, b, D), shape_error,
                        says("[selective_scan] A: expected (3, N), got (4, 4)"));
  BOOST_CHECK_EXCEPTION(
      selective_scan(u, u, A, u, b, D), shape_error,
      says("[selective_scan] B: expected (2, 5, 4), to match u (2, 5, 3) and A (3, 4), got (2, 5, 3)"));
  BOOST_CHECK_THROW(selective_scan(u, u, A, b, u, D), shape_error);
  BOOST_CHECK_THROW(selective_scan(u, u, A, b, b, Tensor<f32, 1>::zeros({4})), shape_error);
  BOOST_CHECK_THROW(selective_scan(u, u, A, b, b, D, Tensor<f32, 3>::zeros({2, 4, 3})), shape_error);
}

BOOST_AUTO_TEST_SUITE_END()
