// Caches against Transformers' classes on random keys and values (tests/oracle/caches.py), and what a model asks of
// one.
#include <boost/test/unit_test.hpp>

#include <hft/generation/cache.hpp>
#include <hft/generation/generate.hpp>
#include <hft/models/llama.hpp>

#include "../golden_tensors.hpp"
#include "../models/golden.hpp"
#include "states.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(caches_of_transformers)

BOOST_AUTO_TEST_CASE(a_dynamic_cache_crops_reorders_repeats_and_selects) {
  const states s("dynamic");
  DynamicCache<> cache;
  s.update(cache, 0, 0, 5);
  cache.crop(3);
  s.update(cache, 0, 5, 7);
  cache.reorder(std::vector<isize>{1, 0});
  cache.batch_repeat_interleave(2);
  BOOST_TEST(cache.batch_size() == 4);
  cache.batch_select_indices(std::vector<isize>{3, 0});
  s.check(s.update(cache, 0, 7, 8), "dynamic");
}

BOOST_AUTO_TEST_CASE(a_sliding_window_crops_repeats_and_selects) {
  const states s("sliding");
  SlidingWindowCache<> cache(6);
  s.update(cache, 0, 0, 4);
  cache.crop(3);
  s.update(cache, 0, 4, 6);
  cache.batch_repeat_interleave(2);
  cache.batch_select_indices(std::vector<isize>{2, 1, 0});
  const std::vector<isize> rows{1, 0, 0};
  s.check(s.update(cache, 0, 6, 9, rows), "sliding");
  s.check(s.update(cache, 0, 9, 10, rows), "sliding.more");
}

BOOST_AUTO_TEST_CASE(a_static_cache_reorders) {
  const states s("static");
  StaticCache<> cache(9);
  s.update(cache, 0, 0, 5);
  cache.reorder(std::vector<isize>{1, 1});
  s.check(s.update(cache, 0, 5, 7), "static");
}

BOOST_AUTO_TEST_CASE(layers_are_mixed_as_gemma_3_has_them) {
  const CacheOptions options{.layer_types = {"sliding_attention", "full_attention"}, .sliding_window = 4};
  DynamicCache<> dynamic(options);
  StaticCache<> fixed_room(8, options);
  BOOST_TEST(fixed_room.get_max_cache_shape() == 8);
  for (LayeredCache<>* cache : {static_cast<LayeredCache<>*>(&dynamic), static_cast<LayeredCache<>*>(&fixed_room)})
    for (const isize layer : {0, 1}) {
      const std::string name = "mixed." + std::to_string(layer);
      const states s(name);
      s.update(*cache, layer, 0, 5);
      s.check(s.update(*cache, layer, 5, 6), name);
    }
}

BOOST_AUTO_TEST_CASE(a_cache_of_an_encoder_and_a_decoder_keeps_both) {
  const states s("decoder"), across("encoder");
  EncoderDecoderCache<> cache;
  BOOST_TEST(!cache.is_updated(0));
  s.update(cache, 0, 0, 3);
  cache.cross(0) = {across.keys(0, 4), across.values(0, 4)};
  BOOST_TEST(cache.is_updated(0));
  cache.batch_repeat_interleave(3);
  cache.batch_select_indices(std::vector<isize>{5, 0});
  cache.crop(2);
  s.check(s.update(cache, 0, 3, 4), "decoder");
  s.check(cache.cross(0), "encoder");
}

BOOST_AUTO_TEST_CASE(a_recurrent_state_repeats_and_goes_back_to_nothing) {
  LayeredCache<> cache({.layer_types = {"linear_attention", "full_attention"}});
  const states s("dynamic");
  cache.state(0)["ssm"] = s.keys(0, 1);
  cache.state(0).tokens = 3;
  s.update(cache, 1, 0, 3);
  cache.batch_repeat_interleave(2);
  BOOST_TEST(cache.batch_size() == 4);
  BOOST_TEST(cache.state(0)["ssm"].extent(0) == 4);
  BOOST_CHECK_THROW(cache.crop(2), unsupported_error);
  BOOST_TEST(cache.update(1, s.keys(3, 4, {0, 0, 1, 1}), s.values(3, 4, {0, 0, 1, 1})).keys.extent(1) == 4,
             "a crop that one layer refuses has changed another");
  cache.crop(0);
  BOOST_TEST(cache.get_seq_length() == 0);
  BOOST_TEST(cache.state(0).tensors.empty());
}

BOOST_AUTO_TEST_CASE(what_is_asked_of_an_empty_cache_does_nothing) {
  DynamicCache<> cache;
  BOOST_TEST(cache.batch_size() == 0);
  cache.batch_repeat_interleave(2);
  cache.reorder(std::vector<isize>{1, 0});
  cache.crop(0);
  BOOST_TEST(cache.get_seq_length() == 0);
  BOOST_CHECK_THROW(cache.batch_repeat_interleave(0), value_error);
  const states s("dynamic");
  s.update(cache, 0, 0, 2);
  BOOST_CHECK_THROW(cache.batch_select_indices(std::vector<isize>{2}), value_error);
  cache.at(1);  // a layer that nothing has come to, as where layers share keys
  cache.crop(1);
  BOOST_TEST(cache.at(1).get_seq_length() == 0);
}

BOOST_AUTO_TEST_CASE(a_cache_of_another_model_is_an_error_before_anything_runs) {
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  auto config = model.config();
  config.num_hidden_layers += 1;
  config.head_dim = config.hidden_size / config.num_attention_heads * 2;
  const auto other = LlamaForCausalLM<f32>::from_config(config);
  const auto ids = Tensor<i64, 2>::from({5, 7, 11}, {1, 3});
  DynamicCache<> cache;
  model(ids, {.past_key_values = &cache});
  const isize layers = model.config().num_hidden_layers;
  const auto says = [&](const value_error& e) {
    const std::string text = e.what();
    return text.find("past_key_values") != text.npos &&
           text.find("num_hidden_layers = " + std::to_string(layers + 1) + ", head_dim") != text.npos &&
           text.find("with " + std::to_string(layers) + ", ") != text.npos && text.find("hidden_size") == text.npos;
  };
  BOOST_CHECK_EXCEPTION(other(ids, {.past_key_values = &cache}), value_error, says);
  const auto longer = Tensor<i64, 2>::from({5, 7, 11, 9}, {1, 4});
  BOOST_CHECK_EXCEPTION(generate(other, longer, {}, {.past_key_values = &cache}), value_error, says);
  BOOST_TEST(cache.get_seq_length() == 3);
  cache.reset();
  other(ids, {.past_key_values = &cache});  // an empty one is anyone's
  BOOST_CHECK_THROW(model(ids, {.past_key_values = &cache}), value_error);
  // Of a model's options it is that model's from the start.
  DynamicCache<> own(model.cache_options());
  BOOST_TEST(own.model().num_hidden_layers == layers);
}

BOOST_AUTO_TEST_SUITE_END()
