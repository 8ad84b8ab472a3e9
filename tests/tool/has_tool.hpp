// The tests of the tool run where HFT_TOOL names it.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cstdlib>

namespace hft::test {

/// A precondition of a test suite.
inline boost::test_tools::assertion_result has_tool(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result r(std::getenv("HFT_TOOL") != nullptr);
  r.message() << "HFT_TOOL names no tool";
  return r;
}

}  // namespace hft::test
