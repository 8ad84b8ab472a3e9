// Quantising: the bytes of gguf-py where it has them, small errors where it has not, nothing undefined for odd values.
#include <hft/quantization/quantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <hft/io/safetensors.hpp>

BOOST_AUTO_TEST_SUITE(quantizing)

namespace {

using namespace hft;
using plain_formats = std::tuple<q4_0, q4_1, q5_0, q5_1, q8_0>;
using k_formats = std::tuple<q4_k, q5_k, q6_k>;
using formats = std::tuple<q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k>;

std::string gguf_name(dtype_id id) {
  std::string out(name(id));
  for (char& c : out) c = char(std::toupper(c));
  return out;
}

template <class W>
std::vector<f32> there_and_back(const std::vector<f32>& x) {
  std::vector<typename dtype<W>::storage> blocks(x.size() / std::size_t(dtype<W>::block));
  std::vector<f32> out(x.size());
  quantize<W>(x.data(), blocks.data(), isize(x.size()));
  dequantize<W>(blocks.data(), out.data(), isize(x.size()));
  return out;
}

// Root mean square of x - y relative to that of x.
f64 relative_error(const std::vector<f32>& x, const std::vector<f32>& y) {
  f64 difference = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    difference += f64(x[i] - y[i]) * f64(x[i] - y[i]), size += f64(x[i]) * x[i];
  return std::sqrt(difference / size);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(bytes_are_those_of_gguf_py, W, plain_formats) {
  const auto golden = safetensors_file::open(HFT_TEST_DATA "/quantization/block_formats.safetensors");
  const std::string format = gguf_name(dtype<W>::id);
  const auto *rows = golden.find(format + ".rows"), *expected = golden.find(format + ".quantized");
  BOOST_REQUIRE(rows && expected);
  std::vector<f32> x(rows->bytes.size() / sizeof(f32));
  std::memcpy(x.data(), rows->bytes.data(), rows->bytes.size());
  std::vector<typename dtype<W>::storage> blocks(x.size() / std::size_t(dtype<W>::block));
  quantize<W>(x.data(), blocks.data(), isize(x.size()));
  BOOST_REQUIRE_EQUAL(blocks.size() * sizeof(blocks[0]), expected->bytes.size());
  BOOST_TEST(std::memcmp(blocks.data(), expected->bytes.data(), expected->bytes.size()) == 0);
}

// Normal weights: ggml's own quantisers give 0.0708, 0.0357 and 0.0176; one that takes the range as scale gives more
// than 0.09, 0.045 and 0.02.
BOOST_AUTO_TEST_CASE_TEMPLATE(k_formats_search_their_scales, W, k_formats) {
  std::mt19937 random(1);
  std::normal_distribution<f32> normal;
  std::vector<f32> x(256 * 200);
  for (f32& v : x) v = normal(random);
  const f64 error = relative_error(x, there_and_back<W>(x));
  BOOST_TEST(error < (std::is_same_v<W, q4_k> ? 0.075 : std::is_same_v<W, q5_k> ? 0.038 : 0.0185));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_a_format_holds_survives, W, formats) {
  std::mt19937 random(2);
  std::normal_distribution<f32> normal;
  std::vector<f32> x(512);
  for (f32& v : x) v = normal(random);
  const auto once = there_and_back<W>(x), twice = there_and_back<W>(once);
  BOOST_TEST(relative_error(once, twice) < (dtype<W>::block == 32 ? 1e-3 : 3e-2));
  const std::vector<f32> zeros(512);
  BOOST_TEST(there_and_back<W>(zeros) == zeros, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(odd_values_do_no_harm, W, formats) {
  constexpr f32 inf = std::numeric_limits<f32>::infinity(), nan = std::numeric_limits<f32>::quiet_NaN();
  for (const f32 odd : {inf, -inf, nan, 3e38f, -3e38f, 1e-45f}) {
    std::vector<f32> x(512, 1.0f);
    x[3] = odd;
    const auto y = there_and_back<W>(x);
    BOOST_TEST(y[256 + 100] == 1.0f, boost::test_tools::tolerance(0.1f));  // another block is none the worse
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
