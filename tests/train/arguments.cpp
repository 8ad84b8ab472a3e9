// TrainingArguments: Transformers' names and defaults, JSON, command lines, contradictions.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include <hft/train/arguments.hpp>

#include "../golden_list.hpp"

using namespace hft;

BOOST_AUTO_TEST_SUITE(training_arguments)

namespace {

const json& golden() {
  static const json g = read_json(std::filesystem::path(HFT_TEST_DATA) / "train" / "arguments.json");
  return g;
}

// What complete() throws for a command line, as text.
std::string failure(const std::vector<std::string>& words) {
  TrainingArguments args;
  try {
    parse_args_into(words, args);
    args.complete();
  } catch (const value_error& e) {
    return e.what();
  } catch (const unsupported_error& e) {
    return std::string("unsupported ") + e.what();
  }
  return "";
}

struct data_arguments {
  std::string train_file;
  isize seed = 0;
  template <class Self, class F>
  static void fields(Self& a, F& field) {
    field("train_file", a.train_file);
    field("seed", a.seed);
  }
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

BOOST_AUTO_TEST_CASE(names_and_defaults_are_those_of_transformers) {
  const json mine = arguments_to_json(TrainingArguments{});
  const json& theirs = golden()["defaults"];
  BOOST_TEST(mine.size() == theirs.size());
  for (const auto& [name, value] : theirs.items()) {
    BOOST_TEST_REQUIRE(mine.contains(name), name);
    BOOST_TEST(mine[name] == value, name << ": " << mine[name] << " is not " << value);
  }
}

BOOST_AUTO_TEST_CASE(command_lines_are_read_as_hf_argument_parser_reads_them) {
  for (const json& c : hft::test::filled(golden()["command_lines"])) {
    const auto words = c["words"].get<std::vector<std::string>>();
    TrainingArguments args;
    if (c.contains("fails")) {
      BOOST_CHECK_THROW(parse_args_into(words, args), value_error);
      continue;
    }
    parse_args_into(words, args);
    const json mine = arguments_to_json(args);
    for (const auto& [name, value] : c["fields"].items())
      BOOST_TEST(mine[name] == value, c["words"] << " " << name << ": " << mine[name] << " is not " << value);
  }
}

BOOST_AUTO_TEST_CASE(json_round_trip) {
  TrainingArguments args;
  parse_json_into(json::parse(R"({"learning_rate": 1e-4, "eval_strategy": "epoch", "report_to": "tensorboard",
      "save_strategy": "best", "metric_for_best_model": "accuracy", "lr_scheduler_kwargs": {"num_cycles": 2}})"),
                  "run.json", args);
  args.complete();
  BOOST_TEST(args.learning_rate == 1e-4);
  BOOST_TEST(args.do_eval);
  BOOST_TEST(*args.greater_is_better);
  TrainingArguments again;
  parse_json_into(arguments_to_json(args), "again", again);
  BOOST_TEST(arguments_to_json(again) == arguments_to_json(args));
}

BOOST_AUTO_TEST_CASE(json_errors_name_the_file_and_the_field) {
  TrainingArguments args;
  const auto text = [&](const char* object) {
    try {
      parse_json_into(json::parse(object), "run.json", args);
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  BOOST_TEST(has(text(R"({"learning_rat": 1})"), "[run.json] unknown argument"));
  BOOST_TEST(has(text(R"({"max_steps": "many"})"), "[run.json] 'max_steps': expected an integer"));
  BOOST_TEST(has(text(R"({"eval_strategy": "often"})"), "eval_strategy] expected one of no, steps, epoch"));
}

BOOST_AUTO_TEST_CASE(two_structs_share_a_command_line) {
  data_arguments data;
  TrainingArguments args;
  const auto rest = parse_known_args_into({"--train_file", "a.jsonl", "--seed=7", "model", "--other"}, args, data);
  BOOST_TEST(data.train_file == "a.jsonl");
  BOOST_TEST(data.seed == 7);
  BOOST_TEST(args.seed == 7);
  BOOST_TEST(rest == (std::vector<std::string>{"model", "--other"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(contradictions_are_one_sentence) {
  BOOST_TEST(failure({}) == "");
  BOOST_TEST(has(failure({"--fp16", "--bf16"}), "fp16 and bf16: expected at most one, got both"));
  BOOST_TEST(
      has(failure({"--load_best_model_at_end"}), "load_best_model_at_end: expected save_strategy and eval_strategy"));
  BOOST_TEST(has(failure({"--load_best_model_at_end", "--eval_strategy", "steps", "--eval_steps", "200"}),
                 "save_steps to be a multiple of eval_steps, got 500 and 200"));
  BOOST_TEST(failure({"--load_best_model_at_end", "--eval_strategy", "steps", "--eval_steps", "0.1", "--save_steps",
                      "0.3"}) == "");
  BOOST_TEST(has(failure({"--lr_scheduler_type", "reduce_lr_on_plateau"}), "an eval_strategy"));
  BOOST_TEST(has(failure({"--dataloader_prefetch_factor", "2"}), "dataloader_num_workers above 0"));
  BOOST_TEST(has(failure({"--logging_steps", "0"}), "logging_steps above 0"));
  BOOST_TEST(has(failure({"--save_steps", "1.5"}), "save_steps: expected an integer if above 1, got 1.5"));
  BOOST_TEST(has(failure({"--warmup_steps", "-1"}), "warmup_steps: expected at least 0, got -1"));
  BOOST_TEST(has(failure({"--learning_rate", "nan"}), "learning_rate"));
  BOOST_TEST(has(failure({"--per_device_train_batch_size", "0"}), "per_device_train_batch_size: expected at least 1"));
  BOOST_TEST(
      has(failure({"--push_to_hub"}), "unsupported [TrainingArguments] push_to_hub: expected its default, false"));
  BOOST_TEST(has(failure({"--deepspeed", "{\"stage\": 2}"}), "unsupported"));
  BOOST_TEST(has(failure({"--report_to", "wandb"}), "report_to: expected one of none, all, tensorboard"));
}

BOOST_AUTO_TEST_CASE(what_follows_from_other_fields) {
  TrainingArguments args;
  parse_args_into({"--eval_strategy", "steps", "--logging_steps", "20", "--gradient_checkpointing", "true",
                   "--warmup_steps", "0.1"},
                  args);
  args.complete();
  BOOST_TEST(*args.eval_steps == 20);
  BOOST_TEST(*args.activation_checkpointing);
  BOOST_TEST(args.get_warmup_steps(105) == 11);
}

BOOST_AUTO_TEST_SUITE_END()
