// as_inference: a model that is trained, as the model that generates.
#pragma once
#include <cstring>
#include <map>
#include <string>

#include <hft/autodiff.hpp>
#include <hft/layers/build.hpp>
#include <hft/module.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

/// The same model on the device beneath. It shares the memory of all weights, so a step of training is seen at once;
/// half-precision ones, which are trained as f32, are copies of what they are now.
/// Throws weight_error where the two do not have the same parameters.
template <class Model>
auto as_inference(const Model& model) {
  using D = typename Model::build_type::base;
  typename Model::template on_build<typename Model::build_type::template on<D>> out(model.config());
  using kind = typename Model::build_type::layer_kind;
  if constexpr (requires { out.take_ties(model); }) out.take_ties(model);
  if constexpr (requires { kind::copy_adapters(model, out); }) kind::copy_adapters(model, out);
  struct source {
    buffer memory;
    const void* data;
    dtype_id format;
    std::vector<isize> shape;
  };
  std::map<std::string, source> weights;
  // visit() shows parameters for change; this changes none.
  for_each_parameter(const_cast<Model&>(model), [&](const std::string& path, parameter& p) {
    weights[path] = {p.memory(), p.data(), p.format(), p.shape()};
  });
  const auto is_there = [&](std::string_view path) { return weights.contains(std::string(path)); };
  if constexpr (requires { out.leave_out_absent(is_there); }) out.leave_out_absent(is_there);
  for_each_parameter(out, [&](const std::string& path, parameter& p) {
    const auto found = weights.find(path);
    if (found == weights.end() || found->second.shape != p.shape())
      throw weight_error("as_inference", "parameter '" + path + "'", detail::shape_text(p.shape()),
                         found == weights.end() ? "none" : detail::shape_text(found->second.shape));
    const source& w = found->second;
    const dtype_id format = p.required_format().value_or(w.format);
    if (format == w.format) {
      p.bind(w.memory, w.data, format);
    } else {
      static_assert(D::host_memory, "hft: as_inference converts weights on the host");
      p.allocate(format);
      const isize cols = p.cols();
      convert_rows(format, p.data(), w.format, w.data, cols ? p.size() / cols : 0, cols);
    }
    weights.erase(found);
  });
  if (!weights.empty())
    throw weight_error("as_inference", "parameter '" + weights.begin()->first + "'", "a place in the model", "none");
  out.tie_weights();
  if constexpr (requires { out.generation_config; }) out.generation_config = model.generation_config;
  return out;
}

}  // namespace hft
