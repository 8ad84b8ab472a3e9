// A list of a golden file, for a test that loops over it: an empty one would let every test pass.
#pragma once
#include <boost/test/unit_test.hpp>

#include <hft/io/json.hpp>

namespace hft::test {

/// The list itself; the test fails where it is empty.
inline const json& filled(const json& list) {
  BOOST_TEST_REQUIRE(list.size() > 0u, "an empty list of golden values");
  return list;
}
inline json filled(json&& list) { return filled(static_cast<const json&>(list)); }

}  // namespace hft::test
