// Parquet: rows of all groups and types as pyarrow gives them; broken files. Skipped where Arrow is not installed.
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <hft/train/data/load_dataset.hpp>
#ifdef HFT_TEST_ARROW
#include <hft/train/data/parquet.hpp>
#endif

#include "failure.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(parquet)

namespace {
const std::filesystem::path folder = std::filesystem::path(HFT_TEST_DATA) / "train";
}

#ifndef HFT_TEST_ARROW
BOOST_AUTO_TEST_CASE(is_left_out_without_arrow) {
  std::printf("skipped: Apache Arrow is not installed, so Parquet files are not read\n");
  const auto message = failure([] { load_dataset(folder / "rows.parquet"); });
  BOOST_TEST(has(message, "data/parquet.hpp"), message);
}
#else
BOOST_AUTO_TEST_CASE(rows_are_those_of_pyarrow) {
  const json golden = read_json(folder / "rows.json")["rows"];
  const Dataset rows = load_dataset(folder / "rows.parquet");
  BOOST_TEST_REQUIRE(rows.size() == isize(golden.size()));
  for (const isize i : {0, 10, 3, 4, 7, 8, 1, 2, 5, 6, 9})
    BOOST_TEST(rows[i] == golden[std::size_t(i)], rows[i] << " is not " << golden[std::size_t(i)]);
  BOOST_TEST(rows.column_names().size() == 8u);
}

BOOST_AUTO_TEST_CASE(broken_files_are_named) {
  const auto path = std::filesystem::temp_directory_path() / "hft_broken.parquet";
  std::string bytes;
  {
    std::ifstream in(folder / "rows.parquet", std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (const std::size_t kept : {std::size_t(0), std::size_t(3), bytes.size() / 2, bytes.size() - 5}) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(kept));
    const auto message = failure([&] { load_parquet(path); });
    BOOST_TEST(has(message, "hft_broken.parquet"), message);
  }
  std::filesystem::remove(path);
  BOOST_CHECK_THROW(load_parquet(path), file_error);
}
#endif

BOOST_AUTO_TEST_SUITE_END()
