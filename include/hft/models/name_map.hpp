// name_map: how the tensor names of another file format become the paths of a module.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hft {

/// Rules {foreign, ours}, tried in order; the first whose foreign pattern fits a name's beginning (up to a dot or its
/// end) rewrites it. `*` stands for a number and is kept:
///   {"blk.*.attn_q", "model.layers.*.self_attn.q_proj"} turns blk.3.attn_q.weight into
///   model.layers.3.self_attn.q_proj.weight
/// Rules are literals: a map refers to their text.
class name_map {
 public:
  using rule = std::pair<std::string_view, std::string_view>;

  name_map() = default;
  name_map(std::initializer_list<rule> rules) : rules_(rules) {}

  /// The module path of a foreign name, or nothing where no rule fits.
  std::optional<std::string> translate(std::string_view name) const {
    for (const auto& [foreign, ours] : rules_)
      if (auto path = apply(foreign, ours, name)) return path;
    return {};
  }

 private:
  static std::optional<std::string> apply(std::string_view pattern, std::string_view replacement,
                                          std::string_view name) {
    std::string_view number;
    std::size_t at = 0;
    for (const char c : pattern) {
      if (c == '*') {
        const auto begin = at;
        while (at < name.size() && name[at] >= '0' && name[at] <= '9') ++at;
        if (at == begin) return {};
        number = name.substr(begin, at - begin);
      } else if (at < name.size() && name[at] == c) {
        ++at;
      } else {
        return {};
      }
    }
    if (at < name.size() && name[at] != '.') return {};
    std::string out;
    for (const char c : replacement) {
      if (c == '*')
        out += number;
      else
        out += c;
    }
    return out += name.substr(at);
  }

  std::vector<rule> rules_;
};

}  // namespace hft
