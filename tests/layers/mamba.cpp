// MambaMixer against Transformers: forward, gradients, and token by token.
#include <boost/test/unit_test.hpp>
#include <cstring>

#include <hft/layers/mamba.hpp>
#include <hft/ops/autodiff.hpp>

#include "../golden_tensors.hpp"

using namespace hft;

BOOST_AUTO_TEST_SUITE(mamba_mixers)

namespace {

const std::pair<const char*, MambaMixerOptions> mixers[] = {
    {"plain", {.hidden_size = 6, .intermediate_size = 12, .time_step_rank = 2, .state_size = 3}},
    {"biases",
     {.hidden_size = 10,
      .intermediate_size = 20,
      .time_step_rank = 3,
      .state_size = 5,
      .conv_kernel = 3,
      .activation = Activation::gelu,
      .use_bias = true}},
    {"no_conv_bias",
     {.hidden_size = 9, .intermediate_size = 27, .time_step_rank = 1, .state_size = 2, .use_conv_bias = false}}};

/// A mixer with the weights of the golden file.
template <class B>
MambaMixer<B> mixer_of(const test::golden_tensors& golden, const std::string& name, const MambaMixerOptions& o) {
  MambaMixer<B> mixer(o);
  isize parameters = 0;
  for_each_parameter(mixer, [&](const std::string& path, parameter& p) {
    const auto& stored = golden.stored(name + "." + path);
    BOOST_TEST_REQUIRE((stored.shape == p.shape()), path);
    p.allocate(dtype_id::f32);
    p.copy_from_host(stored.bytes.data(), stored.bytes.size());
    ++parameters;
  });
  BOOST_TEST(parameters == 8 + 2 * o.use_bias + o.use_conv_bias);
  return mixer;
}

}  // namespace

BOOST_AUTO_TEST_CASE(as_transformers) {
  const test::golden_tensors golden("layers/mamba_mixer");
  for (const auto& [name, options] : mixers) BOOST_TEST_CONTEXT(name) {
      const std::string prefix = std::string(name) + ".";
      const auto mixer = mixer_of<build<f32>>(golden, name, options);
      golden.check(mixer(golden.get<f32, 3>(prefix + "x")), prefix + "y", 1e-5);

      auto trained = mixer_of<build<f32, autodiff<cpu>>>(golden, name, options);
      const auto x = golden.leaf<3>(prefix + "x");
      const auto y = trained(x);
      golden.check(y.value(), prefix + "y", 1e-5);
      backward(y, golden.get<f32, 3>(prefix + "dy"));
      golden.check(x.grad(), prefix + "grad.x", 1e-4);
      for_each_parameter(trained, [&](const std::string& path, parameter& p) {
        BOOST_TEST_REQUIRE(p.has_grad(), path);
        const auto flat = Tensor<f32, 1>::from({static_cast<const f32*>(p.grad()), std::size_t(p.size())}, {p.size()});
        golden.check_flat(flat, prefix + "grad." + path, 1e-4);
      });
    }
}

BOOST_AUTO_TEST_CASE(padding_is_no_input) {
  const test::golden_tensors golden("layers/mamba_mixer");
  for (const auto& [name, options] : mixers) BOOST_TEST_CONTEXT(name) {
      const auto mixer = mixer_of<build<f32>>(golden, name, options);
      const auto x = golden.get<f32, 3>(std::string(name) + ".x");
      const auto mask = golden.get<u8, 2>(std::string(name) + ".mask");
      golden.check(mixer(x, nullptr, mask), std::string(name) + ".masked", 1e-5);
      // The gradient of a padded token is 0, of another it is not.
      const auto trained = mixer_of<build<f32, autodiff<cpu>>>(golden, name, options);
      const auto leaf = golden.leaf<3>(std::string(name) + ".x");
      backward(trained(leaf, nullptr, mask));
      for (isize t = 0; t < x.extent(1); ++t) {
        const f32* row = leaf.grad().data() + t * x.extent(2);
        BOOST_TEST(std::all_of(row, row + x.extent(2), [](f32 g) { return g == 0; }) == !mask.data()[t]);
      }
    }
}

BOOST_AUTO_TEST_CASE(token_by_token) {
  const test::golden_tensors golden("layers/mamba_mixer");
  for (const auto& [name, options] : mixers) BOOST_TEST_CONTEXT(name) {
      const auto mixer = mixer_of<build<f32>>(golden, name, options);
      const auto x = golden.get<f32, 3>(std::string(name) + ".x");
      const auto whole = golden.get<f32, 3>(std::string(name) + ".y");
      MambaMixer<build<f32>>::state state;
      for (isize begin = 0, end; begin < x.extent(1); begin = end) {
        end = begin ? begin + 1 : 4;  // a prompt of four tokens, then one by one
        const auto y = mixer(x.slice(1, begin, end), &state);
        const auto expected = whole.slice(1, begin, end).dense();
        for (isize i = 0; i < y.size(); ++i)
          BOOST_TEST(std::abs(y.data()[i] - expected.data()[i]) < 1e-4f, "token " << begin << ", element " << i);
      }
      BOOST_TEST((state.conv.shape() == Shape<3>{2, options.conv_kernel - 1, options.intermediate_size}));
      BOOST_TEST((state.ssm.shape() == Shape<3>{2, options.intermediate_size, options.state_size}));
    }
}

BOOST_AUTO_TEST_SUITE_END()
