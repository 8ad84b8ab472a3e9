// A model's folder as Transformers reads it, and a GGUF file: special tokens, sides, lengths, templates.
#include <hft/tensor.hpp>
#include <hft/tokenizers/gguf.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(pretrained)

namespace {

using hft::AutoTokenizer;
using hft::PaddingDirection;
using hft::PaddingStrategy;

// A folder that is removed at the end of the test.
struct folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / hft::detail::cat("hft-pretrained-", long(::getpid()));
  folder() { std::filesystem::create_directories(path); }
  ~folder() { std::filesystem::remove_all(path); }
  void tokenizer(const std::string& kind) const {
    std::filesystem::copy_file(test::data() / (kind + ".json"), path / "tokenizer.json",
                               std::filesystem::copy_options::overwrite_existing);
  }
  void write(const std::string& name, const std::string& text) const { hft::write_file_atomically(path / name, text); }
};

// A GGUF file in memory, as far as a tokenizer needs it.
struct gguf_writer {
  std::string bytes;
  std::uint64_t count = 0;

  void number(std::uint64_t value, std::size_t size) { bytes.append(reinterpret_cast<const char*>(&value), size); }
  void text(std::string_view s) { number(s.size(), 8), bytes += s; }
  void key(std::string_view name, std::uint32_t type) { text(name), number(type, 4), ++count; }
  void string(std::string_view name, std::string_view value) { key(name, 8), text(value); }
  void u32(std::string_view name, std::uint32_t value) { key(name, 4), number(value, 4); }
  void boolean(std::string_view name, bool value) { key(name, 7), number(value, 1); }
  void strings(std::string_view name, const std::vector<std::string>& values) {
    key(name, 9), number(8, 4), number(values.size(), 8);
    for (const auto& v : values) text(v);
  }
  void i32s(std::string_view name, const std::vector<int>& values) {
    key(name, 9), number(5, 4), number(values.size(), 8);
    for (int v : values) number(std::uint32_t(v), 4);
  }
  hft::gguf_file file() const {
    gguf_writer head;
    head.bytes = "GGUF";
    head.number(3, 4), head.number(0, 8), head.number(count, 8);
    auto all = std::make_shared<const std::string>(head.bytes + bytes);
    return hft::gguf_file::parse(std::as_bytes(std::span(all->data(), all->size())), all, "t.gguf");
  }
};

// The vocabulary and merges of a golden tokenizer, as GGUF metadata.
gguf_writer metadata(const std::string& kind, const std::string& pre) {
  const auto document = hft::read_json(test::data() / (kind + ".json"));
  std::vector<std::string> tokens(document["model"]["vocab"].size()), merges;
  for (const auto& [token, id] : document["model"]["vocab"].items()) tokens[id.get<std::size_t>()] = token;
  for (const auto& m : document["model"]["merges"])
    merges.push_back(m[0].get<std::string>() + " " + m[1].get<std::string>());
  std::vector<int> types(tokens.size(), 1);
  for (const auto& t : document["added_tokens"]) types[t["id"].get<std::size_t>()] = 3;
  gguf_writer out;
  out.string("tokenizer.ggml.model", "gpt2");
  out.string("tokenizer.ggml.pre", pre);
  out.strings("tokenizer.ggml.tokens", tokens);
  out.strings("tokenizer.ggml.merges", merges);
  out.i32s("tokenizer.ggml.token_type", types);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_folder_of_version_5) {
  const folder f;
  f.tokenizer("gpt2");
  f.write("tokenizer_config.json",
          R"({"bos_token":"<|x|>","eos_token":"<|y|>","pad_token":"<pad>","padding_side":"left",
    "model_max_length":1000000000000000019884624838656,"extra_special_tokens":["<extra>"],"tokenizer_class":"TokenizersBackend"})");
  f.write("chat_template.jinja", "{{ messages }}");
  const auto t = AutoTokenizer::from_pretrained(f.path);
  BOOST_TEST(*t.bos_token() == "<|x|>");
  BOOST_TEST(*t.eos_token_id() == 1);
  BOOST_TEST(*t.pad_token_id() == 340);  // new tokens come after the vocabulary
  BOOST_TEST(*t.convert_tokens_to_ids("<extra>") == 341);
  BOOST_TEST(!t.unk_token().has_value());
  BOOST_TEST(!t.convert_tokens_to_ids("nothing like it").has_value());
  BOOST_TEST((t.padding_side == PaddingDirection::Left));
  BOOST_TEST(t.model_max_length == t.no_max_length);
  BOOST_TEST(*t.chat_template() == "{{ messages }}");
  BOOST_TEST(t.all_special_tokens() == (std::vector<std::string>{"<|x|>", "<|y|>", "<pad>", "<extra>"}),
             boost::test_tools::per_element());
  BOOST_TEST(t.decode(t.encode("a<pad>b"), true) == "ab");
  BOOST_TEST(t.decode(t.encode("a<pad>b")) == "a<pad>b");

  const auto batch = t(std::vector<std::string>{"a", "a b c"}, {.padding = PaddingStrategy::longest});
  BOOST_TEST(batch.input_ids[0].size() == batch.input_ids[1].size());
  BOOST_TEST(batch.input_ids[0].front() == 340);
  BOOST_TEST(batch.attention_mask[0].front() == 0);
  BOOST_TEST(batch.attention_mask[0].back() == 1);
  BOOST_TEST(t("a b c d", {.truncation = true, .max_length = 2}).input_ids[0].size() == 2);
  BOOST_TEST(t("a", {.padding = PaddingStrategy::max_length, .max_length = 5}).input_ids[0].size() == 5);
}

BOOST_AUTO_TEST_CASE(a_folder_of_version_4) {
  const folder f;
  f.tokenizer("bert");
  f.write(
      "special_tokens_map.json",
      R"({"cls_token":"[CLS]","mask_token":{"content":"[MASK]","lstrip":true,"normalized":false,"rstrip":false,"single_word":false}})");
  f.write("tokenizer_config.json",
          R"({"pad_token":"[PAD]","unk_token":"[UNK]","model_max_length":8,"clean_up_tokenization_spaces":true,
    "chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]})");
  f.write("added_tokens.json", R"({"[NEW]":400})");
  const auto t = AutoTokenizer::from_pretrained(f.path);
  BOOST_TEST(*t.cls_token() == "[CLS]");
  BOOST_TEST(*t.mask_token_id() == 4);
  BOOST_TEST(*t.convert_tokens_to_ids("no such") == *t.unk_token_id());
  BOOST_TEST(*t.chat_template("tool_use") == "t");
  BOOST_TEST(t("a b c d e f g h i j k l m n o p", {.truncation = true}).input_ids[0].size() == 8);
  const auto pair = t("all human", "beings", {.return_token_type_ids = true});
  BOOST_TEST(pair.token_type_ids[0].front() == 0);
  BOOST_TEST(pair.token_type_ids[0].back() == 1);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_looked_at_is_a_file_error) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    const folder f;
    f.tokenizer("gpt2");
    std::filesystem::remove(f.path / name);
    std::filesystem::create_symlink(name, f.path / name);  // to itself
    BOOST_CHECK_THROW(AutoTokenizer::from_pretrained(f.path), hft::file_error);
  }
}

BOOST_AUTO_TEST_CASE(a_model_of_the_hub_cache_is_read_at_its_revision) {
  const folder f;
  const auto model = f.path / "models--org--name";
  const auto put = [&](const char* revision, char commit, const char* kind) {
    const std::string name(40, commit);
    std::filesystem::create_directories(model / "refs");
    std::filesystem::create_directories(model / "snapshots" / name);
    hft::write_file_atomically(model / "refs" / revision, name);
    std::filesystem::copy_file(test::data() / (std::string(kind) + ".json"),
                               model / "snapshots" / name / "tokenizer.json");
  };
  put("main", 'a', "gpt2");
  put("v2", 'b', "bert");
  const char* old = std::getenv("HF_HUB_CACHE");
  const std::string kept = old ? old : "";
  ::setenv("HF_HUB_CACHE", f.path.c_str(), 1);
  const auto main = AutoTokenizer::from_pretrained("org/name"), v2 = AutoTokenizer::from_pretrained("org/name", "v2");
  old ? ::setenv("HF_HUB_CACHE", kept.c_str(), 1) : ::unsetenv("HF_HUB_CACHE");
  const auto expected = AutoTokenizer::from_pretrained(test::data() / "bert.json");
  BOOST_TEST(v2.size() == expected.size());
  BOOST_TEST(main.size() != v2.size());
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_folder_is_said) {
  const folder f;
  BOOST_CHECK_THROW(AutoTokenizer::from_pretrained(f.path), hft::file_error);
  f.tokenizer("gpt2");
  const auto config = [&](const char* text) { f.write("tokenizer_config.json", text); };
  for (const char* text :
       {"[]", R"({"bos_token":7})", R"({"padding_side":"up"})", R"({"chat_template":[1]})",
        R"({"model_max_length":"x"})", R"({"extra_special_tokens":3})", R"({"added_tokens_decoder":[]})", "{"}) {
    config(text);
    BOOST_CHECK_THROW(AutoTokenizer::from_pretrained(f.path), hft::format_error);
  }
  config("{}");
  BOOST_CHECK_THROW(AutoTokenizer::from_pretrained(f.path)("a", {.padding = PaddingStrategy::longest}),
                    hft::value_error);
}

BOOST_AUTO_TEST_CASE(gguf_equals_the_tokenizer_json_it_came_from) {
  const std::pair<const char*, const char*> kinds[] = {
      {"gpt2", "gpt-2"}, {"smollm", "smollm"}, {"qwen2", "qwen2"}, {"llama3", "llama-bpe"}};
  for (const auto& [kind, pre] : kinds) {
    auto m = metadata(kind, pre);
    const bool adds_bos = std::string(kind) == "llama3";  // llama-bpe adds it without being told
    if (adds_bos) m.u32("tokenizer.ggml.bos_token_id", 0), m.boolean("tokenizer.ggml.add_bos_token", true);
    const auto got = hft::tokenizer_from_gguf(m.file());
    const auto golden = test::golden(kind);
    std::size_t texts = 0;
    for (const auto& c : golden["encode"]) {
      if (!c["input"].is_string()) continue;
      ++texts;
      const auto text = c["input"].get<std::string>();
      BOOST_TEST_CONTEXT(kind << " " << c["input"].dump())
      BOOST_CHECK_MESSAGE(hft::json(got.encode(text).ids) == c["encoding"]["ids"],
                          hft::json(got.encode(text).ids).dump());
    }
    BOOST_TEST(texts > 0u, kind);
  }
}

BOOST_AUTO_TEST_CASE(gguf_special_tokens_and_template) {
  auto m = metadata("gpt2", "gpt-2");
  m.u32("tokenizer.ggml.eos_token_id", 1);
  m.u32("tokenizer.ggml.padding_token_id", 0);
  m.string("tokenizer.chat_template", "{{ x }}");
  const auto t = hft::PreTrainedTokenizerFast::from_gguf(m.file());
  BOOST_TEST(*t.eos_token() == "<|y|>");
  BOOST_TEST(*t.pad_token_id() == 0);
  BOOST_TEST(*t.chat_template() == "{{ x }}");
  BOOST_TEST(t.decode(t.encode("hé<|y|>"), true) == "hé");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_gguf_is_said) {
  const auto load = [](const gguf_writer& m) { return hft::PreTrainedTokenizerFast::from_gguf(m.file()); };
  BOOST_CHECK_THROW(load(gguf_writer{}), hft::format_error);
  BOOST_CHECK_THROW(load(metadata("gpt2", "no such pre")), hft::unsupported_error);
  gguf_writer other;
  other.string("tokenizer.ggml.model", "rwkv");
  other.strings("tokenizer.ggml.tokens", {"a"});
  BOOST_CHECK_THROW(load(other), hft::unsupported_error);
  auto bad_id = metadata("gpt2", "gpt-2");
  bad_id.u32("tokenizer.ggml.eos_token_id", 100000);
  BOOST_CHECK_THROW(load(bad_id), hft::format_error);
  gguf_writer merges;
  merges.string("tokenizer.ggml.model", "gpt2");
  merges.strings("tokenizer.ggml.tokens", {"a", "b", "ab"});
  merges.strings("tokenizer.ggml.merges", {"a b", "b a"});
  BOOST_CHECK_THROW(load(merges), hft::format_error);
}

BOOST_AUTO_TEST_CASE(texts_in_braces_and_padding_as_transformers_says_it) {
  const auto tok =
      AutoTokenizer::from_pretrained(std::string(HFT_TEST_DATA) + "/../../examples/toy_llama/model.q8_0.gguf");
  const std::vector<std::string> texts{"a cat", "the capital of France"};
  const auto padded = tok({"a cat", "the capital of France"}, {.padding = true});
  const auto longest = tok(texts, {.padding = PaddingStrategy::longest});
  BOOST_TEST(padded.input_ids == longest.input_ids);
  BOOST_TEST(padded.attention_mask == longest.attention_mask);
  BOOST_TEST(padded.input_ids[0].size() == padded.input_ids[1].size());
  const auto plain = tok({"a cat", "the capital of France"}, {.padding = false});
  BOOST_TEST(plain.input_ids == tok(texts).input_ids);
  BOOST_TEST(plain.input_ids[0].size() < plain.input_ids[1].size());
  BOOST_TEST(tok({"a cat"}).input_ids == tok("a cat").input_ids);
  BOOST_TEST(tok("a cat", "the capital").input_ids ==
             tok(std::string("a cat"), std::string_view("the capital")).input_ids);
}

BOOST_AUTO_TEST_CASE(decode_takes_any_ids_and_options) {
  const auto tok =
      AutoTokenizer::from_pretrained(std::string(HFT_TEST_DATA) + "/../../examples/toy_llama/model.q8_0.gguf");
  auto ids = tok.encode("the capital of France");
  ids.push_back(*tok.eos_token_id());
  const std::string whole = tok.decode(ids), text = tok.decode(ids, {.skip_special_tokens = true});
  BOOST_TEST(whole == text + *tok.eos_token());
  BOOST_TEST(tok.decode(ids, true) == text);
  BOOST_TEST(tok.decode(std::span(ids), {.skip_special_tokens = true}) == text);
  BOOST_TEST(tok.decode(std::vector<std::int32_t>(ids.begin(), ids.end()), true) == text);
  BOOST_TEST(tok.decode({ids[0], ids[1]}) == tok.decode(std::vector{ids[0], ids[1]}));
  BOOST_TEST(tok.batch_decode(std::vector{ids, ids}, {.skip_special_tokens = true}).at(1) == text);
  const auto rows = hft::ids_tensor({ids, ids});
  BOOST_TEST(tok.batch_decode(rows, {.skip_special_tokens = true}).at(1) == text);
  BOOST_TEST(tok.batch_decode(rows).at(0) == whole);
  BOOST_TEST(tok.decode(rows.slice(0, 0, 1)) == whole);
  BOOST_CHECK_THROW(tok.decode(rows), hft::shape_error);
}

BOOST_AUTO_TEST_SUITE_END()
