// Folders of a tokenizer.json and configurations against Transformers' AutoTokenizer: special tokens, sides, and calls
// with random options (tests/oracle/tokenizer_folders.py).
#include <hft/tokenizers/pretrained.hpp>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "files.hpp"
#include "golden.hpp"

BOOST_AUTO_TEST_SUITE(folders)

namespace {

using hft::json;
using strings = std::vector<std::string>;

hft::TokenizerCallOptions options(const json& o) {
  hft::TokenizerCallOptions out;
  if (o.contains("padding") && o["padding"] != false)
    out.padding = o["padding"] == "max_length" ? hft::PaddingStrategy::max_length : hft::PaddingStrategy::longest;
  if (o.contains("truncation")) {
    const auto& t = o["truncation"];
    out.truncation = t != false;
    if (t == "only_first") out.truncation_strategy = hft::TruncationStrategy::OnlyFirst;
    if (t == "only_second") out.truncation_strategy = hft::TruncationStrategy::OnlySecond;
  }
  if (o.contains("max_length")) out.max_length = o["max_length"].get<std::size_t>();
  out.stride = o.value("stride", std::size_t{0});
  out.pad_to_multiple_of = o.value("pad_to_multiple_of", std::size_t{0});
  if (o.contains("padding_side"))
    out.padding_side = o["padding_side"] == "left" ? hft::PaddingDirection::Left : hft::PaddingDirection::Right;
  out.add_special_tokens = o.value("add_special_tokens", true);
  if (o.contains("return_token_type_ids")) out.return_token_type_ids = o["return_token_type_ids"].get<bool>();
  if (o.contains("return_attention_mask")) out.return_attention_mask = o["return_attention_mask"].get<bool>();
  out.return_overflowing_tokens = o.value("return_overflowing_tokens", false);
  out.return_special_tokens_mask = o.value("return_special_tokens_mask", false);
  out.return_offsets_mapping = o.value("return_offsets_mapping", false);
  out.return_length = o.value("return_length", false);
  out.split_special_tokens = o.value("split_special_tokens", false);
  return out;
}

hft::BatchEncoding call(const hft::PreTrainedTokenizerFast& t, const json& c) {
  auto o = options(c["o"]);
  const bool pair = !c["b"].is_null();
  if (c["kind"] == "text") {
    const auto a = c["a"].get<std::string>();
    return pair ? t(a, c["b"].get<std::string>(), o) : t(a, o);
  }
  o.is_split_into_words = c["kind"] == "words";
  const auto a = c["a"].get<strings>();
  return pair ? t(a, c["b"].get<strings>(), o) : t(a, o);
}

// The columns as Transformers returns them: of one input without the batch's dimension, unless it may overflow.
json columns_of(const hft::BatchEncoding& b, const json& c) {
  json out = json::object();
  const bool rows = c["kind"] == "batch" || c["o"].value("return_overflowing_tokens", false);
  const auto put = [&](const char* name, const auto& column) {
    if (!column.empty()) out[name] = rows ? json(column) : json(column[0]);
  };
  put("input_ids", b.input_ids);
  put("token_type_ids", b.token_type_ids);
  put("attention_mask", b.attention_mask);
  put("special_tokens_mask", b.special_tokens_mask);
  std::vector<std::vector<std::vector<std::int64_t>>> offsets;
  for (const auto& row : b.offset_mapping) {
    offsets.emplace_back();
    for (const auto& o : row) offsets.back().push_back({o.start, o.end});
  }
  put("offset_mapping", offsets);
  if (!b.length.empty()) out["length"] = b.length;
  if (!b.overflow_to_sample_mapping.empty()) out["overflow_to_sample_mapping"] = b.overflow_to_sample_mapping;
  return out;
}

// A stage in one form of the several that do the same.
json plain(json stage) {
  if (!stage.is_object()) return stage;
  for (const auto list : {"normalizers", "pretokenizers", "decoders"}) {
    if (!stage.contains(list)) continue;
    json steps = json::array();
    for (const auto& step : stage[list])
      if (step["type"] != "Strip" || step.value("strip_left", true) || step.value("strip_right", true))
        steps.push_back(plain(step));
    if (steps.size() == 1) return steps[0];
    stage[list] = steps;
  }
  for (const auto affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (stage.contains(affix) && stage[affix] == "") stage[affix] = nullptr;
  if (stage["type"] == "TemplateProcessing") stage.erase("special_tokens");  // some of which it may not have
  if (stage["type"] == "ByteLevel") stage.erase("trim_offsets");  // counts in post-processors, which are called
  return stage;
}

// One folder, its tokenizer, and the calls of it.
void check_folder(const json& c) {
  const test::folder f;
  for (const auto& [name, content] : c["files"].items()) f.write(name, content.dump());
  const auto t = hft::AutoTokenizer::from_pretrained(f.path);

  json special = {{"all", t.all_special_tokens()},
                  {"ids", t.all_special_ids()},
                  {"size", t.size()},
                  {"max", t.model_max_length == t.no_max_length ? -1 : t.model_max_length},
                  {"padding_side", t.padding_side == hft::PaddingDirection::Left ? "left" : "right"},
                  {"truncation_side", t.truncation_side == hft::TruncationDirection::Left ? "left" : "right"},
                  {"map", json::object()}};
  for (const auto& [name, token] : t.special_tokens_map()) special["map"][name] = token;
  for (const auto& [name, value] : c["special"].items())
    BOOST_CHECK_MESSAGE(special[name] == value, name << " " << special[name].dump() << " not " << value.dump());
  auto written = hft::parse_json(t.backend_tokenizer().to_json(), "written");
  BOOST_CHECK_MESSAGE(written["added_tokens"] == c["added"], written["added_tokens"].dump());
  if (c.contains("stages")) {
    for (const auto name : {"vocab", "merges"}) written["model"].erase(name);
    for (const auto& [name, stage] : c["stages"].items())
      BOOST_CHECK_MESSAGE(plain(written[name]) == plain(stage),
                          name << " " << written[name].dump() << " not " << stage.dump());
  }

  for (const auto& one : c["calls"]) BOOST_TEST_CONTEXT(one.dump()) {
      if (one.contains("error")) {
        BOOST_CHECK_THROW(call(t, one), hft::error);
        continue;
      }
      const auto got = columns_of(call(t, one), one);
      auto expected = one["out"];
      if (expected.contains("length") && !expected["length"].is_array())
        expected["length"] = json::array({expected["length"]});
      BOOST_CHECK_MESSAGE(got == expected, got.dump());
    }
  for (const auto& d : c["decode"]) BOOST_TEST_CONTEXT(d.dump()) {
      const auto text = t.decode(d["ids"].get<std::vector<std::int64_t>>(), d["skip"].get<bool>());
      BOOST_TEST(text == d["text"].get<std::string>());
    }
}

void check_folders(const char* file) {
  const auto golden = hft::read_json(test::data() / file);
  BOOST_TEST(golden["folders"].size() > 30u);
  std::size_t k = 0;
  for (const auto& c : golden["folders"]) BOOST_TEST_CONTEXT("folder " << k++) check_folder(c);
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_folders_equal_transformers) { check_folders("folders.json"); }

// Every class, over a tokenizer.json with other stages than its own (tests/oracle/tokenizer_classes.py).
BOOST_AUTO_TEST_CASE(classes_rebuild_stages_as_in_transformers) { check_folders("class_folders.json"); }

BOOST_AUTO_TEST_SUITE_END()
