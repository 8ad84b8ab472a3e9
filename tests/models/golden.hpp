// Reads golden.safetensors beside a tiny checkpoint (made by tests/oracle) and compares a model's outputs with it.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/models/output.hpp>

#include "../seeded_checkpoint.hpp"

namespace hft::test {

/// A file or folder of tests/data; of a checkpoint that is committed without weights, a copy with them.
inline std::filesystem::path data(const std::string& path) {
  return seeded_checkpoint(std::filesystem::path(HFT_TEST_DATA) / path);
}

/// A real model's place in the folder that HFT_TEST_MODELS names; an empty path where it names none.
inline std::filesystem::path real_model(const char* name) {
  const char* folder = std::getenv("HFT_TEST_MODELS");
  return folder ? std::filesystem::path(folder) / name : std::filesystem::path();
}

/// The case folders of an architecture, those alone whose config.json names `architecture` where that is given.
inline std::vector<std::filesystem::path> cases(const std::string& arch, const std::string& architecture = "") {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(data("models/" + arch))) {
    const auto config = read_json(entry.path() / "config.json");
    if (architecture.empty() || config["architectures"][0] == architecture) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (auto& folder : folders) folder = seeded_checkpoint(folder);
  BOOST_TEST_REQUIRE(!folders.empty(), "no cases for " << arch << " " << architecture);
  return folders;
}

class golden {
 public:
  explicit golden(const std::filesystem::path& file) : file_(safetensors_file::open(file)) {}

  /// Names of the passes that have a result of that name; the test fails where none has.
  std::vector<std::string> passes(const std::string& result) const {
    std::vector<std::string> names;
    const std::string ending = "." + result;
    for (const auto& t : file_.tensors())
      if (t.name.ends_with(ending)) names.push_back(t.name.substr(0, t.name.size() - ending.size()));
    BOOST_TEST_REQUIRE(!names.empty(), "no pass has " << result);
    return names;
  }
  /// An (B,T) int64 tensor, or an empty one.
  Tensor<i64, 2> ids(const std::string& name) const {
    const auto* t = file_.find(name);
    if (!t) return {};
    return Tensor<i64, 2>::wrap(buffer::share(t->owner, t->bytes.data(), t->bytes.size()), t->bytes.data(),
                                {t->shape[0], t->shape[1]});
  }
  const stored_tensor& at(const std::string& name) const {
    const auto* t = file_.find(name);
    BOOST_TEST_REQUIRE(t != nullptr, "golden has no " << name);
    return *t;
  }
  ForwardArgs<> args(const std::string& pass) const {
    ForwardArgs<> a;
    a.attention_mask = ids(pass + ".attention_mask");
    a.position_ids = ids(pass + ".position_ids");
    a.token_type_ids = ids(pass + ".token_type_ids");
    return a;
  }

 private:
  safetensors_file file_;
};

/// Compares with a reference within `tolerance` of its largest value. Where a mask (B,T) is given and y is (B,T,..),
/// padded positions are left out: what stands there is no result.
template <std::size_t R>
void check_close(const Tensor<f32, R>& y, const stored_tensor& expected, const Tensor<i64, 2>& mask = {},
                 f64 tolerance = 2e-4) {
  BOOST_TEST_REQUIRE(std::vector<isize>(y.shape().begin(), y.shape().end()) == expected.shape,
                     boost::test_tools::per_element());
  const auto dense = y.dense();
  std::vector<f32> reference(std::size_t(dense.size()));
  std::memcpy(reference.data(), expected.bytes.data(), expected.bytes.size());
  const bool masked = mask && R == 3;
  const isize row = y.extent(R - 1);
  f64 largest = 0, worst = 0;
  for (isize i = 0; i < dense.size(); ++i) {
    if (masked && !mask.data()[i / row]) continue;
    const f64 r = reference[std::size_t(i)], d = std::abs(f64(dense.data()[i]) - r);
    largest = std::max(largest, std::abs(r));
    worst = std::isfinite(d) ? std::max(worst, d) : INFINITY;
  }
  BOOST_TEST(worst <= tolerance * largest, expected.name << ": off by " << worst << ", largest value " << largest);
}

}  // namespace hft::test
