// hft/io/gguf.hpp and gguf_value.hpp: reads what gguf-py wrote, refuses everything that is not sound.
#include "hft/io/gguf.hpp"

#include "hft/io/gguf_writer.hpp"
#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(gguf_)

namespace {

gguf_file parse(std::string_view file) {
  const buffer copy(file);
  return gguf_file::parse(copy.bytes(), copy.storage, "t.gguf");
}

// Builds GGUF bytes piece by piece, so that any of them can be wrong.
struct raw_gguf {
  std::string metadata, tensors, data;
  std::uint64_t metadata_count = 0, tensor_count = 0;
  std::uint32_t version = 3;

  static std::string text(std::string_view s) { return raw(std::uint64_t(s.size())) + std::string(s); }
  raw_gguf& value(std::string_view key, gguf_type type, std::string_view bytes) {
    metadata += text(key) + raw(std::uint32_t(type)) + std::string(bytes);
    ++metadata_count;
    return *this;
  }
  raw_gguf& array(std::string_view key, gguf_type element, std::uint64_t count, std::string_view bytes) {
    return value(key, gguf_type::array, raw(std::uint32_t(element)) + raw(count) + std::string(bytes));
  }
  raw_gguf& tensor(std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type, std::uint64_t offset) {
    tensors += text(name) + raw(std::uint32_t(dims.size()));
    for (const auto d : dims) tensors += raw(d);
    tensors += raw(type) + raw(offset);
    ++tensor_count;
    return *this;
  }
  raw_gguf& bytes(std::size_t n) {
    data = std::string(n, '\1');
    return *this;
  }
  std::string file(std::size_t alignment = 32) const {
    std::string out = "GGUF" + raw(version) + raw(tensor_count) + raw(metadata_count) + metadata + tensors;
    if (!data.empty()) out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

template <class E = format_error, class... Parts>
void check_refused(const raw_gguf& file, Parts... parts) {
  check_fails<E>([&] { parse(file.file()); }, {"t.gguf", parts...});
}

}  // namespace

BOOST_AUTO_TEST_CASE(reads_all_value_types) {
  const auto file = gguf_file::open(golden("values.gguf"));
  BOOST_TEST(file.version() == 3u);
  BOOST_TEST(file.alignment() == 64u);
  BOOST_TEST(file.at("general.architecture").as_string() == "llama");
  BOOST_TEST(file.at("v.u8").as_i64() == 200);
  BOOST_TEST(file.at("v.i8").as_i64() == -100);
  BOOST_TEST(file.at("v.u16").as_i64() == 60000);
  BOOST_TEST(file.at("v.i16").as_i64() == -30000);
  BOOST_TEST(file.at("v.u32").as_i64() == 4000000000);
  BOOST_TEST(file.at("v.i32").as_i64() == -2000000000);
  BOOST_TEST(file.at("v.i64").as_i64() == INT64_MIN);
  BOOST_TEST(file.at("v.u64").as<std::uint64_t>() == UINT64_MAX);
  BOOST_TEST(file.at("v.f32").as_f64() == double(1e-5f));
  BOOST_TEST(file.at("v.f64").as_f64() == 0.1);
  BOOST_TEST(file.at("v.u32").as_f64() == 4e9);
  BOOST_TEST(file.at("v.bool").as_bool());
  BOOST_TEST(file.at("v.string").as_string() == "Grüße\n😀");
  BOOST_TEST((file.at("a.i32").as_i64s() == std::vector<std::int64_t>{1, -2, 3}));
  BOOST_TEST((file.at("a.u8").as_i32s() == std::vector<std::int32_t>{1, 2, 255}));
  BOOST_TEST((file.at("a.f32").as_f32s() == std::vector<float>{0.5f, -1.5f}));
  BOOST_TEST((file.at("a.i32").as_f32s() == std::vector<float>{1, -2, 3}));
  BOOST_TEST((file.at("a.bool").as_bools() == std::vector<bool>{true, false}));
  BOOST_TEST((file.at("a.string").as_strings() == std::vector<std::string_view>{"", "a", "ä", "<|endoftext|>"}));
  BOOST_TEST(file.metadata()[0].key() == "general.architecture");
  BOOST_TEST(file.find("absent") == nullptr);
  BOOST_TEST(file.get<int>("absent", 5) == 5);
  BOOST_TEST(file.get<int>("v.u8", 5) == 200);
  BOOST_TEST(file.get<std::string>("v.string", "") == "Grüße\n😀");
}

BOOST_AUTO_TEST_CASE(access_says_where_it_failed) {
  const auto file = gguf_file::open(golden("values.gguf"));
  check_fails<format_error>([&] { file.at("absent"); }, {"values.gguf", "'absent' is missing"});
  check_fails<format_error>([&] { file.at("v.u64").as_i64(); }, {"values.gguf", "'v.u64'", "64 bits"});
  check_fails<format_error>([&] { file.at("v.u8").as<std::int8_t>(); }, {"8 bits, got 200"});
  check_fails<format_error>([&] { file.at("v.f32").as_i64(); }, {"an integer, got f32"});
  check_fails<format_error>([&] { file.at("v.bool").as_i64(); }, {"an integer, got bool"});
  check_fails<format_error>([&] { file.at("v.string").as_f64(); }, {"a number, got string"});
  check_fails<format_error>([&] { file.at("v.u8").as_bool(); }, {"a boolean, got u8"});
  check_fails<format_error>([&] { file.at("a.i32").as_i64(); }, {"an integer, got an array of 3 i32"});
  check_fails<format_error>([&] { file.at("v.i32").as_i64s(); }, {"an array of integers, got i32"});
  check_fails<format_error>([&] { file.at("a.f32").as_i64s(); }, {"got an array of 2 f32"});
  check_fails<format_error>([&] { file.at("a.i32").as_strings(); }, {"an array of strings"});
  check_fails<format_error>([&] { file.at("a.i32").as_integers<std::uint8_t>(); }, {"8 bits, got -2"});
}

BOOST_AUTO_TEST_CASE(reads_tensors_row_major) {
  const auto file = gguf_file::open(golden("values.gguf"));
  BOOST_TEST(file.tensors().size() == 6u);
  const stored_tensor* t = file.find_tensor("f32");
  BOOST_TEST((t->shape == std::vector<isize>{2, 3}));
  for (int i = 0; i < 6; ++i) BOOST_TEST(detail::load_unaligned<float>(t->bytes.data() + 4 * i) == float(i));
  BOOST_TEST((file.find_tensor("f16")->shape == std::vector<isize>{1, 2, 1, 2}));
  const stored_tensor* q = file.find_tensor("q8_0");
  BOOST_TEST((q->dtype == dtype_id::q8_0));
  BOOST_TEST((q->shape == std::vector<isize>{2, 64}));
  BOOST_TEST(q->bytes.size() == 4u * 34);
  BOOST_TEST(file.find_tensor("q4_0")->bytes.size() == 4u * 18);
  BOOST_TEST(detail::load_unaligned<std::int32_t>(file.find_tensor("i32")->bytes.data() + 8) == 9);
  BOOST_TEST(file.find_tensor("absent") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_tensor_keeps_the_mapping_alive) {
  stored_tensor tensor;
  {
    const auto file = gguf_file::open(golden("values.gguf"));
    tensor = *file.find_tensor("i32");
  }
  BOOST_TEST(detail::load_unaligned<std::int32_t>(tensor.bytes.data()) == 7);
}

BOOST_AUTO_TEST_CASE(unknown_tensor_types_are_refused_when_asked_for) {
  const auto file = gguf_file::open(golden("unknown_type.gguf"));
  BOOST_TEST(file.tensors().size() == 1u);
  BOOST_TEST(file.find_tensor("known") != nullptr);
  check_fails<unsupported_error>([&] { file.find_tensor("iq4_nl"); }, {"unknown_type.gguf", "'iq4_nl'", "type 20"});
  check_refused(raw_gguf().tensor("a", {1}, 999, 0).tensor("a", {1}, 0, 0).bytes(4), "'a' appears twice");
  check_refused(raw_gguf().tensor("a", {1}, 999, 0).tensor("a", {1}, 998, 0).bytes(4), "'a' appears twice");
}

BOOST_AUTO_TEST_CASE(every_prefix_is_an_error) {
  for (const char* name : {"values.gguf", "unknown_type.gguf"}) {
    const std::string text = contents(golden(name));
    const auto whole = parse(text);
    // What follows the last tensor is padding, which a file may lack.
    const auto* first = whole.tensors()[0].bytes.data();
    std::size_t end = 0;
    for (const auto& t : whole.tensors()) end = std::max(end, std::size_t(t.bytes.data() + t.bytes.size() - first));
    std::size_t start = text.size();
    const buffer copy(text);
    const auto again = gguf_file::parse(copy.bytes(), copy.storage, name);
    start = std::size_t(again.tensors()[0].bytes.data() - copy.bytes().data());
    for (std::size_t n = 0; n < start + end; ++n) {
      BOOST_TEST_CONTEXT(name << ", prefix of " << n << " bytes") {
        check_fails<format_error>([&] { parse(std::string_view(text).substr(0, n)); }, {"t.gguf"});
      }
    }
    parse(std::string_view(text).substr(0, start + end));
  }
}

BOOST_AUTO_TEST_CASE(versions) {
  raw_gguf file;
  file.version = 2;
  BOOST_TEST(parse(file.file()).version() == 2u);
  file.version = 1;
  check_refused<unsupported_error>(file, "2 or 3, got 1");
  file.version = 4;
  check_refused(file, "2 or 3, got 4");
  file.version = 0;
  check_refused(file, "2 or 3, got 0");
  file.version = 3u << 24;
  check_refused<unsupported_error>(file, "big endian");
  check_fails<format_error>([] { parse("GGML" + std::string(20, '\0')); }, {"no GGUF file", "'GGML'"});
}

BOOST_AUTO_TEST_CASE(counts_that_no_file_holds_fail_before_anything_is_allocated) {
  for (const std::uint64_t count : {UINT64_MAX, std::uint64_t{1} << 60, std::uint64_t{100}}) {
    raw_gguf file;
    file.metadata_count = count;
    check_refused(file, "metadata count");
    file.metadata_count = 0;
    file.tensor_count = count;
    check_refused(file, "tensor count");
    for (const auto type : {gguf_type::string, gguf_type::u64, gguf_type::i8})
      check_refused(raw_gguf().array("k", type, count, "123"), "'k'");
    check_refused(raw_gguf().value("k", gguf_type::string, raw(count)), "unexpected end of file");
  }
  raw_gguf key;
  key.metadata = raw(UINT64_MAX) + std::string(20, 'k');
  key.metadata_count = 1;
  check_refused(key, "length of metadata key", "at most 65535");
}

BOOST_AUTO_TEST_CASE(reads_arrays_of_arrays) {
  const auto array = [](gguf_type type, std::uint64_t count, const std::string& bytes) {
    return raw(std::uint32_t(type)) + raw(count) + bytes;
  };
  const std::string numbers = array(gguf_type::i16, 2, raw(std::int16_t(-1)) + raw(std::int16_t(7))),
                    texts = array(gguf_type::string, 2, raw_gguf::text("a") + raw_gguf::text("")),
                    deeper = array(gguf_type::array, 2, numbers + array(gguf_type::f32, 0, ""));
  const auto file = parse(
      raw_gguf().array("k", gguf_type::array, 3, numbers + texts + deeper).value("after", gguf_type::u8, "\5").file());
  BOOST_TEST(file.at("after").as_i64() == 5);
  const auto k = file.at("k").as_arrays();
  BOOST_TEST_REQUIRE(k.size() == 3u);
  BOOST_TEST(k[0].key() == "k");
  BOOST_TEST((k[0].as_i64s() == std::vector<std::int64_t>{-1, 7}));
  BOOST_TEST((k[1].as_strings() == std::vector<std::string_view>{"a", ""}));
  const auto inner = k[2].as_arrays();
  BOOST_TEST_REQUIRE(inner.size() == 2u);
  BOOST_TEST((inner[0].as_i32s() == std::vector<std::int32_t>{-1, 7}));
  BOOST_TEST(inner[1].size() == 0u);
  check_fails<format_error>([&] { file.at("k").as_i64s(); }, {"'k'", "an integer, got an array of 3 arrays"});
  check_fails<format_error>([&] { file.at("after").as_arrays(); }, {"an array of arrays, got u8"});
  check_fails<format_error>([&] { k[0].as_arrays(); }, {"got an array of 2 i16"});

  // None of it may be cut short, nor be of an unknown type, nor too deep.
  const std::string whole = numbers + texts + deeper;
  for (std::size_t n = 0; n < whole.size(); ++n)
    check_refused(raw_gguf().array("k", gguf_type::array, 3, whole.substr(0, n)));
  check_refused(raw_gguf().array("k", gguf_type::array, 1, array(gguf_type(13), 1, "1")), "'k'", "got 13");
  check_refused(raw_gguf().array("k", gguf_type::array, UINT64_MAX, whole), "'k'", "array length");
  std::string deep = array(gguf_type::u8, 0, "");
  for (int i = 0; i < 8; ++i) deep = array(gguf_type::array, 1, deep);
  check_refused(raw_gguf().value("k", gguf_type::array, deep), "'k'", "nested at most 8 deep");
}

BOOST_AUTO_TEST_CASE(metadata_must_be_sound) {
  check_refused(raw_gguf().value("k", gguf_type(13), "12345678"), "'k'", "a value type from 0 to 12, got 13");
  check_refused(raw_gguf().array("k", gguf_type(99), 1, "12345678"), "'k'", "got 99");
  check_refused(raw_gguf().value("k", gguf_type::u8, "1").value("k", gguf_type::u8, "1"), "'k' appears twice");
  check_refused(raw_gguf().value("\xff", gguf_type::u8, "1"), "UTF-8");
  // Text is checked when it is read: a vocabulary is not walked twice.
  const auto bad = parse(raw_gguf()
                             .value("s", gguf_type::string, raw_gguf::text("\xff"))
                             .array("a", gguf_type::string, 1, raw_gguf::text("\xff"))
                             .file());
  check_fails<format_error>([&] { bad.at("s").as_string(); }, {"'s'", "valid UTF-8"});
  check_fails<format_error>([&] { bad.at("a").as_strings(); }, {"'a', string 0", "valid UTF-8"});
  BOOST_TEST(parse(raw_gguf().array("e", gguf_type::string, 0, "").file()).at("e").as_strings().empty());
}

BOOST_AUTO_TEST_CASE(alignment_is_honoured_and_checked) {
  const auto aligned = [](std::uint32_t n) {
    return raw_gguf().value("general.alignment", gguf_type::u32, raw(n)).tensor("t", {1}, 0, 0).bytes(4);
  };
  for (const std::uint32_t n : {1u, 8u, 128u}) {
    const auto file = parse(aligned(n).file(n));
    BOOST_TEST(file.alignment() == n);
    BOOST_TEST(char(file.tensors()[0].bytes[0]) == '\1');
  }
  for (const std::uint32_t n : {0u, 3u, 48u}) check_refused(aligned(n), "general.alignment", "a power of two");
  check_refused(aligned(1u << 31), "beyond the end");
  check_refused(raw_gguf().value("general.alignment", gguf_type::string, raw_gguf::text("32")), "an integer");
  check_refused(raw_gguf().tensor("t", {1}, 0, 16).bytes(64), "'t'", "a multiple of 32, got 16");
}

BOOST_AUTO_TEST_CASE(tensors_must_lie_apart_inside_the_file) {
  const auto f32 = [](std::uint64_t a, std::uint64_t b) {
    return raw_gguf().tensor("a", {8}, 0, a).tensor("b", {8}, 0, b).bytes(64);
  };
  parse(f32(0, 32).file());
  parse(f32(32, 0).file());
  check_refused(f32(0, 0), "'a' and 'b' overlap");
  check_refused(raw_gguf().tensor("a", {16}, 0, 0).tensor("b", {8}, 0, 32).bytes(64), "'a' and 'b' overlap");
  check_refused(f32(0, 64), "'b' reaches beyond the end", "32 bytes at offset 64, got 64 bytes");
  check_refused(f32(0, UINT64_MAX - 31), "'b' reaches beyond the end");
  check_refused(raw_gguf().tensor("a", {17}, 0, 0).bytes(64), "'a' reaches beyond the end");
  check_refused(raw_gguf().tensor("a", {4}, 0, 0).tensor("a", {4}, 0, 32).bytes(64), "'a' appears twice");
  check_refused(raw_gguf().tensor("\xff", {4}, 0, 0).bytes(64), "tensor name", "UTF-8");
}

BOOST_AUTO_TEST_CASE(shapes_must_be_sound) {
  check_refused(raw_gguf().tensor("a", {1, 1, 1, 1, 1}, 0, 0).bytes(64), "'a'", "at most 4 dimensions, got 5");
  raw_gguf many;
  many.tensors = raw_gguf::text("a") + raw(std::uint32_t(UINT32_MAX)) + std::string(40, '\0');
  many.tensor_count = 1;
  check_refused(many, "at most 4 dimensions, got 4294967295");
  const std::uint64_t half = std::uint64_t{1} << 32;
  check_refused(raw_gguf().tensor("a", {half, half}, 0, 0).bytes(64), "'a'", "fits into memory");
  check_refused(raw_gguf().tensor("a", {half, half, half, half}, 2, 0).bytes(64), "'a'", "fits into memory");
  check_refused(raw_gguf().tensor("a", {std::uint64_t{1} << 62}, 0, 0).bytes(64), "'a'", "fits into memory");
  check_refused(raw_gguf().tensor("a", {std::uint64_t{1} << 63}, 0, 0).bytes(64), "'a'", "fit into memory");
  check_refused(raw_gguf().tensor("a", {UINT64_MAX}, 24, 0).bytes(64), "'a'", "fit into memory");
  check_refused(raw_gguf().tensor("a", {33, 2}, 2, 0).bytes(64), "'a'", "whole q4_0 blocks", "(2, 33)");
  check_refused(raw_gguf().tensor("a", {16, 2}, 2, 0).bytes(64), "'a'", "whole q4_0 blocks");  // rows, not the total
  check_refused(raw_gguf().tensor("a", {}, 2, 0).bytes(64), "'a'", "whole q4_0 blocks");
}

BOOST_AUTO_TEST_SUITE_END()
