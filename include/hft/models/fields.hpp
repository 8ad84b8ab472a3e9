// The fields of a config, listed once:
//
//   void fields(field_visitor& v) {
//     v("hidden_size", hidden_size, v.extent.gguf("embedding_length"));
//     v("vision_config", vision_config);  // a config inside a config
//   }
//
// name, place, range and GGUF key. Reader, writer, range check and GGUF reader are visitors of that list, compiled once
// whatever the number of configs. check() of a config keeps the rules between fields.
#pragma once
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/utf8.hpp>
#include <hft/layers/rope_scaling.hpp>
#include <hft/linkage.hpp>
#include <hft/ops/activation_kind.hpp>
#include <hft/short_string.hpp>

namespace hft {

/// Token ids of a config: JSON's null, one number, or a list.
struct TokenIds {
  std::vector<i64> ids;

  constexpr TokenIds() = default;
  TokenIds(i64 id) : ids{id} {}  // NOLINT: an id is a list of one
  TokenIds(std::initializer_list<i64> list) : ids(list) {}
  explicit TokenIds(std::vector<i64> list) : ids(std::move(list)) {}
  bool empty() const { return ids.empty(); }
  bool contains(i64 id) const {
    for (i64 i : ids)
      if (i == id) return true;
    return false;
  }
  friend bool operator==(const TokenIds&, const TokenIds&) = default;
};

/// The labels of a classification head: `id2label`, or only their number (`num_labels`), whose names are then LABEL_0,
/// ...
struct ClassLabels {
  std::vector<std::string> names = {};  // empty: Transformers' default, LABEL_0 and LABEL_1
  isize count() const { return names.empty() ? 2 : isize(names.size()); }
  std::string name(isize i) const { return names.empty() ? detail::cat("LABEL_", i) : names[std::size_t(i)]; }
  /// The place of a name (label2id); -1 where there is none.
  isize find(std::string_view label) const {
    for (isize i = 0; i < count(); ++i)
      if (name(i) == label) return i;
    return -1;
  }
};

/// Height and width: JSON's number, for both, or a list of the two.
struct ImageSize {
  isize height, width;

  constexpr ImageSize(isize side) : height(side), width(side) {}  // NOLINT: a number is a square
  constexpr ImageSize(isize h, isize w) : height(h), width(w) {}
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

/// JSON's number, or text in its place.
struct NumberOrText {
  isize number = 0;
  short_string text = {};  // empty: it is a number

  constexpr NumberOrText(isize n) : number(n) {}  // NOLINT
};

/// Kinds of layers, in lists that are repeated: [[["global", "local"], 12]] (GPT-Neo).
struct LayerRuns {
  std::vector<std::pair<std::vector<std::string>, isize>> runs;

  /// The kind of each layer; no more of them than any model has.
  std::vector<std::string> layers() const;
};

/// What is known of a field beside its place.
struct field_rule {
  f64 least = -std::numeric_limits<f64>::infinity(), most = std::numeric_limits<f64>::infinity();
  const char* expected = nullptr;   // the range in words; null: "LEAST to MOST"
  const char* gguf_key = nullptr;   // below the architecture's name
  const char* also_name = nullptr;  // the field's name in other architectures, read here, too (attribute_map)
  bool is_old = false;              // a spelling of older files, read and not written; listed before today's
  bool null_if_empty = false;       // a list that is written as null where it is empty, else not at all
  bool if_set = false;              // an optional field that is not written where it has no value

  bool bounded() const { return std::isfinite(least) || std::isfinite(most); }
  constexpr field_rule gguf(const char* key) const {
    field_rule r = *this;
    r.gguf_key = key;
    return r;
  }
  constexpr field_rule also(const char* name) const {
    field_rule r = *this;
    r.also_name = name;
    return r;
  }
  constexpr field_rule written_as_null() const {
    field_rule r = *this;
    r.null_if_empty = true;
    return r;
  }
  constexpr field_rule written_if_set() const {
    field_rule r = *this;
    r.if_set = true;
    return r;
  }
};

class field_visitor;

/// A config inside a config.
struct nested_config {
  void* config;
  void (*fields)(void* config, field_visitor&);
};

/// Where a field lies.
using field_place = std::variant<isize*, f64*, bool*, short_string*, std::string*, std::optional<isize>*,
                                 std::optional<f64>*, std::optional<bool>*, std::optional<short_string>*,
                                 std::vector<isize>*, std::vector<f64>*, std::vector<std::string>*, TokenIds*,
                                 ImageSize*, NumberOrText*, ClassLabels*, RopeParameters*, LayerRuns*, nested_config>;

/// Walks the fields of a config in the order of its list.
class field_visitor {
 public:
  virtual ~field_visitor() = default;

  // Extents beyond this are no model's; the product of a few of them still fits an isize.
  static constexpr f64 largest_extent = f64(isize(1) << 28);
  // Layers are built before the file's tensors are compared with them, so their number is bounded by what any model
  // has.
  static constexpr field_rule anything{}, extent{1, largest_extent}, layers{0, 4096}, rate{0, 1, "0 to 1"},
      not_negative{0, std::numeric_limits<f64>::infinity(), "a number of at least 0"}, old{.is_old = true};

  template <class T>
  void operator()(const char* name, T& field, const field_rule& rule = anything) {
    if constexpr (requires { field.fields(*this); })
      on_field(name, nested_config{&field, [](void* c, field_visitor& v) { static_cast<T*>(c)->fields(v); }}, rule);
    else
      on_field(name, &field, rule);
  }

 protected:
  virtual void on_field(const char* name, field_place field, const field_rule& rule) = 0;
};

/// A config with its type erased.
struct config_ref {
  const char* model_type;
  nested_config config;
  void (*check_rules)(const void*);  // between fields

  template <class Config>
  explicit config_ref(Config& c)
      : model_type(Config::model_type),
        config{&c, [](void* p, field_visitor& v) { static_cast<Config*>(p)->fields(v); }},
        check_rules([](const void* p) { static_cast<const Config*>(p)->check(); }) {}
  template <class Config>
  static config_ref of(const Config& c) {  // the visitors of whoever takes a const config change nothing
    return config_ref(const_cast<Config&>(c));
  }

  void fields(field_visitor& v) const { config.fields(config.config, v); }
};

namespace detail {
inline constexpr isize most_labels = 1 << 16;
}

/// Throws config_error, naming the model_type, for a field out of its range, or for what check() of the config finds.
void check_config(config_ref config);

/// Sets the integer or boolean field that has this name, or this one in other architectures; returns whether there is
/// one.
bool set_field(config_ref config, std::string_view name, isize value);
/// The same of its value.
std::optional<isize> get_field(config_ref config, std::string_view name);

/// Whether a config has a field of that name, or one that has this name in other architectures.
bool has_field(config_ref config, std::string_view name);

/// The labels of a config; nothing where it has none.
std::optional<ClassLabels> get_labels(config_ref config);
/// Gives a config other labels. Throws config_error for a config without, or for more labels than any has.
void set_labels(config_ref config, ClassLabels labels, std::string_view where);

/// The activation that a config names; throws config_error for an unknown one.
Activation find_activation(std::string_view name, const char* where);

/// Throws config_error unless a head's size divides the model's.
void check_divides(const char* where, const char* parts_name, isize parts, const char* whole_name, isize whole);

#if HFT_DEFINES(MODELS)

namespace detail {

/// Throws for the first field out of its range.
class range_check final : public field_visitor {
 public:
  explicit range_check(const char* where) : where_(where) {}

 private:
  void on_field(const char* name, field_place field, const field_rule& rule) override {
    std::visit([&](auto place) { check(name, place, rule); }, field);
  }

  template <class T>
  void check(const char* name, const T* field, const field_rule& rule) {
    if constexpr (std::is_same_v<T, isize> || std::is_same_v<T, f64>)
      if (rule.bounded() && !(f64(*field) >= rule.least && f64(*field) <= rule.most))
        throw config_error(where_, name,
                           rule.expected ? message(rule.expected) : joined(isize(rule.least), " to ", isize(rule.most)),
                           joined(*field));
  }
  void check(const char* name, const ImageSize* field, const field_rule& rule) {
    check(name, &field->height, rule), check(name, &field->width, rule);
  }
  template <class T>
  void check(const char* name, const std::optional<T>* field, const field_rule& rule) {
    if (*field) check(name, &**field, rule);
  }
  void check(const char*, nested_config inner, const field_rule&) { inner.fields(inner.config, *this); }

  const char* where_;
};

/// Finds an integer or boolean field by its name.
class field_finder final : public field_visitor {
 public:
  explicit field_finder(std::string_view name) : name_(name) {}
  bool found = false;
  isize* integer = nullptr;  // of an optional one its value
  bool* boolean = nullptr;
  ClassLabels* labels = nullptr;

 private:
  void on_field(const char* name, field_place field, const field_rule& rule) override {
    if (name != name_ && (!rule.also_name || rule.also_name != name_)) return;
    found = true;
    if (auto* i = std::get_if<isize*>(&field)) integer = *i;
    if (auto* i = std::get_if<std::optional<isize>*>(&field); i && **i) integer = &***i;
    if (auto* b = std::get_if<bool*>(&field)) boolean = *b;
    if (auto* l = std::get_if<ClassLabels*>(&field)) labels = *l;
  }
  std::string_view name_;
};

}  // namespace detail

HFT_INLINE_ONCE std::vector<std::string> LayerRuns::layers() const {
  std::vector<std::string> all;
  for (const auto& [kinds, times] : runs)
    for (isize i = 0; i < times && f64(all.size()) <= field_visitor::layers.most && !kinds.empty(); ++i)
      all.insert(all.end(), kinds.begin(), kinds.end());
  return all;
}

HFT_INLINE_ONCE void check_config(config_ref config) {
  detail::range_check ranges(config.model_type);
  config.fields(ranges);
  config.check_rules(config.config.config);
}

HFT_INLINE_ONCE bool set_field(config_ref config, std::string_view name, isize value) {
  detail::field_finder found(name);
  config.fields(found);
  if (found.integer) *found.integer = value;
  if (found.boolean) *found.boolean = value != 0;
  return found.integer || found.boolean;
}

HFT_INLINE_ONCE std::optional<isize> get_field(config_ref config, std::string_view name) {
  detail::field_finder found(name);
  config.fields(found);
  if (found.integer) return *found.integer;
  if (found.boolean) return isize(*found.boolean);
  return {};
}

HFT_INLINE_ONCE bool has_field(config_ref config, std::string_view name) {
  detail::field_finder finder(name);
  config.fields(finder);
  return finder.found;
}

HFT_INLINE_ONCE std::optional<ClassLabels> get_labels(config_ref config) {
  detail::field_finder finder("id2label");
  config.fields(finder);
  return finder.labels ? std::optional(*finder.labels) : std::nullopt;
}

HFT_INLINE_ONCE void set_labels(config_ref config, ClassLabels labels, std::string_view where) {
  detail::field_finder finder("id2label");
  config.fields(finder);
  if (!finder.labels || labels.count() > detail::most_labels)
    throw config_error(std::string(where), "labels",
                       finder.labels ? detail::cat("0 to ", detail::most_labels) : std::string("a config with labels"),
                       detail::joined(labels.count()));
  *finder.labels = std::move(labels);
}

HFT_INLINE_ONCE void check_divides(const char* where, const char* parts_name, isize parts, const char* whole_name,
                                   isize whole) {
  if (whole % parts)
    throw config_error(where, "attention heads", detail::joined(parts_name, " to divide ", whole_name),
                       detail::joined(parts, " and ", whole));
}

HFT_INLINE_ONCE Activation find_activation(std::string_view name, const char* where) {
  const auto a = activation_from_name(name);
  if (!a) throw config_error(where, "hidden_act", "an activation of Transformers' ACT2FN", detail::quote_text(name));
  return *a;
}

#endif  // HFT_DEFINES

}  // namespace hft
