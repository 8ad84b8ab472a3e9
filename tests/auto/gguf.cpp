// Checkpoints as llama.cpp's converter writes them (tests/oracle/gguf_conversions.py): the model of the file gives what
// the folder's gives, which is what Transformers gives.
#include <unistd.h>
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/auto.hpp>
#include <hft/io/gguf_writer.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/quantization/convert.hpp>

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

void write_converted(const json& recipe, const std::filesystem::path& recipe_file, const std::filesystem::path& to,
                     const tensors_change& change = {}) {
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

// Matrices of whole blocks in Q8_0, and where they are to be in f32 the same values as f32.
void quantise(std::vector<stored_tensor>& tensors, bool widened) {
  for (auto& t : tensors) {
    if (t.shape.size() < 2 || t.shape.back() % 32) continue;
    const isize cols = t.shape.back(), rows = t.numel() / cols;
    auto blocks = std::make_shared<std::vector<std::byte>>(*detail::storage_bytes(dtype_id::q8_0, t.shape));
    convert_rows(dtype_id::q8_0, blocks->data(), t.dtype, t.bytes.data(), rows, cols);
    auto bytes = blocks;
    if (widened) {
      bytes = std::make_shared<std::vector<std::byte>>(std::size_t(t.numel()) * sizeof(f32));
      convert_rows(dtype_id::f32, bytes->data(), dtype_id::q8_0, blocks->data(), rows, cols);
    }
    t.dtype = widened ? dtype_id::f32 : dtype_id::q8_0;
    t.bytes = *bytes;
    t.owner = std::move(bytes);
  }
}

// The folder's model, with those fields of its config that the recipe changes.
AnyModel<> original(const json& recipe, const std::filesystem::path& temporary) {
  const auto folder = data("models/" + recipe["checkpoint"].get<std::string>());
  std::filesystem::create_directories(temporary);
  std::filesystem::copy(folder / "model.safetensors", temporary / "model.safetensors");
  json config = read_json(folder / "config.json");
  for (auto it = recipe["config"].begin(); it != recipe["config"].end(); ++it) config[it.key()] = it.value();
  std::ofstream(temporary / "config.json") << dump(config);
  return AutoModel<>::from_pretrained(temporary.string());
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
      const auto model = AutoModel<>::from_pretrained((temporary / "model.gguf").string());
      const golden g(data("models/" + recipe["checkpoint"].get<std::string>()) / "golden.safetensors");
      const auto without = get<std::vector<std::string>>(recipe, "without", {}, entry.path().string());
      for (const auto& pass : g.passes(g.some_result().first)) {
        if (std::find(without.begin(), without.end(), pass) != without.end()) continue;
        const auto inputs = g.pass(pass, result_names());
        const auto y = model.forward(inputs), z = expected.forward(inputs);
        BOOST_TEST_REQUIRE(!y.empty());
        for (const auto& result : y) {  // of encoders llama.cpp leaves the pooler out
          const auto same = std::find_if(z.begin(), z.end(), [&](const auto& t) { return t.name == result.name; });
          BOOST_TEST_REQUIRE((same != z.end()), result.name);
          check_close(result.bytes, result.shape, *same, g.ids(pass + ".attention_mask"), 1e-5);
        }
      }
    }
  }
  std::filesystem::remove_all(temporary);
  BOOST_TEST(files == 77);
}

// Rows of blocks are moved as they are; what crosses them is widened.
BOOST_AUTO_TEST_CASE(a_quantised_file_is_put_in_order_too) {
  const auto file = std::filesystem::temp_directory_path() / ("hft_quantised_" + std::to_string(::getpid()) + ".gguf");
  for (const char* name :
       {"bloom_base", "falcon_new_decoder", "deepseek_v2_base", "mixtral_base", "qwen3_next_ungrouped"})
    BOOST_TEST_CONTEXT(name) {
      const auto recipe_file = data("gguf/converted") / (std::string(name) + ".json");
      const json recipe = read_json(recipe_file);
      const auto model = [&](bool widened) {
        write_converted(recipe, recipe_file, file, [&](auto& tensors) { quantise(tensors, widened); });
        return AutoModel<>::from_pretrained(file.string());
      };
      const auto blocks = model(false);
      const auto expected = model(true);
      const golden g(data("models/" + recipe["checkpoint"].get<std::string>()) / "golden.safetensors");
      const auto inputs = g.pass("single", result_names());
      const auto y = blocks.forward(inputs), z = expected.forward(inputs);
      check_close(y.at(0).bytes, y.at(0).shape, z.at(0), {}, 2e-2);
    }
  std::filesystem::remove(file);
}

BOOST_AUTO_TEST_CASE(what_is_not_whole_is_one_error) {
  const auto file = std::filesystem::temp_directory_path() / ("hft_broken_" + std::to_string(::getpid()) + ".gguf");
  const auto fails = [&](const char* name, const char* tensor, const tensors_change& change, const char* says) {
    BOOST_TEST_CONTEXT(name << ", " << tensor) {
      const auto recipe_file = data("gguf/converted") / (std::string(name) + ".json");
      write_converted(read_json(recipe_file), recipe_file, file, change);
      BOOST_CHECK_EXCEPTION(AutoModel<>::from_pretrained(file.string()), weight_error, [&](const error& e) {
        BOOST_TEST_INFO(e.what());
        const std::string_view text = e.what();
        return text.find(tensor) != text.npos && text.find(says) != text.npos;
      });
    }
  };
  const auto without = [](std::string_view name) {
    return [name](std::vector<stored_tensor>& tensors) {
      std::erase_if(tensors, [&](const auto& t) { return t.name == name; });
    };
  };
  fails("deepseek_v2_base", "kv_b_proj.weight", without("blk.0.attn_v_b.weight"), "missing");
  fails("mamba_base", "A_log", without("blk.1.ssm_a"), "missing");
  fails("mixtral_base", "experts.0.w3.weight", without("blk.0.ffn_up_exps.weight"), "missing");
  fails(
      "bloom_base", "blk.0.attn_qkv.weight",
      [](auto& tensors) {
        for (auto& t : tensors)
          if (t.name == "blk.0.attn_qkv.weight") t.shape[0] -= 3, t.bytes = t.bytes.first(t.bytes.size() / 96 * 93);
      },
      "expected (96, 32), found (93, 32)");
  std::filesystem::remove(file);
}

BOOST_AUTO_TEST_SUITE_END()
