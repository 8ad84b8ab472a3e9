// Tokens -> syntax tree: jinja2.parser, with the extensions loopcontrols and Transformers' `generation` blocks.
#pragma once
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/jinja/ast.hpp>
#include <hft/jinja/lexer.hpp>

namespace hft::detail::jinja {

class parser {
 public:
  explicit parser(std::vector<token> tokens) : tokens_(std::move(tokens)) {}

  statements parse() { return body({}); }

 private:
  static constexpr int max_brackets = 200;   // nested expressions in the source
  static constexpr int max_tree = 200;       // height of one expression's tree; CPython stops at 200 too
  static constexpr int max_statements = 60;  // nested tags

  // ---- the stream ----
  const token& current() const { return tokens_[at_]; }
  const token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const token& next() {
    const token& t = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return t;
  }
  bool is(token_kind k) const { return current().kind == k; }
  bool is_op(std::string_view s) const { return is(token_kind::op) && current().text == s; }
  bool is_name(std::string_view s) const { return is(token_kind::name) && current().text == s; }
  bool skip_op(std::string_view s) { return is_op(s) && (next(), true); }
  bool skip_name(std::string_view s) { return is_name(s) && (next(), true); }

  [[noreturn]] static void fail(std::string message, int line) { throw syntax_failure{std::move(message), line}; }
  [[noreturn]] void fail(std::string message) const { fail(std::move(message), current().line); }
  static std::string describe(const token& t) {
    switch (t.kind) {
      case token_kind::data:
        return "template data / text";
      case token_kind::variable_begin:
        return "begin of print statement";
      case token_kind::variable_end:
        return "end of print statement";
      case token_kind::block_begin:
        return "begin of statement block";
      case token_kind::block_end:
        return "end of statement block";
      case token_kind::eof:
        return "end of template";
      default:
        return t.text;
    }
  }
  [[noreturn]] void fail_expected(std::string_view what) const {
    if (is(token_kind::eof)) fail(cat("unexpected end of template, expected '", what, "'"));
    fail(cat("expected token '", what, "', got '", describe(current()), "'"));
  }
  void expect_op(std::string_view s) {
    if (!skip_op(s)) fail_expected(s);
  }
  void expect_name(std::string_view s) {
    if (!skip_name(s)) fail_expected(s);
  }
  std::string expect_any_name() {
    if (!is(token_kind::name)) fail_expected("name");
    return next().text;
  }
  void expect(token_kind k, std::string_view what) {
    if (!is(k)) fail_expected(what);
    next();
  }

  struct nested {  // counts one kind of nesting
    nested(parser& p, int& n, int most) : n_(n) {
      if (++n_ > most) p.fail("the template is nested too deeply");
    }
    ~nested() { --n_; }
    nested(const nested&) = delete;
    nested& operator=(const nested&) = delete;
    int& n_;
  };

  /// Sets the depth of a new node over its children.
  template <class Node>
  expression_ptr made(std::unique_ptr<Node> node, std::initializer_list<const expression*> children) const {
    for (const auto* child : children)
      if (child) node->depth = std::max(node->depth, child->depth + 1);
    return checked(std::move(node));
  }
  template <class Node>
  expression_ptr checked(std::unique_ptr<Node> node) const {
    if (node->depth > max_tree) fail("an expression is nested too deeply", node->line);
    return node;
  }
  static void deepen(expression& node, const expression_ptr& child) {
    if (child) node.depth = std::max(node.depth, child->depth + 1);
  }
  static void deepen(expression& node, const call_arguments& args) {
    for (const auto& a : args.positional) deepen(node, a);
    for (const auto& a : args.keyword) deepen(node, a.second);
    deepen(node, args.star);
    deepen(node, args.double_star);
  }

  // ---- statements ----

  bool at_end(std::initializer_list<std::string_view> ends) const {
    if (!is(token_kind::name)) return false;
    for (std::string_view end : ends)
      if (current().text == end) return true;
    return false;
  }

  /// Statements and text until one of the tags `ends` (which becomes the current token) or the end of the template.
  statements body(std::initializer_list<std::string_view> ends) {
    nested guard(*this, statement_depth_, max_statements);
    statements out;
    std::unique_ptr<output_statement> output;
    const auto add = [&](expression_ptr e) {
      if (!output) output = std::make_unique<output_statement>(e->line);
      output->items.push_back(std::move(e));
    };
    const auto flush = [&] {
      if (output) out.push_back(std::move(output));
    };
    while (!is(token_kind::eof)) {
      if (is(token_kind::data)) {
        add(std::make_unique<constant_expression>(value(current().text), current().line));
        next();
      } else if (is(token_kind::variable_begin)) {
        next();
        add(tuple());
        expect(token_kind::variable_end, "end of print statement");
      } else {
        expect(token_kind::block_begin, "begin of statement block");
        flush();
        if (at_end(ends)) return out;
        out.push_back(parse_statement());
        expect(token_kind::block_end, "end of statement block");
      }
    }
    flush();
    return out;
  }

  /// The body of a tag. `drop` steps over the name of the end tag.
  statements tag_body(std::initializer_list<std::string_view> ends, bool drop) {
    const int line = current().line;
    const std::string tag = tag_;
    skip_op(":");
    expect(token_kind::block_end, "end of statement block");
    statements out = body(ends);
    if (is(token_kind::eof)) {
      std::string wanted;
      for (std::string_view end : ends) wanted += cat(wanted.empty() ? "'" : " or '", end, "'");
      fail(cat("Unexpected end of template. Looking for ", wanted, " of the tag '", tag, "' at line ", line));
    }
    if (drop) next();
    tag_ = tag;
    return out;
  }

  statement_ptr parse_statement() {
    if (!is(token_kind::name)) fail("tag name expected");
    const std::string tag = current().text;
    const int line = current().line;
    tag_ = tag;
    if (tag == "if") return parse_if();
    if (tag == "for") return parse_for();
    if (tag == "set") return parse_set();
    if (tag == "macro") return parse_macro();
    if (tag == "call") return parse_call_block();
    if (tag == "filter") return parse_filter_block();
    if (tag == "with") return parse_with();
    if (tag == "block") return parse_block();
    if (tag == "print") return parse_print();
    if (tag == "autoescape") return parse_autoescape();
    if (tag == "break" || tag == "continue") {
      next();
      return std::make_unique<statement>(tag == "break" ? statement_kind::break_loop : statement_kind::continue_loop,
                                         line);
    }
    if (tag == "generation") {
      next();
      auto out = std::make_unique<body_statement>(statement_kind::generation, line);
      out->body = tag_body({"endgeneration"}, true);
      return out;
    }
    if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
      while (!is(token_kind::block_end) && !is(token_kind::eof)) next();
      return std::make_unique<unavailable_statement>(tag, line);
    }
    fail(cat("Encountered unknown tag '", tag, "'"), line);
  }

  statement_ptr parse_if() {
    auto out = std::make_unique<condition_statement>(next().line);
    for (;;) {
      auto test = tuple(false);
      auto branch = tag_body({"elif", "else", "endif"}, false);
      out->branches.emplace_back(std::move(test), std::move(branch));
      const std::string end = next().text;
      if (end == "elif") continue;
      if (end == "else") out->otherwise = tag_body({"endif"}, true);
      return out;
    }
  }

  statement_ptr parse_for() {
    auto out = std::make_unique<loop_statement>(next().line);
    const std::size_t target_at = at_;
    out->target = assign_target(false, "in");
    at_ = target_at;  // read again: the test has a scope of its own
    out->test_target = assign_target(false, "in");
    expect_name("in");
    out->iterable = tuple(false, "recursive");
    if (skip_name("if")) out->test = parse_expression();
    out->recursive = skip_name("recursive");
    out->body = tag_body({"endfor", "else"}, false);
    if (next().text == "else") out->otherwise = tag_body({"endfor"}, true);
    return out;
  }

  statement_ptr parse_set() {
    const int line = next().line;
    auto target = assign_target(true);
    if (skip_op("=")) {
      auto out = std::make_unique<assign_statement>(line);
      out->target = std::move(target);
      out->content = tuple();
      return out;
    }
    auto out = std::make_unique<assign_block_statement>(line);
    out->target = std::move(target);
    out->filter = parse_filters(nullptr, false);
    out->body = tag_body({"endset"}, true);
    return out;
  }

  void signature(macro_statement& macro) {
    expect_op("(");
    while (!is_op(")")) {
      if (!macro.parameters.empty()) expect_op(",");
      auto name = name_target();
      name->context = name_expression::use::parameter;
      for (const auto& other : macro.parameters)
        if (other->name == name->name) fail(cat("duplicate argument '", name->name, "'"));
      if (skip_op("="))
        macro.defaults.push_back(parse_expression());
      else if (!macro.defaults.empty())
        fail("non-default argument follows default argument");
      macro.parameters.push_back(std::move(name));
    }
    expect_op(")");
  }

  statement_ptr parse_macro() {
    auto out = std::make_unique<macro_statement>(statement_kind::macro, next().line);
    out->name = name_target()->name;
    signature(*out);
    out->body = tag_body({"endmacro"}, true);
    return out;
  }

  statement_ptr parse_call_block() {
    auto out = std::make_unique<macro_statement>(statement_kind::call_block, next().line);
    if (is_op("(")) signature(*out);
    out->call = parse_expression();
    if (out->call->kind != expression_kind::call) fail("expected call", out->line);
    out->body = tag_body({"endcall"}, true);
    return out;
  }

  statement_ptr parse_filter_block() {
    auto out = std::make_unique<filter_block_statement>(next().line);
    out->filter = parse_filters(nullptr, true);
    out->body = tag_body({"endfilter"}, true);
    return out;
  }

  statement_ptr parse_with() {
    auto out = std::make_unique<with_statement>(next().line);
    while (!is(token_kind::block_end)) {
      if (!out->targets.empty()) expect_op(",");
      auto target = assign_target(false);
      set_context(*target, name_expression::use::parameter);
      out->targets.push_back(std::move(target));
      expect_op("=");
      out->contents.push_back(parse_expression());
    }
    out->body = tag_body({"endwith"}, true);
    return out;
  }

  statement_ptr parse_block() {
    auto out = std::make_unique<block_statement>(next().line);
    out->name = expect_any_name();
    skip_name("scoped");
    out->required = skip_name("required");
    out->body = tag_body({"endblock"}, true);
    skip_name(out->name);
    return out;
  }

  statement_ptr parse_print() {
    auto out = std::make_unique<output_statement>(next().line);
    while (!is(token_kind::block_end)) {
      if (!out->items.empty()) expect_op(",");
      out->items.push_back(parse_expression());
    }
    return out;
  }

  statement_ptr parse_autoescape() {  // its switch has no effect on plain text
    auto out = std::make_unique<body_statement>(statement_kind::scope, next().line);
    parse_expression();
    out->body = tag_body({"endautoescape"}, true);
    return out;
  }

  // ---- targets ----

  std::unique_ptr<name_expression> name_target() {
    const int line = current().line;
    auto out = std::make_unique<name_expression>(expect_any_name(), line);
    out->context = name_expression::use::store;
    check_assignable(*out);
    return out;
  }

  void check_assignable(const expression& e) const {
    static constexpr std::string_view reserved[] = {"true", "false", "none", "True", "False", "None"};
    if (e.kind == expression_kind::tuple) {
      for (const auto& item : static_cast<const sequence_expression&>(e).items) check_assignable(*item);
      return;
    }
    if (e.kind == expression_kind::name)
      for (std::string_view r : reserved)
        if (static_cast<const name_expression&>(e).name == r) fail(cat("can't assign to '", r, "'"), e.line);
    if (e.kind != expression_kind::name && e.kind != expression_kind::namespace_ref)
      fail("can't assign to an expression", e.line);
  }

  static void set_context(expression& e, name_expression::use context) {
    if (e.kind == expression_kind::name) static_cast<name_expression&>(e).context = context;
    if (e.kind == expression_kind::tuple)
      for (auto& item : static_cast<sequence_expression&>(e).items) set_context(*item, context);
  }

  expression_ptr assign_target(bool with_namespace, std::string_view end = {}) {
    auto target = tuple_of([&] { return primary(with_namespace); }, end, false);
    set_context(*target, name_expression::use::store);
    check_assignable(*target);
    return target;
  }

  // ---- expressions, loosest binding first ----

  expression_ptr parse_expression(bool with_condition = true) {
    nested guard(*this, bracket_depth_, max_brackets);
    return with_condition ? conditional() : logical_or();
  }

  expression_ptr conditional() {
    int line = current().line;
    auto left = logical_or();
    while (skip_name("if")) {
      auto out = std::make_unique<conditional_expression>(line);
      out->then = std::move(left);
      out->test = logical_or();
      if (skip_name("else")) {
        nested guard(*this, bracket_depth_, max_brackets);
        out->otherwise = conditional();
      }
      const expression* parts[] = {out->then.get(), out->test.get(), out->otherwise.get()};
      left = made(std::move(out), {parts[0], parts[1], parts[2]});
      line = current().line;
    }
    return left;
  }

  expression_ptr binary(expression_kind k, operation op, expression_ptr a, expression_ptr b, int line) const {
    const expression *left = a.get(), *right = b.get();
    return made(std::make_unique<binary_expression>(k, op, std::move(a), std::move(b), line), {left, right});
  }

  expression_ptr logical_or() {
    const int line = current().line;
    auto left = logical_and();
    while (skip_name("or"))
      left = binary(expression_kind::logical, operation::logical_or, std::move(left), logical_and(), line);
    return left;
  }

  expression_ptr logical_and() {
    const int line = current().line;
    auto left = logical_not();
    while (skip_name("and"))
      left = binary(expression_kind::logical, operation::logical_and, std::move(left), logical_not(), line);
    return left;
  }

  expression_ptr unary_node(operation op, expression_ptr operand, int line) const {
    const expression* child = operand.get();
    return made(std::make_unique<unary_expression>(op, std::move(operand), line), {child});
  }

  expression_ptr logical_not() {
    if (!is_name("not")) return parse_compare();
    nested guard(*this, bracket_depth_, max_brackets);
    const int line = next().line;
    return unary_node(operation::logical_not, logical_not(), line);
  }

  expression_ptr parse_compare() {
    auto out = std::make_unique<compare_expression>(current().line);
    out->first = sum();
    for (;;) {
      comparison op;
      if (is_op("=="))
        op = comparison::eq;
      else if (is_op("!="))
        op = comparison::ne;
      else if (is_op("<"))
        op = comparison::lt;
      else if (is_op("<="))
        op = comparison::le;
      else if (is_op(">"))
        op = comparison::gt;
      else if (is_op(">="))
        op = comparison::ge;
      else if (is_name("in"))
        op = comparison::in;
      else if (is_name("not") && look().kind == token_kind::name && look().text == "in")
        op = comparison::not_in, next();
      else
        break;
      next();
      out->rest.emplace_back(op, sum());
    }
    if (out->rest.empty()) return std::move(out->first);
    deepen(*out, out->first);
    for (const auto& operand : out->rest) deepen(*out, operand.second);
    return checked(std::move(out));
  }

  expression_ptr sum() {
    const int line = current().line;
    auto left = concat();
    while (is_op("+") || is_op("-")) {
      const auto op = next().text == "+" ? operation::add : operation::sub;
      left = binary(expression_kind::binary, op, std::move(left), concat(), line);
    }
    return left;
  }

  expression_ptr concat() {
    const int line = current().line;
    auto first = product();
    if (!is_op("~")) return first;
    auto out = std::make_unique<sequence_expression>(expression_kind::concat, line);
    out->items.push_back(std::move(first));
    while (skip_op("~")) out->items.push_back(product());
    for (const auto& item : out->items) deepen(*out, item);
    return checked(std::move(out));
  }

  expression_ptr product() {
    const int line = current().line;
    auto left = power();
    while (is_op("*") || is_op("/") || is_op("//") || is_op("%")) {
      const std::string& s = next().text;
      const auto op = s == "*"    ? operation::mul
                      : s == "/"  ? operation::div
                      : s == "//" ? operation::floordiv
                                  : operation::mod;
      left = binary(expression_kind::binary, op, std::move(left), power(), line);
    }
    return left;
  }

  expression_ptr power() {
    const int line = current().line;
    auto left = unary();
    while (skip_op("**")) left = binary(expression_kind::binary, operation::pow, std::move(left), unary(), line);
    return left;
  }

  expression_ptr unary(bool with_filter = true) {
    nested guard(*this, bracket_depth_, max_brackets);
    const int line = current().line;
    expression_ptr node;
    if (skip_op("-"))
      node = unary_node(operation::neg, unary(false), line);
    else if (skip_op("+"))
      node = unary_node(operation::pos, unary(false), line);
    else
      node = primary(false);
    node = postfix(std::move(node));
    return with_filter ? filters_and_tests(std::move(node)) : std::move(node);
  }

  expression_ptr primary(bool with_namespace) {
    const token& t = current();
    const int line = t.line;
    switch (t.kind) {
      case token_kind::name: {
        next();
        if (t.text == "true" || t.text == "True") return std::make_unique<constant_expression>(value(true), line);
        if (t.text == "false" || t.text == "False") return std::make_unique<constant_expression>(value(false), line);
        if (t.text == "none" || t.text == "None") return std::make_unique<constant_expression>(value(), line);
        if (with_namespace && skip_op("."))
          return std::make_unique<namespace_ref_expression>(t.text, expect_any_name(), line);
        return std::make_unique<name_expression>(t.text, line);
      }
      case token_kind::string: {
        std::string joined;
        while (is(token_kind::string)) joined += next().text;
        return std::make_unique<constant_expression>(value(std::move(joined)), line);
      }
      case token_kind::integer:
        next();
        return std::make_unique<constant_expression>(value(t.integer), line);
      case token_kind::floating:
        next();
        return std::make_unique<constant_expression>(value(t.number), line);
      default:
        break;
    }
    if (skip_op("(")) {
      auto inner = tuple_of([&] { return parse_expression(); }, {}, true);
      expect_op(")");
      return inner;
    }
    if (skip_op("[")) {
      auto out = std::make_unique<sequence_expression>(expression_kind::list, line);
      while (!is_op("]")) {
        if (!out->items.empty()) expect_op(",");
        if (is_op("]")) break;
        out->items.push_back(parse_expression());
        deepen(*out, out->items.back());
      }
      expect_op("]");
      return checked(std::move(out));
    }
    if (skip_op("{")) {
      auto out = std::make_unique<dict_expression>(line);
      while (!is_op("}")) {
        if (!out->items.empty()) expect_op(",");
        if (is_op("}")) break;
        auto key = parse_expression();
        expect_op(":");
        out->items.emplace_back(std::move(key), parse_expression());
        deepen(*out, out->items.back().first);
        deepen(*out, out->items.back().second);
      }
      expect_op("}");
      return checked(std::move(out));
    }
    fail(cat("unexpected '", describe(t), "'"));
  }

  expression_ptr tuple(bool with_condition = true, std::string_view end = {}) {
    return tuple_of([&] { return parse_expression(with_condition); }, end, false);
  }

  /// One expression, or a tuple where commas follow. `end`: a name that ends it.
  template <class Parse>
  expression_ptr tuple_of(Parse parse, std::string_view end, bool parentheses) {
    const int line = current().line;
    std::vector<expression_ptr> items;
    bool is_tuple = false;
    for (;;) {
      if (!items.empty()) expect_op(",");
      if (is(token_kind::variable_end) || is(token_kind::block_end) || is_op(")") || (!end.empty() && is_name(end)))
        break;
      items.push_back(parse());
      if (!is_op(",")) break;
      is_tuple = true;
    }
    if (!is_tuple) {
      if (!items.empty()) return std::move(items[0]);
      if (!parentheses) fail(cat("Expected an expression, got '", describe(current()), "'"));
    }
    auto out = std::make_unique<sequence_expression>(expression_kind::tuple, line);
    out->items = std::move(items);
    for (const auto& item : out->items) deepen(*out, item);
    return checked(std::move(out));
  }

  expression_ptr postfix(expression_ptr node) {
    for (;;) {
      if (is_op(".") || is_op("["))
        node = subscript(std::move(node));
      else if (is_op("("))
        node = call(std::move(node));
      else
        return node;
    }
  }

  expression_ptr filters_and_tests(expression_ptr node) {
    for (;;) {
      if (is_op("|"))
        node = parse_filters(std::move(node), false);
      else if (is_name("is"))
        node = parse_test(std::move(node));
      else if (is_op("("))
        node = call(std::move(node));
      else
        return node;
    }
  }

  expression_ptr subscript(expression_ptr node) {
    const expression* object = node.get();
    const token& t = next();
    const int line = t.line;
    if (t.text == ".") {
      const token& attribute = next();
      if (attribute.kind == token_kind::name)
        return made(std::make_unique<attribute_expression>(std::move(node), attribute.text, line), {object});
      if (attribute.kind != token_kind::integer) fail("expected name or number", attribute.line);
      auto key = std::make_unique<constant_expression>(value(attribute.integer), line);
      return made(std::make_unique<item_expression>(std::move(node), std::move(key), line), {object});
    }
    std::vector<expression_ptr> keys;
    while (!is_op("]")) {
      if (!keys.empty()) expect_op(",");
      keys.push_back(subscribed());
    }
    expect_op("]");
    expression_ptr key;
    if (keys.size() == 1) {
      key = std::move(keys[0]);
    } else {
      auto several = std::make_unique<sequence_expression>(expression_kind::tuple, line);
      several->items = std::move(keys);
      for (const auto& item : several->items) {
        if (item->kind == expression_kind::slice) fail("a slice cannot be part of a tuple", line);
        deepen(*several, item);
      }
      key = checked(std::move(several));
    }
    const expression* index = key.get();
    return made(std::make_unique<item_expression>(std::move(node), std::move(key), line), {object, index});
  }

  expression_ptr subscribed() {
    auto out = std::make_unique<slice_expression>(current().line);
    if (!is_op(":")) {
      out->start = parse_expression();
      if (!is_op(":")) return std::move(out->start);
    }
    next();
    const auto part_follows = [&] { return !is_op(":") && !is_op("]") && !is_op(","); };
    if (part_follows()) out->stop = parse_expression();
    if (skip_op(":") && part_follows()) out->step = parse_expression();
    const expression* parts[] = {out->start.get(), out->stop.get(), out->step.get()};
    return made(std::move(out), {parts[0], parts[1], parts[2]});
  }

  call_arguments parse_arguments() {
    const int line = current().line;
    call_arguments out;
    const auto ensure = [&](bool b) {
      if (!b) fail("invalid syntax for function call expression", line);
    };
    expect_op("(");
    bool comma = false;
    while (!is_op(")")) {
      if (std::exchange(comma, true)) {
        expect_op(",");
        if (is_op(")")) break;
      }
      if (skip_op("*")) {
        ensure(!out.star && !out.double_star);
        out.star = parse_expression();
      } else if (skip_op("**")) {
        ensure(!out.double_star);
        out.double_star = parse_expression();
      } else if (is(token_kind::name) && look().kind == token_kind::op && look().text == "=") {
        ensure(!out.double_star);
        std::string key = next().text;
        next();
        for (const auto& other : out.keyword)
          if (other.first == key) fail(cat("keyword argument repeated: ", key), line);
        out.keyword.emplace_back(std::move(key), parse_expression());
      } else {
        ensure(!out.star && !out.double_star && out.keyword.empty());
        out.positional.push_back(parse_expression());
      }
    }
    expect_op(")");
    return out;
  }

  expression_ptr call(expression_ptr callee) {
    auto out = std::make_unique<call_expression>(current().line);
    out->callee = std::move(callee);
    out->arguments = parse_arguments();
    deepen(*out, out->callee);
    deepen(*out, out->arguments);
    return checked(std::move(out));
  }

  std::string dotted_name() {
    std::string name = expect_any_name();
    while (skip_op(".")) name += "." + expect_any_name();
    return name;
  }

  /// `|name(...)|name`; with `inline_start` the first name stands without its bar.
  expression_ptr parse_filters(expression_ptr node, bool inline_start) {
    while (inline_start || is_op("|")) {
      if (!std::exchange(inline_start, false)) next();
      auto out = std::make_unique<filter_expression>(expression_kind::filter, current().line);
      out->name = dotted_name();
      out->subject = std::move(node);
      if (is_op("(")) out->arguments = parse_arguments();
      deepen(*out, out->subject);
      deepen(*out, out->arguments);
      node = checked(std::move(out));
    }
    return node;
  }

  expression_ptr parse_test(expression_ptr node) {
    const int line = next().line;
    const bool negated = skip_name("not");
    auto out = std::make_unique<filter_expression>(expression_kind::test, line);
    out->name = dotted_name();
    out->subject = std::move(node);
    const bool operand = is(token_kind::name) || is(token_kind::string) || is(token_kind::integer) ||
                         is(token_kind::floating) || is_op("[") || is_op("{");
    if (is_op("(")) {
      out->arguments = parse_arguments();
    } else if (operand && !is_name("else") && !is_name("or") && !is_name("and")) {
      if (is_name("is")) fail("You cannot chain multiple tests with is");
      out->arguments.positional.push_back(postfix(primary(false)));
    }
    deepen(*out, out->subject);
    deepen(*out, out->arguments);
    auto test = checked(std::move(out));
    return negated ? unary_node(operation::logical_not, std::move(test), line) : std::move(test);
  }

  std::vector<token> tokens_;
  std::size_t at_ = 0;
  std::string tag_;  // the last one, for messages
  int bracket_depth_ = 0, statement_depth_ = 0;
};

}  // namespace hft::detail::jinja
