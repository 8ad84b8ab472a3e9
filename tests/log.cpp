// hft/log.hpp: silent until a program listens, and again when it no longer does.
#include "hft/log.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>

#include "log_of.hpp"

using namespace hft;

BOOST_AUTO_TEST_SUITE(log_)

BOOST_AUTO_TEST_CASE(messages_go_to_the_callback_that_is_set) {
  const auto say = [](int n) { detail::log_message(log_level::warning, "file", detail::joined("number ", n)); };
  say(0);
  {
    ::test::log_of outer;
    say(1);
    {
      ::test::log_of inner;
      say(2);
      BOOST_TEST((inner.messages == std::vector<std::string>{"[file] number 2"}));
    }
    say(3);
    BOOST_TEST((outer.messages == std::vector<std::string>{"[file] number 1", "[file] number 3"}));
  }
  BOOST_TEST(!set_log_callback({}));
  say(4);
}

BOOST_AUTO_TEST_CASE(a_callback_may_throw_and_may_set_another) {
  set_log_callback([](log_level level, const std::string& text) {
    BOOST_TEST((level == log_level::warning));
    set_log_callback({});
    throw std::runtime_error(text);
  });
  BOOST_CHECK_THROW(detail::log_message(log_level::warning, "a", "b"), std::runtime_error);
  detail::log_message(log_level::warning, "a", "b");
}

BOOST_AUTO_TEST_SUITE_END()
