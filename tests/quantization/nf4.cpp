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

BOOST_AUTO_TEST_SUITE(nf4_format)

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
  std::vector<f32> w(N * K), x(11 * K), bias(N), wide(N * K);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = f32(random.normal(i));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = f32(random.normal(10000 + i));
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = f32(i);
  std::vector<nf4::storage> blocks(N * K / 64);
  quantize<nf4>(w.data(), blocks.data(), N * K);
  dequantize<nf4>(blocks.data(), wide.data(), N * K);
  for (const isize M : {1, 3, 11}) {
    std::vector<f32> y(std::size_t(M * N)), expected(y.size());
    linear_kernel(cpu{}, matrix<f32>{y.data(), M, N, N}, matrix<const f32>{x.data(), M, K, K},
                  weight_matrix<nf4>{blocks.data(), N, K, K / 64}, bias.data(), K);
    linear_kernel(cpu{}, matrix<f32>{expected.data(), M, N, N}, matrix<const f32>{x.data(), M, K, K},
                  weight_matrix<f32>{wide.data(), N, K, K}, bias.data(), K);
    for (std::size_t i = 0; i < y.size(); ++i) BOOST_TEST(std::abs(y[i] - expected[i]) < 1e-4f);
  }
}

BOOST_AUTO_TEST_SUITE_END()
