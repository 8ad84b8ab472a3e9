// hft train-tokenizer as a user calls it: every kind of model, the pipeline of another tokenizer, what is wrong with
// the input.
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <hft/io/mapped_file.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "has_tool.hpp"

BOOST_AUTO_TEST_SUITE(train_tokenizer, *boost::unit_test::precondition(hft::test::has_tool))

namespace {

using strings = std::vector<std::string>;

constexpr const char* corpus =
    "all human beings are born free and equal in dignity and rights\n"
    "they are endowed with reason and conscience and should act towards one another in a spirit of brotherhood\n"
    "everyone has the right to life, liberty and the security of person\n";

// A folder with a corpus, that is removed at the end of the test.
class workspace {
 public:
  std::string err;

  workspace() : folder_(std::filesystem::temp_directory_path() / ("hft_train_tok_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    std::ofstream(file("corpus.txt")) << corpus;
  }
  ~workspace() { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  // The exit status of `hft train-tokenizer ARGUMENTS --output out`, with the corpus unless another file is named.
  int train(const std::string& arguments, const std::string& input = "corpus.txt") {
    const std::string command = std::string(std::getenv("HFT_TOOL")) + " train-tokenizer " + arguments + " --output '" +
                                file("out") + "' '" + file(input) + "' 2>'" + file("err") + "'";
    const int status = std::system(command.c_str());
    err = hft::read_text(file("err"));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  hft::PreTrainedTokenizerFast trained() const { return hft::AutoTokenizer::from_pretrained(file("out")); }

 private:
  std::filesystem::path folder_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_kind_of_model) {
  struct kind {
    const char* arguments;
    const char* text;     // and what it becomes
    std::size_t at_most;  // tokens of the text: words of the corpus are one or a few
  };
  const kind kinds[] = {{"--model bpe --vocab_size 150", "born free and equal", 8},
                        {"--model bpe --byte_level --vocab_size 400", "born free and equal \xf0\x9f\x98\x80", 12},
                        {"--model wordpiece --vocab_size 150", "[CLS] born free and equal [SEP]", 14},
                        {"--model unigram --vocab_size 100", "born free and equal", 16},
                        {"--model wordlevel --vocab_size 60", "born free and equal", 4}};
  for (const auto& k : kinds) BOOST_TEST_CONTEXT(k.arguments) {
      workspace w;
      BOOST_TEST_REQUIRE(w.train(k.arguments) == 0, w.err);
      const auto t = w.trained();
      const std::string wanted = std::string(k.arguments).substr(std::string(k.arguments).rfind(' ') + 1);
      BOOST_TEST(t.size() <= std::size_t(std::stoi(wanted)));
      const std::string text(k.text);
      const bool framed = text[0] == '[';
      const auto ids = t.encode(framed ? text.substr(6, text.size() - 12) : text);
      BOOST_TEST(ids.size() <= k.at_most);
      BOOST_TEST(t.decode(ids) == text);
    }
}

BOOST_AUTO_TEST_CASE(special_tokens_and_frequencies) {
  workspace w;
  BOOST_TEST_REQUIRE(w.train("--model bpe --vocab_size 200 --special_tokens '<unk>,<s>,</s>,<pad>'") == 0, w.err);
  const auto t = w.trained();
  BOOST_TEST(*t.unk_token_id() == 0);
  BOOST_TEST(*t.bos_token_id() == 1);
  BOOST_TEST(*t.eos_token_id() == 2);
  BOOST_TEST(*t.pad_token_id() == 3);
  BOOST_TEST(t.tokenizer().is_special(2));
  BOOST_TEST_REQUIRE(w.train("--model wordpiece --vocab_size 90 --special_tokens '[UNK],[CLS]'") == 0, w.err);
  BOOST_TEST(w.trained().convert_ids_to_tokens(0).value() == "[UNK]");
  BOOST_TEST(w.trained().convert_ids_to_tokens(1).value() == "[CLS]");
  BOOST_TEST_REQUIRE(w.train("--model wordlevel --vocab_size 200 --min_frequency 3") == 0, w.err);
  BOOST_TEST(w.trained().tokenize("and born") == (strings{"and", "[UNK]"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_pipeline_of_another_tokenizer) {
  workspace w;
  for (const char* name : {"gpt2", "bert", "llama2", "metaspace", "wordlevel"}) BOOST_TEST_CONTEXT(name) {
      const auto source = std::filesystem::path(HFT_TEST_DATA) / "tokenizers" / (std::string(name) + ".json");
      BOOST_TEST_REQUIRE(w.train("--from '" + source.string() + "' --vocab_size 300") == 0, w.err);
      const auto t = w.trained(), before = hft::AutoTokenizer::from_pretrained(source);
      BOOST_TEST((t.tokenizer().pre_tokenizer() != nullptr) == (before.tokenizer().pre_tokenizer() != nullptr));
      BOOST_TEST(t.tokenizer().is_bpe() == before.tokenizer().is_bpe());
      BOOST_TEST(t.size() <= 560u);  // byte fallback keeps its 256
      BOOST_TEST(t.encode("all human beings are born free and equal").size() > 2u);
    }
}

BOOST_AUTO_TEST_CASE(the_same_files_give_the_same_tokenizer) {
  workspace w;
  for (const char* model : {"bpe", "wordpiece", "unigram", "wordlevel"}) BOOST_TEST_CONTEXT(model) {
      const std::string arguments = std::string("--model ") + model + " --vocab_size 90 --threads ";
      BOOST_TEST_REQUIRE(w.train(arguments + "1") == 0, w.err);
      const auto first = hft::read_text(w.file("out/tokenizer.json"));
      BOOST_TEST_REQUIRE(w.train(arguments + "3") == 0, w.err);
      BOOST_TEST((hft::read_text(w.file("out/tokenizer.json")) == first));
    }
}

BOOST_AUTO_TEST_CASE(bad_input) {
  workspace w;
  const auto fails = [&](const std::string& arguments, const std::string& input, const std::string& says) {
    BOOST_TEST_CONTEXT(arguments << " " << input) {
      BOOST_TEST(w.train(arguments, input) != 0);
      BOOST_TEST(w.err.find(says) != std::string::npos, w.err);
      BOOST_TEST(!std::filesystem::exists(w.file("out/tokenizer.json")));
    }
  };
  for (const char* model : {"bpe", "wordpiece", "unigram", "wordlevel"})
    fails(std::string("--model ") + model + " --vocab_size 60", "missing.txt", "missing.txt");
  std::ofstream(w.file("latin1.txt")) << "caf\xe9\n";
  fails("--model bpe --vocab_size 60", "latin1.txt", "UTF-8");
  fails("--model unigram --vocab_size 3", "corpus.txt", "vocab_size");
  fails("--model bpe --vocab_size 0", "corpus.txt", "vocab_size");
  fails("--model bpe", "corpus.txt", "vocab_size");
  fails("--model trie --vocab_size 60", "corpus.txt", "--model");
  fails("--model wordpiece --byte_level --vocab_size 60", "corpus.txt", "--byte_level");
  fails("--from '" + w.file("no.json") + "' --vocab_size 60", "corpus.txt", "no.json");
}

// As the tokenizers library does: an empty text trains the special tokens, and what texts are made of is kept whatever
// the size asked for, but for Unigram.
BOOST_AUTO_TEST_CASE(little_input) {
  workspace w;
  std::ofstream(w.file("empty.txt")).flush();
  for (const char* model : {"bpe", "wordpiece", "unigram", "wordlevel"}) BOOST_TEST_CONTEXT(model) {
      BOOST_TEST_REQUIRE(w.train(std::string("--model ") + model + " --vocab_size 60", "empty.txt") == 0, w.err);
      BOOST_TEST(w.trained().size() == (std::string(model) == "wordpiece" ? 5u : 1u));
    }
  BOOST_TEST_REQUIRE(w.train("--model bpe --vocab_size 2") == 0, w.err);
  BOOST_TEST(w.trained().size() > 20u);
  BOOST_TEST_REQUIRE(w.train("--model wordlevel --vocab_size 2") == 0, w.err);
  BOOST_TEST(w.trained().size() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
