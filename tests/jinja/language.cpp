// The Jinja of chat templates, feature by feature: more than a thousand snippets with jinja2's results. Goldens by
// tests/oracle/chat_templates.py from tests/oracle/chat_template_snippets.py.
#include <boost/test/unit_test.hpp>
#include <string>

#include "hft/io/json.hpp"
#include "hft/tokenizers/chat_template.hpp"

BOOST_AUTO_TEST_SUITE(jinja_language)

BOOST_AUTO_TEST_CASE(snippets_give_what_jinja2_gives) {
  using hft::json;
  const json golden = hft::read_json(std::string(HFT_TEST_DATA) + "/chat_templates/snippets.json");
  const hft::template_value variables = hft::to_template_value(golden["variables"]);
  for (const auto& c : golden["cases"]) {
    const auto source = c["t"].get<std::string>();
    BOOST_TEST_CONTEXT(source) {
      try {
        const auto got = hft::chat_template(source).render_with_spans(variables);
        BOOST_REQUIRE_MESSAGE(c.contains("text"), "jinja2 fails, but this gives " << got.text);
        BOOST_TEST(got.text == c["text"].get<std::string>());
        BOOST_TEST((json(got.generation_spans) == c.value("spans", json::array())));
      } catch (const hft::template_error& e) {
        BOOST_TEST(!c.contains("text"), e.what());
        if (c.contains("error")) BOOST_TEST(e.subject() == c["error"].get<std::string>());
      }
    }
  }
  BOOST_TEST(golden["cases"].size() > 1000u);
}

BOOST_AUTO_TEST_SUITE_END()
