// A folder that save_pretrained wrote is the tokenizer it was written from; and tokens that are added to one.
#include <hft/tokenizers/save_pretrained.hpp>

#include <boost/test/unit_test.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <hft/tokenizers/pretrained.hpp>

#include "files.hpp"

#include "../golden_list.hpp"

BOOST_AUTO_TEST_SUITE(save_pretrained)

using hft::AutoTokenizer;

// A file lists names that are a model's own by the alphabet.
std::map<std::string, std::string> names(const hft::PreTrainedTokenizerFast& t) {
  return {t.special_tokens_map().begin(), t.special_tokens_map().end()};
}

BOOST_AUTO_TEST_CASE(a_saved_tokenizer_is_read_back_equal) {
  const auto golden = hft::read_json(test::files() / "golden.json");
  for (std::size_t i = 0; i < golden["folders"].size(); i += 3) {  // the whole sweep takes seconds
    const auto& c = golden["folders"][i];
    BOOST_TEST_CONTEXT("folder " << i << " " << c["json"].dump()) {
      const test::folder f, g;
      for (const auto& [to, from] : c["files"].items()) f.copy(from.get<std::string>(), to);
      for (const auto& [name, content] : c["json"].items()) f.write(name, content.dump());
      const auto before = AutoTokenizer::from_pretrained(f.path);
      before.save_pretrained(g.path / "new");
      const auto after = AutoTokenizer::from_pretrained(g.path / "new");
      BOOST_TEST((names(after) == names(before)));
      BOOST_TEST(after.additional_special_tokens() == before.additional_special_tokens(),
                 boost::test_tools::per_element());
      BOOST_TEST((after.padding_side == before.padding_side));
      BOOST_TEST(after.model_max_length == before.model_max_length);
      BOOST_TEST(after.clean_up_tokenization_spaces == before.clean_up_tokenization_spaces);
      BOOST_TEST(after.model_input_names == before.model_input_names, boost::test_tools::per_element());
      // CodeLlama's class puts a <s> before a text that it reads from tokenizer.json, whatever add_bos_token was when
      // that was saved: Transformers, too, does not read back what it wrote.
      const bool framed = c["json"].dump().find("CodeLlamaTokenizer") == std::string::npos;
      for (const auto& text : hft::test::filled(golden["texts"])) {
        const auto a = before.tokenizer().encode(text.get<std::string>(), framed),
                   b = after.tokenizer().encode(text.get<std::string>(), framed);
        BOOST_TEST(a.ids == b.ids, boost::test_tools::per_element());
        BOOST_TEST((a.offsets == b.offsets));
        BOOST_TEST(before.decode(a.ids) == after.decode(a.ids));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(templates_and_names_are_written) {
  const test::folder f, g;
  f.copy("gpt2.vocab.json", "vocab.json");
  f.copy("gpt2.merges.txt", "merges.txt");
  f.write("tokenizer_config.json",
          R"({"tokenizer_class":"GPT2Tokenizer","pad_token":null,"own_key":[1],"image_token":"<i>",
    "extra_special_tokens":{"eoi":"<e>"},"chat_template":[{"name":"default","template":"ä"},{"name":"tools","template":"t"}]})");
  auto t = AutoTokenizer::from_pretrained(f.path);
  t.save_pretrained(g.path);
  BOOST_TEST(hft::read_text(g.path / "chat_template.jinja") == "ä");
  BOOST_TEST(hft::read_text(g.path / "additional_chat_templates" / "tools.jinja") == "t");
  const auto config = hft::read_json(g.path / "tokenizer_config.json");
  BOOST_TEST(config["own_key"].dump() == "[1]");  // what hft does not know stays
  BOOST_TEST(config["tokenizer_class"].get<std::string>() == "GPT2Tokenizer");
  BOOST_TEST(config["pad_token"].is_null());
  BOOST_TEST(config["model_specific_special_tokens"]["eoi"].get<std::string>() == "<e>");
  BOOST_TEST(hft::read_json(g.path / "special_tokens_map.json")["bos_token"]["content"].get<std::string>() ==
             "<|endoftext|>");
  const auto again = AutoTokenizer::from_pretrained(g.path);
  BOOST_TEST((names(again) == names(t)));
  BOOST_TEST(again.chat_templates().size() == 2);

  f.write("tokenizer_config.json", R"({"chat_template":[{"name":"../x","template":"t"}]})");
  BOOST_CHECK_THROW(AutoTokenizer::from_pretrained(f.path).save_pretrained(g.path), hft::value_error);
  f.write("file", "");
  BOOST_CHECK_THROW(t.save_pretrained(f.path / "file"), hft::file_error);
}

BOOST_AUTO_TEST_CASE(added_tokens_get_new_ids) {
  const test::folder f, g;
  f.copy("bert.vocab.txt", "vocab.txt");
  auto t = AutoTokenizer::from_pretrained(f.path);
  const auto before = t;
  const auto size = std::int64_t(t.size());
  BOOST_TEST(t.add_tokens(std::vector<std::string>{"foobar", "[MASK]x"}) == 2);
  BOOST_TEST(*t.convert_tokens_to_ids("foobar") == size);
  BOOST_TEST(t.add_special_tokens({{"bos_token", "<s>"}, {"eos_token", "[SEP]"}}, {"<x>"}) >= 2);
  BOOST_TEST(*t.bos_token_id() == size + 2);
  BOOST_TEST(*t.eos_token_id() == *t.sep_token_id());
  BOOST_TEST(t.special_tokens_map().front().first == "bos_token");
  BOOST_TEST(t.additional_special_tokens().front() == "<x>");
  const auto ids = t.encode("foobar <s><x> human", false);
  BOOST_TEST((ids[0] == size && ids[1] == size + 2 && ids[2] == size + 3));
  BOOST_TEST(t.decode(ids, true) == "foobar human");
  BOOST_TEST(std::int64_t(before.size()) == size);  // copies are their own
  t.save_pretrained(g.path);
  BOOST_TEST(AutoTokenizer::from_pretrained(g.path).encode("foobar <s><x> human", false) == ids,
             boost::test_tools::per_element());
  BOOST_CHECK_THROW(t.add_special_tokens({{"pad", "<p>"}}), hft::value_error);
}

BOOST_AUTO_TEST_SUITE_END()
