// Checkpoints of BitNet's layers (tests/oracle/bitnet.py; every_case.cpp compares them with Transformers): which layers
// round, what their weights are, what is saved, and files that are not sound.
#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <hft/models/bitnet.hpp>
#include <hft/models/llama.hpp>
#include <hft/quantization/bitnet.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(bitnet_layers)

namespace {

class layers final : public visitor {
 public:
  template <class Model>
  explicit layers(Model& model) {
    model.visit(*this);
  }
  std::map<std::string, bool> rounds;
  std::map<std::string, std::set<f32>> values;  // of weights

 private:
  void on_parameter(const std::string& path, parameter& p) override {
    if (p.shape().size() != 2) return;
    std::vector<f32> all(std::size_t(p.size()));
    convert(dtype_id::f32, all.data(), p.format(), p.data(), p.size());
    values[path] = {all.begin(), all.end()};
  }
  void on_linear(const std::string& path, bool& rounded) override { rounds[path] = rounded; }
};

template <class Model>
void check_saved(const std::string& name) {
  BOOST_TEST_CONTEXT(name) {
    const auto folder = data("models/" + name);
    const auto out = std::filesystem::temp_directory_path() / ("hft_bitnet_" + std::to_string(::getpid()));
    auto model = Model::from_pretrained(folder.string());
    model.save_pretrained(out);
    auto again = Model::from_pretrained(out.string());
    const json saved = read_json(out / "config.json")["quantization_config"];
    BOOST_TEST(saved["quant_method"].get<std::string>() == "bitnet");
    BOOST_TEST(saved["quantization_mode"].get<std::string>() == "offline");
    BOOST_TEST(saved["linear_class"].get<std::string>() == "autobitlinear");
    const auto file = checkpoint::open(out);  // Transformers takes a scale that is missing for what lies in memory
    for (const auto& [path, rounds] : layers(model).rounds)
      BOOST_TEST((file.find(path + ".weight_scale") != nullptr) == rounds, path);
    BOOST_TEST((layers(again).rounds == layers(model).rounds));
    BOOST_TEST((layers(again).values == layers(model).values));
    const auto ids = golden(folder / "golden.safetensors").ids("single.input_ids");
    const auto a = model(ids).logits, b = again(ids).logits;
    BOOST_TEST(std::equal(a.data(), a.data() + a.size(), b.data()));
    std::filesystem::remove_all(out);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(layers_round_but_for_those_that_are_left) {
  auto model = BitNetForCausalLM<any_q>::from_pretrained(data("models/bitnet/ternary_packed").string());
  const layers of(model);
  BOOST_TEST(of.rounds.size() == 15u);  // seven a layer, and the head
  for (const auto& [path, rounds] : of.rounds) BOOST_TEST(rounds == (path != "lm_head"), path);
  for (const auto& [path, rounds] : of.rounds)
    if (rounds) {
      const auto& values = of.values.at(path + ".weight");
      BOOST_TEST(values.size() == 3u, path);
      BOOST_TEST(values.contains(0.0f), path);
      BOOST_TEST(-*values.begin() == *values.rbegin(), path);
    }

  auto online = BitNetForCausalLM<f32>::from_pretrained(data("models/bitnet/ternary_online").string());
  const layers rounded(online);
  BOOST_TEST(rounded.values.at("model.layers.1.mlp.down_proj.weight").size() == 3u);
  BOOST_TEST(rounded.values.at("lm_head.weight").size() > 3u);

  auto llama = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/ternary_packed").string());
  int left = 0;
  for (const auto& [path, rounds] : layers(llama).rounds) left += !rounds;
  BOOST_TEST(left == 3);  // the head, one that is named in full, one by the end of its name
  BOOST_TEST(!layers(llama).rounds.at("model.layers.1.mlp.up_proj"));
}

BOOST_AUTO_TEST_CASE(what_is_saved_is_the_same_model) {
  check_saved<BitNetForCausalLM<any_q>>("bitnet/ternary_packed");
  check_saved<BitNetForCausalLM<f32>>("bitnet/ternary_online");
  check_saved<LlamaForCausalLM<any_q>>("llama/ternary_packed");
}

BOOST_AUTO_TEST_CASE(codes_by_hand) {
  // 0b10100001 and 0b00011000, as transformers.integrations.bitnet.unpack_weights explains them.
  const std::uint8_t codes[] = {0b10100001, 0b00011000, 0b10010000, 0b00001010};
  const f32 scale = 0.5f;
  std::vector<stored_tensor> tensors(2);
  tensors[0].name = "x.weight", tensors[0].dtype = dtype_id::u8, tensors[0].shape = {2, 2};
  tensors[0].bytes = std::as_bytes(std::span(codes));
  tensors[1].name = "x.weight_scale", tensors[1].shape = {1};
  tensors[1].bytes = std::as_bytes(std::span(&scale, 1));
  const auto unpacked = [&](const std::string& config) {
    std::vector<std::string> names;
    return hft::detail::unpack_bitnet(tensors, parse_json(config, "test"), "test", names).at(0);
  };
  const f32 expected[] = {0, -1, -1, 1, -1, 1, -1, 1, 1, 0, 0, -1, 1, -1, 1, -1};
  for (const char* kind : {"bitlinear", "autobitlinear"}) {
    const auto weight = unpacked(hft::detail::cat("{\"linear_class\": \"", kind, "\"}"));
    BOOST_TEST((weight.shape == std::vector<isize>{8, 2}));
    BOOST_TEST((weight.dtype == dtype_id::bf16));  // which holds 2 and 0.5
    std::vector<f32> values(16);
    convert(dtype_id::f32, values.data(), weight.dtype, weight.bytes.data(), 16);
    const f32 factor = std::string(kind) == "bitlinear" ? 2 : 0.5f;
    for (std::size_t i = 0; i < values.size(); ++i) BOOST_TEST(values[i] == expected[i] * factor);
  }
  tensors[1].shape = {2};
  BOOST_CHECK_THROW(unpacked("{}"), weight_error);
  tensors[1].shape = {1}, tensors[0].shape = {4};
  BOOST_CHECK_THROW(unpacked("{}"), weight_error);
}

BOOST_AUTO_TEST_CASE(configs_that_are_not_sound) {
  const auto holds = [](const char* config) { return hft::detail::holds_bitnet(parse_json(config, "test"), "test"); };
  BOOST_TEST(holds("{\"quant_method\": \"bitnet\"}"));
  BOOST_TEST(!holds("{\"quant_method\": \"bitsandbytes\"}"));
  BOOST_TEST(!holds("null"));
  BOOST_CHECK_THROW(holds("{\"quant_method\": \"bitnet\", \"linear_class\": \"linear\"}"), config_error);
  BOOST_CHECK_THROW(holds("{\"quant_method\": \"bitnet\", \"quantization_mode\": 3}"), error);
  BOOST_CHECK_THROW(holds("{\"quant_method\": \"bitnet\", \"use_rms_norm\": true}"), unsupported_error);
}

BOOST_AUTO_TEST_SUITE_END()
