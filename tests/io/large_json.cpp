// hft/io/large_json.hpp: the same strictness as json.hpp at simdjson's speed.
#include "hft/io/large_json.hpp"

#include <functional>

#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(large_json_)

BOOST_AUTO_TEST_CASE(reads_a_document) {
  auto parsed = large_json::parse(
      R"({"model": {"vocab": {"a": 0, "b": 1}, "merges": ["a b"]}, "x": null, "f": 0.5, "t": true})", "t");
  const large_json document = std::move(parsed);  // elements survive a move
  const auto root = document.root();
  const auto model = require_member(root, "model", "t");
  BOOST_TEST(as_object(require_member(model, "vocab", "t"), "t").size() == 2u);
  BOOST_TEST(as_i64(require_member(require_member(model, "vocab", "t"), "b", "t"), "t") == 1);
  for (const auto merge : as_array(require_member(model, "merges", "t"), "t"))
    BOOST_TEST(as_string(merge, "t") == "a b");
  BOOST_TEST(!find_member(root, "x", "t").has_value());
  BOOST_TEST(!find_member(root, "absent", "t").has_value());
  BOOST_TEST(as_f64(require_member(root, "f", "t"), "t") == 0.5);
  BOOST_TEST(as_bool(require_member(root, "t", "t"), "t"));
}

BOOST_AUTO_TEST_CASE(access_says_where_it_failed) {
  const auto document = large_json::parse(R"({"a": "text", "n": 1})", "t.json");
  const auto a = require_member(document.root(), "a", "t.json");
  check_fails<format_error>([&] { as_i64(a, "t.json: a"); }, {"[t.json: a]", "an integer of 64 bits, got a string"});
  check_fails<format_error>([&] { as_array(a, "t.json: a"); }, {"an array, got a string"});
  check_fails<format_error>([&] { find_member(a, "k", "t.json: a"); }, {"an object, got a string"});
  check_fails<format_error>([&] { as_string(require_member(document.root(), "n", "t"), "t.json: n"); },
                            {"got a number"});
  check_fails<format_error>([&] { require_member(document.root(), "absent", "t.json"); }, {"'absent' is missing"});
}

BOOST_AUTO_TEST_CASE(every_prefix_is_an_error) {
  const std::string text = contents(golden("python.json"));
  const std::size_t end = text.find_last_of('}');
  for (std::size_t n = 0; n <= end; n += n < 500 ? 1 : 37) {
    BOOST_TEST_CONTEXT("prefix of " << n << " bytes") {
      check_fails<format_error>([&] { large_json::parse(std::string(text.substr(0, n)), "t.json"); }, {"t.json"});
    }
  }
  large_json::parse(text.substr(0, end + 1), "t.json");
}

BOOST_AUTO_TEST_CASE(malformed_text_says_where) {
  check_fails<format_error>([] { large_json::parse("{\"a\": {\n\"b\": [1, 2,, 3]}}", "t.json"); },
                            {"[t.json]", "line 2", "'a.b[1]'"});
  check_fails<format_error>([] { large_json::parse("[\n\"\xff\"]", "t.json"); }, {"invalid UTF-8", "line 2"});
  check_fails<format_error>([] { large_json::parse("[100000000000000000000]", "t.json"); }, {"number"});
  check_fails<file_error>([] { large_json::open("/nowhere/tokenizer.json"); }, {"/nowhere/tokenizer.json"});
}

BOOST_AUTO_TEST_CASE(depth_is_capped) {
  const auto nested = [](int n, std::string_view inner) {
    return std::string(std::size_t(n), '[') + std::string(inner) + std::string(std::size_t(n), ']');
  };
  large_json::parse(nested(64, "1"), "t.json");
  check_fails<format_error>([&] { large_json::parse(nested(65, "1"), "t.json"); }, {"at most 64 levels"});
  check_fails<format_error>([] { large_json::parse(std::string(10'000'000, '['), "t.json"); }, {"at most 64 levels"});
}

BOOST_AUTO_TEST_CASE(duplicate_keys_are_errors_wherever_they_are) {
  check_fails<format_error>([] { large_json::parse(R"({"a": 1, "b": 2, "a": 3})", "t.json"); }, {"'a' appears twice"});
  check_fails<format_error>([] { large_json::parse(R"([0, {"x": {"y": [{"k": 1, "\u006b": 1}]}}])", "t.json"); },
                            {"'[1].x.y[0].k' appears twice"});
  for (const int n : {3, 8, 9, 10, 1000, 50000}) {  // small objects, and those that are hashed
    std::string text = "{";
    for (int i = 0; i < n; ++i) text += detail::cat(i ? "," : "", "\"key", i, "\":{\"same\":0}");
    large_json::parse(text + "}", "t.json");
    const std::string twice = detail::cat("key", n / 2);
    check_fails<format_error>([&] { large_json::parse(detail::cat(text, ",\"", twice, "\":1}"), "t.json"); },
                              {"'" + twice + "' appears twice"});
  }
}

BOOST_AUTO_TEST_CASE(keys_made_to_collide_are_still_checked) {
  // Keys whose hashes share their low 10 bits fall into the same few slots of the table.
  std::vector<std::string> keys;
  for (int i = 0; keys.size() < 500; ++i) {
    std::string key = detail::cat(i);
    if ((std::hash<std::string_view>{}(key)&1023) == 5) keys.push_back(std::move(key));
  }
  std::string text = "{";
  for (const auto& key : keys) text += "\"" + key + "\":0,";
  large_json::parse(text + "\"x\":0}", "t.json");
  check_fails<format_error>([&] { large_json::parse(text + "\"" + keys.back() + "\":0}", "t.json"); },
                            {"appears twice"});
}

BOOST_AUTO_TEST_SUITE_END()
