// to_xtensor and to_eigen: views without copies.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <numeric>
#include <type_traits>

#include <hft/eigen.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/io/safetensors_writer.hpp>
#if __has_include(<xtensor/xadapt.hpp>)
#include <hft/xtensor.hpp>
#include <xtensor/xmath.hpp>
#endif

using namespace hft;

BOOST_AUTO_TEST_SUITE(adapters)

namespace {
Tensor<f32, 3> counted() {
  Tensor<f32, 3> t({2, 3, 4});
  std::iota(t.data(), t.data() + t.size(), 0.0f);
  return t;
}
}  // namespace

BOOST_AUTO_TEST_CASE(eigen_maps_are_views) {
  const auto t = counted();
  auto m = to_eigen(t.slice(2, 1, 3));
  BOOST_TEST(m.rows() == 6);
  BOOST_TEST(m.cols() == 2);
  BOOST_TEST(m(5, 1) == 22);
  m(5, 1) = -1;
  BOOST_TEST(t.data()[22] == -1);
  BOOST_CHECK_THROW(to_eigen(t.permute({1, 0, 2})), shape_error);
}

BOOST_AUTO_TEST_CASE(maps_of_constants_are_constant) {
  const auto constant = counted();
  auto t = counted();
  static_assert(!std::is_assignable_v<decltype(to_eigen(constant)(0, 0)), f32>);
  static_assert(std::is_assignable_v<decltype(to_eigen(t)(0, 0)), f32>);
  BOOST_TEST(to_eigen(constant)(5, 3) == 23);
#if __has_include(<xtensor/xadapt.hpp>)
  static_assert(!std::is_assignable_v<decltype(to_xtensor(constant)(0, 0, 0)), f32>);
  static_assert(std::is_assignable_v<decltype(to_xtensor(t)(0, 0, 0)), f32>);
  BOOST_TEST(to_xtensor(constant)(1, 2, 3) == 23);
#endif
}

BOOST_AUTO_TEST_CASE(what_is_written_to_a_mapped_weight_stays_out_of_its_file) {
  const auto file = std::filesystem::temp_directory_path() / ("hft_mapped_" + std::to_string(::getpid()));
  const auto t = counted();
  write_safetensors(file, {{{"w", dtype_id::f32, {6, 4}, std::as_bytes(std::span(t.data(), 24)), nullptr}}}, {});
  const auto before = read_text(file, 1 << 20);
  const auto stored = safetensors_file::open(file).tensors()[0];
  auto w = Tensor<f32, 2>::wrap(buffer::share(stored.owner, stored.bytes.data(), stored.bytes.size(), true),
                                stored.bytes.data(), {6, 4});
  to_eigen(w)(5, 3) = -1;
  w.data()[0] = -2;
  BOOST_TEST(w.data()[23] == -1);
  BOOST_TEST(w.data()[0] == -2);
  BOOST_TEST((read_text(file, 1 << 20) == before));
  std::filesystem::remove(file);
}

#if __has_include(<xtensor/xadapt.hpp>)
BOOST_AUTO_TEST_CASE(xtensor_arrays_are_views) {
  auto t = counted();
  auto a = to_xtensor(t);
  BOOST_TEST(a(1, 2, 3) == 23);
  BOOST_TEST(xt::sum(a)() == 276);
  a(0, 0, 0) = 5;
  BOOST_TEST(t.data()[0] == 5);
  const auto s = t.slice(1, 1, 2);
  BOOST_TEST(to_xtensor(s)(1, 0, 2) == 18);
  BOOST_TEST(to_xtensor(t.permute({1, 0, 2}))(2, 1, 0) == 20);
}
#endif

BOOST_AUTO_TEST_SUITE_END()
