// XLNet's memory: what a cache keeps of earlier texts.
#include <boost/test/unit_test.hpp>

#include <hft/generation/cache.hpp>
#include <hft/generation/generate.hpp>
#include <hft/models/xlnet.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(xlnet_memory)

namespace {
XLNetConfig small(std::string_view attn_type) {
  XLNetConfig c;
  c.vocab_size = 17, c.d_model = 12, c.n_layer = 2, c.n_head = 3, c.d_inner = 10;
  c.attn_type = attn_type;
  c.mem_len = {};
  c.initializer_range = 0.4;
  return c;
}
f32 distance(const Tensor<f32, 3>& a, const Tensor<f32, 3>& b) {
  BOOST_REQUIRE(a.shape() == b.shape());
  f32 most = 0;
  const auto x = a.dense(), y = b.dense();
  for (isize i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x.data()[i] - y.data()[i]));
  return most;
}
const auto text = Tensor<i64, 2>::from({4, 9, 2, 11, 7, 7, 3, 16}, {1, 8});
}  // namespace

// Who sees the past alone finds there what it would find before it in one text.
BOOST_AUTO_TEST_CASE(a_text_in_pieces_is_a_text) {
  const auto model = XLNetLMHeadModel<f32>::from_config(small("uni"), 5);
  const auto whole = model(text).logits;
  DynamicCache<f32> memory;
  for (const auto& [from, to] : {std::pair<isize, isize>{0, 3}, {3, 4}, {4, 8}})
    BOOST_TEST(distance(model(text.slice(1, from, to).dense(), {.past_key_values = &memory}).logits,
                        whole.slice(1, from, to).dense()) < 1e-5f);
  BOOST_TEST((memory.state(1).get<3>("mems").shape() == Shape<3>{1, 8, 12}));
}

BOOST_AUTO_TEST_CASE(both_directions_see_the_memory) {
  const auto model = XLNetLMHeadModel<f32>::from_config(small("bi"), 5);
  const auto second = text.slice(1, 3, 8).dense();
  DynamicCache<f32> memory;
  model(text.slice(1, 0, 3).dense(), {.past_key_values = &memory});
  const auto remembering = model(second, {.past_key_values = &memory}).logits;
  BOOST_TEST(distance(remembering, model(second).logits) > 0.01f);
}

BOOST_AUTO_TEST_CASE(memory_is_as_long_as_the_config_says) {
  auto config = small("bi");
  config.mem_len = 5, config.reuse_len = 4;
  const auto model = XLNetLMHeadModel<f32>::from_config(config, 5);
  DynamicCache<f32> memory;
  model(text.slice(1, 0, 3).dense(), {.past_key_values = &memory});
  BOOST_TEST(memory.state(0).get<3>("mems").extent(1) == 3);
  model(text, {.past_key_values = &memory});  // 3 and the first 4 of 8, of which the last 5
  BOOST_TEST(memory.state(0).get<3>("mems").extent(1) == 5);
}

// Rows of a batch are their own, beams, too, whatever use_cache says.
BOOST_AUTO_TEST_CASE(beams_remember_their_own) {
  const auto model = XLNetLMHeadModel<f32>::from_config(small("bi"), 6);
  const GenerationConfig beams{.max_new_tokens = 5, .num_beams = 3, .pad_token_id = 0, .eos_token_id = TokenIds()};
  auto uncached = beams;
  uncached.use_cache = false;
  const auto two = Tensor<i64, 2>::from({4, 9, 2, 11, 7, 3}, {2, 3});
  const auto found = generate(model, two, beams), again = generate(model, two, uncached);
  BOOST_TEST((std::equal(found.data(), found.data() + found.size(), again.data())));
  for (const isize b : {0, 1}) {
    const auto alone = generate(model, two.slice(0, b, b + 1).dense(), beams);
    BOOST_TEST((std::equal(alone.data(), alone.data() + alone.size(), found.data() + b * found.extent(1))));
  }
}

BOOST_AUTO_TEST_SUITE_END()
