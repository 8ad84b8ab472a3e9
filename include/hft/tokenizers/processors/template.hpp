// TemplateProcessing: special tokens and sequences in the order of a template, one for single inputs, one for pairs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <hft/tokenizers/processors/bert.hpp>
#include <hft/tokenizers/processors/post_processor.hpp>

namespace hft::processors {

struct TemplateProcessing final : PostProcessor {
  /// A sequence (0 is A, 1 is B), or special tokens.
  struct piece {
    bool is_sequence = false;
    std::size_t sequence = 0;
    std::vector<detail::special_token> tokens = {};
    std::int64_t type_id = 0;
    std::string id = {};  // the special tokens' name; empty: that of the token
  };
  std::vector<piece> single, pair;
  /// Names and their tokens, as the file lists them; pieces have those that they need.
  std::vector<std::pair<std::string, std::vector<detail::special_token>>> special_tokens;

  std::size_t added_tokens(bool is_pair) const override {
    std::size_t n = 0;
    for (const auto& p : is_pair ? pair : single) n += p.tokens.size();
    return n;
  }

  std::vector<Encoding> process(std::vector<Encoding> encodings, bool add_special_tokens) const override {
    if (encodings.empty() || encodings.size() > 2)
      throw unsupported_error("TemplateProcessing", "number of sequences", "1 or 2", detail::joined(encodings.size()));
    std::vector<Encoding> out;
    const auto& pieces = encodings.size() == 2 ? pair : single;
    std::size_t uses[2] = {};  // a template may name a sequence twice; only its last use may take it
    for (const auto& p : pieces) uses[p.sequence] += p.is_sequence;
    for (const auto& p : pieces) {
      if (p.is_sequence) {
        if (p.sequence >= encodings.size())
          throw config_error("TemplateProcessing", "sequence B in the template for single inputs");
        auto& e = encodings[p.sequence];
        e.set_type_ids(p.type_id);
        e.set_sequence_id(p.sequence);
        if (--uses[p.sequence] == 0) {
          out.push_back(std::move(e));
        } else {
          out.push_back(e);
        }
      } else if (add_special_tokens) {
        Encoding e;
        for (const auto& t : p.tokens) e.push_back(t.id, t.token, {}, {}, p.type_id, true);
        out.push_back(std::move(e));
      }
    }
    return out;
  }
};

}  // namespace hft::processors
