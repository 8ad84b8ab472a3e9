// The products of this build's instruction set against the plain ones, on shapes that fit no vector.
#include <hft/ops/linear.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <hft/quantization/convert.hpp>

BOOST_AUTO_TEST_SUITE(linear_kernel_)

namespace {

using namespace hft;
using block_formats = std::tuple<q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k>;
using dense_formats = std::tuple<f32, f16, bf16>;
using all_formats = std::tuple<f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k>;

constexpr isize some_tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 33, 70};
constexpr isize some_columns[] = {1, 3, 17, 64, 100};

// A matrix of normal values whose rows lie apart, and past whose end nothing may be touched.
struct random_matrix {
  isize rows, cols, stride;
  std::vector<f32> values;
  random_matrix(isize r, isize c, unsigned seed, isize gap = 0) : rows(r), cols(c), stride(c + gap) {
    std::mt19937 random(seed);
    std::normal_distribution<f32> normal;
    values.resize(std::size_t(rows * stride));
    for (f32& v : values) v = normal(random);
  }
  operator matrix<const f32>() const { return {values.data(), rows, cols, stride}; }
  matrix<f32> view() { return {values.data(), rows, cols, stride}; }
};

// Weights of dtype W in memory that ends with them, so that a sanitizer sees a load beyond.
template <class W>
struct random_weights {
  random_matrix source;
  std::vector<typename dtype<W>::storage> units;
  random_weights(isize n, isize k, unsigned seed) : source(n, k, seed), units(std::size_t(n * k / dtype<W>::block)) {
    convert(dtype<W>::id, units.data(), dtype_id::f32, source.values.data(), n * k);
  }
  weight_matrix<W> view() const { return {units.data(), source.rows, source.cols, source.cols / dtype<W>::block}; }
  weight_matrix<any_q> any() const {
    const isize row_bytes = isize(sizeof(units[0])) * source.cols / dtype<W>::block;
    return {reinterpret_cast<const std::byte*>(units.data()), source.rows, source.cols, row_bytes, dtype<W>::id};
  }
};

// Values of k that a dtype can have and that fill no whole number of vectors.
template <class W>
std::vector<isize> some_depths() {
  if (dtype<W>::block == 256) return {256, 768};
  if (dtype<W>::block == 32) return {32, 64, 96, 288};
  return {1, 5, 16, 37, 576};
}

// The largest difference, relative to what a sum of products of this depth varies by: the norms of its two rows.
f64 difference(matrix<const f32> a, matrix<const f32> b, isize depth) {
  f64 largest = 0;
  for (isize t = 0; t < a.rows; ++t)
    for (isize n = 0; n < a.cols; ++n) {
      const f64 d = std::fabs(f64(a.row(t)[n]) - b.row(t)[n]);
      largest = std::max(largest, std::isfinite(d) ? d : std::numeric_limits<f64>::infinity());
    }
  return largest / std::sqrt(f64(depth));
}

// The plain product, with the weights' own values.
template <class W>
void plain_linear(matrix<f32> y, matrix<const f32> x, weight_matrix<W> w, const f32* bias) {
  std::vector<f32> wide(std::size_t(w.rows * w.cols));
  convert(dtype_id::f32, wide.data(), dtype<W>::id, w.data, w.rows * w.cols);
  detail::dot_rows(isa::generic{}, y, x, matrix<const f32>{wide.data(), w.rows, w.cols, w.cols}, bias);
}

// Dense weights lose nothing: only the order of the sum differs. A sum of K normal products, term by term, wanders to
// sqrt(K), so its rounding errors of 2^-24 add up to about K 2^-25, at most some ten times that among thousands of
// sums; single terms are at most 16.
f64 rounding(isize K) { return 0x1p-24 * (16 + 4 * std::sqrt(f64(K))); }

BOOST_AUTO_TEST_CASE_TEMPLATE(dense_products_are_the_plain_ones, W, dense_formats) {
  for (const isize M : some_tokens)
    for (const isize N : some_columns)
      for (const isize K : some_depths<W>())
        for (const bool with_bias : {false, true}) {
          BOOST_TEST_CONTEXT("M " << M << " N " << N << " K " << K << " bias " << with_bias) {
            const random_matrix x(M, K, 1, 5), bias(1, N, 2);
            const random_weights<W> w(N, K, 3);
            random_matrix y(M, N, 4, 3), expected = y;
            const f32* b = with_bias ? bias.values.data() : nullptr;
            plain_linear(expected.view(), x, w.view(), b);
            linear_kernel(cpu{}, y.view(), x, w.view(), b, K);
            BOOST_TEST(difference(y, expected, K) < rounding(K));
            for (isize t = 0; t < M; ++t)  // what lies between the rows of y stays
              for (isize i = N; i < N + 3; ++i)
                BOOST_REQUIRE(y.values[std::size_t(t * (N + 3) + i)] == expected.values[std::size_t(t * (N + 3) + i)]);
          }
        }
}

// How far a product may be off that takes activations in 15 bits and more: an activation is off by up to half a step,
// which is the largest of its 32 over 127 * 254 (AVX2 has 32767), a sum of products by the root of the sum of the
// squares of that, over sqrt(3), times its weights: so much is one standard deviation.
f64 deviation(matrix<const f32> x, isize t, matrix<const f32> w, isize n) {
  const isize K = w.cols;
  f64 variance = 0;
  for (isize k = 0; k < K; k += 32) {
    f64 largest = 0, squares = 0;
    for (isize i = k; i < std::min(k + 32, K); ++i) {
      largest = std::max(largest, f64(std::fabs(x.row(t)[i])));
      squares += f64(w.row(n)[i]) * f64(w.row(n)[i]);
    }
    variance += std::pow(largest / (127 * 254) / 2, 2) / 3 * squares;
  }
  return std::sqrt(variance);
}

// Within the error of the activations of the exact product, whatever the path.
BOOST_AUTO_TEST_CASE_TEMPLATE(block_products_are_near_the_plain_ones, W, block_formats) {
  for (const isize M : some_tokens)
    for (const isize N : some_columns)
      for (const isize K : some_depths<W>()) {
        BOOST_TEST_CONTEXT("M " << M << " N " << N << " K " << K) {
          const random_matrix x(M, K, 1, 5), bias(1, N, 2);
          const random_weights<W> w(N, K, 3);
          random_matrix y(M, N, 4, 3), expected = y;
          const f32* b = M % 2 ? bias.values.data() : nullptr;
          plain_linear(expected.view(), x, w.view(), b);
          linear_kernel(cpu{}, y.view(), x, w.view(), b, K);
          f64 worst = 0;  // in deviations of each output; the largest of a million normal numbers is 5 of those
          for (isize t = 0; t < M; ++t)
            for (isize n = 0; n < N; ++n) {
              const f64 off = std::fabs(f64(y.view().row(t)[n]) - f64(expected.view().row(t)[n]));
              worst = std::max(worst, std::isfinite(off) ? off / deviation(x, t, w.source, n)
                                                         : std::numeric_limits<f64>::infinity());
            }
          BOOST_TEST(worst < 5);
        }
      }
}

BOOST_AUTO_TEST_CASE(activations_round_to_the_nearest_of_255_levels) {
  random_matrix x(1, 96, 5);
  x.values[40] = -9.0f;
  for (std::size_t i = 64; i < 96; ++i) x.values[i] = 0;  // a group of zeros
  detail::q8_rows plain(1, 96), rows(1, 96);
  detail::quantize_q8_row(isa::generic{}, x.values.data(), 96, plain, 0);
  detail::quantize_q8_row(isa::native{}, x.values.data(), 96, rows, 0);
  BOOST_TEST(rows.groups() == 4);  // padded to an even number
  const auto a = plain.row(0), b = rows.row(0);
  BOOST_TEST(std::vector<int>(a.q, a.q + 128) == std::vector<int>(b.q, b.q + 128), boost::test_tools::per_element());
  BOOST_TEST(std::vector<f32>(a.ds, a.ds + 8) == std::vector<f32>(b.ds, b.ds + 8), boost::test_tools::per_element());
  BOOST_TEST(std::vector<i32>(a.n4, a.n4 + 32) == std::vector<i32>(b.n4, b.n4 + 32), boost::test_tools::per_element());
  BOOST_TEST(std::vector<i32>(a.n16, a.n16 + 8) == std::vector<i32>(b.n16, b.n16 + 8),
             boost::test_tools::per_element());
  BOOST_TEST(std::vector<i32>(a.n32, a.n32 + 4) == std::vector<i32>(b.n32, b.n32 + 4),
             boost::test_tools::per_element());
  BOOST_TEST(int(a.q[40]) == -127);
  BOOST_TEST(a.ds[2] == 9.0f / 127);
  for (int i = 0; i < 96; ++i)
    BOOST_TEST(std::fabs(x.values[std::size_t(i)] - a.ds[i / 32 * 2] * a.q[i]) <= a.ds[i / 32 * 2] * 0.5001f);
}

BOOST_AUTO_TEST_CASE(sixteen_bits_round_to_the_nearest_level_and_stand_in_pairs) {
  random_matrix x(1, 96, 5);
  x.values[40] = -9.0f;
  for (std::size_t i = 64; i < 96; ++i) x.values[i] = 0;  // a group of zeros
  for (isize g = 0; g < 3; ++g) {
    const f32* from = x.values.data() + 32 * g;
    const auto a = detail::quantize_q16_group(isa::generic{}, from),
               b = detail::quantize_q16_group(isa::native{}, from);
    BOOST_TEST(std::memcmp(&a, &b, sizeof a) == 0, "group " << g);
    i32 sum = 0;
    for (int i = 0; i < 32; ++i) {
      i16 two[2];
      std::memcpy(two, a.pairs[i / 4 * 2 + i % 2], 4);
      const i16 q = two[i % 4 / 2];
      BOOST_TEST(std::fabs(from[i] - a.d[0] * f32(q)) <= a.d[0] * 0.501f, "column " << i << " of group " << g);
      sum += q;
      if (i == 15) BOOST_TEST(a.n16[0][0] == -sum);
    }
    BOOST_TEST(a.n32[0] == -sum);
    BOOST_TEST(a.n16[1][0] == a.n32[0] - a.n16[0][0]);
    BOOST_TEST(a.s[0] == a.d[0] * f32(sum));
  }
}

// Interleaving moves bytes and loses none: word i of the eight rows, and their halves, in the order that the header
// says.
BOOST_AUTO_TEST_CASE_TEMPLATE(interleaved_rows_are_the_rows, W, block_formats) {
  using block = detail::interleaved_block<W>;
  using storage = typename dtype<W>::storage;
  for (const isize N : {8, 11}) {
    const isize K = 512 / dtype<W>::block * dtype<W>::block, blocks = K / dtype<W>::block;
    const random_weights<W> w(N, K, 3);
    for (isize n = 0; n < N; n += 8) {
      std::vector<std::byte> eight(std::size_t(detail::interleaved_bytes<W>(K)));
      detail::interleave_rows(eight.data(), w.view(), n);
      for (isize r = 0; r < 8; ++r)
        for (isize b = 0; b < blocks; ++b) {
          storage back;
          auto* to = reinterpret_cast<std::byte*>(&back);
          const std::byte* from = eight.data() + b * block::bytes;
          for (isize i = 0; i < block::words; ++i)
            std::memcpy(to + block::first_word + 4 * i, from + 32 * i + 4 * r, 4);
          for (isize i = 0; i < block::halves; ++i)
            std::memcpy(to + block::first_half + 2 * i, from + 32 * block::words + 16 * i + 2 * r, 2);
          BOOST_REQUIRE(std::memcmp(&back, w.view().row(std::min(n + r, N - 1)) + b, sizeof back) == 0);
        }
    }
  }
}

// A prepared weight gives the same bits as the weight itself; a view of other rows or columns is not taken for it.
BOOST_AUTO_TEST_CASE_TEMPLATE(prepared_weights_give_the_same, W, block_formats) {
  const isize N = 45, K = 512;
  auto w = Tensor<W, 2>(Shape<2>{N, K});
  const random_weights<W> values(N, K, 3);
  std::memcpy(w.data(), values.units.data(), std::size_t(w.bytes()));
  for (const isize M : {1, 2, 6}) {
    const random_matrix x(M, K, 4);
    random_matrix before(M, N, 5), after(M, N, 6), part(M, 20, 7);
    auto plain = w.clone(), prepared = w.clone();
    prepare_linear(prepared);
    BOOST_TEST((prepared.memory().companion() != nullptr) == detail::sixteen_bits<isa::native>);
    linear_kernel(cpu{}, before.view(), x, plain.weight_rows(), nullptr, K);
    linear_kernel(cpu{}, after.view(), x, prepared.weight_rows(), nullptr, K);
    BOOST_TEST(after.values == before.values, boost::test_tools::per_element());
    random_matrix plain_part(M, 20, 7);
    for (const isize first : {0, 11}) {  // the first rows, and rows from the middle
      linear_kernel(cpu{}, part.view(), x, prepared.slice(0, first, first + 20).weight_rows(), nullptr, K);
      linear_kernel(cpu{}, plain_part.view(), x, plain.slice(0, first, first + 20).weight_rows(), nullptr, K);
      BOOST_TEST(part.values == plain_part.values, boost::test_tools::per_element());
    }
    const auto half = prepared.slice(1, 0, 256), plain_half = plain.slice(1, 0, 256);  // the first columns
    const random_matrix x_half(M, 256, 8);
    random_matrix a(M, N, 9), b(M, N, 10);
    linear_kernel(cpu{}, a.view(), x_half, half.weight_rows(), nullptr, isize(256));
    linear_kernel(cpu{}, b.view(), x_half, plain_half.weight_rows(), nullptr, isize(256));
    BOOST_TEST(a.values == b.values, boost::test_tools::per_element());
  }
}

#if defined(HFT_ISA_AVX512VNNI)
// The integers themselves: exact sums, so only the order of the f32 sums may differ.
BOOST_AUTO_TEST_CASE_TEMPLATE(integer_dot_products_are_the_plain_ones, W, block_formats) {
  for (const isize M : {1, 2, 3, 9})
    for (const isize N : some_columns)
      for (const isize K : some_depths<W>()) {
        BOOST_TEST_CONTEXT("M " << M << " N " << N << " K " << K) {
          const random_matrix x(M, K, 6), bias(1, N, 7);
          const random_weights<W> w(N, K, 8);
          detail::q8_rows x8(M, K);
          for (isize t = 0; t < M; ++t) detail::quantize_q8_row(isa::native{}, x.values.data() + t * K, K, x8, t);
          random_matrix y(M, N, 9), expected(M, N, 10), panel(M, N, 11);
          detail::dot_blocks(isa::generic{}, expected.view(), x8, w.view(), bias.values.data());
          detail::dot_blocks(isa::native{}, y.view(), x8, w.view(), bias.values.data());
          BOOST_TEST(difference(y, expected, K) < 2e-6);
          detail::gemm_blocks(isa::native{}, panel.view(), x8, w.view(), bias.values.data());
          BOOST_TEST(difference(panel, expected, K) < 2e-6);
        }
      }
}
#endif

// The ends of the ranges: the largest levels times the largest activations must not saturate anything.
BOOST_AUTO_TEST_CASE_TEMPLATE(extreme_integers_do_not_saturate, W, block_formats) {
  const isize K = 256;
  for (const isize M : {1, 3, 12}) {
    for (const int pattern : {0x00, 0xff, 0x80, 0x7f}) {
      std::vector<typename dtype<W>::storage> units(std::size_t(3 * K / dtype<W>::block));
      std::fill_n(reinterpret_cast<u8*>(units.data()), units.size() * sizeof(units[0]), u8(pattern));
      for (auto& u : units) {
        u.d = f16(1);
        if constexpr (requires { u.m; }) u.m = f16(-1);
        if constexpr (requires { u.dmin; }) u.dmin = f16(1);
      }
      const weight_matrix<W> w{units.data(), 3, K, K / dtype<W>::block};
      for (const f32 sign : {1.0f, -1.0f}) {
        random_matrix x(M, K, 1), y(M, 3, 2), expected(M, 3, 3);
        for (std::size_t i = 0; i < x.values.size(); ++i)
          x.values[i] = sign * 127 * (pattern == 0x7f && i % 2 ? -1 : 1);
        plain_linear(expected.view(), x, w, nullptr);
        linear_kernel(cpu{}, y.view(), x, w, nullptr, K);
        for (std::size_t i = 0; i < y.values.size(); ++i)
          BOOST_TEST(
              std::fabs(y.values[i] - expected.values[i]) <= 1e-5f * std::max(1.0f, std::fabs(expected.values[i])),
              "pattern " << pattern << " got " << y.values[i] << " expected " << expected.values[i]);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(any_q_is_its_format, W, all_formats) {
  const isize K = 256;
  for (const isize M : {1, 11}) {
    const random_matrix x(M, K, 1);
    const random_weights<W> w(19, K, 2);
    random_matrix y(M, 19, 3), expected(M, 19, 4);
    linear_kernel(cpu{}, expected.view(), x, w.view(), nullptr, K);
    linear_kernel(cpu{}, y.view(), x, w.any(), nullptr, K);
    BOOST_TEST(y.values == expected.values, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(any_q_of_integers_is_an_error) {
  const random_matrix x(1, 32, 1);
  random_matrix y(1, 2, 2);
  const std::byte bytes[64] = {};
  const weight_matrix<any_q> w{bytes, 2, 32, 32, dtype_id::i8};
  BOOST_CHECK_EXCEPTION(
      linear_kernel(cpu{}, y.view(), x, w, nullptr, isize(32)), unsupported_error,
      [](const unsupported_error& e) { return std::string(e.what()).find("i8") != std::string::npos; });
}

void check_same(const random_matrix& a, const random_matrix& b) {
  if (std::is_same_v<isa::native, isa::generic>)
    BOOST_TEST(difference(a, b, 256) < rounding(256));
  else
    BOOST_TEST(a.values == b.values, boost::test_tools::per_element());
}

// Several products of one x, of unlike formats and heights, are the single ones bit for bit; so are any numbers of
// threads.
BOOST_AUTO_TEST_CASE(products_together_are_products_alone) {
  const isize K = 256;
  const random_weights<q4_1> a(70, K, 1);
  const random_weights<q8_0> b(3, K, 2);
  const random_weights<bf16> c(129, K, 3);
  const int threads = num_threads();
  for (const isize M : {1, 4, 40}) {
    const random_matrix x(M, K, 4, 8), bias(1, 129, 5);
    random_matrix ya(M, 70, 6), yb(M, 3, 7), yc(M, 129, 8);
    set_num_threads(1);
    linear_kernel(cpu{}, ya.view(), x, a.view(), nullptr, K);
    linear_kernel(cpu{}, yb.view(), x, b.view(), nullptr, K);
    linear_kernel(cpu{}, yc.view(), x, c.view(), bias.values.data(), K);
    for (const int n : {1, 2, 3, 5}) {
      set_num_threads(n);
      random_matrix za(M, 70, 9), zb(M, 3, 10), zc(M, 129, 11);
      linears_kernel(cpu{}, std::array{za.view(), zb.view(), zc.view()}, x, std::array{a.any(), b.any(), c.any()},
                     std::array<const f32*, 3>{nullptr, nullptr, bias.values.data()});
      check_same(za, ya);
      check_same(zb, yb);
      check_same(zc, yc);
    }
  }
  set_num_threads(threads);
}

BOOST_AUTO_TEST_CASE(f64_is_exact_and_an_extent_may_be_a_type) {
  const f64 x[2][2] = {{1, 2}, {3, 4}}, w[3][2] = {{1, 0}, {0, 1}, {1, 1}}, bias[3] = {0, 0, 0.5};
  f64 y[2][3];
  linear_kernel(cpu{}, matrix<f64>{y[0], 2, 3, 3}, matrix<const f64>{x[0], 2, 2, 2}, weight_matrix<f64>{w[0], 3, 2, 2},
                bias, Int<2>{});
  BOOST_TEST(y[0][0] == 1.0);
  BOOST_TEST(y[0][2] == 3.5);
  BOOST_TEST(y[1][1] == 4.0);
  BOOST_TEST(y[1][2] == 7.5);
}

BOOST_AUTO_TEST_CASE(nothing_to_do_is_nothing_done) {
  const random_matrix x(0, 32, 1);
  const random_weights<q4_0> w(4, 32, 2);
  linear_kernel(cpu{}, matrix<f32>{nullptr, 0, 4, 4}, x, w.view(), nullptr, isize(32));
  const random_matrix one(1, 32, 1);
  linear_kernel(cpu{}, matrix<f32>{nullptr, 1, 0, 0}, one, weight_matrix<q4_0>{nullptr, 0, 32, 1}, nullptr, isize(32));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
