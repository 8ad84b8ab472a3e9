// An error by its whole text.
#pragma once
#include <boost/test/unit_test.hpp>
#include <string>

namespace hft::test {

/// f must throw an E that says `message`.
template <class E, class F>
void throws(const F& f, const std::string& message) {
  try {
    f();
  } catch (const E& e) {
    BOOST_TEST(std::string(e.what()) == message);
    return;
  }
  BOOST_ERROR("nothing was thrown where this was expected: " << message);
}

}  // namespace hft::test
