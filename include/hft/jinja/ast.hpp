// The syntax tree of a template: jinja2.nodes with names resolved to places. `scope_info` is filled by symbols.hpp.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <hft/jinja/value.hpp>

namespace hft::detail::jinja {

// ---- expressions ----

enum class expression_kind : std::uint8_t {
  constant,
  name,
  namespace_ref,
  list,
  tuple,
  dict,
  unary,
  binary,
  logical,
  concat,
  compare,
  conditional,
  attribute,
  item,
  slice,
  call,
  filter,
  test,
};

struct expression {
  expression(expression_kind k, int l) : kind(k), line(l) {}
  virtual ~expression() = default;
  const expression_kind kind;
  const int line;
  int depth = 1;  // of the tree below: everything that walks it recurses
};
using expression_ptr = std::unique_ptr<expression>;

struct constant_expression : expression {
  constant_expression(value v, int l) : expression(expression_kind::constant, l), content(std::move(v)) {}
  value content;
};

/// A variable that is read or assigned: slot `slot` of the scope `up` levels out.
struct name_expression : expression {
  enum class use : std::uint8_t { load, store, parameter };
  name_expression(std::string n, int l) : expression(expression_kind::name, l), name(std::move(n)) {}
  std::string name;
  use context = use::load;
  int up = 0, slot = -1;
};

/// The target `ns.attribute` of an assignment.
struct namespace_ref_expression : expression {
  namespace_ref_expression(std::string n, std::string a, int l)
      : expression(expression_kind::namespace_ref, l), name(std::move(n)), attribute(std::move(a)) {}
  std::string name, attribute;
  int up = 0, slot = -1;
};

struct sequence_expression : expression {  // list, tuple, concat (a ~ b ~ c)
  using expression::expression;
  std::vector<expression_ptr> items;
};

struct dict_expression : expression {
  explicit dict_expression(int l) : expression(expression_kind::dict, l) {}
  std::vector<std::pair<expression_ptr, expression_ptr>> items;
};

enum class operation : std::uint8_t {
  add,
  sub,
  mul,
  div,
  floordiv,
  mod,
  pow,
  neg,
  pos,
  logical_not,
  logical_and,
  logical_or
};

struct unary_expression : expression {
  unary_expression(operation o, expression_ptr e, int l)
      : expression(expression_kind::unary, l), op(o), operand(std::move(e)) {}
  operation op;
  expression_ptr operand;
};

struct binary_expression : expression {  // also kind logical
  binary_expression(expression_kind k, operation o, expression_ptr a, expression_ptr b, int l)
      : expression(k, l), op(o), left(std::move(a)), right(std::move(b)) {}
  operation op;
  expression_ptr left, right;
};

enum class comparison : std::uint8_t { eq, ne, lt, le, gt, ge, in, not_in };

struct compare_expression : expression {  // a < b <= c
  explicit compare_expression(int l) : expression(expression_kind::compare, l) {}
  expression_ptr first;
  std::vector<std::pair<comparison, expression_ptr>> rest;
};

struct conditional_expression : expression {
  explicit conditional_expression(int l) : expression(expression_kind::conditional, l) {}
  expression_ptr test, then, otherwise;  // otherwise may be null
};

struct attribute_expression : expression {
  attribute_expression(expression_ptr e, std::string n, int l)
      : expression(expression_kind::attribute, l), object(std::move(e)), name(std::move(n)) {}
  expression_ptr object;
  std::string name;
};

struct item_expression : expression {
  item_expression(expression_ptr e, expression_ptr k, int l)
      : expression(expression_kind::item, l), object(std::move(e)), key(std::move(k)) {}
  expression_ptr object, key;
};

struct slice_expression : expression {  // only as the key of an item
  explicit slice_expression(int l) : expression(expression_kind::slice, l) {}
  expression_ptr start, stop, step;  // each may be null
};

struct call_arguments {
  std::vector<expression_ptr> positional;
  std::vector<std::pair<std::string, expression_ptr>> keyword;
  expression_ptr star, double_star;  // *args, **kwargs
};

struct call_expression : expression {
  explicit call_expression(int l) : expression(expression_kind::call, l) {}
  expression_ptr callee;
  call_arguments arguments;
};

struct filter_expression : expression {  // also kind test
  using expression::expression;
  expression_ptr subject;  // null in a filter block: its text
  std::string name;
  call_arguments arguments;
};

// ---- statements ----

enum class statement_kind : std::uint8_t {
  output,
  loop,
  condition,
  assign,
  assign_block,
  macro,
  call_block,
  filter_block,
  with,
  block,
  break_loop,
  continue_loop,
  generation,
  scope,
  unavailable,
};

struct statement {
  statement(statement_kind k, int l) : kind(k), line(l) {}
  virtual ~statement() = default;
  const statement_kind kind;
  const int line;
};
using statement_ptr = std::unique_ptr<statement>;
using statements = std::vector<statement_ptr>;

/// How a variable of a scope comes to its first value when the scope is entered.
struct variable {
  enum class origin : std::uint8_t { parameter, resolve, alias, undefined };
  std::string name;
  origin from = origin::undefined;
  int up = 0, slot = -1;  // of alias
};

struct scope_info {
  std::vector<variable> variables;
};

struct output_statement : statement {
  explicit output_statement(int l) : statement(statement_kind::output, l) {}
  std::vector<expression_ptr> items;  // text is a constant
};

struct loop_statement : statement {
  explicit loop_statement(int l) : statement(statement_kind::loop, l) {}
  expression_ptr target, iterable, test;  // test may be null
  statements body, otherwise;
  bool recursive = false, extended = false;  // extended: the body reads `loop`
  int loop_slot = -1;
  scope_info body_scope, test_scope, otherwise_scope;
  expression_ptr test_target;  // the target again, with its places in the scope of the test
};

struct condition_statement : statement {
  explicit condition_statement(int l) : statement(statement_kind::condition, l) {}
  std::vector<std::pair<expression_ptr, statements>> branches;  // if, elif ...
  statements otherwise;
};

struct assign_statement : statement {
  explicit assign_statement(int l) : statement(statement_kind::assign, l) {}
  expression_ptr target, content;
};

struct body_statement : statement {  // filter_block (with filter), with, generation, scope, call_block, macro, ...
  using statement::statement;
  statements body;
  scope_info scope;
};

struct assign_block_statement : body_statement {
  explicit assign_block_statement(int l) : body_statement(statement_kind::assign_block, l) {}
  expression_ptr target, filter;  // filter may be null
};

struct filter_block_statement : body_statement {
  explicit filter_block_statement(int l) : body_statement(statement_kind::filter_block, l) {}
  expression_ptr filter;
};

struct with_statement : body_statement {
  explicit with_statement(int l) : body_statement(statement_kind::with, l) {}
  std::vector<expression_ptr> targets, contents;
};

struct macro_statement : body_statement {  // also call_block
  using body_statement::body_statement;
  std::string name;
  int up = 0, slot = -1;  // where the macro is stored
  std::vector<std::unique_ptr<name_expression>> parameters;
  std::vector<expression_ptr> defaults;                       // of the last parameters
  int caller_slot = -1, kwargs_slot = -1, varargs_slot = -1;  // -1: not used in the body
  bool explicit_caller = false;
  expression_ptr call;  // of a call block
};

struct block_statement : body_statement {
  explicit block_statement(int l) : body_statement(statement_kind::block, l) {}
  std::string name;
  bool required = false;
};

/// include, import, from, extends: there is nothing to load from.
struct unavailable_statement : statement {
  unavailable_statement(std::string t, int l) : statement(statement_kind::unavailable, l), tag(std::move(t)) {}
  std::string tag;
};

struct template_tree {
  statements body;
  scope_info scope;
};

}  // namespace hft::detail::jinja
