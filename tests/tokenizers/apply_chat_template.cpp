// Which of a folder's chat templates is taken, and the variables it sees. Golden by
// tests/oracle/apply_chat_template.py.
#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "hft/io/json.hpp"
#include "hft/tokenizers/apply_chat_template.hpp"

namespace {

using hft::json;

struct folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / hft::detail::cat("hft-apply-chat-template-", long(::getpid()));
  folder() { std::filesystem::create_directories(path / "additional_chat_templates"); }
  ~folder() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text) const { hft::write_file_atomically(path / name, text); }
};

hft::PreTrainedTokenizerFast tokenizer_of(const json& one) {
  const folder f;
  f.write("tokenizer.json", R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
    "pre_tokenizer":null,"post_processor":null,"decoder":null,
    "model":{"type":"WordLevel","vocab":{"<s>":0,"<unk>":1},"unk_token":"<unk>"}})");
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"bos_token", "<s>"}, {"unk_token", "<unk>"}};
  if (one.contains("chat_template")) config["chat_template"] = one["chat_template"];
  f.write("tokenizer_config.json", hft::dump(config));
  const json files = one.value("files", json(json::object()));
  for (const auto& [name, text] : files.items()) f.write(name, text.template get<std::string>());
  return hft::AutoTokenizer::from_pretrained(f.path);
}

hft::ChatTemplateOptions options_of(const json& call) {
  hft::ChatTemplateOptions out;
  for (const auto& [key, item] : call.items()) {
    if (key == "add_generation_prompt")
      out.add_generation_prompt = item.get<bool>();
    else if (key == "chat_template")
      out.chat_template = item.get<std::string>();
    else if (key == "tools")
      out.tools = item;
    else if (key == "documents")
      out.documents = item;
    else if (key != "messages")
      out.variables[key] = item;
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(apply_chat_template)

BOOST_AUTO_TEST_CASE(texts_are_those_of_transformers) {
  std::size_t texts = 0, errors = 0;
  for (const json& one : hft::read_json(std::string(HFT_TEST_DATA) + "/chat_templates/apply.json")) {
    const auto tokenizer = tokenizer_of(one);
    for (const json& c : one["calls"]) {
      const json& call = c["call"];
      BOOST_TEST_CONTEXT(hft::dump(one.value("chat_template", json())) << hft::dump(call)) {
        const auto text = [&] { return hft::apply_chat_template(tokenizer, call["messages"], options_of(call)); };
        if (c.contains("text")) {
          BOOST_TEST(text() == c["text"].get<std::string>());
          ++texts;
        } else {
          BOOST_CHECK_THROW(text(), hft::error);
          ++errors;
        }
      }
    }
  }
  BOOST_TEST(texts == 101u);
  BOOST_TEST(errors == 81u);
}

BOOST_AUTO_TEST_CASE(several_templates_without_a_default_are_named) {
  const auto tokenizer = tokenizer_of(
      {{"files", {{"additional_chat_templates/rag.jinja", "r"}, {"additional_chat_templates/tool_use.jinja", "t"}}}});
  BOOST_CHECK_EXCEPTION(hft::apply_chat_template(tokenizer, json::array({{{"role", "user"}}})), hft::value_error,
                        [](const hft::value_error& e) { return e.got() == "rag, tool_use"; });
}

BOOST_AUTO_TEST_SUITE_END()
