// T5's buckets of distances against Transformers, and the layer that looks its bias up by them.
#include <boost/test/unit_test.hpp>

#include <hft/layers/relative_position_bias.hpp>
#include <hft/ops/autodiff.hpp>

#include "../golden_tensors.hpp"

using namespace hft;

BOOST_AUTO_TEST_SUITE(relative_position_biases)

BOOST_AUTO_TEST_CASE(buckets_of_t5) {
  const test::golden_tensors golden("layers/relative_position_buckets");
  for (const bool bidirectional : {true, false})
    for (const auto& [buckets, furthest] :
         {std::pair<isize, isize>{32, 128}, {32, 1000}, {12, 20}, {7, 40}, {64, 512}}) {
      const RelativePositionOptions o{buckets, furthest, bidirectional};
      const auto name = detail::cat(bidirectional ? "both" : "causal", ".", buckets, ".", furthest);
      const auto expected = golden.get<u8, 1>(name);
      BOOST_TEST_REQUIRE(expected.size() == 2401);
      BOOST_TEST_CONTEXT(name)
      for (isize i = 0; i < expected.size(); ++i)
        BOOST_TEST(relative_position_bucket(i - 1200, o) == expected[i], "distance " << i - 1200);
    }
}

BOOST_AUTO_TEST_CASE(a_bias_for_each_pair) {
  const isize heads = 3, first = 5, T = 4, S = 9;
  for (const bool bidirectional : {true, false}) {
    RelativePositionBias<build<q4_0>> layer({32, 128, bidirectional, heads});
    auto& table = layer.relative_attention_bias.weight;
    table = Tensor<f32, 2>({32, heads});
    for (isize i = 0; i < table.size(); ++i) table.data()[i] = f32(i);
    const auto y = layer(first, T, S);
    BOOST_TEST_REQUIRE((y.shape() == Shape<4>{1, heads, T, S}));
    for (isize h = 0; h < heads; ++h)
      for (isize t = 0; t < T; ++t)
        for (isize s = 0; s < S; ++s) {
          const isize bucket = relative_position_bucket(s - (first + t), {32, 128, bidirectional});
          BOOST_TEST(y.data()[(h * T + t) * S + s] == f32(bucket * heads + h));
        }
  }
}

BOOST_AUTO_TEST_CASE(its_table_is_trained) {
  RelativePositionBias<build<f32, autodiff<cpu>>> layer({4, 8, true, 2});
  std::string names;
  for_each_parameter(layer, [&](const std::string& name, parameter& p) {
    names += name;
    p.allocate(dtype_id::f32);
    std::fill_n(static_cast<f32*>(p.data()), p.size(), 0.0f);
  });
  BOOST_TEST(names == "relative_attention_bias.weight");
  backward(layer(0, 3, 3));
  // Distances 0 (three pairs), before (three), after (three).
  const auto g = layer.relative_attention_bias.weight.grad();
  const auto expected = {3, 3, 3, 3, 0, 0, 3, 3};
  BOOST_CHECK_EQUAL_COLLECTIONS(g.data(), g.data() + g.size(), expected.begin(), expected.end());
}

BOOST_AUTO_TEST_CASE(errors) {
  using layer = RelativePositionBias<build<f32>>;
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  BOOST_CHECK_EXCEPTION(layer({3, 8, true, 2}), config_error,
                        says("[RelativePositionBias] num_buckets: expected at least 4, got 3"));
  BOOST_CHECK_EXCEPTION(layer({8, 4, false, 2}), config_error,
                        says("[RelativePositionBias] max_distance: expected more than the 4 distances with a bucket of "
                             "their own, got 4"));
}

BOOST_AUTO_TEST_SUITE_END()
