// json: a JSON value that is read, edited and written.
//
// Its names are those of nlohmann::ordered_json, which stood here before and which most readers know. It is hft's own
// because a program that loads one model spent three seconds compiling that one: config files need no custom
// allocators, binary formats, pointers or patches.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// Null, a boolean, a number, a string, an array, or an object. Objects keep their keys in the order they were written
/// in; finding a key is linear in their number. Integers are kept as 64 bits, those without sign apart from those with.
/// Members that demand another kind of value than this one throw value_error.
class json {
 public:
  enum class value_t : std::uint8_t {
    null,
    boolean,
    number_integer,
    number_unsigned,
    number_float,
    string,
    array,
    object
  };
  using member = std::pair<std::string, json>;
  using array_t = std::vector<json>;
  using object_t = std::vector<member>;

  json() noexcept {}
  json(std::nullptr_t) noexcept {}  // NOLINT: values convert to json
  template <class T>
  requires std::is_arithmetic_v<T> json(T value)
  noexcept {  // NOLINT
    if constexpr (std::is_same_v<T, bool>)
      type_ = value_t::boolean, boolean_ = value;
    else if constexpr (std::is_floating_point_v<T>)
      type_ = value_t::number_float, float_ = double(value);
    else if constexpr (std::is_unsigned_v<T>)
      type_ = value_t::number_unsigned, unsigned_ = value;
    else
      type_ = value_t::number_integer, integer_ = value;
  }
  json(std::string text) : type_(value_t::string), string_(new std::string(std::move(text))) {}  // NOLINT
  json(std::string_view text) : json(std::string(text)) {}                                       // NOLINT
  json(const char* text) : json(std::string(text)) {}                                            // NOLINT
  json(array_t elements) : type_(value_t::array), array_(new array_t(std::move(elements))) {}    // NOLINT
  template <class A, class B>
  json(const std::pair<A, B>& pair) : json(array_t()) {  // NOLINT
    array_->emplace_back(pair.first);
    array_->emplace_back(pair.second);
  }
  template <class Range>
  requires(requires(const Range& r) {
    r.begin();
    r.size();
  } && !std::is_convertible_v<const Range&, std::string_view>) json(const Range& range)
      : json(array_t()) {  // NOLINT
    if constexpr (requires { typename Range::mapped_type; }) {
      *this = object();
      for (const auto& [key, value] : range) object_->emplace_back(key, json(value));
    } else {
      array_->reserve(range.size());
      for (const auto& element : range) array_->emplace_back(element);
    }
  }
  /// An object where every element is an array of a string and a value, as `{{"a", 1}, {"b", 2}}`; else an array.
  json(std::initializer_list<json> list);
  static json array(std::initializer_list<json> elements = {}) { return array_t(elements); }
  static json object(std::initializer_list<json> members = {});

  json(const json& other) { copy(other); }
  json(json&& other) noexcept : type_(other.type_), unsigned_(other.unsigned_) { other.type_ = value_t::null; }
  json& operator=(json other) noexcept {
    std::swap(type_, other.type_);
    std::swap(unsigned_, other.unsigned_);
    return *this;
  }
  ~json() {
    if (type_ >= value_t::string) destroy();
  }

  value_t type() const noexcept { return type_; }
  bool is_null() const noexcept { return type_ == value_t::null; }
  bool is_boolean() const noexcept { return type_ == value_t::boolean; }
  bool is_number_float() const noexcept { return type_ == value_t::number_float; }
  bool is_number_unsigned() const noexcept { return type_ == value_t::number_unsigned; }
  bool is_number_integer() const noexcept { return type_ == value_t::number_integer || is_number_unsigned(); }
  bool is_number() const noexcept { return is_number_integer() || is_number_float(); }
  bool is_string() const noexcept { return type_ == value_t::string; }
  bool is_array() const noexcept { return type_ == value_t::array; }
  bool is_object() const noexcept { return type_ == value_t::object; }

  /// The value as a bool, a number (converted), a std::string, json, or a vector of these.
  template <class T>
  T get() const {
    if constexpr (std::is_same_v<T, json>) {
      return *this;
    } else if constexpr (std::is_same_v<T, bool>) {
      demand(value_t::boolean, "a boolean");
      return boolean_;
    } else if constexpr (std::is_arithmetic_v<T>) {
      if (type_ == value_t::number_unsigned) return T(unsigned_);
      if (type_ == value_t::number_integer) return T(integer_);
      demand(value_t::number_float, "a number");
      return T(float_);
    } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
      return text();
    } else {
      T out;
      out.reserve(elements().size());
      for (const json& e : elements()) out.push_back(e.template get<typename T::value_type>());
      return out;
    }
  }
  /// The value itself: std::string&, array_t& or object_t&.
  template <class Reference>
  Reference get_ref() const {
    using T = std::remove_cvref_t<Reference>;
    static_assert(std::is_const_v<std::remove_reference_t<Reference>>,
                  "hft: a json that is const gives references to const");
    if constexpr (std::is_same_v<T, std::string>)
      return text();
    else if constexpr (std::is_same_v<T, array_t>)
      return elements();
    else
      return members();
  }
  template <class Reference>
  Reference get_ref() {
    using T = std::remove_cvref_t<Reference>;
    return const_cast<T&>(std::as_const(*this).template get_ref<const T&>());
  }

  /// Of an array or an object the number of its elements; 0 of null, 1 of anything else.
  std::size_t size() const noexcept {
    return is_array() ? array_->size() : is_object() ? object_->size() : std::size_t(!is_null());
  }
  bool empty() const noexcept { return size() == 0; }

  /// The element of an array; throws value_error beyond its end.
  const json& at(std::size_t i) const {
    if (i >= elements().size())
      throw value_error("json", "index", detail::joined("less than ", array_->size()), detail::joined(i));
    return (*array_)[i];
  }
  json& at(std::size_t i) { return const_cast<json&>(std::as_const(*this).at(i)); }
  /// The member of an object; throws value_error where there is none.
  const json& at(std::string_view key) const {
    if (const json* value = lookup(key)) return *value;
    throw value_error("json", detail::joined("the key '", key, "'"), "in the object");
  }
  json& at(std::string_view key) { return const_cast<json&>(std::as_const(*this).at(key)); }
  template <class I>
  requires std::is_integral_v<I>
  const json& operator[](I i) const { return at(std::size_t(i)); }
  template <class I>
  requires std::is_integral_v<I> json& operator[](I i) { return at(std::size_t(i)); }
  const json& operator[](std::string_view key) const { return at(key); }
  const json& operator[](const char* key) const { return at(key); }
  /// The member of an object, which it gets as null where it had none; null becomes an object.
  json& operator[](std::string_view key) {
    if (is_null()) *this = object();
    if (const json* value = lookup(key)) return const_cast<json&>(*value);
    return object_->emplace_back(std::string(key), json()).second;
  }
  json& operator[](const char* key) { return (*this)[std::string_view(key)]; }

  bool contains(std::string_view key) const { return is_object() && lookup(key); }
  /// The member of an object as a T, or `fallback` where it has none.
  template <class T>
  T value(std::string_view key, T fallback) const {
    const json* found = lookup(key);
    return found ? found->get<T>() : fallback;
  }
  std::string value(std::string_view key, const char* fallback) const { return value(key, std::string(fallback)); }

  /// Appends to an array; null becomes one.
  void push_back(json element) {
    if (is_null()) *this = array();
    elements();
    array_->push_back(std::move(element));
  }
  template <class T>
  json& emplace_back(T&& element) {
    push_back(json(std::forward<T>(element)));
    return array_->back();
  }
  /// Removes a member; returns how many there were.
  std::size_t erase(std::string_view key) {
    members();
    return std::erase_if(*object_, [&](const member& m) { return m.first == key; });
  }
  void erase(std::size_t i) {
    at(i);
    array_->erase(array_->begin() + std::ptrdiff_t(i));
  }
  /// Takes over the members of another object.
  void update(const json& other) {
    for (const auto& [key, value] : other.members()) (*this)[key] = value;
  }

  /// The elements of an array, the values of an object; nothing of anything else.
  template <class Json>
  class basic_iterator {
   public:
    using value_type = json;
    using difference_type = std::ptrdiff_t;
    using reference = Json&;
    using pointer = Json*;
    using iterator_category = std::forward_iterator_tag;

    basic_iterator() = default;
    reference operator*() const { return member_ ? const_cast<Json&>(member_->second) : *element_; }
    pointer operator->() const { return &**this; }
    const std::string& key() const { return member_->first; }  // of an object's
    reference value() const { return **this; }
    basic_iterator& operator++() {
      if (member_)
        ++member_;
      else
        ++element_;
      return *this;
    }
    basic_iterator operator++(int) {
      auto old = *this;
      ++*this;
      return old;
    }
    friend bool operator==(const basic_iterator&, const basic_iterator&) = default;

   private:
    friend json;
    template <class>
    friend class basic_iterator;
    basic_iterator(Json* element, const member* m) : element_(element), member_(m) {}
    Json* element_ = nullptr;
    const member* member_ = nullptr;
  };
  using iterator = basic_iterator<json>;
  using const_iterator = basic_iterator<const json>;
  iterator begin() { return at_position<json>(0); }
  iterator end() { return at_position<json>(size()); }
  const_iterator begin() const { return at_position<const json>(0); }
  const_iterator end() const { return at_position<const json>(size()); }
  /// The member of an object, or end().
  const_iterator find(std::string_view key) const {
    const auto& all = members();
    std::size_t i = 0;
    while (i < all.size() && all[i].first != key) ++i;
    return at_position<const json>(i);
  }
  iterator find(std::string_view key) {
    const auto found = std::as_const(*this).find(key);
    return {nullptr, found.member_};
  }
  /// The members of an object, for `for (const auto& [key, value] : object.items())`.
  const object_t& items() const& { return members(); }
  const object_t& items() const&& = delete;  // a loop over the members of a temporary would outlive them

  /// Text on one line, as json.dumps writes it; io/json.hpp's dump has more to choose from.
  std::string dump() const;
  /// Parses text as io/json.hpp's parse_json does.
  static json parse(std::string_view text);

  /// Writes dump() to a standard stream, which this header does not include.
  template <class Stream>
  requires requires(Stream& out) { out.rdbuf(); }
  friend Stream& operator<<(Stream& out, const json& value) {
    out << value.dump();
    return out;
  }

  /// Numbers are equal by value, objects whatever the order of their keys.
  friend bool operator==(const json& a, const json& b) { return a.equals(b); }
  template <class T>
  requires(std::is_arithmetic_v<T> || std::is_convertible_v<T, std::string_view> ||
           std::is_same_v<T, std::nullptr_t>) friend bool
  operator==(const json& a, const T& b) {
    return a.equals(json(b));
  }

 private:
  void demand(value_t type, const char* expected) const {
    if (type_ != type) fail(expected);
  }
  [[noreturn]] void fail(const char* expected) const;
  const std::string& text() const {
    demand(value_t::string, "a string");
    return *string_;
  }
  const array_t& elements() const {
    demand(value_t::array, "an array");
    return *array_;
  }
  const object_t& members() const {
    demand(value_t::object, "an object");
    return *object_;
  }
  const json* lookup(std::string_view key) const {
    for (const auto& [name, value] : members())
      if (name == key) return &value;
    return nullptr;
  }
  template <class Json>
  basic_iterator<Json> at_position(std::size_t i) const {
    if (is_object()) return {nullptr, object_->data() + i};
    return {is_array() ? const_cast<Json*>(array_->data() + i) : nullptr, nullptr};
  }

  void copy(const json& other);
  void destroy();
  bool equals(const json& b) const;

  value_t type_ = value_t::null;
  union {
    std::uint64_t unsigned_ = 0;
    std::int64_t integer_;
    double float_;
    bool boolean_;
    std::string* string_;
    array_t* array_;
    object_t* object_;
  };
};

#if HFT_DEFINES(MODELS)

[[gnu::cold, gnu::noinline]] HFT_INLINE void json::fail(const char* expected) const {
  constexpr const char* names[] = {"null",     "a boolean", "an integer", "an integer",
                                   "a number", "a string",  "an array",   "an object"};
  throw value_error("json", "", expected, names[std::size_t(type_)]);
}

[[gnu::noinline]] HFT_INLINE void json::copy(const json& other) {
  switch (other.type_) {
    case value_t::string:
      string_ = new std::string(*other.string_);
      break;
    case value_t::array:
      array_ = new array_t(*other.array_);
      break;
    case value_t::object:
      object_ = new object_t(*other.object_);
      break;
    default:
      unsigned_ = other.unsigned_;
  }
  type_ = other.type_;
}

[[gnu::noinline]] HFT_INLINE void json::destroy() {
  if (type_ == value_t::string)
    delete string_;
  else if (type_ == value_t::array)
    delete array_;
  else
    delete object_;
}

[[gnu::noinline]] HFT_INLINE bool json::equals(const json& b) const {
  if (is_number() && b.is_number()) {
    if (is_number_float() || b.is_number_float()) return get<double>() == b.get<double>();
    const bool negative = type_ == value_t::number_integer && integer_ < 0;
    const bool b_negative = b.type_ == value_t::number_integer && b.integer_ < 0;
    return negative == b_negative && unsigned_ == b.unsigned_;
  }
  if (type_ != b.type_) return false;
  switch (type_) {
    case value_t::null:
      return true;
    case value_t::boolean:
      return boolean_ == b.boolean_;
    case value_t::string:
      return *string_ == *b.string_;
    case value_t::array:
      return *array_ == *b.array_;
    default:
      break;
  }
  if (size() != b.size()) return false;
  for (const auto& [key, value] : *object_) {
    const json* other = b.lookup(key);
    if (!other || !value.equals(*other)) return false;
  }
  return true;
}

HFT_INLINE json json::object(std::initializer_list<json> members) {
  json out;
  out.type_ = value_t::object;
  out.object_ = new object_t;
  for (const json& m : members) {
    if (m.size() != 2 || !m[0].is_string()) throw value_error("json", "object", "pairs of a string and a value");
    out.object_->emplace_back(*m[0].string_, m[1]);
  }
  return out;
}

HFT_INLINE json::json(std::initializer_list<json> list) {
  bool pairs = true;
  for (const json& e : list)
    pairs = pairs && e.type_ == value_t::array && e.array_->size() == 2 && (*e.array_)[0].is_string();
  *this = pairs ? object(list) : array(list);
}

#endif  // HFT_DEFINES

}  // namespace hft
