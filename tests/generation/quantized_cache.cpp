// QuantizedCache: codes against Transformers' and gguf's (tests/oracle/caches.py), what stays exact, and what a model
// makes of it.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>

#include <hft/generation/generate.hpp>
#include <hft/generation/quantized_cache.hpp>
#include <hft/generation/saved_cache.hpp>
#include <hft/models/llama.hpp>

#include "../models/golden.hpp"
#include "states.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(quantized_caches)

namespace {

const QuantizedCacheConfig four_bits{.nbits = 4, .q_group_size = 16, .residual_length = 0};

// The largest difference from what was given, of tokens [from, to) of 9.
f64 off(const kv_view<f32>& got, const states& s, isize from, isize to) {
  const auto a = got.keys.slice(1, from, to).dense(), b = s.keys(from, to);
  f64 worst = 0;
  for (isize i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(f64(a.data()[i]) - f64(b.data()[i])));
  return worst;
}

Tensor<i64, 2> some_ids(isize B, isize T, isize from = 0) {
  Tensor<i64, 2> ids({B, T});
  for (isize b = 0; b < B; ++b)
    for (isize t = 0; t < T; ++t) ids.data()[b * T + t] = 3 + (7 * (t + from) + 5 * b) % 30;
  return ids;
}
f64 distance(const Tensor<f32, 3>& a, const Tensor<f32, 3>& b) {
  f64 worst = 0, largest = 0;
  for (isize i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(f64(a.data()[i]) - f64(b.data()[i])));
    largest = std::max(largest, std::abs(f64(b.data()[i])));
  }
  return worst / largest;
}

}  // namespace

BOOST_AUTO_TEST_CASE(codes_are_those_of_quanto_and_of_gguf) {
  const states s("quantised");
  const auto check = [&](const char* name, const QuantizedCacheConfig& config) {
    BOOST_TEST_CONTEXT(name) {
      QuantizedCache<> cache({}, config);
      BOOST_TEST(off(s.update(cache, 0, 0, 8), s, 0, 8) == 0);  // the pass that makes codes sees none
      s.check(s.update(cache, 0, 8, 9), name, 1e-6);
    }
  };
  check("quanto_4", four_bits);
  check("quanto_2", {.nbits = 2, .q_group_size = 32, .residual_length = 0});
  check("quanto_4_keys_by_channel", {.nbits = 4, .axis_key = -1, .q_group_size = 8, .residual_length = 0});
  check("q8_0", {.backend = "q8_0", .residual_length = 0});
}

BOOST_AUTO_TEST_CASE(the_newest_tokens_stay_exact) {
  const states s("quantised");
  for (const isize residual : {0, 1, 3, 8, 20}) {
    auto config = four_bits;
    config.residual_length = residual;
    QuantizedCache<> cache({}, config);
    s.update(cache, 0, 0, 4);
    s.update(cache, 0, 4, 8);
    const auto all = s.update(cache, 0, 8, 9);
    BOOST_TEST(all.first == 0);
    BOOST_TEST(all.keys.extent(1) == 9);
    const isize coded = std::max<isize>(0, 8 - residual);
    BOOST_TEST(off(all, s, coded, 9) == 0);
    if (coded) BOOST_TEST(off(all, s, coded - 1, coded) > 0);
    if (coded) BOOST_TEST(off(all, s, 0, coded) < 0.5);
  }
  // By channel whole groups of tokens become codes.
  QuantizedCache<> cache({}, {.nbits = 8, .axis_key = -1, .q_group_size = 3, .residual_length = 1});
  s.update(cache, 0, 0, 8);
  const auto all = s.update(cache, 0, 8, 9);
  BOOST_TEST(off(all, s, 6, 9) == 0);
  BOOST_TEST(off(all, s, 5, 6) > 0);
  BOOST_TEST(off(all, s, 0, 6) < 0.03);
}

// Codes are neither made nor made again by what moves rows, and a cut within a group keeps what the codes say.
BOOST_AUTO_TEST_CASE(it_crops_reorders_and_begins_anew) {
  const states s("quantised");
  for (const isize axis : {0, -1}) {
    QuantizedCache<> cache({}, {.nbits = 4, .axis_key = axis, .q_group_size = 4, .residual_length = 1}),
        whole({}, {.nbits = 4, .axis_key = axis, .q_group_size = 4, .residual_length = 1});
    for (auto* c : {&cache, &whole}) s.update(*c, 0, 0, 8);
    const auto expected = s.update(whole, 0, 8, 9).keys;
    cache.batch_repeat_interleave(2);
    cache.reorder(std::vector<isize>{1});
    cache.crop(3);  // of 4 or 7 tokens that are codes
    BOOST_TEST(cache.get_seq_length() == 3);
    const auto cut = s.update(cache, 0, 3, 9).keys;
    for (isize t = 0; t < 3; ++t)
      BOOST_TEST(distance(cut.slice(1, t, t + 1).dense().reshape<3>({1, 2, 32}),
                          expected.slice(1, t, t + 1).dense().reshape<3>({1, 2, 32})) == 0);
    BOOST_TEST(cut.extent(1) == 9);
    cache.reset();
    BOOST_TEST(off(s.update(cache, 0, 0, 5), s, 0, 5) == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_model_gives_nearly_what_it_gives_with_exact_keys) {
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  f64 before = 0;
  for (const isize bits : {8, 4, 2}) {
    DynamicCache<> exact;
    QuantizedCache<> cache(model.cache_options(), {.nbits = bits, .q_group_size = 16, .residual_length = 2});
    f64 worst = 0;
    for (isize at = 0; at < 40; at += 4) {
      const auto a = model(some_ids(2, 4, at), {.past_key_values = &cache}).logits;
      worst = std::max(worst, distance(a, model(some_ids(2, 4, at), {.past_key_values = &exact}).logits));
    }
    BOOST_TEST(worst > 2 * before, bits << " bits are off by " << worst << ", twice as many by " << before);
    BOOST_TEST(worst < 8.0 / (1 << bits));
    before = worst;
  }
  // All stays exact within the residual length: the same tokens.
  const GenerationConfig config{.max_new_tokens = 12};
  QuantizedCache<> all_exact(model.cache_options());
  const auto expected = generate(model, some_ids(1, 5), config),
             ids = generate(model, some_ids(1, 5), config, {.past_key_values = &all_exact});
  BOOST_TEST(std::equal(ids.data(), ids.data() + ids.size(), expected.data()));
  // With 8 bits these are chosen alike, too, by beams as well.
  for (const isize beams : {1, 3}) {
    const GenerationConfig by{.max_new_tokens = 12, .num_beams = beams};
    QuantizedCache<> cache(model.cache_options(), {.nbits = 8, .q_group_size = 16, .residual_length = 1});
    const auto a = generate(model, some_ids(1, 5), by),
               b = generate(model, some_ids(1, 5), by, {.past_key_values = &cache});
    BOOST_TEST_REQUIRE(a.size() == b.size());
    BOOST_TEST(std::equal(a.data(), a.data() + a.size(), b.data()));
  }
}

BOOST_AUTO_TEST_CASE(memory_is_what_the_bits_say) {
  const isize T = 512, dim = 64;
  const auto x = Tensor<f32, 4>::filled({1, T, 2, dim}, 1);
  const auto bytes = [&](const QuantizedCacheConfig& config) {
    QuantizedLayer<f32> layer(config);
    layer.update(x, x);
    for (int i = 0; i < 64; ++i) layer.update(x.slice(1, 0, 1), x.slice(1, 0, 1));
    return f64(layer.bytes()) / f64(2 * 2 * (T + 64) * dim * 4);
  };
  // At most twice the codes, as lists grow, and some room for exact ones.
  BOOST_TEST(bytes({.nbits = 4, .residual_length = 0}) < 2 * 5.0 / 32 + 0.12);
  BOOST_TEST(bytes({.nbits = 4, .residual_length = 0}) < bytes({.nbits = 8, .residual_length = 0}));
}

BOOST_AUTO_TEST_CASE(it_is_saved_as_codes_and_goes_on_to_the_bit) {
  const auto file = std::filesystem::temp_directory_path() / detail::cat("hft_quantised_", long(::getpid()));
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  for (const isize axis : {0, -1}) {
    const QuantizedCacheConfig config{.nbits = 4, .axis_key = axis, .q_group_size = 4, .residual_length = 2};
    QuantizedCache<> cache(model.cache_options(), config), read(model.cache_options(), config);
    for (isize at = 0; at < 12; at += 3) model(some_ids(2, 3, at), {.past_key_values = &cache});
    save_cache(cache, file);
    load_cache(read, file);
    BOOST_TEST(read.get_seq_length() == 12);
    for (isize at = 12; at < 18; at += 2)
      BOOST_TEST(distance(model(some_ids(2, 2, at), {.past_key_values = &read}).logits,
                          model(some_ids(2, 2, at), {.past_key_values = &cache}).logits) == 0);
    QuantizedCache<> other(model.cache_options(), {.nbits = 8});
    BOOST_CHECK_THROW(load_cache(other, file), value_error);
    BOOST_CHECK_THROW(load_cache(file), value_error);
    // Codes that are not of that length
    const auto good = safetensors_file::open(file);
    std::vector<stored_tensor> tensors(good.tensors().begin(), good.tensors().end());
    for (auto& t : tensors)
      if (t.name == "layers.1.key_codes") t.shape.back() -= 1, t.bytes = t.bytes.first(std::size_t(t.numel()));
    write_safetensors(file, tensors, good.metadata());
    BOOST_CHECK_THROW(load_cache(read, file), format_error);
    BOOST_TEST(read.get_seq_length() == 0);
  }
  std::filesystem::remove(file);
}

BOOST_AUTO_TEST_CASE(settings_that_are_none_are_errors) {
  using config = QuantizedCacheConfig;
  for (const config& c : {config{.backend = "q9"}, config{.nbits = 3}, config{.axis_key = 1}, config{.axis_value = 2},
                          config{.q_group_size = 0}, config{.residual_length = -1}})
    BOOST_CHECK_THROW(QuantizedCache<>({}, c), value_error);
  BOOST_CHECK_THROW(QuantizedCache<>({}, config{.backend = "hqq"}), unsupported_error);
  QuantizedCache<> q8({}, config{.backend = "q8_0"});
  const states s("dynamic");  // heads of 3 elements
  BOOST_CHECK_THROW(s.update(q8, 0, 0, 2), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
