// The thread pool: ranges, nesting, exceptions, callers from several threads.
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include <hft/parallel.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(parallel)

BOOST_AUTO_TEST_CASE(every_index_is_met_once) {
  const int before = num_threads();
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    BOOST_TEST(num_threads() == threads);
    for (const isize n : {0, 1, 2, 5, 31, 32, 33, 1000})
      for (const isize grain : {1, 8, 64}) {
        std::vector<std::atomic<int>> met(static_cast<std::size_t>(n));
        parallel_for(n, grain, [&](isize begin, isize end) {
          if (begin % grain) met[0] += 1000;  // ranges begin at whole grains
          for (isize i = begin; i < end; ++i) ++met[std::size_t(i)];
        });
        int wrong = 0;
        for (const auto& m : met) wrong += m != 1;
        BOOST_TEST(wrong == 0);
      }
  }
  set_num_threads(before);
}

BOOST_AUTO_TEST_CASE(regions_nest_and_exceptions_come_back) {
  set_num_threads(3);
  std::atomic<isize> sum = 0;
  parallel_for(30, 1, [&](isize a, isize b) {
    for (isize i = a; i < b; ++i) parallel_for(10, 1, [&](isize c, isize d) { sum += d - c; });
  });
  BOOST_TEST(sum == 300);
  for (int i = 0; i < 50; ++i)
    BOOST_CHECK_THROW(parallel_for(30, 1,
                                   [&](isize, isize end) {
                                     if (end == 30) throw std::runtime_error("last");
                                   }),
                      std::runtime_error);
  parallel_for(30, 1, [&](isize a, isize b) { sum += b - a; });
  BOOST_TEST(sum == 330);
}

BOOST_AUTO_TEST_CASE(more_threads_than_there_can_be_are_refused) {
  BOOST_CHECK_THROW(set_num_threads(1 << 30), value_error);
  BOOST_TEST(num_threads() == 1);
  std::atomic<isize> sum = 0;
  parallel_for(30, 1, [&](isize a, isize b) { sum += b - a; });
  BOOST_TEST(sum == 30);
}

BOOST_AUTO_TEST_CASE(several_threads_may_call_at_once) {
  set_num_threads(2);
  std::atomic<isize> sum = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t)
    callers.emplace_back([&] {
      for (int i = 0; i < 500; ++i) parallel_for(64, 1, [&](isize a, isize b) { sum += b - a; });
    });
  for (auto& c : callers) c.join();
  BOOST_TEST(sum == 4 * 500 * 64);
}

BOOST_AUTO_TEST_SUITE_END()
