// The functions of Trainer: one for each thing that it does, in the order in which a run calls them.
#pragma once
#include <hft/log.hpp>
#include <hft/train/collators/default.hpp>
#include <hft/train/data/text_labels.hpp>
#include <hft/train/trainer.hpp>

namespace hft {

namespace detail {

inline f64 rounded(f64 x, f64 digits) { return std::round(x * digits) / digits; }

/// PREFIX_runtime, PREFIX_samples_per_second, PREFIX_steps_per_second. (speed_metrics)
inline void add_speed_metrics(json& metrics, const std::string& prefix, f64 seconds, f64 samples, f64 steps) {
  metrics[prefix + "_runtime"] = rounded(seconds, 1e4);
  if (seconds <= 0) return;
  metrics[prefix + "_samples_per_second"] = rounded(samples / seconds, 1e3);
  metrics[prefix + "_steps_per_second"] = rounded(steps / seconds, 1e3);
}

}  // namespace detail

HFT_INLINE void Trainer::set_up() {
  namespace fs = std::filesystem;
  args_.complete();
  if (!options_.data_collator && options_.processing_class)
    options_.data_collator = DataCollatorWithPadding{options_.processing_class.tokens()};
  else if (!options_.data_collator)
    options_.data_collator = DefaultDataCollator{};
  map_text_labels();
  precision_ = model_->precision();
  const auto compute_in = [&](bool wanted, const char* name, dtype_id id) {
    if (!wanted || precision_ == id) return;
    if (precision_ != dtype_id::f32)
      throw unsupported_error("Trainer", name, detail::joined("a model in f32, or in ", name),
                              std::string(hft::name(precision_)));
    precision_ = id;
  };
  compute_in(args_.bf16, "bf16", dtype_id::bf16);
  compute_in(args_.fp16, "f16", dtype_id::f16);
  if (args_.eval_strategy != IntervalStrategy::no && !options_.eval_dataset)
    throw value_error("Trainer", "eval_strategy", "an eval_dataset", "none");
  if (precision_ == dtype_id::f16) scaler_.emplace(options_.loss_scaling);

  callbacks_.add(std::make_shared<DefaultFlowCallback>());
  const fs::path folder = args_.output_dir;
  if (args_.reports_to("tensorboard")) callbacks_.add(std::make_shared<TensorBoardCallback>(folder / "runs"));
  if (args_.reports_to("csv")) callbacks_.add(std::make_shared<CSVLoggerCallback>(folder / "log.csv"));
  if (args_.reports_to("jsonl")) callbacks_.add(std::make_shared<JSONLinesLoggerCallback>(folder / "log.jsonl"));
  if (args_.reports_to("loss_curve"))
    callbacks_.add(std::make_shared<LossCurveCallback>(
        folder / "runs" / "loss_curve.svg", LossCurveOptions{.title = args_.run_name.value_or(args_.output_dir)}));
  for (auto& c : options_.callbacks) callbacks_.add(std::move(c));

  // 6 floating point operations for each token and each parameter that is no embedding, as Transformers counts.
  visiting count([&](const std::string& path, parameter& p) {
    if (path.find("embed") == path.npos && path.find("wte") == path.npos) flos_per_token_ += 6 * p.size();
  });
  model_->visit(count);
  call(&TrainerCallback::on_init_end);
}

HFT_INLINE void Trainer::map_text_labels() {
  const AnyConfig* config = model_->config();
  if (!config) return;
  const auto labels = detail::text_labels_of(options_.train_dataset, *config);
  if (!labels) return;
  options_.train_dataset = detail::with_label_ids(options_.train_dataset, *labels);
  std::vector<EvalDatasets::named> several;
  for (const auto& [name, rows] : options_.eval_dataset)
    several.emplace_back(name, detail::with_label_ids(rows, *labels));
  options_.eval_dataset = options_.eval_dataset.has_names() ? EvalDatasets(std::move(several))
                          : several.empty()                 ? EvalDatasets()
                                                            : EvalDatasets(several[0].second);
}

HFT_INLINE DataLoader Trainer::train_loader() const {
  DataLoaderOptions o;
  o.batch_size = args_.per_device_train_batch_size;
  o.drop_last = args_.dataloader_drop_last;
  o.sampling = args_.train_sampling_strategy == "sequential"        ? SamplingStrategy::sequential
               : args_.train_sampling_strategy == "group_by_length" ? SamplingStrategy::group_by_length
                                                                    : SamplingStrategy::random;
  o.seed = std::uint64_t(args_.data_seed.value_or(args_.seed));
  o.group_size = o.batch_size * args_.gradient_accumulation_steps;
  o.length_column = args_.length_column_name;
  o.num_workers = args_.dataloader_num_workers;
  o.prefetch_factor = args_.dataloader_prefetch_factor.value_or(2);
  return DataLoader(options_.train_dataset, options_.data_collator, std::move(o));
}

HFT_INLINE DataLoader Trainer::eval_loader(const Dataset& dataset, bool drop_last) const {
  DataLoaderOptions o;
  o.batch_size = args_.per_device_eval_batch_size;
  o.drop_last = drop_last && dataset.size() >= o.batch_size;
  o.num_workers = args_.dataloader_num_workers;
  o.prefetch_factor = args_.dataloader_prefetch_factor.value_or(2);
  return DataLoader(dataset, options_.data_collator, std::move(o));
}

HFT_INLINE Trainer::plan Trainer::make_plan(const DataLoader& loader) const {
  plan p;
  p.steps_in_epoch = loader.size();
  if (p.steps_in_epoch < 1)
    throw value_error("Trainer", "train_dataset", "rows for at least one batch",
                      detail::joined(options_.train_dataset.size(), " rows and dataloader_drop_last"));
  const isize accumulated = args_.gradient_accumulation_steps;
  p.updates_per_epoch = (p.steps_in_epoch + accumulated - 1) / accumulated;
  if (args_.max_steps > 0) {
    p.max_steps = args_.max_steps;
    p.epochs = (p.max_steps + p.updates_per_epoch - 1) / p.updates_per_epoch;
  } else {
    p.max_steps = isize(std::ceil(args_.num_train_epochs * f64(p.updates_per_epoch)));
    p.epochs = isize(std::ceil(args_.num_train_epochs));
  }
  return p;
}

HFT_INLINE TrainOutput Trainer::train(std::stop_token stop) {
  const DataLoader loader = train_loader();
  const plan p = make_plan(loader);
  control_ = {};
  state_ = {};
  state_.train_batch_size = args_.per_device_train_batch_size;
  state_.compute_steps(args_, p.max_steps);
  loss_since_log_ = total_loss_ = 0;
  last_logged_ = 0;
  grad_norm_.reset();
  learning_rate_.reset();

  if (options_.optimizer)
    optimizer_ = std::move(options_.optimizer);
  else
    optimizer_ = make_optimizer({.optim = args_.optim,
                                 .optim_args = args_.optim_args.value_or(""),
                                 .weight_decay = args_.weight_decay,
                                 .adam_beta1 = args_.adam_beta1,
                                 .adam_beta2 = args_.adam_beta2,
                                 .adam_epsilon = args_.adam_epsilon});
  scheduler_ = get_scheduler(args_.lr_scheduler_type, args_.learning_rate,
                             {.num_warmup_steps = args_.get_warmup_steps(p.max_steps),
                              .num_training_steps = p.max_steps,
                              .lr_scheduler_kwargs = args_.lr_scheduler_kwargs});
  if (trainables(*model_).empty()) throw value_error("Trainer", "the model", "parameters that are trained", "none");
  if (const auto folder = checkpoint_to_resume()) load_checkpoint(*folder);
  state_.max_steps = p.max_steps;
  state_.num_train_epochs = p.epochs;

  const auto started = std::chrono::steady_clock::now();
  const isize first_step = state_.global_step;
  training_ = true;
  detail::progress task("training", args_.output_dir, p.max_steps, "steps", first_step);
  call(&TrainerCallback::on_train_begin);
  if (args_.eval_on_start && first_step == 0) evaluate_in_training(false);

  const isize first_epoch = first_step / p.updates_per_epoch;
  isize skipped = args_.ignore_data_skip ? 0 : first_step % p.updates_per_epoch * args_.gradient_accumulation_steps;
  control_.should_training_stop = state_.global_step >= p.max_steps;
  for (isize epoch = first_epoch; epoch < p.epochs && !control_.should_training_stop && !stop.stop_requested();
       ++epoch) {
    control_.new_epoch();
    call(&TrainerCallback::on_epoch_begin);
    run_epoch(loader, p, epoch, std::exchange(skipped, 0), task, stop);
    if (stop.stop_requested()) break;
    control_.new_step();
    call(&TrainerCallback::on_epoch_end);
    log_save_evaluate();
  }

  task.end();

  TrainOutput out;
  out.interrupted = stop.stop_requested() && state_.global_step < p.max_steps;
  if (out.interrupted) save_checkpoint();
  total_loss_ += loss_since_log_;
  loss_since_log_ = 0;
  const isize steps = state_.global_step - first_step;
  out.global_step = state_.global_step;
  out.training_loss = total_loss_ / std::max<f64>(f64(state_.global_step), 0.001);
  detail::add_speed_metrics(out.metrics, "train", seconds_since(started),
                            f64(steps * args_.per_device_train_batch_size * args_.gradient_accumulation_steps),
                            f64(steps));
  out.metrics["total_flos"] = state_.total_flos;
  out.metrics["train_loss"] = out.training_loss;
  if (!out.interrupted) {
    log(out.metrics);
    if (args_.load_best_model_at_end && state_.best_model_checkpoint) load_weights(*state_.best_model_checkpoint);
    if (args_.save_total_limit == 1 && state_.best_model_checkpoint)
      for (const auto& c : sort_checkpoints(args_.output_dir)) {
        std::error_code kept;
        if (!std::filesystem::equivalent(c.path, *state_.best_model_checkpoint, kept))
          std::filesystem::remove_all(c.path, kept);
      }
  }
  out.metrics["epoch"] = state_.epoch;
  call(&TrainerCallback::on_train_end);
  training_ = false;
  return out;
}

HFT_INLINE void Trainer::run_epoch(const DataLoader& loader, const plan& p, isize epoch, isize skipped,
                                   detail::progress& task, std::stop_token stop) {
  auto batches = loader.epoch(epoch, skipped);
  for (isize at = skipped; at < p.steps_in_epoch;) {
    std::vector<Batch> accumulated;
    const isize wanted = std::min(args_.gradient_accumulation_steps, p.steps_in_epoch - at);
    while (isize(accumulated.size()) < wanted) {
      auto batch = batches.next();
      if (!batch) break;
      accumulated.push_back(*std::move(batch));
    }
    update(accumulated, p, epoch, at);
    task.advance(1, step_loss_);
    at += isize(accumulated.size());
    if (control_.should_epoch_stop || control_.should_training_stop || stop.stop_requested()) return;
  }
}

/// One step: forward and backward for each batch, then the optimizer.
HFT_INLINE void Trainer::update(const std::vector<Batch>& batches, const plan& p, isize epoch, isize first_batch) {
  control_.new_step();
  call(&TrainerCallback::on_step_begin);
  TrainingStepOptions o;
  const auto items = count_items(batches);
  o.num_items_in_batch = items.value_or(0);
  o.nothing_counts = items == isize(0);
  o.accumulation_steps = isize(batches.size());
  o.label_smoothing = args_.label_smoothing_factor;
  o.neftune_noise_alpha = args_.neftune_noise_alpha.value_or(0);
  o.loss_scale = scaler_ ? scaler_->scale() : 1;
  o.gradient_checkpointing = args_.activation_checkpointing.value_or(false);
  const random_stream seeds(std::uint64_t(args_.seed), 1);
  const autocast products(autocast_precision());
  step_loss_ = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    o.dropout_seed = seeds.bits(std::uint64_t(epoch * p.steps_in_epoch + first_batch) + i);
    const f64 loss = model_->training_step(batches[i], o);
    if (!std::isfinite(loss) && !o.nothing_counts) fail_not_finite("the loss", loss, false, {batches[i]}, o);
    add_to_log(loss);
    step_loss_ += loss;
    track_tokens(batches[i]);
    if (i + 1 < batches.size()) call(&TrainerCallback::on_substep_end);
  }

  const auto parameters = trainables(*model_);
  if (scaler_) scale_grads(parameters, 1 / scaler_->scale());
  grad_norm_ = args_.max_grad_norm > 0 ? clip_grad_norm_(parameters, args_.max_grad_norm) : grad_norm(parameters);
  const bool finite = std::isfinite(*grad_norm_);
  // A scaler leaves such a step out, unless the scale cannot be what makes it one.
  if (!finite && (!scaler_ || scaler_->exhausted()))
    fail_not_finite("the gradients' norm", *grad_norm_, true, batches, o);
  learning_rate_ = scheduler_->get_last_lr();
  if (finite) {
    call(&TrainerCallback::on_pre_optimizer_step);
    optimizer_->step(parameters, *learning_rate_);
    call(&TrainerCallback::on_optimizer_step);
    if (!scheduler_->takes_metric()) scheduler_->step();
  }
  if (scaler_) scaler_->update(finite);
  visiting clear([](const std::string&, parameter& q) { q.zero_grad(); });
  model_->visit(clear);

  ++state_.global_step;
  state_.epoch = f64(epoch) + f64(first_batch + isize(batches.size())) / f64(p.steps_in_epoch);
  call(&TrainerCallback::on_step_end);
  log_save_evaluate();
}

/// In place of a loss that is not finite the window's mean so far, if that is asked for. (logging_nan_inf_filter)
HFT_INLINE void Trainer::add_to_log(f64 loss) {
  const bool left_out = args_.logging_nan_inf_filter && !std::isfinite(loss);
  loss_since_log_ += left_out ? loss_since_log_ / f64(1 + state_.global_step - last_logged_) : loss;
}

/// Labels that count in the losses of a step; nothing where there are none that are classes.
HFT_INLINE std::optional<isize> Trainer::count_items(const std::vector<Batch>& batches) const {
  isize n = 0;
  for (const Batch& batch : batches) {
    const BatchTensor* labels = batch.find("labels");
    if (!labels || labels->real) return {};
    const isize columns = labels->shape.size() > 1 ? labels->shape[1] : 1;
    const bool shifted = model_->shifts_labels();
    for (isize i = 0; i < labels->size(); ++i)
      n += labels->integers[std::size_t(i)] != -100 && !(shifted && i % columns == 0);
  }
  return n;
}

HFT_INLINE void Trainer::track_tokens(const Batch& batch) {
  const BatchTensor& ids = batch.at("input_ids");
  state_.total_flos += f64(flos_per_token_) * f64(ids.size());
  if (args_.include_num_input_tokens_seen == "no") return;
  const BatchTensor* mask =
      args_.include_num_input_tokens_seen == "non_padding" ? batch.find("attention_mask") : nullptr;
  i64 n = ids.size();
  if (mask) {
    n = 0;
    for (const i64 m : mask->integers) n += m != 0;
  }
  state_.num_input_tokens_seen += n;
}

HFT_INLINE void Trainer::log_save_evaluate() {
  if (control_.should_log && state_.global_step > last_logged_) {
    json logs = json::object();
    logs["loss"] = loss_since_log_ / f64(state_.global_step - last_logged_);
    if (grad_norm_ && std::isfinite(*grad_norm_)) logs["grad_norm"] = *grad_norm_;
    logs["learning_rate"] = learning_rate_.value_or(scheduler_->get_last_lr());
    total_loss_ += loss_since_log_;
    loss_since_log_ = 0;
    last_logged_ = state_.global_step;
    log(std::move(logs));
  }
  if (control_.should_evaluate) {
    const bool best = is_new_best(evaluate_in_training(true));
    if (args_.save_strategy == SaveStrategy::best) control_.should_save = best;
  }
  if (control_.should_save) {
    save_checkpoint();
    call(&TrainerCallback::on_save);
  }
}

HFT_INLINE void Trainer::log(json logs) {
  logs["epoch"] = state_.epoch;
  if (args_.include_num_input_tokens_seen != "no") logs["num_input_tokens_seen"] = state_.num_input_tokens_seen;
  call(&TrainerCallback::on_log, logs);
  logs["step"] = state_.global_step;
  state_.log_history.push_back(std::move(logs));
}

HFT_INLINE json Trainer::evaluate_in_training(bool steps_scheduler) {
  const json metrics = evaluate();
  if (steps_scheduler && scheduler_->takes_metric()) {
    std::string name = *args_.metric_for_best_model;
    if (!name.starts_with("eval_")) name.insert(0, "eval_");
    if (!metrics.contains(name)) is_new_best(metrics);  // throws
    scheduler_->step(metrics[name].get<f64>());
  }
  return metrics;
}

HFT_INLINE bool Trainer::is_new_best(const json& metrics) {
  if (!args_.metric_for_best_model) return false;
  std::string name = *args_.metric_for_best_model;
  if (!name.starts_with("eval_")) name.insert(0, "eval_");
  const json* value = find_member(metrics, name);
  if (!value || !value->is_number()) {
    std::string names;
    for (const auto& [key, unused] : metrics.items()) names += (names.empty() ? "" : ", ") + key;
    throw value_error("Trainer", "metric_for_best_model", detail::quote_text(name) + " among the metrics", names);
  }
  const f64 metric = value->get<f64>();
  if (std::isnan(metric)) return false;
  const bool better =
      !state_.best_metric || (*args_.greater_is_better ? metric > *state_.best_metric : metric < *state_.best_metric);
  if (!better) return false;
  state_.best_metric = metric;
  if (args_.save_strategy != SaveStrategy::no) state_.best_global_step = state_.global_step;
  return true;
}

// ---- evaluation

HFT_INLINE json Trainer::evaluate(const EvalDatasets& datasets, const std::string& prefix) {
  const EvalDatasets& all = datasets ? datasets : options_.eval_dataset;
  if (!all) throw value_error("Trainer", "evaluate", "an eval_dataset", "none");
  const bool loss_only = args_.prediction_loss_only || !options_.compute_metrics;
  json out = json::object();
  for (const auto& [name, rows] : all) {
    const std::string own_prefix = name.empty() ? prefix : prefix + "_" + name;
    const json metrics = evaluation_loop(rows, own_prefix, loss_only, args_.dataloader_drop_last).metrics;
    log(metrics);
    call(&TrainerCallback::on_evaluate, metrics);
    out.update(metrics);
  }
  return out;
}

HFT_INLINE PredictionOutput Trainer::predict(const Dataset& dataset, const std::string& prefix) {
  // Every row gets its prediction, whatever dataloader_drop_last says.
  auto [gathered, metrics] = evaluation_loop(dataset, prefix, args_.prediction_loss_only, false);
  call(&TrainerCallback::on_predict, metrics);
  return {std::move(gathered.predictions), std::move(gathered.label_ids), std::move(metrics)};
}

HFT_INLINE Trainer::loop_output Trainer::evaluation_loop(const Dataset& dataset, const std::string& prefix,
                                                         bool loss_only, bool drop_last) {
  const auto started = std::chrono::steady_clock::now();
  const auto included = [&](std::string_view what) {
    const auto& all = args_.include_for_metrics;
    return std::find(all.begin(), all.end(), what) != all.end();
  };
  const DataLoader loader = eval_loader(dataset, drop_last);
  detail::batch_concatenation predictions, labels, inputs;
  loop_output out;
  detail::evaluation_loss loss;
  isize step = 0;
  auto batches = loader.epoch(0);
  const autocast products(autocast_precision());
  detail::progress task("evaluating", prefix, loader.size(), "batches");
  while (auto batch = batches.next()) {
    auto prediction = model_->prediction_step(*batch, !loss_only, args_.label_smoothing_factor);
    if (prediction.loss) {
      loss.add(*prediction.loss, batch->at("input_ids").shape[0]);
      if (included("loss")) out.gathered.losses.push_back(*prediction.loss);
    }
    if (!loss_only) {
      if (options_.preprocess_logits_for_metrics)
        prediction.logits = options_.preprocess_logits_for_metrics(std::move(prediction.logits), *batch);
      predictions.add(std::move(prediction.logits));
      if (const BatchTensor* l = batch->find("labels")) labels.add(*l);
      if (included("inputs")) inputs.add(batch->at("input_ids"));
    }
    call(&TrainerCallback::on_prediction_step, ++step, loader.size());
    task.advance();
  }
  out.gathered.predictions = predictions.take();
  out.gathered.label_ids = labels.take();
  out.gathered.inputs = inputs.take();
  const auto named = [&](const std::string& name) {
    return name.starts_with(prefix + "_") ? name : prefix + "_" + name;
  };
  if (const auto mean = loss.mean(args_.logging_nan_inf_filter)) out.metrics[prefix + "_loss"] = *mean;
  if (options_.compute_metrics && !loss_only && !out.gathered.label_ids.shape.empty()) {
    const json computed = options_.compute_metrics(out.gathered);
    for (const auto& [name, value] : computed.items()) out.metrics[named(name)] = value;
  }
  detail::add_speed_metrics(out.metrics, prefix, seconds_since(started), f64(dataset.size()), f64(step));
  return out;
}

// ---- checkpoints

HFT_INLINE void Trainer::save_model(const std::optional<std::filesystem::path>& folder) const {
  const auto target = folder.value_or(args_.output_dir);
  std::error_code failed;
  std::filesystem::create_directories(target, failed);
  if (!std::filesystem::is_directory(target)) throw file_error(target.string(), "cannot create the folder");
  if (options_.save)
    options_.save(target);
  else
    model_->save(target);
  if (options_.processing_class) options_.processing_class.save_pretrained(target);
  if (options_.save_extra) options_.save_extra(target);
}

HFT_INLINE void Trainer::save_checkpoint() {
  const std::filesystem::path run = args_.output_dir;
  const auto folder = [&](isize step) { return run / detail::cat("checkpoint-", step); };
  const auto target = folder(state_.global_step);
  if (const auto best = state_.best_global_step)
    if (*best == state_.global_step || std::filesystem::is_directory(folder(*best)))
      state_.best_model_checkpoint = folder(*best).string();
  state_.stateful_callbacks = callbacks_.states(control_);
  detail::write_folder_atomically(target, [&](const std::filesystem::path& f) { write_checkpoint(f); });
  rotate_checkpoints(run, args_.save_total_limit, state_.best_model_checkpoint);
}

HFT_INLINE void Trainer::write_checkpoint(const std::filesystem::path& folder) const {
  save_model(folder);
  if (!args_.save_only_model) {
    write_safetensors(folder / "optimizer.safetensors", optimizer_->state_dict());
    json progress = {{"scheduler", scheduler_->state_dict()},
                     {"loss_since_log", loss_since_log_},
                     {"total_loss", total_loss_},
                     {"globalstep_last_logged", last_logged_}};
    if (scaler_) progress["scaler"] = scaler_->state_dict();
    write_file_atomically(folder / "scheduler.json", dump(strict_json(progress)));
  }
  json arguments = arguments_to_json(args_);
  if (args_.hub_token) arguments["hub_token"] = "<HUB_TOKEN>";
  write_file_atomically(folder / "training_args.json", dump(strict_json(arguments)));
  write_file_atomically(folder / "trainer_state.json", state_.to_text());
}

HFT_INLINE std::optional<std::filesystem::path> Trainer::checkpoint_to_resume() const {
  const std::string wanted = args_.resume_from_checkpoint.value_or("");
  if (wanted.empty() || wanted == "false" || wanted == "False") return {};
  if (wanted != "true" && wanted != "True") return wanted;
  const auto last = get_last_checkpoint(args_.output_dir);
  if (!last) throw value_error("Trainer", "resume_from_checkpoint", "a checkpoint in " + args_.output_dir, "none");
  return last;
}

HFT_INLINE void Trainer::load_checkpoint(const std::filesystem::path& folder) {
  const auto state_file = folder / "trainer_state.json", progress_file = folder / "scheduler.json";
  auto loaded = TrainerState::from_json(read_json(state_file), state_file.string());
  if (!args_.ignore_data_skip && loaded.train_batch_size &&
      *loaded.train_batch_size != args_.per_device_train_batch_size)
    throw value_error(state_file.string(), "train_batch_size",
                      detail::joined("per_device_train_batch_size, ", args_.per_device_train_batch_size,
                                     ", as the place in the data depends on it"),
                      detail::joined(*loaded.train_batch_size));
  load_weights(folder);
  const auto optimizer_file = folder / "optimizer.safetensors";
  if (!std::filesystem::exists(optimizer_file))
    throw file_error(optimizer_file.string(), "no such file; the checkpoint holds the model alone (save_only_model)");
  optimizer_->load_state_dict(safetensors_file::open(optimizer_file).tensors(), trainables(*model_),
                              optimizer_file.string());
  const json progress = read_json(progress_file);
  scheduler_->load_state_dict(require<json>(progress, "scheduler", progress_file.string()));
  loss_since_log_ = require_number_or_nan(progress, "loss_since_log", progress_file.string());
  total_loss_ = require_number_or_nan(progress, "total_loss", progress_file.string());
  last_logged_ = require<isize>(progress, "globalstep_last_logged", progress_file.string());
  if (scaler_) scaler_->load_state_dict(require<json>(progress, "scaler", progress_file.string()));
  loaded.logging_steps = state_.logging_steps, loaded.eval_steps = state_.eval_steps,
  loaded.save_steps = state_.save_steps;
  loaded.train_batch_size = state_.train_batch_size;
  state_ = std::move(loaded);
  callbacks_.load_states(state_.stateful_callbacks);
}

/// Says at which step, and, if args.debug asks, the first op whose result or gradient is not finite, for which the step
/// is computed again; and, if that or `inspect` asks, the first such parameter.
HFT_INLINE void Trainer::fail_not_finite(const char* what, f64 value, bool inspect, const std::vector<Batch>& batches,
                                         const TrainingStepOptions& options) {
  std::string where = detail::cat(what, " at step ", state_.global_step + 1);
  if (!args_.debug.empty() || inspect)
    for (const trainable& t : trainables(*model_)) {
      const auto broken = [&](const f32* x) {
        return x && std::any_of(x, x + t.size(), [](f32 v) { return !std::isfinite(v); });
      };
      if (broken(t.value) || broken(t.grad)) {
        where += detail::cat(" (", broken(t.value) ? "the values" : "the gradient", " of '", t.name, "')");
        break;
      }
    }
  if (!args_.debug.empty()) {
    const detect_anomaly guard;
    try {
      for (const Batch& batch : batches) model_->training_step(batch, options);
    } catch (const value_error& e) {
      where += detail::cat(" (", e.what(), ")");
    }
  }
  throw value_error("Trainer", where, "a finite number; a smaller learning_rate or max_grad_norm may help",
                    detail::joined(value));
}

}  // namespace hft
