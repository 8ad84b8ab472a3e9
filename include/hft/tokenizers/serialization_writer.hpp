// The components of a pipeline to tokenizer.json, to the byte as the tokenizers library (0.23) writes it: the same keys
// in the same order. The way back from serialization.hpp, and laid out like it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/base64.hpp>
#include <hft/io/json_writer.hpp>
#include <hft/tokenizers/added_vocabulary.hpp>
#include <hft/tokenizers/decoders/ctc.hpp>
#include <hft/tokenizers/models/unigram.hpp>
#include <hft/tokenizers/normalizers/nmt.hpp>
#include <hft/tokenizers/normalizers/precompiled.hpp>
#include <hft/tokenizers/pre_tokenizers/char_delimiter_split.hpp>
#include <hft/tokenizers/pre_tokenizers/fixed_length.hpp>
#include <hft/tokenizers/pre_tokenizers/unicode_scripts.hpp>
#include <hft/tokenizers/serialization.hpp>

namespace hft::detail {

/// Writes the stages. Each function stands for one of serialization.hpp.
class tokenizer_writer {
 public:
  explicit tokenizer_writer(bool pretty) : out_(pretty) {}

  std::string write(const tokenizer_components& parts, const AddedVocabulary& added,
                    const std::optional<TruncationParams>& truncation, const std::optional<PaddingParams>& padding) {
    out_.object([&] {
      out_.member("version", "1.0");
      optional("truncation", truncation ? &*truncation : nullptr);
      optional("padding", padding ? &*padding : nullptr);
      out_.member("added_tokens", [&] { write_added(added); });
      optional("normalizer", parts.normalizer.get());
      optional("pre_tokenizer", parts.pre_tokenizer.get());
      optional("post_processor", parts.post_processor.get());
      optional("decoder", parts.decoder.get());
      optional("model", parts.model.get());
    });
    return out_.take();
  }

 private:
  template <class Part>
  void optional(std::string_view key, const Part* part) {
    if (part) {
      out_.member(key, [&] { write_part(*part); });
    } else {
      out_.member(key, nullptr);
    }
  }

  // An object with a type, and what else `members` writes.
  template <class Members>
  void component(std::string_view type, Members members) {
    out_.object([&] {
      out_.member("type", type);
      members();
    });
  }
  void component(std::string_view type) {
    component(type, [] {});
  }
  template <class Parts>
  void sequence(std::string_view key, const Parts& parts) {
    component("Sequence", [&] {
      out_.member(key, [&] {
        out_.array([&] {
          for (const auto& p : parts) out_.element([&] { write_part(*p); });
        });
      });
    });
  }
  // Calls write(*part as T) where it is one.
  template <class T, class Part, class Write>
  static bool is(const Part& part, Write write) {
    const auto* p = dynamic_cast<const T*>(&part);
    if (p) write(*p);
    return p != nullptr;
  }
  [[noreturn]] static void unknown(std::string_view stage) {
    throw unsupported_error("tokenizer.json", joined("a ", stage, " of a program's own"),
                            "one of the tokenizers library");
  }

  void write_part(const TruncationParams& p) {
    out_.object([&] {
      out_.member("direction", p.direction == TruncationDirection::Left ? "Left" : "Right");
      out_.member("max_length", p.max_length);
      using S = TruncationStrategy;
      out_.member("strategy", p.strategy == S::LongestFirst ? "LongestFirst"
                              : p.strategy == S::OnlyFirst  ? "OnlyFirst"
                                                            : "OnlySecond");
      out_.member("stride", p.stride);
    });
  }
  void write_part(const PaddingParams& p) {
    out_.object([&] {
      if (p.fixed_length) {
        out_.member("strategy", [&] { out_.object([&] { out_.member("Fixed", *p.fixed_length); }); });
      } else {
        out_.member("strategy", "BatchLongest");
      }
      out_.member("direction", p.direction == PaddingDirection::Left ? "Left" : "Right");
      out_.member("pad_to_multiple_of", p.pad_to_multiple_of);
      out_.member("pad_id", p.pad_id);
      out_.member("pad_type_id", p.pad_type_id);
      out_.member("pad_token", p.pad_token);
    });
  }

  void write_added(const AddedVocabulary& added) {
    out_.array([&] {
      for (const auto& e : added.sorted())
        out_.element([&, &t = e.token] {
          out_.object([&] {
            out_.member("id", e.id);
            out_.member("content", t.content);
            out_.member("single_word", t.single_word);
            out_.member("lstrip", t.lstrip);
            out_.member("rstrip", t.rstrip);
            out_.member("normalized", t.normalized);
            out_.member("special", t.special);
          });
        });
    });
  }

  void write_pattern(const Pattern& p) {
    out_.member("pattern", [&] { out_.object([&] { out_.member(p.is_regex() ? "Regex" : "String", p.text()); }); });
  }
  static std::string_view name(SplitDelimiterBehavior b) {
    constexpr std::string_view names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    return names[std::size_t(b)];
  }
  template <class Metaspace>
  void write_metaspace(const Metaspace& m) {
    component("Metaspace", [&] {
      constexpr std::string_view names[] = {"always", "first", "never"};
      out_.member("replacement", m.replacement);
      out_.member("prepend_scheme", names[std::size_t(m.prepend_scheme)]);
      out_.member("split", m.split);
    });
  }
  template <class ByteLevel>
  void write_byte_level(const ByteLevel& b) {
    component("ByteLevel", [&] {
      out_.member("add_prefix_space", b.add_prefix_space);
      out_.member("trim_offsets", b.trim_offsets);
      out_.member("use_regex", b.use_regex);
    });
  }

  void write_part(const normalizers::Normalizer& n) {
    using namespace normalizers;
    const bool known =
        is<normalizers::Sequence>(n, [&](const auto& s) { sequence("normalizers", s.normalizers); }) ||
        is<BertNormalizer>(n,
                           [&](const auto& b) {
                             component("BertNormalizer", [&] {
                               out_.member("clean_text", b.clean_text);
                               out_.member("handle_chinese_chars", b.handle_chinese_chars);
                               out_.member("strip_accents", b.strip_accents);
                               out_.member("lowercase", b.lowercase);
                             });
                           }) ||
        is<normalizers::Strip>(n,
                               [&](const auto& s) {
                                 component("Strip", [&] {
                                   out_.member("strip_left", s.strip_left);
                                   out_.member("strip_right", s.strip_right);
                                 });
                               }) ||
        is<Prepend>(n, [&](const auto& p) { component("Prepend", [&] { out_.member("prepend", p.prepend); }); }) ||
        is<normalizers::Replace>(n,
                                 [&](const auto& r) {
                                   component("Replace", [&] {
                                     write_pattern(r.pattern);
                                     out_.member("content", r.content);
                                   });
                                 }) ||
        is<Precompiled>(n,
                        [&](const auto& p) {
                          component("Precompiled", [&] {
                            out_.member("precompiled_charsmap", encode_base64(p.precompiled_charsmap()));
                          });
                        }) ||
        is<NFC>(n, [&](const auto&) { component("NFC"); }) || is<NFD>(n, [&](const auto&) { component("NFD"); }) ||
        is<NFKC>(n, [&](const auto&) { component("NFKC"); }) || is<NFKD>(n, [&](const auto&) { component("NFKD"); }) ||
        is<Nmt>(n, [&](const auto&) { component("Nmt"); }) ||
        is<StripAccents>(n, [&](const auto&) { component("StripAccents"); }) ||
        is<Lowercase>(n, [&](const auto&) { component("Lowercase"); }) ||
        is<normalizers::ByteLevel>(n, [&](const auto&) { component("ByteLevel"); });
    if (!known) unknown("normalizer");
  }

  void write_part(const pre_tokenizers::PreTokenizer& p) {
    using namespace pre_tokenizers;
    const bool known =
        is<pre_tokenizers::Sequence>(p, [&](const auto& s) { sequence("pretokenizers", s.pre_tokenizers); }) ||
        is<pre_tokenizers::ByteLevel>(p, [&](const auto& b) { write_byte_level(b); }) ||
        is<pre_tokenizers::Metaspace>(p, [&](const auto& m) { write_metaspace(m); }) ||
        is<Split>(p,
                  [&](const auto& s) {
                    component("Split", [&] {
                      write_pattern(s.pattern);
                      out_.member("behavior", name(s.behavior));
                      out_.member("invert", s.invert);
                    });
                  }) ||
        is<Digits>(p,
                   [&](const auto& d) {
                     component("Digits", [&] { out_.member("individual_digits", d.individual_digits); });
                   }) ||
        is<Punctuation>(
            p, [&](const auto& q) { component("Punctuation", [&] { out_.member("behavior", name(q.behavior)); }); }) ||
        is<CharDelimiterSplit>(
            p,
            [&](const auto& c) { component("CharDelimiterSplit", [&] { out_.member("delimiter", c.delimiter); }); }) ||
        is<FixedLength>(p,
                        [&](const auto& f) { component("FixedLength", [&] { out_.member("length", f.length); }); }) ||
        is<BertPreTokenizer>(p, [&](const auto&) { component("BertPreTokenizer"); }) ||
        is<UnicodeScripts>(p, [&](const auto&) { component("UnicodeScripts"); }) ||
        is<Whitespace>(p, [&](const auto&) { component("Whitespace"); }) ||
        is<WhitespaceSplit>(p, [&](const auto&) { component("WhitespaceSplit"); });
    if (!known) unknown("pre-tokenizer");
  }

  void write_token(std::string_view key, const special_token& t) {
    out_.member(key, [&] {
      out_.array([&] {
        out_.element(t.token);
        out_.element(t.id);
      });
    });
  }
  static const std::string& name(const processors::TemplateProcessing::piece& p) {
    return p.id.empty() && !p.tokens.empty() ? p.tokens[0].token : p.id;
  }
  void write_template(std::string_view key, const std::vector<processors::TemplateProcessing::piece>& pieces) {
    out_.member(key, [&] {
      out_.array([&] {
        for (const auto& p : pieces)
          out_.element([&] {
            out_.object([&] {
              out_.member(p.is_sequence ? "Sequence" : "SpecialToken", [&] {
                out_.object([&] {
                  out_.member("id", p.is_sequence ? std::string_view(p.sequence ? "B" : "A") : name(p));
                  out_.member("type_id", p.type_id);
                });
              });
            });
          });
      });
    });
  }
  void write_template(const processors::TemplateProcessing& t) {
    auto names = t.special_tokens;
    for (const auto* pieces : {&t.single, &t.pair})
      for (const auto& p : *pieces)
        if (!p.is_sequence) names.emplace_back(name(p), p.tokens);
    std::stable_sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    names.erase(
        std::unique(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.first == b.first; }),
        names.end());
    component("TemplateProcessing", [&] {
      write_template("single", t.single);
      write_template("pair", t.pair);
      out_.member("special_tokens", [&] {
        out_.object([&] {
          for (const auto& [id, tokens] : names)
            out_.member(id, [&, &id = id, &tokens = tokens] {
              out_.object([&] {
                out_.member("id", id);
                const auto list = [&](std::string_view key, auto field) {
                  out_.member(key, [&] {
                    out_.array([&] {
                      for (const auto& token : tokens) out_.element(token.*field);
                    });
                  });
                };
                list("ids", &special_token::id);
                list("tokens", &special_token::token);
              });
            });
        });
      });
    });
  }
  void write_part(const processors::PostProcessor& p) {
    using namespace processors;
    const bool known = is<processors::Sequence>(p, [&](const auto& s) { sequence("processors", s.processors); }) ||
                       is<processors::ByteLevel>(p, [&](const auto& b) { write_byte_level(b); }) ||
                       is<TemplateProcessing>(p, [&](const auto& t) { write_template(t); }) ||
                       is<BertProcessing>(p,
                                          [&](const auto& b) {
                                            component("BertProcessing", [&] {
                                              write_token("sep", b.sep);
                                              write_token("cls", b.cls);
                                            });
                                          }) ||
                       is<RobertaProcessing>(p, [&](const auto& r) {
                         component("RobertaProcessing", [&] {
                           write_token("sep", r.sep);
                           write_token("cls", r.cls);
                           out_.member("trim_offsets", r.trim_offsets);
                           out_.member("add_prefix_space", r.add_prefix_space);
                         });
                       });
    if (!known) unknown("post-processor");
  }

  void write_part(const decoders::Decoder& d) {
    using namespace decoders;
    const bool known =
        is<decoders::Sequence>(d, [&](const auto& s) { sequence("decoders", s.decoders); }) ||
        is<decoders::ByteLevel>(d, [&](const auto& b) { write_byte_level(b); }) ||
        is<decoders::Metaspace>(d, [&](const auto& m) { write_metaspace(m); }) ||
        is<decoders::WordPiece>(d,
                                [&](const auto& w) {
                                  component("WordPiece", [&] {
                                    out_.member("prefix", w.prefix);
                                    out_.member("cleanup", w.cleanup);
                                  });
                                }) ||
        is<decoders::Replace>(d,
                              [&](const auto& r) {
                                component("Replace", [&] {
                                  write_pattern(r.pattern);
                                  out_.member("content", r.content);
                                });
                              }) ||
        is<decoders::Strip>(d,
                            [&](const auto& s) {
                              component("Strip", [&] {
                                out_.member("content", s.content);
                                out_.member("start", s.start);
                                out_.member("stop", s.stop);
                              });
                            }) ||
        is<CTC>(d,
                [&](const auto& c) {
                  component("CTC", [&] {
                    out_.member("pad_token", c.pad_token);
                    out_.member("word_delimiter_token", c.word_delimiter_token);
                    out_.member("cleanup", c.cleanup);
                  });
                }) ||
        is<BPEDecoder>(d, [&](const auto& b) { component("BPEDecoder", [&] { out_.member("suffix", b.suffix); }); }) ||
        is<Fuse>(d, [&](const auto&) { component("Fuse"); }) ||
        is<ByteFallback>(d, [&](const auto&) { component("ByteFallback"); });
    if (!known) unknown("decoder");
  }

  /// (token, id) in the order of ids.
  static std::vector<std::pair<std::string_view, std::uint32_t>> sorted(const Vocabulary& vocabulary) {
    std::vector<std::pair<std::string_view, std::uint32_t>> out;
    out.reserve(vocabulary.size());
    vocabulary.for_each([&](std::string_view token, std::uint32_t id) { out.emplace_back(token, id); });
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    return out;
  }
  void write_vocabulary(const Vocabulary& vocabulary) {
    out_.member("vocab", [&] {
      out_.object([&] {
        for (const auto& [token, id] : sorted(vocabulary)) out_.member(token, id);
      });
    });
  }
  void write_merges(const models::BPE& m) {
    struct merge {
      std::uint32_t rank, a, b;
    };
    std::vector<merge> merges;
    merges.reserve(m.merges().size());
    m.merges().for_each([&](std::uint32_t a, std::uint32_t b, pair_table::value v) {
      merges.push_back({v.rank, a, b});
    });
    std::sort(merges.begin(), merges.end(), [](const auto& x, const auto& y) { return x.rank < y.rank; });
    out_.member("merges", [&] {
      out_.array([&] {
        for (const auto& x : merges)
          out_.element([&] {
            out_.array([&] {
              out_.element(m.vocabulary().token(x.a));
              out_.element(m.vocabulary().token(x.b));
            });
          });
      });
    });
  }
  void write_part(const models::Model& m) {
    using namespace models;
    const bool known =
        is<BPE>(m,
                [&](const BPE& b) {
                  const auto& o = b.config();
                  const auto given = [](const std::string& s, bool has) {
                    return has || !s.empty() ? std::optional(s) : std::nullopt;
                  };
                  component("BPE", [&] {
                    out_.member("dropout", o.dropout ? std::optional(float(*o.dropout)) : std::nullopt);
                    out_.member("unk_token", o.unk_token);
                    out_.member("continuing_subword_prefix",
                                given(o.continuing_subword_prefix, o.has_continuing_subword_prefix));
                    out_.member("end_of_word_suffix", given(o.end_of_word_suffix, o.has_end_of_word_suffix));
                    out_.member("fuse_unk", o.fuse_unk);
                    out_.member("byte_fallback", o.byte_fallback);
                    out_.member("ignore_merges", o.ignore_merges);
                    write_vocabulary(b.vocabulary());
                    write_merges(b);
                  });
                }) ||
        is<models::WordPiece>(m,
                              [&](const auto& w) {
                                component("WordPiece", [&] {
                                  out_.member("unk_token", w.unk_token());
                                  out_.member("continuing_subword_prefix", w.continuing_subword_prefix());
                                  out_.member("max_input_chars_per_word", w.max_input_chars_per_word());
                                  write_vocabulary(w.vocabulary());
                                });
                              }) ||
        is<WordLevel>(m,
                      [&](const auto& w) {
                        component("WordLevel", [&] {
                          write_vocabulary(w.vocabulary());
                          out_.member("unk_token", w.unk_token());
                        });
                      }) ||
        is<Unigram>(m, [&](const auto& u) {
          component("Unigram", [&] {
            out_.member("unk_id", u.unk_id());
            out_.member("vocab", [&] {
              out_.array([&] {
                for (const auto& [token, id] : sorted(u.vocabulary()))
                  out_.element([&, &token = token, id = id] {
                    out_.array([&] {
                      out_.element(token);
                      out_.element(u.score(id));
                    });
                  });
              });
            });
            out_.member("byte_fallback", u.byte_fallback());
          });
        });
    if (!known) unknown("model");
  }

  json_writer out_;
};

inline std::string write_tokenizer(const tokenizer_components& parts, const AddedVocabulary& added,
                                   const std::optional<TruncationParams>& truncation,
                                   const std::optional<PaddingParams>& padding, bool pretty) {
  return tokenizer_writer(pretty).write(parts, added, truncation, padding);
}

}  // namespace hft::detail
