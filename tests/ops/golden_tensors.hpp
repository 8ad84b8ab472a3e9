// Tensors of a golden file of tests/data/ops, and their comparison with what an op made.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <hft/autodiff.hpp>
#include <hft/io/safetensors.hpp>

namespace hft::test {

class golden_tensors {
 public:
  explicit golden_tensors(const std::string& name)
      : file_(safetensors_file::open(std::filesystem::path(HFT_TEST_DATA) / "ops" / (name + ".safetensors"))) {}

  /// A tensor of the file; the test fails where it is missing.
  template <class T, std::size_t R>
  Tensor<T, R> get(const std::string& name) const {
    const auto* t = file_.find(name);
    BOOST_TEST_REQUIRE(t, name);
    BOOST_TEST_REQUIRE(t->shape.size() == R, name);
    Shape<R> shape;
    std::copy(t->shape.begin(), t->shape.end(), shape.begin());
    Tensor<T, R> x(shape);
    BOOST_TEST_REQUIRE(t->bytes.size() == std::size_t(x.bytes()), name);
    std::memcpy(x.data(), t->bytes.data(), t->bytes.size());
    return x;
  }
  template <std::size_t R>
  Tensor<f32, R, autodiff<cpu>> leaf(const std::string& name) const {
    return Tensor<f32, R, autodiff<cpu>>::leaf(get<f32, R>(name));
  }

  /// Whether every value of x is that of the file within `part` of the file's largest.
  template <std::size_t R>
  void check(const Tensor<f32, R>& x, const std::string& name, f64 part) const {
    const auto expected = get<f32, R>(name);
    BOOST_TEST_REQUIRE((x && x.shape() == expected.shape()), name);
    const auto got = x.dense();
    f64 worst = 0, largest = 0;
    for (isize i = 0; i < got.size(); ++i) {
      const f64 d = std::abs(f64(got.data()[i]) - f64(expected.data()[i]));
      worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
      largest = std::max(largest, std::abs(f64(expected.data()[i])));
    }
    BOOST_TEST(worst <= part * largest, name << " off by " << worst << ", largest value " << largest);
  }

 private:
  safetensors_file file_;
};

}  // namespace hft::test
