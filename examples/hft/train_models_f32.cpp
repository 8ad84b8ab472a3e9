#include "train_models.hpp"

namespace tool {

trained_model load_trained_f32(const hft::checkpoint& source) { return load_trained<hft::f32>(source); }

}  // namespace tool
