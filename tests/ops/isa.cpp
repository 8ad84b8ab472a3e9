// The f32 vectors of the instruction sets: what a load, a store and a reduction touch.
#include <hft/ops/cpu/isa.hpp>

#include <concepts>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(instruction_sets)

namespace {

using namespace hft;

BOOST_AUTO_TEST_CASE(each_set_falls_back_to_the_one_below) {
  static_assert(std::derived_from<isa::avx512vnni, isa::avx512>);
  static_assert(std::derived_from<isa::avx512, isa::avx2>);
  static_assert(std::derived_from<isa::avx2, isa::generic>);
  static_assert(std::derived_from<isa::native, isa::generic>);
}

#if defined(HFT_ISA_AVX2)

template <class V>
void check_vector() {
  constexpr isize n = V::width;
  f32 x[n], y[n + 1];
  for (isize i = 0; i < n; ++i) x[i] = f32(i + 1);
  const V a = V::load(x);
  BOOST_TEST(sum(a) == f32(n * (n + 1) / 2));
  BOOST_TEST(max(a) == f32(n));
  for (isize part = 0; part < n; ++part) {
    BOOST_TEST(sum(V::load_n(x, part)) == f32(part * (part + 1) / 2));
    for (f32& v : y) v = -1;
    fma(a, V::set(2), V::set(1)).store_n(y, part);
    for (isize i = 0; i <= n; ++i) BOOST_TEST(y[i] == (i < part ? f32(2 * i + 3) : -1.0f));
  }
  f16 half[n];
  bf16 brain[n];
  for (isize i = 0; i < n; ++i) half[i] = f16(x[i]), brain[i] = bf16(x[i]);
  BOOST_TEST(sum(V::load(half) - a) == 0.0f);
  BOOST_TEST(sum(V::load(brain) - a) == 0.0f);
  for (isize part = 0; part < n; ++part) {
    BOOST_TEST(sum(V::load_n(half, part)) == f32(part * (part + 1) / 2));
    BOOST_TEST(sum(V::load_n(brain, part)) == f32(part * (part + 1) / 2));
  }
  BOOST_TEST(sum(max(a, V::set(2)) - a) == 1.0f);
  BOOST_TEST(sum(min(a, V::set(0))) == 0.0f);
  BOOST_TEST(sum(a / a) == f32(n));
}

BOOST_AUTO_TEST_CASE(vectors_load_compute_and_store) {
  check_vector<isa::f32x8>();
#if defined(HFT_ISA_AVX512)
  check_vector<isa::f32x16>();
#endif
}

#endif

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
