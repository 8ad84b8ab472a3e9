// Checkpoints as llama.cpp's converter writes them (tests/oracle/gguf_conversions.py): the model of the file gives what
// the folder's gives, which is what Transformers gives.
#include <unistd.h>
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/auto.hpp>
#include <hft/io/gguf_writer.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/quantization/convert.hpp>

#include "converted_gguf.hpp"

using namespace hft;
using namespace hft::test;
using namespace hft::test::converted;

namespace {

// Matrices in the formats in turn, of each the first whose blocks its rows are of, and where they are to be in f32 the
// same values as f32. Routers stay as they are, as llama.cpp leaves them.
void quantise(std::vector<stored_tensor>& tensors, const std::vector<dtype_id>& formats, bool widened) {
  std::size_t turn = 0;
  for (auto& t : tensors) {
    if (t.shape.size() < 2 || t.name.find("ffn_gate_inp") != t.name.npos) continue;
    const isize cols = t.shape.back(), rows = t.numel() / cols;
    std::size_t i = 0;
    while (i < formats.size() && cols % info(formats[(turn + i) % formats.size()]).block) ++i;
    if (i == formats.size()) continue;
    const dtype_id format = formats[(turn++ + i) % formats.size()];
    auto blocks = std::make_shared<std::vector<std::byte>>(*detail::storage_bytes(format, t.shape));
    convert_rows(format, blocks->data(), t.dtype, t.bytes.data(), rows, cols);
    auto bytes = blocks;
    if (widened) {
      bytes = std::make_shared<std::vector<std::byte>>(std::size_t(t.numel()) * sizeof(f32));
      convert_rows(dtype_id::f32, bytes->data(), format, blocks->data(), rows, cols);
    }
    t.dtype = widened ? dtype_id::f32 : format;
    t.bytes = *bytes;
    t.owner = std::move(bytes);
  }
}

isize bytes_of(const AnyModel<>& model) {
  isize bytes = 0;
  visiting sum([&](const std::string&, parameter& p) { bytes += p.bytes(); });
  model.visit(sum);
  return bytes;
}

// Eleven tokens, for a decoder behind an encoder, too.
std::vector<stored_tensor> some_tokens(bool for_decoder) {
  auto ids = std::make_shared<std::vector<i64>>();
  for (i64 i = 0; i < 11; ++i) ids->push_back(3 + i * 7 % 29);
  stored_tensor t;
  t.name = "input_ids", t.dtype = dtype_id::i64, t.shape = {1, 11};
  t.bytes = std::as_bytes(std::span(*ids));
  t.owner = ids;
  std::vector<stored_tensor> inputs{t};
  if (for_decoder) t.name = "decoder_input_ids", inputs.push_back(t);
  return inputs;
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

// Rows of blocks are moved, joined and split as they are, as are columns of whole blocks; what crosses blocks is
// widened. One of each kind of order that llama.cpp has matrices in, with rows that K-quants want.
BOOST_AUTO_TEST_CASE(a_quantised_file_is_put_in_order_too) {
  const auto file = std::filesystem::temp_directory_path() / ("hft_quantised_" + std::to_string(::getpid()) + ".gguf");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data("gguf/wide"))) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    const json recipe = read_json(entry.path());
    for (const auto& formats : std::vector<std::vector<dtype_id>>{
             {dtype_id::q4_k, dtype_id::q8_0},
             {dtype_id::q4_0},
             {dtype_id::q6_k, dtype_id::q4_k, dtype_id::q8_0, dtype_id::q4_0, dtype_id::q5_k}})
      BOOST_TEST_CONTEXT(entry.path().filename().string() << ", " << name(formats[0])) {
        const auto model = [&](bool widened, std::optional<dtype_id> dtype = {}) {
          write_converted(recipe, entry.path(), file, [&](auto& tensors) { quantise(tensors, formats, widened); });
          return AutoModel<>::from_pretrained(file.string(), {.dtype = dtype});
        };
        const auto inputs = some_tokens(entry.path().stem() == "t5");
        const auto expected = model(true), in_blocks = model(false), widened = model(false, dtype_id::f32);
        const auto z = expected.forward(inputs), y = in_blocks.forward(inputs), x = widened.forward(inputs);
        check_close(x.at(0).bytes, x.at(0).shape, z.at(0), {}, 1e-5);
        check_close(y.at(0).bytes, y.at(0).shape, z.at(0), {}, 2e-2);
        BOOST_TEST(2 * bytes_of(in_blocks) < bytes_of(expected));
      }
  }
  std::filesystem::remove(file);
  BOOST_TEST(files == 16);
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
