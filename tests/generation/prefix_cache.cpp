// Caches that remember their ids, and those that settings name.
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include <hft/generation/generate.hpp>
#include <hft/generation/offloaded_cache.hpp>
#include <hft/generation/prefix_cache.hpp>
#include <hft/generation/quantized_cache.hpp>
#include <hft/generation/saved_cache.hpp>
#include <hft/models/gemma3.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/mamba.hpp>
#include <hft/models/t5.hpp>

#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(prefix_caches)

namespace {

const LlamaForCausalLM<f32>& llama() {
  static const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  return model;
}

Tensor<i64, 2> row(std::vector<i64> ids) { return Tensor<i64, 2>::from(ids, {1, isize(ids.size())}); }
std::vector<i64> ids_of(const Tensor<i64, 2>& t) {
  const auto d = t.dense();
  return {d.data(), d.data() + d.size()};
}

// A cache that counts the tokens that its first layer takes in.
template <class Base>
struct counting : Base {
  using Base::Base;
  isize taken = 0;
  kv_view<f32> update(isize layer, const Tensor<f32, 4>& keys, const Tensor<f32, 4>& values) override {
    if (layer == 0) taken += keys.extent(1);
    return Base::update(layer, keys, values);
  }
};

const GenerationConfig six{.max_new_tokens = 6};

}  // namespace

BOOST_AUTO_TEST_CASE(a_chat_that_grows_computes_new_tokens_only) {
  counting<PrefixCache<>> cache(llama().cache_options());
  std::vector<i64> chat{5, 7, 11, 40, 13};
  for (int turn = 0; turn < 4; ++turn) {
    const isize before = cache.taken;
    const auto said = generate(llama(), row(chat), six, {.past_key_values = &cache});
    BOOST_TEST(ids_of(said) == ids_of(generate(llama(), row(chat), six)), boost::test_tools::per_element());
    BOOST_TEST(cache.taken - before == (turn ? 4 : 5) + 5);  // the last answer's last token, three of the user's
    chat = ids_of(said);
    for (const i64 id : {9, 20, 31}) chat.push_back(id + turn);
  }
  // The user thinks better of what was said eight tokens ago.
  chat.resize(chat.size() - 8);
  chat.push_back(17);
  const isize before = cache.taken;
  const auto said = generate(llama(), row(chat), six, {.past_key_values = &cache});
  BOOST_TEST(ids_of(said) == ids_of(generate(llama(), row(chat), six)), boost::test_tools::per_element());
  BOOST_TEST(cache.taken - before == 1 + 5);
  // The same again: the last token is computed at least.
  generate(llama(), row(chat), {.max_new_tokens = 1}, {.past_key_values = &cache});
  BOOST_TEST(cache.taken - before == 1 + 5 + 1);
  // And something else altogether.
  const auto other = row({30, 31, 32});
  BOOST_TEST(
      ids_of(generate(llama(), other, six, {.past_key_values = &cache})) == ids_of(generate(llama(), other, six)),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(rows_of_a_batch_take_what_they_begin_with) {
  counting<PrefixCache<>> cache;
  const GenerationConfig beams{.max_new_tokens = 6, .num_beams = 3, .num_return_sequences = 3};
  const auto three = generate(llama(), row({5, 7, 11, 40, 13}), beams, {.past_key_values = &cache});
  // The last of the beams goes on: whatever row that was.
  auto chat = ids_of(three.slice(0, 2, 3));
  chat.push_back(8);
  isize before = cache.taken;
  const auto said = generate(llama(), row(chat), six, {.past_key_values = &cache});
  BOOST_TEST(ids_of(said) == ids_of(generate(llama(), row(chat), six)), boost::test_tools::per_element());
  BOOST_TEST(cache.taken - before <= 6 + 5);
  // One text, two questions, of different lengths.
  const auto two = Tensor<i64, 2>::from({5, 7, 11, 40, 13, 20, 21, 5, 7, 11, 40, 13, 22, 23}, {2, 7});
  before = cache.taken;
  BOOST_TEST(ids_of(generate(llama(), two, six, {.past_key_values = &cache})) == ids_of(generate(llama(), two, six)),
             boost::test_tools::per_element());
  BOOST_TEST(cache.taken - before == 2 + 5);
}

BOOST_AUTO_TEST_CASE(padding_is_no_token) {
  PrefixCache<> cache;
  const auto ids = Tensor<i64, 2>::from({0, 0, 11, 40, 13, 5, 7, 11, 40, 13}, {2, 5}),
             mask = Tensor<i64, 2>::from({0, 0, 1, 1, 1, 1, 1, 1, 1, 1}, {2, 5}),
             all = Tensor<i64, 2>::filled({2, 5}, 1);
  for (const auto& shown : {mask, all, mask})
    BOOST_TEST(ids_of(generate(llama(), ids, six, {.attention_mask = shown, .past_key_values = &cache})) ==
                   ids_of(generate(llama(), ids, six, {.attention_mask = shown})),
               boost::test_tools::per_element());
  const auto right = Tensor<i64, 2>::from({1, 1, 1, 0, 0, 1, 1, 1, 1, 1}, {2, 5});
  for (int again = 0; again < 2; ++again)
    BOOST_TEST(ids_of(generate(llama(), ids, six, {.attention_mask = right, .past_key_values = &cache})) ==
                   ids_of(generate(llama(), ids, six, {.attention_mask = right})),
               boost::test_tools::per_element());
  BOOST_CHECK_THROW(
      generate(llama(), ids, six, {.attention_mask = Tensor<i64, 2>::filled({2, 4}, 1), .past_key_values = &cache}),
      shape_error);
}

BOOST_AUTO_TEST_CASE(what_cannot_go_back_begins_anew) {
  const auto check = [](const auto& model) {
    counting<PrefixCache<>> cache(model.cache_options());
    std::vector<i64> chat{5, 7, 11, 20, 13, 9, 8};
    for (int turn = 0; turn < 3; ++turn) {
      const auto said = generate(model, row(chat), six, {.past_key_values = &cache});
      BOOST_TEST(ids_of(said) == ids_of(generate(model, row(chat), six)), boost::test_tools::per_element());
      chat = ids_of(said);
      if (turn == 1) chat.resize(chat.size() - 3);
      chat.push_back(19);
    }
  };
  check(MambaForCausalLM<f32>::from_pretrained(cases("mamba", "MambaForCausalLM")[0].string()));
  const auto gemma = Gemma3ForCausalLM<f32>::from_pretrained(cases("gemma3_text", "Gemma3ForCausalLM")[0].string());
  check(gemma);
  // A pass that generate did not make
  PrefixCache<> cache;
  llama()(row({5, 7}), {.past_key_values = &cache});
  BOOST_TEST(ids_of(generate(llama(), row({5, 8, 9}), six, {.past_key_values = &cache})) ==
                 ids_of(generate(llama(), row({5, 8, 9}), six)),
             boost::test_tools::per_element());
  // An encoder's tokens are others each time.
  const auto t5 =
      T5ForConditionalGeneration<f32>::from_pretrained(cases("t5", "T5ForConditionalGeneration")[0].string());
  PrefixCache<> of_t5;
  for (const i64 id : {5, 6, 7})
    BOOST_TEST(ids_of(generate(t5, row({id, 9, 3 * id}), six, {.past_key_values = &of_t5})) ==
                   ids_of(generate(t5, row({id, 9, 3 * id}), six)),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(any_kind_of_cache_remembers) {
  counting<PrefixCache<QuantizedCache<>>> cache(
      llama().cache_options(), QuantizedCacheConfig{.nbits = 8, .q_group_size = 8, .residual_length = 2});
  std::vector<i64> chat{5, 7, 11, 40, 13};
  for (int turn = 0; turn < 3; ++turn) {
    const auto said = generate(llama(), row(chat), six, {.past_key_values = &cache});
    chat = ids_of(said);
    chat.push_back(9);
  }
  BOOST_TEST(cache.taken == 5 + 5 + 2 * (2 + 5));
}

BOOST_AUTO_TEST_CASE(ids_are_saved_with_what_they_made) {
  const auto file = std::filesystem::temp_directory_path() / detail::cat("hft_prefix_", long(::getpid()));
  PrefixCache<> cache(llama().cache_options());
  auto chat = ids_of(generate(llama(), row({5, 7, 11, 40, 13}), six, {.past_key_values = &cache}));
  save_cache(cache, file);
  counting<PrefixCache<>> read(llama().cache_options());
  load_cache(read, file);
  chat[8] = chat[8] == 9 ? 10 : 9;  // what is compared are ids
  BOOST_TEST(ids_of(generate(llama(), row(chat), six, {.past_key_values = &read})) ==
                 ids_of(generate(llama(), row(chat), six)),
             boost::test_tools::per_element());
  BOOST_TEST(read.taken == 3 + 5);
  const auto good = safetensors_file::open(file);
  std::vector<stored_tensor> tensors(good.tensors().begin(), good.tensors().end());
  for (auto& t : tensors)
    if (t.name == "token_ids") t.shape.back() -= 1, t.bytes = t.bytes.first(std::size_t(8 * t.numel()));
  write_safetensors(file, tensors, good.metadata());
  BOOST_CHECK_THROW(load_cache(read, file), format_error);
  std::filesystem::remove(file);
}

BOOST_AUTO_TEST_CASE(settings_name_a_cache) {
  const auto prompt = row({5, 7, 11, 40, 13});
  const auto expected = ids_of(generate(llama(), prompt, six));
  for (const char* kind : {"dynamic", "static", "offloaded", "offloaded_static", "sliding_window", "hybrid"}) {
    BOOST_TEST_CONTEXT(kind)
    BOOST_TEST(ids_of(generate(llama(), prompt, {.max_new_tokens = 6, .cache_implementation = kind})) == expected,
               boost::test_tools::per_element());
  }
  // Exact within the residual length; with 2 bits of all but the newest not.
  GenerationConfig quantised{.max_new_tokens = 30, .cache_implementation = "quantized"};
  const auto longer = ids_of(generate(llama(), prompt, {.max_new_tokens = 30}));
  BOOST_TEST(ids_of(generate(llama(), prompt, quantised)) == longer, boost::test_tools::per_element());
  quantised.cache_config = {{"nbits", 2}, {"q_group_size", 16}, {"residual_length", 0}};
  BOOST_TEST(ids_of(generate(llama(), prompt, quantised)) != longer);
  quantised.cache_config = {{"backend", "q8_0"}, {"nbit", 2}};
  BOOST_CHECK_EXCEPTION(generate(llama(), prompt, quantised), value_error, [](const value_error& e) {
    return std::string(e.what()).find("'nbits'") != std::string::npos;
  });
  GenerationConfig elsewhere{.max_new_tokens = 6, .cache_implementation = "offloaded"};
  elsewhere.cache_config = {{"folder", "/nowhere/at/all"}};
  BOOST_CHECK_THROW(generate(llama(), prompt, elsewhere), file_error);

  BOOST_CHECK_THROW(generate(llama(), prompt, {.cache_implementation = "statical"}), value_error);
  BOOST_CHECK_THROW(generate(llama(), prompt, {.cache_implementation = "paged"}), unsupported_error);
  BOOST_CHECK_THROW(generate(llama(), prompt, {.max_cache_len = 0}), value_error);
  DynamicCache<> cache;
  BOOST_CHECK_THROW(generate(llama(), prompt, {.cache_implementation = "static"}, {.past_key_values = &cache}),
                    value_error);
  // Without its header a program is told of it.
  const auto there = std::exchange(detail::cache_kinds<f32, cpu>::quantized, nullptr);
  quantised.cache_config = nullptr;
  BOOST_CHECK_EXCEPTION(generate(llama(), prompt, quantised), unsupported_error, [](const unsupported_error& e) {
    return std::string(e.what()).find("hft/generation/quantized_cache.hpp") != std::string::npos;
  });
  detail::cache_kinds<f32, cpu>::quantized = there;
}

BOOST_AUTO_TEST_CASE(settings_of_a_cache_are_read_and_written) {
  GenerationConfig config;
  const json object = {{"cache_implementation", "quantized"}, {"cache_config", {{"nbits", 4}}}, {"max_cache_len", 9}};
  config.update(object);
  BOOST_TEST((config.cache_implementation == "quantized"));
  BOOST_TEST(config.cache_config["nbits"].get<isize>() == 4);
  BOOST_TEST(*config.max_cache_len == 9);
  BOOST_TEST((config.to_json() == object));
  const auto choice = [](const char* kind, isize room, std::optional<isize> wanted) {
    return detail::cache_choice({.cache_implementation = kind, .max_cache_len = wanted}, room);
  };
  BOOST_TEST(choice("static", 20, {}).max_cache_len == 20);
  BOOST_TEST(choice("offloaded_static", 20, 30).max_cache_len == 30);
  BOOST_TEST(choice("static", 20, 10).max_cache_len == 20);
  BOOST_TEST(choice("dynamic", 20, 10).max_cache_len == 0);
  BOOST_TEST(choice("hybrid", 20, {}).max_cache_len == 0);
}

BOOST_AUTO_TEST_SUITE_END()
