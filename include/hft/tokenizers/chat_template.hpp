// Chat templates: conversations to text, byte for byte as Transformers' apply_chat_template renders them.
//
// A template is a Jinja program that comes with a checkpoint (chat_template.jinja, or in tokenizer_config.json or GGUF
// metadata). Its environment is the one of transformers.utils.chat_template_utils: jinja2's immutable sandbox with
// trim_blocks and lstrip_blocks, break and continue, `generation` blocks, tojson without HTML escapes, raise_exception,
// strftime_now. Templates are untrusted: they reach no file and no environment variable, and end in a template_error
// when they exceed their limits.
//
//   lexer -> tokens -> parser -> syntax tree -> resolver (places of variables) -> interpreter -> text
//
// Not supported, and reported as errors: integers beyond 64 bits, lipsum, loading of other templates.
#pragma once
#include <cstddef>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/jinja/from_json.hpp>
#include <hft/jinja/limits.hpp>
#include <hft/jinja/value.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(TEMPLATES)
#include <hft/jinja/interpreter.hpp>
#include <hft/jinja/parser.hpp>
#include <hft/jinja/symbols.hpp>
#endif

namespace hft {

namespace detail::jinja {
struct template_tree;
}  // namespace detail::jinja

/// A value of a template: None, bool, int, float, str, list, tuple, dict. Made from C++ values, or from JSON.
///   template_value::dict({{"role", "user"}, {"content", "Hi"}})
using template_value = detail::jinja::value;

/// JSON -> template_value: hft::json, or nlohmann::ordered_json, which has the same members. (With nlohmann::json the
/// keys of objects come sorted, not as written.)
template <detail::jinja::json_document J>
template_value to_template_value(const J& json) {
  return detail::jinja::from_json(json);
}

/// One compiled template. Rendering is const: one object serves many threads.
class chat_template {
 public:
  struct rendering {
    std::string text;
    /// What `generation` blocks wrote: [begin, end) in code points of `text`, as Transformers counts them.
    std::vector<std::pair<std::size_t, std::size_t>> generation_spans;
  };

  /// Compiles the Jinja source. `name` stands in messages. Throws template_error with the line.
  explicit chat_template(std::string source, std::string name = "chat_template", template_limits limits = {});

  /// The text for the variables of apply_chat_template: messages, tools, documents, add_generation_prompt, bos_token,
  /// ... (an object). Throws template_error, with the template's own message where it calls raise_exception.
  std::string render(const template_value& variables) const { return render_with_spans(variables).text; }
  template <detail::jinja::json_document J>
  std::string render(const J& variables) const {
    return render(to_template_value(variables));
  }

  /// The same, with the parts that the assistant wrote.
  rendering render_with_spans(const template_value& variables) const;
  template <detail::jinja::json_document J>
  rendering render_with_spans(const J& variables) const {
    return render_with_spans(to_template_value(variables));
  }

  const std::string& source() const noexcept { return source_; }
  const std::string& name() const noexcept { return name_; }

  /// The time that strftime_now sees, in the local zone; empty: the system's clock.
  std::function<std::time_t()> clock;

 private:
  std::string where(int line) const { return detail::cat(name_, ", line ", line); }

  /// The message, and the source line that it is about.
  [[noreturn]] void fail(const std::string& message, int line) const;

  std::string source_, name_;
  template_limits limits_;
  std::shared_ptr<const detail::jinja::template_tree> tree_;
};

#if HFT_DEFINES(TEMPLATES)

HFT_INLINE chat_template::chat_template(std::string source, std::string name, template_limits limits)
    : source_(std::move(source)), name_(std::move(name)), limits_(limits) {
  using namespace detail::jinja;
  try {
    template_tree tree;
    tree.body = parser(lexer(source_).run()).parse();
    resolver({is_known_filter, is_known_test}).run(tree);
    tree_ = std::make_shared<const template_tree>(std::move(tree));
  } catch (const syntax_failure& f) {
    fail(f.message, f.line);
  }
}

HFT_INLINE chat_template::rendering chat_template::render_with_spans(const template_value& variables) const {
  using namespace detail::jinja;
  if (!variables.is(kind::dict)) throw template_error(name_, "the variables", "an object", type_name(variables));
  detail::jinja::runtime rt(limits_);
  rt.clock = clock;
  try {
    interpreter run(rt, *tree_, variables);
    rendering out;
    out.text = run.run();
    out.generation_spans = run.take_spans();
    return out;
  } catch (const raised_exception& e) {
    throw template_error(where(rt.line), e.message);
  } catch (const failure& f) {
    fail(f.message, rt.line);
  } catch (const template_error& e) {
    throw template_error(where(rt.line), e.subject(), e.expected(), e.got());
  }
}

HFT_INLINE void chat_template::fail(const std::string& message, int line) const {
  std::string_view rest = source_;
  for (int n = 1; n < line && !rest.empty(); ++n) rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
  std::string_view text = detail::jinja::strip(rest.substr(0, rest.find('\n')));
  const bool cut = text.size() > 120;
  if (cut) text = text.substr(0, detail::jinja::byte_offset(text, 100));
  throw template_error(where(line), detail::joined(message, text.empty() ? "" : " in `", text,
                                                   text.empty() ? ""
                                                   : cut        ? "...`"
                                                                : "`"));
}

#endif  // HFT_DEFINES

}  // namespace hft
