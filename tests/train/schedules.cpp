// Schedules against transformers.optimization (tests/oracle/optimizers.py).
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include <hft/train/schedules.hpp>

#include "../golden_list.hpp"

using namespace hft;

BOOST_AUTO_TEST_SUITE(schedules)

namespace {

const json& golden() {
  static const json file = read_json(std::filesystem::path(HFT_TEST_DATA) / "train" / "schedules.json");
  return file;
}

std::unique_ptr<LRScheduler> make(const json& c) {
  return get_scheduler(c["name"].get<std::string>(), golden()["lr"].get<f64>(),
                       {.num_warmup_steps = c["num_warmup_steps"].get<i64>(),
                        .num_training_steps = c["num_training_steps"].get<i64>(),
                        .lr_scheduler_kwargs = c["kwargs"]});
}

void advance(LRScheduler& s, std::size_t step) {
  if (s.takes_metric())
    s.step(golden()["metrics"][step].get<f64>());
  else
    s.step();
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_learning_rates_of_transformers) {
  for (const json& c : hft::test::filled(golden()["cases"]).get_ref<const json::array_t&>())
    BOOST_TEST_CONTEXT(c["name"].get<std::string>() << " " << dump(c["kwargs"])) {
      const auto s = make(c);
      const auto expected = c["lr"].get<std::vector<f64>>();
      for (std::size_t i = 0; i < expected.size(); ++i) {
        BOOST_TEST_REQUIRE(s->get_last_lr() == expected[i], "step " << i << boost::test_tools::tolerance(1e-14));
        advance(*s, i);
      }
    }
}

BOOST_AUTO_TEST_CASE(a_saved_schedule_goes_on_the_same) {
  for (const json& c : hft::test::filled(golden()["cases"]).get_ref<const json::array_t&>())
    BOOST_TEST_CONTEXT(c["name"].get<std::string>()) {
      const auto a = make(c), b = make(c);
      for (std::size_t i = 0; i < 77; ++i) advance(*a, i);
      b->load_state_dict(parse_json(dump(a->state_dict()), "state"));
      for (std::size_t i = 77; i < 200; ++i) {
        BOOST_TEST_REQUIRE(a->get_last_lr() == b->get_last_lr());
        advance(*a, i);
        advance(*b, i);
      }
    }
}

BOOST_AUTO_TEST_CASE(wrong_names_and_arguments) {
  BOOST_CHECK_THROW(get_scheduler("sawtooth", 1e-3), value_error);
  const auto with = [](const char* name, const char* kwargs) {
    return get_scheduler(name, 1e-3, {.num_training_steps = 10, .lr_scheduler_kwargs = json::parse(kwargs)});
  };
  BOOST_CHECK_THROW(with("cosine_with_min_lr", "{}"), value_error);
  BOOST_CHECK_THROW(with("cosine_with_min_lr", R"({"min_lr": 1e-5, "min_lr_rate": 0.1})"), value_error);
  BOOST_CHECK_THROW(with("linear", R"({"num_cycles": 2})"), value_error);
  BOOST_CHECK_THROW(with("linear", "[1]"), value_error);
  BOOST_CHECK_THROW(with("polynomial", R"({"lr_end": 0.1})"), value_error);
  BOOST_CHECK_THROW(with("warmup_stable_decay", "{}"), value_error);
  BOOST_CHECK_THROW(with("warmup_stable_decay", R"({"num_decay_steps": 3, "decay_type": "square"})"), value_error);
  BOOST_CHECK_THROW(with("reduce_lr_on_plateau", R"({"factor": 1.0})"), value_error);
  BOOST_CHECK_THROW(with("greedy", R"({"patience": "long"})"), format_error);
  BOOST_CHECK_THROW(with("linear", "{}")->step(0.5), value_error);
  BOOST_CHECK_THROW(with("greedy", "{}")->step(), value_error);
  BOOST_CHECK_THROW(with("greedy", "{}")->load_state_dict(json::parse("{}")), format_error);
}

BOOST_AUTO_TEST_CASE(warmup_as_a_share_of_the_steps) {
  BOOST_TEST(get_warmup_steps(0.05, 101) == 6);
  BOOST_TEST(get_warmup_steps(0, 101) == 0);
  BOOST_TEST(get_warmup_steps(7, 101) == 7);
}

BOOST_AUTO_TEST_SUITE_END()
