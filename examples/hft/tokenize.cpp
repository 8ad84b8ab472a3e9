// hft tokenize, detokenize and template: JSON lines in, JSON lines out.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <hft/tokenizers/apply_chat_template.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "tool.hpp"

namespace tool {

using namespace hft;

namespace {

constexpr dump_options one_line{.indent = -1, .sort_keys = false, .ensure_ascii = false};

// One line of standard input without its end; false at the end of input.
bool read_line(std::string& line) {
  line.clear();
  int c;
  while ((c = std::getc(stdin)) != EOF && c != '\n') line += char(c);
  if (c == EOF && line.empty()) return false;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

template <class F>
void for_each_json_line(F f) {
  std::string line;
  for (isize n = 1; read_line(line); ++n) {
    if (line.find_first_not_of(" \t") == line.npos) continue;
    const std::string where = detail::cat("standard input, line ", n);
    f(parse_json(line, where), where);
  }
}

// One line, also for readers who end lines where Unicode does (as Python's splitlines): those characters, which JSON
// allows in strings, are escaped.
void print(const json& value) {
  std::string text = dump(value, one_line);
  for (const auto& [character, escape] : {std::pair{"\u0085", "\\u0085"}, {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}})
    for (std::size_t at = 0; (at = text.find(character, at)) != text.npos;)
      text.replace(at, std::strlen(character), escape);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

json to_json(const std::vector<std::optional<std::int64_t>>& ids) {
  json out = json::array();
  for (const auto& id : ids) out.push_back(id ? json(*id) : json(nullptr));
  return out;
}

json to_json(const Encoding& e) {
  json offsets = json::array(), overflowing = json::array();
  for (const auto& o : e.offsets) offsets.push_back(json::array({o.start, o.end}));
  for (const auto& o : e.overflowing) overflowing.push_back(o.ids);
  auto sequence_ids = e.sequence_ids;
  return {{"ids", e.ids},
          {"tokens", e.tokens},
          {"offsets", offsets},
          {"type_ids", e.type_ids},
          {"attention_mask", e.attention_mask},
          {"special_tokens_mask", e.special_tokens_mask},
          {"word_ids", to_json(e.word_ids)},
          {"sequence_ids", to_json(sequence_ids)},
          {"overflowing", overflowing}};
}

}  // namespace

int tokenize(const tokenize_options& o) {
  const auto tokenizer = AutoTokenizer::from_pretrained(o.model, o.revision);
  const Tokenizer& backend = tokenizer.backend_tokenizer();
  for_each_json_line([&](const json& line, const std::string& where) {
    if (line.is_string()) return print(to_json(backend.encode(line.get_ref<const std::string&>(), !o.no_special)));
    const auto pair = json_as<std::vector<std::string>>(line, where, "");
    if (pair.size() != 2)
      throw format_error(where, "", "a string or a pair [a, b]", detail::cat("a list of ", pair.size()));
    print(to_json(backend.encode(std::string_view(pair[0]), std::string_view(pair[1]), !o.no_special)));
  });
  return 0;
}

int detokenize(const tokenize_options& o) {
  const auto tokenizer = AutoTokenizer::from_pretrained(o.model, o.revision);
  for_each_json_line([&](const json& line, const std::string& where) {
    const auto ids = json_as<std::vector<std::int64_t>>(line, where, "ids");
    print(tokenizer.decode(ids, !o.keep_special));
  });
  return 0;
}

namespace {

// A member of a line that is an argument of apply_chat_template, not a variable of the template.
template <class T>
std::optional<T> take_argument(json& line, const char* name, const std::string& where) {
  if (!line.contains(name)) return {};
  json value = std::move(line[name]);
  line.erase(name);
  if (value.is_null()) return {};
  return json_as<T>(value, where, name);
}

ChatTemplateOptions take_options(json& line, const std::string& where) {
  ChatTemplateOptions options;
  if (line.contains("add_generation_prompt") && line["add_generation_prompt"].is_boolean())
    options.add_generation_prompt = *take_argument<bool>(line, "add_generation_prompt", where);
  options.tools = take_argument<json>(line, "tools", where).value_or(nullptr);
  options.documents = take_argument<json>(line, "documents", where).value_or(nullptr);
  return options;
}

}  // namespace

int render_template(const common_options& o) {
  const std::filesystem::path path(o.model);
  std::optional<PreTrainedTokenizerFast> tokenizer;
  std::optional<chat_template> file;
  if (path.extension() == ".jinja" || path.extension() == ".j2") {
    file.emplace(read_text(path, std::size_t(16) << 20));
  } else {
    tokenizer = AutoTokenizer::from_pretrained(o.model, o.revision);
  }
  std::map<std::string, chat_template> compiled;  // by source: a line may name another template
  const auto render = [&](json line, const std::string& where) {
    ChatTemplateOptions options = take_options(line, where);
    if (file && !line.contains("messages")) {  // a template alone may speak of anything
      options.variables = std::move(line);
      json variables = chat_template_variables(json::array(), options);
      variables.erase("messages");
      return file->render(variables);
    }
    const auto messages = take_argument<json>(line, "messages", where);
    if (!messages) throw format_error(where, "messages", "a list of objects with 'role' and 'content'", "none");
    if (tokenizer) options.chat_template = take_argument<std::string>(line, "chat_template", where);
    options.variables = std::move(line);
    if (file) return file->render(chat_template_variables(*messages, options));
    if (messages->is_array() && messages->empty()) throw format_error(where, "messages", "at least one", "none");
    const auto source = tokenizer->get_chat_template(options.chat_template, !options.tools.is_null());
    const auto& chosen = compiled.try_emplace(source, source).first->second;
    return chosen.render(chat_template_variables(*tokenizer, *messages, options));
  };
  bool failed = false;
  for_each_json_line([&](const json& line, const std::string& where) {
    if (!line.is_object()) throw format_error(where, "", "an object with 'messages'", detail::describe(line));
    try {
      print(render(line, where));
    } catch (const error& e) {
      failed = true;
      print({{"error", e.what()}});
    }
  });
  return failed ? 1 : 0;
}

}  // namespace tool
