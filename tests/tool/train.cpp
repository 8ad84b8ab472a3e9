// hft train as a user calls it: a model, a checkpoint to resume from, an adapter, wrong arguments.
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <hft/io/json.hpp>

using namespace hft;

namespace {

boost::test_tools::assertion_result has_tool(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result r(std::getenv("HFT_TOOL") != nullptr);
  r.message() << "HFT_TOOL names no tool";
  return r;
}

class training_folder {
 public:
  training_folder() : path_(std::filesystem::temp_directory_path() / ("hft_tool_train_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
    std::ofstream rows(path_ / "rows.jsonl");
    for (int i = 0; i < 12; ++i) rows << "{\"input_ids\": [" << 5 + i << ", 7, " << 20 + i << ", 9]}\n";
  }
  ~training_folder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

  // The exit status; `out` and `err` get what it wrote.
  int train(const std::string& more, const char* model = "llama/tied") {
    const auto quoted = [](const std::filesystem::path& p) { return " '" + p.string() + "'"; };
    const std::string command = std::string(std::getenv("HFT_TOOL")) + " train --model_name_or_path" +
                                quoted(std::filesystem::path(HFT_TEST_DATA) / "models" / model) + " --train_file" +
                                quoted(path_ / "rows.jsonl") + " --output_dir" + quoted(path_ / "out") +
                                " --per_device_train_batch_size 4 " + more + " >" + quoted(path_ / "stdout") + " 2>" +
                                quoted(path_ / "stderr");
    const int status = std::system(command.c_str());
    out = read_text(path_ / "stdout");
    err = read_text(path_ / "stderr");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string out, err;

 private:
  std::filesystem::path path_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tool_train, *boost::unit_test::precondition(has_tool))

BOOST_AUTO_TEST_CASE(a_model_and_its_state) {
  training_folder folder;
  BOOST_TEST(
      folder.train("--num_train_epochs 2 --logging_steps 2 --save_steps 4 --validation_split_percentage 25") == 0,
      folder.err);
  BOOST_TEST(json::parse(folder.out).contains("train_loss"), folder.out);
  for (const char* file :
       {"config.json", "model.safetensors", "trainer_state.json", "checkpoint-4", "all_results.json"})
    BOOST_TEST(std::filesystem::exists(folder / "out" / file), file);
  BOOST_TEST(read_json(folder / "out" / "trainer_state.json")["global_step"] == 6);
  BOOST_TEST(folder.train("--num_train_epochs 3 --resume_from_checkpoint true --save_strategy no") == 0, folder.err);
  BOOST_TEST(read_json(folder / "out" / "trainer_state.json")["global_step"] == 9);
}

BOOST_AUTO_TEST_CASE(an_adapter) {
  training_folder folder;
  BOOST_TEST(folder.train("--max_steps 2 --lora_r 4 --lora_alpha 8 --lora_target_modules q_proj v_proj") == 0,
             folder.err);
  BOOST_TEST(read_json(folder / "out" / "adapter_config.json")["r"] == 4);
  BOOST_TEST(std::filesystem::exists(folder / "out" / "adapter_model.safetensors"));
  BOOST_TEST(!std::filesystem::exists(folder / "out" / "model.safetensors"));
}

BOOST_AUTO_TEST_CASE(arguments_from_a_file) {
  training_folder folder;
  std::ofstream(folder / "run.json") << R"({"max_steps": 1, "save_strategy": "no", "logging_steps": 1})";
  BOOST_TEST(folder.train("--config '" + (folder / "run.json").string() + "'") == 0, folder.err);
  BOOST_TEST(read_json(folder / "out" / "trainer_state.json")["global_step"] == 1);
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_two_and_failure_is_one) {
  training_folder folder;
  BOOST_TEST(folder.train("--learning_rat 1") == 2);
  BOOST_TEST(folder.err.find("unknown argument") != std::string::npos, folder.err);
  BOOST_TEST(folder.train("--fp16 --bf16") == 2);
  BOOST_TEST(!std::filesystem::exists(folder / "out"));
  std::ofstream(folder / "rows.jsonl") << "{\"input_ids\": [5, 6]}\n{\"input_ids\": [5,, 6]}\n";
  BOOST_TEST(folder.train("") == 1);
  BOOST_TEST(folder.err.find("rows.jsonl] malformed JSON at line 2, column") != std::string::npos, folder.err);
}

BOOST_AUTO_TEST_SUITE_END()
