// Qwen2 against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/generation/cache.hpp>
#include <hft/models/qwen2.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(qwen2)

// It costs a config: what computes is Llama's.
static_assert(std::is_same_v<Qwen2ForCausalLM<f32>::body_type, LlamaForCausalLM<f32>::body_type>);
static_assert(std::is_same_v<Qwen2Model<f32>::body_type, LlamaModel<f32>::body_type>);

namespace {

template <class Model>
void check_logits(const std::string& architecture) {
  for (const auto& folder : cases("qwen2", architecture)) {
    BOOST_TEST_CONTEXT(folder.filename().string()) {
      const auto model = Model::from_pretrained(folder.string());
      const golden g(folder / "golden.safetensors");
      for (const auto& pass : g.passes("logits")) {
        const auto args = g.args(pass);
        check_close(model(g.ids(pass + ".input_ids"), args).logits, g.at(pass + ".logits"), args.attention_mask);
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(heads_give_transformers_logits) {
  check_logits<Qwen2ForCausalLM<f32>>("Qwen2ForCausalLM");
  check_logits<Qwen2ForSequenceClassification<f32>>("Qwen2ForSequenceClassification");
  check_logits<Qwen2ForTokenClassification<f32>>("Qwen2ForTokenClassification");
}

BOOST_AUTO_TEST_CASE(base_model_gives_transformers_hidden_states) {
  for (const auto& folder : cases("qwen2", "Qwen2Model")) {
    const auto model = Qwen2Model<f32>::from_pretrained(folder.string());
    const golden g(folder / "golden.safetensors");
    for (const auto& pass : g.passes("last_hidden_state")) {
      const auto args = g.args(pass);
      check_close(model(g.ids(pass + ".input_ids"), args).last_hidden_state, g.at(pass + ".last_hidden_state"),
                  args.attention_mask);
    }
  }
}

BOOST_AUTO_TEST_CASE(some_layers_see_a_window_through_the_cache) {
  const auto folder = data("models/qwen2/layer_types");
  const auto model = Qwen2ForCausalLM<f32>::from_pretrained(folder.string());
  BOOST_TEST(model.config().attention(0).visible.left == 2);
  BOOST_TEST(model.config().attention(1).visible.left == visibility::unlimited);
  const golden g(folder / "golden.safetensors");
  const auto ids = g.ids("batch.input_ids");
  DynamicCache<> cache;
  ForwardArgs<> args;
  args.past_key_values = &cache;
  const isize B = ids.extent(0), T = ids.extent(1), V = model.config().vocab_size;
  Tensor<f32, 3> y({B, T, V});
  for (isize t = 0; t < T; ++t) {
    const auto part = model(ids.slice(1, t, t + 1), args).logits;
    for (isize b = 0; b < B; ++b) std::copy_n(part.data() + b * V, V, y.data() + (b * T + t) * V);
  }
  check_close(y, g.at("batch.logits"));
}

BOOST_AUTO_TEST_CASE(layer_types_that_fit_no_layers_are_refused) {
  const auto refuse = [](const char* text) {
    BOOST_CHECK_THROW(config_from_json<Qwen2Config>(parse_json(text, "config.json"), "config.json"), config_error);
  };
  refuse(R"({"num_hidden_layers": 2, "layer_types": ["full_attention"]})");
  refuse(R"({"num_hidden_layers": 1, "layer_types": ["no_such_attention"]})");
  refuse(R"({"sliding_window": 0})");
}

BOOST_AUTO_TEST_SUITE_END()
