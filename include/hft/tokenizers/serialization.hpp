// tokenizer.json (tokenizers 0.23) to the components of a pipeline. What is wrong with a file is said with its path.
#pragma once
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/base64.hpp>
#include <hft/io/large_json.hpp>
#include <hft/io/sorting.hpp>
#include <hft/tokenizers/added_vocabulary.hpp>
#include <hft/tokenizers/components.hpp>
#include <hft/tokenizers/decoders/byte_fallback.hpp>
#include <hft/tokenizers/decoders/byte_level.hpp>
#include <hft/tokenizers/decoders/ctc.hpp>
#include <hft/tokenizers/decoders/metaspace.hpp>
#include <hft/tokenizers/decoders/strip.hpp>
#include <hft/tokenizers/decoders/utils.hpp>
#include <hft/tokenizers/decoders/wordpiece.hpp>
#include <hft/tokenizers/encoding.hpp>
#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/models/wordlevel.hpp>
#include <hft/tokenizers/models/wordpiece.hpp>
#include <hft/tokenizers/normalizers/bert.hpp>
#include <hft/tokenizers/normalizers/byte_level.hpp>
#include <hft/tokenizers/normalizers/nmt.hpp>
#include <hft/tokenizers/normalizers/precompiled.hpp>
#include <hft/tokenizers/normalizers/prepend.hpp>
#include <hft/tokenizers/normalizers/replace.hpp>
#include <hft/tokenizers/normalizers/strip.hpp>
#include <hft/tokenizers/normalizers/unicode.hpp>
#include <hft/tokenizers/normalizers/utils.hpp>
#include <hft/tokenizers/pre_tokenizers/bert.hpp>
#include <hft/tokenizers/pre_tokenizers/byte_level.hpp>
#include <hft/tokenizers/pre_tokenizers/char_delimiter_split.hpp>
#include <hft/tokenizers/pre_tokenizers/digits.hpp>
#include <hft/tokenizers/pre_tokenizers/fixed_length.hpp>
#include <hft/tokenizers/pre_tokenizers/metaspace.hpp>
#include <hft/tokenizers/pre_tokenizers/punctuation.hpp>
#include <hft/tokenizers/pre_tokenizers/sequence.hpp>
#include <hft/tokenizers/pre_tokenizers/split.hpp>
#include <hft/tokenizers/pre_tokenizers/unicode_scripts.hpp>
#include <hft/tokenizers/pre_tokenizers/whitespace.hpp>
#include <hft/tokenizers/processors/bert.hpp>
#include <hft/tokenizers/processors/byte_level.hpp>
#include <hft/tokenizers/processors/sequence.hpp>
#include <hft/tokenizers/processors/template.hpp>

namespace hft {
namespace detail {

/// A value of the document that knows where it stands: a member or an element of another value, which must live as
/// long. That is put into words only where there is something to tell.
class json_node {
 public:
  /// The document's root; `document` names it.
  json_node(simdjson::dom::element value, std::string_view document) : value_(value), key_(document) {}

  std::string where() const {
    if (!parent_) return cat(key_, ": ");
    return index_ == no_index ? parent_->inside(key_) : cat(parent_->where(), "[", index_, "]");
  }
  std::string inside(std::string_view key) const { return cat(where(), parent_ ? "." : "", key); }
  simdjson::dom::element value() const noexcept { return value_; }

  /// The member `key`; throws where it is missing or null.
  json_node at(std::string_view key) const {
    if (const auto member = find(key)) return *member;
    throw format_error(where(), joined("'", key, "' is missing"));
  }
  /// The member `key`, or nothing where it is missing or null.
  std::optional<json_node> find(std::string_view key) const {
    simdjson::dom::element member;
    if (object().at_key(key).get(member) != simdjson::SUCCESS || member.is_null()) return {};
    return json_node(member, *this, key);
  }
  json_node member(const simdjson::dom::key_value_pair& field) const { return {field.value, *this, field.key}; }
  std::vector<json_node> elements() const& {
    std::vector<json_node> out;
    for (const auto e : array()) out.push_back({e, *this, {}, out.size()});
    return out;
  }
  void elements() && = delete;  // they refer to this

  simdjson::dom::object object() const { return as<simdjson::dom::object>("an object"); }
  simdjson::dom::array array() const { return as<simdjson::dom::array>("an array"); }
  std::string_view text() const { return as<std::string_view>("a string"); }
  std::string string() const { return std::string(text()); }
  bool boolean() const { return as<bool>("a boolean"); }
  double number() const { return as<double>("a number"); }
  std::size_t size(std::uint64_t limit = SIZE_MAX) const {
    const auto n = as<std::int64_t>("an integer of 64 bits");
    if (n < 0 || std::uint64_t(n) > limit)
      throw format_error(where(), "", joined("a number from 0 to ", limit), joined(n));
    return std::size_t(n);
  }
  std::uint32_t id() const { return std::uint32_t(size(Vocabulary::max_id)); }
  std::string character() const {
    auto s = string();
    if (unicode::count(s) != 1) throw format_error(where(), "", "one character", quote_text(s));
    return s;
  }
  bool boolean(std::string_view key, bool fallback) const {
    const auto n = find(key);
    return n ? n->boolean() : fallback;
  }
  bool boolean(std::string_view key) const { return at(key).boolean(); }
  std::string string(std::string_view key) const { return at(key).string(); }

  /// Which of these names the string is, counted from 0.
  std::size_t choice(std::initializer_list<std::string_view> names) const {
    std::size_t i = 0;
    std::string all;
    for (const auto name : names) {
      if (text() == name) return i;
      all += cat(i++ == 0 ? "one of " : ", ", name);
    }
    throw format_error(where(), "", all, quote_text(text()));
  }
  [[noreturn]] void unknown_component(std::string_view stage) const {
    throw unsupported_error(where(), joined(stage, " ", quote_text(string("type"))), "one that this version knows");
  }

 private:
  static constexpr std::size_t no_index = SIZE_MAX;
  json_node(simdjson::dom::element value, const json_node& parent, std::string_view key, std::size_t index = no_index)
      : value_(value), parent_(&parent), key_(key), index_(index) {}

  template <class T>
  T as(const char* expected) const {
    T out;
    if (value_.get(out) != simdjson::SUCCESS) throw format_error(where(), "", expected, describe(value_));
    return out;
  }

  simdjson::dom::element value_;
  const json_node* parent_ = nullptr;
  std::string_view key_;  // or the document's name
  std::size_t index_ = no_index;
};

/// A stage made here, as pipelines hold it: one smart pointer for all classes of an interface.
template <class Interface, class Stage>
std::unique_ptr<const Interface> hold(Stage&& stage) {
  return std::unique_ptr<const Interface>(new Stage(std::move(stage)));
}

// One function a stage. Sequences nest no deeper than the JSON they stand in, and its depth is capped.

inline Pattern read_pattern(const json_node& n) {
  if (const auto s = n.find("String")) return Pattern::literal(s->string());
  if (const auto r = n.find("Regex")) return Pattern::regex(r->string(), r->where());
  throw format_error(n.where(), "pattern", "'String' or 'Regex'");
}

// Names are listed in the order of their enum.

inline SplitDelimiterBehavior read_behavior(const json_node& n) {
  return SplitDelimiterBehavior(
      n.choice({"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}));
}

inline PrependScheme read_prepend_scheme(const json_node& n) {
  auto scheme = PrependScheme::Always;
  if (const auto s = n.find("prepend_scheme")) scheme = PrependScheme(s->choice({"always", "first", "never"}));
  if (const auto old = n.find("add_prefix_space"); old && !old->boolean()) {
    if (scheme != PrependScheme::Never && n.find("prepend_scheme"))
      throw format_error(n.where(), "add_prefix_space false", "prepend_scheme never");
    scheme = PrependScheme::Never;
  }
  return scheme;
}

inline std::unique_ptr<const normalizers::Normalizer> read_normalizer(const json_node& n) {
  using namespace normalizers;
  const auto type = n.string("type");
  if (type == "NFC") return hold<Normalizer>(NFC());
  if (type == "NFD") return hold<Normalizer>(NFD());
  if (type == "NFKC") return hold<Normalizer>(NFKC());
  if (type == "NFKD") return hold<Normalizer>(NFKD());
  if (type == "Lowercase") return hold<Normalizer>(Lowercase());
  if (type == "StripAccents") return hold<Normalizer>(StripAccents());
  if (type == "ByteLevel") return hold<Normalizer>(normalizers::ByteLevel());
  if (type == "Nmt") return hold<Normalizer>(Nmt());
  if (type == "Precompiled") {
    const auto map = n.at("precompiled_charsmap");
    const auto where = map.where();
    return std::unique_ptr<const Normalizer>(new Precompiled(decode_base64(map.text(), where), where));
  }
  if (type == "BertNormalizer") {
    BertNormalizer out;
    out.clean_text = n.boolean("clean_text");
    out.handle_chinese_chars = n.boolean("handle_chinese_chars");
    if (const auto s = n.find("strip_accents")) out.strip_accents = s->boolean();
    out.lowercase = n.boolean("lowercase");
    return hold<Normalizer>(std::move(out));
  }
  if (type == "Strip") {
    normalizers::Strip out;
    out.strip_left = n.boolean("strip_left");
    out.strip_right = n.boolean("strip_right");
    return hold<Normalizer>(std::move(out));
  }
  if (type == "Replace") {
    normalizers::Replace out;
    out.pattern = read_pattern(n.at("pattern"));
    out.content = n.string("content");
    return hold<Normalizer>(std::move(out));
  }
  if (type == "Prepend") {
    Prepend out;
    out.prepend = n.string("prepend");
    return hold<Normalizer>(std::move(out));
  }
  if (type == "Sequence") {
    normalizers::Sequence out;
    const auto list = n.at("normalizers");
    for (const auto& e : list.elements()) out.normalizers.push_back(read_normalizer(e));
    return hold<Normalizer>(std::move(out));
  }
  n.unknown_component("normalizer");
}

inline std::unique_ptr<const pre_tokenizers::PreTokenizer> read_pre_tokenizer(const json_node& n) {
  using namespace pre_tokenizers;
  const auto type = n.string("type");
  if (type == "BertPreTokenizer") return hold<PreTokenizer>(BertPreTokenizer());
  if (type == "Whitespace") return hold<PreTokenizer>(Whitespace());
  if (type == "WhitespaceSplit") return hold<PreTokenizer>(WhitespaceSplit());
  if (type == "UnicodeScripts") return hold<PreTokenizer>(UnicodeScripts());
  if (type == "CharDelimiterSplit") {
    CharDelimiterSplit out;
    out.delimiter = n.at("delimiter").character();
    return hold<PreTokenizer>(std::move(out));
  }
  if (type == "FixedLength") {
    FixedLength out;
    if (const auto length = n.find("length")) out.length = length->size();
    if (out.length == 0) throw format_error(n.inside("length"), "", "at least 1", "0");
    return hold<PreTokenizer>(std::move(out));
  }
  if (type == "ByteLevel") {
    pre_tokenizers::ByteLevel out;
    out.add_prefix_space = n.boolean("add_prefix_space");
    out.use_regex = n.boolean("use_regex", true);
    out.trim_offsets = n.boolean("trim_offsets", true);
    return hold<PreTokenizer>(std::move(out));
  }
  if (type == "Split") {
    Split out;
    out.pattern = read_pattern(n.at("pattern"));
    out.behavior = read_behavior(n.at("behavior"));
    out.invert = n.boolean("invert");
    return hold<PreTokenizer>(std::move(out));
  }
  if (type == "Digits") {
    Digits out;
    out.individual_digits = n.boolean("individual_digits");
    return hold<PreTokenizer>(std::move(out));
  }
  if (type == "Punctuation") {
    Punctuation out;
    if (const auto b = n.find("behavior")) out.behavior = read_behavior(*b);
    return hold<PreTokenizer>(std::move(out));
  }
  if (type == "Metaspace") {
    pre_tokenizers::Metaspace out;
    out.replacement = n.at("replacement").character();
    out.prepend_scheme = read_prepend_scheme(n);
    out.split = n.boolean("split", true);
    return hold<PreTokenizer>(std::move(out));
  }
  if (type == "Sequence") {
    pre_tokenizers::Sequence out;
    const auto list = n.at("pretokenizers");
    for (const auto& e : list.elements()) out.pre_tokenizers.push_back(read_pre_tokenizer(e));
    return hold<PreTokenizer>(std::move(out));
  }
  n.unknown_component("pre-tokenizer");
}

inline special_token read_token_and_id(const json_node& n) {
  const auto pair = n.elements();
  if (pair.size() != 2) throw format_error(n.where(), "", "[token, id]", joined("an array of ", pair.size()));
  return {pair[0].string(), std::int64_t(pair[1].id())};
}

inline std::vector<processors::TemplateProcessing::piece> read_template(
    const json_node& n, const std::vector<std::pair<std::string, std::vector<special_token>>>& special, bool pair) {
  std::vector<processors::TemplateProcessing::piece> out;
  for (const auto& e : n.elements()) {
    processors::TemplateProcessing::piece piece;
    if (const auto sequence = e.find("Sequence")) {
      piece.is_sequence = true;
      piece.sequence = sequence->at("id").choice({"A", "B"});
      if (piece.sequence == 1 && !pair) throw format_error(sequence->where(), "template for one input", "A", "B");
      piece.type_id = sequence->at("type_id").id();
    } else {
      const auto token = e.at("SpecialToken");
      const auto id = token.string("id");
      const std::pair<std::string, std::vector<special_token>>* found = nullptr;
      for (const auto& s : special)
        if (s.first == id) found = &s;
      if (!found) throw format_error(token.where(), "special token " + quote_text(id), "one of special_tokens");
      piece.tokens = found->second;
      piece.id = id;
      piece.type_id = token.at("type_id").id();
    }
    out.push_back(std::move(piece));
  }
  return out;
}

inline std::unique_ptr<const processors::PostProcessor> read_post_processor(const json_node& n) {
  using namespace processors;
  const auto type = n.string("type");
  if (type == "ByteLevel") {
    processors::ByteLevel out;
    out.add_prefix_space = n.boolean("add_prefix_space");
    out.trim_offsets = n.boolean("trim_offsets");
    out.use_regex = n.boolean("use_regex", true);
    return hold<PostProcessor>(std::move(out));
  }
  if (type == "BertProcessing") {
    BertProcessing out;
    out.sep = read_token_and_id(n.at("sep"));
    out.cls = read_token_and_id(n.at("cls"));
    return hold<PostProcessor>(std::move(out));
  }
  if (type == "RobertaProcessing") {
    RobertaProcessing out;
    out.sep = read_token_and_id(n.at("sep"));
    out.cls = read_token_and_id(n.at("cls"));
    out.trim_offsets = n.boolean("trim_offsets");
    out.add_prefix_space = n.boolean("add_prefix_space");
    return hold<PostProcessor>(std::move(out));
  }
  if (type == "TemplateProcessing") {
    std::vector<std::pair<std::string, std::vector<special_token>>> special;
    const auto table = n.at("special_tokens");
    for (const auto field : table.object()) {
      const auto entry = table.member(field), id_list = entry.at("ids"), token_list = entry.at("tokens");
      const auto ids = id_list.elements(), tokens = token_list.elements();
      if (ids.size() != tokens.size())
        throw format_error(entry.where(), "", "as many ids as tokens", joined(ids.size(), " and ", tokens.size()));
      std::vector<special_token> list;
      for (std::size_t i = 0; i < ids.size(); ++i) list.push_back({tokens[i].string(), std::int64_t(ids[i].id())});
      special.emplace_back(field.key, std::move(list));
    }
    TemplateProcessing out;
    out.single = read_template(n.at("single"), special, false);
    out.pair = read_template(n.at("pair"), special, true);
    out.special_tokens = std::move(special);
    return hold<PostProcessor>(std::move(out));
  }
  if (type == "Sequence") {
    processors::Sequence out;
    const auto list = n.at("processors");
    for (const auto& e : list.elements()) out.processors.push_back(read_post_processor(e));
    return hold<PostProcessor>(std::move(out));
  }
  n.unknown_component("post-processor");
}

inline std::unique_ptr<const decoders::Decoder> read_decoder(const json_node& n) {
  using namespace decoders;
  const auto type = n.string("type");
  if (type == "ByteLevel") {
    decoders::ByteLevel out;
    out.add_prefix_space = n.boolean("add_prefix_space", true);
    out.trim_offsets = n.boolean("trim_offsets", true);
    out.use_regex = n.boolean("use_regex", true);
    return hold<Decoder>(std::move(out));
  }
  if (type == "ByteFallback") return hold<Decoder>(ByteFallback());
  if (type == "Fuse") return hold<Decoder>(Fuse());
  if (type == "CTC") {
    CTC out;
    out.pad_token = n.string("pad_token");
    out.word_delimiter_token = n.string("word_delimiter_token");
    out.cleanup = n.boolean("cleanup");
    return hold<Decoder>(std::move(out));
  }
  if (type == "WordPiece") {
    decoders::WordPiece out;
    out.prefix = n.string("prefix");
    out.cleanup = n.boolean("cleanup");
    return hold<Decoder>(std::move(out));
  }
  if (type == "Metaspace") {
    decoders::Metaspace out;
    out.replacement = n.at("replacement").character();
    out.prepend_scheme = read_prepend_scheme(n);
    out.split = n.boolean("split", true);
    return hold<Decoder>(std::move(out));
  }
  if (type == "Strip") {
    decoders::Strip out;
    out.content = n.at("content").character();
    out.start = n.at("start").size();
    out.stop = n.at("stop").size();
    return hold<Decoder>(std::move(out));
  }
  if (type == "Replace") {
    decoders::Replace out;
    out.pattern = read_pattern(n.at("pattern"));
    out.content = n.string("content");
    return hold<Decoder>(std::move(out));
  }
  if (type == "BPEDecoder") {
    BPEDecoder out;
    out.suffix = n.string("suffix");
    return hold<Decoder>(std::move(out));
  }
  if (type == "Sequence") {
    decoders::Sequence out;
    const auto list = n.at("decoders");
    for (const auto& e : list.elements()) out.decoders.push_back(read_decoder(e));
    return hold<Decoder>(std::move(out));
  }
  n.unknown_component("decoder");
}

/// Reports a vocabulary that is not one to one.
inline void finish_vocabulary(Vocabulary& v, const std::string& where) {
  if (const auto twice = v.finish()) throw format_error(where, joined("id ", *twice), "one token", "two");
}

inline Vocabulary read_vocabulary(const json_node& n) {
  const auto object = n.object();
  Vocabulary out;
  std::size_t bytes = 0, tokens = 0;
  for (const auto field : object) bytes += field.key.size(), ++tokens;
  out.reserve(tokens, bytes);
  for (const auto field : object) {
    std::int64_t id = -1;
    if (field.value.get(id) != simdjson::SUCCESS || id < 0 || id > std::int64_t(Vocabulary::max_id))
      (void)n.member(field).id();  // throws
    if (out.insert(field.key, std::uint32_t(id)) != Vocabulary::inserted::yes)
      throw format_error(n.where(), joined("token ", quote_text(field.key), " appears twice"));
  }
  finish_vocabulary(out, n.where());
  return out;
}

/// Where a merge stands: "merges.txt: line 7".
struct merge_place {
  std::string_view list, before;
  std::size_t number;
  std::string_view after = {};
  std::string text() const { return cat(list, before, number, after); }
};

/// Reads merges of tokens of a vocabulary, the most frequent first. Throws format_error where a merge is not of two
/// tokens, or makes no token.
class merge_reader {
 public:
  merge_reader(const Vocabulary& vocabulary, std::size_t prefix_length)
      : vocabulary_(vocabulary), prefix_length_(prefix_length) {}

  pair_table merges;

  void add(std::string_view a, std::string_view b, const merge_place& place) {
    merged_ = a;
    merged_ += b.substr(std::min(prefix_length_, b.size()));
    const auto left = vocabulary_.find(a), right = vocabulary_.find(b);
    // Trainers number tokens in the order of their merges, so the id after the last one is a good guess.
    auto result = std::optional<std::uint32_t>(last_ + 1);
    if (vocabulary_.token(*result) != merged_) result = vocabulary_.find(merged_);
    if (!left || !right || !result)
      throw format_error(place.text(), "merge", "tokens of the vocabulary",
                         quote_text(!left    ? a
                                    : !right ? b
                                             : std::string_view(merged_)));
    last_ = *result;
    merges.insert(*left, *right, {rank_++, *result});  // a pair that is listed again takes the later rank
  }
  /// A merge written as one string, "a b".
  void add(std::string_view line, const merge_place& place) {
    const auto space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos)
      throw format_error(place.text(), "merge", "two tokens", quote_text(line));
    add(line.substr(0, space), line.substr(space + 1), place);
  }

 private:
  const Vocabulary& vocabulary_;
  std::size_t prefix_length_;
  std::string merged_;
  std::uint32_t rank_ = 0, last_ = 0;  // the result of the last merge
};

inline pair_table read_merges(const json_node& n, const Vocabulary& vocabulary, std::size_t prefix_length) {
  const auto array = n.array();
  const auto where = n.where();
  merge_reader reader(vocabulary, prefix_length);
  reader.merges.reserve(array.size());
  std::size_t i = 0;
  for (const auto e : array) {
    const merge_place place{where, "[", i++, "]"};
    std::string_view a, b, line;
    simdjson::dom::array pair;
    if (e.get(line) == simdjson::SUCCESS) {
      if (!line.starts_with("#version")) reader.add(line, place);
      continue;
    }
    if (e.get(pair) != simdjson::SUCCESS) throw format_error(place.text(), "merge", "a string or a pair", describe(e));
    if (pair.size() != 2) throw format_error(place.text(), "merge", "two tokens", joined(pair.size()));
    if (pair.at(0).get(a) != simdjson::SUCCESS || pair.at(1).get(b) != simdjson::SUCCESS)
      throw format_error(place.text(), "merge", "two strings", describe(e));
    reader.add(a, b, place);
  }
  return std::move(reader.merges);
}

/// A number of a file as the tokenizers library reads it. Its parser (serde_json) divides all digits by a power of ten,
/// which rounds twice, and what is nearly a tie between two ways to write a text may hang on the last bit of a score.
inline double as_read_by_serde(double x) {
  if (x == 0 || !std::isfinite(x)) return x;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, x, std::chars_format::scientific).ptr;
  std::uint64_t digits = 0;
  int exponent = 0;
  const char* p = text + (text[0] == '-');
  bool fraction = false;
  for (; p != end && *p != 'e'; ++p) {
    if (*p == '.') {
      fraction = true;
    } else {
      digits = digits * 10 + std::uint64_t(*p - '0');
      exponent -= fraction;
    }
  }
  int written = 0;
  if (p != end) std::from_chars(p + 1 + (p[1] == '+'), end, written);
  exponent += written;
  double out = double(digits);
  const auto power_of_ten = [](int n) {
    const std::string number = cat("1e", n);
    double out = 1;
    std::from_chars(number.data(), number.data() + number.size(), out);
    return out;
  };
  static const auto small = [&] {
    std::array<double, 32> out;
    for (int n = 0; n < 32; ++n) out[std::size_t(n)] = power_of_ten(n);
    return out;
  }();
  if (exponent < -308) out /= 1e308, exponent += 308;
  const int n = std::abs(exponent);
  const double power = n < 32 ? small[std::size_t(n)] : power_of_ten(n);
  out = exponent < 0 ? out / power : out * power;
  return x < 0 ? -out : out;
}

/// Pieces and their scores, in the order of their ids.
inline std::vector<std::pair<std::string, double>> read_scored_pieces(const json_node& n) {
  const auto array = n.array();
  std::vector<std::pair<std::string, double>> out;
  out.reserve(array.size());
  for (const auto e : array) {
    simdjson::dom::array pair;
    std::string_view text;
    double score = 0;
    if (e.get(pair) != simdjson::SUCCESS || pair.size() != 2 || pair.at(0).get(text) != simdjson::SUCCESS ||
        pair.at(1).get(score) != simdjson::SUCCESS)
      throw format_error(joined(n.where(), "[", out.size(), "]"), "piece", "[string, number]", describe(e));
    out.emplace_back(text, as_read_by_serde(score));
  }
  return out;
}

using model_ptr = std::unique_ptr<const models::Model>;

inline model_ptr read_unigram(const json_node& n) {
  auto pieces = read_scored_pieces(n.at("vocab"));
  std::optional<std::uint32_t> unk_id;
  if (const auto unk = n.find("unk_id")) {
    unk_id = unk->id();
    if (*unk_id >= pieces.size())
      throw format_error(unk->where(), "", joined("less than the number of pieces, ", pieces.size()), joined(*unk_id));
  }
  return model_ptr(new models::Unigram(std::move(pieces), unk_id, n.boolean("byte_fallback", false)));
}

inline model_ptr read_model(const json_node& n) {
  std::string type;
  if (const auto t = n.find("type")) {
    type = t->string();
  } else {  // files older than the field
    const bool wordpiece = n.find("max_input_chars_per_word") && n.find("continuing_subword_prefix");
    type = n.find("merges")                   ? "BPE"
           : wordpiece                        ? "WordPiece"
           : n.at("vocab").value().is_array() ? "Unigram"
                                              : "WordLevel";
  }
  if (type == "BPE") {
    models::BPE::options o;
    if (const auto unk = n.find("unk_token")) o.unk_token = unk->string();
    if (const auto prefix = n.find("continuing_subword_prefix")) o.continuing_subword_prefix = prefix->string();
    if (const auto suffix = n.find("end_of_word_suffix")) o.end_of_word_suffix = suffix->string();
    o.has_continuing_subword_prefix = n.find("continuing_subword_prefix").has_value();
    o.has_end_of_word_suffix = n.find("end_of_word_suffix").has_value();
    o.fuse_unk = n.boolean("fuse_unk", false);
    o.byte_fallback = n.boolean("byte_fallback", false);
    o.ignore_merges = n.boolean("ignore_merges", false);
    if (const auto dropout = n.find("dropout")) {
      o.dropout = dropout->number();
      if (!(*o.dropout >= 0 && *o.dropout <= 1))
        throw format_error(dropout->where(), "", "a probability", joined(*o.dropout));
    }
    auto vocabulary = read_vocabulary(n.at("vocab"));
    auto merges = read_merges(n.at("merges"), vocabulary, o.continuing_subword_prefix.size());
    return model_ptr(new models::BPE(std::move(vocabulary), std::move(merges), std::move(o)));
  }
  if (type == "WordPiece")
    return model_ptr(new models::WordPiece(read_vocabulary(n.at("vocab")), n.string("unk_token"),
                                           n.string("continuing_subword_prefix"),
                                           n.at("max_input_chars_per_word").size()));
  if (type == "WordLevel")
    return model_ptr(new models::WordLevel(read_vocabulary(n.at("vocab")), n.string("unk_token")));
  if (type == "Unigram") return read_unigram(n);
  n.unknown_component("model");
}

inline std::vector<AddedToken> read_added_tokens(const json_node& n) {
  std::vector<AddedToken> out;
  std::vector<std::uint32_t> ids;
  for (const auto& e : n.elements()) {
    AddedToken t;
    ids.push_back(e.at("id").id());
    t.content = e.string("content");
    t.single_word = e.boolean("single_word");
    t.lstrip = e.boolean("lstrip");
    t.rstrip = e.boolean("rstrip");
    t.normalized = e.boolean("normalized");
    t.special = e.boolean("special");
    out.push_back(std::move(t));
  }
  std::size_t before = SIZE_MAX;
  for (const auto i : sorted_positions(ids.size(), [&](std::size_t a, std::size_t b) { return ids[a] < ids[b]; })) {
    if (before != SIZE_MAX && ids[before] == ids[i] && out[before].content != out[i].content)
      throw format_error(joined(n.where(), "[", i, "]"), joined("id ", ids[i]), "one token", "two");
    before = i;
  }
  return out;
}

inline TruncationParams read_truncation(const json_node& n) {
  TruncationParams p;
  p.max_length = n.at("max_length").size();
  p.stride = n.at("stride").size();
  p.strategy = TruncationStrategy(n.at("strategy").choice({"LongestFirst", "OnlyFirst", "OnlySecond"}));
  if (const auto d = n.find("direction")) p.direction = TruncationDirection(d->choice({"Left", "Right"}));
  return p;
}

inline PaddingParams read_padding(const json_node& n) {
  constexpr std::size_t limit = std::size_t{1} << 17;  // what a file may make every input cost
  PaddingParams p;
  const auto strategy = n.at("strategy");
  if (strategy.value().is_object()) {
    p.fixed_length = strategy.at("Fixed").size(limit);
  } else {
    strategy.choice({"BatchLongest"});
  }
  p.direction = PaddingDirection(n.at("direction").choice({"Left", "Right"}));
  if (const auto m = n.find("pad_to_multiple_of")) p.pad_to_multiple_of = m->size(limit);
  p.pad_id = n.at("pad_id").id();
  p.pad_type_id = n.at("pad_type_id").id();
  p.pad_token = n.string("pad_token");
  return p;
}

/// Reads a parsed tokenizer.json.
inline tokenizer_components read_components(const large_json& document) {
  const json_node root(document.root(), document.where());
  tokenizer_components out;
  if (const auto version = root.find("version"); version && version->string() != "1.0")
    throw unsupported_error(version->where(), "tokenizer version", "1.0", version->string());
  if (const auto n = root.find("truncation")) out.truncation = read_truncation(*n);
  if (const auto n = root.find("padding")) out.padding = read_padding(*n);
  if (const auto n = root.find("normalizer")) out.normalizer = read_normalizer(*n);
  if (const auto n = root.find("pre_tokenizer")) out.pre_tokenizer = read_pre_tokenizer(*n);
  if (const auto n = root.find("post_processor")) out.post_processor = read_post_processor(*n);
  if (const auto n = root.find("decoder")) out.decoder = read_decoder(*n);
  if (const auto n = root.find("added_tokens")) out.added_tokens = read_added_tokens(*n);
  out.model = read_model(root.at("model"));
  return out;
}

/// Reads a tokenizer.json.
inline tokenizer_components read_components(const std::filesystem::path& path) {
  return read_components(large_json::open(path, json_max_depth, "model.vocab"));
}

}  // namespace detail
}  // namespace hft
