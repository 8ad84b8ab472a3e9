// AutoConfig: the config of any architecture, read, asked and written without its model.
#include <filesystem>
#include <set>

#include <boost/test/unit_test.hpp>

#include <hft/auto.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(auto_config)

namespace {

std::string failure(const std::function<void()>& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "none";
}

// A folder with a config.json alone.
struct config_folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / "hft_auto_config";
  explicit config_folder(const char* text) {
    std::filesystem::create_directories(path);
    write_file_atomically(path / "config.json", text);
  }
  ~config_folder() { std::filesystem::remove_all(path); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_architecture_is_read_and_written_again) {
  std::set<std::string> types;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data("models"))) {
    if (entry.path().filename() != "config.json") continue;
    const json file = read_config_json(entry.path());
    if (!file.contains("model_type")) continue;
    const auto config = AutoConfig::from_pretrained(entry.path().parent_path().string());
    BOOST_TEST_CONTEXT(entry.path().string()) {
      BOOST_TEST(config.model_type() == file["model_type"].get<std::string>());
      types.insert(config.model_type());
      if (file.contains("architectures")) BOOST_TEST(config["architectures"] == file["architectures"]);
      if (file.contains("id2label")) BOOST_TEST(config.num_labels() == isize(file["id2label"].size()));
      const config_folder again("{}");
      config.save_pretrained(again.path);
      BOOST_TEST(AutoConfig::from_pretrained(again.path.string()).to_json() == config.to_json());
    }
  }
  BOOST_TEST(types.size() >= 100u);
}

BOOST_AUTO_TEST_CASE(fields_are_read_by_their_names) {
  const config_folder folder(
      R"({"model_type": "bert", "architectures": ["BertForTokenClassification"], "hidden_size": 24, "dtype": "bfloat16",
          "id2label": {"0": "O", "1": "B-PER"}, "label2id": {"O": 0, "B-PER": 1}, "pad_token_id": 3, "mine": [1, 2]})");
  const auto config = AutoConfig::from_pretrained(folder.path.string());
  BOOST_TEST(config.get<isize>("hidden_size") == 24);
  BOOST_TEST(config.get<isize>("num_hidden_layers") == 12);  // the default
  BOOST_TEST(config.get<std::vector<std::string>>("architectures").at(0) == "BertForTokenClassification");
  BOOST_TEST(config.get<std::string>("dtype") == "bfloat16");
  BOOST_TEST(config["mine"] == json({1, 2}));
  BOOST_TEST(config.num_labels() == 2);
  BOOST_TEST(config.get<isize>("num_labels") == 2);
  BOOST_TEST(config.id2label().name(1) == "B-PER");
  BOOST_TEST(config["label2id"] == json({{"O", 0}, {"B-PER", 1}}));
  BOOST_TEST(config.get("absent", isize(7)) == 7);
  BOOST_TEST(config.get("hidden_size", isize(7)) == 24);
  BOOST_TEST(config.to_json()["mine"] == json({1, 2}));
  BOOST_TEST(failure([&] { config["hiden_size"]; }) ==
             "[bert] 'hiden_size': expected a field; the nearest is 'hidden_size', got none of that name");
  BOOST_CHECK_THROW(config.get<isize>("mine"), format_error);

  LoadOptions three;
  three.num_labels = 3;
  BOOST_TEST(AutoConfig::from_pretrained(folder.path.string(), three).num_labels() == 3);
}

BOOST_AUTO_TEST_CASE(an_unknown_model_type_is_told_the_nearest) {
  const config_folder folder(R"({"model_type": "qwen33"})");
  const std::string said = failure([&] { AutoConfig::from_pretrained(folder.path.string()); });
  BOOST_TEST(said.find("AutoConfig: expected a model_type of this list, the nearest 'qwen3': ") != said.npos, said);
  const std::string mine = failure([&] { AutoConfig::from_pretrained<archs<bert>>(folder.path.string()); });
  BOOST_TEST(mine.find("the nearest 'bert': bert, got 'qwen33'") != mine.npos, mine);
}

BOOST_AUTO_TEST_CASE(gguf_files_have_a_config_too) {
  const auto config = AutoConfig::from_pretrained(data("../../examples/toy_llama/model.q8_0.gguf").string());
  BOOST_TEST(config.model_type() == "llama");
  BOOST_TEST(config.get<isize>("num_hidden_layers") >= 1);
}

BOOST_AUTO_TEST_SUITE_END()
