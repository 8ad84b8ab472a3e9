// Runs a resolved syntax tree: what the Python code does that jinja2 compiles a template to.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/jinja/ast.hpp>
#include <hft/jinja/filters.hpp>
#include <hft/jinja/globals.hpp>

namespace hft::detail::jinja {

/// The variables of one scope while it runs. A macro keeps the scope that it was made in.
struct scope : object {
  scope(const scope_info& i, std::shared_ptr<scope> p) : info(&i), parent(std::move(p)), slots(i.variables.size()) {}
  const scope_info* info;
  std::shared_ptr<scope> parent;
  std::vector<value> slots;
  bool kept = false;  // by the interpreter, which takes it apart at the end
};
using scope_ptr = std::shared_ptr<scope>;

/// A variable without a value: read as Undefined.
inline value missing() { return {kind::undefined, nullptr}; }
inline bool is_missing(const value& v) { return v.is_undefined() && !v.shared(); }

/// The variable `loop`.
struct loop_object : opaque_object, std::enable_shared_from_this<loop_object> {
  using render = std::function<value(const value& iterable, std::int64_t depth0)>;

  loop_object(runtime& rt, const value& v, render r, std::int64_t d)
      : iterable(v), each(std::make_unique<cursor>(rt, v)), recurse(std::move(r)), depth0(d) {
    depth = 1 + nesting(v);
  }
  const char* type() const override { return "LoopContext"; }

  bool next(value& item) {
    if (!ahead.empty()) {
      item = ahead.front();
      ahead.erase(ahead.begin());
    } else if (!each->next(item)) {
      return false;
    }
    ++index0;
    before = std::move(current);
    current = item;
    return true;
  }

  bool peek() {
    if (!ahead.empty()) return true;
    value item;
    if (!each->next(item)) return false;
    ahead.push_back(std::move(item));
    return true;
  }

  std::int64_t length(runtime& rt) override {
    if (known_length < 0) known_length = length_or_none(rt, iterable);
    if (known_length < 0) {  // an iterator: read it to its end
      for (value item; each->next(item); ahead.push_back(item)) rt.spend(4);
      known_length = index0 + 1 + static_cast<std::int64_t>(ahead.size());
      rest = rt.list(std::move(ahead));
      ahead.clear();
      each = std::make_unique<cursor>(rt, rest);
    }
    return known_length;
  }

  bool attribute(runtime& rt, std::string_view name, value& out) override {
    if (name == "index")
      out = index0 + 1;
    else if (name == "index0")
      out = index0;
    else if (name == "first")
      out = index0 == 0;
    else if (name == "last")
      out = !peek();
    else if (name == "length")
      out = length(rt);
    else if (name == "revindex")
      out = length(rt) - index0;
    else if (name == "revindex0")
      out = length(rt) - index0 - 1;
    else if (name == "depth")
      out = depth0 + 1;
    else if (name == "depth0")
      out = depth0;
    else if (name == "previtem")
      out = index0 == 0 ? rt.undefined("there is no previous item") : before;
    else if (name == "nextitem")
      out = peek() ? ahead.front() : rt.undefined("there is no next item");
    else if (name == "cycle")
      out = method(rt, "cycle", &loop_object::cycle);
    else if (name == "changed")
      out = method(rt, "changed", &loop_object::changed);
    else
      return false;
    return true;
  }

  bool call(runtime& rt, arguments& args, value& out) override {
    const bound p(rt, "loop", args, {"iterable"}, 1);
    if (!recurse) runtime::fail("The loop must have the 'recursive' marker to be called recursively.");
    out = recurse(p[0], depth0 + 1);
    return true;
  }

  value iterable, rest;
  std::unique_ptr<cursor> each;
  render recurse;
  std::int64_t depth0, index0 = -1, known_length = -1;
  std::vector<value> ahead;
  value before, current, last_changed = missing();

 private:
  value method(runtime& rt, const char* name, value (loop_object::*f)(runtime&, arguments&)) {
    value m = rt.callable(
        name, [self = shared_from_this(), f](runtime& r, arguments& args) { return (self.get()->*f)(r, args); });
    m.shared()->depth = 1 + depth;
    return m;
  }
  value cycle(runtime&, arguments& args) {
    if (!args.keyword.empty()) runtime::fail("cycle() takes no keyword arguments");
    if (args.positional.empty()) runtime::fail("no items for cycling given");
    return args.positional[static_cast<std::size_t>(index0) % args.positional.size()];
  }
  value changed(runtime& rt, arguments& args) {
    if (!args.keyword.empty()) runtime::fail("changed() takes no keyword arguments");
    const value now = rt.tuple(args.positional);
    if (!is_missing(last_changed) && equals(rt, last_changed, now)) return false;
    last_changed = now;
    depth = std::max(depth, 1 + nesting(now));
    return true;
  }
};

class interpreter {
 public:
  using span = std::pair<std::size_t, std::size_t>;

  interpreter(runtime& rt, const template_tree& tree, const value& variables)
      : rt_(rt), tree_(tree), variables_(variables) {}
  ~interpreter() {
    for (auto& s : kept_) {
      auto slots = std::move(s->slots);
      s->slots.assign(slots.size(), value());
    }
  }
  interpreter(const interpreter&) = delete;
  interpreter& operator=(const interpreter&) = delete;

  std::string run() {
    out_ = &text_;
    root_ = scope_ = enter(tree_.scope, nullptr);
    execute(tree_.body);
    return std::move(text_);
  }
  std::vector<span> take_spans() { return std::move(spans_); }

 private:
  enum class flow : std::uint8_t { normal, broken, continued };

  /// Replaces a member for the length of a C++ scope.
  template <class T>
  struct replaced {
    replaced(T& t, T now) : target(t), before(std::exchange(t, std::move(now))) {}
    ~replaced() { target = std::move(before); }
    replaced(const replaced&) = delete;
    replaced& operator=(const replaced&) = delete;
    T& target;
    T before;
  };

  // ---- scopes ----

  scope_ptr enter(const scope_info& info, scope_ptr parent) {
    auto s = std::make_shared<scope>(info, std::move(parent));
    rt_.charge(*s, sizeof(scope) + s->slots.size() * sizeof(value));
    initialise(*s);
    return s;
  }

  void initialise(scope& s) {
    for (std::size_t i = 0; i < s.slots.size(); ++i) {
      const variable& v = s.info->variables[i];
      switch (v.from) {
        case variable::origin::parameter:
          break;
        case variable::origin::undefined:
          s.slots[i] = missing();
          break;
        case variable::origin::resolve:
          s.slots[i] = resolve(v.name);
          break;
        case variable::origin::alias:
          s.slots[i] = place(s, v.up, v.slot);
          break;
      }
    }
  }

  static void leave(scope& s) {
    for (auto& slot : s.slots) slot = missing();
  }

  value& place(scope& s, int up, int slot) const {
    scope* at = &s;
    for (; up > 0; --up) at = at->parent.get();
    return at->slots[std::size_t(slot)];
  }

  value resolve(const std::string& name) {
    if (in_block_) {  // a block is not inside the scope of the template, but sees what was set there
      for (std::size_t i = 0; i < root_->slots.size(); ++i)
        if (root_->info->variables[i].name == name && !is_missing(root_->slots[i])) return root_->slots[i];
    }
    if (const value* found = variables_.entries().find(std::string_view(name))) return *found;
    value out;
    return find_global(rt_, name, out) ? out : missing();
  }

  /// Holds a scope that a value refers to: the two may form a cycle.
  void keep(const scope_ptr& s) {
    if (!s->kept) kept_.push_back(s), s->kept = true;
  }

  // ---- output ----

  void write(const value& v) { append_str(rt_, *out_, v); }
  /// The results of call and filter blocks are not converted.
  void write_text(const value& v) {
    if (!v.is_string()) runtime::fail(cat("expected str instance, ", type_name(v), " found"));
    write(v);
  }

  // ---- statements ----

  flow execute(const statements& body) {
    for (const auto& s : body)
      if (const flow f = execute(*s); f != flow::normal) return f;
    return flow::normal;
  }

  flow execute(const statement& s) {
    level guard(rt_);
    rt_.spend();
    rt_.line = s.line;
    switch (s.kind) {
      case statement_kind::output:
        for (const auto& e : static_cast<const output_statement&>(s).items) {
          if (e->kind == expression_kind::constant)
            write(static_cast<const constant_expression&>(*e).content);
          else
            write(evaluate(*e));
        }
        return flow::normal;
      case statement_kind::condition: {
        const auto& c = static_cast<const condition_statement&>(s);
        for (const auto& [test, body] : c.branches)
          if (truth(evaluate(*test), &rt_)) return execute(body);
        return execute(c.otherwise);
      }
      case statement_kind::loop:
        return execute_loop(static_cast<const loop_statement&>(s));
      case statement_kind::assign: {
        const auto& a = static_cast<const assign_statement&>(s);
        check_namespaces(*a.target);
        assign(*a.target, evaluate(*a.content), *scope_);
        return flow::normal;
      }
      case statement_kind::assign_block:
        return execute_assign_block(static_cast<const assign_block_statement&>(s));
      case statement_kind::macro: {
        const auto& m = static_cast<const macro_statement&>(s);
        value macro = make_macro(m);
        place(*scope_, m.up, m.slot) = std::move(macro);
        return flow::normal;
      }
      case statement_kind::call_block: {
        const auto& m = static_cast<const macro_statement&>(s);
        const value caller = make_macro(m);
        write_text(evaluate_call(static_cast<const call_expression&>(*m.call), &caller));
        return flow::normal;
      }
      case statement_kind::filter_block:
        return execute_filter_block(static_cast<const filter_block_statement&>(s));
      case statement_kind::with:
        return execute_with(static_cast<const with_statement&>(s));
      case statement_kind::scope: {
        const auto& b = static_cast<const body_statement&>(s);
        replaced inner(scope_, enter(b.scope, scope_));
        return execute(b.body);
      }
      case statement_kind::generation:
        execute_generation(static_cast<const body_statement&>(s));
        return flow::normal;
      case statement_kind::block: {
        const auto& b = static_cast<const block_statement&>(s);
        if (b.required) runtime::fail(cat("Required block '", b.name, "' not found"));
        replaced flag(in_block_, true);
        replaced inner(scope_, enter(b.scope, nullptr));
        return execute(b.body);
      }
      case statement_kind::break_loop:
        return flow::broken;
      case statement_kind::continue_loop:
        return flow::continued;
      case statement_kind::unavailable:
        runtime::fail(cat("'", static_cast<const unavailable_statement&>(s).tag,
                          "' has nothing to load from in a chat template"));
    }
    return flow::normal;
  }

  flow execute_loop(const loop_statement& l) {
    if (!l.recursive) return run_loop(l, evaluate(*l.iterable), 0, scope_);
    write(render_recursive(l, evaluate(*l.iterable), 0, scope_));
    return flow::normal;
  }

  value render_recursive(const loop_statement& l, const value& iterable, std::int64_t depth0, const scope_ptr& outer) {
    level guard(rt_);
    std::string buffer;
    {
      replaced out(out_, &buffer);
      replaced inner(scope_, outer);
      run_loop(l, iterable, depth0, outer);
    }
    return rt_.str(std::move(buffer));
  }

  flow run_loop(const loop_statement& l, value iterable, std::int64_t depth0, const scope_ptr& outer) {
    if (l.test) iterable = filtered(l, iterable, outer);
    std::shared_ptr<loop_object> loop;
    std::unique_ptr<cursor> plain;
    if (l.extended) {
      loop_object::render recurse;
      if (l.recursive) {
        keep(outer);
        recurse = [this, &l, outer](const value& v, std::int64_t d) { return render_recursive(l, v, d, outer); };
      }
      loop = std::make_shared<loop_object>(rt_, iterable, std::move(recurse), depth0);
      rt_.charge(*loop, sizeof(loop_object) + 64);
    } else {
      plain = std::make_unique<cursor>(rt_, iterable);
    }
    struct forget {  // a loop may hold itself by what changed() was told
      std::shared_ptr<loop_object>& loop;
      ~forget() {
        if (loop) loop->last_changed = missing();
      }
    } at_end{loop};

    bool empty = true;
    scope_ptr body;
    replaced inner(scope_, outer);
    for (value item; loop ? loop->next(item) : plain->next(item);) {
      if (!body) body = std::make_shared<scope>(l.body_scope, outer);
      scope_ = body;
      // the targets come first, as in Python: an alias may not overwrite them
      initialise(*body);
      if (loop) body->slots[std::size_t(l.loop_slot)] = value(kind::opaque, loop);
      assign(*l.target, item, *body);
      const flow f = execute(l.body);
      // jinja2 notes at the end of an iteration that there was one: after break or continue in all of them, the else
      // branch runs
      if (f == flow::normal) empty = false;
      if (f == flow::broken) break;
    }
    if (body) leave(*body);
    scope_ = outer;
    if (!empty || l.otherwise.empty()) return flow::normal;
    scope_ = enter(l.otherwise_scope, outer);
    return execute(l.otherwise);
  }

  /// `for x in iterable if test`: tested when the loop asks for the next item, so it sees what the body has changed.
  value filtered(const loop_statement& l, const value& iterable, const scope_ptr& outer) {
    scope_ptr inner = enter(l.test_scope, outer);
    keep(inner);
    auto each = std::make_shared<cursor>(rt_, iterable);
    return rt_.iterator(iterable, [this, &l, inner, each](value& item) {
      replaced now(scope_, inner);
      while (each->next(item)) {
        assign(*l.test_target, item, *inner);
        if (truth(evaluate(*l.test), &rt_)) return true;
      }
      return false;
    });
  }

  flow execute_assign_block(const assign_block_statement& a) {
    std::string buffer;
    value content;
    {
      replaced inner(scope_, enter(a.scope, scope_));
      {
        replaced out(out_, &buffer);
        if (const flow f = execute(a.body); f != flow::normal) return f;
      }
      content = rt_.str(std::move(buffer));
      if (a.filter) content = evaluate_filter(static_cast<const filter_expression&>(*a.filter), &content);
    }
    check_namespaces(*a.target);
    assign(*a.target, content, *scope_);
    return flow::normal;
  }

  flow execute_filter_block(const filter_block_statement& b) {
    std::string buffer;
    replaced inner(scope_, enter(b.scope, scope_));
    {
      replaced out(out_, &buffer);
      if (const flow f = execute(b.body); f != flow::normal) return f;
    }
    const value text = rt_.str(std::move(buffer));
    write_text(evaluate_filter(static_cast<const filter_expression&>(*b.filter), &text));
    return flow::normal;
  }

  flow execute_with(const with_statement& w) {
    scope_ptr inner = enter(w.scope, scope_);
    for (std::size_t i = 0; i < w.targets.size(); ++i) assign(*w.targets[i], evaluate(*w.contents[i]), *inner);
    replaced now(scope_, inner);
    return execute(w.body);
  }

  /// A span starts where the finished text ends, even if the block stands inside a macro: as in Transformers.
  void execute_generation(const body_statement& b) {
    std::string buffer;
    {
      replaced inner(scope_, enter(b.scope, scope_));
      replaced out(out_, &buffer);
      execute(b.body);
    }
    counted_chars_ += char_count(std::string_view(text_).substr(counted_bytes_));
    counted_bytes_ = text_.size();
    spans_.emplace_back(counted_chars_, counted_chars_ + char_count(buffer));
    write(rt_.str(std::move(buffer)));
  }

  // ---- assignment ----

  void check_namespaces(const expression& target) {
    if (target.kind == expression_kind::tuple) {
      for (const auto& item : static_cast<const sequence_expression&>(target).items) check_namespaces(*item);
    } else if (target.kind == expression_kind::namespace_ref) {
      const auto& n = static_cast<const namespace_ref_expression&>(target);
      if (!place(*scope_, n.up, n.slot).is(kind::name_space))
        runtime::fail("cannot assign attribute on non-namespace object");
    }
  }

  void assign(const expression& target, const value& v, scope& s) {
    if (target.kind == expression_kind::name) {
      const auto& n = static_cast<const name_expression&>(target);
      place(s, n.up, n.slot) = v;
    } else if (target.kind == expression_kind::namespace_ref) {
      const auto& n = static_cast<const namespace_ref_expression&>(target);
      check_namespace_name(n.attribute);
      const value& space = place(s, n.up, n.slot);
      if (!space.is(kind::name_space)) runtime::fail("cannot assign attribute on non-namespace object");
      auto& attributes = space.as<namespace_object>().attributes;
      attributes.set(value(n.attribute), v);
      attributes.depth = 0;
    } else {
      const auto& targets = static_cast<const sequence_expression&>(target).items;
      if (!iterable(v)) runtime::fail(cat("cannot unpack non-iterable ", type_name(v), " object"));
      std::vector<value> items;
      cursor each(rt_, v);
      for (value item; items.size() <= targets.size() && each.next(item);) items.push_back(item);
      if (items.size() > targets.size())
        runtime::fail(cat("too many values to unpack (expected ", targets.size(), ")"));
      if (items.size() < targets.size())
        runtime::fail(cat("not enough values to unpack (expected ", targets.size(), ", got ", items.size(), ")"));
      for (std::size_t i = 0; i < items.size(); ++i) assign(*targets[i], items[i], s);
    }
  }

  // ---- macros ----

  value make_macro(const macro_statement& m) {
    keep(scope_);
    value out = rt_.callable(
        m.name, [this, &m, outer = scope_](runtime&, arguments& args) { return call_macro(m, outer, args); }, "Macro");
    auto& attributes = out.as<callable_object>().attributes;
    std::vector<value> names;
    for (const auto& p : m.parameters) names.push_back(rt_.str(p->name));
    attributes = {{"name", m.kind == statement_kind::macro ? rt_.str(m.name) : value()},
                  {"arguments", rt_.tuple(std::move(names))},
                  {"catch_kwargs", m.kwargs_slot >= 0},
                  {"catch_varargs", m.varargs_slot >= 0},
                  {"caller", m.caller_slot >= 0 || m.explicit_caller}};
    return out;
  }

  value call_macro(const macro_statement& m, const scope_ptr& outer, arguments& args) {
    const scope_ptr inner = enter(m.scope, outer);
    auto& keyword = args.keyword;
    const auto take = [&](std::string_view name, value& out) {
      for (auto it = keyword.begin(); it != keyword.end(); ++it)
        if (it->first == name) {
          out = std::move(it->second);
          keyword.erase(it);
          return true;
        }
      return false;
    };
    const std::size_t count = m.parameters.size(), given = std::min(args.positional.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      value v = missing();
      if (i < given)
        v = args.positional[i];
      else
        take(m.parameters[i]->name, v);
      inner->slots[std::size_t(m.parameters[i]->slot)] = std::move(v);
    }
    if (m.caller_slot >= 0) {
      value caller;
      if (!take("caller", caller) || caller.is_none()) caller = rt_.undefined("No caller defined");
      inner->slots[std::size_t(m.caller_slot)] = std::move(caller);
    }
    if (m.kwargs_slot >= 0) {
      std::vector<std::pair<value, value>> rest;
      for (auto& [name, v] : keyword) rest.emplace_back(rt_.str(name), std::move(v));
      inner->slots[std::size_t(m.kwargs_slot)] = rt_.dict(std::move(rest));
    } else if (!keyword.empty()) {
      runtime::fail(cat("macro '", m.name, "' takes no keyword argument '", keyword[0].first, "'"));
    }
    if (m.varargs_slot >= 0)
      inner->slots[std::size_t(m.varargs_slot)] =
          rt_.tuple({args.positional.begin() + std::ptrdiff_t(given), args.positional.end()});
    else if (args.positional.size() > count)
      runtime::fail(cat("macro '", m.name, "' takes not more than ", count, " argument(s)"));

    std::string buffer;
    {
      replaced now(scope_, inner);
      replaced out(out_, &buffer);
      for (std::size_t i = 0; i < count; ++i) {
        value& slot = inner->slots[std::size_t(m.parameters[i]->slot)];
        if (!is_missing(slot)) continue;
        const std::size_t first_default = count - m.defaults.size();
        value v = i >= first_default ? evaluate(*m.defaults[i - first_default])
                                     : rt_.undefined(cat("parameter '", m.parameters[i]->name, "' was not provided"));
        slot = std::move(v);
      }
      execute(m.body);
    }
    return rt_.str(std::move(buffer));
  }

  // ---- expressions ----

  value evaluate(const expression& e) {
    level guard(rt_);
    rt_.spend();
    rt_.line = e.line;
    switch (e.kind) {
      case expression_kind::constant:
        return static_cast<const constant_expression&>(e).content;
      case expression_kind::name: {
        const auto& n = static_cast<const name_expression&>(e);
        const value v = n.slot < 0 ? resolve(n.name) : place(*scope_, n.up, n.slot);
        return is_missing(v) ? rt_.undefined(cat("'", n.name, "' is undefined")) : v;
      }
      case expression_kind::list:
        return rt_.list(evaluate_all(static_cast<const sequence_expression&>(e).items));
      case expression_kind::tuple:
        return rt_.tuple(evaluate_all(static_cast<const sequence_expression&>(e).items));
      case expression_kind::dict:
        return evaluate_dict(static_cast<const dict_expression&>(e));
      case expression_kind::concat:
        return evaluate_concat(static_cast<const sequence_expression&>(e));
      case expression_kind::unary: {
        const auto& u = static_cast<const unary_expression&>(e);
        const value v = evaluate(*u.operand);
        if (u.op == operation::logical_not) return !truth(v, &rt_);
        return u.op == operation::neg ? negate(v) : positive(v);
      }
      case expression_kind::binary:
        return evaluate_binary(static_cast<const binary_expression&>(e));
      case expression_kind::logical: {
        const auto& b = static_cast<const binary_expression&>(e);
        value left = evaluate(*b.left);
        return truth(left, &rt_) == (b.op == operation::logical_and) ? evaluate(*b.right) : left;
      }
      case expression_kind::compare:
        return evaluate_compare(static_cast<const compare_expression&>(e));
      case expression_kind::conditional: {
        const auto& c = static_cast<const conditional_expression&>(e);
        if (truth(evaluate(*c.test), &rt_)) return evaluate(*c.then);
        if (c.otherwise) return evaluate(*c.otherwise);
        return rt_.undefined(
            cat("the inline if-expression on line ", e.line, " evaluated to false and no else section was defined."));
      }
      case expression_kind::attribute: {
        const auto& a = static_cast<const attribute_expression&>(e);
        return get_attribute(rt_, evaluate(*a.object), a.name);
      }
      case expression_kind::item:
        return evaluate_item(static_cast<const item_expression&>(e));
      case expression_kind::call:
        return evaluate_call(static_cast<const call_expression&>(e), nullptr);
      case expression_kind::filter:
        return evaluate_filter(static_cast<const filter_expression&>(e), nullptr);
      case expression_kind::test:
        return evaluate_test(static_cast<const filter_expression&>(e));
      default:
        runtime::fail("this expression has no value");
    }
  }

  std::vector<value> evaluate_all(const std::vector<expression_ptr>& list) {
    std::vector<value> out;
    out.reserve(list.size());
    for (const auto& e : list) out.push_back(evaluate(*e));
    return out;
  }

  value evaluate_dict(const dict_expression& d) {
    std::vector<std::pair<value, value>> items;
    for (const auto& [key, item] : d.items) {
      value k = evaluate(*key);
      items.emplace_back(std::move(k), evaluate(*item));
    }
    return rt_.dict(std::move(items));
  }

  value evaluate_concat(const sequence_expression& c) {
    const std::vector<value> parts = evaluate_all(c.items);
    std::string out;
    for (const auto& part : parts) append_str(rt_, out, part);
    return rt_.str(std::move(out));
  }

  value evaluate_binary(const binary_expression& b) {
    const value left = evaluate(*b.left), right = evaluate(*b.right);
    rt_.line = b.line;
    switch (b.op) {
      case operation::add:
        return add(rt_, left, right);
      case operation::sub:
        return subtract(left, right);
      case operation::mul:
        return multiply(rt_, left, right);
      case operation::div:
        return divide(left, right);
      case operation::floordiv:
        return floor_divide(left, right);
      case operation::pow:
        return power(left, right);
      default:
        return modulo(rt_, left, right);
    }
  }

  value evaluate_compare(const compare_expression& c) {
    value left = evaluate(*c.first);
    for (const auto& [op, operand] : c.rest) {
      value right = evaluate(*operand);
      rt_.line = c.line;
      if (!compare_values(op, left, right)) return false;
      left = std::move(right);
    }
    return true;
  }

  bool compare_values(comparison op, const value& a, const value& b) {
    switch (op) {
      case comparison::eq:
        return equals(rt_, a, b);
      case comparison::ne:
        return !equals(rt_, a, b);
      case comparison::lt:
        return less(rt_, a, b);
      case comparison::le:
        return less_equal(rt_, a, b);
      case comparison::gt:
        return less(rt_, b, a, ">");
      case comparison::ge:
        return less_equal(rt_, b, a, ">=");
      case comparison::in:
        return contains(rt_, b, a);
      default:
        return !contains(rt_, b, a);
    }
  }

  value evaluate_item(const item_expression& i) {
    const value object = evaluate(*i.object);
    if (i.key->kind != expression_kind::slice) return get_subscript(rt_, object, evaluate(*i.key));
    const auto& s = static_cast<const slice_expression&>(*i.key);
    const value start = s.start ? evaluate(*s.start) : value(), stop = s.stop ? evaluate(*s.stop) : value();
    return slice(rt_, object, start, stop, s.step ? evaluate(*s.step) : value());
  }

  arguments evaluate_arguments(const call_arguments& a) {
    arguments out;
    out.positional = evaluate_all(a.positional);
    for (const auto& [name, e] : a.keyword) out.keyword.emplace_back(name, evaluate(*e));
    if (a.star)
      for (auto& item : to_items(rt_, evaluate(*a.star))) out.positional.push_back(std::move(item));
    if (a.double_star) {
      const value more = evaluate(*a.double_star);
      require_defined(more);
      if (!more.is(kind::dict)) runtime::fail(cat("argument after ** must be a mapping, not ", type_name(more)));
      for (const auto& [key, item] : more.entries().items) {
        if (!key.is_string()) runtime::fail("keywords must be strings");
        for (const auto& other : out.keyword)
          if (other.first == key.text())
            runtime::fail(cat("got multiple values for keyword argument '", key.text(), "'"));
        out.keyword.emplace_back(key.text(), item);
        rt_.spend(out.keyword.size());
      }
    }
    return out;
  }

  value evaluate_call(const call_expression& c, const value* caller) {
    const value callee = evaluate(*c.callee);
    arguments args = evaluate_arguments(c.arguments);
    if (caller) args.keyword.emplace_back("caller", *caller);
    rt_.line = c.line;
    require_defined(callee);
    if (callee.is(kind::callable)) return callee.as<callable_object>().call(rt_, args);
    value out;
    if (callee.is(kind::opaque) && callee.as<opaque_object>().call(rt_, args, out)) return out;
    runtime::fail(cat("'", type_name(callee), "' object is not callable"));
  }

  value evaluate_filter(const filter_expression& f, const value* block_text) {
    const value subject = f.subject && !(block_text && f.subject->kind == expression_kind::filter)
                              ? evaluate(*f.subject)
                          : f.subject ? evaluate_filter(static_cast<const filter_expression&>(*f.subject), block_text)
                                      : *block_text;
    arguments args = evaluate_arguments(f.arguments);
    rt_.line = f.line;
    return call_filter(rt_, f.name, subject, args);
  }

  value evaluate_test(const filter_expression& t) {
    const value subject = evaluate(*t.subject);
    arguments args = evaluate_arguments(t.arguments);
    rt_.line = t.line;
    return call_test(rt_, t.name, subject, args);
  }

  runtime& rt_;
  const template_tree& tree_;
  const value& variables_;
  std::string text_;            // the finished part of the output
  std::string* out_ = nullptr;  // where output goes now: text_, or the buffer of a macro or block
  scope_ptr scope_, root_;
  std::vector<scope_ptr> kept_;
  std::vector<span> spans_;
  std::size_t counted_bytes_ = 0, counted_chars_ = 0;
  bool in_block_ = false;
};

}  // namespace hft::detail::jinja
