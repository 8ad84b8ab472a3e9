// hft/io/placeholder.hpp: what is no file but stands where one should be is told by its name, whatever opens it.
#include "hft/io/placeholder.hpp"

#include <functional>

#include "hft/io/checkpoint.hpp"
#include "hft/io/large_json.hpp"
#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(placeholder)

namespace {

constexpr std::string_view pointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 988097824\n";

// What opens a file of each name.
const std::pair<std::string, std::function<void(const fs::path&)>> readers[] = {
    {"model.safetensors", [](const fs::path& p) { checkpoint::open(p); }},
    {"model.gguf", [](const fs::path& p) { checkpoint::open(p); }},
    {"model.safetensors", [](const fs::path& p) { checkpoint::open(p.parent_path()); }},
    {"model.gguf", [](const fs::path& p) { checkpoint::open(p.parent_path()); }},
    {"model.safetensors.index.json", [](const fs::path& p) { checkpoint::open(p.parent_path()); }},
    {"config.json", [](const fs::path& p) { read_json(p); }},
    {"tokenizer.json", [](const fs::path& p) { large_json::open(p); }},
};

}  // namespace

BOOST_AUTO_TEST_CASE(lfs_pointers) {
  for (const auto& [name, read] : readers) {
    temporary_folder folder;
    write_file_atomically(folder / name, pointer);
    check_fails<format_error>([&, &read = read] { read(folder / name); },
                              {name, "a Git LFS pointer, not the file of 988097824 bytes", "git lfs pull"});
  }
  temporary_folder folder;  // any file at all
  write_file_atomically(folder / "x.txt", "version https://git-lfs.github.com/spec/v1\r\noid x\r\n");
  check_fails<format_error>([&] { read_text(folder / "x.txt"); }, {"x.txt", "a Git LFS pointer, not the file itself"});
  check_fails<format_error>([&] { mapped_file::open(folder / "x.txt"); }, {"x.txt", "a Git LFS pointer"});
  write_file_atomically(folder / "x.txt", "version https://git-lfs.github.com/");
  BOOST_TEST(read_text(folder / "x.txt").size() == 35u);
}

BOOST_AUTO_TEST_CASE(web_pages) {
  for (const auto& [name, read] : readers)
    for (const std::string page : {"<!DOCTYPE html>\n<html>", "\xef\xbb\xbf \r\n<!doctype HTML>", "<HTML lang=en>"}) {
      temporary_folder folder;
      write_file_atomically(folder / name, page);
      check_fails<format_error>([&, &read = read] { read(folder / name); },
                                {name, "an HTML page, not the file", "hf download"});
    }
  check_fails<format_error>([] { parse_json("<?xml version=\"1.0\"?><Error>", "c.json"); }, {"c.json", "an XML page"});
  check_fails<format_error>([] { parse_json("<h", "c.json"); }, {"malformed JSON"});
  check_fails<format_error>([] { detail::refuse_web_page("<html", "f"); }, {"[f] this is an HTML page"});
  for (const char* text : {"", " ", "<", "<unk>\n<s>", "<head", "html"})
    detail::refuse_web_page(std::string_view(text), "f");
}

BOOST_AUTO_TEST_SUITE_END()
