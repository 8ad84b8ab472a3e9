// Collators: those without randomness give Transformers' batches; masking has the right shares and is reproducible.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include <hft/train/collators/default.hpp>
#include <hft/train/collators/language_modeling.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(collators)

namespace {

CollatorTokens tokens(bool left = false) {
  CollatorTokens t;
  t.pad_token_id = 0;
  t.mask_token_id = 4;
  t.vocab_size = 50;
  t.special_ids = {0, 1, 2, 3, 4};
  t.pad_left = left;
  return t;
}

Batch collate(const json& c, const std::vector<json>& rows) {
  const auto t = tokens(c["side"] == "left");
  PaddingOptions padding;
  padding.pad_to_multiple_of = get_optional<isize>(c["options"], "pad_to_multiple_of");
  const auto name = c["collator"].get<std::string>();
  if (name == "DataCollatorWithPadding") return DataCollatorWithPadding{t, padding}(rows);
  if (name == "DataCollatorForTokenClassification") return DataCollatorForTokenClassification{t, padding}(rows);
  if (name == "DataCollatorForSeq2Seq") return DataCollatorForSeq2Seq{t, padding}(rows);
  if (name == "DataCollatorForMultipleChoice") return DataCollatorForMultipleChoice{t, padding}(rows);
  if (name == "DataCollatorWithFlattening") {
    DataCollatorWithFlattening collator;
    collator.return_seq_idx = true;
    return collator(rows);
  }
  if (name == "DataCollatorForLanguageModeling") {
    DataCollatorForLanguageModeling collator{t, false};
    collator.pad_to_multiple_of = padding.pad_to_multiple_of;
    return collator(rows);
  }
  if (name == "whole_word_mask") {
    DataCollatorForLanguageModeling collator{t};
    collator.whole_word_mask = true;
    collator.mlm_probability = 1;
    return collator(rows);
  }
  return DefaultDataCollator{}(rows);
}

std::vector<json> sentences(isize n, isize length) {
  std::vector<json> rows;
  for (isize i = 0; i < n; ++i) {
    std::vector<i64> ids{2};
    for (isize t = 0; t < length - 2; ++t) ids.push_back(5 + (i * 31 + t * 7) % 45);
    ids.push_back(3);
    json row = json::object();
    row["input_ids"] = ids;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

BOOST_AUTO_TEST_CASE(batches_are_those_of_transformers) {
  const json golden = read_json(std::filesystem::path(HFT_TEST_DATA) / "train" / "collators.json");
  BOOST_TEST(golden["cases"].size() > 20u);
  for (const json& c : golden["cases"]) {
    const auto rows = golden["rows"][c["rows"].get<std::string>()].get<std::vector<json>>();
    const Batch mine = collate(c, rows);
    const auto what = c["collator"].get<std::string>() + " " + c["rows"].get<std::string>() + " " + c["options"].dump();
    for (const auto& [name, expected] : c["batch"].items()) {
      BOOST_TEST_REQUIRE(mine.contains(name), what << ": no " << name);
      const BatchTensor& t = mine.at(name);
      BOOST_TEST(t.shape == expected["shape"].get<std::vector<isize>>(), what << " " << name);
      BOOST_TEST(t.real == expected["real"].get<bool>(), what << " " << name);
      const json values = t.real ? json(t.reals) : json(t.integers);
      BOOST_TEST(values == expected["values"],
                 what << " " << name << ": " << values << " is not " << expected["values"]);
    }
    for (const auto& [name, value] : mine)
      BOOST_TEST(c["batch"].contains(name), what << ": " << name << " is too much");
  }
}

BOOST_AUTO_TEST_CASE(masking) {
  DataCollatorForLanguageModeling collator{tokens()};
  collator.seed = 3;
  const auto rows = sentences(64, 128);
  const Batch batch = collator(rows, 5);
  const Batch plain = DataCollatorWithPadding{tokens()}(rows);
  const auto &ids = batch.at("input_ids").integers, &labels = batch.at("labels").integers,
             &original = plain.at("input_ids").integers;
  isize chosen = 0, masked = 0, other = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (labels[i] == -100) {
      BOOST_TEST_REQUIRE(ids[i] == original[i]);
      continue;
    }
    ++chosen;
    BOOST_TEST_REQUIRE(labels[i] == original[i]);
    BOOST_TEST_REQUIRE(original[i] >= 5);  // never a special token
    masked += ids[i] == 4;
    other += ids[i] != 4 && ids[i] != original[i];
  }
  const f64 n = f64(64 * 126);
  BOOST_TEST(std::abs(f64(chosen) / n - 0.15) < 0.015);
  BOOST_TEST(std::abs(f64(masked) / f64(chosen) - 0.8) < 0.05);
  BOOST_TEST(std::abs(f64(other) / f64(chosen) - 0.1) < 0.03);
  BOOST_TEST((collator(rows, 5).at("labels").integers == labels));
  BOOST_TEST((collator(rows, 6).at("labels").integers != labels));
}

BOOST_AUTO_TEST_CASE(whole_words_are_masked) {
  // Words of three tokens, with a space between them.
  auto rows = sentences(64, 128);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    json offsets = json::array({json::array({0, 0})});
    for (i64 t = 0; t < 126; ++t) offsets.push_back(json::array({t + t / 3, t + t / 3 + 1}));
    offsets.push_back(json::array({0, 0}));
    rows[r]["offset_mapping"] = offsets;
  }
  for (const bool left : {false, true}) {
    DataCollatorForLanguageModeling collator{tokens(left)};
    collator.whole_word_mask = true;
    auto padded = rows;
    padded.push_back(json::parse(
        R"({"input_ids": [2, 5, 6, 7, 8, 3], "offset_mapping": [[0, 0], [0, 1], [1, 2], [3, 4], [4, 5], [0, 0]]})"));
    const Batch batch = collator(padded, 1);
    const auto &ids = batch.at("input_ids").integers, &labels = batch.at("labels").integers;
    BOOST_TEST(!batch.contains("offset_mapping"));
    isize chosen = 0;
    for (std::size_t r = 0; r < 64; ++r)
      for (std::size_t t = 1; t < 127; ++t) {
        const std::size_t i = r * 128 + t, word = r * 128 + 1 + (t - 1) / 3 * 3;
        chosen += labels[i] != -100;
        BOOST_TEST_REQUIRE((labels[i] == -100) == (labels[word] == -100), "a word in part");
        BOOST_TEST_REQUIRE((ids[i] == 4) == (labels[i] != -100));
      }
    BOOST_TEST(std::abs(f64(chosen) / (64 * 126) - 0.15) < 0.02);
    const std::size_t last = 64 * 128 + (left ? 122 : 0);
    for (const std::size_t t : {1, 3}) BOOST_TEST((labels[last + t] == -100) == (labels[last + t + 1] == -100));
  }
  DataCollatorForLanguageModeling collator{tokens()};
  collator.whole_word_mask = true;
  BOOST_CHECK_THROW(collator(sentences(1, 4)), error);  // no offsets
  rows[0]["offset_mapping"].push_back(json::array({0, 0}));
  BOOST_CHECK_THROW(collator(rows), value_error);
  collator.mlm = false;
  BOOST_CHECK_THROW(collator(sentences(1, 4)), value_error);
}

BOOST_AUTO_TEST_CASE(labels_that_rows_bring_are_kept_by_the_causal_collator) {
  const std::vector<json> rows{json::parse(R"({"input_ids": [5, 6, 7], "labels": [-100, 6, 7]})"),
                               json::parse(R"({"input_ids": [8], "labels": [8]})")};
  const Batch batch = DataCollatorForLanguageModeling{tokens(), false}(rows);
  BOOST_TEST(json(batch.at("labels").integers).dump() == "[-100, 6, 7, 8, -100, -100]");
  BOOST_TEST(json(batch.at("attention_mask").integers).dump() == "[1, 1, 1, 1, 0, 0]");
}

BOOST_AUTO_TEST_CASE(permutations) {
  const auto rows = sentences(8, 32);
  const Batch batch = DataCollatorForPermutationLanguageModeling{tokens()}(rows, 1);
  const auto &perm = batch.at("perm_mask"), &labels = batch.at("labels");
  BOOST_TEST(perm.shape == (std::vector<isize>{8, 32, 32}), boost::test_tools::per_element());
  isize predicted = 0;
  for (isize b = 0; b < 8; ++b)
    for (isize t = 0; t < 32; ++t) {
      const bool masked = labels.integers[std::size_t(b * 32 + t)] != -100;
      predicted += masked;
      // A token that is predicted does not see itself, and is hidden from tokens that are no targets.
      BOOST_TEST(perm.reals[std::size_t((b * 32 + t) * 32 + t)] == (masked ? 1 : 0));
    }
  BOOST_TEST(predicted > 10);
  BOOST_TEST(predicted < 100);
  BOOST_CHECK_THROW(DataCollatorForPermutationLanguageModeling{tokens()}(sentences(1, 31)), value_error);
}

BOOST_AUTO_TEST_CASE(seq2seq_shifts_labels_for_the_decoder) {
  const std::vector<json> rows{json::parse(R"({"input_ids": [5], "labels": [6, 7, 3]})"),
                               json::parse(R"({"input_ids": [5, 6], "labels": [8]})")};
  DataCollatorForSeq2Seq collator{tokens()};
  collator.decoder_start_token_id = 2;
  const Batch batch = collator(rows);
  BOOST_TEST(json(batch.at("decoder_input_ids").integers).dump() == "[2, 6, 7, 2, 8, 0]");
}

BOOST_AUTO_TEST_CASE(errors_name_the_column) {
  const auto text = [](const char* rows, auto collator) {
    try {
      collator(json::parse(rows).get<std::vector<json>>(), 0);
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  auto unpadded = tokens();
  unpadded.pad_token_id.reset();
  BOOST_TEST(
      text(R"([{"input_ids": [1]}, {"input_ids": [1, 2]}])", DataCollatorWithPadding{unpadded}).find("pad_token") !=
      std::string::npos);
  BOOST_TEST(text(R"([{"input_ids": [1]}, {"input_ids": [1]}])", DataCollatorWithPadding{unpadded}) == "");
  BOOST_TEST(
      text(R"([{"input_ids": [1], "x": 1}, {"input_ids": [1]}])", DataCollatorWithPadding{tokens()}).find("'x'") !=
      std::string::npos);
  BOOST_TEST(text(R"([{"x": [1, 2]}, {"x": [1]}])", DefaultDataCollator{}).find("'x' of row 1") != std::string::npos);
  BOOST_TEST(text(R"([{"x": [[1], 2]}])", DefaultDataCollator{}).find("'x' of row 0") != std::string::npos);
  BOOST_TEST(text(R"([{"text": "a"}])", DataCollatorWithPadding{tokens()}).find("input_ids") != std::string::npos);
  BOOST_TEST(text("[]", DefaultDataCollator{}).find("at least one") != std::string::npos);
  DataCollatorForLanguageModeling wrong{tokens()};
  wrong.mask_replace_prob = 0.95;
  BOOST_CHECK_THROW(wrong(sentences(1, 4)), value_error);
  BOOST_CHECK_THROW((DataCollatorForLanguageModeling{CollatorTokens{}}(sentences(1, 4))), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
