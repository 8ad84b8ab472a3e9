// hft train as a user calls it: a model, a checkpoint to resume from, an adapter, wrong arguments.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include <hft/io/json.hpp>

#include "../seeded_checkpoint.hpp"
#include "has_tool.hpp"

using namespace hft;

BOOST_AUTO_TEST_SUITE(tool_train, *boost::unit_test::precondition(hft::test::has_tool))

namespace {

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

  static std::string quoted(const std::filesystem::path& p) { return " '" + p.string() + "'"; }
  // `after` goes on behind the command, in the shell.
  // The exit status; `out` and `err` get what it wrote.
  int train(const std::string& more, const char* model = "llama/tied", const std::string& after = "") {
    const std::string command =
        std::string(std::getenv("HFT_TOOL")) + " train --model_name_or_path" +
        quoted(hft::test::seeded_checkpoint(std::filesystem::path(HFT_TEST_DATA) / "models" / model)) +
        " --train_file" + quoted(path_ / "rows.jsonl") + " --output_dir" + quoted(path_ / "out") +
        " --per_device_train_batch_size 4 " + more + " >" + quoted(path_ / "stdout") + " 2>" +
        quoted(path_ / "stderr") + after;
    std::filesystem::remove(path_ / "stderr");  // of the run before
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

BOOST_AUTO_TEST_CASE(an_adapter_that_is_trained_further) {
  training_folder folder;
  const std::string fields =
      "--lora_target_modules q_proj v_proj --lora_layers_to_transform 1 --lora_layers_pattern layers "
      "--lora_rank_pattern '{\"v_proj\": 2}' --lora_alpha_pattern '{\"k_proj\": 3}' --lora_modules_to_save lm_head ";
  BOOST_TEST(folder.train("--max_steps 2 " + fields) == 0, folder.err);
  BOOST_TEST(folder.err.find("hft: warning: [LoraConfig] alpha_pattern") != std::string::npos, folder.err);
  std::filesystem::rename(folder / "out", folder / "first");
  const std::string adapter = "--adapter" + folder.quoted(folder / "first") + " ";
  BOOST_TEST(folder.train("--max_steps 1 --learning_rate 0 " + adapter) == 0, folder.err);
  const json first = read_json(folder / "first" / "adapter_config.json");
  BOOST_TEST(first["rank_pattern"]["v_proj"] == 2);
  BOOST_TEST(first["layers_pattern"] == "layers");
  BOOST_TEST(dump(first) == dump(read_json(folder / "out" / "adapter_config.json")));
  const auto weights = [&](const char* name) { return read_text(folder / name / "adapter_model.safetensors"); };
  BOOST_TEST((weights("first") == weights("out")));
  BOOST_TEST(folder.train("--max_steps 1 --learning_rate 0.1 " + adapter) == 0, folder.err);
  BOOST_TEST((weights("first") != weights("out")));
  BOOST_TEST(folder.train("--lora_r 4 " + adapter) == 2);
  BOOST_TEST(folder.err.find("--adapter") != std::string::npos, folder.err);
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

BOOST_AUTO_TEST_CASE(a_run_that_a_signal_ends_goes_on_to_the_same_bits) {
  training_folder folder;
  const std::string args = "--learning_rate 1e-3 --lr_scheduler_type constant --save_strategy no --logging_steps 2 ";
  for (const std::string signal : {"TERM", "INT"}) {
    std::filesystem::remove_all(folder / "out");
    // Once a loss is logged, a signal; the status is that of the tool.
    const std::string err = folder.quoted(folder / "stderr");
    const int status = folder.train(args + "--max_steps 1000000", "llama/tied",
                                    " & p=$!; until grep -qs loss" + err +
                                        " || ! kill -0 $p; do sleep 0.02; done; kill -" + signal + " $p; wait $p");
    BOOST_TEST(status == 1, folder.err);
    const auto said = folder.err.find("hft: interrupted at step ");
    BOOST_TEST_REQUIRE(said != std::string::npos, folder.err);
    const int stopped = std::atoi(folder.err.c_str() + said + 25);
    const std::string end = "--max_steps " + std::to_string(stopped + 3);
    BOOST_TEST(folder.train(args + end + " --resume_from_checkpoint true") == 0, folder.err);
    const std::string resumed = read_text(folder / "out" / "model.safetensors");
    BOOST_TEST(folder.train(args + end) == 0, folder.err);
    BOOST_TEST((resumed == read_text(folder / "out" / "model.safetensors")), signal << " at step " << stopped);
  }
}

BOOST_AUTO_TEST_CASE(several_validation_files_and_loggers) {
  training_folder folder;
  for (const char* name : {"news.jsonl", "books.jsonl"})
    std::ofstream(folder / name) << "{\"input_ids\": [5, 6, 7]}\n{\"input_ids\": [9, 8]}\n";
  const std::string files =
      "--validation_file" + folder.quoted(folder / "news.jsonl") + folder.quoted(folder / "books.jsonl");
  BOOST_TEST(folder.train(files + " --max_steps 6 --eval_strategy steps --eval_steps 2 --save_steps 2 "
                                  "--load_best_model_at_end --metric_for_best_model books_loss --save_total_limit 1 "
                                  "--report_to tensorboard csv --early_stopping_patience 3") == 0,
             folder.err);
  const json results = json::parse(folder.out), state = read_json(folder / "out" / "trainer_state.json");
  BOOST_TEST(results.contains("eval_news_loss"), folder.out);
  BOOST_TEST(results["eval_books_loss"] == state["best_metric"], folder.out);
  BOOST_TEST(std::filesystem::exists(folder / "out" / "log.csv"));
  bool events = false;
  for (const auto& f : std::filesystem::directory_iterator(folder / "out" / "runs"))
    events = events || f.path().filename().string().starts_with("events.out.tfevents.");
  BOOST_TEST(events);
  // The curve has the last evaluation of each file, too.
  const std::string curve = read_text(folder / "out" / "runs" / "loss_curve.svg");
  for (const char* name : {"eval_news_loss", "eval_books_loss"})
    BOOST_TEST(curve.find(std::string("<g class=\"") + name) != std::string::npos, name);
}

BOOST_AUTO_TEST_CASE(a_loss_curve_beside_the_logs_and_no_bar_in_a_pipe) {
  training_folder folder;
  const std::string args = "--max_steps 3 --logging_steps 1 --save_strategy no --run_name 'a<b' ";
  BOOST_TEST(folder.train(args) == 0, folder.err);
  BOOST_TEST(folder.err.find_first_of("\r\033") == std::string::npos, folder.err);
  const auto file = folder / "out" / "runs" / "loss_curve.svg";
  BOOST_TEST_REQUIRE(std::filesystem::exists(file));
  const std::string curve = read_text(file);
  BOOST_TEST(curve.starts_with("<svg "));
  BOOST_TEST(curve.find(">a&lt;b</text>") != std::string::npos, curve);
  const auto points = curve.find(" points=\"", curve.find("<g class=\"loss\""));
  BOOST_TEST_REQUIRE(points != std::string::npos);
  const std::string list = curve.substr(points, curve.find('"', points + 9) - points);
  BOOST_TEST(std::count(list.begin(), list.end(), ',') == 3, list);
  std::filesystem::remove_all(folder / "out");
  BOOST_TEST(folder.train(args + "--plot_loss false") == 0, folder.err);
  BOOST_TEST(!std::filesystem::exists(file));
  BOOST_TEST(folder.train(args + "--plot_loss false --report_to loss_curve") == 0, folder.err);
  BOOST_TEST(std::filesystem::exists(file));
}

BOOST_AUTO_TEST_CASE(labels_of_words_that_are_texts) {
  training_folder folder;
  const auto model = folder / "model";
  std::filesystem::copy(
      hft::test::seeded_checkpoint(std::filesystem::path(HFT_TEST_DATA) / "models/bert/token_classification"), model);
  std::filesystem::remove(model / "weights.json");
  write_file_atomically(model / "tokenizer.json", R"({"version": "1.0", "added_tokens": [],
    "pre_tokenizer": {"type": "WhitespaceSplit"}, "model": {"type": "WordPiece", "unk_token": "?",
    "continuing_subword_prefix": "##", "max_input_chars_per_word": 20,
    "vocab": {"?": 0, "anna": 5, "sees": 6, "ro": 7, "##me": 8}}})");
  std::ofstream(folder / "rows.jsonl")
      << R"({"tokens": ["anna", "sees", "rome"], "ner_tags": ["person", "other", "place"]})"
      << "\n"
      << R"({"tokens": ["rome"], "ner_tags": ["place"]})"
      << "\n";
  BOOST_TEST(folder.train("--max_steps 2 --save_strategy no", model.c_str()) == 0, folder.err);
  BOOST_TEST(folder.err.find("label2id says: person = 0, place = 1, other = 2") != folder.err.npos, folder.err);
  BOOST_TEST(std::filesystem::exists(folder / "out" / "tokenizer.json"));
}

BOOST_AUTO_TEST_CASE(contradictions_are_named_before_anything_is_written) {
  training_folder folder;
  const std::pair<const char*, const char*> cases[] = {
      {"--load_best_model_at_end", "save_strategy and eval_strategy"},
      {"--eval_strategy epoch", "--validation_file"},
      {"--do_eval", "--validation_file"},
      {"--early_stopping_patience 2", "--eval_strategy"},
      {"--early_stopping_patience 2 --eval_strategy epoch --validation_split_percentage 25", "--metric_for_best_model"},
      {"--validation_file x.jsonl --validation_split_percentage 25", "one of them, got both"},
      {"--validation_split_percentage 100", "0 to 99"},
      {"--eval_strategy steps --eval_steps 3 --save_steps 4 --load_best_model_at_end --validation_file x", "multiple"},
      {"--save_strategy best", "an eval_strategy"},
      {"--max_train_samples 0", "--max_train_samples"},
      {"--max_length -1", "--max_length"},
      {"--report_to none csv", "report_to"},
      {"--dataloader_prefetch_factor 2", "dataloader_num_workers"},
      {"--lr_scheduler_type reduce_lr_on_plateau", "an eval_strategy"},
      {"--logging_steps 0", "logging_steps"},
      {"--optim adam_of_old", "adamw_torch"},
      {"--optim sgd --optim_args momentun=1", "momentun"},
      {"--lr_scheduler_type cosines", "cosine_with_restarts"},
      {"--warmup_steps 1.5 --learning_rate nan", "learning_rate"},
  };
  for (const auto& [words, part] : cases) {
    BOOST_TEST(folder.train(words) == 2, words << ": " << folder.err);
    BOOST_TEST(folder.err.find(part) != std::string::npos, words << ": " << folder.err);
  }
  BOOST_TEST(!std::filesystem::exists(folder / "out"));
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
