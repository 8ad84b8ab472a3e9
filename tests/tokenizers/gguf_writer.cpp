// A tokenizer as the metadata of a GGUF file, read again.
#include <hft/tokenizers/gguf_writer.hpp>

#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/tokenizers/gguf_pre_tokenizers.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "files.hpp"

#include "../golden_list.hpp"

namespace {

// The tokenizer that a file of an architecture has after it was written.
hft::PreTrainedTokenizerFast written(const hft::PreTrainedTokenizerFast& t, std::string_view architecture = "llama") {
  const auto file = std::filesystem::temp_directory_path() / ("hft_written_" + std::to_string(::getpid()) + ".gguf");
  hft::gguf_metadata metadata;
  metadata.set("general.architecture", architecture).set(hft::gguf_tokenizer(t));
  hft::write_gguf(file, metadata, {});
  auto again = hft::AutoTokenizer::from_pretrained(file);
  std::filesystem::remove(file);
  return again;
}

hft::PreTrainedTokenizerFast library(const std::string& name) {
  return hft::AutoTokenizer::from_pretrained(std::filesystem::path(HFT_TEST_DATA) / "tokenizers" / (name + ".json"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gguf_writer)

BOOST_AUTO_TEST_CASE(what_a_file_has_is_written_again) {
  const auto golden = hft::read_json(test::files() / "golden.json");
  for (const auto& c : hft::test::filled(golden["gguf"])) {
    const auto name = c["file"].get<std::string>();
    BOOST_TEST_CONTEXT(name) {
      const auto file = hft::gguf_file::open(test::files() / name);
      const auto t = hft::PreTrainedTokenizerFast::from_gguf(file);
      const auto again = written(t, file.at("general.architecture").as_string());
      test::check_encodings(again, golden["texts"], c["encode"]);
      BOOST_TEST(again.size() == t.size());
      BOOST_TEST(again.special_tokens_map().size() == t.special_tokens_map().size());
      for (const auto& text : golden["texts"]) {
        const auto ids = t.encode(text.get<std::string>());
        BOOST_TEST(again.decode(ids) == t.decode(ids));
      }
    }
  }
}

// Each name of tokenizer.ggml.pre is found again, or one that cuts so.
BOOST_AUTO_TEST_CASE(pre_tokenizers_are_found) {
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
      const auto again = written(hft::AutoTokenizer::from_pretrained(file));
      for (std::size_t i = 0; i < encoded.size(); ++i)
        BOOST_TEST(again.encode(golden["texts"][i].get<std::string>()) == encoded[i].get<std::vector<std::int64_t>>(),
                   boost::test_tools::per_element());
      ++names;
    }
  }
  std::filesystem::remove(file);
  BOOST_TEST(names == 14u);
  // Every name of the table is one that finds itself, or an earlier one of the same cuts.
  for (const auto& known : hft::detail::gguf_pre_tokenizers()) {
    hft::gguf_metadata metadata;
    for (const auto& value : vocabulary.metadata()) metadata.set(value);
    metadata.set("tokenizer.ggml.pre", known.name);
    hft::write_gguf(file, metadata, vocabulary.tensors());
    const auto t = hft::AutoTokenizer::from_pretrained(file);
    hft::write_gguf(file, hft::gguf_metadata().set("general.architecture", "gpt2").set(hft::gguf_tokenizer(t)), {});
    const auto found =
        hft::detail::find_gguf_pre_tokenizer(hft::gguf_file::open(file).at("tokenizer.ggml.pre").as_string(), "test");
    const auto& value = known.value;
    if (value.cuts.data() == hft::detail::gguf_cuts::bailing) {  // another spelling of Qwen2's
      BOOST_TEST(found.cuts.data() == hft::detail::gguf_cuts::qwen2);
      continue;
    }
    BOOST_TEST((found.cuts.data() == value.cuts.data() && found.numbers == value.numbers && found.nfc == value.nfc &&
                found.falcon == value.falcon && found.ignore_merges == value.ignore_merges),
               known.name);
  }
  std::filesystem::remove(file);
}

BOOST_AUTO_TEST_CASE(pipelines_of_the_library) {
  const auto texts = hft::read_json(test::files() / "golden.json")["texts"];
  for (const char* name : {"gpt2", "llama3", "qwen2", "smollm", "bert"}) BOOST_TEST_CONTEXT(name) {
      const auto t = library(name), again = written(t);
      const auto check = [&](std::string_view text) {
        BOOST_TEST(again.encode(text, false) == t.encode(text, false), boost::test_tools::per_element());
      };
      check(hft::text_that_tells_tokenizers_apart());
      for (const auto& text : texts) check(text.get<std::string>());
    }
}

BOOST_AUTO_TEST_CASE(rows_beyond_the_tokens_are_unused_tokens) {
  const auto t = hft::AutoTokenizer::from_pretrained(test::files() / "llama.gguf");
  const auto file = std::filesystem::temp_directory_path() / ("hft_padded_" + std::to_string(::getpid()) + ".gguf");
  hft::write_gguf(file, hft::gguf_tokenizer(t, t.size() + 3), {});
  const auto written_file = hft::gguf_file::open(file);
  const auto tokens = written_file.at("tokenizer.ggml.tokens").as_strings();
  BOOST_TEST(tokens.size() == t.size() + 3);
  BOOST_TEST(tokens.back() == "[PAD" + std::to_string(t.size() + 2) + "]");
  BOOST_TEST(written_file.at("tokenizer.ggml.token_type").as_i32s().back() == 5);
  std::filesystem::remove(file);
  BOOST_CHECK_THROW(hft::gguf_tokenizer(t, t.size() - 1), hft::value_error);
}

BOOST_AUTO_TEST_CASE(kinds_without_a_name_are_errors) {
  for (const char* name : {"clip", "wordlevel"})
    BOOST_CHECK_EXCEPTION(hft::gguf_tokenizer(library(name)), hft::unsupported_error, [](const hft::error& e) {
      return std::string_view(e.what()).find("gguf_tokenizer") != std::string_view::npos;
    });
}

BOOST_AUTO_TEST_SUITE_END()
