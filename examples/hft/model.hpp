// Loading models for the tool.
#pragma once
#include <hft/auto.hpp>

#include "tool.hpp"

namespace tool {

/// The model that its checkpoint names, with --adapter's; weights stay as stored unless --dtype says otherwise.
hft::AnyModel<> load_model(const common_options&);

/// Its causal language model, for generation.
hft::AnyModel<> load_causal_model(const common_options&);

/// The same checkpoint as a build that is specialised to SmolLM2-135M's extents, or nothing where it is another model.
std::optional<hft::AnyModel<>> load_fixed_model(const common_options&);

/// A (B,T) input of a file as int64, whatever integer or boolean dtype it has. `path` names the file in errors.
hft::Tensor<hft::i64, 2> read_ids(const std::string& path, const hft::stored_tensor&);

/// The longest prompt and continuation that the model was made for.
inline hft::isize context_length(const hft::AnyModel<>& model) { return model.config().context_length; }

}  // namespace tool
