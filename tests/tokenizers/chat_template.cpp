// Chat templates of published models against Transformers: texts, spans, raised messages. Goldens by
// tests/oracle/chat_templates.py.
#include "hft/tokenizers/chat_template.hpp"

#include "hft/io/json.hpp"
#include "hft/tokenizers/apply_chat_template.hpp"

#include <boost/test/unit_test.hpp>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../golden_list.hpp"
#include "files.hpp"

BOOST_AUTO_TEST_SUITE(chat_templates)

namespace {

using hft::chat_template;
using hft::json;
using hft::template_error;
using hft::template_value;

const std::string folder = std::string(HFT_TEST_DATA) + "/chat_templates/";

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  BOOST_REQUIRE_MESSAGE(in, "cannot open " << path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The time that the goldens were made at: 2025-03-04 05:06:07, local.
std::time_t golden_time() {
  std::tm t{};
  t.tm_year = 125, t.tm_mon = 2, t.tm_mday = 4, t.tm_hour = 5, t.tm_min = 6, t.tm_sec = 7, t.tm_isdst = -1;
  return std::mktime(&t);
}

std::string message(const std::string& source, const json& variables = json::object(),
                    hft::template_limits limits = {}) {
  try {
    return "text: " + chat_template(source, "t", limits).render(variables);
  } catch (const template_error& e) {
    return e.what();
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(published_templates_render_as_in_transformers) {
  const json golden = json::parse(read(folder + "renderings.json"));
  std::map<std::string, std::unique_ptr<chat_template>> templates;
  for (const auto& row : hft::test::filled(golden["rows"])) {
    const auto name = row["template"].get<std::string>();
    BOOST_TEST_CONTEXT(name << ", conversation " << row["conversation"]) {
      auto& compiled = templates[name];
      if (!compiled) {
        compiled = std::make_unique<chat_template>(read(folder + name + ".jinja"), name);
        compiled->clock = golden_time;
      }
      json variables = golden["conversations"][row["conversation"].get<std::size_t>()];
      variables.update(golden["tokens"][name]);
      if (row.contains("text")) {
        const auto got = compiled->render_with_spans(variables);
        BOOST_TEST(got.text == golden["texts"][row["text"].get<std::size_t>()].get<std::string>());
        BOOST_TEST((json(got.generation_spans) == row.value("spans", json::array())));
      } else if (row.contains("error")) {  // by raise_exception: the message is the template's
        BOOST_CHECK_EXCEPTION(compiled->render(variables), template_error,
                              [&](const template_error& e) { return e.subject() == row["error"]; });
      } else {
        BOOST_CHECK_THROW(compiled->render(variables), template_error);
      }
    }
  }
  BOOST_TEST(templates.size() >= 25u);
}

BOOST_AUTO_TEST_CASE(values_without_json) {
  const auto message = [](const char* role, const char* content) {
    return template_value::dict({{"role", role}, {"content", content}});
  };
  const auto variables = template_value::dict(
      {{"messages", template_value::list({message("user", "Hi")})}, {"add_generation_prompt", true}});
  BOOST_TEST(chat_template(read(folder + "chatml.jinja")).render(variables) ==
             "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

BOOST_AUTO_TEST_CASE(spans_are_in_code_points) {
  const chat_template t("é😀{% generation %}世界{% endgeneration %}!{% generation %}{% endgeneration %}");
  const auto out = t.render_with_spans(json::object());
  BOOST_TEST(out.text == "é😀世界!");
  BOOST_TEST((out.generation_spans == std::vector<std::pair<std::size_t, std::size_t>>{{2, 4}, {5, 5}}));
}

BOOST_AUTO_TEST_CASE(errors_tell_the_line_and_the_piece) {
  BOOST_TEST(message("a\n{% if x %}\n  {{ y.z }}\n{% endif %}", {{"x", 1}}) ==
             "[t, line 3] 'y' is undefined in `{{ y.z }}`");
  BOOST_TEST(message("a\n{{ x y }}") == "[t, line 2] expected token 'end of print statement', got 'y' in `{{ x y }}`");
  BOOST_TEST(message("{{ d.zz.y }}", {{"d", json::object()}}) ==
             "[t, line 1] 'dict object' has no attribute 'zz' in `{{ d.zz.y }}`");
  BOOST_TEST(message("\n\n{{ raise_exception('No ' ~ 5) }}") == "[t, line 3] No 5");
  BOOST_TEST(message("{% nope %}") == "[t, line 1] Encountered unknown tag 'nope' in `{% nope %}`");
  BOOST_TEST(message("{{ l.append(1) }}", {{"l", json::array()}}) ==
             "[t, line 1] access to attribute 'append' of 'list' object is unsafe. in `{{ l.append(1) }}`");
  BOOST_TEST(message("{{ x }}", json::array()) == "[t] the variables: expected an object, got list");
  BOOST_TEST(message("{{ x }}", {{"x", 18446744073709551615ull}}).find("64 bits") != std::string::npos);
}

// A hostile template must end in an error, soon, whatever it does.
BOOST_AUTO_TEST_CASE(limits_end_hostile_templates) {
  const char* const hostile[] = {
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "{% for a in range(10**12) %}{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m() %}{{ caller() }}{{ m() }}{% endmacro %}{% call m() %}{% endcall %}",
      "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{{ 'x' * 10**12 }}",
      "{{ 'x' * 10**7 * 10**7 }}",
      "{{ [0] * 10**12 }}",
      "{{ [[0] * 10**6] * 10**6 }}",
      "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
      "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == "
      "ns.s + [] }}{{ ns.s|tojson }}",
      "{% set ns = namespace(s=1) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
      "{% set ns = namespace(s={}) %}{% for i in range(100000) %}{% set ns.s = {'a': ns.s.items()} %}{% endfor %}",
      "{% set ns = namespace(s=[]) %}{% for i in range(100000) %}{% set ns.s = ns.s|map('upper') %}{% endfor %}{{ "
      "ns.s|list }}",
      "{% set ns = namespace(s='') %}{% for i in range(100000) %}{% set ns.s = cycler(ns.s) %}{% endfor %}",
      "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% for j in range(1000) %}{% set ns.l = ns.l + ['x' * "
      "1000] %}{% endfor %}{% endfor %}",
      "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
      "{{ ('x' * 10**6)|replace('', 'y' * 10**6) }}",
      "{{ '%1000000000d' % 1 }}",
      "{{ '{:1000000000}'.format(1) }}",
      "{{ 'x'.center(10**11) }}{{ 'x'.ljust(10**11) }}",
      "{{ 'x'|indent(10**11) }}",
      "{{ ('\\n' * 10**6)|indent(10**6, blank=true) }}",
      "{{ [1]|batch(10**11, 0)|list }}",
      "{{ [1]|slice(10**11)|list }}",
      "{{ {'a': [1]}|tojson(indent=10**11) }}",
      "{{ 2 ** 10000000000 }}",
      "{{ range(100000)|map('string')|map('center', 100000)|list|length }}",
      "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}{% for i in range(1000) %}{{ [ns, ns] }}{% endfor %}",
      "{{ strftime_now('%9999999999Y') }}",
      "{{ strftime_now('%c' * 10**7) }}",
  };
  for (const char* source : hostile) BOOST_TEST_CONTEXT(source) {
      BOOST_CHECK_THROW(chat_template(source).render(json::object()), template_error);
    }
  for (const char* nest :
       {"(", "[", "{1:", "not ", "-", "x.y[", "x|d(", "1 if 1 else ", "x(", "{'a':", "1+(", "[x for"}) {
    std::string source = "{{ ";
    for (int i = 0; i < 100000; ++i) source += nest;
    BOOST_CHECK_THROW((chat_template(source)), template_error);
  }
  for (const char* chain : {"x.y", ".y", "|d", "+1", "[0]", " and 1", " is defined", "~1", "()", " if 1 else 2"}) {
    std::string source = "{{ x";
    for (int i = 0; i < 100000; ++i) source += chain;
    try {  // flat chains may be fine; what matters is that they end
      chat_template(source + " }}").render(json{{"x", 1}});
    } catch (const template_error&) {
    }
  }
  std::string nested;
  for (int i = 0; i < 10000; ++i) nested += "{% if 1 %}{% for a in [1] %}";
  BOOST_CHECK_THROW((chat_template(nested)), template_error);
}

BOOST_AUTO_TEST_CASE(limits_are_settable) {
  hft::template_limits few;
  few.steps = 1000;
  BOOST_TEST(message("{% for i in range(10000) %}{% endfor %}", json::object(), few).find("steps") !=
             std::string::npos);
  hft::template_limits brief;
  brief.output_bytes = 10;
  BOOST_TEST(message("{% for i in range(20) %}x{% endfor %}", json::object(), brief).find("10 bytes") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(deep_variables_are_an_error) {
  json deep = 1;
  for (int i = 0; i < 2000; ++i) deep = json::array({deep});
  BOOST_CHECK_THROW(chat_template("{{ x }}").render(json{{"x", deep}}), template_error);
}

BOOST_AUTO_TEST_CASE(every_prefix_of_a_template_ends_well) {
  const std::string source = read(folder + "hermes-tool-use.jinja");
  for (std::size_t n = 0; n < source.size(); n += 7) {
    try {
      chat_template(source.substr(0, n));
    } catch (const template_error&) {
    }
  }
}

BOOST_AUTO_TEST_CASE(one_template_serves_many_threads) {
  const json golden = json::parse(read(folder + "renderings.json"));
  const chat_template shared(read(folder + "qwen3.jinja"));
  const template_value variables = hft::to_template_value(golden["conversations"][4]);
  const std::string expected = shared.render(variables);
  std::vector<std::string> got(4);
  std::vector<std::thread> threads;
  for (auto& text : got)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) text = shared.render(variables);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& text : got) BOOST_TEST(text == expected);
}

BOOST_AUTO_TEST_CASE(the_models_own_special_tokens_are_variables) {
  const test::folder f;
  f.write("tokenizer.json", R"({"added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
    "decoder": null, "model": {"type": "WordLevel", "vocab": {"a": 0, "<image>": 1}, "unk_token": "a"}})");
  f.write("tokenizer_config.json", R"({"extra_special_tokens": {"image_token": "<image>"}, "eos_token": "a",
    "chat_template": "{{ image_token }}{{ eos_token }}"})");
  const auto t = hft::AutoTokenizer::from_pretrained(f.path);
  const hft::json message = {{"role", "user"}, {"content", "x"}};
  BOOST_TEST(hft::apply_chat_template(t, hft::json::array({message})) == "<image>a");
}

BOOST_AUTO_TEST_SUITE_END()
