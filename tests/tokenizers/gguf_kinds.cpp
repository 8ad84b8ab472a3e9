// GGUF files of the kinds of tokenizers beside byte-level BPE (pretrained.cpp has that one).
#include <hft/tokenizers/gguf.hpp>

#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "files.hpp"

#include "../golden_list.hpp"

BOOST_AUTO_TEST_SUITE(gguf_kinds)

// llama's, phi3's and gemma's against Transformers, t5's and bert's against the tokenizers they came from.
BOOST_AUTO_TEST_CASE(encodings_equal) {
  const auto golden = hft::read_json(test::files() / "golden.json");
  for (const auto& c : hft::test::filled(golden["gguf"])) {
    const auto file = c["file"].get<std::string>();
    BOOST_TEST_CONTEXT(file) {
      const auto t = hft::AutoTokenizer::from_pretrained(test::files() / file);
      test::check_encodings(t, golden["texts"], c["encode"]);
    }
  }
}

BOOST_AUTO_TEST_CASE(special_tokens_are_named) {
  const auto llama = hft::AutoTokenizer::from_pretrained(test::files() / "llama.gguf");
  BOOST_TEST(*llama.bos_token() == "<s>");
  BOOST_TEST(llama.encode("a").front() == 1);
  BOOST_TEST(llama.decode(llama.encode("a b"), true) == "a b");
  const auto bert = hft::AutoTokenizer::from_pretrained(test::files() / "bert.gguf");
  BOOST_TEST(*bert.cls_token() == "[CLS]");
  BOOST_TEST(*bert.sep_token_id() == 3);
  BOOST_TEST(bert.tokenizer().encode("human", "rights").type_ids.back() == 1);
  const auto t5 = hft::AutoTokenizer::from_pretrained(test::files() / "t5.gguf");
  BOOST_TEST(t5.encode("a").back() == *t5.eos_token_id());
  BOOST_TEST(*t5.convert_tokens_to_ids("<extra_id_0>") == *t5.convert_tokens_to_ids("<extra_id_1>") + 1);
}

// Of a text that is there twice the last id counts; texts may be empty. (tests/oracle/gguf_tokens_twice.py)
BOOST_AUTO_TEST_CASE(tokens_may_be_there_twice) {
  const auto folder = test::files() / "twice";
  const auto golden = hft::read_json(folder / "golden.json");
  std::size_t files = 0;
  for (const auto& [kind, encoded] : golden["ids"].items()) {
    BOOST_TEST_CONTEXT(kind) {
      const auto t = hft::AutoTokenizer::from_pretrained(folder / (kind + ".gguf"));
      BOOST_TEST_REQUIRE(encoded.size() == golden["texts"].size());
      for (std::size_t i = 0; i < encoded.size(); ++i) {
        const auto ids = t.encode(golden["texts"][i].get<std::string>());
        BOOST_TEST(std::vector<std::int64_t>(ids.begin(), ids.end()) == encoded[i].get<std::vector<std::int64_t>>(),
                   boost::test_tools::per_element());
      }
      ++files;
    }
  }
  BOOST_TEST(files == 4u);
}

// As the models' own tokenizer.json cut texts. (tests/oracle/gguf_pre_tokenizers.py)
BOOST_AUTO_TEST_CASE(texts_are_cut_as_tokenizer_ggml_pre_says) {
  const auto folder = test::files() / "pre";
  const auto golden = hft::read_json(folder / "golden.json");
  const auto vocabulary = hft::gguf_file::open(folder / "vocabulary.gguf");
  const auto file = std::filesystem::temp_directory_path() / ("hft_pre_" + std::to_string(::getpid()) + ".gguf");
  std::size_t names = 0;
  for (const auto& [name, encoded] : golden["ids"].items()) {
    BOOST_TEST_CONTEXT(name) {
      hft::gguf_metadata metadata;
      for (const auto& value : vocabulary.metadata()) metadata.set(value);
      metadata.set("tokenizer.ggml.pre", std::string_view(name));
      hft::write_gguf(file, metadata, vocabulary.tensors());
      const auto t = hft::AutoTokenizer::from_pretrained(file);
      BOOST_TEST_REQUIRE(encoded.size() == golden["texts"].size());
      for (std::size_t i = 0; i < encoded.size(); ++i) {
        const auto ids = t.encode(golden["texts"][i].get<std::string>());
        BOOST_TEST(std::vector<std::int64_t>(ids.begin(), ids.end()) == encoded[i].get<std::vector<std::int64_t>>(),
                   boost::test_tools::per_element());
      }
      ++names;
    }
  }
  std::filesystem::remove(file);
  BOOST_TEST(names == 14u);
}

BOOST_AUTO_TEST_SUITE_END()
