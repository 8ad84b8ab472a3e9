// hft/io/checked.hpp, utf8.hpp and stored_tensor.hpp: the arithmetic, the text and the index that all readers share.
#include "hft/io/stored_tensor.hpp"

#include "hft/io/utf8.hpp"
#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(stored_tensor_)

BOOST_AUTO_TEST_CASE(arithmetic_that_does_not_fit_gives_nothing) {
  constexpr std::uint64_t max = UINT64_MAX;
  BOOST_TEST(detail::checked_add(max - 1, 1).value() == max);
  BOOST_TEST(!detail::checked_add(max, 1));
  BOOST_TEST(detail::checked_mul(0, max).value() == 0u);
  BOOST_TEST(detail::checked_mul(max, 0).value() == 0u);
  BOOST_TEST(detail::checked_mul(max / 3, 3).value() == max / 3 * 3);
  BOOST_TEST(!detail::checked_mul(max / 3 + 1, 3));
  BOOST_TEST(!detail::checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32));
  BOOST_TEST(detail::checked_product(std::vector<isize>{2, 0, 3}).value() == 0u);
  BOOST_TEST(detail::checked_product(std::vector<isize>{}).value() == 1u);
  BOOST_TEST(!detail::checked_product(std::vector<isize>{PTRDIFF_MAX, 3, 0}));
  BOOST_TEST(detail::checked_align(33, 32).value() == 64u);
  BOOST_TEST(detail::checked_align(64, 32).value() == 64u);
  BOOST_TEST(!detail::checked_align(max - 3, 32));
  BOOST_TEST(detail::within(4, 4, 8));
  BOOST_TEST(!detail::within(4, 5, 8));
  BOOST_TEST(!detail::within(4, max, 8));
  BOOST_TEST(!detail::within(max, 1, 8));
}

BOOST_AUTO_TEST_CASE(bytes_of_a_shape) {
  using shape = std::vector<isize>;
  BOOST_TEST(detail::storage_bytes(dtype_id::f32, shape{2, 3}).value() == 24u);
  BOOST_TEST(detail::storage_bytes(dtype_id::f32, shape{}).value() == 4u);
  BOOST_TEST(detail::storage_bytes(dtype_id::q4_0, shape{2, 64}).value() == 72u);
  BOOST_TEST(detail::storage_bytes(dtype_id::q6_k, shape{3, 256}).value() == 630u);
  BOOST_TEST(detail::storage_bytes(dtype_id::f32, shape{3, 0}).value() == 0u);
  BOOST_TEST(!detail::storage_bytes(dtype_id::q4_0, shape{64, 2}));
  BOOST_TEST(!detail::storage_bytes(dtype_id::q4_0, shape{}));
  BOOST_TEST(!detail::storage_bytes(dtype_id::f32, shape{-1, -1}));
  BOOST_TEST(!detail::storage_bytes(dtype_id::u8, shape{PTRDIFF_MAX, 2}));
  BOOST_TEST(!detail::storage_bytes(dtype_id::f32, shape{PTRDIFF_MAX / 2}));
}

BOOST_AUTO_TEST_CASE(utf8_is_what_unicode_says_it_is) {
  for (const std::string_view good : {"", "plain ascii text", "é", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80",
                                      "\xf4\x8f\xbf\xbf", "twelve bytes and 😀, then more ascii"})
    BOOST_TEST(detail::valid_utf8(good));
  BOOST_TEST(detail::valid_utf8(std::string_view("\0", 1)));
  for (const std::string_view bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3\x28", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x90\x80"})
    BOOST_TEST(detail::find_invalid_utf8(bad) == 0u);
  BOOST_TEST(detail::find_invalid_utf8("ascii, é and \xff at the end") == 14u);
  // Every code point in turn, encoded by hand.
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    char s[8];
    std::size_t n = 0;
    if (c < 0x80) {
      s[n++] = char(c);
    } else if (c < 0x800) {
      s[n++] = char(0xc0 | (c >> 6));
      s[n++] = char(0x80 | (c & 63));
    } else if (c < 0x10000) {
      s[n++] = char(0xe0 | (c >> 12));
      s[n++] = char(0x80 | ((c >> 6) & 63));
      s[n++] = char(0x80 | (c & 63));
    } else {
      s[n++] = char(0xf0 | (c >> 18));
      s[n++] = char(0x80 | ((c >> 12) & 63));
      s[n++] = char(0x80 | ((c >> 6) & 63));
      s[n++] = char(0x80 | (c & 63));
    }
    const bool surrogate = c >= 0xd800 && c < 0xe000;
    if (detail::valid_utf8({s, n}) == surrogate) BOOST_ERROR("code point " << c);
  }
}

BOOST_AUTO_TEST_CASE(text_of_files_is_made_printable) {
  BOOST_TEST(detail::quote_text("a\n\xff") == "'a\\x0a\\xff'");
  BOOST_TEST(detail::quote_text(std::string(100, 'x'), 3) == "'xxx...'");
}

BOOST_AUTO_TEST_CASE(an_index_finds_names) {
  std::vector<stored_tensor> tensors(4);
  const char* names[] = {"b", "a", "c", ""};
  for (std::size_t i = 0; i < 4; ++i) tensors[i].name = names[i];
  const detail::name_index index(tensors, detail::tensor_name{});
  for (const auto& t : tensors) BOOST_TEST(index.find(tensors, t.name, detail::tensor_name{}) == &t);
  BOOST_TEST(index.find(tensors, "d", detail::tensor_name{}) == nullptr);
  BOOST_TEST(index.duplicate(tensors, detail::tensor_name{}) == nullptr);
  tensors[3].name = "b";
  BOOST_TEST(detail::name_index(tensors, detail::tensor_name{}).duplicate(tensors, detail::tensor_name{}) ==
             &tensors[3]);
}

BOOST_AUTO_TEST_SUITE_END()
