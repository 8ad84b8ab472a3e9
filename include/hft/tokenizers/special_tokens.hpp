// The special tokens of a model's folder: the named ones, the others, and those that its files give ids. Transformers
// gathers them from three files before it builds a tokenizer, and adds them in a fixed order, which decides their ids.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/sorting.hpp>
#include <hft/tokenizers/added_vocabulary.hpp>

namespace hft::detail {

inline constexpr std::string_view special_token_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                           "pad_token", "cls_token", "mask_token"};

/// The place of a name among these; that behind the last for any other.
inline std::size_t place_of(std::string_view name) {
  std::size_t i = 0;
  while (i < std::size(special_token_names) && special_token_names[i] != name) ++i;
  return i;
}
inline bool is_special_token_name(std::string_view name) { return place_of(name) < std::size(special_token_names); }

/// A token of a configuration: a string, which is special, or an object with its flags (AddedToken).
inline AddedToken read_token(const json& value, const std::string& where, bool special_by_default = true) {
  AddedToken t;
  t.normalized = false;
  t.special = true;
  if (value.is_string()) {
    t.content = value.get<std::string>();
    return t;
  }
  if (!value.is_object() || !value.contains("content") || !value["content"].is_string())
    throw format_error(where, "", "a token: a string, or an object with 'content'", describe(value));
  t.content = value["content"].get<std::string>();
  t.single_word = hft::get<bool>(value, "single_word", false, where);
  t.lstrip = hft::get<bool>(value, "lstrip", false, where);
  t.rstrip = hft::get<bool>(value, "rstrip", false, where);
  t.special = hft::get<bool>(value, "special", special_by_default, where);
  t.normalized = hft::get<bool>(value, "normalized", !t.special, where);
  return t;
}

class special_tokens {
 public:
  struct named_token {
    std::string name;
    AddedToken token;
    bool plain = true;  // given as a string, without flags
  };

  struct numbered_token {
    std::uint32_t id;
    AddedToken token;
  };

  /// In Transformers' order: bos_token, ..., mask_token, then the model's own in the order they came.
  const std::vector<named_token>& named() const noexcept { return named_; }
  const named_token* find(std::string_view name) const {
    for (const auto& n : named_)
      if (n.name == name) return &n;
    return nullptr;
  }
  /// The text of a named token; empty where there is none.
  std::string text(std::string_view name) const {
    const auto* n = find(name);
    return n ? n->token.content : std::string();
  }
  /// The tokens that the files give ids, in no particular order.
  const std::vector<numbered_token>& by_id() const noexcept { return by_id_; }
  /// Special tokens without a name.
  const std::vector<AddedToken>& extra() const noexcept { return extra_; }

  void set(std::string_view name, AddedToken token, bool plain) {
    std::size_t at = 0;
    for (; at < named_.size() && place_of(named_[at].name) <= place_of(name); ++at) {
      if (named_[at].name != name) continue;
      named_[at].token = std::move(token);
      named_[at].plain = plain;
      return;
    }
    named_.insert(named_.begin() + std::ptrdiff_t(at), {std::string(name), std::move(token), plain});
  }
  /// What a kind of tokenizer has where the files say nothing. A token that they give as a string takes the flags.
  void set_default(std::string_view name, const AddedToken& token) {
    if (std::find(none_.begin(), none_.end(), name) != none_.end()) return;
    for (auto& n : named_)
      if (n.name == name) {
        if (!n.plain) return;
        n.token.lstrip = token.lstrip;
        n.token.normalized = token.normalized;
        return;
      }
    set(name, token, false);
  }
  /// What a kind has where it and the files have no token: set_missing sets none.
  void set_none(std::string_view name) {
    if (!find(name)) none_.emplace_back(name);
  }
  /// The token that a name has where the files and the kind say nothing.
  void set_missing(std::string_view name, const std::string& token) {
    if (find(name) || std::find(none_.begin(), none_.end(), name) != none_.end()) return;
    set(name, AddedToken::verbatim(token), true);
  }
  void add_extra(AddedToken token) {
    for (const auto& t : extra_)
      if (t == token) return;
    extra_.push_back(std::move(token));
  }
  /// Special tokens that count only where the files name no others.
  void set_additional(std::vector<AddedToken> tokens) { additional_ = std::move(tokens); }
  const std::vector<AddedToken>& additional() const noexcept { return additional_; }

  /// tokenizer_config.json.
  void read_config(const json& config, const std::string& where) {
    if (!config.is_object()) throw format_error(where, "", "an object", describe(config));
    if (const json* decoder = find_member(config, "added_tokens_decoder", where)) {
      if (!decoder->is_object()) throw format_error(joined(where, ": added_tokens_decoder"), "", "an object");
      has_decoder_ = true;
      for (const auto& [id, token] : decoder->items()) {
        std::uint64_t n = 0;
        for (char c : id) n = c >= '0' && c <= '9' && n <= Vocabulary::max_id ? n * 10 + std::uint64_t(c - '0') : ~0u;
        if (id.empty() || n > Vocabulary::max_id)
          throw format_error(joined(where, ": added_tokens_decoder"), "", "ids", quote_text(id));
        by_id_.push_back({std::uint32_t(n), read_token(token, cat(where, ": added_tokens_decoder.", id), false)});
      }
    }
    read_names(config, where);
    if (const json* names = find_member(config, "model_specific_special_tokens", where)) {
      if (!names->is_object())
        throw format_error(joined(where, ": model_specific_special_tokens"), "", "an object of tokens");
      read_extra(*names, where);
    }
    const json* extra = find_member(config, "extra_special_tokens", where);
    if (extra && !extra->empty()) read_extra(*extra, where);
    if (!extra || extra->empty() || extra->is_object())  // an object gives names, and is no list
      if (const json* more = find_member(config, "additional_special_tokens", where); more && !more->empty())
        read_extra(*more, where);
    const bool names = extra && extra->is_object() && !extra->empty();
    lists_extra_ = !names && (config.contains("extra_special_tokens") || config.contains("additional_special_tokens"));
  }
  /// special_tokens_map.json, older: it wins over the names in the config, and is not read where that has
  /// added_tokens_decoder.
  void read_map(const json& map, const std::string& where) {
    if (!map.is_object()) throw format_error(where, "", "an object", describe(map));
    if (has_decoder_) return;
    read_names(map, where);
    if (const json* extra = find_member(map, "extra_special_tokens", where)) read_extra(*extra, where);
    if (const json* more = find_member(map, "additional_special_tokens", where); more && !lists_extra_) {
      extra_.clear();
      if (!more->is_array()) throw format_error(joined(where, ": additional_special_tokens"), "", "a list of tokens");
      for (const auto& t : *more) additional_.push_back(read_token(t, cat(where, ": additional_special_tokens")));
    }
  }
  /// added_tokens.json, older still: ids by token.
  void read_added_tokens(const json& tokens, const std::string& where) {
    if (!tokens.is_object()) throw format_error(where, "", "an object of ids", describe(tokens));
    if (has_decoder_) return;
    for (const auto& [token, id] : tokens.items()) {
      AddedToken t{token};
      t.special = find_token(extra_, token) != nullptr;
      for (const auto& n : named_) t.special |= n.token.content == token;
      t.normalized = !t.special;
      by_id_.push_back({json_as<std::uint32_t>(id, where, token), std::move(t)});
    }
  }

  /// Whether the config has an added_tokens_decoder, which lists all tokens that are added.
  bool has_decoder() const noexcept { return has_decoder_; }

  /// Appends to the added tokens of a pipeline what it lacks: tokens with ids first, in the order of these, then the
  /// named ones, which are special, then the others: a list alone makes no token special that is there.
  void add_to(std::vector<AddedToken>& tokens) const {
    const auto set = [&](const AddedToken& t) {
      if (t.content.empty()) return;
      AddedToken* old = find_token(tokens, t.content);
      // The library skips a token that was special once, even where a later one of its text is not: both stay.
      if (!old || (old->special && !t.special)) return void(tokens.push_back(t));
      *old = t;
    };
    // What named tokens are like is said by tokenizer.json, unless there is an added_tokens_decoder to say it. Of
    // several of one text, the last one that tokenizer.json has says it, or else the one with the smallest id.
    const auto by_id =
        sorted_positions(by_id_.size(), [this](std::size_t a, std::size_t b) { return by_id_[a].id < by_id_[b].id; });
    std::vector<AddedToken> known;
    for (auto i = by_id.size(); i-- > 0;) known.push_back(by_id_[by_id[i]].token);
    if (!has_decoder_)
      for (const auto& t : tokens) known.push_back(t);
    if (extra_.empty()) known.insert(known.end(), additional_.begin(), additional_.end());  // pieces say it, too
    for (const auto i : by_id) set(by_id_[i].token);
    const auto make_special = [&](AddedToken t) {
      t.special = true;
      set(t);
    };
    for (const auto& n : named_) {
      const AddedToken* same = find_token(known, n.token.content);
      make_special(same ? *same : n.token);
    }
    for (const auto& t : extra_.empty() ? additional_ : extra_)
      if (!t.content.empty() && !find_token(tokens, t.content)) tokens.push_back(t);
  }

 private:
  void read_names(const json& object, const std::string& where) {
    for (const auto& [name, value] : object.items()) {
      const bool standard = is_special_token_name(name);
      if (standard && value.is_null()) none_.push_back(name);
      if (value.is_null() || (!standard && !std::string_view(name).ends_with("_token"))) continue;
      if (!standard && !value.is_string() && !(value.is_object() && value.contains("content")))
        continue;  // add_bos_token
      auto token = read_token(value, cat(where, ": ", name));
      token.special = true;
      bool plain = value.is_string();
      for (const auto& n : by_id_)  // its flags there count
        if (n.token.content == token.content) token = n.token, plain = false;
      set(name, std::move(token), plain);
    }
  }
  void read_extra(const json& value, const std::string& where) {
    const auto at = cat(where, ": extra_special_tokens");
    if (value.is_object()) {  // names of the model's own
      for (const auto& [name, token] : value.items()) set(name, read_token(token, at), token.is_string());
      return;
    }
    if (!value.is_array()) throw format_error(at, "", "a list of tokens", describe(value));
    for (const auto& t : value) add_extra(read_token(t, at));
  }

  std::vector<named_token> named_;
  std::vector<AddedToken> extra_, additional_;
  std::vector<numbered_token> by_id_;
  std::vector<std::string> none_;
  bool has_decoder_ = false;
  bool lists_extra_ = false;  // the config lists further special tokens, if only none
};

}  // namespace hft::detail
