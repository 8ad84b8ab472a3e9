// The values of every block format, bit for bit those of gguf-py.
#include <hft/quantization/block_formats.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <hft/io/safetensors.hpp>

BOOST_AUTO_TEST_SUITE(block_formats)

namespace {

using namespace hft;
using formats = std::tuple<q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k>;

template <class T>
std::vector<T> read(const safetensors_file& file, const std::string& name) {
  const stored_tensor* t = file.find(name);
  BOOST_REQUIRE_MESSAGE(t, "golden lacks " << name);
  std::vector<T> out(t->bytes.size() / sizeof(T));
  std::memcpy(out.data(), t->bytes.data(), t->bytes.size());
  return out;
}

// Q4_0 and Q4_K, as gguf-py spells q4_0 and q4_k.
std::string gguf_name(dtype_id id) {
  std::string out(name(id));
  for (char& c : out) c = char(std::toupper(c));
  return out;
}

BOOST_AUTO_TEST_CASE_TEMPLATE(values_are_those_of_gguf_py, W, formats) {
  const auto golden = safetensors_file::open(HFT_TEST_DATA "/quantization/block_formats.safetensors");
  const std::string format = gguf_name(dtype<W>::id);
  const auto blocks = read<typename dtype<W>::storage>(golden, format + ".blocks");
  const auto expected = read<f32>(golden, format + ".values");
  BOOST_REQUIRE_EQUAL(isize(blocks.size()) * dtype<W>::block, isize(expected.size()));
  std::vector<f32> values(expected.size());
  dequantize<W>(blocks.data(), values.data(), isize(values.size()));
  std::size_t different = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    different += std::bit_cast<std::uint32_t>(values[i]) != std::bit_cast<std::uint32_t>(expected[i]) &&
                 !(std::isnan(values[i]) && std::isnan(expected[i]));
  BOOST_TEST(different == 0u);
}

BOOST_AUTO_TEST_CASE(a_q4_0_block_by_hand) {
  q4_0::storage b{f16(0.5f), {}};
  b.qs[0] = 0xf0;  // element 0 has level 0, element 16 level 15
  f32 values[32];
  dequantize<q4_0>(&b, values, 32);
  BOOST_TEST(values[0] == -4.0f);  // 0.5 * (0 - 8)
  BOOST_TEST(values[16] == 3.5f);  // 0.5 * (15 - 8)
  BOOST_TEST(values[17] == -4.0f);
}

BOOST_AUTO_TEST_CASE(the_scales_of_a_k_block_are_six_bits) {
  u8 packed[12] = {}, scale[8], min[8];
  packed[1] = 63;          // scale 1
  packed[4] = 0x40 | 5;    // min 0 = 5; the upper two bits of min 4 are 1
  packed[8] = 0x20 | 0x3;  // scale 4 = 3, min 4 = 16 + 2
  detail::unpack_k_scales(packed, scale, min);
  BOOST_TEST(scale[1] == 63);
  BOOST_TEST(min[0] == 5);
  BOOST_TEST(scale[4] == 3);
  BOOST_TEST(min[4] == 18);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
