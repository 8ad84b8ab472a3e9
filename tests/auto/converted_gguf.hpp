// Checkpoints as llama.cpp's converter writes them, put together by what tests/oracle/gguf_conversions.py keeps of
// them: tests/data/gguf/converted/NAME.{json,gguf}, the places of values and the metadata.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/auto.hpp>
#include <hft/io/gguf_writer.hpp>
#include <hft/io/stored_tensor.hpp>

#include "../models/golden.hpp"

namespace hft::test::converted {

// The values of all tensors of a checkpoint, by name one after the other.
inline std::vector<f32> all_values(const checkpoint& source) {
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
inline std::vector<f32> made(const json& recipe, const std::vector<f32>& values) {
  std::vector<f32> out;
  if (recipe.contains("values")) return recipe["values"].get<std::vector<f32>>();
  const f32 plus = recipe.contains("plus") ? recipe["plus"].get<f32>() : 0;
  const bool minus_exp = recipe.contains("minus_exp");
  for (const json& run : recipe["runs"]) {
    const auto r = run.get<std::vector<isize>>();  // from, step, count, outer step, times
    for (isize outer = 0; outer < r[4]; ++outer)
      for (isize i = 0; i < r[2]; ++i) {
        const f32 value = values.at(std::size_t(r[0] + outer * r[3] + i * r[1])) + plus;
        out.push_back(minus_exp ? -std::exp(value) : value);
      }
  }
  return out;
}

using tensors_change = std::function<void(std::vector<stored_tensor>&)>;

inline void write_converted(const json& recipe, const std::filesystem::path& recipe_file,
                            const std::filesystem::path& to, const tensors_change& change = {}) {
  const auto source = checkpoint::open(data("models/" + recipe["checkpoint"].get<std::string>()));
  const auto values = all_values(source);
  const auto metadata_file = gguf_file::open(std::filesystem::path(recipe_file).replace_extension(".gguf"));
  gguf_metadata metadata;
  for (const auto& value : metadata_file.metadata()) metadata.set(value);
  if (recipe.contains("arrays"))
    for (auto it = recipe["arrays"].begin(); it != recipe["arrays"].end(); ++it)
      metadata.set(it.key(), std::span<const f32>(made(it.value(), values)));
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
  if (change) change(tensors);
  write_gguf(to, metadata, tensors);
}

// The folder's model, with those fields of its config that the recipe changes.
inline AnyModel<> original(const json& recipe, const std::filesystem::path& temporary) {
  const auto folder = data("models/" + recipe["checkpoint"].get<std::string>());
  std::filesystem::create_directories(temporary);
  std::filesystem::copy(folder / "model.safetensors", temporary / "model.safetensors");
  json config = read_json(folder / "config.json");
  for (auto it = recipe["config"].begin(); it != recipe["config"].end(); ++it) config[it.key()] = it.value();
  std::ofstream(temporary / "config.json") << dump(config);
  return AutoModel<>::from_pretrained(temporary.string());
}

}  // namespace hft::test::converted
