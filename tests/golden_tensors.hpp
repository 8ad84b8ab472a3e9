// Tensors of a golden file of tests/data, and their comparison with what an op or a layer made.
#pragma once
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>

#include <hft/autodiff.hpp>
#include <hft/io/safetensors.hpp>

namespace hft::test {

class golden_tensors {
 public:
  /// `name` is the file's without its ending: "ops/patches".
  explicit golden_tensors(const std::string& name)
      : file_(safetensors_file::open(std::filesystem::path(HFT_TEST_DATA) / (name + ".safetensors"))) {}

  /// A tensor of the file; the test fails where it is missing.
  const stored_tensor& stored(const std::string& name) const {
    const auto* t = file_.find(name);
    BOOST_TEST_REQUIRE(t, name);
    return *t;
  }
  template <class T, std::size_t R>
  Tensor<T, R> get(const std::string& name) const {
    const auto& t = stored(name);
    BOOST_TEST_REQUIRE(t.shape.size() == R, name);
    Shape<R> shape;
    std::copy(t.shape.begin(), t.shape.end(), shape.begin());
    Tensor<T, R> x(shape);
    BOOST_TEST_REQUIRE(t.bytes.size() == std::size_t(x.bytes()), name);
    std::memcpy(x.data(), t.bytes.data(), t.bytes.size());
    return x;
  }
  template <std::size_t R>
  Tensor<f32, R, autodiff<cpu>> leaf(const std::string& name) const {
    return Tensor<f32, R, autodiff<cpu>>::leaf(get<f32, R>(name));
  }

  /// Whether x has the shape of the file's tensor, and every value within `part` of its largest.
  template <std::size_t R>
  void check(const Tensor<f32, R>& x, const std::string& name, f64 part) const {
    const auto& shape = stored(name).shape;
    BOOST_TEST_REQUIRE((x && std::equal(shape.begin(), shape.end(), x.shape().begin(), x.shape().end())), name);
    check_flat(x.dense().template reshape<1>({x.size()}), name, part);
  }
  /// The same for the values in a row.
  void check_flat(const Tensor<f32, 1>& x, const std::string& name, f64 part) const {
    const auto& bytes = stored(name).bytes;
    BOOST_TEST_REQUIRE(bytes.size() == std::size_t(x.bytes()), name);
    f64 worst = 0, largest = 0;
    for (isize i = 0; i < x.size(); ++i) {
      f32 expected;
      std::memcpy(&expected, bytes.data() + std::size_t(i) * sizeof expected, sizeof expected);
      const f64 d = std::abs(f64(x[i]) - f64(expected));
      worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
      largest = std::max(largest, std::abs(f64(expected)));
    }
    BOOST_TEST(worst <= part * largest, name << " off by " << worst << ", largest value " << largest);
  }

 private:
  safetensors_file file_;
};

}  // namespace hft::test
