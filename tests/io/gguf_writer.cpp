// hft/io/gguf_writer.hpp: the bytes of gguf-py's GGUFWriter.
#include "hft/io/gguf_writer.hpp"

#include "io_test.hpp"

using namespace hft;
using namespace io_test;

BOOST_AUTO_TEST_SUITE(gguf_writer_)

BOOST_AUTO_TEST_CASE(writes_the_bytes_of_gguf_py) {
  temporary_folder folder;
  const auto golden_file = gguf_file::open(golden("values.gguf"));
  gguf_metadata m;
  m.set("general.architecture", "llama");
  m.set("v.u8", std::uint8_t{200}).set("v.i8", std::int8_t{-100});
  m.set("v.u16", std::uint16_t{60000}).set("v.i16", std::int16_t{-30000});
  m.set("v.u32", std::uint32_t{4000000000}).set("v.i32", std::int32_t{-2000000000});
  m.set("v.f32", 1e-5f).set("v.bool", true).set("v.string", std::string("Grüße\n😀"));
  m.set("v.u64", UINT64_MAX).set("v.i64", std::int64_t{INT64_MIN}).set("v.f64", 0.1);
  m.set("a.i32", std::vector<std::int32_t>{1, -2, 3}).set("a.f32", std::vector<float>{0.5f, -1.5f});
  m.set("a.string", std::vector<std::string>{"", "a", "ä", "<|endoftext|>"});
  const bool bools[] = {true, false};
  m.set("a.bool", std::span<const bool>(bools));
  m.set("a.u8", std::vector<std::uint8_t>{1, 2, 255});
  m.set("general.alignment", std::uint32_t{64});
  write_gguf(folder / "t.gguf", m, golden_file.tensors());
  BOOST_TEST((contents(folder / "t.gguf") == contents(golden("values.gguf"))));
}

BOOST_AUTO_TEST_CASE(copies_values_of_another_file) {
  temporary_folder folder;
  const auto source = gguf_file::open(golden("values.gguf"));
  gguf_metadata m;
  for (const gguf_value& value : source.metadata()) m.set(value);
  write_gguf(folder / "t.gguf", m, source.tensors());
  BOOST_TEST((contents(folder / "t.gguf") == contents(golden("values.gguf"))));
}

BOOST_AUTO_TEST_CASE(a_key_set_again_keeps_its_place) {
  temporary_folder folder;
  gguf_metadata m;
  m.set("a", 1).set("b", "x").set("a", "now text");
  BOOST_TEST(m.size() == 2u);
  write_gguf(folder / "t.gguf", m, {});
  const auto file = gguf_file::open(folder / "t.gguf");
  BOOST_TEST(file.metadata()[0].as_string() == "now text");
  BOOST_TEST(file.metadata()[1].as_string() == "x");
}

BOOST_AUTO_TEST_CASE(what_the_format_cannot_hold_is_refused_and_leaves_nothing) {
  temporary_folder folder;
  const auto tensor = [](std::string name, dtype_id dtype, std::vector<isize> shape, std::size_t bytes) {
    auto data = std::make_shared<std::vector<std::byte>>(bytes);
    return stored_tensor{std::move(name), dtype, std::move(shape), *data, data};
  };
  const auto write = [&](std::vector<stored_tensor> tensors, gguf_metadata m = {}) {
    write_gguf(folder / "t.gguf", m, tensors);
  };
  check_fails<unsupported_error>([&] { write({tensor("a", dtype_id::u8, {1}, 1)}); }, {"'a'", "u8"});
  check_fails<value_error>([&] { write({tensor("a", dtype_id::f32, {2}, 4)}); }, {"8 bytes", "got 4"});
  check_fails<value_error>([&] { write({tensor("a", dtype_id::q4_0, {33}, 18)}); }, {"'a'", "q4_0"});
  check_fails<value_error>([&] { write({tensor("a", dtype_id::f32, {1, 1, 1, 1, 1}, 4)}); }, {"at most 4"});
  check_fails<value_error>(
      [&] {
        write({tensor("a", dtype_id::f32, {1}, 4), tensor("a", dtype_id::f32, {1}, 4)});
      },
      {"'a' is given twice"});
  check_fails<value_error>([&] { write({}, gguf_metadata().set("general.alignment", std::uint32_t{12})); },
                           {"general.alignment"});
  check_fails<value_error>([&] { write({}, gguf_metadata().set("general.alignment", 32)); }, {"general.alignment"});
  check_fails<value_error>([&] { gguf_metadata().set("k", "\xff"); }, {"UTF-8"});
  BOOST_TEST(fs::is_empty(folder.path()));
}

BOOST_AUTO_TEST_SUITE_END()
