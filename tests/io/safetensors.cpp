// hft/io/safetensors.hpp: reads what the safetensors package wrote, refuses everything that is not sound.
#include "hft/io/safetensors.hpp"

#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(safetensors_)

namespace {

safetensors_file parse(std::string_view file) {
  const buffer copy(file);
  return safetensors_file::parse(copy.bytes(), copy.storage, "t.safetensors");
}
// A file of this header and this many bytes of data.
std::string with_header(std::string_view header, std::size_t data) {
  return raw(std::uint64_t(header.size())) + std::string(header) + std::string(data, '\0');
}
template <class... Parts>
void check_refused(std::string_view header, std::size_t data, Parts... parts) {
  check_fails<format_error>([&] { parse(with_header(header, data)); }, {"t.safetensors", parts...});
}

}  // namespace

BOOST_AUTO_TEST_CASE(reads_all_dtypes) {
  const auto file = safetensors_file::open(golden("dtypes.safetensors"));
  BOOST_TEST(file.tensors().size() == 15u);
  BOOST_TEST(file.metadata().at("format") == "pt");
  for (const auto id : {dtype_id::f64, dtype_id::f32, dtype_id::f16, dtype_id::bf16, dtype_id::i64, dtype_id::i32,
                        dtype_id::i16, dtype_id::i8, dtype_id::u8, dtype_id::boolean}) {
    const stored_tensor* t = file.find(detail::cat("b.", name(id)));
    BOOST_REQUIRE(t != nullptr);
    BOOST_TEST((t->dtype == id));
    BOOST_TEST((t->shape == std::vector<isize>{2, 3}));
    BOOST_TEST(t->numel() == 6);
    BOOST_TEST(isize(t->bytes.size()) == 6 * info(id).bytes);
  }
  const auto* f = file.find("b.f32");
  for (int i = 0; i < 6; ++i) {
    float value;
    std::memcpy(&value, f->bytes.data() + 4 * i, 4);
    BOOST_TEST(value == float(i + 1));
  }
  BOOST_TEST(file.find("scalar")->shape.empty());
  BOOST_TEST(file.find("empty")->bytes.empty());
  BOOST_TEST(file.find("escaped é \"\\\n\t\x01\x7f\u2028😀") != nullptr);
  BOOST_TEST(file.find("absent") == nullptr);
  BOOST_TEST(safetensors_file::open(golden("none.safetensors")).tensors().empty());
}

BOOST_AUTO_TEST_CASE(a_tensor_keeps_the_mapping_alive) {
  stored_tensor tensor;
  {
    const auto file = safetensors_file::open(golden("dtypes.safetensors"));
    tensor = *file.find("b.u8");
  }
  BOOST_TEST(int(tensor.bytes[5]) == 6);
}

BOOST_AUTO_TEST_CASE(dtypes_without_a_type_here_are_refused_when_asked_for) {
  const auto file = safetensors_file::open(golden("other_dtypes.safetensors"));
  BOOST_TEST(file.tensors().size() == 1u);
  BOOST_TEST(file.unreadable().size() == 2u);
  BOOST_TEST(file.find("f32") != nullptr);
  check_fails<unsupported_error>([&] { file.find("f8"); }, {"'f8'", "F8_E4M3"});
  check_fails<unsupported_error>([&] { file.find("u16"); }, {"'u16'", "U16"});
}

BOOST_AUTO_TEST_CASE(every_prefix_is_an_error) {
  for (const char* name : {"dtypes.safetensors", "none.safetensors", "sharded/model-00001-of-00005.safetensors"}) {
    const std::string file = contents(golden(name));
    parse(file);
    for (std::size_t n = 0; n < file.size(); ++n) {
      BOOST_TEST_CONTEXT(name << ", prefix of " << n << " bytes") {
        check_fails<format_error>([&] { parse(std::string_view(file).substr(0, n)); }, {"t.safetensors"});
      }
    }
    check_fails<format_error>([&] { parse(file + '\0'); }, {"bytes that belong to no tensor"});
  }
}

BOOST_AUTO_TEST_CASE(the_header_is_bounded) {
  check_fails<format_error>([] { parse(raw(std::uint64_t{100'000'001}) + "{}"); },
                            {"at most 100000000", "got 100000001"});
  check_fails<format_error>([] { parse(raw(UINT64_MAX) + "{}"); }, {"at most 100000000"});
  check_fails<format_error>([] { parse(raw(std::uint64_t{3}) + "{}"); }, {"beyond the end", "3 bytes, got 2"});
  check_fails<format_error>([] { parse(raw(std::uint64_t{0})); }, {"a JSON object"});
  check_refused(" {}", 0, "a JSON object");
  check_refused("[]", 0, "a JSON object");
  check_refused("{\"\xff\":0}", 0, "UTF-8");
  check_refused("{} x", 0, "malformed JSON");
}

BOOST_AUTO_TEST_CASE(offsets_must_cover_the_data) {
  // Two f32 of one element each, whose offsets are given.
  const auto two = [](std::string_view a, std::string_view b) {
    return detail::cat(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)", a,
                       R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)", b, "}}");
  };
  BOOST_TEST(parse(with_header(two("[0,4]", "[4,8]"), 8)).tensors().size() == 2u);
  BOOST_TEST(parse(with_header(two("[4,8]", "[0,4]"), 8)).tensors()[0].name == "b");  // any order in the header
  check_refused(two("[0,4]", "[4,8]"), 7, "cut short", "8 bytes of data, got 7");
  check_refused(two("[0,4]", "[4,8]"), 9, "belong to no tensor");
  check_refused(two("[0,4]", "[0,4]"), 4, "tensor 'b' overlaps");
  check_refused(two("[0,4]", "[2,6]"), 8, "tensor 'b' overlaps");
  check_refused(two("[0,4]", "[8,12]"), 12, "tensor 'b' leaves a hole", "offset 4, got 8");
  check_refused(two("[4,8]", "[8,12]"), 12, "tensor 'a' leaves a hole");
  check_refused(two("[0,4]", "[8,4]"), 8, "'b'", "[begin, end]");
  check_refused(two("[0,4]", "[4]"), 8, "'b'", "[begin, end]");
  check_refused(two("[0,4]", "[4,8,12]"), 8, "'b'", "[begin, end]");
  check_refused(two("[0,4]", "[-4,0]"), 8, "'b'", "from 0", "got -4");
  check_refused(two("[0,4]", "[4.0,8.0]"), 8, "'b'", "an integer");
  check_refused(two("[0,4]", "[18446744073709551612,18446744073709551616]"), 8, "an integer");
  check_refused(two("[0,4]", "[18446744073709551612,18446744073709551615]"), 8, "4 bytes for F32 (1), got 3");
}

BOOST_AUTO_TEST_CASE(sizes_must_match_and_not_overflow) {
  const auto one = [](std::string_view dtype, std::string_view shape, std::string_view end) {
    return detail::cat(R"({"a":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":[0,)", end, "]}}");
  };
  check_refused(one("F32", "[2,3]", "12"), 12, "'a'", "24 bytes for F32 (2, 3), got 12");
  check_refused(one("F16", "[2,3]", "24"), 24, "12 bytes for F16");
  check_refused(one("Q4_0", "[2]", "8"), 8, "a dtype of the format, got 'Q4_0'");
  check_refused(one("f32", "[2]", "8"), 8, "a dtype of the format");
  check_refused(one("", "[2]", "8"), 8, "a dtype of the format");
  check_refused(one("F4", "[3]", "2"), 2, "'a'");  // half a byte
  check_refused(one("F32", "[4294967296,4294967296,4]", "0"), 0, "larger than any file");
  check_refused(one("F32", "[4611686018427387904]", "0"), 0, "larger than any file");
  check_refused(one("F32", "[9223372036854775808]", "0"), 0, "fit into memory");
  check_refused(one("F32", "[-1]", "0"), 0, "from 0", "got -1");
  check_refused(one("F32", "[[1]]", "4"), 4, "shape[0]");
  check_refused(one("F32", "3", "12"), 12, "an array");
  check_refused(one("F32", "null", "4"), 4, "a dtype, a shape and data_offsets");
  check_refused(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "'dtype' is missing");
  check_refused(R"({"a":{"dtype":"F32","shape":[1]}})", 4, "data_offsets");
  check_refused(R"({"a":[0,4]})", 4, "'a'", "an object");
}

BOOST_AUTO_TEST_CASE(names_are_unique) {
  check_refused(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
      "'a' appears twice");
  check_refused(R"({"a":{"dtype":"U8","shape":[1],"dtype":"U8","data_offsets":[0,1]}})", 1, "'a.dtype' appears twice");
  check_refused(R"({"__metadata__":{"k":"1","k":"2"}})", 0, "appears twice");
  check_refused(R"({"__metadata__":{"k":1}})", 0, "__metadata__.k", "a string");
  check_refused(R"({"__metadata__":[]})", 0, "__metadata__", "an object");
}

BOOST_AUTO_TEST_CASE(files_that_cannot_be_read) {
  check_fails<file_error>([] { safetensors_file::open("/nowhere/x.safetensors"); }, {"/nowhere/x.safetensors"});
}

BOOST_AUTO_TEST_SUITE_END()
