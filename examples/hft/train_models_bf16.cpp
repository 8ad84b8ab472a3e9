#include "train_models.hpp"

namespace tool {

trained_model load_trained_bf16(const hft::checkpoint& source) { return load_trained<hft::bf16>(source); }

}  // namespace tool
