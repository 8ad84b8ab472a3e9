// Rows for models: `input_ids` as they are, `text` tokenised, `messages` rendered by the chat template and tokenised,
// `tokens` or `words` tokenised word by word, with the labels of their words.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/utf8.hpp>
#include <hft/tokenizers/apply_chat_template.hpp>
#include <hft/tokenizers/pretrained.hpp>
#include <hft/train/data/dataset.hpp>

namespace hft {

struct TokenizeOptions {
  std::optional<isize> max_length = {};  // longer rows are cut at their end
  /// Of `messages`: labels of what the assistant wrote; all else is ignored. Where the template has no `generation`
  /// blocks, the assistant's text is what its message adds to the chat before it.
  bool assistant_only_loss = false;
  std::string text_column = "text";
  bool return_offsets_mapping = false;  // of `text`: offset_mapping, for whole_word_mask
  /// Of words: whether all tokens of a word have its label, and not the first alone.
  bool label_all_tokens = false;
};

namespace detail {

inline std::size_t code_points(std::string_view text) {
  return std::size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

class row_tokenizer {
 public:
  row_tokenizer(PreTrainedTokenizerFast tokenizer, TokenizeOptions options)
      : tokenizer_(std::move(tokenizer)), pipeline_(tokenizer_.tokenizer()), options_(std::move(options)) {
    // Rows are cut here and padded by a collator, whatever tokenizer.json says.
    pipeline_.no_truncation();
    pipeline_.no_padding();
    if (const auto source = tokenizer_.chat_template("default")) template_.emplace(*source);
    if (const auto source = tokenizer_.chat_template("tool_use")) tool_template_.emplace(*source);
    if (options_.max_length && *options_.max_length < 1)
      throw value_error("tokenize", "max_length", "at least 1", joined(*options_.max_length));
  }

  json operator()(json row) const {
    if (find_member(row, "input_ids")) return cut(std::move(row));
    if (const json* messages = find_member(row, "messages")) return chat(*messages, row);
    if (const json* text = find_member(row, options_.text_column); text && text->is_array())
      return of_words(*text, options_.text_column, row);
    else if (text) {
      const json* pair = find_member(row, "text_pair");
      const auto first = json_as<std::string>(*text, "tokenize", options_.text_column);
      const auto e = pair ? pipeline_.encode(first, json_as<std::string>(*pair, "tokenize", "text_pair"))
                          : pipeline_.encode(first);
      json out = columns(e);
      if (options_.return_offsets_mapping) {
        json offsets = json::array();
        for (const auto& o : e.offsets) offsets.push_back(json::array({o.start, o.end}));
        out["offset_mapping"] = std::move(offsets);
      }
      for (const auto& [key, value] : row.items())
        if (key != options_.text_column && key != "text_pair") out[key] = value;
      return cut(std::move(out));
    }
    for (const char* key : {"tokens", "words"})
      if (const json* words = find_member(row, key)) return of_words(*words, key, row);
    std::string names;
    for (const auto& [key, value] : row.items()) names += (names.empty() ? "" : ", ") + key;
    throw value_error("tokenize", "row", joined("input_ids, messages, tokens, words or ", options_.text_column), names);
  }

 private:
  bool has_input(std::string_view name) const {
    const auto& names = tokenizer_.model_input_names;
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  json columns(const Encoding& e) const {
    json out = json::object();
    out["input_ids"] = std::vector<i64>(e.ids.begin(), e.ids.end());
    if (has_input("token_type_ids")) out["token_type_ids"] = std::vector<i64>(e.type_ids.begin(), e.type_ids.end());
    return out;
  }

  // As Transformers' examples of token classification do (run_ner): a word's label is that of its first token, or of
  // all; other tokens have none, -100.
  json of_words(const json& column, const std::string& name, const json& row) const {
    const auto words = json_as<std::vector<std::string>>(column, "tokenize", name);
    const auto e = pipeline_.encode(words);
    json out = columns(e);
    const char* labelled = nullptr;
    for (const char* key : {"labels", "ner_tags", "tags", "pos_tags"})
      if (!labelled && find_member(row, key)) labelled = key;
    if (labelled) {
      const json& of_words = row[labelled];
      if (!of_words.is_array() || of_words.size() != words.size())
        throw value_error("tokenize", labelled, joined("a list of ", words.size(), ", one a word"), describe(of_words));
      json labels = json::array();
      std::optional<std::int64_t> before;
      for (const auto& word : e.word_ids) {
        if (word && (options_.label_all_tokens || word != before))
          labels.push_back(of_words[std::size_t(*word)]);
        else
          labels.push_back(-100);
        before = word;
      }
      out["labels"] = std::move(labels);
    }
    for (const auto& [key, value] : row.items())  // but what else is one a word
      if (!(value.is_array() && value.size() == words.size()) && !out.contains(key)) out[key] = value;
    return cut(std::move(out));
  }

  // Columns with one value a token, no longer than max_length.
  json cut(json row) const {
    if (!options_.max_length) return row;
    const std::size_t length = row.at("input_ids").size(), most = std::size_t(*options_.max_length);
    if (length <= most) return row;
    for (auto& [key, value] : row.get_ref<json::object_t&>())
      if (value.is_array() && value.size() == length) value.get_ref<json::array_t&>().resize(most);
    return row;
  }

  json chat(const json& messages, const json& row) const {
    ChatTemplateOptions o;
    if (const json* tools = find_member(row, "tools")) o.tools = *tools;
    const auto rendered = template_for(o).render_with_spans(chat_template_variables(tokenizer_, messages, o));
    const auto e = pipeline_.encode(rendered.text, false);
    json out = columns(e);
    if (options_.assistant_only_loss) {
      auto spans = rendered.generation_spans;
      if (spans.empty()) spans = assistant_spans(messages, rendered.text, o);
      std::vector<i64> labels(e.ids.size(), -100);
      for (std::size_t t = 0; t < labels.size(); ++t)
        for (const auto& [begin, end] : spans) {
          const auto first = std::size_t(e.offsets[t].start), last = std::size_t(e.offsets[t].end);
          if (first >= begin && last <= end && first < last) labels[t] = e.ids[t];
        }
      out["labels"] = std::move(labels);
    } else {
      // A collator would take the token that ends a reply for padding, where a tokenizer pads with it.
      json labels = out["input_ids"];
      out["labels"] = std::move(labels);
    }
    return cut(std::move(out));
  }

  // The one that get_chat_template chooses.
  const chat_template& template_for(const ChatTemplateOptions& o) const {
    if (tool_template_ && !o.tools.is_null()) return *tool_template_;
    if (!template_) tokenizer_.get_chat_template();  // says what is missing
    return *template_;
  }

  // What each assistant message adds to the chat before it: from the prompt for a reply to the chat with the reply.
  std::vector<std::pair<std::size_t, std::size_t>> assistant_spans(const json& messages, const std::string& whole,
                                                                   ChatTemplateOptions o) const {
    std::vector<std::pair<std::size_t, std::size_t>> spans;
    json before = json::array();
    const auto prefix = [&](bool prompt) {
      o.add_generation_prompt = prompt;
      const std::string text = template_for(o).render(chat_template_variables(tokenizer_, before, o));
      if (!std::string_view(whole).starts_with(text))
        throw value_error("tokenize", "assistant_only_loss",
                          "a chat template with generation blocks, or one whose chats begin as shorter chats do",
                          "one that renders them differently");
      return code_points(text);
    };
    for (const json& m : messages) {
      const bool assistant = get<std::string>(m, "role", "", "messages") == "assistant";
      const std::size_t begin = assistant ? prefix(true) : 0;
      before.push_back(m);
      if (assistant) spans.emplace_back(begin, prefix(false));
    }
    return spans;
  }

  PreTrainedTokenizerFast tokenizer_;
  Tokenizer pipeline_;
  TokenizeOptions options_;
  std::optional<chat_template> template_, tool_template_;
};

}  // namespace detail

/// The rows with input_ids (and labels, token_type_ids; of words, labels are one a token: those of the words' `labels`,
/// `ner_tags`, `tags` or `pos_tags`, texts or numbers); what else they have stays. Computed when a row is asked for;
/// cached() keeps it. Throws value_error, on access, for a row that has nothing to tokenise.
inline Dataset tokenize(const Dataset& rows, PreTrainedTokenizerFast tokenizer, TokenizeOptions options = {}) {
  auto f = std::make_shared<const detail::row_tokenizer>(std::move(tokenizer), std::move(options));
  return rows.map([f](json row) { return (*f)(std::move(row)); }, "tokenizing");
}

}  // namespace hft
