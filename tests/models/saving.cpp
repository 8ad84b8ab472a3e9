// save_pretrained writes what from_pretrained and Transformers read: bit for bit the weights that came in.
#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include <hft/auto.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(saving)

namespace {

struct temporary_folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("hft_saving_" + std::to_string(::getpid()));
  temporary_folder() { std::filesystem::remove_all(path); }
  ~temporary_folder() { std::filesystem::remove_all(path); }
};

// Every tensor of `saved` is in `original` with the same dtype, shape and bytes.
void check_same_weights(const checkpoint& saved, const checkpoint& original) {
  for (const auto& t : saved.tensors()) {
    const auto* o = original.find(t.name);
    BOOST_TEST_REQUIRE(o != nullptr, t.name);
    BOOST_TEST((t.dtype == o->dtype && t.shape == o->shape), t.name);
    BOOST_TEST(std::equal(t.bytes.begin(), t.bytes.end(), o->bytes.begin(), o->bytes.end()), t.name);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(weights_and_config_survive) {
  for (const std::string arch : {"llama", "gpt2", "bert"})
    for (const auto& entry : std::filesystem::directory_iterator(data("models/" + arch))) {
      const auto& folder = entry.path();
      const auto name = folder.filename().string();
      if (name == "hub_names" || name == "old_names") continue;  // saved under today's names
      BOOST_TEST_CONTEXT(folder.string()) {
        const temporary_folder out;
        const auto model = AutoModel<>::from_pretrained(folder.string());
        model.save_pretrained(out.path);
        const auto saved = checkpoint::open(out.path), original = checkpoint::open(folder);
        check_same_weights(saved, original);
        const auto again = AutoModel<>::from_pretrained(out.path.string());
        BOOST_TEST(again.config().fields.dump() == model.config().fields.dump());
        BOOST_TEST(again.architecture() == model.architecture());
        const golden g(folder / "golden.safetensors");
        const auto a = model.forward(g.ids("batch.input_ids")), b = again.forward(g.ids("batch.input_ids"));
        for (std::size_t i = 0; i < a.size(); ++i)
          BOOST_TEST(std::equal(a[i].bytes.begin(), a[i].bytes.end(), b[i].bytes.begin(), b[i].bytes.end()));
      }
    }
}

BOOST_AUTO_TEST_CASE(shards_are_written_and_read) {
  const temporary_folder out;
  const auto folder = data("models/llama/base");
  LlamaForCausalLM<f32>::from_pretrained(folder.string())
      .save_pretrained(out.path, {.dtype = {}, .max_shard_size = 40'000});
  BOOST_TEST(std::filesystem::exists(out.path / "model.safetensors.index.json"));
  check_same_weights(checkpoint::open(out.path), checkpoint::open(folder));
  LlamaForCausalLM<f32>::from_pretrained(out.path.string());
}

BOOST_AUTO_TEST_CASE(quantised_weights_are_saved_as_what_they_mean) {
  const temporary_folder out;
  const auto file = data("gguf/llama_q8_0.gguf").string();
  const auto model = LlamaForCausalLM<any_q>::from_pretrained(file);
  model.save_pretrained(out.path);
  const auto again = LlamaForCausalLM<f32>::from_pretrained(out.path.string());
  const auto exact = LlamaForCausalLM<f32>::from_pretrained(file);
  const auto ids = Tensor<i64, 2>::from({3, 1, 4, 1, 5}, {1, 5});
  const auto a = again(ids).logits, b = exact(ids).logits;
  BOOST_TEST(std::equal(a.data(), a.data() + a.size(), b.data()));
  BOOST_CHECK_THROW(model.save_pretrained(out.path, {.dtype = dtype_id::q4_0}), value_error);
}

BOOST_AUTO_TEST_CASE(strict_loading_says_what_is_wrong) {
  const temporary_folder out;
  const auto folder = data("models/llama/base");
  const auto message = [&](auto change) {
    std::filesystem::create_directories(out.path);
    auto config = read_json(folder / "config.json");
    std::vector<stored_tensor> tensors;
    const auto source = checkpoint::open(folder);
    for (const auto& t : source.tensors()) tensors.push_back(t);
    change(config, tensors);
    write_safetensors(out.path / "model.safetensors", tensors, {});
    write_file_atomically(out.path / "config.json", dump(config));
    try {
      LlamaForCausalLM<f32>::from_pretrained(out.path.string());
    } catch (const weight_error& e) {
      return std::string(e.what());
    }
    return std::string("loaded");
  };
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  auto text = message(
      [](json&, auto& tensors) { std::erase_if(tensors, [](auto& t) { return t.name == "model.norm.weight"; }); });
  BOOST_TEST(has(text, "missing 'model.norm.weight'"), text);
  text = message([](json&, auto& tensors) {
    auto extra = tensors[0];
    extra.name = "model.extra.weight";
    tensors.push_back(extra);
  });
  BOOST_TEST(has(text, "unexpected 'model.extra.weight'"), text);
  text = message([](json& config, auto&) { config["intermediate_size"] = 17; });
  BOOST_TEST((has(text, "gate_proj.weight'") && has(text, "expected (17, ") && has(text, "found (")), text);
  text = message([](json&, auto&) {});
  BOOST_TEST(text == "loaded");
}

BOOST_AUTO_TEST_SUITE_END()
