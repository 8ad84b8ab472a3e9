// save_pretrained writes what from_pretrained and Transformers read: bit for bit the weights that came in.
#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include <hft/auto.hpp>

#include "golden.hpp"
#include "log_of.hpp"

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
  int folders = 0;
  for (const auto& arch : architectures())
    for (const auto& folder : cases(arch)) {
      const auto name = folder.filename().string();
      if (name.starts_with("ternary")) continue;  // saved unpacked: bitnet.cpp
      if (name == "hub_names" || name == "old_names" || name == "names_in_memory" ||
          folder.parent_path().filename() / name == std::filesystem::path("esm/masked_lm_untied"))
        continue;  // saved under today's names
      ++folders;
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
        const auto inputs = g.pass(g.some_result().second, result_names());
        const auto a = model.forward(inputs), b = again.forward(inputs);
        BOOST_TEST(!a.empty());
        for (std::size_t i = 0; i < a.size(); ++i)
          BOOST_TEST(std::equal(a[i].bytes.begin(), a[i].bytes.end(), b[i].bytes.begin(), b[i].bytes.end()));
      }
    }
  BOOST_TEST(folders == 671);
}

BOOST_AUTO_TEST_CASE(what_generates_nothing_has_no_settings_of_generation) {
  for (const char* name : {"bert/base", "qwen2/sequence_classification"}) {
    const temporary_folder out;
    AutoModel<>::from_pretrained(data("models/" + std::string(name)).string()).save_pretrained(out.path);
    BOOST_TEST(std::filesystem::exists(out.path / "config.json"));
    BOOST_TEST(!std::filesystem::exists(out.path / "generation_config.json"));
  }
}

BOOST_AUTO_TEST_CASE(fields_that_hft_does_not_know_are_kept) {
  const temporary_folder out;
  const auto folder = data("models/bert/base"), in = out.path / "in";
  std::filesystem::create_directories(in);
  std::filesystem::copy(folder / "model.safetensors", in / "model.safetensors");
  json config = read_json(folder / "config.json");
  config["position_embedding_type"] = "absolute";
  config["task_specific_params"] = json::object({{"deep", json::array({1, 2.5, nullptr})}});
  config["quantization_config"] = json::object();  // says how the file was stored, not what the model is
  config["max_length"] = 7;                        // belongs to generation
  write_file_atomically(in / "config.json", config.dump());
  AutoModel<>::from_pretrained(in.string()).save_pretrained(out.path);
  const json saved = read_json(out.path / "config.json");
  for (const char* name : {"position_embedding_type", "task_specific_params"})
    BOOST_TEST((saved.contains(name) && saved[name].dump() == config[name].dump()), name);
  for (const char* name : {"quantization_config", "max_length"}) BOOST_TEST(!saved.contains(name), name);
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

BOOST_AUTO_TEST_CASE(loading_says_what_is_wrong) {
  ::test::log_of log;
  bool strict = false;
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
      LlamaForCausalLM<f32>::from_pretrained(out.path.string(), {.strict = strict});
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
  BOOST_TEST(text == "loaded");
  BOOST_TEST(log.has("the model does not have are left: unexpected 'model.extra.weight'"));
  log.messages.clear();
  strict = true;
  text = message([&](json&, auto& tensors) {
    auto extra = tensors[0];
    extra.name = "model.extra.weight";
    tensors.push_back(extra);
  });
  strict = false;
  BOOST_TEST(has(text, "unexpected 'model.extra.weight'"), text);
  BOOST_TEST(log.messages.empty());
  text = message([](json& config, auto&) { config["intermediate_size"] = 17; });
  BOOST_TEST((has(text, "gate_proj.weight'") && has(text, "expected (17, ") && has(text, "found (")), text);
  text = message([](json&, auto&) {});
  BOOST_TEST(text == "loaded");
}

BOOST_AUTO_TEST_CASE(weights_of_a_dtype_that_hft_does_not_have_are_named) {
  const temporary_folder out;
  std::filesystem::create_directories(out.path);
  std::filesystem::copy(data("models/llama/base/config.json"), out.path / "config.json");
  std::string header = R"({"model.norm.weight":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})";
  const std::uint64_t length = header.size();
  header.insert(0, reinterpret_cast<const char*>(&length), sizeof length);
  write_file_atomically(out.path / "model.safetensors", header + "ab");
  try {
    LlamaForCausalLM<f32>::from_pretrained(out.path.string());
    BOOST_ERROR("loaded");
  } catch (const unsupported_error& e) {
    const std::string text = e.what();
    BOOST_TEST((text.find("'model.norm.weight'") != text.npos && text.find("F8_E4M3") != text.npos), text);
  }
}

// As PreTrainedConfig.to_json_string; generation_config.json has them as Python's json has.
BOOST_AUTO_TEST_CASE(numbers_that_json_has_not_are_saved_as_transformers_does) {
  const temporary_folder out;
  std::filesystem::copy(data("models/llama/base"), out.path);
  const auto read = [&] { return LlamaForCausalLM<f32>::from_pretrained(out.path.string()); };
  json config = read_json(out.path / "config.json");
  for (const auto& [text, value] :
       {std::pair{"Infinity", std::numeric_limits<f64>::infinity()}, {"NaN", std::numeric_limits<f64>::quiet_NaN()}}) {
    config["initializer_range"] = value;
    write_file_atomically(out.path / "config.json", dump(config));
    write_file_atomically(out.path / "generation_config.json", detail::cat("{\"x\": ", text, "}"));
    for (int again = 0; again < 2; ++again) {
      const auto model = read();
      BOOST_TEST((model.config().initializer_range == value ||
                  (value != value && std::isnan(model.config().initializer_range))));
      model.save_pretrained(out.path);
      const auto saved = read_text(out.path / "config.json");
      BOOST_TEST(parse_json(saved, "strict")["initializer_range"]["__float__"] == text);
      BOOST_TEST(read_text(out.path / "generation_config.json").find(detail::cat("\"x\": ", text)) !=
                 std::string::npos);
    }
  }
  const json other = json::parse(R"({"a": {"__float__": "?"}, "b": [{"__float__": "-Infinity", "c": 1}]})");
  BOOST_TEST(decode_special_floats(other) == other);
  BOOST_TEST(decode_special_floats(json::parse(R"([[{"__float__": "-Infinity"}]])"))[0][0].get<f64>() ==
             -std::numeric_limits<f64>::infinity());
}

BOOST_AUTO_TEST_CASE(settings_of_generation_come_from_one_file) {
  const temporary_folder out;
  std::filesystem::copy(data("models/llama/base"), out.path);
  const auto own = out.path / "generation_config.json", file = out.path / "config.json";
  const auto read = [&] { return LlamaForCausalLM<f32>::from_pretrained(out.path.string()).generation_config; };

  write_file_atomically(own, R"({"bos_token_id": 3, "num_beams": 2})");
  auto c = read();
  BOOST_TEST(c.bos_token_id.value() == 3);
  BOOST_TEST(c.num_beams.value() == 2);
  BOOST_TEST(!c.pad_token_id);  // config.json's do not count beside it
  BOOST_TEST(!c.eos_token_id);

  std::filesystem::remove(own);
  json config = read_json(file);
  config["max_length"] = 50;
  config["repetition_penalty"] = 1.2;
  config["forced_eos_token_id"] = 4;
  config["seed"] = -1;  // not of generation
  write_file_atomically(file, config.dump());
  c = read();
  BOOST_TEST(c.max_length.value() == 50);
  BOOST_TEST(c.repetition_penalty.value() == 1.2);
  BOOST_TEST(c.forced_eos_token_id.value().contains(4));
  BOOST_TEST(c.bos_token_id.value() == 1);
  BOOST_TEST(c.eos_token_id.value().contains(2));
  BOOST_TEST(c.pad_token_id.value() == 0);
  BOOST_TEST(!c.seed);
  BOOST_TEST(c.other.empty());
}

BOOST_AUTO_TEST_CASE(tied_weights_are_stored_once_or_twice_or_are_not_tied) {
  const golden g(data("models/llama/tied/golden.safetensors"));
  const auto ids = g.ids("batch.input_ids");
  const temporary_folder out;
  const auto tied = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/tied").string());
  const auto expected = tied(ids).logits.dense();
  tied.save_pretrained(out.path);
  const auto file = (out.path / "model.safetensors").string();
  const auto stored = checkpoint::open(data("models/llama/tied"));

  // Writes the checkpoint's tensors again, the embedding and the head as these values or not at all.
  const auto table = tied.model.embeddings.embed_tokens.weight;
  using matrix_t = std::remove_const_t<decltype(table)>;
  const auto logits = [&](const matrix_t& embedding, const matrix_t& head) {
    std::vector<stored_tensor> tensors;
    for (const auto& t : stored.tensors())
      if (t.name != "model.embed_tokens.weight") tensors.push_back(t);
    detail::add_named(tensors, "model.embed_tokens.weight", embedding);
    detail::add_named(tensors, "lm_head.weight", head);
    write_safetensors(file, tensors, {});
    auto model = LlamaForCausalLM<f32>::from_pretrained(out.path.string());
    BOOST_TEST(model.config().tie_word_embeddings ==
               (model.lm_head.weight.data() == model.model.embeddings.embed_tokens.weight.data()));
    return std::pair{model.config().tie_word_embeddings, model(ids).logits.dense()};
  };
  const auto same = [](const auto& a, const auto& b) { return std::equal(a.data(), a.data() + a.size(), b.data()); };
  for (const auto& [tie, y] : {logits(table, {}), logits({}, table), logits(table, table.clone())}) {
    BOOST_TEST(tie);
    BOOST_TEST(same(y, expected));
  }
  auto other = table.clone();
  for (isize i = 0; i < other.size(); ++i) other.data()[i] *= 2;
  const auto [tie, y] = logits(table, other);  // Transformers takes what is stored
  BOOST_TEST(!tie);
  for (isize i = 0; i < y.size(); ++i) BOOST_TEST(std::abs(y.data()[i] - 2 * expected.data()[i]) < 1e-4f);
  BOOST_CHECK_THROW(logits({}, {}), weight_error);
}

BOOST_AUTO_TEST_CASE(a_pooler_left_from_pre_training_is_not_read) {
  const temporary_folder out;
  const auto folder = data("models/bert/masked_lm");
  std::filesystem::copy(folder, out.path);
  const auto stored = checkpoint::open(folder);
  std::vector<stored_tensor> tensors(stored.tensors().begin(), stored.tensors().end());
  detail::add_named(tensors, "bert.pooler.dense.bias", Tensor<f32, 1>::zeros({40}));
  const auto write = [&] {
    std::filesystem::remove(out.path / "model.safetensors");
    write_safetensors((out.path / "model.safetensors").string(), tensors, {});
  };
  write();
  ::test::log_of log;
  BOOST_CHECK_NO_THROW(BertForMaskedLM<f32>::from_pretrained(out.path.string()));
  BOOST_TEST(log.messages.empty());
  detail::add_named(tensors, "bert.else.dense.bias", Tensor<f32, 1>::zeros({40}));
  write();
  BOOST_CHECK_NO_THROW(BertForMaskedLM<f32>::from_pretrained(out.path.string()));
  BOOST_TEST(log.has("unexpected 'bert.else.dense.bias' (40)"));
  BOOST_CHECK_THROW(BertForMaskedLM<f32>::from_pretrained(out.path.string(), {.strict = true}), weight_error);
}

BOOST_AUTO_TEST_SUITE_END()
