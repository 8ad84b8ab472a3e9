// Writing a tokenizer's folder: PreTrainedTokenizerFast::save_pretrained. Included by pretrained.hpp.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/tokenizers/pretrained.hpp>
#include <hft/tokenizers/special_tokens.hpp>

namespace hft {
namespace detail {

/// An AddedToken as tokenizer_config.json and special_tokens_map.json write it.
inline json added_token_json(const AddedToken& t, bool with_special) {
  json out = json::object();
  out["content"] = t.content;
  out["lstrip"] = t.lstrip;
  out["normalized"] = t.normalized;
  out["rstrip"] = t.rstrip;
  out["single_word"] = t.single_word;
  if (with_special) out["special"] = t.special;
  return out;
}

/// A file's name made of a template's: it must stay within its folder.
inline void check_template_name(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.find_first_of("/\\:") != name.npos)
    throw value_error("save_pretrained", "name of a chat template", "the name of a file", quote_text(name));
}

}  // namespace detail

HFT_INLINE void PreTrainedTokenizerFast::save_pretrained(const std::filesystem::path& folder) const {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw file_error(folder.string(), "folder", "one that can be made", failed.message());

  json config = config_;
  for (const char* key : {"added_tokens_decoder", "additional_special_tokens", "extra_special_tokens", "chat_template",
                          "model_specific_special_tokens"})
    config.erase(key);
  // A name without a token is null, as classes have defaults for names that are missing.
  for (const auto name : detail::special_token_names) config[std::string(name)] = nullptr;
  for (const auto& [name, token] : special_tokens_) config.erase(name);
  // Names that Transformers does not recognise as such are written apart, and then all but the standard ones are.
  const bool apart = std::any_of(special_tokens_.begin(), special_tokens_.end(),
                                 [](const auto& n) { return !std::string_view(n.first).ends_with("_token"); });
  json map = json::object();
  for (const auto& [name, token] : special_tokens_) {
    if (apart && !detail::is_special_token_name(name)) {
      config["model_specific_special_tokens"][name] = token;
      continue;
    }
    config[name] = token;
    map[name] = token;
    if (const auto id = tokenizer().token_to_id(token))
      if (const AddedToken* t = tokenizer().added_vocabulary().find(std::uint32_t(*id)))
        map[name] = detail::added_token_json(*t, false);
  }
  if (!additional_special_tokens_.empty()) {
    config["extra_special_tokens"] = additional_special_tokens_;
    map["additional_special_tokens"] = additional_special_tokens_;
  }
  json added = json::object();
  for (const auto& [id, token] : tokenizer().get_added_tokens_decoder())
    added[detail::cat(id)] = detail::added_token_json(token, true);
  config["added_tokens_decoder"] = std::move(added);
  config["padding_side"] = padding_side == PaddingDirection::Left ? "left" : "right";
  config["truncation_side"] = truncation_side == TruncationDirection::Left ? "left" : "right";
  config["clean_up_tokenization_spaces"] = clean_up_tokenization_spaces;
  config["model_input_names"] = model_input_names;
  config.erase("model_max_length");
  if (model_max_length != no_max_length) config["model_max_length"] = model_max_length;
  if (!config.contains("tokenizer_class")) config["tokenizer_class"] = "PreTrainedTokenizerFast";

  const dump_options text{.ensure_ascii = false};
  for (const auto& [name, jinja] : chat_templates_) {
    if (name == "default") {
      write_file_atomically(folder / "chat_template.jinja", jinja);
      continue;
    }
    detail::check_template_name(name);
    std::filesystem::create_directories(folder / "additional_chat_templates", failed);
    write_file_atomically(folder / "additional_chat_templates" / (name + ".jinja"), jinja);
  }
  write_file_atomically(folder / "special_tokens_map.json", dump(map, text));
  write_file_atomically(folder / "tokenizer_config.json", dump(config, text));
  backend_tokenizer().save(folder / "tokenizer.json");
}

}  // namespace hft
