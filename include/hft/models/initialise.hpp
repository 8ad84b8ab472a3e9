// The values that a model's parameters begin with, as Transformers' _init_weights draws them.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/linkage.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/module.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/random.hpp>

namespace hft::detail {

/// Where the numbers of a model's start come from.
struct initial_values {
  std::uint64_t seed = 0;
  std::function<f64(std::string_view path)> deviation;  // of weights; those of norms are 1, biases 0
  // Fills what begins in a way of its own, and says so.
  std::function<bool(std::string_view path, const std::vector<isize>& shape, const random_stream&, std::vector<f32>&)>
      special = {};
  std::string padded = {};  // the path of a table with a row of zeros
  isize padding_row = -1;
};

/// Memory for a parameter and its first values: a function of seed, path and place, whatever else the model has.
///   dtype  where its type leaves that open
void initialise(parameter& p, const std::string& path, const initial_values& from, dtype_id dtype = dtype_id::f32);

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE void initialise(parameter& p, const std::string& path, const initial_values& from, dtype_id dtype) {
  const isize cols = p.cols(), rows = cols ? p.size() / cols : 0;
  const bool vector = p.shape().size() <= 1;
  std::vector<f32> values(std::size_t(p.size()), vector && path.ends_with("weight") ? 1.0f : 0.0f);
  std::uint64_t name = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : path) name = (name ^ std::uint64_t(static_cast<unsigned char>(c))) * 0x100000001b3;
  const random_stream random(from.seed, name);
  if (!(from.special && from.special(path, p.shape(), random, values)) && !vector) {
    const f64 deviation = from.deviation(path);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = f32(deviation * random.normal(i));
    if (path == from.padded && from.padding_row >= 0 && from.padding_row < rows)
      std::fill_n(values.begin() + from.padding_row * cols, cols, 0.0f);
  }
  dtype_id format = p.required_format().value_or(dtype);
  if (cols % info(format).block) format = dtype_id::f32;
  p.allocate(format);
  std::vector<std::byte> converted(std::size_t(p.bytes()));
  p.convert_rows(format, converted.data(), dtype_id::f32, values.data(), rows);
  p.copy_from_host(converted.data(), converted.size());
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
