// Training in f16 and bf16: the loss scale is that of torch.amp.GradScaler, losses follow torch.autocast's, a step that
// overflows is left out, and a resumed run computes the same bits.
#include <hft/train/peft/peft_model.hpp>

#include "failure.hpp"
#include "trainer_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(half_precision)

namespace {

template <class W>
using Llama = LlamaForCausalLM<W, autodiff<cpu>>;

template <class W>
Llama<W> load() {
  return Llama<W>::from_pretrained(data("train/half_precision").string());
}

const json& torch() {
  static const json golden = read_json(data("train/half_precision.json"));
  return golden;
}

LossScalerOptions options_of(const json& o) {
  LossScalerOptions out;
  out.init_scale = get<f64>(o, "init_scale", out.init_scale);
  out.growth_factor = get<f64>(o, "growth_factor", out.growth_factor);
  out.backoff_factor = get<f64>(o, "backoff_factor", out.backoff_factor);
  out.growth_interval = get<isize>(o, "growth_interval", out.growth_interval);
  return out;
}

TrainerOptions with(Dataset rows, const LossScalerOptions& scaling = {}) {
  TrainerOptions o;
  o.train_dataset = std::move(rows);
  o.data_collator = DataCollatorForLanguageModeling{tokens(), false};
  o.loss_scaling = scaling;
  return o;
}

// Of each step: the loss, the weights after it, and whether the optimizer was called.
struct recorder final : TrainerCallback {
  bool stepped = false;
  std::vector<bool> updates;
  void on_optimizer_step(const TrainingArguments&, const TrainerState&, TrainerControl&) override { stepped = true; }
  void on_step_end(const TrainingArguments&, const TrainerState&, TrainerControl&) override {
    updates.push_back(std::exchange(stepped, false));
  }
};

template <class W>
std::pair<std::vector<f64>, std::vector<bool>> run(isize steps, const LossScalerOptions& scaling,
                                                   const std::string& precision = "") {
  const workspace folder;
  std::vector<json> rows;
  for (const json& ids : torch()["input_ids"]) rows.push_back({{"input_ids", ids}});
  auto model = load<W>();
  auto args = arguments(folder / "out",
                        {"--max_steps", detail::cat(steps), "--per_device_train_batch_size", "4", "--learning_rate",
                         "1e-2", "--lr_scheduler_type", "constant", "--max_grad_norm", "0", "--logging_steps", "1",
                         "--save_strategy", "no", "--train_sampling_strategy", "sequential"});
  args.bf16 = precision == "bf16", args.fp16 = precision == "fp16";
  Trainer trainer(model, args, with(Dataset::from_rows(std::move(rows)), scaling));
  const auto record = std::make_shared<recorder>();
  trainer.add_callback(record);
  trainer.train();
  std::vector<f64> losses;
  for (const json& entry : trainer.state().log_history)
    if (entry.contains("loss")) losses.push_back(entry["loss"].get<f64>());
  return {losses, record->updates};
}

// The losses of those steps that changed the weights.
std::vector<f64> of_updates(const json& steps) {
  std::vector<f64> out;
  f64 scale = INFINITY;
  for (const json& step : steps) {
    const f64 now = step["scale"].get<f64>();
    if (now >= scale || steps[0]["scale"] == steps[steps.size() - 1]["scale"] || (out.empty() && now == scale))
      out.push_back(step["loss"].get<f64>());
    scale = now;
  }
  return out;
}

void follow(const std::vector<f64>& mine, const std::vector<f64>& theirs) {
  BOOST_TEST_REQUIRE(std::min(mine.size(), theirs.size()) >= 8U);
  for (std::size_t i = 0; i < std::min(mine.size(), theirs.size()); ++i)
    BOOST_TEST(std::abs(mine[i] - theirs[i]) <= 0.01 * theirs[i] + 0.06,
               "step " << i << ": " << mine[i] << " beside " << theirs[i]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_scaler_is_that_of_torch) {
  for (const json& c : torch()["scaler"]) {
    BOOST_TEST_CONTEXT(c["options"]) {
      LossScaler scaler(options_of(c["options"]));
      for (const json& step : c["steps"]) {
        scaler.update(!step["overflow"].get<bool>());
        for (const auto& [key, value] : step["state"].items())
          BOOST_TEST(scaler.state_dict()[key].get<f64>() == value.get<f64>(), key);
        LossScaler again;
        again.load_state_dict(scaler.state_dict());
        BOOST_TEST(again.state_dict() == scaler.state_dict());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(options_and_states_that_are_none) {
  const auto text = [](const LossScalerOptions& o) { return failure([&] { LossScaler{o}; }); };
  BOOST_TEST(has(text({.init_scale = 0}), "scale"));
  BOOST_TEST(has(text({.init_scale = 1e39}), "scale"));
  BOOST_TEST(has(text({.growth_factor = 1}), "growth_factor"));
  BOOST_TEST(has(text({.backoff_factor = 1}), "backoff_factor"));
  BOOST_TEST(has(text({.growth_interval = 0}), "growth_interval"));
  LossScaler scaler;
  const json before = scaler.state_dict();
  BOOST_TEST(has(failure([&] { scaler.load_state_dict({{"scale", -1}, {"_growth_tracker", 0}}); }), "scale"));
  BOOST_TEST(has(failure([&] { scaler.load_state_dict({{"scale", 1}}); }), "_growth_tracker"));
  BOOST_TEST(has(failure([&] {
                   scaler.load_state_dict({{"scale", 1}, {"_growth_tracker", 2000}});
                 }),
                 "_growth_tracker"));
  BOOST_TEST(scaler.state_dict() == before);
}

BOOST_AUTO_TEST_CASE(losses_follow_autocast) {
  const auto [bf16_losses, unused] = run<bf16>(12, {});
  follow(bf16_losses, of_updates(torch()["bf16"]));
  auto [f16_losses, updates] = run<f16>(12, {.growth_interval = 3});
  std::vector<f64> updated;
  for (std::size_t i = 0; i < f16_losses.size(); ++i)
    if (updates[i]) updated.push_back(f16_losses[i]);
  follow(updated, of_updates(torch()["f16"]));
}

// A model of f32 computes in what the arguments say, as Transformers' does.
BOOST_AUTO_TEST_CASE(arguments_choose_the_precision) {
  BOOST_TEST((run<f32>(12, {}, "bf16") == run<bf16>(12, {})));
  BOOST_TEST((run<f32>(12, {.growth_interval = 3}, "fp16") == run<f16>(12, {.growth_interval = 3})));
  BOOST_TEST((run<f32>(12, {}) != run<bf16>(12, {})));
  BOOST_TEST(has(failure([] { run<f16>(1, {}, "bf16"); }), "a model in f32, or in bf16"));
}

// Over a base of bf16 an adapter is trained in f32, unless the arguments say otherwise; whether the base has its dtype
// by its type or by what it holds makes no difference.
BOOST_AUTO_TEST_CASE(adapters_over_half_precision_are_f32) {
  const auto trained = [](auto base, bool bf16) {
    const workspace folder;
    auto model =
        get_peft_model(std::move(base), LoraConfig{.r = 4, .target_modules = {"q_proj", "up_proj"}}, "default", 3);
    auto args = arguments(folder / "out", {"--max_steps", "6", "--learning_rate", "1e-2", "--save_strategy", "no"});
    args.bf16 = bf16;
    Trainer trainer(model, args, with(number_rows(24)));
    trainer.train();
    std::map<std::string, std::vector<f32>> adapters;
    for_each_parameter(model, [&](const std::string& path, parameter& p) {
      if (!p.trainable()) return;
      const auto* x = static_cast<const f32*>(p.data());
      adapters[path].assign(x, x + p.size());
    });
    return adapters;
  };
  const std::string folder = data("train/half_precision").string();
  using Typed = LlamaForCausalLM<bf16, autodiff<cpu>, with_lora>;
  using Held = LlamaForCausalLM<any_q, autodiff<cpu>, with_lora>;
  const auto typed = trained(Typed::from_pretrained(folder), false);
  const auto held = trained(Held::from_pretrained(folder, {.dtype = dtype_id::bf16}), false);
  BOOST_TEST(typed.size() > 4U);
  BOOST_TEST(same_bits(typed, held));
  BOOST_TEST(!same_bits(held, trained(Held::from_pretrained(folder, {.dtype = dtype_id::bf16}), true)));
}

BOOST_AUTO_TEST_CASE(a_step_that_overflows_is_left_out) {
  const workspace folder;
  auto model = load<f16>();
  const auto before = weight_values(model);
  Trainer trainer(model,
                  arguments(folder / "out", {"--max_steps", "3", "--save_steps", "3", "--learning_rate", "1e-2",
                                             "--logging_steps", "1", "--lr_scheduler_type", "linear"}),
                  with(number_rows(24), {.init_scale = 0x1p100}));
  const auto record = std::make_shared<recorder>();
  trainer.add_callback(record);
  trainer.train();
  BOOST_TEST(same_bits(weight_values(model), before));
  BOOST_TEST((record->updates == std::vector<bool>{false, false, false}));
  const json progress = read_json(folder / "out/checkpoint-3/scheduler.json");
  BOOST_TEST(progress["scaler"]["scale"].get<f64>() == 0x1p97);
  BOOST_TEST(progress["scaler"]["_growth_tracker"].get<isize>() == 0);
  // The schedule waits for the weights.
  for (const json& entry : trainer.state().log_history)
    if (entry.contains("learning_rate")) BOOST_TEST(entry["learning_rate"].get<f64>() == 1e-2);
}

// A checkpoint has the masters, and the state of the scaler.
template <class W>
static void check_resuming() {
  const workspace folder;
  const auto rows = number_rows(21);
  const LossScalerOptions scaling{.init_scale = 0x1p24, .growth_interval = 2};
  const auto args = [&](const char* out, const char* resume, const char* steps) {
    return arguments(folder / out, {"--max_steps", "12", "--save_steps", steps, "--learning_rate", "1e-2",
                                    "--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "2",
                                    "--resume_from_checkpoint", resume});
  };
  auto whole = load<W>();
  Trainer reference(whole, args("out", "", "5"), with(rows, scaling));
  const auto record = std::make_shared<recorder>();
  reference.add_callback(record);
  reference.train();
  const auto skipped = std::count(record->updates.begin(), record->updates.end(), false);
  BOOST_TEST((skipped > 0) == (std::is_same_v<W, f16>));
  BOOST_TEST(skipped < 12);
  for (const char* at : {"checkpoint-5", "checkpoint-10"}) {
    auto again = load<W>();
    const auto from = folder / (std::string("out/") + at);
    Trainer second(again, args("again", from.c_str(), "500"), with(rows));
    second.train();
    BOOST_TEST(same_bits(weight_values(again), weight_values(whole)), at);
  }
}

BOOST_AUTO_TEST_CASE(a_resumed_run_gives_the_same_bits) {
  check_resuming<bf16>();
  check_resuming<f16>();
}

BOOST_AUTO_TEST_CASE(gradients_that_no_scale_makes_finite_end_training) {
  const workspace folder;
  auto model = load<f16>();
  struct breaker final : TrainerCallback {
    Llama<f16>& model;
    explicit breaker(Llama<f16>& m) : model(m) {}
    void on_substep_end(const TrainingArguments&, const TrainerState&, TrainerControl&) override {
      for_each_parameter(model, [](const std::string& path, parameter& p) {
        if (path == "model.norm.weight") *static_cast<f32*>(p.grad()) = NAN;
      });
    }
  };
  Trainer trainer(model, arguments(folder / "out", {"--max_steps", "9", "--gradient_accumulation_steps", "2"}),
                  with(number_rows(64), {.init_scale = 0x1p-22}));
  trainer.add_callback(std::make_shared<breaker>(model));
  const auto text = failure([&] { trainer.train(); });
  BOOST_TEST(has(text, "the gradients' norm at step 4 (the gradient of 'model.norm.weight')"), text);
}

BOOST_AUTO_TEST_SUITE_END()
