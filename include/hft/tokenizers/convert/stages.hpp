// The stages of a converted tokenizer, written as tokenizer.json has them: a kind's row and a folder's configuration
// give the text of each, and serialization.hpp reads it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/base64.hpp>
#include <hft/io/json.hpp>
#include <hft/tokenizers/convert/kinds.hpp>
#include <hft/tokenizers/decoders/wordpiece.hpp>
#include <hft/tokenizers/unicode.hpp>

namespace hft::detail {

/// JSON text, as a string literal's contents and as an array's.
inline std::string json_text(std::string_view s) {
  std::string out;
  append_json_string(out, s, false);
  return out;
}
inline std::string json_text(bool b) { return b ? "true" : "false"; }
inline std::string json_list(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& i : items) out += cat(out.empty() ? "" : ",", i);
  return cat("[", out, "]");
}

inline std::string replace_step(std::string_view pattern_kind, std::string_view pattern, std::string_view content) {
  return cat(R"({"type":"Replace","pattern":{")", pattern_kind, R"(":)", json_text(pattern), R"(},"content":)",
             json_text(content), "}");
}

/// What the files of a folder say beside the kind's row.
struct stage_options {
  const json* config;            // tokenizer_config.json
  std::string where;             // its name in errors
  std::string_view charsmap;     // of the sentencepiece model; empty: none
  bool model_has_bytes = false;  // the sentencepiece model's byte_fallback

  bool flag(std::string_view key, bool fallback) const { return hft::get<bool>(*config, key, fallback, where); }
};

inline bool adds_prefix_space(const tokenizer_kind& kind, const stage_options& o) {
  if (kind.add_prefix_space == prefix_space::always) return true;
  return o.flag("add_prefix_space", kind.add_prefix_space == prefix_space::yes);
}

/// The normalizer's JSON; "null" where there is none.
inline std::string normalizer_json(const tokenizer_kind& kind, const stage_options& o) {
  constexpr std::string_view mark = "\xe2\x96\x81";
  std::vector<std::string> steps;
  const auto type = [&](std::string_view name) { steps.push_back(cat(R"({"type":")", name, R"("})")); };
  const auto literal = [&](std::string_view a, std::string_view b) { steps.push_back(replace_step("String", a, b)); };
  const auto regex = [&](std::string_view a, std::string_view b) { steps.push_back(replace_step("Regex", a, b)); };
  const auto bert = [&](bool clean, bool chinese, std::string_view strip, bool lower) {
    steps.push_back(cat(R"({"type":"BertNormalizer","clean_text":)", clean, R"(,"handle_chinese_chars":)", chinese,
                        R"(,"strip_accents":)", strip, R"(,"lowercase":)", lower, "}"));
  };
  const auto strip_right = [&] { steps.push_back(R"({"type":"Strip","strip_left":false,"strip_right":true})"); };
  const auto charsmap = [&] {
    if (o.charsmap.empty()) return false;
    steps.push_back(cat(R"({"type":"Precompiled","precompiled_charsmap":")", encode_base64(o.charsmap), R"("})"));
    return true;
  };
  for (const auto step : kind.normalizer) switch (step) {
      case text_step::none:
        break;
      case text_step::bert:
      case text_step::bert_clean_flag:
      case text_step::bert_uncased: {
        const auto strip = get_optional<bool>(*o.config, "strip_accents", o.where);
        bert(step != text_step::bert_clean_flag || o.flag("clean_text", true), o.flag("tokenize_chinese_chars", true),
             strip ? json_text(*strip) : "null",
             step == text_step::bert_uncased || o.flag("do_lower_case", kind.lowercases));
        break;
      }
      case text_step::bert_cased:
        bert(true, true, "false", false);
        break;
      case text_step::bert_lower:
        bert(true, true, "null", true);
        break;
      case text_step::quotes:
        literal("``", "\"");
        literal("''", "\"");
        break;
      case text_step::accents:
        if (o.flag("keep_accents", kind.keeps_accents)) break;
        type("NFKD");
        type("StripAccents");
        break;
      case text_step::always_accents:
        type("NFKD");
        type("StripAccents");
        break;
      case text_step::lowercase:
        if (o.flag("do_lower_case", kind.lowercases)) type("Lowercase");
        break;
      case text_step::charsmap:
        charsmap();
        break;
      case text_step::charsmap_or_newlines:
        if (!charsmap()) regex("\\n", " ");
        break;
      case text_step::charsmap_join_spaces:
        if (charsmap()) regex(" {2,}", " ");
        break;
      case text_step::join_spaces:
        regex(" {2,}", " ");
        break;
      case text_step::mark_spaces:
        regex(" {2,}", mark);
        break;
      case text_step::blanks:
        regex("\\s{2,}|[\\n\\r\\t]", " ");
        break;
      case text_step::nfc:
        type("NFC");
        break;
      case text_step::strip_right:
        strip_right();
        break;
      case text_step::space_to_mark:
        literal(" ", mark);
        break;
      case text_step::seamless:
        regex("[\\n\\r\\t]", " ");
        type("NFKC");
        strip_right();
        regex(cat(" +", mark), mark);
        regex(cat("^", mark, "+$"), "");
        regex(" {2,}", mark);
        break;
      case text_step::clip:
        type("NFC");
        regex("\\s+", " ");
        type("Lowercase");
        break;
    }
  if (steps.empty()) return "null";
  return steps.size() == 1 ? steps[0] : cat(R"({"type":"Sequence","normalizers":)", json_list(steps), "}");
}

inline std::string metaspace_json(std::string_view scheme, bool split) {
  return cat(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":")", scheme, R"(","split":)", split, "}");
}
inline std::string_view prepend_scheme(const tokenizer_kind& kind, const stage_options& o) {
  return adds_prefix_space(kind, o) ? "always" : "never";
}

/// The pre-tokenizer's JSON; "null" where there is none.
inline std::string pre_tokenizer_json(const tokenizer_kind& kind, const stage_options& o) {
  const auto sequence = [](const std::vector<std::string>& steps) {
    return cat(R"({"type":"Sequence","pretokenizers":)", json_list(steps), "}");
  };
  const auto byte_level = [](bool prefix, bool regex) {
    return cat(R"({"type":"ByteLevel","add_prefix_space":)", prefix, R"(,"trim_offsets":true,"use_regex":)", regex,
               "}");
  };
  const auto split = [](std::string_view regex, std::string_view behavior, bool invert) {
    return cat(R"({"type":"Split","pattern":{"Regex":)", json_text(regex), R"(},"behavior":")", behavior,
               R"(","invert":)", invert, "}");
  };
  switch (kind.pre_tokenizer) {
    case word_split::bert:
      return R"({"type":"BertPreTokenizer"})";
    case word_split::byte_level:
      return byte_level(adds_prefix_space(kind, o), true);
    case word_split::metaspace:
      return metaspace_json(prepend_scheme(kind, o), true);
    case word_split::words_metaspace:
      return sequence({R"({"type":"WhitespaceSplit"})", metaspace_json(prepend_scheme(kind, o), true)});
    case word_split::first_metaspace:
      return metaspace_json("first", true);
    case word_split::deberta: {
      std::vector<std::string> steps;
      if (o.flag("split_by_punct", false)) steps.push_back(R"({"type":"Punctuation","behavior":"Isolated"})");
      steps.push_back(metaspace_json(adds_prefix_space(kind, o) ? "always" : "first", true));
      return sequence(steps);
    }
    case word_split::llama:
      return metaspace_json(!adds_prefix_space(kind, o) ? "never"
                            : o.flag("legacy", false)   ? "always"
                                                        : "first",
                            false);
    case word_split::code_llama:
      return metaspace_json(adds_prefix_space(kind, o) ? "first" : "never", false);
    case word_split::gemma:
      return R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false})";
    case word_split::qwen2:
      return sequence({split(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                             R"(|\s*[\r\n]+|\s+(?!\S)|\s+)",
                             "Isolated", false),
                       byte_level(adds_prefix_space(kind, o), false)});
    case word_split::qwen3_5:
      return sequence({split(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
                             R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                             "Isolated", false),
                       byte_level(adds_prefix_space(kind, o), false)});
    case word_split::clip:
      return sequence({split(R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}])"
                             R"(|[^\s\p{L}\p{N}]+)",
                             "Removed", true),
                       byte_level(false, true)});
    case word_split::digits_byte_level:
      return sequence({R"({"type":"Digits","individual_digits":true})", byte_level(adds_prefix_space(kind, o), true)});
    case word_split::none:
      break;
  }
  return "null";
}

/// The decoder's JSON.
inline std::string decoder_json(const tokenizer_kind& kind, const stage_options& o) {
  const std::string marks = replace_step("String", "▁", " "), bytes = R"({"type":"ByteFallback"})",
                    fuse = R"({"type":"Fuse"})";
  const auto sequence = [](const std::vector<std::string>& steps) {
    return cat(R"({"type":"Sequence","decoders":)", json_list(steps), "}");
  };
  switch (kind.decoder) {
    case token_join::wordpiece:
      return R"({"type":"WordPiece","prefix":"##","cleanup":true})";
    case token_join::wordpiece_prefix:
      return cat(R"({"type":"WordPiece","prefix":)",
                 json_text(hft::get<std::string>(*o.config, "wordpieces_prefix", "##", o.where)),
                 R"(,"cleanup":true})");
    case token_join::byte_level:
      return R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
    case token_join::metaspace:
      return metaspace_json(prepend_scheme(kind, o), true);
    case token_join::first_metaspace:
      return metaspace_json("first", true);
    case token_join::word_suffix:
      return cat(R"({"type":"BPEDecoder","suffix":)", json_text(kind.word_suffix), "}");
    case token_join::bytes:
      return sequence({marks, bytes, fuse});
    case token_join::deberta:
      return metaspace_json(adds_prefix_space(kind, o) ? "always" : "first", true);
    case token_join::llama:
    case token_join::code_llama:
      if (kind.decoder == token_join::llama && !adds_prefix_space(kind, o)) return sequence({marks, bytes, fuse});
      return sequence({marks, bytes, fuse, R"({"type":"Strip","content":" ","start":1,"stop":0})"});
    case token_join::marks:
      return o.model_has_bytes ? sequence({marks, bytes, fuse}) : sequence({marks});
  }
  return "null";
}

/// A token of a template, by what stands in the template's text for it.
using template_token = std::function<std::optional<std::pair<std::string, std::uint32_t>>(std::string_view)>;

/// TemplateProcessing's JSON for templates as kinds.hpp writes them. `resolve` gives the token and id of a word that is
/// no sequence; words it has no token for are left out.
inline std::string template_json(std::string_view single, std::string_view pair, const template_token& resolve) {
  std::string tokens;
  std::vector<std::string> known;
  const auto pieces = [&](std::string_view text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find(' ', at), text.size());
      auto word = text.substr(at, end - at);
      at = end + 1;
      if (word.empty()) continue;
      std::string_view type_id = "0";
      if (word.size() > 2 && word[word.size() - 2] == ':') {
        type_id = word.substr(word.size() - 1);
        word.remove_suffix(2);
      }
      if (word == "A" || word == "B") {
        out.push_back(cat(R"({"Sequence":{"id":")", word, R"(","type_id":)", type_id, "}}"));
        continue;
      }
      const auto token = resolve(word);
      if (!token) continue;
      const auto name = json_text(token->first);
      out.push_back(cat(R"({"SpecialToken":{"id":)", name, R"(,"type_id":)", type_id, "}}"));
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      known.push_back(name);
      tokens += cat(tokens.empty() ? "" : ",", name, R"(:{"id":)", name, R"(,"ids":[)", token->second,
                    R"(],"tokens":[)", name, "]}");
    }
    return json_list(out);
  };
  const auto first = pieces(single), second = pieces(pair);
  return cat(R"({"type":"TemplateProcessing","single":)", first, R"(,"pair":)", second, R"(,"special_tokens":{)",
             tokens, "}}");
}

/// The template of tokenizers that put at most a bos token before and an eos token after each sequence.
inline std::string bos_eos_template_json(bool bos, bool eos, const template_token& resolve) {
  const auto one = cat(bos ? "bos " : "", "A", eos ? " eos" : "");
  return template_json(one, cat(one, bos ? " bos:1" : "", " B:1", eos ? " eos:1" : ""), resolve);
}

/// What Transformers makes of the text that a CLIP tokenizer decodes: ends of words are spaces, but at the ends.
inline void end_words(std::string& text, std::string_view suffix) {
  replace_all(text, suffix, " ");
  std::size_t begin = 0, end = text.size();
  unsigned n;
  while (begin < end && unicode::is(unicode::decode(text.data() + begin, n), unicode::space)) begin += n;
  while (end > begin && unicode::is(unicode::decode_before(text.data() + end, n), unicode::space)) end -= n;
  text = text.substr(begin, end - begin);
}

}  // namespace hft::detail
