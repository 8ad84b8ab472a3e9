// Unigram: the best of all ways to write a piece as tokens.
#include <hft/tokenizers/models/unigram.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <hft/tokenizers/tokenizer.hpp>

BOOST_AUTO_TEST_SUITE(unigram)

namespace {

using scored = std::vector<std::pair<std::string, double>>;

// "id:begin-end " for each token, with the text of unknown ones.
std::string tokens_of(const hft::models::Unigram& model, std::string_view piece) {
  std::vector<hft::Token> tokens;
  model.tokenize(piece, tokens);
  std::string out;
  for (const auto& t : tokens) {
    out += std::to_string(t.id) + ":" + std::to_string(t.begin) + "-" + std::to_string(t.end);
    if (!t.value.empty()) out += "=" + t.value;
    out += ' ';
  }
  return out;
}

double best_score(const scored& pieces, double unk_score, std::string_view text) {
  if (text.empty()) return 0;
  double best = -1e300;
  bool character_known = false;
  for (const auto& [piece, score] : pieces)
    if (text.starts_with(piece)) {
      best = std::max(best, score + best_score(pieces, unk_score, text.substr(piece.size())));
      character_known |= piece.size() == 1;
    }
  return character_known ? best : std::max(best, unk_score + best_score(pieces, unk_score, text.substr(1)));
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_largest_sum_wins) {
  // The example of the tokenizers library's documentation.
  const hft::models::Unigram model(
      {{"<unk>", 0}, {"a", 0}, {"b", 0}, {"c", 0}, {"d", 0}, {"cd", 1}, {"ab", 2}, {"abc", 5}, {"abcd", 10}}, 0, false);
  BOOST_TEST(tokens_of(model, "abcd") == "8:0-4 ");
  BOOST_TEST(tokens_of(model, "abcdacdxx") == "8:0-4 1:4-5 5:5-7 0:7-9=xx ");
  BOOST_TEST(tokens_of(model, "") == "");
  BOOST_TEST(tokens_of(model, "x<unk>y") == "0:0-7=x<unk>y ");  // the unknown token itself is unknown text
}

BOOST_AUTO_TEST_CASE(all_ways_are_considered) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    scored pieces{{"<unk>", 0}};
    double lowest = 0;
    for (int k = 0; k < 8; ++k) {
      std::string text;
      for (auto n = 1 + random() % 4; n; --n) text += char('a' + random() % 3);
      bool known = false;
      for (const auto& p : pieces) known |= p.first == text;
      if (known) continue;
      pieces.emplace_back(text, -double(random() % 1000) / 64);
      lowest = std::min(lowest, pieces.back().second);
    }
    const hft::models::Unigram model(pieces, 0, false);
    const scored known(pieces.begin() + 1, pieces.end());
    for (int k = 0; k < 5; ++k) {
      std::string text;
      for (auto n = random() % 9; n; --n) text += char('a' + random() % 4);
      std::vector<hft::Token> tokens;
      model.tokenize(text, tokens);
      double sum = 0;
      for (const auto& t : tokens) sum += t.value.empty() ? model.score(t.id) : (lowest - 10) * double(t.end - t.begin);
      BOOST_TEST(sum == best_score(known, lowest - 10, text), text);  // sums of multiples of 1/64 are exact
    }
  }
}

BOOST_AUTO_TEST_CASE(unknown_text_becomes_bytes_that_stand_for_all_of_it) {
  scored pieces{{"<unk>", 0}, {"a", -1}};
  for (const char* b : {"<0xC3>", "<0xA9>", "<0x78>"}) pieces.emplace_back(b, -2);
  const hft::models::Unigram model(pieces, 0, true);
  BOOST_TEST(tokens_of(model, "aé") == "1:0-1 2:1-3 3:1-3 ");
  BOOST_TEST(tokens_of(model, "xé") == "4:0-3 2:0-3 3:0-3 ");
  BOOST_TEST(tokens_of(model, "xy") == "0:0-2=xy ");  // all bytes, or none
}

BOOST_AUTO_TEST_CASE(of_a_piece_listed_twice_the_last_is_used) {
  const hft::models::Unigram model({{"<unk>", 0}, {"ab", -9}, {"a", -1}, {"b", -1}, {"ab", -1}}, 0, false);
  BOOST_TEST(tokens_of(model, "ab") == "4:0-2 ");
  BOOST_TEST(model.vocabulary().token(1) == "ab");
  BOOST_TEST(model.vocabulary().size() == 5u);
}

BOOST_AUTO_TEST_CASE(without_an_unknown_token_unknown_text_is_an_error) {
  const hft::models::Unigram model({{"a", -1}, {"xy", -1}}, {}, false);
  BOOST_TEST(tokens_of(model, "a") == "0:0-1 ");
  BOOST_CHECK_THROW(tokens_of(model, "ab"), hft::value_error);
  BOOST_CHECK_THROW(hft::models::Unigram({{"a", 0}}, 1, false), hft::value_error);
  BOOST_CHECK_THROW(hft::models::Unigram({}, 0, false), hft::value_error);
}

BOOST_AUTO_TEST_CASE(a_megabyte_is_encoded) {
  const hft::models::Unigram model({{"<unk>", 0}, {"a", -1}, {"aaaaaaaa", -2}}, 0, false);
  std::vector<hft::Token> tokens;
  model.tokenize(std::string(1 << 20, 'a'), tokens);
  BOOST_TEST(tokens.size() == std::size_t(1 << 17));
  tokens.clear();
  model.tokenize(std::string(1 << 20, 'b'), tokens);
  BOOST_TEST(tokens.size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_trie_finds_what_a_text_starts_with) {
  std::mt19937 random(9);
  std::vector<std::string> words;
  for (int k = 0; k < 3000; ++k) {
    std::string w;
    for (auto n = random() % 7; n; --n) w += char(random() % 256);
    if (std::find(words.begin(), words.end(), w) == words.end()) words.push_back(w);
  }
  std::vector<hft::detail::byte_trie::key> keys;
  for (std::size_t i = 0; i < words.size(); ++i) keys.push_back({words[i], std::uint32_t(i)});
  const hft::detail::byte_trie trie(keys);
  for (int k = 0; k < 3000; ++k) {
    const std::string text = words[random() % words.size()] + words[random() % words.size()];
    std::size_t want = 0, got = 0;
    for (const auto& w : words) want += !w.empty() && text.starts_with(w);
    trie.prefixes(text, [&](std::uint32_t i, std::size_t n) { got += words[i] == text.substr(0, n); });
    BOOST_REQUIRE(got == want);
  }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_in_a_file_is_named) {
  const auto message = [](const std::string& model) -> std::string {
    try {
      hft::Tokenizer::from_json(R"({"model":)" + model + "}");
    } catch (const hft::error& e) {
      return e.what();
    }
    return "nothing";
  };
  BOOST_TEST(message(R"({"type":"Unigram","unk_id":0,"vocab":[["a",0.5]]})") == "nothing");
  BOOST_TEST(message(R"({"vocab":[["a",1]]})") == "nothing");  // files older than the field
  BOOST_TEST(message(R"({"type":"Unigram","unk_id":1,"vocab":[["a",0.5]]})").find("model.unk_id") != std::string::npos);
  BOOST_TEST(message(R"({"type":"Unigram","vocab":[["a",0],["b"]]})").find("model.vocab[1]") != std::string::npos);
  BOOST_TEST(message(R"({"type":"Unigram","vocab":{"a":0}})").find("model.vocab") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
