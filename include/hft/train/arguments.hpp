// TrainingArguments: the settings of a training run, with the names and defaults of transformers.TrainingArguments
// (5.23), from C++, JSON and the command line.
//
//   TrainingArguments args;
//   args.output_dir = "out";
//   parse_json_into(read_json(file), file, args);                       // argument_parser.hpp
//   parse_args_into({"--learning_rate", "1e-4", "--bf16"}, args);
//   args.complete();                                                    // the Trainer does it, too
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hft/linkage.hpp>
#include <hft/train/argument_parser.hpp>

namespace hft {

enum class IntervalStrategy { no, steps, epoch };
inline std::span<const std::string_view> argument_choices(IntervalStrategy) {
  static constexpr std::string_view names[] = {"no", "steps", "epoch"};
  return names;
}

enum class SaveStrategy { no, steps, epoch, best };
inline std::span<const std::string_view> argument_choices(SaveStrategy) {
  static constexpr std::string_view names[] = {"no", "steps", "epoch", "best"};
  return names;
}

/// transformers.TrainingArguments. Fields that mean nothing on one machine are there, so that files that have them are
/// read; set to anything but their default they are an unsupported_error.
struct TrainingArguments {
  // ---- what is trained, for how long
  std::string output_dir = "trainer_output";  // checkpoints, logs and the last model
  isize per_device_train_batch_size = 8;
  f64 num_train_epochs = 3;
  isize max_steps = -1;  // -1: as many as num_train_epochs makes

  // ---- learning rate and optimizer
  f64 learning_rate = 5e-5;
  std::string lr_scheduler_type = "linear";
  json lr_scheduler_kwargs = nullptr;
  f64 warmup_steps = 0;  // below 1: this share of all steps
  std::string optim = "adamw_torch_fused";
  std::optional<std::string> optim_args = {};  // "key=value,key=value"
  f64 weight_decay = 0;
  f64 adam_beta1 = 0.9;
  f64 adam_beta2 = 0.999;
  f64 adam_epsilon = 1e-8;
  std::vector<std::string> optim_target_modules = {};

  // ---- regularisation and the gradient
  isize gradient_accumulation_steps = 1;  // batches to a step; the loss is that of all their tokens
  bool average_tokens_across_devices = true;
  f64 max_grad_norm = 1;  // 0: no clipping
  f64 label_smoothing_factor = 0;

  // ---- precision, memory, speed
  bool bf16 = false;
  bool fp16 = false;
  bool bf16_full_eval = false;
  bool fp16_full_eval = false;
  std::optional<bool> tf32 = {};
  std::optional<bool> activation_checkpointing = {};  // layers are computed again in backward
  json activation_checkpointing_kwargs = nullptr;
  std::optional<bool> gradient_checkpointing = {};  // the older name of the same
  json gradient_checkpointing_kwargs = nullptr;
  bool torch_compile = false;
  std::optional<std::string> torch_compile_backend = {};
  std::optional<std::string> torch_compile_mode = {};
  bool use_liger_kernel = false;
  json liger_kernel_config = nullptr;
  bool use_cache = false;
  std::optional<f64> neftune_noise_alpha = {};  // noise on embeddings (arXiv 2310.05914)
  std::optional<isize> torch_empty_cache_steps = {};
  bool auto_find_batch_size = false;

  // ---- logging
  IntervalStrategy logging_strategy = IntervalStrategy::steps;
  f64 logging_steps = 500;  // below 1: this share of all steps; so eval_steps, save_steps
  bool logging_first_step = false;
  bool log_on_each_node = true;
  // Logs and evaluations leave out batches without a label that counts, whose loss is 0 / 0; if not, they hold NaN.
  bool logging_nan_inf_filter = true;
  std::string include_num_input_tokens_seen = "no";  // no, all, non_padding
  std::string log_level = "passive";
  std::string log_level_replica = "warning";
  std::optional<bool> disable_tqdm = {};
  std::vector<std::string> report_to = {"none"};  // none, all, tensorboard, csv, jsonl, loss_curve
  std::optional<std::string> run_name = {};
  std::string project = "huggingface";
  std::optional<std::string> trackio_space_id = {};
  std::optional<std::string> trackio_bucket_id = {};
  std::optional<std::string> trackio_static_space_id = {};

  // ---- evaluation
  IntervalStrategy eval_strategy = IntervalStrategy::no;
  std::optional<f64> eval_steps = {};  // default: logging_steps
  f64 eval_delay = 0;                  // steps or epochs before the first evaluation
  isize per_device_eval_batch_size = 8;
  bool prediction_loss_only = false;
  bool eval_on_start = false;
  bool eval_do_concat_batches = true;
  bool eval_use_gather_object = false;
  std::optional<isize> eval_accumulation_steps = {};
  std::vector<std::string> include_for_metrics = {};
  bool batch_eval_metrics = false;

  // ---- checkpoints
  bool save_only_model = false;
  SaveStrategy save_strategy = SaveStrategy::steps;
  f64 save_steps = 500;
  bool save_on_each_node = false;
  std::optional<isize> save_total_limit = {};  // the newest so many, and the best
  bool enable_jit_checkpoint = false;

  // ---- the hub
  bool push_to_hub = false;
  std::optional<std::string> hub_token = {};
  std::optional<bool> hub_private_repo = {};
  std::optional<std::string> hub_model_id = {};
  std::string hub_strategy = "every_save";
  bool hub_always_push = false;
  std::optional<std::string> hub_revision = {};

  // ---- the best model, resuming, seeds
  bool load_best_model_at_end = false;
  std::optional<std::string> metric_for_best_model = {};  // default where it is needed: "loss"
  std::optional<bool> greater_is_better = {};             // default: not for a loss
  bool ignore_data_skip = false;
  bool restore_callback_states_from_checkpoint = false;
  bool full_determinism = false;
  isize seed = 42;
  std::optional<isize> data_seed = {};  // default: seed
  bool use_cpu = false;
  json accelerator_config = nullptr;
  json parallelism_config = nullptr;

  // ---- data
  bool dataloader_drop_last = false;
  isize dataloader_num_workers = 0;  // threads that prepare batches
  bool dataloader_pin_memory = true;
  bool dataloader_persistent_workers = false;
  std::optional<isize> dataloader_prefetch_factor = {};  // batches that each prepares ahead; default 2
  std::optional<std::string> dataloader_multiprocessing_context = {};
  bool dataloader_in_order = true;
  bool remove_unused_columns = true;  // columns that no model takes are dropped
  std::vector<std::string> label_names = {};
  std::string train_sampling_strategy = "random";  // random, sequential, group_by_length
  std::string length_column_name = "length";       // for group_by_length; without that column, of input_ids

  // ---- many machines
  std::optional<bool> ddp_find_unused_parameters = {};
  std::optional<isize> ddp_bucket_cap_mb = {};
  std::optional<bool> ddp_broadcast_buffers = {};
  std::optional<bool> ddp_static_graph = {};
  std::optional<std::string> ddp_backend = {};
  isize ddp_timeout = 1800;
  std::optional<std::string> fsdp = {};
  json fsdp_config = nullptr;
  json deepspeed = nullptr;

  // ---- the rest
  std::vector<std::string> debug = {};  // underflow_overflow: a loss that is not finite names what broke
  bool skip_memory_metrics = true;
  bool do_train = false;
  bool do_eval = false;
  bool do_predict = false;
  std::optional<std::string> resume_from_checkpoint = {};  // a checkpoint folder, or "true": the last of output_dir
  isize local_rank = -1;

  template <class Self, class F>
  static void fields(Self& a, F& field) {
    field("output_dir", a.output_dir);
    field("per_device_train_batch_size", a.per_device_train_batch_size);
    field("num_train_epochs", a.num_train_epochs);
    field("max_steps", a.max_steps);
    field("learning_rate", a.learning_rate);
    field("lr_scheduler_type", a.lr_scheduler_type);
    field("lr_scheduler_kwargs", a.lr_scheduler_kwargs);
    field("warmup_steps", a.warmup_steps);
    field("optim", a.optim);
    field("optim_args", a.optim_args);
    field("weight_decay", a.weight_decay);
    field("adam_beta1", a.adam_beta1);
    field("adam_beta2", a.adam_beta2);
    field("adam_epsilon", a.adam_epsilon);
    field("optim_target_modules", a.optim_target_modules);
    field("gradient_accumulation_steps", a.gradient_accumulation_steps);
    field("average_tokens_across_devices", a.average_tokens_across_devices);
    field("max_grad_norm", a.max_grad_norm);
    field("label_smoothing_factor", a.label_smoothing_factor);
    field("bf16", a.bf16);
    field("fp16", a.fp16);
    field("bf16_full_eval", a.bf16_full_eval);
    field("fp16_full_eval", a.fp16_full_eval);
    field("tf32", a.tf32);
    field("activation_checkpointing", a.activation_checkpointing);
    field("activation_checkpointing_kwargs", a.activation_checkpointing_kwargs);
    field("gradient_checkpointing", a.gradient_checkpointing);
    field("gradient_checkpointing_kwargs", a.gradient_checkpointing_kwargs);
    field("torch_compile", a.torch_compile);
    field("torch_compile_backend", a.torch_compile_backend);
    field("torch_compile_mode", a.torch_compile_mode);
    field("use_liger_kernel", a.use_liger_kernel);
    field("liger_kernel_config", a.liger_kernel_config);
    field("use_cache", a.use_cache);
    field("neftune_noise_alpha", a.neftune_noise_alpha);
    field("torch_empty_cache_steps", a.torch_empty_cache_steps);
    field("auto_find_batch_size", a.auto_find_batch_size);
    field("logging_strategy", a.logging_strategy);
    field("logging_steps", a.logging_steps);
    field("logging_first_step", a.logging_first_step);
    field("log_on_each_node", a.log_on_each_node);
    field("logging_nan_inf_filter", a.logging_nan_inf_filter);
    field("include_num_input_tokens_seen", a.include_num_input_tokens_seen);
    field("log_level", a.log_level);
    field("log_level_replica", a.log_level_replica);
    field("disable_tqdm", a.disable_tqdm);
    field("report_to", a.report_to);
    field("run_name", a.run_name);
    field("project", a.project);
    field("trackio_space_id", a.trackio_space_id);
    field("trackio_bucket_id", a.trackio_bucket_id);
    field("trackio_static_space_id", a.trackio_static_space_id);
    field("eval_strategy", a.eval_strategy);
    field("eval_steps", a.eval_steps);
    field("eval_delay", a.eval_delay);
    field("per_device_eval_batch_size", a.per_device_eval_batch_size);
    field("prediction_loss_only", a.prediction_loss_only);
    field("eval_on_start", a.eval_on_start);
    field("eval_do_concat_batches", a.eval_do_concat_batches);
    field("eval_use_gather_object", a.eval_use_gather_object);
    field("eval_accumulation_steps", a.eval_accumulation_steps);
    field("include_for_metrics", a.include_for_metrics);
    field("batch_eval_metrics", a.batch_eval_metrics);
    field("save_only_model", a.save_only_model);
    field("save_strategy", a.save_strategy);
    field("save_steps", a.save_steps);
    field("save_on_each_node", a.save_on_each_node);
    field("save_total_limit", a.save_total_limit);
    field("enable_jit_checkpoint", a.enable_jit_checkpoint);
    field("push_to_hub", a.push_to_hub);
    field("hub_token", a.hub_token);
    field("hub_private_repo", a.hub_private_repo);
    field("hub_model_id", a.hub_model_id);
    field("hub_strategy", a.hub_strategy);
    field("hub_always_push", a.hub_always_push);
    field("hub_revision", a.hub_revision);
    field("load_best_model_at_end", a.load_best_model_at_end);
    field("metric_for_best_model", a.metric_for_best_model);
    field("greater_is_better", a.greater_is_better);
    field("ignore_data_skip", a.ignore_data_skip);
    field("restore_callback_states_from_checkpoint", a.restore_callback_states_from_checkpoint);
    field("full_determinism", a.full_determinism);
    field("seed", a.seed);
    field("data_seed", a.data_seed);
    field("use_cpu", a.use_cpu);
    field("accelerator_config", a.accelerator_config);
    field("parallelism_config", a.parallelism_config);
    field("dataloader_drop_last", a.dataloader_drop_last);
    field("dataloader_num_workers", a.dataloader_num_workers);
    field("dataloader_pin_memory", a.dataloader_pin_memory);
    field("dataloader_persistent_workers", a.dataloader_persistent_workers);
    field("dataloader_prefetch_factor", a.dataloader_prefetch_factor);
    field("dataloader_multiprocessing_context", a.dataloader_multiprocessing_context);
    field("dataloader_in_order", a.dataloader_in_order);
    field("remove_unused_columns", a.remove_unused_columns);
    field("label_names", a.label_names);
    field("train_sampling_strategy", a.train_sampling_strategy);
    field("length_column_name", a.length_column_name);
    field("ddp_find_unused_parameters", a.ddp_find_unused_parameters);
    field("ddp_bucket_cap_mb", a.ddp_bucket_cap_mb);
    field("ddp_broadcast_buffers", a.ddp_broadcast_buffers);
    field("ddp_static_graph", a.ddp_static_graph);
    field("ddp_backend", a.ddp_backend);
    field("ddp_timeout", a.ddp_timeout);
    field("fsdp", a.fsdp);
    field("fsdp_config", a.fsdp_config);
    field("deepspeed", a.deepspeed);
    field("debug", a.debug);
    field("skip_memory_metrics", a.skip_memory_metrics);
    field("do_train", a.do_train);
    field("do_eval", a.do_eval);
    field("do_predict", a.do_predict);
    field("resume_from_checkpoint", a.resume_from_checkpoint);
    field("local_rank", a.local_rank);
  }

  /// Fills in what follows from other fields, as Transformers does after parsing, and checks all. Throws value_error
  /// for values out of range or that contradict each other, unsupported_error for what hft does not have.
  void complete();

  /// The steps of a warmup within so many.
  isize get_warmup_steps(isize num_training_steps) const {
    return warmup_steps >= 1 ? isize(warmup_steps) : isize(std::ceil(f64(num_training_steps) * warmup_steps));
  }
  bool scheduled_by_metric() const {
    return lr_scheduler_type == "reduce_lr_on_plateau" || lr_scheduler_type == "greedy";
  }
  bool reports_to(std::string_view name) const {
    for (const auto& r : report_to)
      if (r == name || r == "all") return true;
    return false;
  }

  void check() const {
    check_ranges();
    check_combinations();
    check_supported();
  }

 private:
  [[noreturn]] static void contradiction(std::string_view what, std::string_view expected, std::string_view got) {
    throw value_error("TrainingArguments", what, expected, got);
  }
  static void at_least(const char* name, f64 value, f64 least) {
    if (!(value >= least) || !std::isfinite(value))
      contradiction(name, detail::cat("at least ", least), detail::cat(value));
  }
  static void within(const char* name, f64 value, f64 end) {
    if (!(value >= 0 && value < end)) contradiction(name, detail::cat("from 0 to below ", end), detail::cat(value));
  }
  static void one_of(const char* name, std::string_view value, std::initializer_list<std::string_view> choices);
  // A number of steps is whole, or a share of all.
  static void whole_above_one(const char* name, f64 value) {
    at_least(name, value, 0);
    if (value > 1 && value != std::floor(value)) contradiction(name, "an integer if above 1", detail::cat(value));
  }

  void check_ranges() const;

  void check_combinations() const;

  // The best model is one that was saved, so it must be saved whenever it is evaluated.
  void check_best_model_steps() const;

  void check_supported() const;
};

#if HFT_DEFINES(TRAIN)

HFT_INLINE void TrainingArguments::complete() {
  if (!activation_checkpointing) activation_checkpointing = gradient_checkpointing.value_or(false);
  gradient_checkpointing = activation_checkpointing;
  if (eval_strategy != IntervalStrategy::no) do_eval = true;
  auto& counted = include_num_input_tokens_seen;  // was a bool once
  counted = counted == "true" || counted == "True" ? "all" : counted == "false" || counted == "False" ? "no" : counted;
  if (eval_strategy == IntervalStrategy::steps && eval_steps.value_or(0) == 0) {
    if (logging_steps <= 0)
      contradiction("eval_strategy steps", "eval_steps or logging_steps above 0", detail::cat(logging_steps));
    eval_steps = logging_steps;
  }
  if ((load_best_model_at_end || scheduled_by_metric()) && !metric_for_best_model) metric_for_best_model = "loss";
  if (!greater_is_better && metric_for_best_model) greater_is_better = !metric_for_best_model->ends_with("loss");
  check();
}

HFT_INLINE void TrainingArguments::check_ranges() const {
  if (output_dir.empty()) contradiction("output_dir", "a folder", "''");
  at_least("per_device_train_batch_size", f64(per_device_train_batch_size), 1);
  at_least("per_device_eval_batch_size", f64(per_device_eval_batch_size), 1);
  at_least("gradient_accumulation_steps", f64(gradient_accumulation_steps), 1);
  at_least("num_train_epochs", num_train_epochs, 0);
  at_least("learning_rate", learning_rate, 0);
  at_least("warmup_steps", warmup_steps, 0);
  at_least("weight_decay", weight_decay, 0);
  within("adam_beta1", adam_beta1, 1);
  within("adam_beta2", adam_beta2, 1);
  at_least("adam_epsilon", adam_epsilon, 0);
  at_least("max_grad_norm", max_grad_norm, 0);
  within("label_smoothing_factor", label_smoothing_factor, 1);
  if (neftune_noise_alpha) at_least("neftune_noise_alpha", *neftune_noise_alpha, 0);
  at_least("eval_delay", eval_delay, 0);
  at_least("dataloader_num_workers", f64(dataloader_num_workers), 0);
  if (dataloader_prefetch_factor) at_least("dataloader_prefetch_factor", f64(*dataloader_prefetch_factor), 1);
  at_least("seed", f64(seed), 0);
  if (data_seed) at_least("data_seed", f64(*data_seed), 0);
  whole_above_one("logging_steps", logging_steps);
  whole_above_one("save_steps", save_steps);
  if (eval_steps) whole_above_one("eval_steps", *eval_steps);
  one_of("train_sampling_strategy", train_sampling_strategy,
         {"random", "sequential", "group_by_length", "batch_rebalance"});
  one_of("include_num_input_tokens_seen", include_num_input_tokens_seen, {"no", "all", "non_padding"});
  for (const auto& r : report_to) {
    one_of("report_to", r, {"none", "all", "tensorboard", "csv", "jsonl", "loss_curve"});
    if (r == "none" && report_to.size() > 1) contradiction("report_to", "none alone, or loggers", "both");
  }
  for (const auto& d : debug) one_of("debug", d, {"underflow_overflow"});
}

HFT_INLINE void TrainingArguments::check_combinations() const {
  if (logging_strategy == IntervalStrategy::steps && logging_steps == 0)
    contradiction("logging_strategy steps", "logging_steps above 0", "0");
  if (fp16 && bf16) contradiction("fp16 and bf16", "at most one", "both");
  if (fp16_full_eval && bf16_full_eval) contradiction("fp16_full_eval and bf16_full_eval", "at most one", "both");
  if (scheduled_by_metric() && eval_strategy == IntervalStrategy::no)
    contradiction("lr_scheduler_type " + lr_scheduler_type, "an eval_strategy, whose metric it follows", "no");
  if (!dataloader_num_workers && dataloader_prefetch_factor)
    contradiction("dataloader_prefetch_factor", "dataloader_num_workers above 0", "0");
  if (save_strategy == SaveStrategy::best && eval_strategy == IntervalStrategy::no)
    contradiction("save_strategy best", "an eval_strategy", "no");
  if (save_strategy == SaveStrategy::best && !metric_for_best_model)
    contradiction("save_strategy best", "metric_for_best_model", "none");
  if (load_best_model_at_end && save_strategy != SaveStrategy::best) check_best_model_steps();
}

HFT_INLINE void TrainingArguments::check_best_model_steps() const {
  const auto evaluated = argument_choices(eval_strategy)[std::size_t(eval_strategy)];
  const auto saved = argument_choices(save_strategy)[std::size_t(save_strategy)];
  if (evaluated != saved)
    contradiction("load_best_model_at_end", "save_strategy and eval_strategy to be the same, or save_strategy best",
                  detail::cat(saved, " and ", evaluated));
  if (eval_strategy == IntervalStrategy::no)
    contradiction("load_best_model_at_end", "an eval_strategy and a save_strategy", "no");
  if (eval_strategy != IntervalStrategy::steps) return;
  const f64 every = eval_steps.value_or(logging_steps), ratio = save_steps / every;
  const bool mixed = (every < 1) != (save_steps < 1);
  if (mixed || ratio < 1 - 1e-9 || std::abs(ratio - std::round(ratio)) > 1e-6)
    contradiction("load_best_model_at_end", "save_steps to be a multiple of eval_steps",
                  detail::cat(save_steps, " and ", every));
}

HFT_INLINE void TrainingArguments::check_supported() const {
  static constexpr const char* without_effect[] = {"optim_target_modules",
                                                   "bf16_full_eval",
                                                   "fp16_full_eval",
                                                   "tf32",
                                                   "torch_compile",
                                                   "torch_compile_backend",
                                                   "torch_compile_mode",
                                                   "use_liger_kernel",
                                                   "liger_kernel_config",
                                                   "use_cache",
                                                   "torch_empty_cache_steps",
                                                   "auto_find_batch_size",
                                                   "trackio_space_id",
                                                   "trackio_bucket_id",
                                                   "trackio_static_space_id",
                                                   "eval_do_concat_batches",
                                                   "eval_use_gather_object",
                                                   "batch_eval_metrics",
                                                   "enable_jit_checkpoint",
                                                   "push_to_hub",
                                                   "hub_token",
                                                   "hub_private_repo",
                                                   "hub_model_id",
                                                   "hub_strategy",
                                                   "hub_always_push",
                                                   "hub_revision",
                                                   "accelerator_config",
                                                   "parallelism_config",
                                                   "dataloader_multiprocessing_context",
                                                   "ddp_find_unused_parameters",
                                                   "ddp_bucket_cap_mb",
                                                   "ddp_broadcast_buffers",
                                                   "ddp_static_graph",
                                                   "ddp_backend",
                                                   "ddp_timeout",
                                                   "fsdp",
                                                   "fsdp_config",
                                                   "deepspeed",
                                                   "skip_memory_metrics",
                                                   "local_rank",
                                                   "activation_checkpointing_kwargs",
                                                   "gradient_checkpointing_kwargs"};
  const json mine = arguments_to_json(*this), fresh = arguments_to_json(TrainingArguments{});
  for (const char* name : without_effect)
    if (mine[name] != fresh[name])
      throw unsupported_error("TrainingArguments", name, detail::joined("its default, ", fresh[name].dump()),
                              mine[name].dump());
  if (train_sampling_strategy == "batch_rebalance")
    throw unsupported_error("TrainingArguments", "train_sampling_strategy", "random, sequential or group_by_length",
                            "'batch_rebalance', which is for several machines");
}

HFT_INLINE void TrainingArguments::one_of(const char* name, std::string_view value,
                                          std::initializer_list<std::string_view> choices) {
  std::string all;
  for (const auto c : choices) {
    if (c == value) return;
    all += (all.empty() ? "" : ", ") + std::string(c);
  }
  contradiction(name, "one of " + all, detail::quote_text(value));
}

#endif  // HFT_DEFINES

}  // namespace hft
