// RecurrentGemma and RWKV: tokens in parts, rows of states, how they begin, and what training does otherwise.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>

#include <hft/generation/cache.hpp>
#include <hft/models/loss.hpp>
#include <hft/models/recurrent_gemma.hpp>
#include <hft/models/rwkv.hpp>
#include <hft/ops/autodiff.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(recurrent_models)

namespace {

/// Tokens in parts of several lengths, and rows of a state that change places.
template <class Model>
void check_parts(const char* name) {
  const auto folder = data(name);
  const auto model = Model::from_pretrained(folder.string());
  const golden g(folder / "golden.safetensors");
  const auto ids = g.ids("batch.input_ids").dense();
  const isize B = ids.extent(0), T = ids.extent(1), V = model.config().vocab_size;
  for (const isize part : {1, 2, 3}) {
    LayeredCache<> cache(model.cache_options());
    ForwardArgs<> args;
    args.past_key_values = &cache;
    Tensor<f32, 3> y({B, T, V});
    for (isize t = 0; t < T; t += part) {
      const isize n = std::min(part, T - t);
      const auto logits = model(ids.slice(1, t, t + n), args).logits.dense();
      for (isize b = 0; b < B; ++b) std::copy_n(logits.data() + b * n * V, n * V, y.data() + (b * T + t) * V);
    }
    BOOST_TEST(cache.get_seq_length() == T);
    check_close(y, g.at("batch.logits"));
  }
  LayeredCache<> cache(model.cache_options());
  ForwardArgs<> args;
  args.past_key_values = &cache;
  model(ids.slice(1, 0, T - 1), args);
  cache.reorder(std::vector<isize>{2, 0});
  const auto last = Tensor<i64, 2>::from({ids.data()[2 * T + T - 1], ids.data()[T - 1]}, {2, 1});
  const auto y = model(last, args).logits.dense(), whole = model(ids).logits.dense();
  for (const auto& [row, from] : {std::pair<isize, isize>{0, 2}, {1, 0}})
    for (isize v = 0; v < V; ++v)
      BOOST_TEST(std::abs(y.data()[row * V + v] - whole.data()[(from * T + T - 1) * V + v]) < 1e-4f);
}

RwkvConfig small_rwkv(i64 rescale_every) {
  RwkvConfig c;
  c.vocab_size = 31, c.hidden_size = 16, c.num_hidden_layers = 3, c.rescale_every = rescale_every;
  return c;
}

}  // namespace

BOOST_AUTO_TEST_CASE(recurrent_gemma_in_parts) {
  check_parts<RecurrentGemmaForCausalLM<f32>>("models/recurrent_gemma/base");
  check_parts<RecurrentGemmaForCausalLM<f32>>("models/recurrent_gemma/recurrent");
}

BOOST_AUTO_TEST_CASE(rwkv_in_parts) {
  check_parts<RwkvForCausalLM<f32>>("models/rwkv/base");
  check_parts<RwkvForCausalLM<f32>>("models/rwkv/wide");
}

BOOST_AUTO_TEST_CASE(training_rescales_nothing) {
  const auto loss = [](i64 rescale_every, bool training) {
    const auto model = RwkvForCausalLM<f32, autodiff<cpu>>::from_config(small_rwkv(rescale_every), 3);
    const auto ids = Tensor<i64, 2>::from({5, 7, 11, 2, 9}, {1, 5});
    ForwardArgs<f32, autodiff<cpu>> args;
    args.labels = ids;
    args.training = training;
    return model(ids, args).loss.value().data()[0];
  };
  BOOST_TEST(loss(1, true) == loss(0, false));
  BOOST_TEST(loss(1, true) == loss(0, true));
  BOOST_TEST(loss(1, false) != loss(0, false));  // by the eps of norms
}

BOOST_AUTO_TEST_CASE(rwkv_begins_with_decays_and_shares) {
  auto model = RwkvForCausalLM<f32>::from_config(small_rwkv(6), 3);
  int seen = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const auto* v = static_cast<const f32*>(p.data());
    const isize last = p.size() - 1;
    if (path == "rwkv.blocks.0.attention.time_decay") {
      ++seen;
      BOOST_TEST(v[0] == -5);
      BOOST_TEST(v[last] == 3);
      BOOST_TEST(v[3] == f32(-5 + 8 * std::pow(0.2, 0.7)));
    } else if (path == "rwkv.blocks.1.attention.time_first") {
      ++seen;
      BOOST_TEST(v[4] == 1);
    } else if (path == "rwkv.blocks.1.attention.time_mix_value") {
      ++seen;
      BOOST_TEST(v[8] == f32(std::pow(0.5, 2.0 / 3) + 0.15));
    } else if (path == "rwkv.blocks.2.feed_forward.time_mix_receptance") {
      ++seen;
      BOOST_TEST(v[4] == f32(std::pow(0.25, 1.0 / 3)));
    } else if (path == "rwkv.blocks.0.pre_ln.weight") {
      ++seen;
      BOOST_TEST(v[4] == 1);
    }
  });
  BOOST_TEST(seen == 5);
}

BOOST_AUTO_TEST_CASE(recurrent_gemma_begins_with_decays) {
  RecurrentGemmaConfig config;
  config.vocab_size = 31, config.hidden_size = 16, config.intermediate_size = 24, config.num_hidden_layers = 3;
  config.num_attention_heads = 4;
  auto model = RecurrentGemmaForCausalLM<f32>::from_config(config, 3);
  int norms = 0, decays = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const auto* v = static_cast<const f32*>(p.data());
    if (path.ends_with("norm.weight"))
      for (isize i = 0; i < p.size(); ++i, ++norms) BOOST_TEST(v[i] == 0);
    if (path.ends_with("recurrent_param"))
      for (isize i = 0; i < p.size(); ++i, ++decays) {
        const f64 a = 1 / (1 + std::exp(f64(v[i])));  // e^-softplus
        BOOST_TEST((a > 0.8999 && a < 0.9991));
      }
  });
  BOOST_TEST(norms == 7 * 16);
  BOOST_TEST(decays == 2 * 16);
}

BOOST_AUTO_TEST_CASE(what_configs_must_not_say) {
  const auto says = [](const char* text) {
    return [=](const error& e) { return std::string(e.what()).find(text) != std::string::npos; };
  };
  RecurrentGemmaConfig config;
  config.block_types = {"recurrent", "full"};
  BOOST_CHECK_EXCEPTION(config.check(), config_error, says("block_types: expected recurrent or attention, got 'full'"));
  config.block_types = {};
  BOOST_CHECK_EXCEPTION(config.check(), config_error, says("block_types"));
  config.block_types = {"attention"};
  config.lru_width = 2561;
  BOOST_CHECK_EXCEPTION(config.check(), config_error, says("lru_width"));
  config.lru_width = {};
  config.rope_parameters.rope_type = "yarn";
  BOOST_CHECK_EXCEPTION(config.check(), config_error, says("rope_type: expected default, got 'yarn'"));
}

BOOST_AUTO_TEST_SUITE_END()
