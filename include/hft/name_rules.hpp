// Names as data: what the parameter at a module's path is called in a checkpoint, and back.
//
//   {"layers.*.self_attn.q_proj", "encoder.layer.*.attention.self.query"}
//   {"layers.*.mlp.up_proj", "h.*.mlp.c_fc", stored_as::transposed}
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/linkage.hpp>

namespace hft {

class gguf_file;

/// How a file lays out a weight, beside its name.
enum class stored_as {
  same,
  transposed,  // (in, out), as GPT-2's Conv1D stores a linear layer's
  rope_pairs,  // a head's rows are pairs (2i, 2i + 1), as llama.cpp stores what Transformers has as halves (i, i + D/2)
  row_parts,   // rows lie part by part, those of all groups together, where a parameter has group by group
  column_parts,   // the same of columns
  plus_one,       // as llama.cpp stores a norm's weight that Transformers has as the distance from 1
  after_padding,  // without the first rows, of positions up to that of padding, which stand for nothing
  minus_exp,      // -exp of each value, as llama.cpp stores decays whose logarithm Transformers has
};

/// The first rule whose `ours` (of a name that is read: `theirs`) fits a path's beginning, up to a dot or its end,
/// rewrites it. `*` stands for a number, `@` for a word without a dot; both are kept, several of a kind in their order.
/// Rules are literals: they refer to their text.
struct name_rule {
  std::string_view ours, theirs;
  stored_as stored = stored_as::same;  // of the rule's own weight, not of what lies beneath it
};

/// Whether rows are in another order; a bias has the rows of its weight.
constexpr bool reorders_rows(stored_as s) { return s == stored_as::rope_pairs || s == stored_as::row_parts; }

/// A stretch of rows that a file has part by part (stored_as::row_parts): in so many groups, each of parts of so many
/// rows. Queries, keys and values of two groups of two heads are {2, {2 * D, D, D}}.
struct row_parts {
  isize groups;
  std::vector<isize> rows;
};
/// Which row of the file each row of a parameter is, of stretches one behind the other.
std::vector<isize> stored_rows(std::span<const row_parts> stretches);

/// How several tensors of a file are one parameter: their rows, those of `first` before those of `second`, under the
/// name `whole`. Tensors of more dimensions have the rows of all but the last.
struct join_rule {
  std::string_view whole, first, second;
  bool transposed = false;  // whether the last two dimensions of `first` are swapped
};

/// One value a layer, in an array of a GGUF file's metadata: the parameter of the layer `*` at this path.
struct value_rule {
  std::string_view path, key;
};

namespace detail {
template <std::size_t N>
constexpr std::integral_constant<std::size_t, N> rule_count(const name_rule (&)[N]);
template <std::size_t N>
constexpr std::integral_constant<std::size_t, N> rule_count(const std::array<name_rule, N>&);
}  // namespace detail

/// Tables of rules one after the other.
template <class... Tables>
constexpr auto joined_rules(const Tables&... tables) {
  std::array<name_rule, (decltype(detail::rule_count(tables))::value + ...)> all;
  auto* to = all.data();
  ((to = std::copy_n(std::data(tables), std::size(tables), to)), ...);
  return all;
}

/// The rules of a model that is a part of another: of the paths beneath `ours`, which are beneath `theirs` in a file.
/// A path that no rule fits changes its beginning alone. Of:
///   struct MyPart { static constexpr std::string_view ours = "encoder.bert", theirs = "encoder"; rules = ...; };
template <class Part>
struct rules_beneath {
 private:
  static constexpr auto count = decltype(detail::rule_count(Part::rules))::value;
  static constexpr std::size_t length() {
    std::size_t n = 0;
    for (const name_rule& r : Part::rules)
      n += Part::ours.size() + r.ours.size() + Part::theirs.size() + r.theirs.size() + 2;
    return n;
  }
  // Of each rule, where its two patterns end in the text of all.
  struct texts {
    std::array<char, length()> text = {};
    std::array<std::size_t, 2 * count> ends = {};
  };
  static constexpr texts written() {
    texts out;
    std::size_t at = 0, pattern = 0;
    const auto write = [&](std::string_view front, std::string_view rest) {
      for (const char c : front) out.text[at++] = c;
      out.text[at++] = '.';
      for (const char c : rest) out.text[at++] = c;
      out.ends[pattern++] = at;
    };
    for (const name_rule& r : Part::rules) write(Part::ours, r.ours), write(Part::theirs, r.theirs);
    return out;
  }
  static constexpr texts all = written();
  static constexpr auto made() {
    std::array<name_rule, count + 1> out;
    std::size_t from = 0, pattern = 0;
    const auto next = [&] {
      const std::size_t end = all.ends[pattern++];
      const std::string_view text(all.text.data() + from, end - from);
      from = end;
      return text;
    };
    std::size_t i = 0;
    for (const name_rule& r : Part::rules) {
      out[i].ours = next();
      out[i].theirs = next();
      out[i++].stored = r.stored;
    }
    out[i] = {Part::ours, Part::theirs};
    return out;
  }

 public:
  static constexpr auto rules = made();
};

/// A name by the rules, or nothing where none fits.
struct renamed {
  std::string name;
  stored_as stored = stored_as::same;
};
std::optional<renamed> to_theirs(std::span<const name_rule> rules, std::string_view path);
std::optional<renamed> to_ours(std::span<const name_rule> rules, std::string_view name);

/// How parameters of several modules are one tensor of a file, a slice for each along its first dimension:
///
///   {"layers.*.mlp.experts.*.up_proj.weight", "layers.*.mlp.experts.gate_up_proj", {.part = 1, .parts = 2}}
///
/// `piece` is a parameter's name in the rules' own tongue, whose last `*` is the place of its slice in `whole`. Without
/// one there the file has a first dimension of 1 that the parameter has not.
struct stack_rule {
  std::string_view piece, whole;
  struct layout {
    isize part = 0, parts = 1;  // which of so many parameters the rows of a slice are
    bool alternating = false;   // whether they take turns there, else they lie one behind the other
    bool transposed = false;    // whether a slice of a weight is (in, out)

    /// Whether a parameter's elements lie together.
    bool together() const { return !transposed && (!alternating || parts == 1); }
    /// Where element (row, col) of a parameter (rows, cols) lies in its slice.
    isize place(isize row, isize col, isize rows, isize cols) const {
      const isize r = alternating ? row * parts + part : part * rows + row;
      return transposed ? col * rows * parts + r : r * cols + col;
    }
  } stored = {};
};

/// The parameter in slice `at` of `whole` by a rule, or nothing where it does not fit.
std::optional<std::string> piece_of(const stack_rule& rule, std::string_view whole, isize at);
/// The tensor that a parameter lies in, where there is one.
struct stack_place {
  std::string whole;
  isize at;
  stack_rule::layout stored;
};
std::optional<stack_place> whole_of(std::span<const stack_rule> rules, std::string_view piece);

/// What a model's paths are in its checkpoint. The rules are of the base model's paths, and of a head's; the base model
/// stands in a headed one as `model`, under the name that `base_model_prefix` says.
struct checkpoint_names {
  std::string_view base_model_prefix = "model";
  std::span<const name_rule> rules = {};

  renamed operator()(std::string_view path) const;
};

/// Whether a name fits one of some patterns, in which `*` stands for anything.
bool fits_any(std::span<const std::string_view> patterns, std::string_view name);

/// What tensors of an architecture's files are called: tables of literals.
struct name_tables {
  std::string_view base_model_prefix = "model";     // the base model's name inside the headed one
  std::string_view question_answering_prefix = {};  // the same where the head is for that, if it differs (Llama's like)
  std::span<const std::pair<std::string_view, std::string_view>> prefixes = {};  // by class suffix, where it differs
  std::span<const name_rule> rules = {};         // of the base model's paths, and of heads'
  std::span<const stack_rule> stacks = {};       // from the names that rules give to tensors of several parameters
  std::span<const name_rule> gguf = {};          // from the paths of a headed model to llama.cpp's names
  std::span<const stack_rule> gguf_stacks = {};  // the same of its tensors of several parameters
  std::span<const join_rule> gguf_joins = {};    // its tensors that are one parameter together
  std::span<const value_rule> gguf_values = {};  // parameters that it has in the metadata
  bool gguf_pairs = true;                        // whether its files of this architecture reorder rotary rows
  std::string_view gguf_architecture = {};       // what it calls the architecture, where that is not the model_type
  std::string_view gguf_class = {};              // the suffix of the class that it holds; empty: one that generates
  // Other names of its files, of those that hold one class, and that class's suffix.
  std::span<const std::pair<std::string_view, std::string_view>> gguf_classes = {};
  bool (*gguf_told)(const gguf_file&) =
      nullptr;  // whether a file of that name is this one's, where others have it, too
  std::span<const std::pair<std::string_view, std::string_view>> old_endings = {};  // of older checkpoints, today's
  std::span<const name_rule> other_names = {};         // from today's names to what some files have instead
  std::span<const std::string_view> ignored = {};      // names that are no parameters: buffers of old checkpoints
  std::span<const std::string_view> may_be_left = {};  // paths that a checkpoint may have beyond the model's
  // Linear layers that bitsandbytes leaves as they are, by the ends of their names: _keep_in_fp32_modules of the
  // Transformers class, and those that are a class of their own there.
  std::span<const std::string_view> kept_linear = {};
  // Classes that Transformers does not call after the architecture and the head.
  std::span<const std::pair<std::string_view, std::string_view>> class_suffixes = {};

  /// The base model's name in the class with this suffix.
  constexpr std::string_view prefix_in(std::string_view class_suffix) const {
    for (const auto& [suffix, prefix] : prefixes)
      if (suffix == class_suffix) return prefix;
    return class_suffix == "ForQuestionAnswering" && !question_answering_prefix.empty() ? question_answering_prefix
                                                                                        : base_model_prefix;
  }
  constexpr std::string_view gguf_name(std::string_view model_type) const {
    return gguf_architecture.empty() ? model_type : gguf_architecture;
  }
  /// The suffix of the class that a file of this name holds; empty: one that generates.
  constexpr std::string_view gguf_class_in(std::string_view architecture) const {
    for (const auto& [name, suffix] : gguf_classes)
      if (name == architecture) return suffix;
    return gguf_class;
  }
};

namespace detail {

// What a pattern's signs stand for in a name that fits it, up to a dot or its end.
struct fitting {
  std::vector<std::string_view> numbers = {}, words = {};
  std::string_view rest = {};
};
std::optional<fitting> fit(std::string_view pattern, std::string_view name);
// The name that a pattern is with these, and the rest.
std::string filled(std::string_view pattern, const fitting& with);

}  // namespace detail

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE_ONCE std::optional<fitting> fit(std::string_view pattern, std::string_view name) {
  fitting found;
  std::size_t at = 0;
  for (const char c : pattern) {
    if (c == '*' || c == '@') {
      const auto begin = at;
      while (at < name.size() && (c == '@' ? name[at] != '.' : name[at] >= '0' && name[at] <= '9')) ++at;
      if (at == begin) return {};
      (c == '@' ? found.words : found.numbers).push_back(name.substr(begin, at - begin));
    } else if (at < name.size() && name[at] == c) {
      ++at;
    } else {
      return {};
    }
  }
  if (at < name.size() && name[at] != '.') return {};
  found.rest = name.substr(at);
  return found;
}

HFT_INLINE_ONCE std::string filled(std::string_view pattern, const fitting& with) {
  std::string out;
  std::size_t number = 0, word = 0;
  for (const char c : pattern) {
    if (c == '*')
      out += with.numbers.at(number++);
    else if (c == '@')
      out += with.words.at(word++);
    else
      out += c;
  }
  return out.append(with.rest);
}

HFT_INLINE_ONCE std::optional<renamed> rewrite(std::string_view pattern, std::string_view replacement, stored_as stored,
                                               std::string_view name) {
  const auto found = fit(pattern, name);
  if (!found) return {};
  const bool rules =
      found->rest.empty() || found->rest == ".weight" || (found->rest == ".bias" && reorders_rows(stored));
  return renamed{filled(replacement, *found), rules ? stored : stored_as::same};
}

inline bool fits(std::string_view pattern, std::string_view name) {
  const auto star = pattern.find('*');
  if (star == pattern.npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  for (std::size_t at = star; at <= name.size(); ++at)
    if (fits(pattern.substr(star + 1), name.substr(at))) return true;
  return false;
}

}  // namespace detail

HFT_INLINE_ONCE std::optional<renamed> to_theirs(std::span<const name_rule> rules, std::string_view path) {
  for (const name_rule& r : rules)
    if (auto found = detail::rewrite(r.ours, r.theirs, r.stored, path)) return found;
  return {};
}

HFT_INLINE_ONCE std::optional<renamed> to_ours(std::span<const name_rule> rules, std::string_view name) {
  for (const name_rule& r : rules)
    if (auto found = detail::rewrite(r.theirs, r.ours, r.stored, name)) return found;
  return {};
}

HFT_INLINE_ONCE std::vector<isize> stored_rows(std::span<const row_parts> stretches) {
  std::vector<isize> out;
  isize begin = 0;
  for (const auto& [groups, rows] : stretches) {
    for (isize g = 0; g < groups; ++g) {
      isize part = begin;
      for (const isize n : rows) {
        for (isize i = 0; i < n; ++i) out.push_back(part + g * n + i);
        part += groups * n;
      }
    }
    begin = isize(out.size());
  }
  return out;
}

HFT_INLINE_ONCE std::optional<std::string> piece_of(const stack_rule& rule, std::string_view whole, isize at) {
  auto found = detail::fit(rule.whole, whole);
  if (!found) return {};
  const std::string number = std::to_string(at);
  found->numbers.push_back(number);
  return detail::filled(rule.piece, *found);
}

HFT_INLINE_ONCE std::optional<stack_place> whole_of(std::span<const stack_rule> rules, std::string_view piece) {
  for (const stack_rule& r : rules) {
    const auto found = detail::fit(r.piece, piece);
    if (!found) continue;
    const bool counted = isize(found->numbers.size()) > std::count(r.whole.begin(), r.whole.end(), '*');
    const auto at = counted ? std::strtoll(std::string(found->numbers.back()).c_str(), nullptr, 10) : 0;
    return stack_place{detail::filled(r.whole, *found), isize(at), r.stored};
  }
  return {};
}

HFT_INLINE_ONCE renamed checkpoint_names::operator()(std::string_view path) const {
  constexpr std::string_view base = "model.";
  const bool headed = path.starts_with(base);
  const auto inner = headed ? path.substr(base.size()) : path;
  renamed out = to_theirs(rules, inner).value_or(renamed{std::string(inner)});
  if (headed && !base_model_prefix.empty()) out.name.insert(0, ".").insert(0, base_model_prefix);
  return out;
}

HFT_INLINE_ONCE bool fits_any(std::span<const std::string_view> patterns, std::string_view name) {
  for (const auto pattern : patterns)
    if (detail::fits(pattern, name)) return true;
  return false;
}

#endif  // HFT_DEFINES

}  // namespace hft
