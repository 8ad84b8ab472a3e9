// Models saved as bitsandbytes quantises them: tensors and config of Transformers' own folders
// (tests/oracle/bitsandbytes_4bit.py), which layers are quantised, what is kept and what the log says.
#include <unistd.h>
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <hft/auto.hpp>
#include <hft/models/bitnet.hpp>
#include <hft/models/bitsandbytes_config.hpp>
#include <hft/models/llama.hpp>
#include <hft/quantization/bitsandbytes_writer.hpp>

#include "golden.hpp"
#include "golden_list.hpp"
#include "log_of.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(bitsandbytes_config)

namespace {

struct temporary_folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("hft_bitsandbytes_" + std::to_string(::getpid()));
  temporary_folder() { std::filesystem::remove_all(path); }
  ~temporary_folder() { std::filesystem::remove_all(path); }
};

const BitsAndBytesConfig nf4_config{.load_in_4bit = true, .bnb_4bit_quant_type = "nf4"};

bool same(const stored_tensor& a, const stored_tensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.bytes, b.bytes);
}

json state_of(const stored_tensor& t) {
  return json::parse({reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()});
}

// The layers of a folder that are quantised.
std::set<std::string> quantised(const std::filesystem::path& folder) {
  std::set<std::string> layers;
  const auto saved = checkpoint::open(folder);
  for (const auto& t : saved.tensors())
    if (const auto at = t.name.rfind(".weight.quant_state."); at != t.name.npos) layers.insert(t.name.substr(0, at));
  return layers;
}

std::string with_stars(const std::string& path) {
  std::string out, word;
  for (const char c : path + ".") {
    if (c != '.') {
      word += c;
      continue;
    }
    const bool number = word.find_first_not_of("0123456789") == word.npos;
    out.append(out.empty() ? "" : ".").append(number ? "*" : word);
    word.clear();
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(folders_of_transformers) {
  const auto check = [](const std::string& base, const std::string& name, BitsAndBytesConfig config) {
    BOOST_TEST_CONTEXT(name) {
      const temporary_folder out;
      const ::test::log_of log;
      config.load_in_4bit = true;
      AutoModel<>::from_pretrained(data("models/" + base).string())
          .save_pretrained(out.path, {.quantization_config = config});
      BOOST_TEST(log.messages.empty());
      const auto expected = checkpoint::open(data("quantization/" + name)), saved = checkpoint::open(out.path);
      BOOST_TEST(saved.tensors().size() == expected.tensors().size());
      for (const auto& t : saved.tensors()) {
        const auto* e = expected.find(t.name);
        BOOST_TEST_REQUIRE(e, t.name);
        // The mean of scales is torch's but for the order of its sum.
        if (config.bnb_4bit_use_double_quant && t.name.find(".quant_state.") != t.name.npos) {
          json ours = state_of(t), theirs = state_of(*e);
          BOOST_TEST(std::abs(ours["nested_offset"].get<f64>() - theirs["nested_offset"].get<f64>()) < 1e-7);
          ours["nested_offset"] = theirs["nested_offset"];
          BOOST_TEST(ours.dump() == theirs.dump());
        } else if (t.name.ends_with(".nested_absmax")) {
          BOOST_TEST_REQUIRE((t.bytes.size() == 4 && e->bytes.size() == 4));
          f32 a, b;
          std::memcpy(&a, t.bytes.data(), 4), std::memcpy(&b, e->bytes.data(), 4);
          BOOST_TEST(std::abs(a - b) < 1e-7f);
        } else {
          BOOST_TEST(same(t, *e), t.name);
        }
      }
      const json ours = read_json(out.path / "config.json"),
                 theirs = read_json(data("quantization/" + name) / "config.json");
      for (const char* field : {"architectures", "dtype", "quantization_config"})
        BOOST_TEST(dump(ours[field]) == dump(theirs[field]));
    }
  };
  check("llama/base", "llama_nf4_double", {.bnb_4bit_quant_type = "nf4", .bnb_4bit_use_double_quant = true});
  check("gpt2/base", "gpt2_nf4", {.bnb_4bit_quant_type = "nf4"});
  check("llama/gqa_odd", "llama_fp4_double", {.bnb_4bit_use_double_quant = true});
}

BOOST_AUTO_TEST_CASE(layers_that_transformers_quantises) {
  const json golden = read_json(std::filesystem::path(HFT_TEST_DATA) / "quantization" / "bitsandbytes_modules.json");
  int folders = 0;
  for (const auto& group : filled(golden["models"]))
    for (const auto& folder : filled(group["folders"])) {
      const auto name = folder.get<std::string>();
      if (name.starts_with("bitnet/")) continue;  // its layers round what they see
      const temporary_folder out;
      AutoModel<>::from_pretrained(data("models/" + name).string())
          .save_pretrained(out.path, {.quantization_config = nf4_config});
      std::set<std::string> layers, expected;
      for (const auto& layer : quantised(out.path)) layers.insert(with_stars(layer));
      for (const auto& layer : group["layers"]) expected.insert(layer.get<std::string>());
      for (const auto& layer : layers) BOOST_TEST(expected.contains(layer), name << " should keep " << layer);
      for (const auto& layer : expected) BOOST_TEST(layers.contains(layer), name << " should quantise " << layer);
      ++folders;
    }
  BOOST_TEST(folders > 100);
}

BOOST_AUTO_TEST_CASE(codes_and_scales_of_nf4_stay) {
  const auto folder = data("quantization/llama_nf4_double");
  const auto model = LlamaForCausalLM<any_q>::from_pretrained(folder.string());
  const auto before = checkpoint::open(folder);
  const temporary_folder out;
  const ::test::log_of log;
  model.save_pretrained(out.path, {.quantization_config = nf4_config});
  // Rows of down_proj are 96 elements: no whole blocks, so that it is f32 in the model.
  const auto layers = quantised(folder);
  const auto check_codes = [&] {
    const auto saved = checkpoint::open(out.path);
    for (const auto& layer : layers) {
      const auto *a = saved.find(layer + ".weight"), *b = before.find(layer + ".weight");
      BOOST_TEST_REQUIRE((a && b), layer);
      if (!layer.ends_with("down_proj")) BOOST_TEST(same(*a, *b), layer);
    }
  };
  BOOST_TEST(layers.size() == 14u);
  check_codes();
  BOOST_TEST(log.messages.empty());
  // The dtype of the rest is its own, not that of weights in blocks.
  BOOST_TEST(read_json(out.path / "config.json")["dtype"] == "float32");
  auto again = LlamaForCausalLM<any_q>::from_pretrained(out.path.string());
  const auto ids = Tensor<i64, 2>::from({5, 17, 3, 60, 9}, {1, 5});
  const auto a = model(ids).logits.dense(), b = again(ids).logits.dense();
  BOOST_TEST(std::equal(a.data(), a.data() + a.size(), b.data()));

  auto twice = nf4_config;
  twice.bnb_4bit_use_double_quant = true;
  model.save_pretrained(out.path, {.quantization_config = twice});
  BOOST_TEST_REQUIRE(log.messages.size() == 1u);
  BOOST_TEST(log.has("scales of weights in nf4 are rounded to 8 bits, as bnb_4bit_use_double_quant asks"));
  check_codes();
}

BOOST_AUTO_TEST_CASE(blocks_that_are_rounded_twice_or_widened_are_said) {
  const temporary_folder out;
  const auto base = data("models/llama/base").string();
  const auto model = LlamaForCausalLM<any_q>::from_pretrained(base, {.dtype = dtype_id::q8_0});
  const auto messages_of = [&](const auto& saved, const SaveOptions& options) {
    const ::test::log_of log;
    saved.save_pretrained(out.path, options);
    std::string all;
    for (const auto& text : log.messages) all += text.substr(text.find("] ") + 2) + "\n";
    return all;
  };
  const std::string widened = "safetensors have no blocks: weights in q8_0 are written as f32; save_gguf keeps them\n";
  BOOST_TEST(messages_of(model, {}) == widened);
  BOOST_TEST(messages_of(model, {.dtype = dtype_id::f32}) == "");  // who asks for it knows
  BOOST_TEST(messages_of(model, {.quantization_config = nf4_config}) ==
             "weights in q8_0 are rounded a second time, to nf4\n" + widened);
  const auto folder = data("quantization/llama_nf4_double").string();
  auto fp4 = nf4_config;
  fp4.bnb_4bit_quant_type = "fp4";
  BOOST_TEST(messages_of(LlamaForCausalLM<any_q>::from_pretrained(folder), {.quantization_config = fp4}) ==
             "weights in nf4 are rounded a second time, to fp4\n");
  BOOST_TEST((quantised(out.path) == quantised(folder)));
}

BOOST_AUTO_TEST_CASE(what_stays_is_of_the_dtype) {
  const auto folder = data("models/llama/base").string();
  const temporary_folder out;
  LlamaForCausalLM<f32>::from_pretrained(folder).save_pretrained(
      out.path, {.dtype = dtype_id::bf16, .quantization_config = nf4_config});
  const auto saved = checkpoint::open(out.path);
  BOOST_TEST((saved.find("model.norm.weight")->dtype == dtype_id::bf16));
  BOOST_TEST((saved.find("lm_head.weight")->dtype == dtype_id::bf16));
  const std::string weight = "model.layers.1.mlp.up_proj.weight";
  BOOST_TEST(state_of(*saved.find(weight + ".quant_state.bitsandbytes__nf4"))["dtype"] == "bfloat16");
  // Its values are those of the model, not rounded to bf16 first.
  const auto direct = detail::bitsandbytes_tensors(*checkpoint::open(folder).find(weight), {}, "bfloat16", "test");
  for (const auto& t : direct) BOOST_TEST(same(*saved.find(t.name), t), t.name);

  // Of half precision by its type
  LlamaForCausalLM<bf16>::from_pretrained(folder).save_pretrained(out.path, {.quantization_config = nf4_config});
  BOOST_TEST(read_json(out.path / "config.json")["dtype"] == "bfloat16");
  const auto names = quantised(out.path);
  BOOST_TEST(names.size() == 14u);
}

BOOST_AUTO_TEST_CASE(modules_that_are_skipped) {
  const auto model = LlamaForCausalLM<any_q>::from_pretrained(data("models/llama/base").string());
  const temporary_folder out;
  auto config = nf4_config;
  config.llm_int8_skip_modules = {"model.layers.1", "o_proj", "lm_head"};
  model.save_pretrained(out.path, {.quantization_config = config});
  const std::set<std::string> expected{"model.layers.0.mlp.down_proj",    "model.layers.0.mlp.gate_proj",
                                       "model.layers.0.mlp.up_proj",      "model.layers.0.self_attn.k_proj",
                                       "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj"};
  BOOST_TEST((quantised(out.path) == expected));
  BOOST_TEST(read_json(out.path / "config.json")["quantization_config"]["llm_int8_skip_modules"].dump() ==
             "[\"model.layers.1\", \"o_proj\", \"lm_head\"]");
  config.llm_int8_skip_modules = std::vector<std::string>{};  // none, the head neither
  model.save_pretrained(out.path, {.quantization_config = config});
  BOOST_TEST(quantised(out.path).contains("lm_head"));
  LlamaForCausalLM<any_q>::from_pretrained(out.path.string());

  // A class whose layers are no nn.Linear to Transformers
  const ::test::log_of log;
  AutoModel<>::from_pretrained(data("models/falcon/base").string())
      .save_pretrained(out.path, {.quantization_config = nf4_config});
  BOOST_TEST(log.has("the model has no layer that bitsandbytes quantises"));
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto model = LlamaForCausalLM<any_q>::from_pretrained(data("models/llama/base").string());
  const temporary_folder out;
  const auto check = [&](auto change, const std::string& text) {
    auto config = nf4_config;
    change(config);
    BOOST_CHECK_EXCEPTION(model.save_pretrained(out.path, {.quantization_config = config}), error, [&](const error& e) {
      BOOST_TEST(e.what() == text);
      return true;
    });
    BOOST_TEST(!std::filesystem::exists(out.path / "config.json"));
  };
  check([](auto& c) { c.load_in_8bit = true; }, "[BitsAndBytesConfig] load_in_8bit: expected load_in_4bit, got true");
  check([](auto& c) { c.load_in_4bit = false; }, "[BitsAndBytesConfig] load_in_4bit: expected true, got false");
  check([](auto& c) { c.bnb_4bit_quant_type = "int4"; },
        "[BitsAndBytesConfig] bnb_4bit_quant_type: expected nf4 or fp4, got 'int4'");
  check([](auto& c) { c.bnb_4bit_compute_dtype = dtype_id::q8_0; },
        "[BitsAndBytesConfig] bnb_4bit_compute_dtype: expected f32, f16 or bf16, got q8_0");
  check([](auto& c) { c.bnb_4bit_quant_storage = dtype_id::i64; },
        "[BitsAndBytesConfig] bnb_4bit_quant_storage: expected u8, i8, f16, bf16, f32 or f64, got i64");
  check(
      [](auto& c) { c.llm_int8_skip_modules = {"layers.*.mlp"}; },
      "[BitsAndBytesConfig] llm_int8_skip_modules: expected beginnings or ends of modules' names, got 'layers.*.mlp'");
  const auto odd = LlamaForCausalLM<any_q>::from_config({.vocab_size = 41,
                                                         .hidden_size = 6,
                                                         .intermediate_size = 5,
                                                         .num_hidden_layers = 1,
                                                         .num_attention_heads = 3,
                                                         .num_key_value_heads = 3});
  auto config = nf4_config;
  config.bnb_4bit_quant_storage = dtype_id::bf16;
  BOOST_CHECK_EXCEPTION(
      odd.save_pretrained(out.path, {.quantization_config = config}), weight_error, [&](const error& e) {
        BOOST_TEST(e.what() == "[" + out.path.string() +
                                   "] tensor 'model.layers.0.mlp.gate_proj.weight': expected whole elements of bf16 "
                                   "(bnb_4bit_quant_storage), got 15 bytes of codes of (5, 6)");
        return true;
      });
  const auto rounding = AutoModel<>::from_pretrained(data("models/bitnet/ternary_packed").string());
  BOOST_CHECK_THROW(rounding.save_pretrained(out.path, {.quantization_config = nf4_config}), unsupported_error);
}

BOOST_AUTO_TEST_SUITE_END()
