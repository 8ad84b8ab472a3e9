// LlamaModel, LlamaForCausalLM, LlamaForSequenceClassification against Transformers, and what loading refuses.
#include <boost/test/unit_test.hpp>

#include <hft/generation/cache.hpp>
#include <hft/models/llama.hpp>

#include "golden.hpp"
#include "log_of.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(llama)

BOOST_AUTO_TEST_CASE(causal_lm_gives_transformers_logits) {
  for (const auto& folder : cases("llama", "LlamaForCausalLM")) {
    BOOST_TEST_CONTEXT(folder.filename().string()) {
      const auto model = LlamaForCausalLM<f32>::from_pretrained(folder.string());
      const golden g(folder / "golden.safetensors");
      for (const auto& pass : g.passes("logits")) {
        const auto args = g.args(pass);
        check_close(model(g.ids(pass + ".input_ids"), args).logits, g.at(pass + ".logits"), args.attention_mask);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(other_heads_give_transformers_outputs) {
  for (const auto& folder : cases("llama", "LlamaModel")) {
    const auto model = LlamaModel<f32>::from_pretrained(folder.string());
    const golden g(folder / "golden.safetensors");
    for (const auto& pass : g.passes("last_hidden_state")) {
      const auto args = g.args(pass);
      check_close(model(g.ids(pass + ".input_ids"), args).last_hidden_state, g.at(pass + ".last_hidden_state"),
                  args.attention_mask);
    }
  }
  for (const auto& folder : cases("llama", "LlamaForSequenceClassification")) {
    const auto model = LlamaForSequenceClassification<f32>::from_pretrained(folder.string());
    const golden g(folder / "golden.safetensors");
    for (const auto& pass : g.passes("logits"))
      check_close(model(g.ids(pass + ".input_ids"), g.args(pass)).logits, g.at(pass + ".logits"));
  }
}

BOOST_AUTO_TEST_CASE(a_base_model_reads_a_headed_checkpoint) {
  const auto folder = data("models/llama/base").string();
  const auto base = LlamaModel<f32>::from_pretrained(folder);
  const auto whole = LlamaForCausalLM<f32>::from_pretrained(folder);
  const auto ids = Tensor<i64, 2>::from({5, 7, 11}, {1, 3});
  const auto a = base(ids).last_hidden_state, b = whole.model(ids).last_hidden_state;
  BOOST_TEST(std::equal(a.data(), a.data() + a.size(), b.data()));
}

BOOST_AUTO_TEST_CASE(gguf_gives_the_same_model) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data("gguf"))) {
    const auto name = entry.path().stem().string();
    if (entry.path().extension() != ".gguf" || !name.starts_with("llama_")) continue;
    ++files;
    BOOST_TEST_CONTEXT(name) {
      // Exact weights against Transformers' logits; f32 dequantises whatever the file holds.
      const auto model = LlamaForCausalLM<f32>::from_pretrained(entry.path().string());
      const golden g(data("gguf/" + name + ".golden.safetensors"));
      for (const auto& pass : g.passes("logits"))
        check_close(model(g.ids(pass + ".input_ids"), g.args(pass)).logits, g.at(pass + ".logits"));
    }
  }
  BOOST_TEST(files == 14);
}

template <class CacheType>
void check_cache(CacheType& cache, const std::string& name) {
  const auto folder = data("models/llama/" + name);
  const auto model = LlamaForCausalLM<f32>::from_pretrained(folder.string());
  const golden g(folder / "golden.safetensors");
  const auto ids = g.ids("batch.input_ids");
  ForwardArgs<> args;
  args.past_key_values = &cache;
  const isize T = ids.extent(1), V = model.config().vocab_size;
  Tensor<f32, 3> y({ids.extent(0), T, V});
  for (isize t = 0; t < T;) {  // three tokens, then one by one
    const isize n = t == 0 ? 3 : 1;
    const auto part = model(ids.slice(1, t, t + n), args).logits;
    for (isize b = 0; b < ids.extent(0); ++b) std::copy_n(part.data() + b * n * V, n * V, y.data() + (b * T + t) * V);
    t += n;
  }
  BOOST_TEST(cache.get_seq_length() == T);
  check_close(y, g.at("batch.logits"));
}

BOOST_AUTO_TEST_CASE(caches_give_what_the_whole_sequence_gives) {
  for (const std::string name : {"base", "mqa", "tied", "rope_yarn"}) {
    DynamicCache<> dynamic;
    check_cache(dynamic, name);
    StaticCache<> fixed_room(7);
    check_cache(fixed_room, name);
    SlidingWindowCache<> wide(7);
    check_cache(wide, name);
  }
  StaticCache<> small(6);
  BOOST_CHECK_THROW(check_cache(small, "base"), value_error);
}

BOOST_AUTO_TEST_CASE(weights_in_other_dtypes_stay_close) {
  const auto folder = data("models/llama/base");
  const golden g(folder / "golden.safetensors");
  const auto ids = g.ids("batch.input_ids");
  check_close(LlamaForCausalLM<bf16>::from_pretrained(folder.string())(ids).logits, g.at("batch.logits"), {}, 5e-2);
  check_close(LlamaForCausalLM<f16>::from_pretrained(folder.string())(ids).logits, g.at("batch.logits"), {}, 1e-2);
  check_close(LlamaForCausalLM<any_q>::from_pretrained(folder.string())(ids).logits, g.at("batch.logits"));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  const auto folder = data("models/llama/base").string();
  const auto model = LlamaForCausalLM<f32>::from_pretrained(folder);
  BOOST_CHECK_THROW(model(Tensor<i64, 2>::from({1, 999999}, {1, 2})), value_error);
  BOOST_CHECK_THROW(model(Tensor<i64, 2>::from({1, -1}, {1, 2})), value_error);
  ForwardArgs<> args;
  args.attention_mask = Tensor<i64, 2>::from({1, 1, 1}, {1, 3});
  BOOST_CHECK_THROW(model(Tensor<i64, 2>::from({1, 2}, {1, 2}), args), shape_error);
}

BOOST_AUTO_TEST_CASE(configs_that_contradict_themselves_are_refused) {
  const auto refuse = [](const char* text) {
    BOOST_CHECK_THROW(config_from_json<LlamaConfig>(parse_json(text, "config.json"), "config.json"), error);
  };
  refuse(R"({"hidden_size": 100, "num_attention_heads": 3})");
  refuse(R"({"num_attention_heads": 8, "num_key_value_heads": 3})");
  refuse(R"({"num_attention_heads": 0})");
  refuse(R"({"num_key_value_heads": 0})");
  refuse(R"({"hidden_size": -4})");
  refuse(R"({"num_hidden_layers": 200000000})");
  refuse(R"({"num_labels": 2000000000})");
  refuse(R"({"hidden_size": 1e3})");
  refuse(R"({"hidden_size": 99999999999999999999})");
  refuse(R"({"hidden_act": "no such"})");
  refuse(R"({"rope_scaling": {"rope_type": "no such"}})");
  refuse(R"({"rope_scaling": {"rope_type": "linear"}})");
  refuse(R"({"vocab_size": "many"})");
  refuse(R"({"rms_norm_eps": -1e-6})");
  refuse(R"({"attention_dropout": 1.5})");
  refuse(R"({"rope_scaling": "linear"})");
  refuse(R"({"head_dim": 2, "rope_scaling": {"rope_type": "dynamic", "factor": 2}})");
  refuse(R"({"rope_scaling": {"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 0}})");
  refuse(R"({"rope_scaling": {"rope_type": "llama3", "factor": 2, "original_max_position_embeddings": 64,
             "low_freq_factor": 0, "high_freq_factor": 4}})");
  refuse(
      R"({"head_dim": 4, "rope_scaling": {"rope_type": "longrope", "short_factor": [1, 0], "long_factor": [1, 1]}})");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_config_names_its_file) {
  try {
    config_from_json<LlamaConfig>(json::object({{"vocab_size", 0}}), "some/config.json");
    BOOST_ERROR("no error");
  } catch (const config_error& e) {
    BOOST_TEST(std::string(e.what()) == "[some/config.json: llama] vocab_size: expected 1 to 268435456, got 0");
  }
}

BOOST_AUTO_TEST_CASE(of_both_spellings_of_rotary_parameters_the_older_counts) {
  const auto read = [](const char* text) {
    return config_from_json<LlamaConfig>(parse_json(text, "config.json"), "config.json").rope_parameters;
  };
  const auto both = read(R"({"rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 500},
                             "rope_scaling": {"type": "dynamic", "factor": 4}})");
  BOOST_TEST(both.rope_type.view() == "dynamic");
  BOOST_TEST(*both.factor == 4);
  BOOST_TEST(both.rope_theta == 10000);
  const auto empty = read(R"({"rope_parameters": {"rope_type": "linear", "factor": 2}, "rope_scaling": {}})");
  BOOST_TEST(empty.rope_type.view() == "linear");
}

BOOST_AUTO_TEST_CASE(the_original_length_of_rotary_positions_may_stand_in_three_places) {
  const auto frequencies = [](const std::string& outside, const std::string& inside) {
    const auto text = R"({"head_dim": 32, "max_position_embeddings": 64, )" + outside +
                      R"("rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, )" + inside +
                      R"("high_freq_factor": 4}})";
    return config_from_json<LlamaConfig>(parse_json(text, "config.json"), "config.json").rope().frequencies(8).first;
  };
  const std::string eight = R"("original_max_position_embeddings": 8, )";
  const auto inner = frequencies("", eight);
  BOOST_TEST(frequencies(eight, R"("original_max_position_embeddings": 16, )") == inner);  // as in Transformers
  BOOST_TEST(frequencies(eight, "") == inner);
  BOOST_TEST(frequencies("", R"("original_max_position_embeddings": 64, )") == frequencies("", ""));
  BOOST_TEST(frequencies("", "") != inner);
}

BOOST_AUTO_TEST_CASE(proportional_positions_turn_a_part_of_each_head) {
  const auto frequencies = [](std::optional<f64> part) {
    RopeParameters p;
    p.rope_type = part ? "proportional" : "linear";
    p.rope_theta = 100;
    p.factor = 2;
    p.partial_rotary_factor = part;
    return RopeScaling(p, 20, 64).frequencies(8).first;
  };
  const auto all = frequencies({});
  BOOST_TEST(frequencies(1) == all);
  for (const auto& [part, turning] : {std::pair{0.5, 5u}, {0.25, 2u}, {0.0, 0u}}) {  // of 10 pairs, whole ones
    const auto some = frequencies(part);
    for (std::size_t i = 0; i < 10; ++i) BOOST_TEST(some[i] == (i < turning ? all[i] : 0.0f));
  }
}

BOOST_AUTO_TEST_CASE(rounding_a_second_time_and_a_dtype_without_effect_are_said) {
  ::test::log_of log;
  const auto q4 = data("gguf/llama_q4_1.gguf").string();
  LlamaForCausalLM<any_q>::from_pretrained(q4);
  LlamaForCausalLM<q4_1>::from_pretrained(q4);
  BOOST_TEST(!log.has("second time"));
  LlamaForCausalLM<f32>::from_pretrained(q4);  // loses nothing more
  BOOST_TEST(log.messages.empty());
  LlamaForCausalLM<q8_0>::from_pretrained(q4);
  BOOST_TEST(log.has("weights that are quantised already are rounded a second time: q4_1 to q8_0"));
  log.messages.clear();
  LlamaForCausalLM<any_q>::from_pretrained(q4, {.dtype = dtype_id::q4_0});
  BOOST_TEST(log.has("rounded a second time: q4_1 to q4_0"));
  log.messages.clear();
  LlamaForCausalLM<f32>::from_pretrained(q4, {.dtype = dtype_id::bf16});
  BOOST_TEST(log.has("dtype = bf16 is for weights of type any_q; those of this model are f32 by its type"));
}

BOOST_AUTO_TEST_SUITE_END()
