// The weights that tests make: the values of tests/oracle/seeded.py to the bit, in every dtype; odd files as described.
#include "seeded_checkpoint.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <vector>

#include <hft/io/checkpoint.hpp>

#include "golden_list.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(seeded)

namespace {

// weights.json of one file, in a folder of its own.
struct described_folder {
  described_folder(const std::string& name, const std::string& files)
      : path(std::filesystem::temp_directory_path() / ("hft_described_" + name + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
    std::ofstream(path / "weights.json") << R"({"seed": 3, "files": {)" << files << "}}";
  }
  ~described_folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

template <class T>
std::vector<T> values_of(const stored_tensor& t) {
  std::vector<T> values(t.bytes.size() / sizeof(T));
  std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
  return values;
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_are_those_of_the_oracle) {
  std::size_t compared = 0;
  for (const json& c : filled(read_json(std::filesystem::path(HFT_TEST_DATA) / "seeded" / "values.json"))) {
    seeded_values drawn(c["name"].get<std::string>(), c["seed"].get<std::uint64_t>(), c["centre"].get<f64>(),
                        c["scale"].get<f64>());
    std::vector<f32> values(1000);
    for (f32& x : values) x = drawn.next();
    for (std::size_t i = 0; i < c["index"].size(); ++i, ++compared) {
      const f32 x = values[c["index"][i].get<std::size_t>()];
      BOOST_TEST(std::bit_cast<std::int32_t>(x) == c["F32"][i].get<std::int32_t>(), c["name"].dump());
      BOOST_TEST(std::bit_cast<std::int64_t>(f64(x)) == c["F64"][i].get<std::int64_t>(), c["name"].dump());
      BOOST_TEST(std::int16_t(f16(x).bits) == c["F16"][i].get<std::int16_t>(), c["name"].dump());
      BOOST_TEST(std::int16_t(bf16(x).bits) == c["BF16"][i].get<std::int16_t>(), c["name"].dump());
    }
  }
  BOOST_TEST(compared == 30u);
}

BOOST_AUTO_TEST_CASE(files_are_as_described) {
  const described_folder described("files", R"(
    "b/two.safetensors": {"metadata": null, "tensors": [
      {"name": "w", "dtype": "F32", "shape": [2, 3], "scale": 2},
      {"name": "copy", "dtype": "F64", "shape": [2, 3], "scale": 2, "like": "w", "rounded": "BF16"},
      {"name": "ids", "dtype": "I64", "shape": [1, 2], "values": [-1, 7]},
      {"name": "steps", "dtype": "F16", "shape": [], "scale": 1}]},
    "one.safetensors": {"metadata": {"format": "pt"}, "tensors": [
      {"name": "w", "dtype": "BF16", "shape": [0], "scale": 2}]})");
  std::ofstream(described.path / "config.json") << "{}";
  const auto folder = seeded_checkpoint(described.path);
  BOOST_TEST(folder != described.path);
  BOOST_TEST(folder == seeded_checkpoint(described.path));
  BOOST_TEST(std::filesystem::exists(folder / "config.json"));
  BOOST_TEST(!std::filesystem::exists(folder / "weights.json"));

  const auto two = safetensors_file::open(folder / "b" / "two.safetensors");
  BOOST_TEST(two.metadata().empty());
  BOOST_TEST(two.tensors().size() == 4u);
  seeded_values drawn("w", 3, 0, 2);
  const auto w = values_of<f32>(*two.find("w"));
  const auto copy = values_of<f64>(*two.find("copy"));
  BOOST_TEST_REQUIRE(w.size() == 6u);
  for (std::size_t i = 0; i < w.size(); ++i) {
    BOOST_TEST(w[i] == drawn.next());
    BOOST_TEST(copy[i] == f64(f32(bf16(w[i]))));
  }
  BOOST_TEST(values_of<i64>(*two.find("ids")) == (std::vector<i64>{-1, 7}), boost::test_tools::per_element());
  BOOST_TEST(two.find("steps")->shape.empty());

  const auto one = safetensors_file::open(folder / "one.safetensors");
  BOOST_TEST(one.metadata().at("format") == "pt");
  BOOST_TEST(one.find("w")->bytes.empty());
}

BOOST_AUTO_TEST_CASE(a_folder_with_weights_is_itself) {
  const auto folder = std::filesystem::path(HFT_TEST_DATA) / "io" / "whole";
  BOOST_TEST(seeded_checkpoint(folder) == folder);
}

BOOST_AUTO_TEST_CASE(a_dtype_that_is_not_drawn_is_named) {
  const described_folder described(
      "dtype",
      R"("a.safetensors": {"metadata": null, "tensors": [{"name": "w", "dtype": "I8", "shape": [1], "scale": 1}]})");
  BOOST_CHECK_EXCEPTION(seeded_checkpoint(described.path), unsupported_error, [](const unsupported_error& e) {
    return std::string(e.what()).find("I8") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()
