// MambaModel and MambaForCausalLM against Transformers; what Mamba-2 begins with, and what does not fit in configs.
#include <boost/test/unit_test.hpp>

#include <hft/generation/cache.hpp>
#include <hft/models/jamba.hpp>
#include <hft/models/mamba2.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(mamba)

namespace {

template <class Model>
void check_logits(const std::string& architecture) {
  for (const auto& folder : cases("mamba", architecture)) {
    BOOST_TEST_CONTEXT(folder.filename().string()) {
      const auto model = Model::from_pretrained(folder.string());
      const golden g(folder / "golden.safetensors");
      for (const auto& pass : g.passes("logits")) {
        const auto args = g.args(pass);
        check_close(model(g.ids(pass + ".input_ids"), args).logits, g.at(pass + ".logits"), args.attention_mask);
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(causal_lm_gives_transformers_logits) { check_logits<MambaForCausalLM<f32>>("MambaForCausalLM"); }

BOOST_AUTO_TEST_CASE(base_model_gives_transformers_hidden_states) {
  for (const auto& folder : cases("mamba", "MambaModel")) {
    const auto model = MambaModel<f32>::from_pretrained(folder.string());
    const golden g(folder / "golden.safetensors");
    for (const auto& pass : g.passes("last_hidden_state")) {
      const auto args = g.args(pass);
      check_close(model(g.ids(pass + ".input_ids"), args).last_hidden_state, g.at(pass + ".last_hidden_state"),
                  args.attention_mask);
    }
  }
}

BOOST_AUTO_TEST_CASE(parts_of_a_sequence_give_what_the_whole_gives) {
  const auto folder = data("models/mamba/base");
  const auto model = MambaForCausalLM<f32>::from_pretrained(folder.string());
  const golden g(folder / "golden.safetensors");
  const auto ids = g.ids("batch.input_ids");
  const isize B = ids.extent(0), T = ids.extent(1), V = model.config().vocab_size;
  for (const isize part : {1, 2, 3}) {
    DynamicCache<> cache;
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
}

BOOST_AUTO_TEST_CASE(rows_of_a_state_change_places) {
  const auto folder = data("models/mamba/base");
  const auto model = MambaForCausalLM<f32>::from_pretrained(folder.string());
  const golden g(folder / "golden.safetensors");
  const auto ids = g.ids("batch.input_ids").dense();
  const isize T = ids.extent(1), V = model.config().vocab_size;
  DynamicCache<> cache;
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

BOOST_AUTO_TEST_CASE(it_begins_with_time_steps_and_decays) {
  MambaConfig config;
  config.vocab_size = 31, config.hidden_size = 32, config.num_hidden_layers = 1;
  auto model = MambaForCausalLM<f32>::from_config(config, 3);
  int seen = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const auto* v = static_cast<const f32*>(p.data());
    if (path == "backbone.layers.0.mixer.A_log") {
      ++seen;
      for (isize i = 0; i < p.size(); ++i) BOOST_TEST(v[i] == f32(std::log(f64(i % 16 + 1))));
    } else if (path == "backbone.layers.0.mixer.D") {
      ++seen;
      for (isize i = 0; i < p.size(); ++i) BOOST_TEST(v[i] == 1.0f);
    } else if (path == "backbone.layers.0.mixer.dt_proj.bias") {
      ++seen;
      for (isize i = 0; i < p.size(); ++i) {
        const f64 step = std::log1p(std::exp(f64(v[i])));
        BOOST_TEST((step > 0.00099 && step < 0.101));
      }
    } else if (path == "backbone.layers.0.mixer.conv1d.weight") {
      ++seen;
      for (isize i = 0; i < p.size(); ++i) BOOST_TEST(std::abs(v[i]) <= 0.5f);
    }
  });
  BOOST_TEST(seen == 4);
}

BOOST_AUTO_TEST_CASE(a_rank_may_be_left_to_the_size) {
  const auto config = config_from_json<MambaConfig>(
      parse_json(R"({"hidden_size": 36, "time_step_rank": "auto"})", "config.json"), "config.json");
  BOOST_TEST(config.rank() == 3);
}

BOOST_AUTO_TEST_CASE(heads_begin_with_time_steps_and_decays) {
  Mamba2Config config;
  config.vocab_size = 31, config.hidden_size = 16, config.num_hidden_layers = 1;
  config.num_heads = 8, config.head_dim = 4, config.n_groups = 2, config.state_size = 3;
  auto model = Mamba2ForCausalLM<f32>::from_config(config, 3);
  int seen = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const auto* v = static_cast<const f32*>(p.data());
    const bool steps = path == "backbone.layers.0.mixer.dt_bias", decays = path == "backbone.layers.0.mixer.A_log";
    if (!steps && !decays) return;
    ++seen;
    BOOST_TEST(p.size() == 8);
    for (isize i = 0; i < p.size(); ++i)
      BOOST_TEST((decays ? v[i] == f32(std::log(f64(i + 1))) : std::log1p(std::exp(f64(v[i]))) < 0.101));
  });
  BOOST_TEST(seen == 2);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_said) {
  const auto says = [](const char* text) { return [=](const error& e) { return std::string(e.what()) == text; }; };
  const auto read = []<class Config>(Config, const char* text) {
    return config_from_json<Config>(parse_json(text, "config.json"), "config.json");
  };
  BOOST_CHECK_EXCEPTION(
      read(Mamba2Config(), R"({"num_heads": 100})"), config_error,
      says("[config.json: mamba2] num_heads * head_dim: expected expand * hidden_size = 8192, got 100 * 64"));
  BOOST_CHECK_EXCEPTION(read(Mamba2Config(), R"({"n_groups": 3})"), config_error,
                        says("[config.json: mamba2] n_groups: expected a number that divides 128 heads, got 3"));
  BOOST_CHECK_EXCEPTION(read(Mamba2Config(), R"({"time_step_limit": [1]})"), config_error,
                        says("[config.json: mamba2] time_step_limit: expected two numbers, got 1"));
  BOOST_CHECK_EXCEPTION(
      read(Mamba2Config(), R"({"time_step_limit": [1, 0.5]})"), config_error,
      says("[config.json: mamba2] time_step_limit: expected the least step and one that is no less, got 1 and 0.5"));
  BOOST_CHECK_EXCEPTION(read(JambaConfig(), R"({"attn_layer_period": 4})"), config_error,
                        says("[config.json: jamba] attn_layer_offset: expected less than its period 4, got 4"));
  BOOST_CHECK_EXCEPTION(read(JambaConfig(), R"({"expert_layer_period": 1})"), config_error,
                        says("[config.json: jamba] expert_layer_offset: expected less than its period 1, got 1"));
}

BOOST_AUTO_TEST_SUITE_END()
