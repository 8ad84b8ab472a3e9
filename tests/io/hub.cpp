// hft/io/hub.hpp: names and revisions in a hub cache that is built here.
#include "hft/io/hub.hpp"

#include <optional>

#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(hub)

namespace {

// Sets environment variables (unsets where the value is empty) and puts back what they were.
class environment {
 public:
  environment(std::initializer_list<std::pair<const char*, std::string>> values) {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
      const char* old = std::getenv(name);
      old_.emplace_back(name, old != nullptr ? std::optional<std::string>(old) : std::nullopt);
      ::unsetenv(name);
    }
    for (const auto& [name, value] : values) ::setenv(name, value.c_str(), 1);
  }
  ~environment() {
    for (const auto& [name, value] : old_) value ? ::setenv(name, value->c_str(), 1) : ::unsetenv(name);
  }

 private:
  std::vector<std::pair<const char*, std::optional<std::string>>> old_;
};

const std::string commit(40, 'a'), other(40, 'b');

void put(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, text);
}

// models--org--name with two commits, as the hub's tools lay it out.
void make_cache(const fs::path& root) {
  const fs::path model = root / "models--org--name";
  put(model / "refs/main", commit);
  put(model / "refs/v1.0", other + "\n");
  put(model / "refs/refs/pr/1", other);
  put(model / "refs/gone", std::string(40, 'c'));
  put(model / "refs/bad", "../../../etc");
  put(model / "blobs/1234", "{}");
  for (const auto& c : {commit, other}) {
    fs::create_directories(model / "snapshots" / c);
    fs::create_symlink("../../blobs/1234", model / "snapshots" / c / "config.json");
  }
  put(root / "models--gpt2/refs/main", commit);
  fs::create_directories(root / "models--gpt2/snapshots" / commit);
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_existing_path_is_itself) {
  temporary_folder folder;
  put(folder / "m.gguf", "");
  BOOST_TEST(resolve_model(folder.path().string()) == folder.path());
  BOOST_TEST(resolve_model((folder / "m.gguf").string()) == folder / "m.gguf");
}

BOOST_AUTO_TEST_CASE(ids_are_found_at_their_revision) {
  temporary_folder folder;
  make_cache(folder.path());
  const environment env{{"HF_HUB_CACHE", folder.path().string()}};
  const fs::path snapshots = folder / "models--org--name/snapshots";
  BOOST_TEST(resolve_model("org/name") == snapshots / commit);
  BOOST_TEST(resolve_model("org/name", "v1.0") == snapshots / other);
  BOOST_TEST(resolve_model("org/name", "refs/pr/1") == snapshots / other);
  BOOST_TEST(resolve_model("org/name", other) == snapshots / other);
  BOOST_TEST(resolve_model("gpt2") == folder / ("models--gpt2/snapshots/" + commit));
  BOOST_TEST(read_text(resolve_model("org/name") / "config.json") == "{}");  // through the symbolic link
}

BOOST_AUTO_TEST_CASE(the_cache_is_where_the_environment_says) {
  temporary_folder folder;
  const std::string root = folder.path().string();
  {
    const environment env{{"HF_HUB_CACHE", root + "/1"}, {"HF_HOME", root + "/2"}, {"HOME", root}};
    BOOST_TEST(hub_cache() == root + "/1");
  }
  {
    const environment env{{"HUGGINGFACE_HUB_CACHE", root + "/1"}, {"HF_HOME", root + "/2"}};
    BOOST_TEST(hub_cache() == root + "/1");
  }
  {
    const environment env{{"HF_HUB_CACHE", ""}, {"HF_HOME", "~/2"}, {"XDG_CACHE_HOME", root + "/3"}, {"HOME", root}};
    BOOST_TEST(hub_cache() == root + "/2/hub");
  }
  {
    const environment env{{"XDG_CACHE_HOME", root + "/3"}, {"HOME", root}};
    BOOST_TEST(hub_cache() == root + "/3/huggingface/hub");
  }
  {
    const environment env{{"HOME", root}};
    BOOST_TEST(hub_cache() == root + "/.cache/huggingface/hub");
    make_cache(hub_cache());
    BOOST_TEST(fs::exists(resolve_model("org/name") / "config.json"));
  }
  const environment env{};
  BOOST_TEST(hub_cache().empty());
  check_fails<file_error>([] { resolve_model("org/name"); }, {"none of HF_HUB_CACHE"});
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_said) {
  temporary_folder folder;
  make_cache(folder.path());
  const environment env{{"HF_HUB_CACHE", folder.path().string()}};
  check_fails<file_error>([] { resolve_model("org/absent"); },
                          {"'org/absent'", "models--org--absent", "hf download org/absent"});
  check_fails<file_error>([] { resolve_model("org/name", "v2"); },
                          {"revision 'v2'", "refs/v2", "hf download org/name --revision v2"});
  check_fails<file_error>([] { resolve_model("org/name", std::string(40, 'd')); }, {"looked for"});
  check_fails<file_error>([] { resolve_model("org/name", "gone"); }, {"without the files of 'gone'", "snapshots"});
  check_fails<file_error>([] { resolve_model("org/name", "bad"); }, {"refs/bad", "40 hexadecimal digits"});
}

BOOST_AUTO_TEST_CASE(names_that_lead_elsewhere_are_refused) {
  temporary_folder folder;
  make_cache(folder.path());
  put(folder / "refs/main", commit);
  const environment env{{"HF_HUB_CACHE", (folder / "models--org--name").string()}};
  check_fails<file_error>([] { resolve_model(""); }, {"empty"});
  for (const char* id : {"../absent", "/absent/absolute", "a/b/c", "a//b", "/b", "a/", "a--b", "-a/b", "a./b", ".a",
                         "a b", "a\\b", "a/..", "C:x", "é"})
    check_fails<file_error>([&] { resolve_model(id); }, {"or a hub id such as"});
  check_fails<file_error>([] { resolve_model(std::string_view("a\0b", 3)); }, {"or a hub id such as"});
  check_fails<file_error>([] { resolve_model(std::string(97, 'a')); }, {"or a hub id such as"});
  for (const char* revision : {"", "..", "../main", "/main", "a/../b", "a//b", "a/", "a\\b"})
    check_fails<file_error>([&] { resolve_model("org/name", revision); }, {"a branch, tag or commit"});
}

BOOST_AUTO_TEST_SUITE_END()
