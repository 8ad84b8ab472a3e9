// Weights quantised as bitsandbytes does it (tests/oracle/bitsandbytes_4bit.py), to the bit.
#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <hft/io/safetensors.hpp>
#include <hft/quantization/bitsandbytes_writer.hpp>
#include <hft/quantization/convert.hpp>

#include "seeded_checkpoint.hpp"

using namespace hft;

BOOST_AUTO_TEST_SUITE(bitsandbytes_writer)

namespace {

stored_tensor tensor_of(const std::string& name, std::vector<isize> shape, const std::vector<f32>& values,
                        dtype_id dtype) {
  stored_tensor t;
  t.name = name, t.shape = std::move(shape), t.dtype = dtype;
  const isize n = isize(values.size());
  auto bytes = std::make_shared<std::vector<std::byte>>(std::size_t(n / info(dtype).block * info(dtype).bytes));
  convert(dtype, bytes->data(), dtype_id::f32, values.data(), n);
  t.bytes = *bytes, t.owner = std::move(bytes);
  return t;
}

// The weight of a case of the oracle.
stored_tensor weight(const std::string& name, isize rows, isize cols) {
  test::seeded_values next(name, 7, 0.01, 0.3);
  std::vector<f32> values(std::size_t(rows * cols));
  for (f32& v : values) v = next.next();
  auto t = tensor_of(name, {rows, cols}, values, dtype_id::bf16);
  if (!name.starts_with("faint")) return t;
  convert(dtype_id::f32, values.data(), dtype_id::bf16, t.bytes.data(), rows * cols);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] *= i < 64 ? 0.0f : i < 128 ? 0x1p-130f : i < 192 ? 1.0f : 0.0f;
  return tensor_of(name, {rows, cols}, values, dtype_id::bf16);
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string text_of(const stored_tensor& t) { return {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()}; }

}  // namespace

BOOST_AUTO_TEST_CASE(tensors_of_bitsandbytes) {
  const auto golden =
      safetensors_file::open(std::filesystem::path(HFT_TEST_DATA) / "quantization" / "bitsandbytes.safetensors");
  std::size_t compared = 0;
  const auto check = [&](const std::string& name, isize rows, isize cols, detail::bitsandbytes_format format) {
    for (const auto& t : detail::bitsandbytes_tensors(weight(name, rows, cols), format, "bfloat16", "test")) {
      const auto* expected = golden.find(t.name);
      BOOST_TEST_REQUIRE(expected, t.name);
      BOOST_TEST((t.dtype == expected->dtype && t.shape == expected->shape), t.name);
      BOOST_TEST(same_bytes(t.bytes, expected->bytes), t.name);
      if (t.name.find("quant_state") != t.name.npos) BOOST_TEST(text_of(t) == text_of(*expected));
      ++compared;
    }
  };
  check("odd", 13, 77, {.nf4 = true, .double_quant = true});
  check("many", 130, 129, {.nf4 = false, .double_quant = true});
  check("faint", 3, 67, {.nf4 = true});
  check("faint_fp4", 3, 67, {.nf4 = false, .double_quant = true});
  check("even", 20, 40, {.nf4 = true, .double_quant = true, .storage = dtype_id::i8});
  check("half", 6, 36, {.nf4 = true, .storage = dtype_id::bf16});
  BOOST_TEST(compared == golden.tensors().size());
}

BOOST_AUTO_TEST_CASE(blocks_of_nf4_are_not_rounded_again) {
  std::vector<f32> values(3 * 128);
  test::seeded_values next("blocks", 1, 0, 1);
  for (f32& v : values) v = next.next();
  const auto blocks = tensor_of("w", {3, 128}, values, dtype_id::nf4);
  const auto parts = detail::bitsandbytes_tensors(blocks, {.nf4 = true}, "float32", "test");
  for (std::size_t b = 0; b < 6; ++b) {
    const auto block = blocks.bytes.subspan(b * sizeof(nf4::storage), sizeof(nf4::storage));
    nf4::storage s;
    std::memcpy(&s, block.data(), sizeof s);
    BOOST_TEST(same_bytes(parts[0].bytes.subspan(32 * b, 32), std::as_bytes(std::span(s.qs))));
    BOOST_TEST(same_bytes(parts[1].bytes.subspan(4 * b, 4), std::as_bytes(std::span(&s.absmax, 1))));
  }
  // A scale that no value reaches, which rounding again would lose.
  nf4::storage low{};
  low.absmax = 2;
  for (auto& q : low.qs) q = 0x67;
  stored_tensor t;
  t.name = "w", t.shape = {1, 64}, t.dtype = dtype_id::nf4, t.bytes = std::as_bytes(std::span(&low, 1));
  const auto kept = detail::bitsandbytes_tensors(t, {.nf4 = true}, "float32", "test");
  BOOST_TEST(same_bytes(kept[1].bytes, std::as_bytes(std::span(&low.absmax, 1))));
}

BOOST_AUTO_TEST_CASE(codes_that_the_storage_cannot_hold) {
  BOOST_CHECK_EXCEPTION(
      detail::bitsandbytes_tensors(weight("odd", 13, 77), {.storage = dtype_id::f32}, "float32", "model"), weight_error,
      [](const error& e) {
        return e.what() == std::string(
                               "[model] tensor 'odd': expected whole elements of f32 (bnb_4bit_quant_storage), "
                               "got 501 bytes of codes of (13, 77)");
      });
}

BOOST_AUTO_TEST_SUITE_END()
