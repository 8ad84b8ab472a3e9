// Weights as bitsandbytes quantises them to 4 bits: the tensors that bitsandbytes.hpp reads, bit for bit those that
// bitsandbytes.functional.quantize_4bit makes on a CPU and QuantState.as_dict(packed=True) names. The mean of scales
// alone (nested_offset) is summed in f64 here, where that of torch depends on the processor's vectors: where sums are
// exact in f32, as those of bf16 weights mostly are, both are one number.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/linkage.hpp>

namespace hft::detail {

struct bitsandbytes_format {
  bool nf4 = true;                  // else fp4
  bool double_quant = false;        // scales in 8 bits
  dtype_id storage = dtype_id::u8;  // what the bytes of codes are called

  std::string_view quant_type() const { return nf4 ? "nf4" : "fp4"; }
};

/// The tensors of a weight (out, in) of any dtype, quantised. Codes and scales of nf4 blocks stay what they are where
/// the format is nf4, but for scales that double_quant rounds.
///   dtype  what the weight is to be dequantised to, in PyTorch's name: "bfloat16"
/// Throws weight_error where the bytes of its codes are no whole number of elements of format.storage.
std::vector<stored_tensor> bitsandbytes_tensors(const stored_tensor& weight, const bitsandbytes_format& format,
                                                std::string_view dtype, std::string_view where);

}  // namespace hft::detail

#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/parallel.hpp>
#include <hft/quantization/bitsandbytes.hpp>
#include <hft/quantization/blockwise.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/quantization/nf4.hpp>

namespace hft::detail {

inline constexpr isize bitsandbytes_block = 64;

/// The 16 levels of a code, and which rise: the code of each in their order.
struct four_bit_codes {
  std::array<f32, 16> levels{}, rising{};
  std::array<u8, 16> codes{};

  explicit four_bit_codes(bool nf4) {
    if (nf4) {
      levels = rising = nf4_levels;
      for (u8 i = 0; i < 16; ++i) codes[i] = i;
      return;
    }
    // A sign, two bits of an exponent, one of a mantissa, by bits; what is above zero and nearest to it is -0.
    constexpr f32 twelfths[] = {0, 0.0625f, 8, 12, 4, 6, 2, 3};
    for (std::size_t i = 0; i < 16; ++i) levels[i] = (i < 8 ? twelfths[i] : 0 - twelfths[i - 8]) / 12;
    codes = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};
    for (std::size_t i = 0; i < 16; ++i) rising[i] = levels[codes[i]];
  }
  u8 nearest(f32 x) const { return codes[nearest_level(rising, x)]; }
};

/// The codes of all values, two in a byte, and the scale of each block; an odd one has a zero beside it.
HFT_INLINE void quantize_four_bits(std::span<const f32> values, bool nf4, std::byte* codes, std::span<f32> scales) {
  constexpr f32 least = 1e-38f;  // of what divides
  const four_bit_codes table(nf4);
  const isize count = isize(values.size());
  parallel_for(isize(scales.size()), 64, [&](isize begin, isize end) {
    for (isize b = begin; b < end; ++b) {
      const isize first = b * bitsandbytes_block, n = std::min(bitsandbytes_block, count - first);
      const f32* x = values.data() + first;
      f32 largest = 0;
      for (isize i = 0; i < n; ++i) largest = std::max(largest, std::abs(x[i]));
      const bool whole = n == bitsandbytes_block;
      const f32 divisor = std::max(largest, least), inverse = 1 / divisor;
      scales[std::size_t(b)] = whole ? largest : divisor;
      const auto code = [&](isize i) -> int {
        if (i >= n) return table.nearest(0);
        return table.nearest(std::clamp(whole ? x[i] * inverse : x[i] / divisor, -1.0f, 1.0f));
      };
      for (isize i = 0; i < n; i += 2) codes[(first + i) / 2] = std::byte(code(i) << 4 | code(i + 1));
    }
  });
}

/// Scales less their mean in 8 bits, each block of 256 with a scale of its own.
struct nested_scales {
  std::vector<u8> codes;
  std::vector<f32> scales;
  f32 offset = 0;

  explicit nested_scales(std::span<const f32> of) {
    f64 sum = 0;
    for (const f32 scale : of) sum += f64(scale);
    offset = f32(sum / f64(of.size()));
    const dynamic_map& map = dynamic_map::of(true);
    for (std::size_t first = 0; first < of.size(); first += std::size_t(block_size)) {
      const auto block = of.subspan(first, std::min(of.size() - first, std::size_t(block_size)));
      f32 largest = 0;
      for (const f32 scale : block) largest = std::max(largest, std::abs(scale - offset));
      scales.push_back(largest);
      const f32 inverse = largest > 0 ? 1 / largest : 0;
      for (const f32 scale : block) {
        // On a CPU bitsandbytes looks codes up by the nearest of 65536 numbers.
        constexpr f32 steps = 65535;
        const f32 x = std::clamp((scale - offset) * inverse, -1.0f, 1.0f);
        const f32 step = std::floor((x + 1) * 0.5f * steps + 0.5f);
        codes.push_back(largest > 0 ? map.nearest(-1 + 2 * step / steps) : u8(0));
      }
    }
  }
};

HFT_INLINE_ONCE std::vector<stored_tensor> bitsandbytes_tensors(const stored_tensor& weight,
                                                                const bitsandbytes_format& format,
                                                                std::string_view dtype, std::string_view where) {
  const isize count = weight.numel(), blocks = (count + bitsandbytes_block - 1) / bitsandbytes_block;
  std::vector<std::byte> codes(std::size_t((count + 1) / 2));
  std::vector<f32> scales(static_cast<std::size_t>(blocks));
  const isize element = info(format.storage).bytes;
  if (isize(codes.size()) % element)
    throw weight_error(where, "tensor " + quote_text(weight.name),
                       joined("whole elements of ", name(format.storage), " (bnb_4bit_quant_storage)"),
                       joined(codes.size(), " bytes of codes of ", shape_text(weight.shape)));
  if (format.nf4 && weight.dtype == dtype_id::nf4) {
    for (std::size_t b = 0; b < scales.size(); ++b) {
      nf4::storage block;
      std::memcpy(&block, weight.bytes.data() + b * sizeof block, sizeof block);
      scales[b] = block.absmax;
      std::memcpy(codes.data() + b * sizeof block.qs, block.qs, sizeof block.qs);
    }
  } else {
    std::vector<f32> values(static_cast<std::size_t>(count));
    const isize cols = weight.shape.empty() ? 1 : weight.shape.back();
    convert_rows_to_float(dtype_id::f32, values.data(), weight.dtype, weight.bytes.data(), cols ? count / cols : 0,
                          cols);
    quantize_four_bits(values, format.nf4, codes.data(), scales);
  }

  std::vector<stored_tensor> out;
  const auto add = [&](std::string_view suffix, dtype_id of, std::vector<isize> shape, auto values) {
    stored_tensor t;
    t.name = cat(weight.name, suffix), t.dtype = of, t.shape = std::move(shape);
    auto memory = std::make_shared<decltype(values)>(std::move(values));
    t.bytes = std::as_bytes(std::span(*memory));
    t.owner = std::move(memory);
    out.push_back(std::move(t));
  };
  const auto numbers = [&](std::string_view suffix, std::span<const f32> values) {
    add(suffix, dtype_id::f32, {isize(values.size())}, std::vector<f32>(values.begin(), values.end()));
  };
  json state = json::object();
  state["quant_type"] = format.quant_type();
  state["blocksize"] = bitsandbytes_block;
  state["dtype"] = dtype;
  state["shape"] = weight.shape;
  const isize elements = isize(codes.size()) / element;
  add("", format.storage, {elements, 1}, std::move(codes));
  const four_bit_codes table(format.nf4);
  if (format.double_quant) {
    nested_scales nested(scales);
    add(".absmax", dtype_id::u8, {blocks}, std::move(nested.codes));
    numbers(".quant_map", table.levels);
    numbers(".nested_absmax", nested.scales);
    numbers(".nested_quant_map", dynamic_map::of(true).values);
    state["nested_blocksize"] = block_size;
    state["nested_dtype"] = "float32";
    state["nested_offset"] = f64(nested.offset);
  } else {
    numbers(".absmax", scales);
    numbers(".quant_map", table.levels);
  }
  const std::string text = state.dump();
  add(cat(bitsandbytes_state, format.quant_type()), dtype_id::u8, {isize(text.size())},
      std::vector<char>(text.begin(), text.end()));
  return out;
}

}  // namespace hft::detail

#endif  // HFT_DEFINES
