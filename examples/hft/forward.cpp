// hft forward: tensors in, tensors out.
#include <hft/io/safetensors.hpp>

#include "model.hpp"

namespace tool {

using namespace hft;

std::vector<stored_tensor> read_tensors(const std::string& path) {
  const auto file = safetensors_file::open(path);
  if (!file.unreadable().empty()) file.find(file.unreadable()[0].name);  // throws, and names its dtype
  return {file.tensors().begin(), file.tensors().end()};
}

int forward(const forward_options& o) {
  const auto in = read_tensors(o.inputs);
  const auto model = load_model(o);
  write_safetensors(o.outputs, model.forward(in, o.inputs), {});
  return 0;
}

}  // namespace tool
