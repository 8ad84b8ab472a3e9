// The main of every test program; each folder of tests/ links one.
#define BOOST_TEST_MODULE hft
#include <boost/test/unit_test.hpp>
