// hft/progress.hpp: silent until a program listens; what a task tells; how ProgressBar draws it.
#include "hft/progress.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hft/progress_bar.hpp"
#include "progress_of.hpp"

using namespace hft;

BOOST_AUTO_TEST_SUITE(progress_)

namespace {

void work(isize n) {
  detail::progress task("counting", "numbers", n, "rows");
  for (isize i = 0; i < n; ++i) task.advance();
}

std::string contents(std::FILE* f) {
  std::string out;
  std::rewind(f);
  for (int c; (c = std::fgetc(f)) != EOF;) out += char(c);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(events_go_to_the_callback_that_is_set) {
  work(1);
  {
    ::test::progress_of outer;
    work(2);
    {
      ::test::progress_of inner;
      work(3);
      BOOST_TEST(inner.events.size() == 4u);
      BOOST_TEST(::test::whole(inner.events));
    }
    BOOST_TEST(outer.events.size() == 3u);
    BOOST_TEST(::test::whole(outer.events));
    const auto &first = outer.events[0], &last = outer.events[2];
    BOOST_TEST((first.what == "counting" && first.where == "numbers" && first.unit == "rows"));
    BOOST_TEST(!first.remaining);
    BOOST_TEST((outer.events[1].remaining && *outer.events[1].remaining >= 0));
    BOOST_TEST(*last.remaining == 0.0);
    work(0);
    BOOST_TEST(outer.events.size() == 4u);
    BOOST_TEST(outer.events[3].finished);
  }
  BOOST_TEST(!set_progress_callback({}));
  work(4);
}

BOOST_AUTO_TEST_CASE(a_task_may_go_on_from_an_earlier_run_and_end_before_its_total) {
  ::test::progress_of seen;
  detail::progress task("training", "", 10, "steps", 4);
  task.advance(2, 1.5);
  task.end();
  task.end();
  task.finish();
  BOOST_TEST_REQUIRE(seen.events.size() == 3u);
  BOOST_TEST((seen.events[0].done == 4 && seen.events[1].done == 6 && seen.events[2].done == 6));
  BOOST_TEST(*seen.events[1].loss == 1.5);
  BOOST_TEST((!seen.events[1].finished && seen.events[2].finished));
  detail::progress other("preparing", "", 10, "parameters");
  other.finish();
  BOOST_TEST((seen.events.back().done == 10 && seen.events.back().finished));
}

BOOST_AUTO_TEST_CASE(a_callback_may_throw_and_may_set_another) {
  set_progress_callback([](const progress_event& e) {
    set_progress_callback({});
    throw std::runtime_error(std::string(e.what));
  });
  BOOST_CHECK_THROW(work(3), std::runtime_error);
  work(3);
}

BOOST_AUTO_TEST_CASE(threads_have_tasks_of_their_own) {
  std::atomic<isize> events = 0, finished = 0;
  const auto before = set_progress_callback([&](const progress_event& e) { ++events, finished += e.finished; });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([] { work(100); });
  for (auto& t : threads) t.join();
  set_progress_callback(before);
  BOOST_TEST(events == 404);
  BOOST_TEST(finished == 4);
}

BOOST_AUTO_TEST_CASE(the_bar_draws_on_terminals_only) {
  for (const bool terminal : {false, true}) {
    std::FILE* f = std::tmpfile();
    const auto bar = terminal ? ProgressBar::always(f) : ProgressBar(f);
    bar({.what = "loading",
         .where = "models/a\x1b[2J",
         .done = 67'000'000,
         .total = 134'515'008,
         .unit = "parameters",
         .elapsed = 75,
         .remaining = 3725.9});
    const auto drawn = contents(f);
    bar({.what = "training", .where = "", .done = 3, .total = 4, .unit = "steps", .loss = 2.34567});
    bar.clear();
    bar.clear();
    const auto all = contents(f);
    std::fclose(f);
    if (!terminal) {
      BOOST_TEST(all == "");
      continue;
    }
    BOOST_TEST(drawn == "\r\033[Kloading a?[2J  49% [==============                ] 67M/134M  01:15 < 1:02:05");
    BOOST_TEST(all.substr(drawn.size()) ==
               "\r\033[Ktraining  75% [======================        ] 3/4  00:00  loss 2.346\r\033[K");
  }
  BOOST_TEST(detail::bar_text(0, 0) == "0% [" + std::string(30, ' ') + "]");
  BOOST_TEST(detail::bar_text(7, 4) == "100% [" + std::string(30, '=') + "]");
  BOOST_TEST(detail::short_count(9999) == "9999");
  BOOST_TEST(detail::short_count(10000) == "10k");
  BOOST_TEST(detail::short_count(9'223'372'036'854'775'807) == "9E");
}

BOOST_AUTO_TEST_SUITE_END()
