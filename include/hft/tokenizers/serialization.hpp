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
#include <hft/tokenizers/added_vocabulary.hpp>
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

/// The stages of a tokenizer, which copies share; all but the model may be absent.
struct tokenizer_components {
  std::shared_ptr<const normalizers::Normalizer> normalizer;
  std::shared_ptr<const pre_tokenizers::PreTokenizer> pre_tokenizer;
  std::shared_ptr<const models::Model> model;
  std::shared_ptr<const processors::PostProcessor> post_processor;
  std::shared_ptr<const decoders::Decoder> decoder;
  std::vector<AddedToken> added_tokens;
  std::optional<TruncationParams> truncation;
  std::optional<PaddingParams> padding;
};

/// A value of the document that knows where it stands.
class json_node {
 public:
  json_node(simdjson::dom::element value, std::string where) : value_(value), where_(std::move(where)) {}

  const std::string& where() const noexcept { return where_; }
  simdjson::dom::element value() const noexcept { return value_; }
  std::string inside(std::string_view key) const { return cat(where_, where_.ends_with(": ") ? "" : ".", key); }

  /// The member `key`; throws where it is missing or null.
  json_node at(std::string_view key) const { return {require_member(value_, key, where_), inside(key)}; }
  /// The member `key`, or nothing where it is missing or null.
  std::optional<json_node> find(std::string_view key) const {
    const auto m = find_member(value_, key, where_);
    return m ? std::optional<json_node>({*m, inside(key)}) : std::nullopt;
  }
  std::vector<json_node> elements() const {
    std::vector<json_node> out;
    for (const auto e : as_array(value_, where_)) out.push_back({e, cat(where_, "[", out.size(), "]")});
    return out;
  }

  std::string string() const { return std::string(as_string(value_, where_)); }
  bool boolean() const { return as_bool(value_, where_); }
  std::size_t size(std::uint64_t limit = SIZE_MAX) const {
    const std::int64_t n = as_i64(value_, where_);
    if (n < 0 || std::uint64_t(n) > limit)
      throw format_error(where_, "", joined("a number from 0 to ", limit), joined(n));
    return std::size_t(n);
  }
  std::uint32_t id() const { return std::uint32_t(size(Vocabulary::max_id)); }
  std::string character() const {
    auto s = string();
    if (unicode::count(s) != 1) throw format_error(where_, "", "one character", quote_text(s));
    return s;
  }
  bool boolean(std::string_view key, bool fallback) const {
    const auto n = find(key);
    return n ? n->boolean() : fallback;
  }
  bool boolean(std::string_view key) const { return at(key).boolean(); }
  std::string string(std::string_view key) const { return at(key).string(); }

  template <class T>
  T choice(std::initializer_list<std::pair<std::string_view, T>> choices) const {
    const auto s = string();
    std::string names;
    for (const auto& [name, v] : choices) {
      if (s == name) return v;
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    throw format_error(where_, "", "one of " + names, quote_text(s));
  }
  [[noreturn]] void unknown_component(std::string_view stage) const {
    throw unsupported_error(where_, joined(stage, " ", quote_text(string("type"))), "one that this version knows");
  }

 private:
  simdjson::dom::element value_;
  std::string where_;
};

// One function a stage. Sequences nest no deeper than the JSON they stand in, and its depth is capped.

inline Pattern read_pattern(const json_node& n) {
  if (const auto s = n.find("String")) return Pattern::literal(s->string());
  if (const auto r = n.find("Regex")) return Pattern::regex(r->string(), r->where());
  throw format_error(n.where(), "pattern", "'String' or 'Regex'");
}

inline SplitDelimiterBehavior read_behavior(const json_node& n) {
  using B = SplitDelimiterBehavior;
  return n.choice<B>({{"Removed", B::Removed},
                      {"Isolated", B::Isolated},
                      {"MergedWithPrevious", B::MergedWithPrevious},
                      {"MergedWithNext", B::MergedWithNext},
                      {"Contiguous", B::Contiguous}});
}

inline PrependScheme read_prepend_scheme(const json_node& n) {
  auto scheme = PrependScheme::Always;
  if (const auto s = n.find("prepend_scheme"))
    scheme = s->choice<PrependScheme>(
        {{"always", PrependScheme::Always}, {"first", PrependScheme::First}, {"never", PrependScheme::Never}});
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
  if (type == "NFC") return std::make_unique<NFC>();
  if (type == "NFD") return std::make_unique<NFD>();
  if (type == "NFKC") return std::make_unique<NFKC>();
  if (type == "NFKD") return std::make_unique<NFKD>();
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "ByteLevel") return std::make_unique<normalizers::ByteLevel>();
  if (type == "Nmt") return std::make_unique<Nmt>();
  if (type == "Precompiled") {
    const auto map = n.at("precompiled_charsmap");
    return std::make_unique<Precompiled>(decode_base64(as_string(map.value(), map.where()), map.where()), map.where());
  }
  if (type == "BertNormalizer") {
    auto out = std::make_unique<BertNormalizer>();
    out->clean_text = n.boolean("clean_text");
    out->handle_chinese_chars = n.boolean("handle_chinese_chars");
    if (const auto s = n.find("strip_accents")) out->strip_accents = s->boolean();
    out->lowercase = n.boolean("lowercase");
    return out;
  }
  if (type == "Strip") {
    auto out = std::make_unique<normalizers::Strip>();
    out->strip_left = n.boolean("strip_left");
    out->strip_right = n.boolean("strip_right");
    return out;
  }
  if (type == "Replace") {
    auto out = std::make_unique<normalizers::Replace>();
    out->pattern = read_pattern(n.at("pattern"));
    out->content = n.string("content");
    return out;
  }
  if (type == "Prepend") {
    auto out = std::make_unique<Prepend>();
    out->prepend = n.string("prepend");
    return out;
  }
  if (type == "Sequence") {
    auto out = std::make_unique<normalizers::Sequence>();
    for (const auto& e : n.at("normalizers").elements()) out->normalizers.push_back(read_normalizer(e));
    return out;
  }
  n.unknown_component("normalizer");
}

inline std::unique_ptr<const pre_tokenizers::PreTokenizer> read_pre_tokenizer(const json_node& n) {
  using namespace pre_tokenizers;
  const auto type = n.string("type");
  if (type == "BertPreTokenizer") return std::make_unique<BertPreTokenizer>();
  if (type == "Whitespace") return std::make_unique<Whitespace>();
  if (type == "WhitespaceSplit") return std::make_unique<WhitespaceSplit>();
  if (type == "UnicodeScripts") return std::make_unique<UnicodeScripts>();
  if (type == "CharDelimiterSplit") {
    auto out = std::make_unique<CharDelimiterSplit>();
    out->delimiter = n.at("delimiter").character();
    return out;
  }
  if (type == "FixedLength") {
    auto out = std::make_unique<FixedLength>();
    if (const auto length = n.find("length")) out->length = length->size();
    if (out->length == 0) throw format_error(n.inside("length"), "", "at least 1", "0");
    return out;
  }
  if (type == "ByteLevel") {
    auto out = std::make_unique<pre_tokenizers::ByteLevel>();
    out->add_prefix_space = n.boolean("add_prefix_space");
    out->use_regex = n.boolean("use_regex", true);
    out->trim_offsets = n.boolean("trim_offsets", true);
    return out;
  }
  if (type == "Split") {
    auto out = std::make_unique<Split>();
    out->pattern = read_pattern(n.at("pattern"));
    out->behavior = read_behavior(n.at("behavior"));
    out->invert = n.boolean("invert");
    return out;
  }
  if (type == "Digits") {
    auto out = std::make_unique<Digits>();
    out->individual_digits = n.boolean("individual_digits");
    return out;
  }
  if (type == "Punctuation") {
    auto out = std::make_unique<Punctuation>();
    if (const auto b = n.find("behavior")) out->behavior = read_behavior(*b);
    return out;
  }
  if (type == "Metaspace") {
    auto out = std::make_unique<pre_tokenizers::Metaspace>();
    out->replacement = n.at("replacement").character();
    out->prepend_scheme = read_prepend_scheme(n);
    out->split = n.boolean("split", true);
    return out;
  }
  if (type == "Sequence") {
    auto out = std::make_unique<pre_tokenizers::Sequence>();
    for (const auto& e : n.at("pretokenizers").elements()) out->pre_tokenizers.push_back(read_pre_tokenizer(e));
    return out;
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
      piece.sequence = sequence->at("id").choice<std::size_t>({{"A", 0}, {"B", 1}});
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
    auto out = std::make_unique<processors::ByteLevel>();
    out->add_prefix_space = n.boolean("add_prefix_space");
    out->trim_offsets = n.boolean("trim_offsets");
    out->use_regex = n.boolean("use_regex", true);
    return out;
  }
  if (type == "BertProcessing") {
    auto out = std::make_unique<BertProcessing>();
    out->sep = read_token_and_id(n.at("sep"));
    out->cls = read_token_and_id(n.at("cls"));
    return out;
  }
  if (type == "RobertaProcessing") {
    auto out = std::make_unique<RobertaProcessing>();
    out->sep = read_token_and_id(n.at("sep"));
    out->cls = read_token_and_id(n.at("cls"));
    out->trim_offsets = n.boolean("trim_offsets");
    out->add_prefix_space = n.boolean("add_prefix_space");
    return out;
  }
  if (type == "TemplateProcessing") {
    std::vector<std::pair<std::string, std::vector<special_token>>> special;
    const auto table = n.at("special_tokens");
    for (const auto field : as_object(table.value(), table.where())) {
      const json_node entry(field.value, table.inside(field.key));
      const auto ids = entry.at("ids").elements(), tokens = entry.at("tokens").elements();
      if (ids.size() != tokens.size())
        throw format_error(entry.where(), "", "as many ids as tokens", joined(ids.size(), " and ", tokens.size()));
      std::vector<special_token> list;
      for (std::size_t i = 0; i < ids.size(); ++i) list.push_back({tokens[i].string(), std::int64_t(ids[i].id())});
      special.emplace_back(field.key, std::move(list));
    }
    auto out = std::make_unique<TemplateProcessing>();
    out->single = read_template(n.at("single"), special, false);
    out->pair = read_template(n.at("pair"), special, true);
    out->special_tokens = std::move(special);
    return out;
  }
  if (type == "Sequence") {
    auto out = std::make_unique<processors::Sequence>();
    for (const auto& e : n.at("processors").elements()) out->processors.push_back(read_post_processor(e));
    return out;
  }
  n.unknown_component("post-processor");
}

inline std::unique_ptr<const decoders::Decoder> read_decoder(const json_node& n) {
  using namespace decoders;
  const auto type = n.string("type");
  if (type == "ByteLevel") {
    auto out = std::make_unique<decoders::ByteLevel>();
    out->add_prefix_space = n.boolean("add_prefix_space", true);
    out->trim_offsets = n.boolean("trim_offsets", true);
    out->use_regex = n.boolean("use_regex", true);
    return out;
  }
  if (type == "ByteFallback") return std::make_unique<ByteFallback>();
  if (type == "Fuse") return std::make_unique<Fuse>();
  if (type == "CTC") {
    auto out = std::make_unique<CTC>();
    out->pad_token = n.string("pad_token");
    out->word_delimiter_token = n.string("word_delimiter_token");
    out->cleanup = n.boolean("cleanup");
    return out;
  }
  if (type == "WordPiece") {
    auto out = std::make_unique<decoders::WordPiece>();
    out->prefix = n.string("prefix");
    out->cleanup = n.boolean("cleanup");
    return out;
  }
  if (type == "Metaspace") {
    auto out = std::make_unique<decoders::Metaspace>();
    out->replacement = n.at("replacement").character();
    out->prepend_scheme = read_prepend_scheme(n);
    out->split = n.boolean("split", true);
    return out;
  }
  if (type == "Strip") {
    auto out = std::make_unique<decoders::Strip>();
    out->content = n.at("content").character();
    out->start = n.at("start").size();
    out->stop = n.at("stop").size();
    return out;
  }
  if (type == "Replace") {
    auto out = std::make_unique<decoders::Replace>();
    out->pattern = read_pattern(n.at("pattern"));
    out->content = n.string("content");
    return out;
  }
  if (type == "BPEDecoder") {
    auto out = std::make_unique<BPEDecoder>();
    out->suffix = n.string("suffix");
    return out;
  }
  if (type == "Sequence") {
    auto out = std::make_unique<decoders::Sequence>();
    for (const auto& e : n.at("decoders").elements()) out->decoders.push_back(read_decoder(e));
    return out;
  }
  n.unknown_component("decoder");
}

/// Reports a vocabulary that is not one to one.
inline void finish_vocabulary(Vocabulary& v, const std::string& where) {
  if (const auto twice = v.finish()) throw format_error(where, joined("id ", *twice), "one token", "two");
}

inline Vocabulary read_vocabulary(const json_node& n) {
  const auto object = as_object(n.value(), n.where());
  Vocabulary out;
  std::size_t bytes = 0, tokens = 0;
  for (const auto field : object) bytes += field.key.size(), ++tokens;
  out.reserve(tokens, bytes);
  for (const auto field : object) {
    std::int64_t id = -1;
    if (field.value.get(id) != simdjson::SUCCESS || id < 0 || id > std::int64_t(Vocabulary::max_id))
      json_node(field.value, n.inside(field.key)).id();  // throws
    if (out.insert(field.key, std::uint32_t(id)) != Vocabulary::inserted::yes)
      throw format_error(n.where(), "token " + quote_text(field.key) + " appears twice");
  }
  finish_vocabulary(out, n.where());
  return out;
}

/// Adds the merge of two tokens with a rank. Throws format_error where one of the three is no token.
class merge_reader {
 public:
  merge_reader(const Vocabulary& vocabulary, std::size_t prefix_length)
      : vocabulary_(vocabulary), prefix_length_(prefix_length) {}

  template <class Where>
  void add(pair_table& merges, std::string_view a, std::string_view b, std::uint32_t rank, const Where& where) {
    merged_ = a;
    merged_ += b.substr(std::min(prefix_length_, b.size()));
    const auto left = vocabulary_.find(a), right = vocabulary_.find(b);
    // Trainers number tokens in the order of their merges, so the id after the last one is a good guess.
    auto result = std::optional<std::uint32_t>(last_ + 1);
    if (vocabulary_.token(*result) != merged_) result = vocabulary_.find(merged_);
    if (!left || !right || !result)
      throw format_error(where(), "merge", "tokens of the vocabulary",
                         quote_text(!left    ? a
                                    : !right ? b
                                             : std::string_view(merged_)));
    last_ = *result;
    merges.insert(*left, *right, {rank, *result});  // a pair that is listed again takes the later rank
  }

 private:
  const Vocabulary& vocabulary_;
  std::size_t prefix_length_;
  std::string merged_;
  std::uint32_t last_ = 0;  // the result of the last merge
};

/// A merge written as one string, "a b"; false where it is not two parts.
inline bool split_merge(std::string_view line, std::string_view& a, std::string_view& b) {
  const auto space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) return false;
  a = line.substr(0, space), b = line.substr(space + 1);
  return true;
}

inline pair_table read_merges(const json_node& n, const Vocabulary& vocabulary, std::size_t prefix_length) {
  const auto array = as_array(n.value(), n.where());
  pair_table out;
  out.reserve(array.size());
  merge_reader reader(vocabulary, prefix_length);
  std::size_t i = 0;
  std::uint32_t rank = 0;
  for (const auto e : array) {
    const auto where = [&] { return cat(n.where(), "[", i, "]"); };
    std::string_view a, b, line;
    simdjson::dom::array pair;
    if (e.get(line) == simdjson::SUCCESS) {
      if (!line.starts_with("#version")) {
        if (!split_merge(line, a, b)) throw format_error(where(), "merge", "two tokens", quote_text(line));
        reader.add(out, a, b, rank++, where);
      }
    } else if (e.get(pair) == simdjson::SUCCESS) {
      if (pair.size() != 2) throw format_error(where(), "merge", "two tokens", joined(pair.size()));
      auto it = pair.begin();
      a = as_string(*it, n.where());
      b = as_string(*++it, n.where());
      reader.add(out, a, b, rank++, where);
    } else {
      throw format_error(where(), "merge", "a string or a pair", std::string(describe(e)));
    }
    ++i;
  }
  return out;
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
  const auto array = as_array(n.value(), n.where());
  std::vector<std::pair<std::string, double>> out;
  out.reserve(array.size());
  for (const auto e : array) {
    simdjson::dom::array pair;
    std::string_view text;
    double score = 0;
    if (e.get(pair) != simdjson::SUCCESS || pair.size() != 2 || pair.at(0).get(text) != simdjson::SUCCESS ||
        pair.at(1).get(score) != simdjson::SUCCESS)
      throw format_error(joined(n.where(), "[", out.size(), "]"), "piece", "[string, number]",
                         std::string(describe(e)));
    out.emplace_back(text, as_read_by_serde(score));
  }
  return out;
}

inline std::unique_ptr<const models::Model> read_unigram(const json_node& n) {
  auto pieces = read_scored_pieces(n.at("vocab"));
  std::optional<std::uint32_t> unk_id;
  if (const auto unk = n.find("unk_id")) {
    unk_id = unk->id();
    if (*unk_id >= pieces.size())
      throw format_error(unk->where(), "", joined("less than the number of pieces, ", pieces.size()), joined(*unk_id));
  }
  return std::make_unique<models::Unigram>(std::move(pieces), unk_id, n.boolean("byte_fallback", false));
}

inline std::unique_ptr<const models::Model> read_model(const json_node& n) {
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
      o.dropout = as_f64(dropout->value(), dropout->where());
      if (!(*o.dropout >= 0 && *o.dropout <= 1))
        throw format_error(dropout->where(), "", "a probability", joined(*o.dropout));
    }
    auto vocabulary = read_vocabulary(n.at("vocab"));
    auto merges = read_merges(n.at("merges"), vocabulary, o.continuing_subword_prefix.size());
    return std::make_unique<models::BPE>(std::move(vocabulary), std::move(merges), std::move(o));
  }
  if (type == "WordPiece")
    return std::make_unique<models::WordPiece>(read_vocabulary(n.at("vocab")), n.string("unk_token"),
                                               n.string("continuing_subword_prefix"),
                                               n.at("max_input_chars_per_word").size());
  if (type == "WordLevel")
    return std::make_unique<models::WordLevel>(read_vocabulary(n.at("vocab")), n.string("unk_token"));
  if (type == "Unigram") return read_unigram(n);
  n.unknown_component("model");
}

inline std::vector<AddedToken> read_added_tokens(const json_node& n) {
  std::vector<AddedToken> out;
  std::vector<std::pair<std::uint32_t, std::size_t>> ids;
  for (const auto& e : n.elements()) {
    AddedToken t;
    ids.push_back({e.at("id").id(), out.size()});
    t.content = e.string("content");
    t.single_word = e.boolean("single_word");
    t.lstrip = e.boolean("lstrip");
    t.rstrip = e.boolean("rstrip");
    t.normalized = e.boolean("normalized");
    t.special = e.boolean("special");
    out.push_back(std::move(t));
  }
  std::sort(ids.begin(), ids.end());
  for (std::size_t i = 1; i < ids.size(); ++i)
    if (ids[i].first == ids[i - 1].first && out[ids[i].second].content != out[ids[i - 1].second].content)
      throw format_error(joined(n.where(), "[", ids[i].second, "]"), joined("id ", ids[i].first), "one token", "two");
  return out;
}

inline TruncationParams read_truncation(const json_node& n) {
  TruncationParams p;
  p.max_length = n.at("max_length").size();
  p.stride = n.at("stride").size();
  using S = TruncationStrategy;
  p.strategy =
      n.at("strategy")
          .choice<S>({{"LongestFirst", S::LongestFirst}, {"OnlyFirst", S::OnlyFirst}, {"OnlySecond", S::OnlySecond}});
  using D = TruncationDirection;
  if (const auto d = n.find("direction")) p.direction = d->choice<D>({{"Left", D::Left}, {"Right", D::Right}});
  return p;
}

inline PaddingParams read_padding(const json_node& n) {
  constexpr std::size_t limit = std::size_t{1} << 17;  // what a file may make every input cost
  PaddingParams p;
  const auto strategy = n.at("strategy");
  if (strategy.value().is_object()) {
    p.fixed_length = strategy.at("Fixed").size(limit);
  } else {
    strategy.choice<int>({{"BatchLongest", 0}});
  }
  using D = PaddingDirection;
  p.direction = n.at("direction").choice<D>({{"Left", D::Left}, {"Right", D::Right}});
  if (const auto m = n.find("pad_to_multiple_of")) p.pad_to_multiple_of = m->size(limit);
  p.pad_id = n.at("pad_id").id();
  p.pad_type_id = n.at("pad_type_id").id();
  p.pad_token = n.string("pad_token");
  return p;
}

/// Reads a parsed tokenizer.json.
inline tokenizer_components read_components(const large_json& document) {
  const json_node root(document.root(), document.where() + ": ");
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
