// output_hidden_states and output_attentions against Transformers.
#include <unistd.h>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>

#include <hft/auto.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(observed)

namespace {

bool is_state(const std::string& name) {
  return name.find("hidden_states.") != name.npos || name.find("attentions.") != name.npos;
}

// Compares what a pass shows with a golden; tokens of padding, rows of either, are no result.
void check_states(const std::vector<stored_tensor>& outputs, const golden& g) {
  std::size_t states = 0, compared = 0;
  for (const auto& t : g.tensors()) states += is_state(t.name);
  for (const auto& y : outputs) {
    if (!is_state(y.name)) continue;
    const auto& e = g.at(y.name);
    BOOST_TEST_REQUIRE(y.shape == e.shape, boost::test_tools::per_element());
    ++compared;
    const bool decoder = y.name.starts_with("decoder") || y.name.starts_with("cross");
    const auto mask = g.ids(decoder ? "decoder_attention_mask" : "attention_mask");
    const auto* a = reinterpret_cast<const f32*>(y.bytes.data());
    const auto* b = reinterpret_cast<const f32*>(e.bytes.data());
    const isize cols = y.shape.back(), heads = y.shape.size() == 4 ? y.shape[1] : 1, T = y.shape[y.shape.size() - 2];
    f32 largest = 0, worst = 0;
    for (isize r = 0; r < y.numel() / cols; ++r) {
      if (mask && !mask.data()[r / (heads * T) * T + r % T]) continue;
      for (isize c = 0; c < cols; ++c) {
        largest = std::max(largest, std::abs(b[r * cols + c]));
        worst = std::max(worst, std::abs(a[r * cols + c] - b[r * cols + c]));
      }
    }
    BOOST_TEST(worst <= 2e-4f * largest, y.name << ": off by " << worst << ", largest " << largest);
  }
  BOOST_TEST(compared == states);
}

// The inputs of a golden.
std::vector<stored_tensor> inputs_of(const golden& g) {
  std::vector<stored_tensor> out;
  for (const auto& t : g.tensors())
    if (!is_state(t.name)) out.push_back(t);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(states_and_weights_are_those_of_transformers) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data("observed"))) {
    ++files;
    BOOST_TEST_CONTEXT(entry.path().filename().string()) {
      const golden g(entry.path());
      const auto file = safetensors_file::open(entry.path());
      const auto model = AutoModel<>::from_pretrained(data("models/" + file.metadata().at("checkpoint")).string());
      for (const auto& t : model.forward(inputs_of(g))) BOOST_TEST(!is_state(t.name));
      check_states(model.forward(inputs_of(g), "inputs", {.output_hidden_states = true, .output_attentions = true}), g);
    }
  }
  BOOST_TEST(files == 8);
}

BOOST_AUTO_TEST_CASE(a_config_may_ask_for_them) {
  const golden g(data("observed/bert_classifier.safetensors"));
  const auto file = safetensors_file::open(data("observed/bert_classifier.safetensors"));
  const auto source = data("models/" + file.metadata().at("checkpoint"));
  const auto folder = std::filesystem::temp_directory_path() / ("hft_observed_" + std::to_string(::getpid()));
  std::filesystem::copy(source, folder);
  json config = read_json(folder / "config.json");
  config["output_hidden_states"] = true;
  config["output_attentions"] = true;
  std::filesystem::remove(folder / "config.json");
  std::ofstream(folder / "config.json") << config.dump();
  const auto model = AutoModel<>::from_pretrained(folder.string());
  check_states(model.forward(inputs_of(g)), g);
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_SUITE_END()
