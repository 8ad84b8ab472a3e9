// hft/io/checkpoint.hpp: what a path offers, and folders that lie.
#include "hft/io/checkpoint.hpp"

#include "hft/io/gguf_writer.hpp"
#include "hft/io/safetensors_writer.hpp"
#include "io_test.hpp"
#include "log_of.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(checkpoint_)

namespace {

void write_shard(const fs::path& path, std::vector<std::string> names, int value = 0) {
  std::vector<stored_tensor> tensors;
  auto data = std::make_shared<std::vector<std::byte>>(4, std::byte(value));
  for (auto& name : names) tensors.push_back({std::move(name), dtype_id::f32, {1}, *data, data});
  write_safetensors(path, tensors);
}

// A sound folder of two shards: x, y | z.
struct sharded_folder : temporary_folder {
  sharded_folder() {
    write_shard(path() / "1.safetensors", {"x", "y"});
    write_shard(path() / "2.safetensors", {"z"});
    index(R"({"weight_map": {"x": "1.safetensors", "y": "1.safetensors", "z": "2.safetensors"}})");
  }
  void index(std::string_view text) const { write_file_atomically(path() / "model.safetensors.index.json", text); }
  template <class E, class... Parts>
  void check_refused(Parts... parts) const {
    check_fails<E>([&] { checkpoint::open(path()); }, {parts...});
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(opens_what_transformers_saved) {
  const auto whole = checkpoint::open(golden("whole"));
  const auto sharded = checkpoint::open(golden("sharded"));
  BOOST_TEST(!whole.is_gguf());
  BOOST_TEST(sharded.shards().size() == 5u);
  BOOST_TEST(whole.tensors().size() == 21u);
  BOOST_TEST(sharded.tensors().size() == 21u);
  for (const stored_tensor& a : whole.tensors()) {
    const stored_tensor* b = sharded.find(a.name);
    BOOST_REQUIRE(b != nullptr);
    BOOST_TEST((a.dtype == b->dtype && a.shape == b->shape));
    BOOST_TEST(std::equal(a.bytes.begin(), a.bytes.end(), b->bytes.begin(), b->bytes.end()));
  }
  BOOST_TEST(sharded.find("absent") == nullptr);
  BOOST_TEST(whole.find("absent") == nullptr);
  check_fails<value_error>([&] { whole.gguf(); }, {"a GGUF file"});
}

BOOST_AUTO_TEST_CASE(opens_single_files) {
  const auto one = checkpoint::open(golden("whole/model.safetensors"));
  BOOST_TEST(one.find("lm_head.weight") == &one.tensors()[0]);
  const auto gguf = checkpoint::open(golden("values.gguf"));
  BOOST_TEST(gguf.is_gguf());
  BOOST_TEST(gguf.find("f32") != nullptr);
  BOOST_TEST(gguf.gguf().at("general.architecture").as_string() == "llama");
  BOOST_TEST(gguf.path() == golden("values.gguf"));
  check_fails<unsupported_error>([] { checkpoint::open(golden("unknown_type.gguf")).find("iq4_nl"); }, {"type 20"});
}

BOOST_AUTO_TEST_CASE(a_folder_of_one_gguf_file_is_that_file) {
  temporary_folder folder;
  write_gguf(folder / "a.gguf", gguf_metadata().set("general.architecture", "llama"), {});
  BOOST_TEST(checkpoint::open(folder.path()).is_gguf());
  write_gguf(folder / "b.gguf", gguf_metadata(), {});
  check_fails<file_error>([&] { checkpoint::open(folder.path()); }, {"2 .gguf files"});
}

BOOST_AUTO_TEST_CASE(pickle_is_never_read) {
  for (const char* name : {"pytorch_model.bin", "model.pt", "model.pth", "last.ckpt"}) {
    temporary_folder folder;
    write_file_atomically(folder / "config.json", "{}");
    write_file_atomically(folder / name, "\x80\x02");
    check_fails<file_error>([&] { checkpoint::open(folder.path()); }, {name, "pickle is never read", "safetensors"});
    check_fails<file_error>([&] { checkpoint::open(folder / name); }, {name, "pickle is never read", "safetensors"});
  }
}

BOOST_AUTO_TEST_CASE(paths_without_weights) {
  temporary_folder folder;
  check_fails<file_error>([&] { checkpoint::open(folder.path()); }, {"no weights", "model.safetensors"});
  check_fails<file_error>([&] { checkpoint::open(folder / "absent"); }, {"no such file"});
  write_file_atomically(folder / "x.onnx", "");
  check_fails<file_error>([&] { checkpoint::open(folder / "x.onnx"); }, {"a .gguf file, got '.onnx'"});
}

BOOST_AUTO_TEST_CASE(shards_may_be_links_as_in_the_hub_cache) {
  sharded_folder folder;
  BOOST_TEST(checkpoint::open(folder.path()).tensors().size() == 3u);
  fs::create_directory(folder / "blobs");
  fs::rename(folder / "2.safetensors", folder / "blobs/abc");
  fs::create_symlink("blobs/abc", folder / "2.safetensors");
  BOOST_TEST(checkpoint::open(folder.path()).find("z") != nullptr);
}

BOOST_AUTO_TEST_CASE(a_link_that_leads_nowhere_is_named) {
  temporary_folder folder;
  fs::create_symlink("../../blobs/absent", folder / "model.safetensors");
  check_fails<file_error>([&] { checkpoint::open(folder.path()); }, {"model.safetensors", "cannot open"});
  fs::remove(folder / "model.safetensors");
  fs::create_symlink("model.safetensors.index.json", folder / "model.safetensors.index.json");  // to itself
  check_fails<file_error>([&] { checkpoint::open(folder.path()); }, {"index.json", "cannot open"});
}

BOOST_AUTO_TEST_CASE(shard_names_stay_in_the_folder) {
  temporary_folder outer;
  write_shard(outer / "s.safetensors", {"x"});
  fs::create_directory(outer / "model");
  const std::string absolute = (outer / "s.safetensors").string();
  for (const std::string& name :
       {std::string("../s.safetensors"), absolute, std::string("sub/../../s.safetensors"),
        std::string("./s.safetensors"), std::string("sub//s.safetensors"), std::string(".."), std::string("."),
        std::string(), std::string("..\\\\s.safetensors"), std::string("C:s.safetensors"),
        std::string("s\\u0000.safetensors"), std::string("config.json")}) {
    write_file_atomically(outer / "model/model.safetensors.index.json",
                          detail::cat(R"({"weight_map": {"x": ")", name, R"("}})"));
    check_fails<format_error>([&] { checkpoint::open(outer / "model"); },
                              {"model.safetensors.index.json", "'x'", "in the same folder"});
  }
  // A folder that is a link to somewhere else.
  fs::create_directory_symlink(outer.path(), outer / "model/sub");
  write_file_atomically(outer / "model/model.safetensors.index.json", R"({"weight_map": {"x": "sub/s.safetensors"}})");
  check_fails<format_error>([&] { checkpoint::open(outer / "model"); }, {"'x'", "do not lead out of the model's"});
}

BOOST_AUTO_TEST_CASE(shards_may_lie_in_folders_below) {
  sharded_folder folder;
  fs::create_directories(folder / "a/b");
  fs::rename(folder / "2.safetensors", folder / "a/b/2.safetensors");
  folder.index(R"({"weight_map": {"x": "1.safetensors", "y": "1.safetensors", "z": "a/b/2.safetensors"}})");
  BOOST_TEST(checkpoint::open(folder.path()).find("z") != nullptr);
  fs::create_directory_symlink("a", folder / "link");  // which stays in the folder
  folder.index(R"({"weight_map": {"x": "1.safetensors", "y": "1.safetensors", "z": "link/b/2.safetensors"}})");
  BOOST_TEST(checkpoint::open(folder.path()).find("z") != nullptr);
  folder.index(R"({"weight_map": {"z": "absent/2.safetensors"}})");
  folder.check_refused<file_error>("absent/2.safetensors", "No such file");
}

// As Transformers: the index says which files there are, and all that is in them counts.
BOOST_AUTO_TEST_CASE(an_index_may_differ_from_its_shards) {
  sharded_folder folder;
  test::log_of log;
  folder.index(R"({"weight_map": {"x": "1.safetensors", "z": "2.safetensors"}})");
  BOOST_TEST(checkpoint::open(folder.path()).find("y") != nullptr);
  folder.index(R"({"weight_map": {"x": "1.safetensors", "y": "2.safetensors", "z": "2.safetensors"}})");
  BOOST_TEST(checkpoint::open(folder.path()).tensors().size() == 3u);
  BOOST_TEST(log.messages.empty());
  folder.index(R"({"weight_map": {"x": "1.safetensors", "a": "2.safetensors", "b": "2.safetensors"}})");
  BOOST_TEST(checkpoint::open(folder.path()).find("a") == nullptr);
  BOOST_TEST_REQUIRE(log.messages.size() == 1u);
  BOOST_TEST(log.has("model.safetensors.index.json] tensor 'a' and others are not in the files"));
  BOOST_TEST(log.has("(2 in all)"));
  folder.index(R"({"weight_map": {"x": "1.safetensors", "y": "1.safetensors", "z": "3.safetensors"}})");
  folder.check_refused<file_error>("3.safetensors", "No such file");

  // A tensor that two files have is the later one's.
  write_shard(folder / "2.safetensors", {"z", "x"}, 2);
  folder.index(R"({"weight_map": {"x": "1.safetensors", "z": "2.safetensors"}})");
  const auto both = checkpoint::open(folder.path());
  BOOST_TEST(both.tensors().size() == 3u);
  BOOST_TEST(int(both.find("x")->bytes[0]) == 2);
  BOOST_TEST(int(both.find("y")->bytes[0]) == 0);
}

BOOST_AUTO_TEST_CASE(the_index_must_be_sound) {
  sharded_folder folder;
  for (const char* text : {"{}", R"({"weight_map": null})", R"({"weight_map": []})", R"({"weight_map": {}})"}) {
    folder.index(text);
    folder.check_refused<format_error>("model.safetensors.index.json", "'weight_map'");
  }
  folder.index(R"({"weight_map": {"x": 1}})");
  folder.check_refused<format_error>("weight_map.x", "a string, got 1");
  folder.index(R"({"weight_map": {"x": "1.safetensors", "x": "2.safetensors"}})");
  folder.check_refused<format_error>("'weight_map.x' appears twice");
  folder.index(R"({"weight_map")");
  folder.check_refused<format_error>("malformed JSON");
}

BOOST_AUTO_TEST_CASE(a_damaged_shard_is_named) {
  sharded_folder folder;
  const std::string shard = contents(folder / "2.safetensors");
  write_file_atomically(folder / "2.safetensors", shard.substr(0, shard.size() - 1));
  folder.check_refused<format_error>("2.safetensors", "cut short");
}

BOOST_AUTO_TEST_SUITE_END()
