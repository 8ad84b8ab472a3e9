// Conversion between dtypes: rounding, what is not finite, and every pair.
#include <hft/quantization/convert.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(converting)

namespace {

using namespace hft;

constexpr dtype_id weight_dtypes[] = {dtype_id::f64,  dtype_id::f32,  dtype_id::f16,  dtype_id::bf16,
                                      dtype_id::q4_0, dtype_id::q4_1, dtype_id::q5_0, dtype_id::q5_1,
                                      dtype_id::q8_0, dtype_id::q4_k, dtype_id::q5_k, dtype_id::q6_k};

std::vector<std::byte> room(dtype_id id, isize n) {
  return std::vector<std::byte>(std::size_t(n / info(id).block * info(id).bytes));
}

// Each value of 16 bits widens and narrows to itself; the vectors and the scalars at the end agree with f16 and bf16.
BOOST_AUTO_TEST_CASE(sixteen_bits_survive_f32) {
  constexpr isize n = 65536 - 3;  // not a multiple of a vector
  std::vector<std::uint16_t> bits(n), back(n);
  std::vector<f32> wide(n);
  for (isize i = 0; i < n; ++i) bits[std::size_t(i)] = std::uint16_t(i + 3);
  for (const dtype_id id : {dtype_id::f16, dtype_id::bf16}) {
    convert(dtype_id::f32, wide.data(), id, bits.data(), n);
    convert(id, back.data(), dtype_id::f32, wide.data(), n);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < std::size_t(n); ++i) {
      const f32 expected = id == dtype_id::f16 ? f16::decode(bits[i]) : f32(bf16::from_bits(bits[i]));
      if (std::isnan(expected))  // stays NaN; a signalling one may become quiet
        wrong += !std::isnan(wide[i]) ||
                 !std::isnan(id == dtype_id::f16 ? f16::decode(back[i]) : f32(bf16::from_bits(back[i])));
      else
        wrong += std::bit_cast<std::uint32_t>(wide[i]) != std::bit_cast<std::uint32_t>(expected) || back[i] != bits[i];
    }
    BOOST_TEST(wrong == 0u);
  }
}

BOOST_AUTO_TEST_CASE(narrowing_rounds_to_nearest_even) {
  std::mt19937 random(3);
  constexpr isize n = 100003;
  std::vector<f32> x(n);
  for (f32& v : x) v = std::bit_cast<f32>(std::uint32_t(random()));  // all exponents, infinities and NaN among them
  x[0] = 65520.0f, x[1] = 65519.996f, x[2] = 0x1p-25f, x[3] = 0x1.000002p-25f;  // f16's edges
  x[4] = std::numeric_limits<f32>::infinity(), x[5] = std::numeric_limits<f32>::max();
  std::vector<f16> half(n);
  std::vector<bf16> brain(n);
  convert(dtype_id::f16, half.data(), dtype_id::f32, x.data(), n);
  convert(dtype_id::bf16, brain.data(), dtype_id::f32, x.data(), n);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < std::size_t(n); ++i) {
    if (std::isnan(x[i])) {
      wrong += !std::isnan(f16::decode(half[i].bits)) || !std::isnan(f32(brain[i]));
    } else {
      wrong += half[i].bits != f16::encode(x[i]) || brain[i].bits != bf16(x[i]).bits;
    }
  }
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(half[0].bits == 0x7c00);  // halfway to 65536 rounds to infinity
  BOOST_TEST(half[1].bits == 0x7bff);
  BOOST_TEST(half[2].bits == 0);  // halfway to the least subnormal rounds to even
  BOOST_TEST(half[3].bits == 1);
  BOOST_TEST(brain[4].bits == 0x7f80);
  BOOST_TEST(brain[5].bits == 0x7f80);
}

BOOST_AUTO_TEST_CASE(every_pair_goes_through_f32) {
  constexpr isize n = 256 * 9;  // more than one chunk
  std::mt19937 random(4);
  std::normal_distribution<f32> normal;
  std::vector<f32> x(n), direct(n), staged(n);
  for (f32& v : x) v = normal(random);
  for (const dtype_id from : weight_dtypes)
    for (const dtype_id to : weight_dtypes) {
      BOOST_TEST_CONTEXT(name(from) << " to " << name(to)) {
        auto source = room(from, n), target = room(to, n), expected = room(to, n), rows = room(to, n);
        convert(from, source.data(), dtype_id::f32, x.data(), n);
        convert(to, target.data(), from, source.data(), n);
        convert(dtype_id::f32, staged.data(), from, source.data(), n);
        convert(to, expected.data(), dtype_id::f32, staged.data(), n);
        if (from == to) expected = source;  // a copy: quantising again could choose other scales
        convert_rows(to, rows.data(), from, source.data(), 3, n / 3);
        BOOST_TEST((target == expected));
        BOOST_TEST((rows == expected));
      }
    }
}

BOOST_AUTO_TEST_CASE(wrong_arguments_are_errors) {
  f32 x[64] = {};
  q4_0::storage q[2];
  BOOST_CHECK_THROW(convert(dtype_id::q4_0, q, dtype_id::f32, x, 33), shape_error);
  BOOST_CHECK_THROW(convert(dtype_id::f32, x, dtype_id::i32, x, 1), value_error);
  BOOST_CHECK_THROW(convert_rows(dtype_id::q4_0, q, dtype_id::f32, x, 2, 16), shape_error);
  BOOST_CHECK_EXCEPTION(convert(dtype_id::boolean, x, dtype_id::f32, x, 1), value_error,
                        [](const value_error& e) { return std::string(e.what()).find("bool") != std::string::npos; });
  convert(dtype_id::q4_0, q, dtype_id::f32, x, 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
