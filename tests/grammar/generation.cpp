// Generation held to a grammar: greedy, sampling and beams, on the toy model, whose tokenizer comes with it.
#include <boost/test/unit_test.hpp>

#include <hft/generation/generate.hpp>
#include <hft/generation/logits_process/guided.hpp>
#include <hft/models/llama.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "texts_of.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(grammar_generation)

namespace {

const std::string toy = std::string(HFT_TEST_DATA) + "/../../examples/toy_llama/model.q8_0.gguf";

const LlamaForCausalLM<any_q>& model() {
  static const auto m = LlamaForCausalLM<any_q>::from_pretrained(toy);
  return m;
}
const PreTrainedTokenizerFast& tok() {
  static const auto t = AutoTokenizer::from_pretrained(toy);
  return t;
}
const std::vector<i64>& eos() { return model().generation_config.eos_token_id->ids; }

std::shared_ptr<GrammarLogitsProcessor> held_to(const Grammar& g) {
  return std::make_shared<GrammarLogitsProcessor>(std::make_shared<CompiledGrammar>(g, token_texts(tok().tokenizer())),
                                                  eos());
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_strategy_writes_a_text_of_the_grammar) {
  const auto g =
      grammar_from_gbnf("root ::= \"{\\\"n\\\": \" [1-9] [0-9]{0,2} \", \\\"w\\\": \\\"\" [a-z ]{1,9} \"\\\"}\"");
  const std::vector<std::string> prompts{"The capital of France", "Who"};
  const auto p = held_to(g);  // of one object one generation after the other
  GenerationConfig greedy{.max_new_tokens = 60}, drawn = greedy, beams = greedy;
  drawn.do_sample = true, drawn.temperature = 3, drawn.num_return_sequences = 3;
  beams.num_beams = 4, beams.num_return_sequences = 3;
  for (const auto& config : {greedy, drawn, beams, greedy}) {
    for (const auto& text :
         generate(model(), tok(), prompts, config, {.logits_processor = {p}, .return_full_text = false}))
      BOOST_TEST(accepts(g, text), text);
  }
  // Fewer texts than beams.
  for (const auto& text : generate(
           model(), tok(), {"Who", "What is"}, {.max_new_tokens = 20, .num_beams = 4, .num_return_sequences = 2},
           {.logits_processor = {held_to(grammar_from_gbnf("root ::= \"yes\" | \"no\""))}, .return_full_text = false}))
    BOOST_TEST((text == "yes" || text == "no"), text);
  // Where no more may follow, the text ends.
  const auto one = held_to(grammar_from_gbnf("root ::= \"yes\""));
  BOOST_TEST(generate(model(), tok(), "Who", greedy, {.logits_processor = {one}, .return_full_text = false}) == "yes");
}

BOOST_AUTO_TEST_CASE(guided_reads_what_it_is_given) {
  const std::string schema =
      R"({"type":"object","properties":{"city":{"type":"string","maxLength":12},"capital":{"type":"boolean"},
    "size":{"enum":["small","large"]}},"required":["city","capital","size"]})";
  const auto write = [&](const GuidedOptions& options, GenerationConfig config) {
    return generate(model(), tok(), "The capital of France is", config,
                    {.logits_processor = {guided(tok(), options)}, .return_full_text = false});
  };
  for (const isize beams : {1, 3}) {
    const auto text = write({.json_schema = schema}, {.max_new_tokens = 80, .num_beams = beams});
    const json value = parse_json(text, "text");
    BOOST_TEST(value["city"].is_string());
    BOOST_TEST(value["capital"].is_boolean());
    BOOST_TEST(value.size() == 3u);
  }
  BOOST_TEST(write({.regex = "[A-Z]{3}-\\d{2}"}, {.max_new_tokens = 20}).size() == 6u);
  BOOST_TEST(write({.grammar = "root ::= \"no\""}, {.max_new_tokens = 20}) == "no");
  BOOST_CHECK_THROW(guided(tok(), {}), value_error);
  BOOST_CHECK_THROW(guided(tok(), {.json_schema = "{}", .regex = "a"}), value_error);
  BOOST_CHECK_THROW(guided(tok().tokenizer(), {.regex = "a"}), value_error);
  BOOST_CHECK_THROW(guided(tok(), {.regex = "[^\\d\\D]"}), value_error);
  try {
    guided(tok(), {.grammar = "root ::= x", .where = "my.gbnf"});
    BOOST_ERROR("no error");
  } catch (const format_error& e) {
    BOOST_TEST(e.where() == "my.gbnf:1:10");
  }
}

BOOST_AUTO_TEST_CASE(a_row_is_found_by_its_tokens) {
  const auto grammar =
      std::make_shared<CompiledGrammar>(grammar_from_gbnf("root ::= \"ab\" | \"ba\" \"c\"*"), vocabulary({"", "abx"}));
  GrammarLogitsProcessor p(grammar, {256});
  const isize V = 258;
  const auto allowed = [&](std::vector<i64> ids, isize rows) {
    std::vector<f32> scores(std::size_t(rows * V), 1);
    const isize T = isize(ids.size()) / rows;
    p(matrix<const i64>{ids.data(), rows, T, T}, matrix<f32>{scores.data(), rows, V, V});
    std::vector<std::string> out;
    for (isize r = 0; r < rows; ++r) {
      out.emplace_back();
      for (isize v = 0; v < V; ++v)
        if (scores[std::size_t(r * V + v)] > filter_value)
          out.back() += v == 256 ? std::string("$") : std::string(1, char(v));
    }
    return out;
  };
  using texts = std::vector<std::string>;
  const auto same = [](const texts& a, const texts& b) { return a == b; };
  BOOST_TEST(same(allowed({7, 9, 7, 9}, 2), texts{"ab", "ab"}));
  BOOST_TEST(same(allowed({7, 9, 'a', 7, 9, 'b'}, 2), texts{"b", "a"}));
  BOOST_TEST(same(allowed({7, 9, 'b', 'a', 7, 9, 'a', 'b'}, 2), texts{"c$", "$"}));  // beams that change places
  BOOST_TEST(same(allowed({7, 9, 'b', 'a', 'c', 7, 9, 'b', 'a', 'c'}, 2), texts{"c$", "c$"}));
  BOOST_TEST(same(allowed({7, 9, 'b', 'a', 7, 9, 'b', 'x'}, 2), texts{"c$", ""}));  // back, and a row that left it
  BOOST_TEST(same(allowed({7, 9, 'a', 'b', 256, 7, 9, 'b', 'a', 256}, 2), texts{"$", "$"}));
  BOOST_TEST(same(allowed({7, 9, 'a'}, 1), texts{"ab"}));                  // another batch
  BOOST_TEST(same(allowed({7, 9, 'a', 'a'}, 1), texts{"b"}));              // goes on
  BOOST_TEST(same(allowed({7, 9, 'a', 'a', 'b', 1, 2}, 1), texts{"ab"}));  // a longer prompt
  BOOST_TEST(same(allowed({5}, 1), texts{"ab"}));
  BOOST_TEST(same(allowed({5, 256}, 1), texts{"$"}));
  // A generation that begins: with a prompt of its own, though it starts like the one before, or with what was written.
  p.begin(2);
  BOOST_TEST(same(allowed({5, 'b'}, 1), texts{"ab"}));
  BOOST_TEST(same(allowed({5, 'b', 'b'}, 1), texts{"a"}));
  p.begin(3);
  BOOST_TEST(same(allowed({5, 'b', 'b'}, 1), texts{"a"}));
  p.begin(2);
  BOOST_TEST(same(allowed({5, 'b'}, 1), texts{"ab"}));
}

BOOST_AUTO_TEST_CASE(no_token_left_names_the_text_so_far) {
  const auto grammar =
      std::make_shared<CompiledGrammar>(grammar_from_gbnf("root ::= \"ab\""), TokenTexts{{"a", "c", ""}});
  GrammarLogitsProcessor p(grammar, {2});
  std::vector<i64> ids{1, 0};
  std::vector<f32> scores(3, 0);
  p(matrix<const i64>{ids.data(), 1, 1, 2}, matrix<f32>{scores.data(), 1, 3, 3});
  BOOST_TEST(scores[1] == filter_value);
  try {
    p(matrix<const i64>{ids.data(), 1, 2, 2}, matrix<f32>{scores.data(), 1, 3, 3});
    BOOST_ERROR("no error");
  } catch (const value_error& e) {
    BOOST_TEST(e.subject() == "the text 'a'");
  }
  BOOST_CHECK_THROW(GrammarLogitsProcessor(grammar, {}), value_error);
}

BOOST_AUTO_TEST_CASE(texts_of_tokens_are_their_decoders) {
  const auto text_of = [](const char* file, const char* token) {
    const auto t = Tokenizer::from_file(std::string(HFT_TEST_DATA) + "/tokenizers/" + file);
    const auto all = token_texts(t);
    const auto id = t.token_to_id(token);
    BOOST_TEST_REQUIRE(id.has_value(), file << " has no " << token);
    return all.texts[std::size_t(*id)] + (all.first.empty() ? "" : "|" + all.first[std::size_t(*id)]);
  };
  BOOST_TEST(text_of("gpt2.json", "\xc4\xa0t") == " t");
  BOOST_TEST(text_of("llama2.json", "t\xe2\x96\x81") == "t ");
  BOOST_TEST(text_of("llama2.json", "</s>") == "");
  BOOST_TEST(text_of("bert.json", "##s") == "s|##s");
  BOOST_TEST(text_of("bert.json", "the") == " the|the");
  const auto bytes =
      token_texts(Tokenizer::from_json(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
    "normalizer":null,"pre_tokenizer":null,"post_processor":null,
    "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
      {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
    "model":{"type":"BPE","byte_fallback":true,"vocab":{"<0xE2>":0,"\u2581a":1,"b":2,"<0x0A>":3},"merges":[]}})"));
  BOOST_TEST(bytes.texts == (std::vector<std::string>{"\xe2", " a", "b", "\n"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
