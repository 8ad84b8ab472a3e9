// to_xtensor and to_eigen: views without copies.
#include <boost/test/unit_test.hpp>
#include <numeric>

#include <hft/eigen.hpp>
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

#if __has_include(<xtensor/xadapt.hpp>)
BOOST_AUTO_TEST_CASE(xtensor_arrays_are_views) {
  const auto t = counted();
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
