// hft train: fine-tunes a model, or an adapter over it, on rows of a file.
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <thread>

#include <hft/progress.hpp>
#include <hft/train/callbacks/progress.hpp>
#include <hft/train/collators/default.hpp>
#include <hft/train/collators/language_modeling.hpp>
#include <hft/train/data/group_texts.hpp>
#include <hft/train/data/load_dataset.hpp>
#include <hft/train/data/tokenize.hpp>
#include <hft/train/loss_curve.hpp>
#include <hft/train/trainer.hpp>

#include "lora_arguments.hpp"
#include "tool.hpp"
#include "train_models.hpp"

namespace tool {

using namespace hft;

namespace {

struct script_arguments {
  std::string model_name_or_path, model_revision = "main", train_file, config;
  std::vector<std::string> validation_file;  // of several, each is evaluated under its name: eval_NAME_loss
  isize validation_split_percentage = 0;     // without a validation_file: this share of the train_file
  std::optional<isize> max_train_samples, max_eval_samples;
  std::optional<isize> max_length;  // tokens of a row; longer ones are cut
  std::optional<isize> block_size;  // rows are packed into blocks of so many tokens
  bool assistant_only_loss = false;
  f64 mlm_probability = 0.15;
  bool whole_word_mask = false;
  bool label_all_tokens = false;  // of words: each of its tokens has a word's label, and not the first alone
  std::string text_column_name = "text";
  std::string device = "cpu";
  isize threads = 0;
  isize early_stopping_patience = 0;
  bool plot_loss = true;  // runs/loss_curve.svg

  template <class Self, class F>
  static void fields(Self& a, F& field) {
    field("model_name_or_path", a.model_name_or_path);
    field("model_revision", a.model_revision);
    field("train_file", a.train_file);
    field("validation_file", a.validation_file);
    field("validation_split_percentage", a.validation_split_percentage);
    field("max_train_samples", a.max_train_samples);
    field("max_eval_samples", a.max_eval_samples);
    field("max_length", a.max_length);
    field("block_size", a.block_size);
    field("assistant_only_loss", a.assistant_only_loss);
    field("mlm_probability", a.mlm_probability);
    field("whole_word_mask", a.whole_word_mask);
    field("label_all_tokens", a.label_all_tokens);
    field("text_column_name", a.text_column_name);
    field("device", a.device);
    field("threads", a.threads);
    field("early_stopping_patience", a.early_stopping_patience);
    field("plot_loss", a.plot_loss);
  }
};

/// Turns SIGINT and SIGTERM into a request to stop. A thread of its own waits for them, so that what they do is not
/// bound to what a signal handler may do. A second one ends the process.
class stop_on_signal {
 public:
  stop_on_signal() {
    sigemptyset(&signals_);
    for (const int s : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&signals_, s);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);  // for this thread, and those it starts from now on
    waiter_ = std::thread([this] {
      for (int signal = 0;;) {
        if (sigwait(&signals_, &signal) != 0 || signal == SIGUSR1) return;
        if (source_.stop_requested()) ::_exit(1);
        source_.request_stop();
      }
    });
  }
  ~stop_on_signal() {
    pthread_kill(waiter_.native_handle(), SIGUSR1);
    waiter_.join();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  std::stop_token token() const { return source_.get_token(); }

 private:
  sigset_t signals_, before_;
  std::stop_source source_;
  std::thread waiter_;
};

Dataset limited(Dataset rows, const std::optional<isize>& most) {
  if (!most || *most >= rows.size()) return rows;
  std::vector<isize> first(static_cast<std::size_t>(*most));
  std::iota(first.begin(), first.end(), isize(0));
  return rows.select(std::move(first));
}

std::optional<PreTrainedTokenizerFast> find_tokenizer(const std::filesystem::path& model, const Dataset& rows) {
  try {
    return AutoTokenizer::from_pretrained(model.string());
  } catch (const file_error&) {
    // Rows of ids need none.
    if (!rows.empty() && find_member(rows[0], "input_ids")) return {};
    throw;
  }
}

Dataset prepare(Dataset rows, const std::optional<PreTrainedTokenizerFast>& tokenizer, const script_arguments& script) {
  const bool ids = !rows.empty() && find_member(rows[0], "input_ids");
  if (tokenizer && (!ids || script.max_length)) {
    TokenizeOptions o;
    o.max_length = script.max_length;
    o.assistant_only_loss = script.assistant_only_loss;
    o.text_column = script.text_column_name;
    o.return_offsets_mapping = script.whole_word_mask;
    o.label_all_tokens = script.label_all_tokens;
    rows = tokenize(rows, *tokenizer, std::move(o));
  }
  return script.block_size ? group_texts(rows, *script.block_size) : rows;
}

DataCollator collator_for(const trained_model& model, const std::optional<PreTrainedTokenizerFast>& tokenizer,
                          const script_arguments& script, const TrainingArguments& args) {
  CollatorTokens tokens;
  if (tokenizer) tokens = CollatorTokens::of(*tokenizer);
  if (!tokens.pad_token_id) {
    // What stands in padding is masked; it only has to be an id. It must not hide labels, so it is none of a
    // tokenizer's.
    tokens.pad_token_id = get_optional<i64>(model.config, "pad_token_id");
    if (tokens.pad_token_id.value_or(-1) < 0) tokens.pad_token_id = 0;
  }
  if (!tokens.vocab_size) tokens.vocab_size = model.vocab_size;
  switch (model.task) {
    case training_task::sequence_classification:
      return DataCollatorWithPadding{tokens};
    case training_task::seq2seq_lm:
      return DataCollatorForSeq2Seq{tokens};
    case training_task::token_classification:
      return DataCollatorForTokenClassification{tokens};
    default:
      break;
  }
  DataCollatorForLanguageModeling collator{tokens, model.task == training_task::masked_lm, script.mlm_probability};
  collator.seed = std::uint64_t(args.data_seed.value_or(args.seed));
  collator.whole_word_mask = script.whole_word_mask;
  collator.check();
  return collator;
}

void parse(const std::vector<std::string>& words, script_arguments& script, TrainingArguments& args,
           lora_arguments& lora) {
  // The file first, whatever its place, so that the command line has the last word.
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool joined = words[i].starts_with("--config=");
    if (!joined && words[i] != "--config") {
      rest.push_back(words[i]);
      continue;
    }
    if (!joined && ++i == words.size()) throw value_error("--config", "", "a JSON file", "none");
    const std::string file = joined ? words[i].substr(9) : words[i];
    parse_json_into(read_json(file), file, script, args, lora);
  }
  parse_args_into(rest, script, args, lora);
  lora.check();
  if (script.model_name_or_path.empty()) throw value_error("hft train", "--model_name_or_path", "a model", "none");
  if (script.train_file.empty()) throw value_error("hft train", "--train_file", "a file of rows", "none");
  if (!script.validation_file.empty() && script.validation_split_percentage)
    throw value_error("hft train", "--validation_file and --validation_split_percentage", "one of them", "both");
  if (script.validation_split_percentage < 0 || script.validation_split_percentage > 99)
    throw value_error("hft train", "--validation_split_percentage", "0 to 99",
                      detail::cat(script.validation_split_percentage));
  const auto demand_positive = [](const char* name, const std::optional<isize>& value) {
    if (value && *value < 1) throw value_error("hft train", name, "at least 1", detail::cat(*value));
  };
  demand_positive("--max_train_samples", script.max_train_samples);
  demand_positive("--max_eval_samples", script.max_eval_samples);
  demand_positive("--max_length", script.max_length);
  demand_positive("--block_size", script.block_size);
  if (script.early_stopping_patience < 0)
    throw value_error("hft train", "--early_stopping_patience", "at least 0",
                      detail::cat(script.early_stopping_patience));
  if (script.early_stopping_patience > 0 && args.eval_strategy == IntervalStrategy::no)
    throw value_error("hft train", "--early_stopping_patience", "an --eval_strategy", "no");
  if (script.early_stopping_patience > 0 && !args.load_best_model_at_end && !args.metric_for_best_model)
    throw value_error("hft train", "--early_stopping_patience", "--load_best_model_at_end or --metric_for_best_model",
                      "neither");
  const bool validates = !script.validation_file.empty() || script.validation_split_percentage;
  if ((args.eval_strategy != IntervalStrategy::no || args.do_eval) && !validates)
    throw value_error("hft train", args.do_eval ? "--do_eval" : "--eval_strategy",
                      "--validation_file or --validation_split_percentage", "neither");
}

// The datasets by their files' names, where there are several.
EvalDatasets evaluation_sets(const std::vector<std::string>& files, const script_arguments& script,
                             const std::optional<PreTrainedTokenizerFast>& tokenizer) {
  const auto read = [&](const std::string& file) {
    return prepare(limited(load_dataset(file), script.max_eval_samples), tokenizer, script);
  };
  if (files.empty()) return {};
  if (files.size() == 1) return read(files[0]);
  std::vector<EvalDatasets::named> all;
  for (const auto& file : files) all.emplace_back(std::filesystem::path(file).stem().string(), read(file));
  return all;
}

}  // namespace

// With the defaults of LoraConfig, where the tool's own say that nothing was given.
static std::string lora_help() {
  lora_arguments lora;
  json defaults = arguments_to_json(lora);
  const LoraConfig config;
  defaults["lora_r"] = config.r;
  defaults["lora_alpha"] = config.lora_alpha;
  defaults["lora_dropout"] = config.lora_dropout;
  defaults["lora_bias"] = config.bias;
  defaults["init_lora_weights"] = true;
  return detail::help_text(detail::argument_slots(lora), defaults);
}

std::string train_help() {
  return "Options, with _ or - between their words, and defaults:\n  --config FILE.json\n" +
         arguments_help<script_arguments>() + "\nTrainingArguments:\n" + arguments_help<TrainingArguments>() +
         "\nLoraConfig; any of these trains an adapter:\n" + lora_help();
}

void check_train_arguments(const std::vector<std::string>& words) {
  script_arguments script;
  TrainingArguments args;
  lora_arguments lora;
  parse(words, script, args, lora);
  args.complete();
  // What these names and their settings say is wrong usage, too; how many steps there will be is not known yet.
  make_optimizer({.optim = args.optim, .optim_args = args.optim_args.value_or("")});
  const isize steps = args.max_steps > 0 ? args.max_steps : isize(1) << 40;
  get_scheduler(args.lr_scheduler_type, args.learning_rate,
                {.num_warmup_steps = args.get_warmup_steps(steps),
                 .num_training_steps = steps,
                 .lr_scheduler_kwargs = args.lr_scheduler_kwargs});
}

int train(const std::vector<std::string>& words) {
  const stop_on_signal signals;  // before any thread is started
  script_arguments script;
  TrainingArguments args;
  lora_arguments lora;
  parse(words, script, args, lora);
  args.complete();
  if (args.fp16 && lora.given()) throw unsupported_error("hft train", "--fp16 with an adapter", "--bf16, or f32", "");
  common_options common;
  common.device = script.device;
  common.threads = int(script.threads);
  set_up(common);
  if (args.disable_tqdm.value_or(false)) set_progress_callback({});

  const auto folder = resolve_model(script.model_name_or_path, script.model_revision);
  Dataset rows = limited(load_dataset(script.train_file), script.max_train_samples), held_out;
  if (script.validation_split_percentage) {
    auto split = rows.train_test_split(f64(script.validation_split_percentage) / 100, std::uint64_t(args.seed));
    rows = std::move(split.train), held_out = limited(std::move(split.test), script.max_eval_samples);
  }
  const auto tokenizer = find_tokenizer(folder, rows);
  const auto source = checkpoint::open(folder);
  const auto model = lora.given() ? load_trained_lora(source, lora.start(script.model_name_or_path),
                                                      std::uint64_t(args.seed), args.bf16)
                                  : load_trained(source);
  if (lora.given()) args.bf16 = false;  // what is trained is f32, over weights in bf16
  warn(model.warnings);
  if (model.task == training_task::other)
    throw unsupported_error("hft train", model.training->architecture(),
                            "a language model, or a classifier of sequences or tokens");

  TrainerOptions options;
  options.train_dataset = prepare(std::move(rows), tokenizer, script);
  options.eval_dataset = held_out ? prepare(std::move(held_out), tokenizer, script)
                                  : evaluation_sets(script.validation_file, script, tokenizer);
  options.data_collator = collator_for(model, tokenizer, script, args);
  if (tokenizer) options.save_extra = [&](const std::filesystem::path& f) { tokenizer->save_pretrained(f); };
  if (!args.disable_tqdm.value_or(false) && ::isatty(2))
    options.callbacks.push_back(std::make_shared<ProgressCallback>());
  else
    options.callbacks.push_back(std::make_shared<PrinterCallback>(stderr));
  if (script.early_stopping_patience > 0)
    options.callbacks.push_back(std::make_shared<EarlyStoppingCallback>(script.early_stopping_patience));
  const bool evaluates = bool(options.eval_dataset);
  const isize train_rows = options.train_dataset.size();
  // An own TrainingModel refers to the model, which `model` keeps alive.
  Trainer trainer(std::move(const_cast<trained_model&>(model).training), args, std::move(options));
  const auto result = trainer.train(signals.token());
  if (result.interrupted) {
    std::fprintf(stderr, "hft: interrupted at step %td; --resume_from_checkpoint true goes on from there\n",
                 result.global_step);
    return 1;
  }
  trainer.save_model();
  json metrics = result.metrics;
  metrics["train_samples"] = train_rows;
  if (evaluates && trainer.args().do_eval) metrics.update(trainer.evaluate());
  trainer.save_state();
  const std::filesystem::path out = trainer.args().output_dir;
  // After the last evaluation, which is behind what the Trainer reports.
  if (script.plot_loss)
    save_loss_curve(trainer.state().log_history, out / "runs" / "loss_curve.svg",
                    {.title = trainer.args().run_name.value_or(script.model_name_or_path)});
  metrics = strict_json(std::move(metrics));
  write_file_atomically(out / "all_results.json", dump(metrics, {.indent = 4}));
  std::fputs(dump(metrics, {.indent = -1, .sort_keys = false}).c_str(), stdout);
  return 0;
}

}  // namespace tool
