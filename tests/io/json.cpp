// hft/io/json.hpp: strict parsing, typed access, and text as Python's json.dumps writes it.
#include "hft/io/json.hpp"

#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(json_)

BOOST_AUTO_TEST_CASE(dump_writes_what_python_writes) {
  const std::string indented = contents(golden("python.json"));
  BOOST_TEST(dump(parse_json(indented, "python.json")) == indented);
  const std::string line = contents(golden("python_line.json"));
  BOOST_TEST(dump(parse_json(line, ""), {.indent = -1, .sort_keys = false, .trailing_newline = false}) == line);
  const std::string utf8 = contents(golden("python_utf8.json"));
  BOOST_TEST(dump(parse_json(utf8, ""),
                  {.indent = 4, .sort_keys = false, .ensure_ascii = false, .trailing_newline = false}) == utf8);
}

BOOST_AUTO_TEST_CASE(dump_writes_the_config_that_transformers_wrote) {
  const std::string config = contents(golden("whole/config.json"));
  BOOST_TEST(dump(parse_json(config, "config.json")) == config);
}

BOOST_AUTO_TEST_CASE(floats_look_like_pythons) {
  const auto text = [](double x) { return dump(json(x), {.trailing_newline = false}); };
  BOOST_TEST(text(1e-05) == "1e-05");
  BOOST_TEST(text(0.0001) == "0.0001");
  BOOST_TEST(text(10000.0) == "10000.0");
  BOOST_TEST(text(1e16) == "1e+16");
  BOOST_TEST(text(9999999999999998.0) == "9999999999999998.0");
  BOOST_TEST(text(-0.0) == "-0.0");
  BOOST_TEST(text(-1.25e-7) == "-1.25e-07");
  BOOST_TEST(text(1e300) == "1e+300");
  BOOST_TEST(text(-std::numeric_limits<double>::infinity()) == "-Infinity");
}

BOOST_AUTO_TEST_CASE(dump_refuses_bad_utf8) {
  check_fails<format_error>([] { dump(json("\xff")); }, {"valid UTF-8"});
  check_fails<format_error>([] { dump(json("\xff"), {.ensure_ascii = false}); }, {"valid UTF-8"});
}

BOOST_AUTO_TEST_CASE(every_prefix_is_an_error) {
  const std::string text = contents(golden("whole/config.json"));
  const std::size_t end = text.find_last_of('}');
  for (std::size_t n = 0; n <= end; ++n) {
    BOOST_TEST_CONTEXT("prefix of " << n << " bytes") {
      check_fails<format_error>([&] { parse_json(std::string(text.substr(0, n)), "config.json"); }, {"config.json"});
    }
  }
}

BOOST_AUTO_TEST_CASE(errors_say_line_and_path) {
  check_fails<format_error>([] { parse_json("{\"a\": {\n\"b\": [1, 2,, 3]}}", "c.json"); },
                            {"[c.json]", "line 2", "byte", "'a.b[1]'"});
  check_fails<format_error>([] { parse_json("{} x", "c.json"); }, {"line 1"});
  check_fails<format_error>([] { parse_json("{\"a\": 1 // one\n}", "c.json"); });
}

BOOST_AUTO_TEST_CASE(python_has_numbers_that_json_has_not) {
  const auto python = [](std::string_view text) {
    return parse_json(text, "c.json", json_max_depth, json_numbers::python);
  };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const json list = python("[NaN, Infinity, -Infinity, 1e999, -1e999, 1e-999, 7]");
  BOOST_TEST(std::isnan(list[0].get<double>()));
  BOOST_TEST(list[1].get<double>() == infinity);
  BOOST_TEST(list[2].get<double>() == -infinity);
  BOOST_TEST(list[3].get<double>() == infinity);
  BOOST_TEST(list[4].get<double>() == -infinity);
  BOOST_TEST(list[5].get<double>() == 0);
  BOOST_TEST(list[6].is_number_integer());
  BOOST_TEST(dump(list, {.indent = -1, .trailing_newline = false}) ==
             "[NaN, Infinity, -Infinity, Infinity, -Infinity, 0.0, 7]");
  BOOST_TEST(json_as<double>(list[1], "c.json", "x") == infinity);
  check_fails<format_error>([&] { json_as<int>(list[0], "c.json", "x"); }, {"'x'", "an integer, got NaN"});
  check_fails<format_error>([&] { json_as<std::string>(list[2], "c.json", "x"); }, {"a string, got -Infinity"});

  for (const char* number : {"NaN", "Infinity", "-Infinity", "1e999", "-1e999"})
    check_fails<format_error>([&] { parse_json(detail::cat("[", number, "]"), "tokenizer.json"); }, {"malformed"});
  for (const char* number : {"-NaN", "+Infinity", "nan", "inf", "Inf", "Nan", "infinity", "-I", "N"})
    check_fails<format_error>([&] { python(detail::cat("[", number, "]")); }, {"malformed JSON at line 1"});

  temporary_folder folder;  // what Python writes as files
  write_file_atomically(folder / "c.json", "{\"x\": Infinity}");
  BOOST_TEST(read_json(folder / "c.json")["x"].get<double>() == infinity);
}

BOOST_AUTO_TEST_CASE(duplicate_keys_are_errors_wherever_they_are) {
  check_fails<format_error>([] { parse_json(R"({"a": 1, "b": 2, "a": 3})", "c.json"); }, {"'a' appears twice"});
  check_fails<format_error>([] { parse_json(R"([0, {"x": {"y": [{"k": 1, "\u006b": 1}]}}])", "c.json"); },
                            {"'[1].x.y[0].k' appears twice"});
  // The same key in different objects is none.
  BOOST_TEST(parse_json(R"({"a": {"a": {"a": 1}}, "b": {"a": 1}})", "c.json").size() == 2u);
}

BOOST_AUTO_TEST_CASE(many_keys_take_linear_time) {
  std::string text = "{";
  for (int i = 0; i < 100000; ++i) text += detail::cat(i ? "," : "", "\"key", i, "\":0");
  BOOST_TEST(parse_json(text + "}", "c.json").size() == 100000u);
  check_fails<format_error>([&] { parse_json(text + ",\"key77\":1}", "c.json"); }, {"'key77' appears twice"});
}

BOOST_AUTO_TEST_CASE(depth_is_capped) {
  const auto nested = [](int n) { return std::string(std::size_t(n), '[') + std::string(std::size_t(n), ']'); };
  parse_json(nested(64), "c.json");
  check_fails<format_error>([&] { parse_json(nested(65), "c.json"); }, {"at most 64 levels"});
  check_fails<format_error>([] { parse_json(std::string(10'000'000, '['), "c.json"); }, {"at most 64 levels"});
  check_fails<format_error>(
      [] {
        std::string bomb;
        for (int i = 0; i < 100000; ++i) bomb += "{\"a\":";
        parse_json(bomb, "c.json");
      },
      {"at most 64 levels"});
}

BOOST_AUTO_TEST_CASE(bad_utf8_is_an_error) {
  for (const char* bad :
       {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe2\x82\"", "\x80"})
    check_fails<format_error>([&] { parse_json(bad, "c.json"); }, {"invalid UTF-8", "line 1"});
  check_fails<format_error>([] { parse_json("[\n\n\"\xff\"]", "c.json"); }, {"line 3"});
  check_fails<format_error>([] { parse_json(R"(["\ud800"])", "c.json"); });  // half of a surrogate pair
}

BOOST_AUTO_TEST_CASE(typed_access) {
  const json config = parse_json(
      R"({"n": 7, "f": 1e-5, "s": "gelu", "b": true, "list": [1, 2], "null": null, "big": 18446744073709551615})", "c");
  BOOST_TEST(get<int>(config, "n", 0) == 7);
  BOOST_TEST(get<int>(config, "absent", 3) == 3);
  BOOST_TEST(get<int>(config, "null", 3) == 3);
  BOOST_TEST(get<float>(config, "f", 0) == 1e-5f);
  BOOST_TEST(get<double>(config, "n", 0) == 7.0);
  BOOST_TEST(get<std::string>(config, "s", "") == "gelu");
  BOOST_TEST(get<bool>(config, "b", false));
  BOOST_TEST(get<std::vector<int>>(config, "list", {}).size() == 2u);
  BOOST_TEST(require<std::uint64_t>(config, "big") == UINT64_MAX);
  BOOST_TEST(!get_optional<int>(config, "null").has_value());
  BOOST_TEST(get_optional<int>(config, "n").value() == 7);
}

BOOST_AUTO_TEST_CASE(typed_access_says_where_it_failed) {
  const json config = parse_json(R"({"n": 7.0, "s": 3, "u": -1, "list": [1, "x"], "big": 4294967296})", "c");
  check_fails<format_error>([&] { require<int>(config, "n", "config.json"); },
                            {"[config.json] 'n': expected an integer, got 7.0"});
  check_fails<format_error>([&] { get<std::string>(config, "s", "", "config.json"); }, {"a string, got 3"});
  check_fails<format_error>([&] { get<std::uint32_t>(config, "u", 0); }, {"from 0 to 4294967295, got -1"});
  check_fails<format_error>([&] { get<std::int32_t>(config, "big", 0); }, {"got 4294967296"});
  check_fails<format_error>([&] { get<std::vector<int>>(config, "list", {}); }, {"'list[1]'", "the string 'x'"});
  check_fails<format_error>([&] { require<int>(config, "absent", "config.json"); }, {"'absent' is missing"});
  check_fails<format_error>([&] { get<bool>(config, "s", false); }, {"a boolean"});
  check_fails<format_error>([&] { get<int>(json::array(), "k", 0); },
                            {"an object with the key 'k', got an array of 0"});
  // Integers beyond 64 bits are numbers, but no integers.
  const json huge = parse_json(R"({"max": 1000000000000000019884624838656})", "c");
  BOOST_TEST(get<double>(huge, "max", 0) == 1e30);
  check_fails<format_error>([&] { get<std::int64_t>(huge, "max", 0); }, {"an integer"});
}

BOOST_AUTO_TEST_SUITE_END()
