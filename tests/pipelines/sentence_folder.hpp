// What tests of sentence-transformers folders share: rows of goldens, and folders in which something is wrong.
#pragma once
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/tensor.hpp>

namespace hft::test {

/// Each value within 1e-5 of the largest.
inline void check_rows(const Tensor<f32, 2>& y, const json& rows) {
  BOOST_TEST_REQUIRE(y.extent(0) == isize(rows.size()));
  f32 largest = 0;
  for (const json& row : rows)
    for (const json& value : row) largest = std::max(largest, std::abs(value.get<f32>()));
  for (isize r = 0; r < y.extent(0); ++r) {
    const json& row = rows[std::size_t(r)];
    BOOST_TEST_REQUIRE(y.extent(1) == isize(row.size()));
    for (isize c = 0; c < y.extent(1); ++c)
      BOOST_TEST(std::abs(y.data()[r * y.extent(1) + c] - row[std::size_t(c)].get<f32>()) <= 1e-5f * largest,
                 "row " << r << ", " << c);
  }
}

/// A copy of a folder in which a file has another text; it lasts as long as the object.
class changed_folder {
 public:
  changed_folder(const std::filesystem::path& from, const char* file, const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "hft_sentence_XXXXXX").string();
    BOOST_TEST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    std::filesystem::copy(from, path_, std::filesystem::copy_options::recursive);
    std::ofstream(path_ / file) << text;
  }
  ~changed_folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  /// What load(folder) says is wrong, with DIR for the folder.
  template <class Load>
  std::string message(const Load& load) const {
    try {
      load(path_.string());
    } catch (const hft::error& e) {
      std::string text = e.what();
      for (auto at = text.find(path_.string()); at != text.npos; at = text.find(path_.string()))
        text.replace(at, path_.string().size(), "DIR");
      return text;
    }
    return "none";
  }

 private:
  std::filesystem::path path_;
};

}  // namespace hft::test
