// JSON schemas: what tests/oracle/grammar.py says of jsonschema, what is written, and what is refused.
#include <boost/test/unit_test.hpp>

#include <hft/grammar/json_schema.hpp>

#include "../golden_list.hpp"
#include "texts_of.hpp"

using namespace hft;
using namespace hft::test;
using hft::detail::cat;

BOOST_AUTO_TEST_SUITE(json_schema)

namespace {

std::string error_of(std::string_view schema) {
  try {
    GrammarAutomaton a(grammar_from_json_schema(schema));
    return "none";
  } catch (const format_error& e) {
    return cat("format_error ", e.what());
  } catch (const value_error& e) {
    return cat("value_error ", e.what());
  } catch (const unsupported_error& e) {
    return cat("unsupported_error ", e.what());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_are_jsonschemas) {
  const auto golden = read_json(std::string(HFT_TEST_DATA) + "/grammar/schema.json");
  for (const auto& c : filled(golden["cases"])) {
    BOOST_TEST_CONTEXT(c["schema"].dump()) {
      GrammarAutomaton a(grammar_from_json_schema(c["schema"]));
      for (const auto& text : c["accepted"].get<std::vector<std::string>>()) {
        BOOST_TEST((of(a, text) == verdict::whole), text);
        for (std::size_t n = 0; n < text.size(); ++n)
          BOOST_TEST((of(a, text.substr(0, n)) != verdict::no), text.substr(0, n));
      }
      for (const auto& text : c["refused"].get<std::vector<std::string>>())
        BOOST_TEST((of(a, text) != verdict::whole), text);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_walk_ends_in_json) {
  const auto golden = read_json(std::string(HFT_TEST_DATA) + "/grammar/schema.json");
  const auto words = vocabulary({"{\"", "\":", "\": ", "\",", "\"}", "}}", "]}", "ab", "true", "12", "\\\"", "\\u00",
                                 "-0", "a\", \"", "null", "0.", "e1"});
  for (const auto& c : filled(golden["cases"])) BOOST_TEST_CONTEXT(c["schema"].dump()) {
      CompiledGrammar g(grammar_from_json_schema(c["schema"]), words);
      for (std::uint32_t seed = 0; seed < 8; ++seed) {
        const std::string text = random_text(g, seed);
        try {
          parse_json(text, "text", 1000);
        } catch (const format_error& e) {  // a key may come twice
          BOOST_TEST(std::string_view(e.what()).find("twice") != std::string_view::npos, e.what() << text);
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(spaces_are_as_asked_for) {
  const json schema =
      parse_json(R"({"type":"object","properties":{"a":{"type":"array"},"b":{}},"required":["a"]})", "s");
  GrammarAutomaton one(grammar_from_json_schema(schema)), none(grammar_from_json_schema(schema, JsonWhitespace::none));
  BOOST_TEST((of(one, R"({"a": [1,2, 3], "b": {"c":1}})") == verdict::whole));
  BOOST_TEST((of(one, R"({"a":[1,2,3],"b":{"c":1}})") == verdict::whole));
  BOOST_TEST((of(one, "{ \"a\"") == verdict::no));
  BOOST_TEST((of(one, "{\"a\":  ") == verdict::no));
  BOOST_TEST((of(none, R"({"a":[1,2,3],"b":{"c":1}})") == verdict::whole));
  BOOST_TEST((of(none, "{\"a\": ") == verdict::no));
}

BOOST_AUTO_TEST_CASE(what_nothing_satisfies_is_an_error) {
  for (
      const char* schema :
      {"false", R"({"enum":[]})", R"({"type":"integer","minimum":3,"maximum":2})",
       R"({"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":4})",
       R"({"type":"string","minLength":3,"maxLength":2})", R"({"type":"array","minItems":2,"maxItems":1})",
       R"({"type":"object","properties":{"a":false},"required":["a"]})",
       R"({"type":"object","additionalProperties":false,"required":["a"]})",
       R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"]}}})",
       R"({"allOf":[{"type":"string"},{"type":"integer"}]})", R"({"type":"integer","enum":["a",1.5]})",
       R"({"allOf":[{"const":1},{"const":2}]})", R"({"type":"array","items":false,"minItems":1})", R"({"anyOf":[]})",
       R"({"type":"number","minimum":1,"exclusiveMaximum":1})"})
    BOOST_TEST(error_of(schema).starts_with("value_error [schema] "), schema << " " << error_of(schema));
  BOOST_TEST(error_of(R"({"properties":{"n":{"type":"integer","minimum":3,"maximum":2}},"required":["n"]})") ==
             "value_error [schema] #/properties/n: minimum above maximum: expected a text that satisfies it, got none");
  // In a part that may be left out it is none.
  BOOST_TEST(error_of(R"({"anyOf":[{"enum":[]},{"type":"null"}]})") == "none");
}

BOOST_AUTO_TEST_CASE(what_is_no_schema_says_where) {
  BOOST_TEST(error_of(R"({"properties":{"a":{"$ref":"#/$defs/b"}}})") ==
             "format_error [schema] #/properties/a: $ref '#/$defs/b': expected a schema that it leads to, got none");
  BOOST_TEST(error_of(R"({"$ref":"#"})")
                 .starts_with("format_error [schema] rule '#': expected a rule that does not begin with itself"));
  BOOST_TEST(error_of(R"({"allOf":[{"$ref":"#"}],"minimum":1})").starts_with("value_error [schema] #"));
  BOOST_TEST(error_of(R"({"type":"text"})") == "format_error [schema] #/type: 'text': expected a type of JSON");
  BOOST_TEST(error_of(R"({"properties":{"a":3}})") ==
             "format_error [schema] #/properties/a: schema: expected an object or a boolean");
  BOOST_TEST(error_of(R"({"type":"string","minLength":-1})").starts_with("format_error [schema] #/minLength"));
  BOOST_TEST(error_of(R"({"type":"string","pattern":"a("})").starts_with("format_error [schema: #/pattern:1:3]"));
  BOOST_TEST(error_of(R"({"type":)").starts_with("format_error [schema]"));
  for (const char* schema :
       {R"({"not":{"type":"string"}})", R"({"type":"array","uniqueItems":true})", R"({"$ref":"http://example.org/s"})",
        R"({"type":"object","patternProperties":{"a":{}}})", R"({"type":"integer","multipleOf":3,"minimum":1})",
        R"({"type":"string","pattern":"a","minLength":2})", R"({"type":"string","format":"regex"})",
        R"({"type":"object","minProperties":2})", R"({"if":{},"then":{}})", R"({"type":"string","pattern":"(?=a)b"})"})
    BOOST_TEST(error_of(schema).starts_with("unsupported_error [schema"), schema << " " << error_of(schema));
  BOOST_TEST(error_of(R"({"type":"array","uniqueItems":false,"title":"t","x-order":3,"format":"int32"})") == "none");
}

BOOST_AUTO_TEST_SUITE_END()
