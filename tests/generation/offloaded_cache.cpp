// Caches whose memory is a file's: what lies outside the process, and what is shared until it is written to.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>

#include <hft/generation/generate.hpp>
#include <hft/generation/offloaded_cache.hpp>
#include <hft/generation/quantized_cache.hpp>
#include <hft/generation/saved_cache.hpp>
#include <hft/generation/shared_prefix.hpp>
#include <hft/models/gemma3.hpp>
#include <hft/models/llama.hpp>

#include "../models/golden.hpp"
#include "states.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(offloaded_caches)

namespace far_away {

using namespace hft;

// A device whose memory the host does not touch but by these functions.
struct device {
  using base = device;
  static constexpr bool tracked = false;
  static constexpr bool host_memory = false;
  static constexpr const char* name = "far";
  template <class W>
  using activation = f32;
  static buffer allocate(std::size_t bytes) { return cpu::allocate(bytes); }
  static void copy_from_host(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  static void copy_to_host(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
};
template <class T>
void copy_kernel(device, heads_view<T> to, heads_view<const T> from) {
  copy_kernel(cpu{}, to, from);
}

}  // namespace far_away

namespace {

// A number of /proc/self/status in bytes; -1 where there is none.
isize memory(const std::string& what) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(what + ":")) return isize(std::stol(line.substr(what.size() + 1))) * 1024;
  return -1;
}

bool equal(const Tensor<f32, 3>& a, const Tensor<f32, 3>& b) {
  const auto x = a.dense(), y = b.dense();
  return a.shape() == b.shape() && std::equal(x.data(), x.data() + x.size(), y.data());
}
Tensor<i64, 2> some_ids(isize B, isize T, isize from = 0, isize rows_apart = 5) {
  Tensor<i64, 2> ids({B, T});
  for (isize b = 0; b < B; ++b)
    for (isize t = 0; t < T; ++t) ids.data()[b * T + t] = 3 + (7 * (t + from) + rows_apart * b) % 30;
  return ids;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_model_gives_the_same_by_an_offloaded_cache) {
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  DynamicCache<> here;
  OffloadedCache<> grows(model.cache_options()), fixed_room({.max_cache_len = 20});
  for (isize at = 0; at < 18; at += 3) {
    const auto expected = model(some_ids(2, 3, at), {.past_key_values = &here}).logits;
    for (auto* cache : {&grows, &fixed_room})
      BOOST_TEST(equal(model(some_ids(2, 3, at), {.past_key_values = cache}).logits, expected));
  }
  BOOST_TEST(fixed_room.get_max_cache_shape() == 20);
  BOOST_CHECK_THROW(model(some_ids(2, 3), {.past_key_values = &fixed_room}), value_error);
  const std::vector<isize> rows{1, 1, 0};
  for (LayeredCache<>* cache : {static_cast<LayeredCache<>*>(&here), static_cast<LayeredCache<>*>(&grows)}) {
    cache->reorder(rows);
    cache->crop(11);
  }
  BOOST_TEST(equal(model(some_ids(3, 2, 11), {.past_key_values = &grows}).logits,
                   model(some_ids(3, 2, 11), {.past_key_values = &here}).logits));
  const GenerationConfig beams{.max_new_tokens = 8, .num_beams = 3};
  OffloadedCache<> again(model.cache_options());
  const auto a = generate(model, some_ids(1, 5), beams),
             b = generate(model, some_ids(1, 5), beams, {.past_key_values = &again});
  BOOST_TEST(std::equal(a.data(), a.data() + a.size(), b.data()));
}

BOOST_AUTO_TEST_CASE(pages_of_other_layers_are_let_go) {
  constexpr isize layers = 8, T = 2048;
  const auto x = Tensor<f32, 4>::filled({1, T, 4, 64}, 1);  // 2 MB
  OffloadedCache<> cache({.max_cache_len = T + 8});
  const auto resident = [] { return memory("RssFile") + memory("RssShmem"); };
  if (resident() < 0) return;
  const isize before = resident();
  for (isize i = 0; i < layers; ++i) cache.update(i, x, x);
  const auto one = x.slice(1, 0, 1).dense();
  isize most = 0;
  for (int token = 0; token < 3; ++token)
    for (isize i = 0; i < layers; ++i) {
      const auto all = cache.update(i, one, one).keys.dense();
      BOOST_TEST_REQUIRE(all.data()[all.size() / 2] == 1);
      most = std::max(most, resident() - before);
    }
  BOOST_TEST(most < 3 * 2 * x.bytes(), "of " << layers * 2 * x.bytes() << " bytes " << most << " are resident");
}

BOOST_AUTO_TEST_CASE(a_saved_cache_is_read_into_an_offloaded_one) {
  const auto file = std::filesystem::temp_directory_path() / detail::cat("hft_offloaded_", long(::getpid()));
  const states s("dynamic");
  OffloadedCache<> cache, read;
  s.update(cache, 0, 0, 5);
  save_cache(cache, file);
  load_cache(read, file);
  s.update(read, 0, 5, 6);
  const auto a = s.update(read, 0, 6, 7).keys.dense();
  s.update(cache, 0, 5, 6);
  const auto b = s.update(cache, 0, 6, 7).keys.dense();
  BOOST_TEST(std::equal(a.data(), a.data() + a.size(), b.data()));
  std::filesystem::remove(file);
}

BOOST_AUTO_TEST_CASE(a_devices_cache_is_the_hosts) {
  const states s("dynamic");
  DynamicCache<> expected;
  for (const isize room : {0, 8}) {
    OffloadedCache<f32, far_away::device> cache({.max_cache_len = room});
    expected.reset();
    for (isize at = 0; at < 8; at += 2) {
      const auto there = cache.update(0, to_device<far_away::device>(s.keys(at, at + 2)),
                                      to_device<far_away::device>(s.values(at, at + 2)));
      const auto got = to_host(there.values).dense(), want = s.update(expected, 0, at, at + 2).values.dense();
      BOOST_TEST_REQUIRE(got.shape() == want.shape());
      BOOST_TEST(std::equal(got.data(), got.data() + got.size(), want.data()));
      if (at == 4)
        cache.crop(5), expected.crop(5), cache.reorder(std::vector<isize>{1, 0}),
            expected.reorder(std::vector<isize>{1, 0});
    }
  }
}

BOOST_AUTO_TEST_CASE(a_folder_without_room_or_that_is_none_is_an_error) {
  OffloadedCache<> cache({}, "/nowhere/at/all");
  const states s("dynamic");
  BOOST_CHECK_THROW(s.update(cache, 0, 0, 2), file_error);
}

BOOST_AUTO_TEST_CASE(continuations_of_a_shared_prefix_are_those_of_copies) {
  const auto check = [](const auto& model) {
    DynamicCache<> cache(model.cache_options());
    model(some_ids(1, 9), {.past_key_values = &cache});
    const SharedPrefix<> prefix(cache, 4);
    BOOST_TEST(prefix.get_seq_length() == 9);
    auto many = prefix.continuations(3), others = prefix.continuations(3);
    cache.batch_repeat_interleave(3);
    for (isize at = 9; at < 21; at += 2) {  // and beyond the room
      const auto expected = model(some_ids(3, 2, at), {.past_key_values = &cache}).logits;
      BOOST_TEST_REQUIRE(equal(model(some_ids(3, 2, at), {.past_key_values = &many}).logits, expected), at);
      if (at == 13)
        BOOST_TEST(equal(model(some_ids(3, 2, 9), {.past_key_values = &others}).logits,
                         model(some_ids(3, 2, 9), {.past_key_values = &others}).logits) == false);
    }
    cache.reorder(std::vector<isize>{2, 0}), many.reorder(std::vector<isize>{2, 0});
    BOOST_TEST(equal(model(some_ids(2, 1), {.past_key_values = &many}).logits,
                     model(some_ids(2, 1), {.past_key_values = &cache}).logits));
    // The prefix is what it was, whatever was written behind it.
    auto later = prefix.continuations(1);
    DynamicCache<> alone(model.cache_options());
    model(some_ids(1, 9), {.past_key_values = &alone});
    BOOST_TEST(equal(model(some_ids(1, 3, 30), {.past_key_values = &later}).logits,
                     model(some_ids(1, 3, 30), {.past_key_values = &alone}).logits));
  };
  check(LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string()));
  const auto gemma = Gemma3ForCausalLM<f32>::from_pretrained(cases("gemma3_text", "Gemma3ForCausalLM")[0].string());
  BOOST_TEST_REQUIRE(gemma.cache_options().sliding_window < 9);
  check(gemma);
}

BOOST_AUTO_TEST_CASE(a_shared_prefix_is_in_memory_once) {
  constexpr isize layers = 4, T = 2048, rows = 16;
  const auto x = Tensor<f32, 4>::filled({1, T, 4, 64}, 1);  // 2 MB
  DynamicCache<> cache;
  for (isize i = 0; i < layers; ++i) cache.update(i, x, x);
  const SharedPrefix<> prefix(cache);
  const isize before = memory("RssAnon");
  if (before < 0) return;
  auto many = prefix.continuations(rows);
  const auto one = Tensor<f32, 4>::filled({rows, 1, 4, 64}, 2);
  f64 sum = 0;
  for (int token = 0; token < 2; ++token)
    for (isize i = 0; i < layers; ++i) {
      const auto keys = many.update(i, one, one).keys;
      for (isize b = 0; b < rows; ++b)
        for (isize t = 0; t < keys.extent(1); ++t) sum += keys.data()[b * keys.stride(0) + t * keys.stride(1)];
    }
  BOOST_TEST(sum == f64(rows * layers) * (2 * T + 3 * 2));
  const isize copies = rows * layers * 2 * x.bytes(), grown = memory("RssAnon") - before;
  BOOST_TEST(grown < copies / 50, "rows take " << grown << " bytes, copies would take " << copies);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_shared_is_an_error) {
  const states s("dynamic");
  DynamicCache<> two, none;
  s.update(two, 0, 0, 2);
  BOOST_CHECK_THROW(SharedPrefix<>{two}, value_error);
  BOOST_CHECK_THROW(SharedPrefix<>{none}, value_error);
  two.reorder(std::vector<isize>{0});
  const SharedPrefix<> prefix(two);
  BOOST_CHECK_THROW(prefix.continuations(0), value_error);
  const states q("quantised");
  QuantizedCache<> codes({}, {.q_group_size = 16, .residual_length = 0});
  q.update(codes, 0, 0, 4);
  BOOST_CHECK_THROW(SharedPrefix<>{codes}, unsupported_error);
}

BOOST_AUTO_TEST_SUITE_END()
