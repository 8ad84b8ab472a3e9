// Contrastive search, DoLa and guidance, and the states that generate returns, against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/generation/contrastive_search.hpp>
#include <hft/generation/dola.hpp>
#include <hft/generation/generate.hpp>
#include <hft/generation/guidance.hpp>
#include <hft/models/bart.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/mistral.hpp>
#include <hft/models/t5.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(token_strategies)

namespace {

Tensor<i64, 2> rows_of(const json& rows) {
  const auto values = json_as<std::vector<std::vector<i64>>>(rows, "test", "rows");
  return ids_tensor(values);
}

std::vector<i64> ids_of(const Tensor<i64, 2>& t) { return {t.data(), t.data() + t.size()}; }

template <class T>
void check_states(const std::vector<std::vector<T>>& states, const golden& g, const std::string& name, isize passes,
                  isize layers) {
  BOOST_TEST_REQUIRE(isize(states.size()) == passes);
  for (const auto& pass : states) BOOST_TEST_REQUIRE(isize(pass.size()) == layers);
  if (g.has(name)) check_close(states.back().back(), g.at(name));
}

void check_encoder(const GenerateOutput& out, const golden& g, const std::string& name) {
  BOOST_TEST_REQUIRE(out.encoder_hidden_states.size() == out.encoder_attentions.size() + 1);
  check_close(out.encoder_hidden_states[1], g.at(name + ".encoder_hidden_states"));
  check_close(out.encoder_attentions.back(), g.at(name + ".encoder_attentions"));
}

template <class Model>
void check_case(const Model& model, const json& entry, const golden& g) {
  const auto name = entry["name"].get<std::string>();
  json fields = entry["config"];
  GenerateOptions options{.attention_mask = g.ids(name + ".attention_mask")};
  if (const json* ids = find_member(fields, "negative_prompt_ids", name)) {
    options.negative_prompt_ids = rows_of(*ids);
    options.negative_prompt_attention_mask = rows_of(fields["negative_prompt_attention_mask"]);
    fields.erase("negative_prompt_ids");
    fields.erase("negative_prompt_attention_mask");
  }
  GenerationConfig config{.do_sample = false, .bos_token_id = 1, .pad_token_id = 0, .decoder_start_token_id = 0};
  config.update(fields, name);
  config.output_scores = config.output_logits = config.output_hidden_states = config.output_attentions = true;
  const auto out = generate_detailed(model, g.ids(name + ".input_ids"), config, options);
  BOOST_TEST(ids_of(out.sequences) == ids_of(g.ids(name + ".sequences")), boost::test_tools::per_element());
  check_close(out.scores.back(), g.at(name + ".last_scores"));
  check_close(out.logits.back(), g.at(name + ".last_logits"));
  if (!g.has(name + ".counts")) return;
  const auto counts = ids_of(g.ids(name + ".counts"));
  check_states(out.hidden_states, g, name + ".hidden_states", isize(counts[0]), isize(counts[1]));
  check_states(out.attentions, g, name + ".attentions", isize(counts[2]), isize(counts[3]));
  if (g.has(name + ".cross_attentions")) check_encoder(out, g, name);
  if (g.has(name + ".cross_attentions"))
    check_states(out.cross_attentions, g, name + ".cross_attentions", isize(counts[2]), isize(counts[3]));
}

/// Runs the cases of one checkpoint.
template <class Model>
int check_cases(const std::string& folder) {
  const golden g(data("generation/token_strategies.safetensors"));
  const auto model = Model::from_pretrained(data("models/" + folder).string());
  int n = 0;
  for (const auto& entry : hft::test::filled(read_json(data("generation/token_strategies.json"))))
    if (entry["model"].get<std::string>() == folder) {
      BOOST_TEST_CONTEXT(entry["name"].get<std::string>()) { check_case(model, entry, g); }
      ++n;
    }
  return n;
}

}  // namespace

BOOST_AUTO_TEST_CASE(decoders) {
  BOOST_TEST(check_cases<LlamaForCausalLM<f32>>("llama/base") == 11);
  BOOST_TEST(check_cases<GPT2LMHeadModel<f32>>("gpt2/base") == 11);
  BOOST_TEST(check_cases<MistralForCausalLM<f32>>("mistral/window") == 11);
}

BOOST_AUTO_TEST_CASE(encoder_decoders) {
  BOOST_TEST(check_cases<T5ForConditionalGeneration<f32>>("t5/base") == 5);
  BOOST_TEST(check_cases<BartForConditionalGeneration<f32>>("bart/base") == 5);
}

BOOST_AUTO_TEST_CASE(settings_that_do_not_fit) {
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  const auto ids = Tensor<i64, 2>::from({5, 7, 11}, {1, 3});
  const auto fails = [&](const GenerationConfig& config, const char* text, const GenerateOptions& options = {}) {
    BOOST_CHECK_EXCEPTION(generate(model, ids, config, options), error, [&](const auto& e) {
      BOOST_TEST(e.what() == std::string(text));
      return true;
    });
  };
  fails({.penalty_alpha = 1.5}, "[generate] penalty_alpha: expected 0 to 1, got 1.5");
  fails({.use_cache = false, .penalty_alpha = 0.5}, "[generate] penalty_alpha: expected use_cache = true, got false");
  fails({.num_beams = 3, .penalty_alpha = 0.5}, "[generate] penalty_alpha: expected num_beams = 1, got 3 beams");
  fails({.penalty_alpha = 0.5, .dola_layers = "low"},
        "[generate] dola_layers: expected not to be set beside penalty_alpha, got both");
  fails({.dola_layers = "middle"},
        "[generate] dola_layers: expected \"low\", \"high\" or a list of layers before the last, got the string "
        "'middle'");
  fails({.dola_layers = {9}},
        "[generate] dola_layers: expected \"low\", \"high\" or a list of layers before the last, got none that is "
        "before 2");
  fails({.guidance_scale = 2}, "[generate] negative_prompt_ids: expected (1,N), a row a prompt, got (2, 2)",
        {.negative_prompt_ids = Tensor<i64, 2>::from({1, 2, 3, 4}, {2, 2})});
  fails({.guidance_scale = 2}, "[generate] negative_prompt_attention_mask: expected (1, 2), got (1, 3)",
        {.negative_prompt_ids = Tensor<i64, 2>::from({1, 2}, {1, 2}),
         .negative_prompt_attention_mask = Tensor<i64, 2>::from({1, 1, 1}, {1, 3})});
}

// Beams change places; each goes on from its own guidance.
BOOST_AUTO_TEST_CASE(guided_beams_are_what_no_cache_makes_of_them) {
  const auto model = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  const auto ids = Tensor<i64, 2>::from({5, 7, 11, 20, 21, 22}, {2, 3});
  GenerationConfig config{.max_new_tokens = 8, .num_beams = 4, .guidance_scale = 1.7, .eos_token_id = TokenIds()};
  const auto cached = generate(model, ids, config);
  config.use_cache = false;
  BOOST_TEST(ids_of(generate(model, ids, config)) == ids_of(cached), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
