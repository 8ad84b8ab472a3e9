// Qwen3-Next and Qwen3.5: configs as published, what they refuse, and how parameters begin.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include <hft/models/qwen3_5.hpp>
#include <hft/models/qwen3_5_moe.hpp>
#include <hft/models/qwen3_next.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(qwen3_next)

namespace {
template <class Config = Qwen3NextConfig>
Config read(const char* text) {
  return config_from_json<Config>(parse_json(text, "config.json"), "config.json");
}
}  // namespace

BOOST_AUTO_TEST_CASE(layers_of_published_files) {
  const auto config = read(R"({"full_attention_interval": 4, "partial_rotary_factor": 0.25, "rope_theta": 10000000,
    "rope_scaling": null, "num_hidden_layers": 8})");
  for (const isize layer : {0, 1, 2, 4, 5, 6}) BOOST_TEST(config.attention(layer).recurrent());
  for (const isize layer : {3, 7}) {
    const auto o = config.attention(layer);
    BOOST_TEST((!o.recurrent() && o.output_gate && o.head_dim == 256 && o.rope->dim() == 64));
  }
  BOOST_TEST(config_to_json(config)["full_attention_interval"].dump() == "4");
  BOOST_TEST(!config_to_json(Qwen3NextConfig()).contains("full_attention_interval"));
  BOOST_TEST((!read(R"({"full_attention_interval": 2})").attention(1).recurrent()));
}

// It costs a config: what computes is Qwen3-Next's.
static_assert(std::is_same_v<Qwen3_5MoeForCausalLM<f32>::body_type, Qwen3NextForCausalLM<f32>::body_type>);

// Of Qwen3.5; text knows one position a token.
BOOST_AUTO_TEST_CASE(sections_of_positions_are_kept) {
  const auto config = read<Qwen3_5TextConfig>(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 10000000,
    "mrope_section": [11, 11, 10], "mrope_interleaved": true}})");
  BOOST_TEST((config.attention(0).delta && !config.attention(0).delta->fused));
  BOOST_TEST(config.attention(3).rope->dim() == 64);
  const json written = config_to_json(config)["rope_parameters"];
  BOOST_TEST((written["mrope_section"] == json::array({11, 11, 10}) && written["mrope_interleaved"] == json(true)));
  BOOST_TEST(!config_to_json(Qwen3_5TextConfig())["rope_parameters"].contains("mrope_section"));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  const auto refuse = [](const char* text, const char* says) {
    BOOST_CHECK_EXCEPTION(read(text), config_error,
                          [&](const error& e) { return std::string(e.what()).find(says) != std::string::npos; });
  };
  refuse(R"({"num_hidden_layers": 1, "layer_types": ["sliding_attention"]})", "linear_attention");
  refuse(R"({"layer_types": ["full_attention"]})", "one for each of 48 layers");
  refuse(R"({"linear_num_key_heads": 5})", "a number that divides linear_num_value_heads = 32");
  refuse(R"({"linear_value_head_dim": 16777216})", "linear_num_value_heads * linear_value_head_dim");
  refuse(R"({"linear_conv_kernel_dim": 0})", "linear_conv_kernel_dim");
  refuse(R"({"num_experts": 4})", "num_experts_per_tok");
}

BOOST_AUTO_TEST_CASE(how_parameters_begin) {
  auto config = read_config<Qwen3NextConfig>(checkpoint::open(data("models/qwen3_next/base")));
  auto model = Qwen3NextModel<f32>::from_config(config, 3);
  int seen = 0;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    const auto* values = static_cast<const f32*>(p.data());
    const auto all = [&](f32 low, f32 high) {
      ++seen;
      for (isize i = 0; i < p.size(); ++i) BOOST_TEST((values[i] >= low && values[i] <= high), path);
    };
    if (path.ends_with("linear_attn.norm.weight") || path.ends_with("dt_bias"))
      all(1, 1);
    else if (path.ends_with("norm.weight"))
      all(0, 0);
    else if (path.ends_with("A_log"))
      all(std::log(0.01f), std::log(16.0f));
  });
  BOOST_TEST(seen == 2 * 3 + 3 * 2 + 2 + 1);  // two layers of the one kind, one of the other, and the last norm
}

BOOST_AUTO_TEST_SUITE_END()
