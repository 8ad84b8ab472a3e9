// NF4 against bitsandbytes (tests/oracle/nf4.py), to the bit.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <vector>

#include <hft/io/safetensors.hpp>
#include <hft/ops/cpu/linear.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/random.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(nf4_format)

namespace {
template <class T>
std::vector<T> values(const safetensors_file& file, const char* name) {
  const auto* t = file.find(name);
  BOOST_TEST_REQUIRE(t, name);
  std::vector<T> v(t->bytes.size() / sizeof(T));
  std::memcpy(v.data(), t->bytes.data(), t->bytes.size());
  return v;
}
}  // namespace

BOOST_AUTO_TEST_CASE(codes_scales_and_values_of_bitsandbytes) {
  const auto file = safetensors_file::open(std::filesystem::path(HFT_TEST_DATA) / "quantization" / "nf4.safetensors");
  const auto x = values<f32>(file, "x"), absmax = values<f32>(file, "absmax"), back = values<f32>(file, "dequantized");
  const auto codes = values<u8>(file, "q");
  std::vector<nf4::storage> blocks(x.size() / 64);
  quantize<nf4>(x.data(), blocks.data(), isize(x.size()));
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    BOOST_TEST(blocks[b].absmax == absmax[b]);
    BOOST_TEST(std::memcmp(blocks[b].qs, &codes[32 * b], 32) == 0, "block " << b);
  }
  std::vector<f32> out(x.size());
  dequantize<nf4>(blocks.data(), out.data(), isize(out.size()));
  BOOST_TEST((out == back));
  std::vector<f32> converted(x.size());
  convert(dtype_id::f32, converted.data(), dtype_id::nf4, blocks.data(), isize(x.size()));
  BOOST_TEST((converted == back));
}

BOOST_AUTO_TEST_CASE(products_are_those_of_the_widened_weights) {
  constexpr isize N = 37, K = 192;
  const random_stream random(5);
  std::vector<f32> w(N * K), x(150 * K), bias(N), wide(N * K);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = f32(random.normal(i));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = f32(random.normal(100000 + i));
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = f32(i);
  std::vector<nf4::storage> blocks(N * K / 64);
  quantize<nf4>(w.data(), blocks.data(), N * K);
  dequantize<nf4>(blocks.data(), wide.data(), N * K);
  for (const isize M : {1, 2, 3, 4, 5, 7, 11, 20, 150}) {
    std::vector<f32> y(std::size_t(M * N)), expected(y.size()), plain(y.size());
    const matrix<const f32> rows{x.data(), M, K, K};
    const weight_matrix<nf4> weight{blocks.data(), N, K, K / 64};
    linear_kernel(cpu{}, matrix<f32>{y.data(), M, N, N}, rows, weight, bias.data(), K);
    linear_kernel(cpu{}, matrix<f32>{expected.data(), M, N, N}, rows, weight_matrix<f32>{wide.data(), N, K, K},
                  bias.data(), K);
    hft::detail::dot_nf4(isa::generic{}, matrix<f32>{plain.data(), M, N, N}, rows, weight, bias.data());
    for (std::size_t i = 0; i < y.size(); ++i) {
      BOOST_TEST(std::abs(y[i] - expected[i]) < 1e-4f);
      BOOST_TEST(std::abs(plain[i] - expected[i]) < 1e-4f);
    }
  }
}

BOOST_AUTO_TEST_CASE(each_instruction_set_computes_what_the_oracle_does) {
  const random_stream random(6);
  const auto check = [&](auto set) {
    for (const isize N : {1, 2, 3, 4, 5, 13})
      for (const isize M : {1, 2, 3, 6, 9}) {
        const isize K = 64 * (1 + N % 3), stride = K + 5;  // rows of x and y lie apart
        std::vector<f32> w(static_cast<std::size_t>(N * K)), x(static_cast<std::size_t>(M * stride));
        for (std::size_t i = 0; i < w.size(); ++i) w[i] = f32(random.normal(i));
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = f32(random.normal(50000 + i));
        std::vector<nf4::storage> blocks(w.size() / 64);
        quantize<nf4>(w.data(), blocks.data(), isize(w.size()));
        std::vector<f32> y(static_cast<std::size_t>(M * (N + 2)), -7.0f), expected = y;
        const matrix<const f32> rows{x.data(), M, K, stride};
        const weight_matrix<nf4> weight{blocks.data(), N, K, K / 64};
        hft::detail::dot_nf4(set, matrix<f32>{y.data(), M, N, N + 2}, rows, weight, nullptr);
        hft::detail::dot_nf4(isa::generic{}, matrix<f32>{expected.data(), M, N, N + 2}, rows, weight, nullptr);
        for (std::size_t i = 0; i < y.size(); ++i) BOOST_TEST(std::abs(y[i] - expected[i]) < 1e-4f);
      }
  };
#if defined(HFT_ISA_AVX2)
  check(isa::avx2{});
#endif
  check(isa::native{});
}

BOOST_AUTO_TEST_SUITE_END()
