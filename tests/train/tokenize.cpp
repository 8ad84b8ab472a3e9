// Rows to tokens: texts, pairs, chats with the assistant's part as labels.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include <unistd.h>

#include <hft/train/data/tokenize.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(tokenizing)

namespace {

// A folder with SmolLM's tokenizer and a ChatML template.
class chat_folder {
 public:
  explicit chat_folder(bool generation_blocks)
      : path_(std::filesystem::temp_directory_path() / ("hft_tokenize_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
    std::filesystem::copy_file(std::filesystem::path(HFT_TEST_DATA) / "tokenizers" / "smollm.json",
                               path_ / "tokenizer.json", std::filesystem::copy_options::overwrite_existing);
    const std::string begin = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}";
    const std::string content =
        generation_blocks
            ? "{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}"
              "{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{{ '\\n' }}"
            : "{{ m.content + '<|im_end|>\\n' }}";
    const std::string end = "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
    write_file_atomically(path_ / "tokenizer_config.json", dump({{"chat_template", begin + content + end},
                                                                 {"tokenizer_class", "PreTrainedTokenizerFast"}}));
  }
  ~chat_folder() { std::filesystem::remove_all(path_); }
  PreTrainedTokenizerFast tokenizer() const { return PreTrainedTokenizerFast::from_folder(path_); }

 private:
  std::filesystem::path path_;
};

Dataset one(const char* row) { return Dataset::from_rows({json::parse(row)}); }

std::string text_of(const PreTrainedTokenizerFast& t, const json& ids) {
  std::vector<i64> kept;
  for (const json& id : ids)
    if (id.get<i64>() != -100) kept.push_back(id.get<i64>());
  return t.tokenizer().decode(kept, false);
}

// A text as far as the tokenizer, whose vocabulary is small, has tokens for it.
std::string spelled(const PreTrainedTokenizerFast& t, std::string_view text) {
  return t.tokenizer().decode(t.tokenizer().encode_ids(text, false), false);
}

// The ids of a row's tokens that have a label, and those labels.
std::vector<std::pair<i64, json>> labelled(const json& row) {
  std::vector<std::pair<i64, json>> out;
  for (std::size_t i = 0; i < row["labels"].size(); ++i)
    if (row["labels"][i] != -100) out.emplace_back(row["input_ids"][i].get<i64>(), row["labels"][i]);
  return out;
}

constexpr const char* chat = R"({"messages": [{"role": "user", "content": "Was ist das?"},
  {"role": "assistant", "content": "Ein Bär."}, {"role": "user", "content": "Wo?"},
  {"role": "assistant", "content": "Im Wald."}]})";

}  // namespace

BOOST_AUTO_TEST_CASE(texts_are_tokenised_and_other_columns_stay) {
  const chat_folder folder(false);
  const auto t = folder.tokenizer();
  const json row = tokenize(one(R"({"text": "Hello world", "label": 2})"), t)[0];
  BOOST_TEST(text_of(t, row["input_ids"]) == spelled(t, "Hello world"));
  BOOST_TEST(row["label"] == 2);
  BOOST_TEST(!row.contains("text"));
  const json ids = tokenize(one(R"({"input_ids": [1, 2, 3], "labels": [-100, 2, 3]})"), t, {.max_length = 2})[0];
  BOOST_TEST(ids.dump() == R"({"input_ids": [1, 2], "labels": [-100, 2]})");
  BOOST_CHECK_THROW(tokenize(one(R"({"txt": "Hello"})"), t)[0], value_error);
  BOOST_CHECK_THROW(tokenize(one(R"({"text": 7})"), t)[0], format_error);
}

BOOST_AUTO_TEST_CASE(chats_are_rendered) {
  const chat_folder folder(false);
  const auto t = folder.tokenizer();
  const json row = tokenize(one(chat), t)[0];
  BOOST_TEST(text_of(t, row["input_ids"]) ==
             spelled(t,
                     "<|im_start|>user\nWas ist das?<|im_end|>\n<|im_start|>assistant\nEin Bär.<|im_end|>\n"
                     "<|im_start|>user\nWo?<|im_end|>\n<|im_start|>assistant\nIm Wald.<|im_end|>\n"));
  BOOST_TEST(row["labels"] == row["input_ids"]);
}

BOOST_AUTO_TEST_CASE(labels_of_what_the_assistant_says) {
  for (const bool blocks : {true, false}) {
    const chat_folder folder(blocks);
    const auto t = folder.tokenizer();
    const json row = tokenize(one(chat), t, {.assistant_only_loss = true})[0];
    BOOST_TEST(row["labels"].size() == row["input_ids"].size());
    BOOST_TEST(text_of(t, row["labels"]) == spelled(t, blocks ? "Ein Bär.<|im_end|>Im Wald.<|im_end|>"
                                                              : "Ein Bär.<|im_end|>\nIm Wald.<|im_end|>\n"));
  }
}

BOOST_AUTO_TEST_CASE(a_word_s_label_is_its_first_token_s) {
  const auto bert = PreTrainedTokenizerFast::from_file(std::filesystem::path(HFT_TEST_DATA) / "tokenizers/bert.json");
  const auto row = one(R"({"id": "7", "tokens": ["unbelievable", "London", "is"], "ner_tags": ["O", "B-LOC", "O"],
                          "pos_tags": [1, 2, 3], "weight": 0.5})");
  const auto e = bert.tokenizer().encode(std::vector<std::string>{"unbelievable", "London", "is"});
  std::vector<std::size_t> firsts;
  for (std::size_t i = 0; i < e.size(); ++i)
    if (e.word_ids[i] && (i == 0 || e.word_ids[i] != e.word_ids[i - 1])) firsts.push_back(i);
  BOOST_TEST_REQUIRE(firsts.size() == 3u);
  BOOST_TEST_REQUIRE(e.size() > 5u);  // special tokens, and words of several

  const json made = tokenize(row, bert)[0];
  BOOST_TEST(made["input_ids"] == json(e.ids));
  BOOST_TEST_REQUIRE(made["labels"].size() == e.size());
  const auto kept = labelled(made);
  BOOST_TEST_REQUIRE(kept.size() == 3u);
  for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(made["labels"][firsts[i]] == json(i == 1 ? "B-LOC" : "O"));
  BOOST_TEST(!made.contains("ner_tags"));
  BOOST_TEST(!made.contains("pos_tags"));  // one a word, as the tokens are no longer
  BOOST_TEST(made["weight"] == json(0.5));

  TokenizeOptions all;
  all.label_all_tokens = true;
  BOOST_TEST(labelled(tokenize(row, bert, all)[0]).size() == e.size() - 2);
  const auto numbers = one(R"({"words": ["London", "is"], "labels": [5, 0]})");
  BOOST_TEST(labelled(tokenize(numbers, bert)[0])[0].second == json(5));
  BOOST_CHECK_EXCEPTION(
      tokenize(one(R"({"tokens": ["a", "b"], "tags": ["O"]})"), bert)[0], value_error, [](const error& e) {
        return std::string(e.what()) == "[tokenize] tags: expected a list of 2, one a word, got an array of 1";
      });
}

BOOST_AUTO_TEST_SUITE_END()
