// Trainer: trains, evaluates and saves a model as transformers.Trainer does.
//
//   auto model = LlamaForCausalLM<f32, autodiff<cpu>>::from_pretrained("smollm2");
//   TrainingArguments args;
//   args.output_dir = "out";
//   Trainer trainer(model, args, {.train_dataset = rows, .data_collator = DataCollatorForLanguageModeling{...}});
//   trainer.train();
//   trainer.save_model();
//
// A run that is stopped and resumed from a checkpoint computes the same bits as one that was not: the order of the
// rows, dropout and masking are functions of the seed and the step, and a checkpoint keeps all else.
#pragma once
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <hft/io/safetensors.hpp>
#include <hft/io/safetensors_writer.hpp>
#include <hft/linkage.hpp>
#include <hft/progress.hpp>
#include <hft/train/arguments.hpp>
#include <hft/train/callbacks/flow.hpp>
#include <hft/train/callbacks/log_files.hpp>
#include <hft/train/callbacks/loss_curve.hpp>
#include <hft/train/callbacks/tensorboard.hpp>
#include <hft/train/checkpoint_folders.hpp>
#include <hft/train/clip.hpp>
#include <hft/train/collators/padding.hpp>
#include <hft/train/data/data_loader.hpp>
#include <hft/train/evaluation.hpp>
#include <hft/train/loss_scaler.hpp>
#include <hft/train/optimizers/make_optimizer.hpp>
#include <hft/train/schedules.hpp>
#include <hft/train/trainable.hpp>
#include <hft/train/trainer_state.hpp>
#include <hft/train/training_model.hpp>

namespace hft {

/// What a Trainer takes of a tokenizer: how batches are padded, and how it is written beside the model.
class ProcessingClass {
 public:
  ProcessingClass() = default;
  /// Of a PreTrainedTokenizerFast.
  template <class Tokenizer>
  requires requires(const Tokenizer& t, const std::filesystem::path& folder) {
    CollatorTokens::of(t);
    t.save_pretrained(folder);
  }
  ProcessingClass(const Tokenizer& t)  // NOLINT
      : tokens_(CollatorTokens::of(t)),
        save_([t](const std::filesystem::path& folder) { t.save_pretrained(folder); }) {}

  explicit operator bool() const { return bool(save_); }
  const CollatorTokens& tokens() const { return tokens_; }
  void save_pretrained(const std::filesystem::path& folder) const { save_(folder); }

 private:
  CollatorTokens tokens_;
  std::function<void(const std::filesystem::path&)> save_;
};

/// What a Trainer trains: a model, which must outlive it, or what was made of one.
class TrainerModel {
 public:
  template <class Model>
  TrainerModel(Model& model) : made(make_training_model(model)) {}                                  // NOLINT
  TrainerModel(std::unique_ptr<TrainingModel> training_model) : made(std::move(training_model)) {}  // NOLINT

  std::unique_ptr<TrainingModel> made;
};

/// What a Trainer takes beside the model and the arguments; all but the data at hand may be left out.
struct TrainerOptions {
  Dataset train_dataset = {};
  EvalDatasets eval_dataset = {};  // one, or several with names
  /// Default: DataCollatorWithPadding where there is a processing_class, else DefaultDataCollator.
  DataCollator data_collator = {};
  ProcessingClass processing_class = {};  // a tokenizer, which is saved with the model, too
  /// Metrics of an evaluation, an object; names get "eval_" before them.
  std::function<json(const EvalPrediction&)> compute_metrics = {};
  /// What is kept of each batch's logits for compute_metrics: their argmax, say.
  std::function<BatchTensor(BatchTensor logits, const Batch& batch)> preprocess_logits_for_metrics = {};
  std::vector<std::shared_ptr<TrainerCallback>> callbacks = {};
  std::unique_ptr<Optimizer> optimizer = nullptr;  // default: what args.optim names
  LossScalerOptions loss_scaling = {};             // of a model in f16
  /// Writes what else a model's folder holds.
  std::function<void(const std::filesystem::path&)> save_extra = {};
  /// Write and read the weights in place of save_pretrained and load_weights (an adapter).
  std::function<void(const std::filesystem::path&)> save = {}, load = {};
};

/// transformers.TrainOutput.
struct TrainOutput {
  isize global_step = 0;
  f64 training_loss = 0;
  json metrics = json::object();
  bool interrupted = false;  // the stop_token asked; a checkpoint was written
};

class Trainer {
 public:
  /// The model must outlive the Trainer. Throws value_error and unsupported_error for arguments that do not fit.
  template <class Arguments = TrainingArguments>
  Trainer(TrainerModel model, const Arguments& args, TrainerOptions options = {})  // hft: braces name TrainerOptions
      : model_(std::move(model.made)), args_(arguments_of(args)), options_(std::move(options)) {
    set_up();
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Trains from the beginning, or from the checkpoint that args.resume_from_checkpoint names ("true": the last one of
  /// output_dir). A stop asked for through `stop` takes effect after the step at hand, with a checkpoint. A step
  /// without a label that counts has gradients of 0, and goes on. Throws value_error for any other loss that is not
  /// finite (the step is named) and for labels out of range, file_error where a checkpoint cannot be written (earlier
  /// ones stay), weight_error for a checkpoint of another model.
  TrainOutput train(std::stop_token stop = {});
  /// Metrics of datasets, by default options.eval_dataset: eval_loss, those of compute_metrics, speed. Of several
  /// datasets with names: eval_NAME_loss and so on of each, as metric_for_best_model may name them. A loss over no
  /// label at all is NaN, which is never the best, and null in files.
  json evaluate(const EvalDatasets& datasets = {}, const std::string& prefix = "eval");
  PredictionOutput predict(const Dataset& dataset, const std::string& prefix = "test");

  /// Writes the model, and what goes with it, into a folder, by default output_dir.
  void save_model(const std::optional<std::filesystem::path>& folder = {}) const;
  /// Writes trainer_state.json into output_dir.
  void save_state() const {
    write_file_atomically(std::filesystem::path(args_.output_dir) / "trainer_state.json", state_.to_text());
  }

  const TrainingArguments& args() const { return args_; }
  const TrainerState& state() const { return state_; }
  TrainerControl& control() { return control_; }
  void add_callback(std::shared_ptr<TrainerCallback> callback) { callbacks_.add(std::move(callback)); }
  bool remove_callback(const TrainerCallback* callback) { return callbacks_.remove(callback); }

 private:
  // The lengths of a run.
  struct plan {
    isize steps_in_epoch = 0, updates_per_epoch = 0, max_steps = 0, epochs = 0;
  };
  struct loop_output {
    EvalPrediction gathered;
    json metrics = json::object();
  };

  void set_up();
  template <class Arguments>
  static TrainingArguments arguments_of(const Arguments& args) {
    constexpr bool fit = std::is_convertible_v<const Arguments&, TrainingArguments>;
    static_assert(
        fit || requires { typename Arguments::inputs; },
        "hft: a Trainer's arguments are Trainer(model, arguments, options)");
    if constexpr (fit)
      return args;
    else
      return TrainingArguments();
  }

  void map_text_labels();
  DataLoader train_loader() const;
  DataLoader eval_loader(const Dataset& dataset, bool drop_last) const;
  plan make_plan(const DataLoader& loader) const;
  void run_epoch(const DataLoader& loader, const plan& p, isize epoch, isize skipped, detail::progress& task,
                 std::stop_token stop);
  void update(const std::vector<Batch>& batches, const plan& p, isize epoch, isize first_batch);
  std::optional<isize> count_items(const std::vector<Batch>& batches) const;
  void add_to_log(f64 loss);
  void track_tokens(const Batch& batch);
  void log_save_evaluate();
  void log(json logs);
  json evaluate_in_training(bool steps_scheduler);
  bool is_new_best(const json& metrics);
  loop_output evaluation_loop(const Dataset& dataset, const std::string& prefix, bool loss_only, bool drop_last);
  void save_checkpoint();
  void write_checkpoint(const std::filesystem::path& folder) const;
  void load_checkpoint(const std::filesystem::path& folder);
  void load_weights(const std::filesystem::path& folder) {
    if (options_.load)
      options_.load(folder);
    else
      model_->load(folder);
  }
  std::optional<std::filesystem::path> checkpoint_to_resume() const;
  [[noreturn]] void fail_not_finite(const char* what, f64 value, bool inspect, const std::vector<Batch>& batches,
                                    const TrainingStepOptions& options);

  template <class Event, class... Rest>
  void call(Event event, const Rest&... rest) {
    callbacks_.call(event, args_, state_, control_, rest...);
  }
  // What autocast brings about in a model of f32; one of a half-precision type does so itself.
  std::optional<dtype_id> autocast_precision() const {
    return precision_ == model_->precision() ? std::nullopt : std::optional(precision_);
  }
  f64 seconds_since(std::chrono::steady_clock::time_point t) const {
    return std::chrono::duration<f64>(std::chrono::steady_clock::now() - t).count();
  }

  std::unique_ptr<TrainingModel> model_;
  TrainingArguments args_;
  TrainerOptions options_;
  CallbackHandler callbacks_;
  TrainerState state_;
  TrainerControl control_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<LRScheduler> scheduler_;
  dtype_id precision_ = dtype_id::f32;  // of products
  std::optional<LossScaler> scaler_;
  f64 loss_since_log_ = 0, total_loss_ = 0, step_loss_ = 0;
  isize last_logged_ = 0;
  std::optional<f64> grad_norm_, learning_rate_;  // of the last step
  isize flos_per_token_ = 0;
  bool training_ = false;
};

}  // namespace hft

#if HFT_DEFINES(TRAIN)
#include <hft/train/trainer_impl.hpp>
#endif
