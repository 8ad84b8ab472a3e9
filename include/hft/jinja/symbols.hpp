// Where every variable lives: jinja2.idtracking and the scoping half of its compiler.
//
// A template's scopes are those of the Python functions and blocks that jinja2 compiles it to. Within one scope a name
// has one place, which starts as a parameter, as an alias of the name further out, as a look-up in the context, or as
// undefined. `if` opens no scope; for, with, macro, call, filter, set blocks and generation do. Assignments inside a
// scope are not seen outside: the reason that templates need namespace().
#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <hft/jinja/ast.hpp>
#include <hft/jinja/lexer.hpp>

namespace hft::detail::jinja {

/// The names that filters and tests are looked up in.
struct known_names {
  bool (*filter)(std::string_view);
  bool (*test)(std::string_view);
};

class resolver {
 public:
  explicit resolver(known_names known) : known_(known) {}

  void run(template_tree& tree) {
    frame root(nullptr);
    root.analyze(tree.body);
    root.root = true;
    resolve(tree.body, root);
    tree.scope = root.info();
  }

 private:
  /// A variable: slot `slot` of the scope `up` levels out; slot -1 where there is none.
  struct place {
    int up, slot;
  };
  static constexpr place nowhere{0, -1};

  /// jinja2's Symbols together with the flags of its Frame.
  struct frame {
    explicit frame(frame* outer, bool function = false) : parent(outer) {
      // a new function, as for a macro, ends what break and continue can reach
      in_loop = outer && !function && outer->in_loop;
    }

    frame* parent;
    std::vector<variable> variables;
    std::map<std::string, int, std::less<>> places;
    std::set<std::string, std::less<>> stores;
    bool in_loop = false, soft = false, root = false;

    place find(std::string_view name) const {
      int up = 0;
      for (const frame* f = this; f; f = f->parent, ++up)
        if (const auto it = f->places.find(name); it != f->places.end()) return {up, it->second};
      return nowhere;
    }

    scope_info info() const { return {variables}; }

    void define(const std::string& name, variable::origin from, place outer = nowhere) {
      const auto [it, fresh] = places.try_emplace(name, static_cast<int>(variables.size()));
      if (fresh) variables.emplace_back();
      variables[std::size_t(it->second)] = {name, from, outer.up, outer.slot};
    }
    int declare_parameter(const std::string& name) {
      stores.insert(name);
      define(name, variable::origin::parameter);
      return places.find(name)->second;
    }
    void load(const std::string& name) {
      if (find(name).slot < 0) define(name, variable::origin::resolve);
    }
    void store(const std::string& name) {
      stores.insert(name);
      if (places.count(name)) return;
      const place outer = find(name);
      define(name, outer.slot < 0 ? variable::origin::undefined : variable::origin::alias, outer);
    }

    // -- FrameSymbolVisitor: what the statements of this scope load and store, in their order --

    void analyze(const statements& body) {
      for (const auto& s : body) analyze(*s);
    }

    void analyze(const expression* e, bool as_parameter = false) {
      if (!e) return;
      switch (e->kind) {
        case expression_kind::name: {
          const auto& n = static_cast<const name_expression&>(*e);
          if (as_parameter || n.context == name_expression::use::parameter)
            declare_parameter(n.name);
          else if (n.context == name_expression::use::store)
            store(n.name);
          else
            load(n.name);
          break;
        }
        case expression_kind::namespace_ref:
          load(static_cast<const namespace_ref_expression&>(*e).name);
          break;
        default:
          each_child(*e, [&](const expression* child) { analyze(child, as_parameter); });
      }
    }

    void analyze(const statement& s) {
      switch (s.kind) {
        case statement_kind::output:
          for (const auto& e : static_cast<const output_statement&>(s).items) analyze(e.get());
          break;
        case statement_kind::loop:
          analyze(static_cast<const loop_statement&>(s).iterable.get());
          break;
        case statement_kind::condition:
          analyze_condition(static_cast<const condition_statement&>(s));
          break;
        case statement_kind::assign:
          analyze(static_cast<const assign_statement&>(s).content.get());
          analyze(static_cast<const assign_statement&>(s).target.get());
          break;
        case statement_kind::assign_block:
          analyze(static_cast<const assign_block_statement&>(s).target.get());
          break;
        case statement_kind::macro:
          store(static_cast<const macro_statement&>(s).name);
          break;
        case statement_kind::call_block:
          analyze(static_cast<const macro_statement&>(s).call.get());
          break;
        case statement_kind::filter_block:
          analyze(static_cast<const filter_block_statement&>(s).filter.get());
          break;
        case statement_kind::with:
          for (const auto& e : static_cast<const with_statement&>(s).contents) analyze(e.get());
          break;
        default:
          break;
      }
    }

    void analyze_condition(const condition_statement& s) {
      analyze(s.branches[0].first.get());
      const frame before = *this;
      std::vector<frame> branches;
      const auto branch = [&](const auto& visit) {
        frame copy = before;
        copy.variables = variables;  // places are shared by all branches, so that a name has one slot
        copy.places = places;
        std::set<std::string, std::less<>> hidden;
        for (const auto& [name, slot] : places)
          if (!before.places.count(name)) hidden.insert(name);
        copy.hide(hidden);
        visit(copy);
        merge(copy);
        branches.push_back(std::move(copy));
      };
      branch([&](frame& f) { f.analyze(s.branches[0].second); });
      branch([&](frame& f) {
        for (std::size_t i = 1; i < s.branches.size(); ++i) {
          f.analyze(s.branches[i].first.get());
          f.analyze(s.branches[i].second);
        }
      });
      branch([&](frame& f) { f.analyze(s.otherwise); });
      for (const frame& f : branches)
        for (const auto& name : f.stores) {
          stores.insert(name);
          if (before.stores.count(name)) continue;
          // not assigned on every path: the value from further out stands in
          const place outer = parent ? parent->find(name) : nowhere;
          define(name, outer.slot < 0 ? variable::origin::resolve : variable::origin::alias, up_one(outer));
        }
    }

   private:
    static place up_one(place p) { return p.slot < 0 ? p : place{p.up + 1, p.slot}; }

    /// Forgets names that only a sister branch has seen, but keeps their slots.
    void hide(const std::set<std::string, std::less<>>& names) {
      for (const auto& name : names) places.erase(name);
    }
    void merge(const frame& branch) {
      for (const auto& [name, slot] : branch.places) {
        const variable& v = branch.variables[std::size_t(slot)];
        define(name, v.from, {v.up, v.slot});
      }
    }
  };

  template <class Visit>
  static void each_argument(const call_arguments& args, Visit visit) {
    for (const auto& a : args.positional) visit(a.get());
    for (const auto& a : args.keyword) visit(a.second.get());
    visit(args.star.get());
    visit(args.double_star.get());
  }

  /// The children of an expression in jinja2's order; null where a part is left out.
  template <class Visit>
  static void each_child(const expression& e, Visit visit) {
    switch (e.kind) {
      case expression_kind::list:
      case expression_kind::tuple:
      case expression_kind::concat:
        for (const auto& item : static_cast<const sequence_expression&>(e).items) visit(item.get());
        break;
      case expression_kind::dict:
        for (const auto& item : static_cast<const dict_expression&>(e).items)
          visit(item.first.get()), visit(item.second.get());
        break;
      case expression_kind::unary:
        visit(static_cast<const unary_expression&>(e).operand.get());
        break;
      case expression_kind::binary:
      case expression_kind::logical:
        visit(static_cast<const binary_expression&>(e).left.get());
        visit(static_cast<const binary_expression&>(e).right.get());
        break;
      case expression_kind::compare:
        visit(static_cast<const compare_expression&>(e).first.get());
        for (const auto& r : static_cast<const compare_expression&>(e).rest) visit(r.second.get());
        break;
      case expression_kind::conditional: {
        const auto& c = static_cast<const conditional_expression&>(e);
        visit(c.test.get()), visit(c.then.get()), visit(c.otherwise.get());
        break;
      }
      case expression_kind::attribute:
        visit(static_cast<const attribute_expression&>(e).object.get());
        break;
      case expression_kind::item:
        visit(static_cast<const item_expression&>(e).object.get());
        visit(static_cast<const item_expression&>(e).key.get());
        break;
      case expression_kind::slice: {
        const auto& s = static_cast<const slice_expression&>(e);
        visit(s.start.get()), visit(s.stop.get()), visit(s.step.get());
        break;
      }
      case expression_kind::call:
        visit(static_cast<const call_expression&>(e).callee.get());
        each_argument(static_cast<const call_expression&>(e).arguments, visit);
        break;
      case expression_kind::filter:
      case expression_kind::test:
        visit(static_cast<const filter_expression&>(e).subject.get());
        each_argument(static_cast<const filter_expression&>(e).arguments, visit);
        break;
      default:
        break;
    }
  }

  // ---- which special names a body reads (find_undeclared) ----

  struct reads {
    std::set<std::string, std::less<>> wanted, found;

    void in(const expression* e) {
      if (!e) return;
      if (e->kind == expression_kind::name) {
        const auto& n = static_cast<const name_expression&>(*e);
        if (n.context == name_expression::use::load) {
          if (wanted.count(n.name)) found.insert(n.name);
        } else {
          wanted.erase(n.name);
        }
        return;
      }
      each_child(*e, [&](const expression* child) { in(child); });
    }
    void in(const statements& body) {
      for (const auto& s : body) in(*s);
    }
    void in(const statement& s) {
      switch (s.kind) {
        case statement_kind::output:
          for (const auto& e : static_cast<const output_statement&>(s).items) in(e.get());
          break;
        case statement_kind::loop: {
          const auto& l = static_cast<const loop_statement&>(s);
          in(l.target.get()), in(l.iterable.get()), in(l.body), in(l.otherwise), in(l.test.get());
          break;
        }
        case statement_kind::condition: {
          const auto& c = static_cast<const condition_statement&>(s);
          for (const auto& [test, body] : c.branches) in(test.get()), in(body);
          in(c.otherwise);
          break;
        }
        case statement_kind::assign:
          in(static_cast<const assign_statement&>(s).target.get());
          in(static_cast<const assign_statement&>(s).content.get());
          break;
        case statement_kind::assign_block:
          in(static_cast<const assign_block_statement&>(s).target.get());
          in(static_cast<const assign_block_statement&>(s).filter.get());
          in(static_cast<const body_statement&>(s).body);
          break;
        case statement_kind::macro:
        case statement_kind::call_block: {
          const auto& m = static_cast<const macro_statement&>(s);
          in(m.call.get());
          for (const auto& p : m.parameters) in(p.get());
          for (const auto& d : m.defaults) in(d.get());
          in(m.body);
          break;
        }
        case statement_kind::filter_block:
          in(static_cast<const body_statement&>(s).body);
          in(static_cast<const filter_block_statement&>(s).filter.get());
          break;
        case statement_kind::with: {
          const auto& w = static_cast<const with_statement&>(s);
          for (const auto& t : w.targets) in(t.get());
          for (const auto& c : w.contents) in(c.get());
          in(w.body);
          break;
        }
        case statement_kind::generation:
        case statement_kind::scope:
          in(static_cast<const body_statement&>(s).body);
          break;
        default:
          break;
      }
    }
  };

  static bool body_reads(const statements& body, const char* name) {
    reads r{{name}, {}};
    r.in(body);
    return !r.found.empty();
  }

  // ---- resolution ----

  void place_name(expression& e, const frame& f) const {
    if (e.kind == expression_kind::name) {
      auto& n = static_cast<name_expression&>(e);
      if (loops_ && n.context == name_expression::use::store && n.name == "loop")
        throw syntax_failure{"Can't assign to special loop variable in for-loop target", e.line};
      const auto p = f.find(n.name);
      n.up = p.up, n.slot = p.slot;
    } else {
      auto& n = static_cast<namespace_ref_expression&>(e);
      const auto p = f.find(n.name);
      n.up = p.up, n.slot = p.slot;
    }
  }

  void resolve(const expression* e, const frame& f, bool soft) const {
    if (!e) return;
    if (e->kind == expression_kind::name || e->kind == expression_kind::namespace_ref) {
      place_name(const_cast<expression&>(*e), f);
      return;
    }
    if (e->kind == expression_kind::filter || e->kind == expression_kind::test) {
      const auto& name = static_cast<const filter_expression*>(e)->name;
      const bool is_filter = e->kind == expression_kind::filter;
      if (!soft && !(is_filter ? known_.filter : known_.test)(name))
        throw syntax_failure{cat("No ", is_filter ? "filter" : "test", " named '", name, "'."), e->line};
    }
    // a filter that is missing may stand where it is perhaps not reached
    const bool inner_soft = soft || e->kind == expression_kind::conditional;
    each_child(*e, [&](const expression* child) { resolve(child, f, inner_soft); });
  }
  void resolve(const expression_ptr& e, const frame& f) const { resolve(e.get(), f, f.soft); }

  void resolve(statements& body, frame& f) {
    for (auto& s : body) resolve(*s, f);
  }

  void resolve(statement& s, frame& f) {
    switch (s.kind) {
      case statement_kind::output:
        for (auto& e : static_cast<output_statement&>(s).items) resolve(e, f);
        break;
      case statement_kind::loop:
        resolve_loop(static_cast<loop_statement&>(s), f);
        break;
      case statement_kind::condition: {
        auto& c = static_cast<condition_statement&>(s);
        const bool soft = std::exchange(f.soft, true);
        for (auto& [test, body] : c.branches) resolve(test, f), resolve(body, f);
        resolve(c.otherwise, f);
        f.soft = soft;
        break;
      }
      case statement_kind::assign:
        resolve(static_cast<assign_statement&>(s).target, f);
        resolve(static_cast<assign_statement&>(s).content, f);
        break;
      case statement_kind::assign_block: {
        auto& a = static_cast<assign_block_statement&>(s);
        frame inner(&f);
        inner.analyze(a.body);
        resolve(a.body, inner);
        resolve(a.target, f);
        if (a.filter) {
          analyze_missing(*a.filter, inner);
          resolve(a.filter, inner);
        }
        a.scope = inner.info();
        break;
      }
      case statement_kind::macro: {
        auto& m = static_cast<macro_statement&>(s);
        resolve_macro(m, f);
        const auto p = f.find(m.name);
        m.up = p.up, m.slot = p.slot;
        break;
      }
      case statement_kind::call_block: {
        auto& m = static_cast<macro_statement&>(s);
        resolve_macro(m, f);
        resolve(m.call, f);
        break;
      }
      case statement_kind::filter_block: {
        auto& b = static_cast<filter_block_statement&>(s);
        frame inner(&f);
        inner.analyze(b.body);
        inner.analyze(b.filter.get());
        resolve(b.body, inner);
        resolve(b.filter, inner);
        b.scope = inner.info();
        break;
      }
      case statement_kind::with: {
        auto& w = static_cast<with_statement&>(s);
        frame inner(&f);
        for (const auto& t : w.targets) inner.analyze(t.get());
        inner.analyze(w.body);
        for (auto& t : w.targets) resolve(t, inner);
        for (auto& c : w.contents) resolve(c, f);
        resolve(w.body, inner);
        w.scope = inner.info();
        break;
      }
      case statement_kind::generation:
      case statement_kind::scope: {
        auto& b = static_cast<body_statement&>(s);
        frame inner(&f, s.kind == statement_kind::generation);
        inner.analyze(b.body);
        resolve(b.body, inner);
        b.scope = inner.info();
        break;
      }
      case statement_kind::block: {
        auto& b = static_cast<block_statement&>(s);
        if (!blocks_.insert(b.name).second) throw syntax_failure{cat("block '", b.name, "' defined twice"), s.line};
        frame inner(nullptr);  // a block sees the context only
        inner.analyze(b.body);
        resolve(b.body, inner);
        b.scope = inner.info();
        break;
      }
      case statement_kind::break_loop:
      case statement_kind::continue_loop:
        if (!f.in_loop)
          throw syntax_failure{
              s.kind == statement_kind::break_loop ? "'break' outside loop" : "'continue' not properly in loop",
              s.line};
        break;
      default:
        break;
    }
  }

  /// The filter of a set block is not analysed by jinja2: a name that only it reads is looked up in the context.
  static void analyze_missing(const expression& e, frame& f) { f.analyze(&e); }

  void resolve_loop(loop_statement& l, frame& f) {
    ++loops_;
    l.extended = l.recursive || body_reads(l.body, "loop");
    frame body(&f, l.recursive), test(&f, true), otherwise(&f, l.recursive);
    body.in_loop = true;
    if (l.extended) l.loop_slot = body.declare_parameter("loop");
    body.analyze(l.target.get(), true);
    body.analyze(l.body);
    resolve(l.iterable, f);
    resolve(l.target, body);
    resolve(l.body, body);
    if (l.test) {
      test.analyze(l.test_target.get(), true);
      test.analyze(l.test.get());
      resolve(l.test_target, test);
      resolve(l.test, test);
      l.test_scope = test.info();
    }
    otherwise.analyze(l.otherwise);
    resolve(l.otherwise, otherwise);
    --loops_;
    l.body_scope = body.info();
    l.otherwise_scope = otherwise.info();
  }

  void resolve_macro(macro_statement& m, frame& f) {
    frame inner(&f, true);
    const auto analyze = [&] {
      for (const auto& p : m.parameters) inner.analyze(p.get());
      for (const auto& d : m.defaults) inner.analyze(d.get());
      inner.analyze(m.body);
    };
    analyze();
    reads special{{"caller", "kwargs", "varargs"}, {}};
    special.in(m.body);
    bool own_kwargs = false, own_varargs = false;
    for (std::size_t i = 0; i < m.parameters.size(); ++i) {
      const auto& name = m.parameters[i]->name;
      own_kwargs |= name == "kwargs";
      own_varargs |= name == "varargs";
      if (name != "caller") continue;
      m.explicit_caller = true;
      if (special.found.count("caller") && i + m.defaults.size() < m.parameters.size())
        throw syntax_failure{"the special \"caller\" argument must be omitted or be given a default", m.line};
    }
    if (special.found.count("caller") && !m.explicit_caller) m.caller_slot = inner.declare_parameter("caller");
    if (special.found.count("kwargs") && !own_kwargs) m.kwargs_slot = inner.declare_parameter("kwargs");
    if (special.found.count("varargs") && !own_varargs) m.varargs_slot = inner.declare_parameter("varargs");
    analyze();
    for (auto& p : m.parameters) place_name(*p, inner);
    for (auto& d : m.defaults) resolve(d, inner);
    resolve(m.body, inner);
    m.scope = inner.info();
  }

  known_names known_;
  std::set<std::string, std::less<>> blocks_;
  int loops_ = 0;  // around the statement that is resolved
};

}  // namespace hft::detail::jinja
