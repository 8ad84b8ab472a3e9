// Checkpoints as llama.cpp's converter writes them (tests/oracle/gguf_conversions.py): the model of the file gives what
// the folder's gives, which is what Transformers gives.
#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <hft/auto.hpp>
#include <hft/io/gguf_writer.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

namespace {

// The values of all tensors of a checkpoint, by name one after the other.
std::vector<f32> all_values(const checkpoint& source) {
  std::map<std::string, const stored_tensor*> by_name;
  for (const auto& t : source.tensors()) by_name.emplace(t.name, &t);
  std::vector<f32> values;
  for (const auto& [name, t] : by_name) {
    const std::size_t end = values.size();
    values.resize(end + std::size_t(t->numel()));
    std::memcpy(values.data() + end, t->bytes.data(), t->bytes.size());
  }
  return values;
}

// A tensor by its recipe.
std::vector<f32> made(const json& recipe, const std::vector<f32>& values) {
  std::vector<f32> out;
  if (recipe.contains("values")) return recipe["values"].get<std::vector<f32>>();
  const f32 plus = recipe.contains("plus") ? recipe["plus"].get<f32>() : 0;
  for (const json& run : recipe["runs"]) {
    const auto r = run.get<std::vector<isize>>();  // from, step, count, outer step, times
    for (isize outer = 0; outer < r[4]; ++outer)
      for (isize i = 0; i < r[2]; ++i) out.push_back(values.at(std::size_t(r[0] + outer * r[3] + i * r[1])) + plus);
  }
  return out;
}

void write_converted(const json& recipe, const std::filesystem::path& recipe_file, const std::filesystem::path& to) {
  const auto source = checkpoint::open(data("models/" + recipe["checkpoint"].get<std::string>()));
  const auto values = all_values(source);
  const auto metadata_file = gguf_file::open(std::filesystem::path(recipe_file).replace_extension(".gguf"));
  gguf_metadata metadata;
  for (const auto& value : metadata_file.metadata()) metadata.set(value);
  std::vector<std::vector<f32>> held;
  std::vector<stored_tensor> tensors;
  for (auto it = recipe["tensors"].begin(); it != recipe["tensors"].end(); ++it) {
    held.push_back(made(it.value(), values));
    stored_tensor t;
    t.name = it.key(), t.shape = it.value()["shape"].get<std::vector<isize>>();
    t.bytes = std::as_bytes(std::span(held.back()));
    BOOST_TEST_REQUIRE(t.numel() == isize(held.back().size()), t.name);
    tensors.push_back(std::move(t));
  }
  write_gguf(to, metadata, tensors);
}

// The folder's model, with those fields of its config that the recipe changes.
AnyModel<> original(const json& recipe, const std::filesystem::path& temporary) {
  const auto folder = data("models/" + recipe["checkpoint"].get<std::string>());
  std::filesystem::create_directories(temporary);
  std::filesystem::copy(folder / "model.safetensors", temporary / "model.safetensors");
  json config = read_json(folder / "config.json");
  for (auto it = recipe["config"].begin(); it != recipe["config"].end(); ++it) config[it.key()] = it.value();
  std::ofstream(temporary / "config.json") << dump(config);
  return AutoModelForCausalLM<>::from_pretrained(temporary.string());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gguf)

BOOST_AUTO_TEST_CASE(a_converted_checkpoint_is_the_same_model) {
  const auto temporary = std::filesystem::temp_directory_path() / ("hft_converted_" + std::to_string(::getpid()));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data("gguf/converted"))) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    BOOST_TEST_CONTEXT(entry.path().filename().string()) {
      std::filesystem::remove_all(temporary);
      const json recipe = read_json(entry.path());
      const auto expected = original(recipe, temporary);
      write_converted(recipe, entry.path(), temporary / "model.gguf");
      const auto model = AutoModelForCausalLM<>::from_pretrained((temporary / "model.gguf").string());
      const golden g(data("models/" + recipe["checkpoint"].get<std::string>()) / "golden.safetensors");
      for (const auto& pass : g.passes("logits")) {
        const auto inputs = g.pass(pass, result_names());
        const auto y = model.forward(inputs), z = expected.forward(inputs);
        BOOST_TEST_REQUIRE(y.size() == z.size());
        for (std::size_t i = 0; i < y.size(); ++i)
          check_close(y[i].bytes, y[i].shape, z[i], g.ids(pass + ".attention_mask"), 1e-5);
      }
    }
  }
  std::filesystem::remove_all(temporary);
  BOOST_TEST(files == 26);
}

BOOST_AUTO_TEST_SUITE_END()
