// f16 and bf16 conversions, and the table of dtypes.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include <hft/dtype.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(dtypes)

BOOST_AUTO_TEST_CASE(every_f16_survives_the_round_trip) {
  int wrong = 0;
  for (unsigned i = 0; i < 65536; ++i) {
    const auto h = f16::from_bits(std::uint16_t(i));
    const f32 x = f32(h);
    if (std::isnan(x)) continue;
    wrong += f16(x).bits != i || f16::encode(x) != i || f16::decode(std::uint16_t(i)) != x;
  }
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(f16_rounds_to_nearest_even) {
  BOOST_TEST(f16::encode(1.0f) == 0x3c00);
  BOOST_TEST(f16::encode(1 + 0x1p-11f) == 0x3c00);      // half way: to even
  BOOST_TEST(f16::encode(1 + 3 * 0x1p-11f) == 0x3c02);  // half way: to even
  BOOST_TEST(f16::encode(65504.0f) == 0x7bff);          // the largest
  BOOST_TEST(f16::encode(65519.0f) == 0x7bff);
  BOOST_TEST(f16::encode(65520.0f) == 0x7c00);  // infinity
  BOOST_TEST(f16::encode(0x1p-24f) == 1);       // the smallest subnormal
  BOOST_TEST(f16::encode(0x1p-25f) == 0);
  BOOST_TEST(std::isnan(f16::decode(f16::encode(NAN))));
  BOOST_TEST(f16::encode(-INFINITY) == 0xfc00);
}

BOOST_AUTO_TEST_CASE(bf16_rounds_to_nearest_even_and_keeps_nan) {
  BOOST_TEST(bf16(1.0f).bits == 0x3f80);
  BOOST_TEST(bf16(1 + 0x1p-8f).bits == 0x3f80);
  BOOST_TEST(bf16(1 + 3 * 0x1p-8f).bits == 0x3f82);
  BOOST_TEST(std::isnan(f32(bf16(NAN))));
  BOOST_TEST(std::isnan(f32(bf16(std::bit_cast<f32>(0x7f800001u)))));  // a NaN whose payload would be rounded away
  BOOST_TEST(std::isinf(f32(bf16(INFINITY))));
  static_assert(f32(bf16(2.5f)) == 2.5f);
}

BOOST_AUTO_TEST_CASE(names_lead_back_to_the_dtype) {
  for (const auto& d : dtype_table) {
    BOOST_TEST((dtype_from_name(d.name) == d.id));
    if (!d.safetensors.empty()) BOOST_TEST((dtype_from_safetensors(d.safetensors) == d.id));
    if (d.ggml_type >= 0) BOOST_TEST((dtype_from_ggml(d.ggml_type) == d.id));
    BOOST_TEST((info(d.id).id == d.id));
  }
  BOOST_TEST(!dtype_from_name("q9_9"));
  BOOST_TEST(!dtype_from_safetensors(""));
  BOOST_TEST(!dtype_from_ggml(-1));
}

BOOST_AUTO_TEST_SUITE_END()
