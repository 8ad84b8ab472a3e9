// Loading models for the tool.
#pragma once
#include <hft/auto.hpp>

#include "tool.hpp"

namespace tool {

/// The model that its checkpoint names, with --adapter's; weights stay as stored unless --dtype says otherwise.
hft::AnyModel<> load_model(const common_options&);

/// Its language model, for generation: a causal one, or an encoder with a decoder.
hft::AnyModel<> load_generating_model(const common_options&);

/// The same checkpoint as a build that is specialised to SmolLM2-135M's extents, or nothing where it is another model.
std::optional<hft::AnyModel<>> load_fixed_model(const common_options&);

/// All tensors of a safetensors file.
std::vector<hft::stored_tensor> read_tensors(const std::string& path);

/// The longest prompt and continuation that the model was made for.
inline hft::isize context_length(const hft::AnyModel<>& model) { return model.config().context_length; }

}  // namespace tool
