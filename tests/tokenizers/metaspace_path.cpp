// Ids of SentencePiece-like tokenizers, cut into words, against the general pipeline over the whole text, which the
// golden files hold to the tokenizers library.
#include <hft/tokenizers/metaspace_path.hpp>
#include <hft/tokenizers/tokenizer.hpp>

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

#include <hft/io/base64.hpp>
#include <hft/tokenizers/convert/sentencepiece_model.hpp>

#include "golden.hpp"
#include "random_text.hpp"

BOOST_AUTO_TEST_SUITE(metaspace_path)

namespace {

using hft::json;

const std::string mark = "\u2581";

json metaspace(const std::string& scheme, bool split) {
  return {{"type", "Metaspace"}, {"replacement", mark}, {"prepend_scheme", scheme}, {"split", split}};
}
json replace(const std::string& kind, const std::string& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}
json strip(bool left, bool right) { return {{"type", "Strip"}, {"strip_left", left}, {"strip_right", right}}; }
json type(const std::string& name) { return {{"type", name}}; }
json steps(const std::string& member, std::vector<json> list) {
  return {{"type", "Sequence"}, {member, std::move(list)}};
}
// What a SentencePiece model carries: t5.model's map makes spaces of line feeds and tabs, but not of all white space.
json precompiled() {
  const auto file = hft::read_text(std::filesystem::path(HFT_TEST_DATA) / "tokenizer_files" / "t5.model", 1 << 24);
  const auto model = hft::detail::sentencepiece_model::parse(file, "t5.model");
  return {{"type", "Precompiled"}, {"precompiled_charsmap", hft::detail::encode_base64(model.precompiled_charsmap)}};
}

struct pipeline {
  std::string name;
  json normalizer, pre_tokenizer;
};
std::vector<pipeline> pipelines() {
  const json white_space = type("WhitespaceSplit"), gemma = {{"type", "Split"},
                                                             {"pattern", {{"String", " "}}},
                                                             {"behavior", "MergedWithPrevious"},
                                                             {"invert", false}};
  const json prepend = {{"type", "Prepend"}, {"prepend", mark}},
             prepend_space = {{"type", "Prepend"}, {"prepend", " "}};
  const auto n = [](std::vector<json> list) { return steps("normalizers", std::move(list)); };
  const auto p = [](std::vector<json> list) { return steps("pretokenizers", std::move(list)); };
  const json spaces = replace("String", " ", mark), squeeze = replace("Regex", " {2,}", " ");
  return {
      {"llama 2", n({prepend, spaces}), nullptr},
      {"llama", nullptr, metaspace("first", false)},
      {"llama, always", prepend, metaspace("always", false)},
      {"gemma", spaces, gemma},
      {"gliner", n({prepend_space, spaces}), nullptr},
      {"t5", precompiled(), p({white_space, metaspace("always", true)})},
      {"xlm-r", n({precompiled(), strip(false, true), replace("Regex", " {2,}", mark)}), metaspace("always", true)},
      {"xlm-r, never", precompiled(), p({white_space, metaspace("never", true)})},
      {"nllb", n({precompiled(), squeeze}), metaspace("always", true)},
      {"albert",
       n({replace("String", "``", "\""), replace("String", "''", "\""), type("NFKD"), type("StripAccents"),
          type("Lowercase"), precompiled(), squeeze}),
       p({white_space, metaspace("always", true)})},
      {"xlnet", n({strip(true, true), type("NFKC"), squeeze}), metaspace("first", true)},
      {"nmt", n({type("Nmt"), type("NFKC"), strip(true, true), squeeze}), metaspace("always", true)},
      {"nmt, first", n({type("Nmt"), prepend}), p({white_space, metaspace("first", true)})},
      {"plain", nullptr, metaspace("always", true)},
      {"prefix", n({prepend, type("NFC")}), metaspace("never", true)},
      {"words alone", type("NFKD"), white_space},
  };
}

// Models over the tokens of the test's Llama 2: its merges, without byte fallback, and scores for Unigram.
std::vector<std::pair<std::string, json>> models() {
  const json bpe = hft::read_json(test::data() / "llama2.json")["model"];
  auto without = bpe;
  without["byte_fallback"] = false;
  auto kept = without;
  kept["fuse_unk"] = false;
  auto silent = without;
  silent["unk_token"] = nullptr;
  json pieces = json::array();
  std::vector<std::string> tokens(bpe["vocab"].size());
  for (const auto& [token, id] : bpe["vocab"].items()) tokens[id.get<std::size_t>()] = token;
  std::mt19937 rng(3);
  for (const auto& t : tokens) pieces.push_back({t, -double(rng() % 4000) / 256});
  const json unigram = {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", pieces}, {"byte_fallback", false}};
  auto bytes = unigram;
  bytes["byte_fallback"] = true;
  return {
      {"BPE", bpe},         {"BPE without bytes", without}, {"BPE, each unknown", kept}, {"BPE, none unknown", silent},
      {"Unigram", unigram}, {"Unigram with bytes", bytes}};
}

hft::Tokenizer build(const pipeline& p, const json& model) {
  auto all = hft::read_json(test::data() / "llama2.json");
  all["normalizer"] = p.normalizer;
  all["pre_tokenizer"] = p.pre_tokenizer;
  all["model"] = model;
  return hft::Tokenizer::from_json(all.dump());
}
bool is_fast(const hft::Tokenizer& t) {
  return hft::detail::make_fast_path(t.normalizer().get(), t.pre_tokenizer().get(), *t.model()) != nullptr;
}

void check(const hft::Tokenizer& t, const std::string& text) {
  for (const bool special : {false, true}) {
    const auto want = t.encode(text, special).ids;
    const auto got = t.encode_ids(text, special);
    BOOST_CHECK_MESSAGE(std::equal(got.begin(), got.end(), want.begin(), want.end()), json(text).dump());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(ids_equal_the_general_pipeline) {
  std::mt19937 rng(23);
  for (const auto& [model_name, model] : models())
    for (const auto& p : pipelines()) BOOST_TEST_CONTEXT(p.name << ", " << model_name) {
        const auto t = build(p, model);
        // A text that Unigram takes as one piece cannot be cut: sums of scores are rounded from its start on.
        const bool one_piece = p.pre_tokenizer.is_null() || p.name.starts_with("llama") || p.name == "gemma";
        // Nor can one that unknown characters vanish from: their neighbours may be merged.
        const bool can_be_cut = model["type"] == "BPE" && !model["unk_token"].is_null();
        BOOST_TEST(is_fast(t) == (!one_piece || can_be_cut));
        for (int i = 0; i < 250; ++i) {
          std::string text = test::random_text(rng);
          if (i % 3 == 0)  // words that caches know
            for (int k = 0; k < 4; ++k) text += ' ' + test::random_text(rng);
          check(t, text);
        }
      }
}

BOOST_AUTO_TEST_CASE(long_texts) {
  std::vector<std::string> texts;
  for (const std::string unit :
       {"a", " ", "  x", "\n", "\u2581", "\U0001f600", "'s", "\u00a0 ", " \u0301", "\u0301", "e\u0301 "}) {
    texts.emplace_back();
    while (texts.back().size() < 60000) texts.back() += unit;
  }
  const auto all = models();
  for (const std::string kind : {"BPE", "BPE without bytes", "Unigram"})
    for (const auto& p : pipelines()) BOOST_TEST_CONTEXT(p.name << ", " << kind)
  for (const auto& [name, model] : all)
    if (name == kind) {
      const auto t = build(p, model);
      for (const auto& text : texts) check(t, text);
    }
}

// Where tokens hold characters side by side the text is not cut; symbols that are not what their tokens say rule it
// out.
BOOST_AUTO_TEST_CASE(merges_across_words) {
  auto model = hft::read_json(test::data() / "llama2.json")["model"];
  const auto add = [&](const std::string& a, const std::string& b) {
    for (const auto& t : {a, b, a + b})
      if (!model["vocab"].contains(t)) model["vocab"][t] = model["vocab"].size();
    model["merges"].push_back({a, b});
  };
  add("e", mark);
  add("\n", mark);
  add(",", "\n" + mark);
  add("e" + mark, "a");
  std::mt19937 rng(29);
  const auto list = pipelines();
  for (int k = 0; k < 5; ++k) {
    const auto t = build(list[std::size_t(k)], model);
    BOOST_TEST(is_fast(t));
    for (int i = 0; i < 1000; ++i) {
      static const std::vector<std::string> parts = {"the", " ",    "a",   "e",  "\n",   ",",
                                                     "e a", ",\n ", " \n", mark, "human"};
      std::string text;
      for (auto n = rng() % 20; n > 0; --n) text += parts[rng() % parts.size()];
      check(t, text);
    }
  }
  add("<0x41>", "b");
  BOOST_TEST(!is_fast(build(list[0], model)));
}

BOOST_AUTO_TEST_CASE(others_have_none) {
  const auto all = models();
  const auto list = pipelines();
  auto dropout = all[0].second, ignoring = all[0].second;
  dropout["dropout"] = 0.5;
  ignoring["ignore_merges"] = true;
  for (const auto& p : list) BOOST_TEST(!is_fast(build(p, dropout)), p.name);
  BOOST_TEST(!is_fast(build(list[0], ignoring)));
  for (const json& n :
       {replace("String", "a ", "b"), replace("Regex", "\\s+", " "), replace("String", "x", std::string(40, 'y')),
        json({{"type", "BertNormalizer"},
              {"clean_text", true},
              {"handle_chinese_chars", true},
              {"strip_accents", nullptr},
              {"lowercase", true}})})
    BOOST_TEST(!is_fast(build({"", n, metaspace("always", true)}, all[0].second)));
  auto other = metaspace("always", true);
  other["replacement"] = "_";
  BOOST_TEST(!is_fast(build({"", nullptr, other}, all[0].second)));
}

BOOST_AUTO_TEST_SUITE_END()
