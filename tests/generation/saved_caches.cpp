// Caches as files: what is read goes on as what was saved, to the bit, and damaged files are errors.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>

#include <hft/generation/generate.hpp>
#include <hft/generation/saved_cache.hpp>
#include <hft/models/gemma3.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/mamba.hpp>
#include <hft/models/t5.hpp>

#include "../models/golden.hpp"
#include "states.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(saved_caches)

namespace {

// A folder of its own, gone with it.
struct folder {
  std::filesystem::path path;
  folder() : path(std::filesystem::temp_directory_path() / detail::cat("hft_saved_caches_", long(::getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~folder() { std::filesystem::remove_all(path); }
  std::filesystem::path operator/(const char* name) const { return path / name; }
};

bool equal(const Tensor<f32, 3>& a, const Tensor<f32, 3>& b) {
  const auto x = a.dense(), y = b.dense();
  return a.shape() == b.shape() && std::equal(x.data(), x.data() + x.size(), y.data());
}

Tensor<i64, 2> some_ids(isize B, isize T, isize from = 0) {
  Tensor<i64, 2> ids({B, T});
  for (isize b = 0; b < B; ++b)
    for (isize t = 0; t < T; ++t) ids.data()[b * T + t] = 3 + (7 * (t + from) + 5 * b) % 30;
  return ids;
}

// Two tokens by two after a prompt of 9, with the cache as it was and as it is read again.
template <class Model, class Saved>
void check_goes_on(const Model& model, Saved& cache, const std::filesystem::path& file) {
  model(some_ids(2, 9), {.past_key_values = &cache});
  save_cache(cache, file);
  auto read = load_cache(file);
  BOOST_TEST(read.get_seq_length() == 9);
  BOOST_TEST(read.batch_size() == 2);
  BOOST_TEST(read.get_max_cache_shape() == cache.get_max_cache_shape());
  for (isize at = 9; at < 15; at += 2) {
    const auto a = model(some_ids(2, 2, at), {.past_key_values = &cache}).logits;
    const auto b = model(some_ids(2, 2, at), {.past_key_values = &read}).logits;
    BOOST_TEST_REQUIRE(equal(a, b), "differs at " << at);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_read_goes_on_to_the_bit) {
  const folder f;
  const auto llama = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  DynamicCache<> dynamic;
  check_goes_on(llama, dynamic, f / "dynamic");
  StaticCache<> fixed_room(20);
  check_goes_on(llama, fixed_room, f / "static");
  SlidingWindowCache<> window(32);
  check_goes_on(llama, window, f / "window");
  const auto gemma = Gemma3ForCausalLM<f32>::from_pretrained(cases("gemma3_text", "Gemma3ForCausalLM")[0].string());
  BOOST_TEST_REQUIRE(gemma.cache_options().sliding_window < 9);
  DynamicCache<> mixed(gemma.cache_options());
  check_goes_on(gemma, mixed, f / "mixed");
  const auto mamba = MambaForCausalLM<f32>::from_pretrained(cases("mamba", "MambaForCausalLM")[0].string());
  DynamicCache<> states;
  check_goes_on(mamba, states, f / "states");
}

BOOST_AUTO_TEST_CASE(generation_goes_on_behind_a_prompt_that_is_read) {
  const folder f;
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  const auto prompt = some_ids(1, 9);
  const GenerationConfig config{.max_new_tokens = 6};
  const auto expected = generate(model, prompt, config);
  DynamicCache<> cache;
  model(prompt.slice(1, 0, 8).dense(), {.past_key_values = &cache});
  save_cache(cache, f / "prompt", config_to_json(model.config()));
  for (int again = 0; again < 2; ++again) {  // the file stays what it is
    auto read = load_cache(f / "prompt", config_to_json(model.config()));
    const auto ids = generate(model, prompt, config, {.past_key_values = &read});
    BOOST_TEST_REQUIRE(ids.size() == expected.size());
    BOOST_TEST(std::equal(ids.data(), ids.data() + ids.size(), expected.data()));
    read.crop(5);  // and is not written to where the cache goes another way
    model(some_ids(1, 3, 20), {.past_key_values = &read});
  }
}

BOOST_AUTO_TEST_CASE(what_an_encoder_made_is_saved_too) {
  const folder f;
  const auto model =
      T5ForConditionalGeneration<f32>::from_pretrained(cases("t5", "T5ForConditionalGeneration")[0].string());
  EncoderDecoderCache<> cache;
  const Seq2SeqInputs<f32, cpu> begin{.input_ids = some_ids(2, 7), .decoder_input_ids = some_ids(2, 3)};
  model(begin, {.past_key_values = &cache});
  save_cache(cache, f / "t5");
  auto read = load_cache(f / "t5");
  // Keys of other tokens than the encoder is given: taken from the cache, not made again.
  const Seq2SeqInputs<f32, cpu> next{.input_ids = some_ids(2, 7), .decoder_input_ids = some_ids(2, 1, 3)};
  BOOST_TEST(equal(model(next, {.past_key_values = &cache}).logits, model(next, {.past_key_values = &read}).logits));
  BOOST_TEST_REQUIRE(read.crosses().size() == cache.crosses().size());
  BOOST_TEST(!read.crosses().empty());
}

BOOST_AUTO_TEST_CASE(another_models_file_is_an_error_that_says_what_differs) {
  const folder f;
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  auto config = model.config();
  DynamicCache<> cache;
  model(some_ids(1, 4), {.past_key_values = &cache});
  save_cache(cache, f / "llama", config_to_json(config));
  config.rms_norm_eps *= 2;
  BOOST_CHECK_EXCEPTION(load_cache(f / "llama", config_to_json(config)), value_error, [](const value_error& e) {
    return std::string(e.what()).find("rms_norm_eps") != std::string::npos;
  });
  config.num_hidden_layers += 1;
  const auto other = LlamaForCausalLM<f32>::from_config(config);
  const auto says = [](const value_error& e) {
    return std::string(e.what()).find("num_hidden_layers") != std::string::npos;
  };
  DynamicCache<> of_other(other.cache_options());
  BOOST_CHECK_EXCEPTION(load_cache(of_other, f / "llama"), value_error, says);
  BOOST_TEST(of_other.get_seq_length() == 0);
  auto read = load_cache(f / "llama");
  BOOST_CHECK_EXCEPTION(other(some_ids(1, 1), {.past_key_values = &read}), value_error, says);

  DynamicCache<f64> other_type;
  BOOST_CHECK_THROW(load_cache(other_type, f / "llama"), value_error);
  StaticCache<> small(3);
  BOOST_CHECK_THROW(load_cache(small, f / "llama"), value_error);
  LayeredCache<> states({.layer_types = {"linear_attention"}});
  BOOST_CHECK_THROW(load_cache(states, f / "llama"), value_error);
}

BOOST_AUTO_TEST_CASE(a_window_is_read_by_one_that_is_no_wider) {
  const folder f;
  const states s("sliding");
  SlidingWindowCache<> window(4);
  s.update(window, 0, 0, 8);
  s.update(window, 0, 8, 9);
  save_cache(window, f / "window");
  SlidingWindowCache<> narrow(3), wide(6);
  load_cache(narrow, f / "window");
  BOOST_TEST(s.update(narrow, 0, 9, 10).first == 7);
  BOOST_CHECK_THROW(load_cache(wide, f / "window"), value_error);
  DynamicCache<> all;
  BOOST_CHECK_THROW(load_cache(all, f / "window"), value_error);
  BOOST_TEST(all.get_seq_length() == 0);
}

BOOST_AUTO_TEST_CASE(a_damaged_file_is_an_error) {
  const folder f;
  const states s("dynamic");
  DynamicCache<> cache;
  for (const isize layer : {0, 1}) s.update(cache, layer, 0, 5);
  cache.cross(1) = {s.keys(0, 2), s.values(0, 2)};
  save_cache(cache, f / "good");
  const auto good = safetensors_file::open(f / "good");
  BOOST_TEST(load_cache(f / "good").get_seq_length() == 5);

  const auto bytes = read_text(f / "good");
  for (const std::size_t n : {std::size_t(0), std::size_t(7), std::size_t(100), bytes.size() - 1}) {
    std::ofstream(f / "cut", std::ios::binary) << bytes.substr(0, n);
    BOOST_CHECK_THROW(load_cache(f / "cut"), format_error);
  }
  BOOST_CHECK_THROW(load_cache(f / "absent"), file_error);

  // The same tensors under other words of the metadata, or with one of them changed.
  const auto with = [&](const std::string& key, const std::string& from, const std::string& to) {
    auto metadata = good.metadata();
    std::string& text = metadata[key];
    const auto at = text.find(from);
    BOOST_TEST_REQUIRE(at != text.npos);
    text.replace(at, from.size(), to);
    write_safetensors(f / "bad", good.tensors(), metadata);
    return f / "bad";
  };
  using test_case = std::vector<std::string>;
  for (const test_case& c :
       {test_case{"format", "hft.cache", "pt"}, test_case{"version", "1", "2"},
        test_case{"layers", "\"tokens\": 5", "\"tokens\": 4"}, test_case{"layers", "\"tokens\": 5", "\"tokens\": -1"},
        test_case{"layers", "\"tokens\": 5", "\"tokens\": 9999999999999"},
        test_case{"layers", "\"tokens\": 5", "\"tokens\": \"5\""}, test_case{"layers", "\"first\": 0", "\"first\": 1"},
        test_case{"layers", "\"first\": 0", "\"first\": 6"}, test_case{"layers", "[{", "{"},
        test_case{"layers", "\"kind\": \"keys", "\"kind\": \"locks"},
        test_case{"options", "\"sliding_window\": 0", "\"sliding_window\": 99999999999999"},
        test_case{"model", "{", "["}})
    BOOST_CHECK_THROW(load_cache(with(c[0], c[1], c[2])), error);

  auto fewer = good.metadata();  // of all layers alike
  for (std::size_t at = 0; (at = fewer["layers"].find("\"tokens\": 5", at)) != std::string::npos; ++at)
    fewer["layers"].replace(at, 11, "\"tokens\": 4");
  write_safetensors(f / "bad", good.tensors(), fewer);
  BOOST_CHECK_THROW(load_cache(f / "bad"), format_error);

  const auto changed = [&](auto change) {
    std::vector<stored_tensor> tensors(good.tensors().begin(), good.tensors().end());
    change(tensors);
    write_safetensors(f / "bad", tensors, good.metadata());
    return f / "bad";
  };
  const auto find = [](std::vector<stored_tensor>& tensors, const char* name) -> stored_tensor& {
    return *std::find_if(tensors.begin(), tensors.end(), [&](const stored_tensor& t) { return t.name == name; });
  };
  const std::vector<std::byte> more(4096);
  const auto reshaped = [&](stored_tensor& t, std::vector<isize> shape) {
    t.shape = std::move(shape);
    t.bytes = {more.data(), std::size_t(t.numel()) * 4};
  };
  BOOST_CHECK_THROW(load_cache(changed([&](auto& t) {
                      reshaped(find(t, "layers.1.values"), {2, 2, 4, 3});
                    })),
                    format_error);
  BOOST_CHECK_THROW(load_cache(changed([&](auto& t) {
                      reshaped(find(t, "layers.1.values"), {2, 5, 6});
                    })),
                    format_error);
  BOOST_CHECK_THROW(load_cache(changed([&](auto& t) {
                      reshaped(find(t, "layers.1.values"), {3, 2, 5, 3});
                      reshaped(find(t, "layers.1.keys"), {3, 2, 5, 3});
                    })),
                    format_error);
  BOOST_CHECK_THROW(load_cache(changed([&](auto& t) { find(t, "layers.1.values").name = "layers.2.values"; })),
                    format_error);
  BOOST_CHECK_THROW(load_cache(changed([&](auto& t) { find(t, "layers.1.values").name = "layers.1.other"; })),
                    format_error);
  BOOST_CHECK_THROW(load_cache(changed([&](auto& t) { find(t, "layers.1.values").name = "values"; })), format_error);
  BOOST_CHECK_THROW(load_cache(changed([&](auto& t) { find(t, "layers.0.values").dtype = dtype_id::i32; })),
                    value_error);
  BOOST_CHECK_THROW(load_cache(changed([&](auto& t) { find(t, "cross.1.keys").name = "cross.0.keys"; })), format_error);
  // A cache that held something is empty after an error.
  BOOST_CHECK_THROW(load_cache(cache, with("version", "1", "2")), format_error);
  BOOST_TEST(cache.get_seq_length() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
