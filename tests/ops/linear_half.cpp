// Products in half precision: every body against the naive one, over odd shapes, layouts and strides; the gradients of
// a linear with f32 masters; and that rounding is what they do.
#include <boost/test/unit_test.hpp>

#include <hft/ops/cpu/linear_half.hpp>

#include "gradient_testing.hpp"
#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(linear_half)

using hft::testing::largest_difference;
using hft::testing::strided;

namespace {

template <class Half>
struct half_matrix {
  isize rows, cols, stride;
  std::vector<Half> memory;

  half_matrix(isize r, isize c, isize padding, std::uint64_t seed)
      : rows(r), cols(c), stride(c + padding), memory(std::size_t(r * (c + padding)), Half(1e4f)) {
    hft::testing::numbers next(seed);
    for (isize i = 0; i < rows; ++i)
      for (isize j = 0; j < cols; ++j) memory[std::size_t(i * stride + j)] = Half(next());
  }
  matrix<const Half> view() const { return {memory.data(), rows, cols, stride}; }
  weight_matrix<Half> weight() const { return {memory.data(), rows, cols, stride}; }
};

// Sums of K products below 1 in another order.
f32 allowed(isize K) { return 1e-6f * f32(K + 8); }

template <class Half>
void check_shape(isize M, isize N, isize K, isize padding) {
  BOOST_TEST_CONTEXT(name(dtype<Half>::id) << " M " << M << " N " << N << " K " << K << " padding " << padding) {
    const strided x(M, K, padding, 1), dy(M, N, padding, 2), before(M, K, padding, 3), dw_before(N, K, padding, 4);
    const half_matrix<Half> w(N, K, padding, 5), xh(M, K, padding, 6);
    const strided bias(1, N, 0, 7);
    const auto operand = [](auto m, bool transposed) {
      return detail::gemm_operand<std::remove_const_t<std::remove_pointer_t<decltype(m.data)>>>{m, transposed};
    };
    const isa::generic naive;

    strided y(M, N, padding, 8), y_naive = y;
    const f32* no_bias = nullptr;
    for (const f32* b : {no_bias, bias.memory.data()}) {
      linears_half_kernel(cpu{}, std::array{y.view()}, x.view(), std::array{w.weight()}, std::array{b});
      detail::gemm_half<Half>(naive, y_naive.view(), operand(x.view(), false), operand(w.view(), true), b, false);
      BOOST_TEST(largest_difference(y.view(), y_naive.view()) <= allowed(K));
      linears_half_kernel(cpu{}, std::array{y.view()}, xh.view(), std::array{w.weight()}, std::array{b});
      detail::gemm_half<Half>(naive, y_naive.view(), operand(xh.view(), false), operand(w.view(), true), b, false);
      BOOST_TEST(largest_difference(y.view(), y_naive.view()) <= allowed(K));
      BOOST_TEST(y.intact());
    }
    for (const bool add : {false, true}) {
      strided dx = before, dx_naive = before, dw = dw_before, dw_naive = dw_before;
      linear_half_input_gradient_kernel(cpu{}, dx.view(), dy.view(), w.weight(), add);
      detail::gemm_half<Half>(naive, dx_naive.view(), operand(dy.view(), false), operand(w.view(), false), nullptr,
                              add);
      BOOST_TEST(largest_difference(dx.view(), dx_naive.view()) <= allowed(N));
      BOOST_TEST(dx.intact());
      linear_half_weight_gradient_kernel<Half>(cpu{}, dw.view(), dy.view(), xh.view(), add);
      detail::gemm_half<Half>(naive, dw_naive.view(), operand(dy.view(), true), operand(xh.view(), false), nullptr,
                              add);
      BOOST_TEST(largest_difference(dw.view(), dw_naive.view()) <= allowed(M));
      BOOST_TEST(dw.intact());
      linear_half_weight_gradient_kernel<Half>(cpu{}, dw.view(), dy.view(), x.view(), false);
      detail::gemm_half<Half>(naive, dw_naive.view(), operand(dy.view(), true), operand(x.view(), false), nullptr,
                              false);
      BOOST_TEST(largest_difference(dw.view(), dw_naive.view()) <= allowed(M));
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(kernels_equal_the_naive_product) {
  for (const auto& [M, N, K] : {std::array<isize, 3>{1, 1, 1},
                                {1, 1, 2},
                                {2, 33, 3},
                                {11, 31, 31},
                                {12, 32, 32},
                                {13, 33, 33},
                                {25, 64, 65},
                                {7, 100, 16},
                                {40, 17, 130},
                                {3, 5, 401},
                                {250, 35, 12},
                                {20, 20, 800}})
    for (const isize padding : {0, 3}) {
      check_shape<bf16>(M, N, K, padding);
      check_shape<f16>(M, N, K, padding);
    }
}

BOOST_AUTO_TEST_CASE(nothing_of_nothing) {
  strided y(3, 4, 0, 1);
  const half_matrix<bf16> w(4, 0, 0, 1), x(3, 0, 0, 1);
  linears_half_kernel(cpu{}, std::array{y.view()}, x.view(), std::array{w.weight()}, std::array<const f32*, 1>{});
  for (const f32 v : y.memory) BOOST_TEST(v == 0.0f);
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_the_number_of_threads) {
  const isize M = 100, N = 130, K = 420;
  const strided x(M, K, 0, 1), dy(M, N, 0, 2);
  const half_matrix<bf16> w(N, K, 0, 3), xh(M, K, 0, 4);
  const auto all = [&](int threads) {
    const int before = num_threads();
    set_num_threads(threads);
    strided y(M, N, 0, 1), dx(M, K, 0, 1), dw(N, K, 0, 1);
    linears_half_kernel(cpu{}, std::array{y.view()}, x.view(), std::array{w.weight()}, std::array<const f32*, 1>{});
    linear_half_input_gradient_kernel(cpu{}, dx.view(), dy.view(), w.weight(), false);
    linear_half_weight_gradient_kernel<bf16>(cpu{}, dw.view(), dy.view(), xh.view(), false);
    set_num_threads(before);
    y.memory.insert(y.memory.end(), dx.memory.begin(), dx.memory.end());
    y.memory.insert(y.memory.end(), dw.memory.begin(), dw.memory.end());
    return y.memory;
  };
  const auto one = all(1), three = all(3);
  if (detail::multiplies_half<bf16>)
    BOOST_TEST((one == three));
  else  // Eigen's last bits
    for (std::size_t i = 0; i < one.size(); ++i) BOOST_TEST(std::abs(one[i] - three[i]) <= 1e-4f);
}

// A linear with a master equals f32's on rounded operands.
template <class Half>
static void check_masters() {
  const auto round = [](const Tensor<f32, 2>& x) {
    const auto y = x.clone();
    for (isize i = 0; i < y.size(); ++i) y.data()[i] = f32(Half(y.data()[i]));
    return y;
  };
  const auto x = as<f32>(random_values<2>({9, 70}, 1)), w = as<f32>(random_values<2>({35, 70}, 2)),
             dy = as<f32>(random_values<2>({9, 35}, 3));
  const auto b = as<f32>(random_values<1>({35}, 4));
  const auto xt = tracked<f32, 2>::leaf(x), wt = tracked<f32, 2>::leaf(w);
  const auto bt = tracked<f32, 1>::leaf(b);
  const auto y = linear(xt, cast<Half>(wt), bt);
  backward(y, dy);
  const auto xr = tracked<f32, 2>::leaf(round(x)), wr = tracked<f32, 2>::leaf(round(w));
  const auto br = tracked<f32, 1>::leaf(b);
  const auto expected = linear(xr, wr, br);
  backward(expected, round(dy));
  const auto near = [](const auto& a, const auto& b) {
    f32 worst = 0;
    for (isize i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a.data()[i] - b.data()[i]));
    return worst < 1e-4f;
  };
  BOOST_TEST(near(y.value(), expected.value()));
  BOOST_TEST(near(xt.grad(), xr.grad()));
  BOOST_TEST(near(wt.grad(), wr.grad()));
  // A bias adds in f32, and so does its gradient.
  for (isize n = 0; n < 35; ++n) {
    f32 sum = 0;
    for (isize m = 0; m < 9; ++m) sum += dy.data()[m * 35 + n];
    BOOST_TEST(std::abs(bt.grad().data()[n] - sum) < 1e-4f);
  }
  // Several of one x are the same as each alone.
  const auto both = linears(xt, std::array{cast<Half>(wt), cast<Half>(wt)}, std::array{bt, bt});
  for (isize i = 0; i < y.size(); ++i) {
    BOOST_TEST(both[0].value().data()[i] == y.value().data()[i]);
    BOOST_TEST(both[1].value().data()[i] == y.value().data()[i]);
  }
}

BOOST_AUTO_TEST_CASE(masters_train_through_rounded_operands) {
  check_masters<bf16>();
  check_masters<f16>();
}

BOOST_AUTO_TEST_CASE(the_head_is_the_same_linear) {
  const auto hidden = as<f32>(random_values<2>({6, 40}, 1)), w = as<f32>(random_values<2>({33, 40}, 2));
  const std::vector<i64> labels{1, 5, -100, 32, 0, 7};
  const auto losses = [&](auto loss) {
    const auto h = tracked<f32, 2>::leaf(hidden), wt = tracked<f32, 2>::leaf(w);
    const auto l = loss(h, wt);
    backward(l);
    return std::tuple{l.value().data()[0], h.grad(), wt.grad()};
  };
  const Tensor<f32, 1> none;
  const auto [fused, dh, dw] =
      losses([&](const auto& h, const auto& w) { return linear_cross_entropy(h, cast<bf16>(w), none, labels); });
  const auto [plain, dh2, dw2] =
      losses([&](const auto& h, const auto& w) { return cross_entropy(linear(h, cast<bf16>(w), none), labels); });
  BOOST_TEST(std::abs(fused - plain) < 1e-5f);
  for (isize i = 0; i < dh.size(); ++i) BOOST_TEST(std::abs(dh.data()[i] - dh2.data()[i]) < 1e-5f);
  for (isize i = 0; i < dw.size(); ++i) BOOST_TEST(std::abs(dw.data()[i] - dw2.data()[i]) < 1e-5f);
}

// What loss scaling is for.
BOOST_AUTO_TEST_CASE(f16_overflows_and_underflows) {
  const auto xt = tracked<f32, 2>::leaf(Tensor<f32, 2>::filled({1, 2}, 1)),
             wt = tracked<f32, 2>::leaf(Tensor<f32, 2>::filled({1, 2}, 1));
  backward(linear(xt, cast<f16>(wt)), Tensor<f32, 2>::filled({1, 1}, 1e-9f));
  BOOST_TEST(wt.grad().data()[0] == 0.0f);
  backward(linear(xt, cast<f16>(wt)), Tensor<f32, 2>::filled({1, 1}, 1e6f));
  BOOST_TEST(std::isinf(wt.grad().data()[0]));
}

BOOST_AUTO_TEST_SUITE_END()
