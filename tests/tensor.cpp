// Tensor: handles, views, slices, reshapes.
#include <boost/test/unit_test.hpp>
#include <numeric>
#include <vector>

#include <hft/tensor.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(tensor)

namespace {

// 0, 1, 2, ... in row-major order.
template <std::size_t R>
Tensor<f32, R> counted(const Shape<R>& shape) {
  Tensor<f32, R> t(shape);
  std::iota(t.data(), t.data() + t.size(), 0.0f);
  return t;
}
template <std::size_t R>
std::vector<f32> values(const Tensor<f32, R>& t) {
  const auto d = t.clone();
  return {d.data(), d.data() + d.size()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(copies_share_and_clones_do_not) {
  const auto a = counted<2>({2, 3});
  const auto b = a;
  const auto c = a.clone();
  a.data()[4] = 40;
  BOOST_TEST(b[1][1] == 40);
  BOOST_TEST(c[1][1] == 4);
}

BOOST_AUTO_TEST_CASE(slices_and_indices_are_views) {
  const auto a = counted<3>({2, 3, 4});
  const auto s = a.slice(2, 1, 3);
  BOOST_TEST(values(s) == (std::vector<f32>{1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22}),
             boost::test_tools::per_element());
  BOOST_TEST(s.data() == a.data() + 1);
  BOOST_TEST(values(a.slice(1, 2, 3)) == (std::vector<f32>{8, 9, 10, 11, 20, 21, 22, 23}),
             boost::test_tools::per_element());
  BOOST_TEST(a[1][2][3] == 23);
  BOOST_CHECK_THROW(a.slice(1, 2, 4), shape_error);
  BOOST_CHECK_THROW(a.slice(1, -1, 2), shape_error);
  BOOST_CHECK_THROW(a[2], shape_error);
}

BOOST_AUTO_TEST_CASE(reshape_keeps_strided_memory_where_it_can) {
  const auto a = counted<3>({2, 3, 12}).slice(2, 4, 8);  // strides 36, 12, 1
  BOOST_TEST(values(a.reshape<4>({2, 3, 2, 2})) == values(a), boost::test_tools::per_element());
  BOOST_TEST(values(a.reshape<2>({6, 4})) == values(a), boost::test_tools::per_element());
  BOOST_TEST(values(a.slice(1, 0, 1).reshape<2>({2, 4})) == (std::vector<f32>{4, 5, 6, 7, 40, 41, 42, 43}),
             boost::test_tools::per_element());
  BOOST_TEST(a.reshape<2>({6, 4}).data() == a.data());
  BOOST_CHECK_THROW(a.reshape<2>({3, 8}), shape_error);
  BOOST_CHECK_THROW(a.reshape<1>({7}), shape_error);
  BOOST_TEST(values(counted<2>({4, 6}).reshape<3>({2, 3, 4})) == values(counted<1>({24})),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(permute_moves_outer_dimensions) {
  const auto a = counted<4>({1, 2, 3, 2}).permute({0, 2, 1, 3});
  BOOST_TEST(values(a) == (std::vector<f32>{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}), boost::test_tools::per_element());
  BOOST_CHECK_THROW(a.rows(), shape_error);  // its rows do not lie at one distance
  BOOST_TEST(a.collapsible().rows().rows == 6);
}

BOOST_AUTO_TEST_CASE(rows_see_every_collapsible_view) {
  const auto r = counted<3>({2, 3, 12}).slice(2, 4, 8).rows();
  BOOST_TEST(r.rows == 6);
  BOOST_TEST(r.cols == 4);
  BOOST_TEST(r.stride == 12);
}

BOOST_AUTO_TEST_CASE(block_formats_come_in_whole_blocks) {
  Tensor<q4_0, 2> w({3, 64});
  BOOST_TEST(w.bytes() == 3 * 2 * 18);
  BOOST_TEST(w.slice(1, 32, 64).weight_rows().stride == 2);
  BOOST_CHECK_THROW((Tensor<q4_0, 2>({3, 48})), shape_error);
  auto any = Tensor<any_q, 2>::unallocated({3, 64});
  BOOST_TEST(!any);
  any.allocate(dtype_id::q8_0);
  BOOST_TEST(any.bytes() == 3 * 2 * 34);
  BOOST_TEST(any.weight_rows().stride == 68);
  BOOST_TEST(any.weight_rows().as<q8_0>().stride == 2);
}

BOOST_AUTO_TEST_CASE(shapes_that_are_no_size_are_refused) {
  BOOST_CHECK_THROW((Tensor<f32, 2>({-1, 3})), shape_error);
  BOOST_CHECK_THROW((Tensor<f32, 2>({isize(1) << 40, isize(1) << 40})), shape_error);
  BOOST_CHECK_THROW((Tensor<f32, 2>::from({1, 2, 3}, {2, 2})), shape_error);
}

BOOST_AUTO_TEST_SUITE_END()
