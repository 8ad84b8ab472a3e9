// What the tests of tokenizers in other files than tokenizer.json share: folders, and the rows of golden encodings.
#pragma once
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace test {

inline std::filesystem::path files() { return std::filesystem::path(HFT_TEST_DATA) / "tokenizer_files"; }

/// A folder that is removed at the end of the test.
struct folder {
  std::filesystem::path path;
  folder() {
    static int count = 0;
    path = std::filesystem::temp_directory_path() / hft::detail::cat("hft-files-", long(::getpid()), "-", count++);
    std::filesystem::create_directories(path);
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
  void copy(const std::string& from, const std::string& to) const {
    std::filesystem::copy_file(files() / from, path / to);
  }
  void write(const std::string& name, const std::string& text) const { hft::write_file_atomically(path / name, text); }
};

/// Each row is ids, offsets (starts and ends in turn), the decoded text, and the tokens where ids do not give them.
inline void check_encodings(const hft::PreTrainedTokenizerFast& t, const hft::json& texts, const hft::json& rows) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto e = t.tokenizer().encode(texts[i].get<std::string>());
    const auto& row = rows[i];
    std::vector<std::int64_t> offsets;
    for (const auto& o : e.offsets) offsets.insert(offsets.end(), {o.start, o.end});
    std::vector<std::string> tokens;
    for (const auto id : e.ids) tokens.push_back(t.convert_ids_to_tokens(id).value_or(""));
    BOOST_TEST_CONTEXT("text " << texts[i].dump()) {
      BOOST_CHECK_MESSAGE(hft::json(e.ids) == row[0], "ids " << hft::json(e.ids).dump() << " not " << row[0].dump());
      BOOST_CHECK_MESSAGE(hft::json(offsets) == row[1], "offsets " << hft::json(offsets).dump());
      BOOST_CHECK_MESSAGE(hft::json(t.decode(e.ids)) == row[2], "decoded " << t.decode(e.ids));
      BOOST_CHECK_MESSAGE(hft::json(e.tokens) == (row.size() > 3 ? row[3] : hft::json(tokens)),
                          "tokens " << hft::json(e.tokens).dump());
    }
  }
}

}  // namespace test
