// The model of `hft train` with the adapter that training begins with.
#pragma once
#include <utility>

#include <hft/train/peft/peft_model.hpp>

#include "train_models.hpp"

namespace tool {

template <class Model>
hft::PeftModel<Model> with_adapter(Model base, const adapter_start& start, std::uint64_t seed) {
  if (start.folder.empty()) return hft::get_peft_model(std::move(base), start.config, "default", seed);
  return hft::PeftModel<Model>(std::move(base), start.folder, "default", true);
}

}  // namespace tool
