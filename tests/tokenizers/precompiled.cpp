// The replacements of a SentencePiece model, and grapheme clusters.
#include <hft/tokenizers/normalizers/precompiled.hpp>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include <hft/io/base64.hpp>

BOOST_AUTO_TEST_SUITE(precompiled)

namespace {

// A charsmap of single-byte keys: the root's children stand at its base ^ byte, their values 1024 units further.
struct map_writer {
  std::vector<std::uint32_t> units = std::vector<std::uint32_t>(4096);
  std::string text;
  map_writer() { units[0] = 256 << 10; }
  void add(unsigned char key, const std::string& value) {
    const std::uint32_t position = 256 ^ key, target = 1024 + 16u * key;
    units[position] = key | 1u << 8 | (position ^ target) << 10;
    units[target] = 1u << 31 | std::uint32_t(text.size());
    text += value + '\0';
  }
  std::string bytes() const {
    std::string out;
    const auto number = [&](std::uint32_t n) {
      for (int k = 0; k < 4; ++k) out += char(n >> (8 * k) & 255);
    };
    number(std::uint32_t(units.size() * 4));
    for (const auto u : units) number(u);
    return out + text;
  }
};

std::string normalized(const std::string& map, const std::string& text) {
  hft::NormalizedString s(text);
  hft::normalizers::Precompiled(map).normalize(s);
  return s.get();
}

std::string clusters(std::string_view text) {
  std::string out;
  hft::detail::unicode::for_each_grapheme(text, [&](std::size_t begin, std::size_t end) {
    out += std::to_string(begin) + "-" + std::to_string(end) + " ";
  });
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(characters_are_replaced) {
  map_writer w;
  w.add('a', "xyz");
  w.add('b', "");
  w.add('\n', " ");
  const auto map = w.bytes();
  BOOST_TEST(normalized(map, "cab\nc") == "cxyz c");
  BOOST_TEST(normalized(map, "c") == "c");
  BOOST_TEST(normalized(map, "") == "");
  // A short cluster is replaced as a whole by what its start is replaced by; of a long one each character.
  BOOST_TEST(normalized(map,
                        "a\xcc\x81"
                        "c") == "xyzc");
  BOOST_TEST(normalized(map, "a\xcc\x81\xcc\x81\xcc\x81") == "xyz\xcc\x81\xcc\x81\xcc\x81");
}

BOOST_AUTO_TEST_CASE(alignments_follow) {
  map_writer w;
  w.add('a', "xyz");
  w.add('b', "");
  hft::NormalizedString s("cabd");
  hft::normalizers::Precompiled(w.bytes()).normalize(s);
  BOOST_TEST(s.get() == "cxyzd");
  std::size_t from = 0, to = 0;
  BOOST_TEST(s.to_original(1, 4, from, to));
  BOOST_TEST((from == 1 && to == 3));  // what goes is charged to the character before, as in the library
  BOOST_TEST(s.to_original(4, 5, from, to));
  BOOST_TEST((from == 3 && to == 4));
}

BOOST_AUTO_TEST_CASE(a_map_that_reaches_outside_is_an_error) {
  using hft::normalizers::Precompiled;
  const map_writer good = [] {
    map_writer w;
    w.add('a', "x");
    return w;
  }();
  BOOST_CHECK_NO_THROW(Precompiled(good.bytes()));
  BOOST_CHECK_THROW(Precompiled(""), hft::format_error);
  BOOST_CHECK_THROW(Precompiled(std::string(4, '\0')), hft::format_error);
  BOOST_CHECK_THROW(Precompiled("\xff\xff\xff\xff" + std::string(64, '\0')), hft::format_error);
  BOOST_CHECK_THROW(Precompiled(good.bytes() + "\xff"), hft::format_error);
  auto far = good;
  far.units[300] = 1u << 31 >> 1;  // children at 2^20
  BOOST_CHECK_THROW(Precompiled(far.bytes()), hft::format_error);
  auto value = good;
  value.units[1024 + 16 * 'a'] = 1u << 31 | 3;  // behind the replacements
  BOOST_CHECK_THROW(Precompiled(value.bytes()), hft::format_error);
  const auto bytes = good.bytes();
  for (std::size_t n = 0; n < bytes.size(); n += 61) {
    try {
      (void)normalized(bytes.substr(0, n), "aé\xcc\x81z");
    } catch (const hft::format_error&) {
    }
  }
}

BOOST_AUTO_TEST_CASE(grapheme_clusters) {
  BOOST_TEST(clusters("ab") == "0-1 1-2 ");
  BOOST_TEST(clusters("\r\n\n") == "0-2 2-3 ");
  BOOST_TEST(clusters("e\xcc\x81x") == "0-3 3-4 ");
  BOOST_TEST(clusters("👩\xe2\x80\x8d👩a") == "0-11 11-12 ");
  BOOST_TEST(clusters("a\xe2\x80\x8d👩") == "0-4 4-8 ");
  BOOST_TEST(clusters("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8가\xe1\x86\xa8") == "0-9 9-15 ");
  BOOST_TEST(clusters("क्षक") == "0-9 9-12 ");
  BOOST_TEST(clusters("\xd8\x80"
                      "a") == "0-3 ");  // a prepended mark
}

BOOST_AUTO_TEST_CASE(base64_there_and_back) {
  using namespace hft::detail;
  BOOST_TEST(encode_base64("") == "");
  BOOST_TEST(encode_base64("foob") == "Zm9vYg==");
  BOOST_TEST(encode_base64("fooba") == "Zm9vYmE=");
  for (const char* text : {"", "f", "fo", "foo", "foob", "\x80\xff\x01"})
    BOOST_TEST(decode_base64(encode_base64(text), "test") == text);
  for (const char* text : {"Zg=", "Zg", "Z===", "Zh==", "Zm9=v", "Zm9v\n", "Z-8="})
    BOOST_CHECK_THROW(decode_base64(text, "test"), hft::format_error);
}

BOOST_AUTO_TEST_SUITE_END()
