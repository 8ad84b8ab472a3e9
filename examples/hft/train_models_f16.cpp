#include "train_models.hpp"

namespace tool {

trained_model load_trained_f16(const hft::checkpoint& source) { return load_trained<hft::f16>(source); }

}  // namespace tool
