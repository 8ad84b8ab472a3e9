// Calls of a tokenizer against Transformers': every column, and every way between characters, words and tokens.
#include <hft/tokenizers/batch_encoding.hpp>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <hft/tokenizers/batch_tensors.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "../golden_list.hpp"
#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(batch_encoding)

namespace {

using hft::BatchEncoding;
using hft::json;
using hft::PaddingStrategy;
using hft::PreTrainedTokenizerFast;
using strings = std::vector<std::string>;

const json& golden() {
  static const json g = test::golden("batch_encoding");
  return g;
}

// The tokenizer of a kind with the configuration that the golden file gives it.
PreTrainedTokenizerFast tokenizer(const std::string& kind) {
  const auto folder =
      std::filesystem::temp_directory_path() / hft::detail::cat("hft-batch-encoding-", long(::getpid()));
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(test::data() / (kind + ".json"), folder / "tokenizer.json",
                             std::filesystem::copy_options::overwrite_existing);
  hft::write_file_atomically(folder / "tokenizer_config.json", golden()["tokenizers_used"][kind].dump());
  auto t = PreTrainedTokenizerFast::from_folder(folder);
  std::filesystem::remove_all(folder);
  return t;
}

hft::PaddingDirection side(const json& value) {
  return value == "left" ? hft::PaddingDirection::Left : hft::PaddingDirection::Right;
}
PaddingStrategy padding(const json& value) {
  if (value.is_boolean()) return value.get<bool>() ? PaddingStrategy::longest : PaddingStrategy::do_not_pad;
  return value == "max_length" ? PaddingStrategy::max_length : PaddingStrategy::longest;
}
strings list(const json& value) { return value.is_string() ? strings{value.get<std::string>()} : value.get<strings>(); }

hft::TokenizerCallOptions call_options(const json& options) {
  hft::TokenizerCallOptions o;
  for (const auto& [key, v] : options.items()) {
    if (key == "padding")
      o.padding = padding(v);
    else if (key == "padding_side")
      o.padding_side = side(v);
    else if (key == "max_length")
      o.max_length = v.get<std::size_t>();
    else if (key == "stride")
      o.stride = v.get<std::size_t>();
    else if (key == "pad_to_multiple_of")
      o.pad_to_multiple_of = v.get<std::size_t>();
    else if (key == "add_special_tokens")
      o.add_special_tokens = v.get<bool>();
    else if (key == "is_split_into_words")
      o.is_split_into_words = v.get<bool>();
    else if (key == "return_offsets_mapping")
      o.return_offsets_mapping = v.get<bool>();
    else if (key == "return_special_tokens_mask")
      o.return_special_tokens_mask = v.get<bool>();
    else if (key == "return_length")
      o.return_length = v.get<bool>();
    else if (key == "return_overflowing_tokens")
      o.return_overflowing_tokens = v.get<bool>();
    else if (key == "return_token_type_ids")
      o.return_token_type_ids = v.get<bool>();
    else if (key == "return_attention_mask")
      o.return_attention_mask = v.get<bool>();
    else if (key == "split_special_tokens")
      o.split_special_tokens = v.get<bool>();
    else if (key == "text_target")
      o.text_target = list(v);
    else if (key == "truncation") {
      o.truncation = true;
      using S = hft::TruncationStrategy;
      if (v.is_string()) o.truncation_strategy = v == "only_first" ? S::OnlyFirst : S::OnlySecond;
    } else {
      BOOST_FAIL("unknown option " << key);
    }
  }
  return o;
}

BatchEncoding call(const PreTrainedTokenizerFast& t, const json& texts, const hft::TokenizerCallOptions& o) {
  const auto& first = texts[0];
  if (first.is_string())
    return texts.size() == 1 ? t(first.get<std::string>(), o)
                             : t(std::string_view(first.get_ref<const std::string&>()),
                                 std::string_view(texts[1].get_ref<const std::string&>()), o);
  if (first[0].is_array()) {
    const auto words = first.get<std::vector<strings>>();
    return texts.size() == 1 ? t(words, o) : t(words, texts[1].get<std::vector<strings>>(), o);
  }
  const auto many = first.get<strings>();
  return texts.size() == 1 ? t(many, o) : t(many, texts[1].get<strings>(), o);
}

json to_json(const hft::Offsets& o) { return json::array({o.start, o.end}); }
json to_json(const hft::TokenSpan& s) { return json::array({s.start, s.end}); }
template <class T>
json to_json(const T& v) {
  return json(v);
}
template <class T>
json to_json(const std::optional<T>& v) {
  return v ? to_json(*v) : json(nullptr);
}
template <class T>
json to_json(const std::vector<T>& values) {
  json out = json::array();
  for (const auto& v : values) out.push_back(to_json(v));
  return out;
}

json columns(const BatchEncoding& b) {
  json out = json::object();
  for (const auto& key : b.keys()) {
    const auto rows = [&](const std::string& name, const auto& column) {
      if (key == name) out[key] = to_json(column);
    };
    rows("input_ids", b.input_ids);
    rows("token_type_ids", b.token_type_ids);
    rows("attention_mask", b.attention_mask);
    rows("special_tokens_mask", b.special_tokens_mask);
    rows("offset_mapping", b.offset_mapping);
    rows("length", b.length);
    rows("overflow_to_sample_mapping", b.overflow_to_sample_mapping);
    rows("labels", b.labels);
  }
  return out;
}

template <class F>
json each(std::size_t n, F f) {
  json out = json::array();
  for (std::size_t i = 0; i < n; ++i) out.push_back(to_json(f(i)));
  return out;
}

void check_maps(const BatchEncoding& batch, const json& rows) {
  BOOST_TEST_REQUIRE(batch.encodings.size() == rows.size());
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const auto& want = rows[b];
    const auto same = [&](const char* what, const json& got, const json& expected) {
      BOOST_CHECK_MESSAGE(got == expected, what << " " << got.dump() << " != " << expected.dump());
    };
    same("tokens", to_json(batch.tokens(b)), want["tokens"]);
    same("word_ids", to_json(batch.word_ids(b)), want["word_ids"]);
    same("sequence_ids", to_json(batch.sequence_ids(b)), want["sequence_ids"]);
    const std::size_t n = batch.input_ids[b].size();
    same("token_to_sequence", each(n, [&](auto i) { return batch.token_to_sequence(b, i); }),
         want["token_to_sequence"]);
    same("token_to_word", each(n, [&](auto i) { return batch.token_to_word(b, i); }), want["token_to_word"]);
    same("token_to_chars", each(n, [&](auto i) { return batch.token_to_chars(b, i); }), want["token_to_chars"]);
    const auto& sequences = want["sequences"];
    BOOST_TEST(batch.encodings[b].n_sequences() == sequences.size());
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      const auto& w = sequences[s];
      const auto index = [](std::size_t i) { return std::int64_t(i); };
      const std::size_t characters = w["char_to_token"].size(), words = w["word_to_tokens"].size();
      same("char_to_token", each(characters, [&](auto i) { return batch.char_to_token(b, index(i), s); }),
           w["char_to_token"]);
      same("char_to_word", each(characters, [&](auto i) { return batch.char_to_word(b, index(i), s); }),
           w["char_to_word"]);
      same("word_to_tokens", each(words, [&](auto i) { return batch.word_to_tokens(b, index(i), s); }),
           w["word_to_tokens"]);
      same("word_to_chars", each(words, [&](auto i) { return batch.word_to_chars(b, index(i), s); }),
           w["word_to_chars"]);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(calls_equal_transformers) {
  std::string kind;
  std::optional<PreTrainedTokenizerFast> t;
  for (const auto& c : hft::test::filled(golden()["calls"])) {
    if (c["tokenizer"] != kind) t = tokenizer(kind = c["tokenizer"].get<std::string>());
    BOOST_TEST_CONTEXT(kind << " " << c["texts"].dump() << " " << c["options"].dump()) {
      const auto options = call_options(c["options"]);
      if (c.contains("error")) {
        BOOST_CHECK_THROW(call(*t, c["texts"], options), hft::value_error);
        continue;
      }
      const auto batch = call(*t, c["texts"], options);
      const auto got = columns(batch);
      const auto& want = c["columns"];
      BOOST_TEST(got.size() == want.size());
      for (const auto& [name, column] : want.items())
        BOOST_CHECK_MESSAGE(
            got.contains(name) && got[name] == column,
            name << " " << (got.contains(name) ? got[name].dump() : "missing") << " != " << column.dump());
      if (c.contains("maps")) check_maps(batch, c["maps"]);
    }
  }
}

BOOST_AUTO_TEST_CASE(padding_afterwards_equals_transformers) {
  for (const auto& c : hft::test::filled(golden()["pads"])) {
    const auto t = tokenizer(c["tokenizer"].get<std::string>());
    BatchEncoding batch;
    const auto take = [&](BatchEncoding::Rows& rows, const char* name) {
      if (c["before"].contains(name)) rows = c["before"][name].get<BatchEncoding::Rows>();
    };
    take(batch.input_ids, "input_ids");
    take(batch.attention_mask, "attention_mask");
    take(batch.token_type_ids, "token_type_ids");
    take(batch.special_tokens_mask, "special_tokens_mask");
    hft::PadOptions o;
    for (const auto& [key, v] : c["options"].items()) {
      if (key == "padding") o.padding = padding(v);
      if (key == "padding_side") o.padding_side = side(v);
      if (key == "max_length") o.max_length = v.get<std::size_t>();
      if (key == "pad_to_multiple_of") o.pad_to_multiple_of = v.get<std::size_t>();
      if (key == "return_attention_mask") o.return_attention_mask = v.get<bool>();
    }
    const auto got = columns(t.pad(batch, o));
    for (const auto& [name, column] : c["after"].items())
      BOOST_CHECK_MESSAGE(got.contains(name) && got[name] == column,
                          c["tokenizer"] << " " << c["options"].dump() << " " << name << " " << column.dump());
  }
}

BOOST_AUTO_TEST_CASE(tensors_of_a_padded_batch) {
  const auto t = tokenizer("bert");
  const auto batch = t(strings{"a", "All human beings"}, {.padding = PaddingStrategy::longest});
  const auto tensors = hft::to_tensors(batch);
  BOOST_TEST(tensors.input_ids.extent(0) == 2);
  BOOST_TEST(tensors.input_ids.extent(1) == hft::isize(batch.input_ids[0].size()));
  BOOST_TEST(tensors.attention_mask.data()[tensors.attention_mask.extent(1) - 1] == 0);
  BOOST_TEST(!tensors.labels);
  BOOST_CHECK_THROW(hft::to_tensors(t(strings{"a", "All human beings"})), hft::shape_error);
}

BOOST_AUTO_TEST_CASE(misuse_is_an_error) {
  const auto t = tokenizer("bert");
  const auto batch = t("a b");
  BOOST_CHECK_THROW(batch.tokens(1), hft::value_error);
  BOOST_CHECK_THROW(batch.char_to_token(1, 0), hft::value_error);
  BOOST_CHECK_THROW(t.pad(batch).tokens(), hft::value_error);
  BOOST_CHECK_THROW(t(strings{"a", "b"}, strings{"a"}), hft::value_error);
  BOOST_CHECK_THROW(t(strings{"a", "\xff"}), hft::value_error);
  BOOST_TEST(!batch.token_to_chars(99).has_value());
  BOOST_TEST(!batch.word_to_tokens(-1).has_value());
  BOOST_TEST(!batch.char_to_token(-1).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
