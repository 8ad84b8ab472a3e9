// Mamba-2's scan: by hand, as Mamba's scan of the same numbers, in one part and in several, its gradients.
#include <hft/ops/head_scan.hpp>
#include <hft/ops/selective_scan.hpp>
#include <hft/parallel.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(head_scans)

namespace {

struct arguments {
  Tensor<f64, 4> x, B, C, state;
  Tensor<f64, 3> delta;
  Tensor<f64, 1> A, D;

  arguments(isize batch, isize tokens, isize heads, isize dim, isize groups, isize states)
      : x(random_values<4>({batch, tokens, heads, dim}, 1)),
        B(random_values<4>({batch, tokens, groups, states}, 3)),
        C(random_values<4>({batch, tokens, groups, states}, 4)),
        state(random_values<4>({batch, heads, states, dim}, 5)),
        delta(random_values<3>({batch, tokens, heads}, 2, 0.3)),
        A(random_values<1>({heads}, 6)),
        D(random_values<1>({heads}, 7)) {
    for (isize i = 0; i < delta.size(); ++i) delta.data()[i] = std::abs(delta.data()[i]) + 0.01;
    for (isize i = 0; i < A.size(); ++i) A.data()[i] = -std::abs(A.data()[i]) - 0.1;
  }
  auto scan_f32() const {
    return head_scan(as<f32>(x), as<f32>(delta), as<f32>(A), as<f32>(B), as<f32>(C), as<f32>(D), as<f32>(state));
  }
};

// A vector of a head (b,t,h) of a (B,T,H,D) tensor.
f64 at(const Tensor<f64, 4>& x, isize b, isize t, isize h, isize i) {
  return x.data()[((b * x.extent(1) + t) * x.extent(2) + h) * x.extent(3) + i];
}

}  // namespace

// One channel, one state: h = e^-1 * 2 + 1 * 3 * 5, y = 7 h + 11 * 5.
BOOST_AUTO_TEST_CASE(one_step_by_hand) {
  const auto one = [](f32 x) { return Tensor<f32, 4>::from({x}, {1, 1, 1, 1}); };
  const auto delta = Tensor<f32, 3>::from({1}, {1, 1, 1});
  const auto A = Tensor<f32, 1>::from({-1}, {1}), D = Tensor<f32, 1>::from({11}, {1});
  const auto [y, last] = head_scan(one(5), delta, A, one(3), one(7), D, one(2));
  BOOST_TEST(last.data()[0] == 15.7357589f, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(y.data()[0] == 165.150312f, boost::test_tools::tolerance(1e-6f));
  const auto [y0, last0] = head_scan(one(5), delta, A, one(3), one(7), D);
  BOOST_TEST((y0.data()[0] == 160 && last0.data()[0] == 15));
}

// The sum over j <= t of the decays between, C(t) B(j) and delta(j) x(j), which is attention without a softmax.
BOOST_AUTO_TEST_CASE(as_defined) {
  for (const auto& [H, P, G, N] :
       {std::array<isize, 4>{1, 1, 1, 1}, {4, 8, 2, 16}, {6, 5, 3, 7}, {3, 19, 1, 33}, {2, 64, 2, 3}})
    BOOST_TEST_CONTEXT("H " << H << " P " << P << " G " << G << " N " << N) {
      const isize batch = 2, T = 9;
      const arguments a(batch, T, H, P, G, N);
      const auto y = a.scan_f32().first;
      f64 worst = 0;
      for (isize b = 0; b < batch; ++b)
        for (isize h = 0; h < H; ++h) {
          const isize g = h / (H / G);
          const auto delta = [&](isize t) { return a.delta.data()[(b * T + t) * H + h]; };
          for (isize t = 0; t < T; ++t)
            for (isize p = 0; p < P; ++p) {
              f64 sum = a.D.data()[h] * at(a.x, b, t, h, p), past = 0;
              for (isize j = t + 1; j-- > 0;) {
                f64 score = 0;
                for (isize n = 0; n < N; ++n) score += at(a.C, b, t, g, n) * at(a.B, b, j, g, n);
                sum += std::exp(past * a.A.data()[h]) * score * delta(j) * at(a.x, b, j, h, p);
                past += delta(j);
              }
              for (isize n = 0; n < N; ++n)
                sum += std::exp(past * a.A.data()[h]) * at(a.C, b, t, g, n) * at(a.state, b, h, n, p);
              worst = std::max(worst, std::abs(f64(y.data()[((b * T + t) * H + h) * P + p]) - sum));
            }
        }
      BOOST_TEST(worst <= 1e-4);
    }
}

// With one channel a head and one group it is Mamba's scan whose decays are the same for all states.
BOOST_AUTO_TEST_CASE(as_a_scan_of_channels) {
  const isize batch = 2, T = 70, C = 17, N = 5;
  const arguments a(batch, T, C, 1, 1, N);
  const auto [y, last] = a.scan_f32();
  Tensor<f32, 2> A({C, N});
  for (isize i = 0; i < A.size(); ++i) A.data()[i] = f32(a.A.data()[i / N]);
  const auto flat = [](const Tensor<f64, 4>& x, isize n) {
    return as<f32>(x).reshape<3>({x.extent(0), x.size() / x.extent(0) / n, n});
  };
  const auto [expected, last_expected] =
      selective_scan(flat(a.x, C), as<f32>(a.delta), A, flat(a.B, N), flat(a.C, N), as<f32>(a.D), flat(a.state, N));
  for (isize i = 0; i < y.size(); ++i) BOOST_TEST(std::abs(y.data()[i] - expected.data()[i]) <= 2e-5f);
  for (isize i = 0; i < last.size(); ++i) BOOST_TEST(std::abs(last.data()[i] - last_expected.data()[i]) <= 2e-5f);
}

BOOST_AUTO_TEST_CASE(parts_of_a_sequence_make_the_whole) {
  const isize T = 75;
  const arguments a(2, T, 4, 19, 2, 5);
  const auto [whole, last] = a.scan_f32();
  for (const isize part : {1, 7, 64}) {
    auto state = as<f32>(a.state);
    for (isize begin = 0; begin < T; begin += part) {
      const isize end = std::min(T, begin + part);
      const auto cut = [&](const auto& x) { return as<f32>(x).slice(1, begin, end); };  // at a distance
      const auto [y, after] = head_scan(cut(a.x), cut(a.delta), as<f32>(a.A), cut(a.B), cut(a.C), as<f32>(a.D), state);
      const auto expected = whole.slice(1, begin, end).dense();
      BOOST_TEST((std::equal(y.data(), y.data() + y.size(), expected.data())), "from " << begin << " by " << part);
      state = after;
    }
    BOOST_TEST((std::equal(state.data(), state.data() + state.size(), last.data())));
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  for (const auto& [T, H, P, G, N] :
       {std::array<isize, 5>{5, 4, 3, 2, 2}, {1, 1, 1, 1, 1}, {67, 2, 2, 1, 2}, {3, 3, 19, 3, 18}}) {
    const arguments a(2, T, H, P, G, N);
    const auto scan = [&]<class X>(const X& x, const auto& delta, const auto& A, const auto& B, const auto& C,
                                   const auto& D) {
      return head_scan(x, delta, A, B, C, D, as<typename X::dtype_t>(a.state)).first;
    };
    check_gradients(scan, a.x, a.delta, a.A, a.B, a.C, a.D);
  }
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_changes_nothing) {
  const arguments a(2, 40, 6, 24, 2, 16);
  const auto run = [&] {
    std::tuple leaves{tracked<f32, 4>::leaf(as<f32>(a.x)), tracked<f32, 3>::leaf(as<f32>(a.delta)),
                      tracked<f32, 1>::leaf(as<f32>(a.A)), tracked<f32, 4>::leaf(as<f32>(a.B)),
                      tracked<f32, 4>::leaf(as<f32>(a.C)), tracked<f32, 1>::leaf(as<f32>(a.D))};
    const auto [y, last] = std::apply([](const auto&... x) { return head_scan(x...); }, leaves);
    backward(y, as<f32>(random_values(y.shape(), 9)));
    std::vector<f32> all(y.value().data(), y.value().data() + y.size());
    all.insert(all.end(), last.data(), last.data() + last.size());
    std::apply([&](const auto&... x) { (all.insert(all.end(), x.grad().data(), x.grad().data() + x.size()), ...); },
               leaves);
    return all;
  };
  const int before = num_threads();
  set_num_threads(1);
  const auto alone = run();
  set_num_threads(3);
  BOOST_TEST((run() == alone));
  set_num_threads(before);
}

BOOST_AUTO_TEST_CASE(no_tokens) {
  const arguments a(2, 0, 4, 3, 2, 5);
  const auto [y, last] = a.scan_f32();
  BOOST_TEST(y.size() == 0);
  const auto state = as<f32>(a.state);
  BOOST_TEST((std::equal(state.data(), state.data() + state.size(), last.data())));
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto x = Tensor<f32, 4>::zeros({2, 5, 4, 3}), b = Tensor<f32, 4>::zeros({2, 5, 2, 6});
  const auto delta = Tensor<f32, 3>::zeros({2, 5, 4});
  const auto H = Tensor<f32, 1>::zeros({4}), other = Tensor<f32, 1>::zeros({3});
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(head_scan(x, Tensor<f32, 3>::zeros({2, 5, 3}), H, b, b, H), shape_error,
                        says("[head_scan] delta: expected (2, 5, 4), to match x (2, 5, 4, 3), got (2, 5, 3)"));
  BOOST_CHECK_EXCEPTION(head_scan(x, delta, other, b, b, H), shape_error,
                        says("[head_scan] A: expected (4), to match x (2, 5, 4, 3), got (3)"));
  BOOST_CHECK_EXCEPTION(head_scan(x, delta, H, x.slice(2, 0, 3), b, H), shape_error,
                        says("[head_scan] B: expected (2, 5, G, N) with G groups of as many heads each, to match x "
                             "(2, 5, 4, 3), got (2, 5, 3, 3)"));
  BOOST_CHECK_EXCEPTION(head_scan(x, delta, H, b, x, H), shape_error,
                        says("[head_scan] C: expected (2, 5, 2, 6), to match x (2, 5, 4, 3), got (2, 5, 4, 3)"));
  BOOST_CHECK_EXCEPTION(head_scan(x, delta, H, b, b, other), shape_error,
                        says("[head_scan] D: expected (4), to match x (2, 5, 4, 3), got (3)"));
  BOOST_CHECK_EXCEPTION(head_scan(x, delta, H, b, b, H, x), shape_error,
                        says("[head_scan] state: expected (2, 4, 6, 3), to match x (2, 5, 4, 3), got (2, 5, 4, 3)"));
}

BOOST_AUTO_TEST_SUITE_END()
