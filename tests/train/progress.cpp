// What datasets and Trainer tell of their progress, and what stays where the callback throws.
#include <hft/train/callbacks/flow.hpp>
#include <hft/train/data/group_texts.hpp>
#include <hft/train/data/tokenize.hpp>

#include "../progress_of.hpp"
#include "trainer_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(training_progress)

namespace {

using Llama = LlamaForCausalLM<f32, autodiff<cpu>>;

struct interruption : std::runtime_error {
  interruption() : runtime_error("enough") {}
};

TrainerOptions options(Dataset eval = {}) {
  TrainerOptions o;
  o.train_dataset = number_rows(12);
  o.eval_dataset = std::move(eval);
  o.data_collator = DataCollatorForLanguageModeling{tokens(), false};
  return o;
}

Dataset tokenized(isize n) {
  std::vector<json> rows;
  for (isize i = 0; i < n; ++i) rows.push_back({{"text", detail::cat("a text of number ", i)}});
  const auto file = std::filesystem::path(HFT_TEST_DATA) / "tokenizers" / "smollm.json";
  return tokenize(Dataset::from_rows(std::move(rows)), PreTrainedTokenizerFast::from_file(file));
}

}  // namespace

BOOST_AUTO_TEST_CASE(rows_that_are_tokenised) {
  const auto rows = tokenized(5);
  ::test::progress_of seen;
  BOOST_TEST(rows[0].contains("input_ids"));
  BOOST_TEST(seen.events.empty());  // one row is no task
  const auto kept = rows.cached();
  BOOST_TEST(kept.size() == 5);
  for (const auto& read : {rows.select({4, 1}), rows.map([](json row) { return row; })}) {
    seen.events.clear();
    group_texts(read, 4);
    BOOST_TEST(seen.events.size() == std::size_t(read.size() + 1));
    BOOST_TEST(::test::whole(seen.of("tokenizing")));
    BOOST_TEST(seen.events[0].unit == "rows");
  }
  seen.events.clear();
  BOOST_TEST(kept.filter([](const json&) { return true; }).size() == 5);
  BOOST_TEST(::test::whole(seen.of("filtering")));
  kept.map([](json row) { return row; }, "turning").cached();
  BOOST_TEST(::test::whole(seen.of("turning")));
  kept.cached();
  group_texts(kept, 4);
  BOOST_TEST(::test::whole(seen.of("reading")));
  BOOST_TEST(::test::whole(seen.of("packing")));
  BOOST_TEST(seen.events.size() == 4u * 6u);
}

BOOST_AUTO_TEST_CASE(rows_of_a_callback_that_throws) {
  const auto rows = tokenized(5);
  {
    const ::test::progress_of stops([](const progress_event& e) {
      if (e.done == 3) throw interruption();
    });
    BOOST_CHECK_THROW(rows.cached(), interruption);
    const DataLoader loader(rows, DataCollatorForLanguageModeling{tokens(), false},
                            {.sampling = SamplingStrategy::group_by_length});
    BOOST_CHECK_THROW(loader.order(0), interruption);
    set_progress_callback({});
    BOOST_TEST(loader.order(0).size() == 5u);
  }
  BOOST_TEST(rows.cached().size() == 5);
}

BOOST_AUTO_TEST_CASE(steps_with_their_loss_and_batches_of_evaluations) {
  const workspace folder;
  auto model = load_without_dropout<Llama>("llama/tied");
  auto args = arguments(folder / "out",
                        {"--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "2", "--max_steps", "5",
                         "--logging_steps", "1", "--save_steps", "2", "--eval_strategy", "steps", "--eval_steps", "4"});
  {
    Trainer trainer(model, args, options(number_rows(9, 2)));
    ::test::progress_of seen;
    trainer.train();
    const auto steps = seen.of("training");
    BOOST_TEST(::test::whole(steps));
    BOOST_TEST_REQUIRE(steps.size() == 6u);
    BOOST_TEST((steps[0].where == args.output_dir && steps[0].unit == "steps" && !steps[0].loss));
    for (std::size_t i = 1; i < steps.size(); ++i) {
      BOOST_TEST_REQUIRE(steps[i].loss.has_value());
      std::optional<f64> logged;  // each step is
      for (const json& entry : trainer.state().log_history)
        if (entry["step"] == isize(i) && entry.contains("loss")) logged = entry["loss"].get<f64>();
      BOOST_TEST_REQUIRE(logged.has_value());
      BOOST_TEST(*steps[i].loss == *logged, boost::test_tools::tolerance(1e-9));
    }
    const auto batches = seen.of("evaluating");  // of two evaluations: at step 4 and at the end
    BOOST_TEST(batches.size() == 2u * 3u);
    BOOST_TEST((batches[0].where == "eval" && batches[0].total == 2 && batches[0].unit == "batches"));
    BOOST_TEST(!seen.of("saving").empty());
  }
  args.resume_from_checkpoint = "true";
  args.max_steps = 7;
  Trainer trainer(model, args, options(number_rows(9, 2)));
  ::test::progress_of seen;
  trainer.train();
  BOOST_TEST(::test::whole(seen.of("training"), 5));
}

BOOST_AUTO_TEST_CASE(training_that_stops_early_is_finished_all_the_same) {
  const workspace folder;
  auto model = load_without_dropout<Llama>("llama/tied");
  struct stop final : TrainerCallback {
    void on_step_end(const TrainingArguments&, const TrainerState& state, TrainerControl& control) override {
      control.should_training_stop = state.global_step == 2;
    }
  };
  auto o = options();
  o.callbacks.push_back(std::make_shared<stop>());
  Trainer trainer(model, arguments(folder / "out", {"--max_steps", "9", "--save_strategy", "no"}), std::move(o));
  ::test::progress_of seen;
  trainer.train();
  const auto steps = seen.of("training");
  BOOST_TEST_REQUIRE(steps.size() == 4u);
  BOOST_TEST((!steps[2].finished && steps[3].finished && steps[3].done == 2 && steps[3].total == 9));
}

BOOST_AUTO_TEST_CASE(a_callback_that_throws_ends_training_and_leaves_its_checkpoints) {
  const workspace folder;
  auto model = load_without_dropout<Llama>("llama/tied");
  auto args = arguments(folder / "out", {"--max_steps", "4", "--save_steps", "2"});
  const auto run_until = [&](const char* what, isize nth) {
    const ::test::progress_of stops([=](const progress_event& e) mutable {
      if (e.what == what && e.done > 0 && nth-- == 0) throw interruption();
    });
    Trainer trainer(model, args, options());
    BOOST_CHECK_THROW(trainer.train(), interruption);
  };
  run_until("saving", 1);  // in the middle of the first checkpoint
  BOOST_TEST(!std::filesystem::exists(folder / "out/checkpoint-2"));
  BOOST_TEST(std::filesystem::is_empty(folder / "out"));
  run_until("training", 2);  // at step 3
  BOOST_TEST(std::filesystem::exists(folder / "out/checkpoint-2/trainer_state.json"));
  args.resume_from_checkpoint = "true";
  Trainer trainer(model, args, options());
  BOOST_TEST(trainer.train().global_step == 4);
}

BOOST_AUTO_TEST_SUITE_END()
