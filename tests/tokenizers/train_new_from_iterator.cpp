// train_new_from_iterator against Transformers' (tests/oracle/tokenizer_trainers.py), and the tokenizer it returns.
#include <hft/tokenizers/train_new_from_iterator.hpp>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <hft/io/json.hpp>

#include "../golden_list.hpp"
#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(train_new_from_iterator)

namespace {

using hft::json;
using hft::PreTrainedTokenizerFast;
using strings = std::vector<std::string>;

const json& golden() {
  static const json document = hft::read_json(test::data() / "trainers" / "golden.json");
  return document;
}

PreTrainedTokenizerFast tokenizer_of(const json& c) {
  const auto folder = std::filesystem::temp_directory_path() / hft::detail::cat("hft-train-new-", long(::getpid()));
  std::filesystem::create_directories(folder);
  const auto& t = c["tokenizer"];
  hft::write_file_atomically(
      folder / "tokenizer.json",
      t.is_string() ? hft::read_text(test::data() / (t.get<std::string>() + ".json")) : t.dump());
  hft::write_file_atomically(folder / "tokenizer_config.json", c["config"].dump());
  auto out = PreTrainedTokenizerFast::from_folder(folder);
  std::filesystem::remove_all(folder);
  return out;
}

PreTrainedTokenizerFast trained(const PreTrainedTokenizerFast& old, const json& c) {
  hft::TrainNewOptions options;
  const auto& o = c["options"];
  if (o.contains("new_special_tokens"))
    for (const auto& t : o["new_special_tokens"]) options.new_special_tokens.push_back(t.get<std::string>());
  if (o.contains("special_tokens_map"))
    for (const auto& [from, to] : o["special_tokens_map"].items())
      options.special_tokens_map.emplace_back(from, to.get<std::string>());
  if (o.contains("min_frequency")) options.min_frequency = o["min_frequency"].get<std::uint64_t>();
  return hft::train_new_from_iterator(old, golden()["corpora"]["scripts"].get<strings>(),
                                      c["vocab_size"].get<std::size_t>(), options);
}

}  // namespace

BOOST_AUTO_TEST_CASE(tokenizers_equal_transformers) {
  for (const auto& c : hft::test::filled(golden()["train_new"])) BOOST_TEST_CONTEXT(c["name"].get<std::string>()) {
      const auto old = tokenizer_of(c);
      const auto t = trained(old, c);
      const auto got = json::parse(t.backend_tokenizer().to_json());
      for (const auto& [key, want] : c["model"].items()) {
        if (key == "merges") {
          strings merges;
          for (const auto& m : got["model"]["merges"])
            merges.push_back(m[0].get<std::string>() + " " + m[1].get<std::string>());
          BOOST_TEST(merges == want.get<strings>(), boost::test_tools::per_element());
        } else if (key == "tokens") {
          std::set<std::string> tokens;
          const auto& vocab = got["model"]["vocab"];
          for (const auto& [token, id] : t.tokenizer().get_vocab(false)) tokens.insert(token);
          BOOST_TEST(vocab.size() == want.size());
          BOOST_TEST(strings(tokens.begin(), tokens.end()) == want.get<strings>(), boost::test_tools::per_element());
        } else {
          BOOST_CHECK_MESSAGE(got["model"][key] == want, key << " " << got["model"][key].dump());
        }
      }
      // Transformers adds what is renamed under its old name again.
      const auto& renamed = c["options"].contains("special_tokens_map") ? c["options"]["special_tokens_map"] : json();
      json want = json::array();
      for (auto token : c["added_tokens"]) {
        if (renamed.is_object() && renamed.contains(token["content"].get<std::string>())) continue;
        token["id"] = *t.tokenizer().token_to_id(token["content"].get<std::string>());
        want.push_back(token);
      }
      BOOST_CHECK_MESSAGE(got["added_tokens"] == want, got["added_tokens"].dump());
      if (!renamed.is_object()) BOOST_CHECK(want == c["added_tokens"]);
      // Where there is none, Transformers makes one that does nothing.
      const bool has_processor = old.backend_tokenizer().post_processor() != nullptr;
      BOOST_CHECK_MESSAGE(got["post_processor"] == (has_processor ? c["post_processor"] : json(nullptr)),
                          got["post_processor"].dump());
      for (const auto& [name, token] : t.special_tokens_map())
        BOOST_TEST(token == c["special_tokens_map"][name].get<std::string>());
      BOOST_TEST(t.special_tokens_map().size() == c["special_tokens_map"].size());
    }
}

BOOST_AUTO_TEST_CASE(what_is_not_learned_stays) {
  const json c = {{"tokenizer", "llama3"},
                  {"config", {{"bos_token", "<|x|>"}, {"padding_side", "left"}, {"chat_template", "{{ messages }}"}}},
                  {"vocab_size", 330},
                  {"options", json::object()}};
  auto old = tokenizer_of(c);
  const auto t = trained(old, c);
  BOOST_TEST(t.vocab_size() == 330);
  BOOST_TEST(*t.bos_token() == "<|x|>");
  BOOST_TEST(*t.bos_token_id() == *t.tokenizer().token_to_id("<|x|>"));
  BOOST_TEST((t.padding_side == hft::PaddingDirection::Left));
  BOOST_TEST(*t.chat_template() == "{{ messages }}");
  for (const char* text : {"Hello, Würde 2024 人人", "<|x|> x"}) BOOST_TEST(t.decode(t.encode(text, false)) == text);
  // Special tokens around a text have their new ids, inside of a sequence of post-processors, too.
  BOOST_TEST(t("a").input_ids[0].size() > t.encode("a", false).size());
  const auto ids = t("a").input_ids[0];
  for (const auto id : ids) BOOST_TEST(id < 330);
}

BOOST_AUTO_TEST_CASE(a_post_processor_whose_tokens_are_gone) {
  auto c = golden()["train_new"][0];
  c["tokenizer"] = "bert";
  c["config"] = json::object();
  auto old = tokenizer_of(c);
  // Special tokens that are no added tokens are not carried over.
  auto document = json::parse(old.backend_tokenizer().to_json());
  document["added_tokens"] = json::array();
  c["tokenizer"] = document;
  BOOST_CHECK_THROW(trained(tokenizer_of(c), c), hft::value_error);
}

BOOST_AUTO_TEST_SUITE_END()
