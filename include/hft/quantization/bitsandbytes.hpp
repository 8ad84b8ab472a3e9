// Weights that bitsandbytes quantised to 4 bits (transformers' BitsAndBytesConfig, load_in_4bit), as safetensors hold
// them:
//
//   X                      the codes, two in a byte, of all elements one after the other
//   X.absmax               the scale of each block of `blocksize` elements; with double quantisation 8-bit codes of
//                          scales, X.nested_quant_map[code] * X.nested_absmax[code's block] + nested_offset
//   X.quant_map            the 16 levels
//   X.quant_state.bitsandbytes__nf4 (or __fp4)    JSON: quant_type, blocksize, shape, nested_blocksize, ...
//
// Values are bit for bit those of bitsandbytes in f32. Where rows are whole blocks of 64 NF4 codes, they are kept as
// nf4; others are widened to f32.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/sorting.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/linkage.hpp>
#include <hft/quantization/nf4.hpp>

namespace hft::detail {

inline constexpr std::string_view bitsandbytes_state = ".quant_state.bitsandbytes__";

/// Whether some weight of a checkpoint is bitsandbytes'. Throws unsupported_error for its 8-bit ones.
bool holds_bitsandbytes(std::span<const stored_tensor> tensors, std::string_view where);

/// The tensors of a checkpoint with each 4-bit weight put together under its name, as (out, in) even where the model's
/// own checkpoints have (in, out); `unpacked` are the names of those, sorted.
std::vector<stored_tensor> unpack_bitsandbytes(std::span<const stored_tensor> tensors, std::string_view where,
                                               std::vector<std::string>& unpacked);

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE bool holds_bitsandbytes(std::span<const stored_tensor> tensors, std::string_view where) {
  bool found = false;
  for (const stored_tensor& t : tensors) {
    if (t.name.ends_with(".SCB"))
      throw unsupported_error(where, "8-bit weights of bitsandbytes", "its 4-bit ones, or floating dtypes",
                              "tensor " + quote_text(t.name));
    found = found || t.name.find(bitsandbytes_state) != t.name.npos;
  }
  return found;
}

/// The tensors of one such weight, put together.
class bitsandbytes_weight {
 public:
  /// Throws weight_error where its tensors are missing or do not fit each other.
  bitsandbytes_weight(std::span<const stored_tensor> tensors, const stored_tensor& state, std::string_view where)
      : tensors_(tensors), where_(where), name_(state.name.substr(0, state.name.find(bitsandbytes_state))) {
    const std::string at = cat(where, ": ", state.name);
    const json o = parse_json({reinterpret_cast<const char*>(state.bytes.data()), state.bytes.size()}, at);
    const auto type = require<std::string>(o, "quant_type", at);
    if (type != "nf4" && type != "fp4") throw unsupported_error(at, "quant_type", "nf4 or fp4", quote_text(type));
    block_ = require<isize>(o, "blocksize", at);
    shape_ = require<std::vector<isize>>(o, "shape", at);
    const stored_tensor& codes = part("");
    codes_ = codes.bytes;
    const isize most = 2 * isize(codes_.size());
    count_ = shape_.empty() ? 0 : 1;
    for (const isize n : shape_) count_ = n > 0 && count_ > 0 && count_ <= most / n ? count_ * n : 0;
    if (count_ == 0 || (count_ + 1) / 2 != isize(codes_.size()))
      throw weight_error(where_, "tensor " + quote_text(name_), joined("4-bit codes of ", shape_text(shape_)),
                         joined(codes_.size(), " bytes"));
    if (block_ < 1) throw weight_error(where_, "blocksize of " + quote_text(name_), "at least 1", joined(block_));
    const auto levels = floats(".quant_map", 16);
    std::copy(levels.begin(), levels.end(), levels_.begin());
    read_scales(o, at);
  }

  /// The weight as one tensor, of nf4 where that holds it, else of f32.
  stored_tensor unpacked() const {
    stored_tensor out;
    out.name = name_;
    out.shape = shape_;
    const bool keeps = levels_ == nf4_levels && block_ % 64 == 0 && shape_.back() % 64 == 0;
    out.dtype = keeps ? dtype_id::nf4 : dtype_id::f32;
    const auto code = [&](isize i) { return int(codes_[std::size_t(i / 2)]) >> (i % 2 ? 0 : 4) & 15; };
    const auto hold = [&](auto values) {
      auto memory = std::make_shared<decltype(values)>(std::move(values));
      out.bytes = std::as_bytes(std::span(*memory));
      out.owner = std::move(memory);
    };
    if (keeps) {
      std::vector<nf4::storage> blocks(static_cast<std::size_t>(count_ / 64));
      for (std::size_t b = 0; b < blocks.size(); ++b) {
        blocks[b].absmax = scales_[b * 64 / std::size_t(block_)];
        std::memcpy(blocks[b].qs, codes_.data() + 32 * b, 32);
      }
      hold(std::move(blocks));
    } else {
      std::vector<f32> values(static_cast<std::size_t>(count_));
      for (isize i = 0; i < count_; ++i)
        values[std::size_t(i)] = levels_[std::size_t(code(i))] * scales_[std::size_t(i / block_)];
      hold(std::move(values));
    }
    return out;
  }

 private:
  const stored_tensor& part(std::string_view suffix) const {
    const std::string name = cat(name_, suffix);
    for (const stored_tensor& t : tensors_)
      if (t.name == name) return t;
    throw weight_error(where_, "tensor " + quote_text(name), "beside the others of a 4-bit weight", "none");
  }
  std::vector<f32> floats(std::string_view suffix, isize n) const {
    const stored_tensor& t = part(suffix);
    if (t.dtype != dtype_id::f32 || isize(t.bytes.size()) != n * isize(sizeof(f32)))
      throw weight_error(where_, "tensor " + quote_text(t.name), joined(n, " elements of f32"),
                         joined(shape_text(t.shape), " of ", name(t.dtype)));
    std::vector<f32> out(static_cast<std::size_t>(n));
    std::memcpy(out.data(), t.bytes.data(), t.bytes.size());
    return out;
  }
  void read_scales(const json& o, const std::string& at) {
    const isize blocks = (count_ - 1) / block_ + 1;
    const isize nested = get<isize>(o, "nested_blocksize", 0, at);
    if (nested == 0) {
      scales_ = floats(".absmax", blocks);
      return;
    }
    if (nested < 1)
      throw weight_error(where_, "nested_blocksize of " + quote_text(name_), "at least 1", joined(nested));
    const stored_tensor& codes = part(".absmax");
    if (isize(codes.bytes.size()) != blocks)
      throw weight_error(where_, "tensor " + quote_text(codes.name), joined(blocks, " bytes"),
                         joined(codes.bytes.size(), " bytes"));
    const auto levels = floats(".nested_quant_map", 256);
    const auto outer = floats(".nested_absmax", (blocks - 1) / nested + 1);
    const f32 offset = f32(require<f64>(o, "nested_offset", at));
    scales_.resize(std::size_t(blocks));
    // In two passes, so that no compiler contracts the two roundings to f32 into one.
    for (isize b = 0; b < blocks; ++b)
      scales_[std::size_t(b)] = levels[std::size_t(codes.bytes[std::size_t(b)])] * outer[std::size_t(b / nested)];
    for (f32& scale : scales_) scale += offset;
  }

  std::span<const stored_tensor> tensors_;
  std::string where_, name_;
  std::vector<isize> shape_;
  isize block_ = 0, count_ = 0;
  std::span<const std::byte> codes_;
  std::array<f32, 16> levels_{};
  std::vector<f32> scales_;
};

HFT_INLINE_ONCE std::vector<stored_tensor> unpack_bitsandbytes(std::span<const stored_tensor> tensors,
                                                               std::string_view where,
                                                               std::vector<std::string>& unpacked) {
  std::vector<stored_tensor> out;
  for (const stored_tensor& t : tensors)
    if (t.name.find(bitsandbytes_state) != t.name.npos) {
      out.push_back(bitsandbytes_weight(tensors, t, where).unpacked());
      unpacked.push_back(out.back().name);
    }
  sort_names(unpacked);
  for (const stored_tensor& t : tensors) {
    bool part = false;
    for (auto end = t.name.size(); end != t.name.npos && !part; end = end ? t.name.rfind('.', end - 1) : t.name.npos)
      part = std::binary_search(unpacked.begin(), unpacked.end(), t.name.substr(0, end));
    if (!part) out.push_back(t);
  }
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
