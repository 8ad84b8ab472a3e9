// CrossEncoder's folders against sentence-transformers.
#include <boost/test/unit_test.hpp>

#include <hft/auto_cross_encoder.hpp>

#include "../golden_list.hpp"
#include "../models/golden.hpp"
#include "sentence_folder.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(cross_encoder)

namespace {

using Reranker = AutoCrossEncoder<f32, archs<bert, llama, modernbert, xlm_roberta>>;

void load(const std::string& folder) { Reranker::from_pretrained(folder); }
std::filesystem::path tiny(const char* name) { return data(std::string("cross_encoders/") + name); }

PredictOptions options_of(const json& call) {
  PredictOptions options;
  for (const auto& [key, value] : call.items())
    if (key == "prompt")
      options.prompt = value.get<std::string>();
    else if (key == "prompt_name")
      options.prompt_name = value.get<std::string>();
    else if (key == "apply_activation")
      options.apply_activation = value.get<bool>();
    else if (key == "apply_softmax")
      options.apply_softmax = value.get<bool>();
    else if (key == "batch_size")
      options.batch_size = value.get<isize>();
    else
      BOOST_FAIL("option " << key);
  return options;
}

}  // namespace

BOOST_AUTO_TEST_CASE(folders_give_the_scores_of_sentence_transformers) {
  int folders = 0, calls = 0, ranked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data("cross_encoders")))
    BOOST_TEST_CONTEXT(entry.path().filename().string()) {
      const auto folder = seeded_checkpoint(entry.path());
      const auto reranker = Reranker::from_pretrained(folder.string());
      const json golden = read_json(folder / "golden.json");
      std::vector<TextPair> pairs;
      for (const json& pair : filled(golden["pairs"]))
        pairs.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
      BOOST_TEST(reranker.max_length().value_or(0) == golden["max_length"].get<isize>());
      for (const json& call : filled(golden["calls"])) BOOST_TEST_CONTEXT(call["options"].dump()) {
          check_rows(reranker.predict(pairs, options_of(call["options"])), call["scores"]);
          ++calls;
        }
      ++folders;
      if (!golden.contains("ranked")) continue;
      const auto texts = golden["texts"].get<std::vector<std::string>>();
      const auto hits = reranker.rank("where is the cat?", texts);
      BOOST_TEST_REQUIRE(hits.size() == filled(golden["ranked"]).size());
      for (std::size_t i = 0; i < hits.size(); ++i) {
        BOOST_TEST(hits[i].corpus_id == golden["ranked"][i][0].get<isize>());
        BOOST_TEST(std::abs(hits[i].score - golden["ranked"][i][1].get<f32>()) < 1e-5f);
      }
      const auto best = reranker.rank("where is the cat?", texts, 2);
      BOOST_TEST(best.size() == 2u);
      BOOST_TEST(best[1].corpus_id == hits[1].corpus_id);
      ++ranked;
    }
  BOOST_TEST(folders == 8);
  BOOST_TEST(calls == 16);
  BOOST_TEST(ranked == 7);
}

BOOST_AUTO_TEST_CASE(a_class_may_be_named) {
  const auto folder = tiny("one_label").string();
  const auto typed = CrossEncoder<>::from_pretrained(folder);
  const auto found = Reranker::from_pretrained(folder);
  const std::vector<TextPair> pairs{{"the dog", "a cat"}, {"who", "the mat ."}};
  const auto a = typed.predict(pairs), b = found.predict(pairs);
  BOOST_TEST(std::equal(a.data(), a.data() + a.size(), b.data(), b.data() + b.size()));
  BOOST_TEST(found.model().architecture() == "BertForSequenceClassification");
}

BOOST_AUTO_TEST_CASE(no_pairs_and_long_ones) {
  auto reranker = CrossEncoder<>::from_pretrained(tiny("one_label").string());
  BOOST_TEST(reranker.predict({}).extent(0) == 0);
  BOOST_TEST(reranker.rank("who", {}).empty());
  reranker.set_max_length(7);  // [CLS], two words, [SEP], two words, [SEP]
  const auto y = reranker.predict({{"the cat sat", "a dog runs"}, {"the cat", "a dog"}, {"the cat", "a"}});
  BOOST_TEST(y.data()[0] == y.data()[1]);
  BOOST_TEST(y.data()[0] != y.data()[2]);
  BOOST_CHECK_THROW(reranker.set_max_length(0), value_error);
  BOOST_CHECK_THROW(reranker.rank("who", {"a"}, 0), value_error);
  BOOST_CHECK_THROW(reranker.predict({{"a", "b"}}, {.batch_size = 0}), value_error);
  BOOST_CHECK_THROW(reranker.predict({{"a", "b"}}, {.prompt_name = "x"}), value_error);
}

BOOST_AUTO_TEST_CASE(what_a_folder_must_not_say) {
  const auto says = [](const char* file, const std::string& text, const char* expected) {
    const auto e = changed_folder(tiny("saved"), file, text).message(load);
    BOOST_TEST(e == expected);
  };
  says("modules.json", R"([{"path": "", "type": "x.Transformer"}, {"path": "1_Dense", "type": "x.Dense"}])",
       "[DIR/modules.json] modules: expected a Transformer, alone or before a LogitScore, got 'x.Dense'");
  says("modules.json", "[]", "[DIR/modules.json] modules: expected one Transformer, got 0");
  says("sentence_bert_config.json", R"({"transformer_task": "text-generation"})",
       "[DIR/sentence_bert_config.json] transformer_task: expected sequence-classification, got 'text-generation'");
  says("config_sentence_transformers.json", R"({"activation_fn": "torch.nn.modules.activation.Softsign"})",
       "[DIR/config_sentence_transformers.json] activation_fn: expected Identity, Tanh, ReLU, ReLU6, GELU, SiLU, Mish, "
       "Sigmoid or Hardswish of torch.nn, got 'torch.nn.modules.activation.Softsign'");
  const auto asked = [](const char* folder, const char* file, const std::string& text, const char* expected) {
    const auto e = changed_folder(tiny(folder), file, text).message([](const std::string& its) {
      CrossEncoder<LlamaForCausalLM<f32>>::from_pretrained(its).predict({{"who", "the cat"}});
    });
    BOOST_TEST(e == expected);
  };
  asked("asked", "1_LogitScore/config.json", R"({"true_token_id": 99})",
        "[DIR/1_LogitScore/config.json] true_token_id: expected 0 to 29, a token, got 99");
  asked("asked", "1_LogitScore/config.json", R"({"true_token_id": 9, "false_token_id": -1})",
        "[DIR/1_LogitScore/config.json] false_token_id: expected 0 to 29, a token, got -1");
  asked("asked", "1_LogitScore/config.json", R"({"true_token_id": 9, "module_input_name": "scores"})",
        "[DIR/1_LogitScore/config.json] module_input_name: expected causal_logits, got 'scores'");
  asked("asked", "sentence_bert_config.json", R"({"transformer_task": "sequence-classification"})",
        "[DIR/sentence_bert_config.json] transformer_task: expected text-generation, got 'sequence-classification'");
  asked("asked_by_chat", "chat_template.jinja", "{{ messages[0].content }}",
        "[DIR] chat_template: expected one that renders the roles query and document, got one without the document");
  const auto three = CrossEncoder<>::from_pretrained(tiny("three_labels").string());
  BOOST_CHECK_EXCEPTION(three.rank("who", {"a"}), value_error, [](const auto& e) {
    BOOST_TEST(std::string(e.what()) == "[CrossEncoder] rank: expected a model with one label, got 3 labels");
    return true;
  });
}

BOOST_AUTO_TEST_SUITE_END()
