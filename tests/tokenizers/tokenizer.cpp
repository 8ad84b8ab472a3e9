// The whole pipeline against the tokenizers library: sixteen small tokenizers, every field of every encoding, decoded
// text and streams. Then what must hold for any input: threads, long inputs, broken files.
#include <hft/tokenizers/tokenizer.hpp>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <string>
#include <thread>
#include <vector>

#include "../golden_list.hpp"
#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(tokenizer)

using hft::json;
using hft::Tokenizer;

namespace {

std::vector<std::int64_t> widened(const std::vector<std::int32_t>& ids) { return {ids.begin(), ids.end()}; }

// The file of a kind with one edit: `edit` gets the parsed document.
template <class Edit>
std::string edited(const std::string& kind, Edit edit) {
  auto document = hft::read_json(test::data() / (kind + ".json"));
  edit(document);
  return document.dump();
}

template <class Error>
void check_error(const std::string& text, const std::string& part) {
  BOOST_TEST_CONTEXT(part)
  BOOST_CHECK_EXCEPTION(Tokenizer::from_json(text, "t.json"), Error, [&](const Error& e) {
    BOOST_TEST_MESSAGE(e.what());
    return std::string(e.what()).find("t.json") != std::string::npos &&
           std::string(e.what()).find(part) != std::string::npos;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(encodings_equal_the_tokenizers_library) {
  for (const std::string kind : test::kinds) {
    const auto t = test::tokenizer(kind);
    const auto golden = test::golden(kind);
    for (const auto& c : hft::test::filled(golden["encode"])) {
      const auto& input = c["input"];
      BOOST_TEST_CONTEXT(kind << " " << input.dump()) {
        const auto encode = [&] {
          return input.is_array() ? t.encode(input[0].get<std::string>(), input[1].get<std::string>())
                                  : t.encode(input.get<std::string>());
        };
        if (c.contains("error")) {
          BOOST_CHECK_THROW(encode(), hft::value_error);
          continue;
        }
        const auto got = test::columns(encode());
        for (const auto& [field, want] : c["encoding"].items())
          BOOST_CHECK_MESSAGE(got[field] == want, field << " " << got[field].dump() << " != " << want.dump());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(ids_without_offsets_are_the_same_ids) {
  for (const std::string kind : test::kinds) {
    const auto t = test::tokenizer(kind);
    const auto golden = test::golden(kind);
    for (int round = 0; round < 2; ++round)  // the second one finds the words in the cache
      for (const auto& c : hft::test::filled(golden["ids"])) {
        const auto want = c["ids"].get<std::vector<std::int64_t>>();
        BOOST_TEST(widened(t.encode_ids(c["input"].get<std::string>(), false)) == want,
                   boost::test_tools::per_element());
        BOOST_TEST(t.encode(c["input"].get<std::string>(), false).ids == want, boost::test_tools::per_element());
      }
    for (const auto& c : hft::test::filled(golden["encode"]))
      if (c["input"].is_string() && c.contains("encoding")) BOOST_TEST_CONTEXT(kind << " " << c["input"].dump())
    BOOST_TEST(
        widened(t.encode_ids(c["input"].get<std::string>())) == c["encoding"]["ids"].get<std::vector<std::int64_t>>(),
        boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(decoding_and_streams_equal_the_tokenizers_library) {
  for (const std::string kind : test::kinds) {
    const auto t = test::tokenizer(kind);
    const auto golden = test::golden(kind);
    for (const auto& c : hft::test::filled(golden["decode"])) {
      const auto ids = c["ids"].get<std::vector<std::int64_t>>();
      const bool skip = c["skip"].get<bool>();
      BOOST_TEST_CONTEXT(kind << " " << c["ids"].dump()) {
        BOOST_TEST(t.decode(ids, skip) == c["text"].get<std::string>());
        auto stream = t.decode_stream(skip);
        std::vector<std::string> pieces;
        if (c["pieces"].is_null()) {
          BOOST_CHECK_THROW(for (auto id : ids) stream.step(id), hft::value_error);
          continue;
        }
        for (auto id : ids) pieces.push_back(stream.step(id).value_or(""));
        BOOST_TEST(pieces == c["pieces"].get<std::vector<std::string>>(), boost::test_tools::per_element());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_stream_never_splits_a_character_and_loses_nothing) {
  const auto t = test::tokenizer("gpt2");
  const std::string text = "naïve 😀 日本語 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 end";
  auto stream = t.decode_stream();
  std::string all;
  for (auto id : t.encode(text).ids) {
    const auto piece = stream.step(id).value_or("");
    BOOST_TEST(hft::detail::valid_utf8(piece));
    all += piece;
  }
  BOOST_TEST(all + stream.finish() == text);
  // A character that never ends is U+FFFD at the end, and only there.
  BOOST_TEST(!stream.step(t.encode("😀").ids[0]).has_value());
  BOOST_TEST(stream.finish() == "\xef\xbf\xbd");
  BOOST_TEST(stream.finish() == "");
}

BOOST_AUTO_TEST_CASE(vocabulary_lookups) {
  const auto t = test::tokenizer("roberta");
  const auto added = t.token_to_id("<mask>");
  BOOST_REQUIRE(added.has_value());
  BOOST_TEST(*t.id_to_token(*added) == "<mask>");
  BOOST_TEST(!t.token_to_id("no such token").has_value());
  BOOST_TEST(!t.id_to_token(-1).has_value());
  BOOST_TEST(!t.id_to_token(1 << 20).has_value());
  BOOST_TEST(t.vocab_size() > t.vocab_size(false));
  BOOST_TEST(t.decode({-5, std::int64_t{1} << 40}) == "");  // ids that no token has are left out
}

BOOST_AUTO_TEST_CASE(batches_are_padded_together) {
  auto t = test::tokenizer("bert");
  t.enable_padding({.pad_id = 0, .pad_token = "[PAD]"});
  const auto batch = t.encode_batch(std::vector<std::string>{"a", "All human beings"});
  BOOST_TEST(batch[0].size() == batch[1].size());
  BOOST_TEST(batch[0].attention_mask.back() == 0);
  BOOST_TEST(batch[0].sequence_ids.size() == batch[0].size());
}

BOOST_AUTO_TEST_CASE(one_tokenizer_serves_many_threads) {
  const auto t = test::tokenizer("llama3");
  const auto golden = hft::test::filled(test::golden("llama3")["ids"]);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round)
        for (const auto& c : golden)
          if (widened(t.encode_ids(c["input"].get<std::string>(), false)) != c["ids"].get<std::vector<std::int64_t>>())
            ++wrong;
    });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(wrong == 0);
}

// Quadratic work on any of these would take hours.
BOOST_AUTO_TEST_CASE(long_runs_take_linear_work) {
  for (const std::string kind : {"gpt2", "llama3", "llama2", "bert", "clip", "wordlevel"}) {
    const auto t = test::tokenizer(kind);
    for (const std::string unit : {"a", " ", "\n", "é", "\xcc\x81", "1", "'", "ab "}) {
      std::string text;
      while (text.size() < 200'000) text += unit;
      const auto ids = t.encode_ids(text, false);
      BOOST_TEST(widened(ids) == t.encode(text, false).ids, kind << " " << unit);
      if (kind == "gpt2") BOOST_TEST(t.decode(ids) == text);
    }
  }
}

BOOST_AUTO_TEST_CASE(text_that_is_no_utf8_is_an_error) {
  const auto t = test::tokenizer("gpt2");
  for (const char* text : {"ab\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80"}) {
    BOOST_CHECK_THROW(t.encode(text), hft::value_error);
    BOOST_CHECK_THROW(t.encode_ids(text), hft::value_error);
  }
}

BOOST_AUTO_TEST_CASE(every_prefix_of_a_file_is_one_error) {
  const auto text = hft::read_text(test::data() / "wordlevel.json");
  for (std::size_t n = 0; n + 2 < text.size(); ++n)
    BOOST_CHECK_THROW(Tokenizer::from_json(text.substr(0, n)), hft::format_error);
}

BOOST_AUTO_TEST_CASE(broken_files_say_what_and_where) {
  using hft::format_error, hft::unsupported_error;
  const auto model = [](json& d) -> json& { return d["model"]; };
  check_error<unsupported_error>(edited("gpt2", [&](json& d) { model(d)["type"] = "Magic"; }), "Magic");
  check_error<unsupported_error>(edited("gpt2", [](json& d) { d["pre_tokenizer"]["type"] = "Magic"; }), "'Magic'");
  check_error<unsupported_error>(edited("gpt2", [](json& d) { d["version"] = "2.0"; }), "version");
  check_error<format_error>(edited("gpt2", [](json& d) { d.erase("model"); }), "model");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["vocab"]["a"] = -1; }), "model.vocab");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["vocab"]["a"] = 1e3; }), "model.vocab");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["vocab"]["a"] = 1ull << 40; }), "model.vocab");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["vocab"]["a"] = "x"; }), "model.vocab");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["vocab"]["a"] = 5; }), "id 5");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["vocab"] = json::array(); }), "model.vocab");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["merges"][3] = {"a", "nothing"}; }), "merges[3]");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["merges"][3] = {"a"}; }), "merges[3]");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["merges"][3] = "ab"; }), "merges[3]");
  check_error<format_error>(edited("gpt2", [&](json& d) { model(d)["merges"][3] = 7; }), "merges[3]");
  check_error<format_error>(edited("gpt2", [](json& d) { d["added_tokens"][1]["id"] = 0; }), "added_tokens[1]");
  check_error<format_error>(edited("gpt2", [](json& d) { d["added_tokens"][1].erase("special"); }), "special");
  check_error<format_error>(edited("gpt2", [](json& d) { d["pre_tokenizer"]["use_regex"] = 1; }), "use_regex");
  check_error<format_error>(
      edited("regex", [](json& d) { d["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(a"; }),
      "pre_tokenizer.pretokenizers[0].pattern.Regex");
  check_error<format_error>(
      edited("llama3", [](json& d) { d["post_processor"]["processors"][1]["special_tokens"] = json::object(); }),
      "<|x|>");
  check_error<format_error>(edited("truncated", [](json& d) { d["truncation"]["strategy"] = "x"; }),
                            "truncation.strategy");
  check_error<format_error>(edited("metaspace", [](json& d) { d["pre_tokenizer"]["replacement"] = "ab"; }),
                            "one character");
  check_error<format_error>(R"({"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0,"b":1,"a":2}}})", "twice");
}

BOOST_AUTO_TEST_CASE(ids_far_apart_cost_no_memory) {
  const auto t =
      Tokenizer::from_json(R"({"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0,"b":2147483647}}})");
  BOOST_TEST(t.encode("b").ids[0] == 2147483647);
  BOOST_TEST(*t.id_to_token(2147483647) == "b");
  BOOST_TEST(!t.id_to_token(17).has_value());
}

BOOST_AUTO_TEST_CASE(a_hostile_pattern_gives_up) {
  const auto t = Tokenizer::from_json(edited("regex", [](json& d) {
    d["pre_tokenizer"] = {
        {"type", "Split"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"behavior", "Isolated"}, {"invert", false}};
  }));
  BOOST_CHECK_THROW(t.encode(std::string(60, 'a') + "b"), hft::value_error);
}

BOOST_AUTO_TEST_SUITE_END()
