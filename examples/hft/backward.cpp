// hft backward: the loss of a batch with labels, and the gradient of every parameter.
#include <algorithm>
#include <hft/io/safetensors.hpp>
#include <hft/models/named_inputs.hpp>
#include <set>

#include "model.hpp"
#include "train_models.hpp"

namespace tool {

using namespace hft;

namespace {

// Memory of its own under a name.
stored_tensor named(std::string name, std::vector<isize> shape, std::vector<f32> values) {
  const auto owner = std::make_shared<const std::vector<f32>>(std::move(values));
  return {std::move(name), dtype_id::f32, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

Batch read_batch(const std::string& path) {
  Batch batch;
  for (const auto& t : read_tensors(path)) {
    BatchTensor& to = batch[t.name];
    to.shape = t.shape;
    to.real = info(t.dtype).floating;
    if (to.real) {
      to.reals.resize(std::size_t(t.numel()));
      detail::read_numbers(t, to.reals.data(), path);
    } else {
      to.integers.resize(std::size_t(t.numel()));
      detail::read_numbers(t, to.integers.data(), path);
    }
  }
  // Of masked patches the image itself is what should be found.
  const auto tensors = batch.tensors();
  if (std::none_of(tensors.begin(), tensors.end(),
                   [](const stored_tensor& t) { return is_label(t.name) || t.name == "bool_masked_pos"; }))
    throw value_error(path, "", "an input 'labels'", "none");
  return batch;
}

}  // namespace

/// loss, and grad.NAME of each parameter in the checkpoint's layout, a tied pair once, of a tensor that is several
/// parameters as one; of a model with an adapter those of the adapter alone, under the names of its file.
int backward(const forward_options& o) {
  set_up(o);
  const Batch batch = read_batch(o.inputs);
  const auto source = checkpoint::open(resolve_model(o.model, o.revision));
  const auto model =
      o.adapter.empty() ? load_trained(source) : load_trained(source, {.folder = o.adapter, .config = {}});
  warn(model.warnings);
  const f64 loss =
      model.training->training_step(batch, {.nothing_counts = true, .dropout = false, .others = other_inputs::refused});
  std::vector<stored_tensor> of_parameters;
  std::set<const void*> seen;
  visiting gradients([&](const std::string& path, parameter& p) {
    if (!p.trainable() || !seen.insert(p.identity()).second) return;
    if (!p.has_grad()) return of_parameters.push_back(named(model.training->stored_name(path), p.shape(), {}));
    const auto* g = static_cast<const f32*>(p.grad());
    std::vector<f32> values(g, g + p.size());
    auto shape = p.shape();
    if (p.transposed()) {
      const isize rows = shape[0], cols = shape[1];
      for (isize r = 0; r < rows; ++r)
        for (isize c = 0; c < cols; ++c) values[std::size_t(c * rows + r)] = g[r * cols + c];
      std::swap(shape[0], shape[1]);
    }
    of_parameters.push_back(named(model.training->stored_name(path), std::move(shape), std::move(values)));
  });
  model.training->visit(gradients);
  std::vector<stored_tensor> out{named("loss", {}, {f32(loss)})};
  for (auto& t : model.training->as_stored(std::move(of_parameters))) {
    if (t.bytes.empty()) continue;  // an expert that no token saw
    t.name.insert(0, "grad.");
    out.push_back(std::move(t));
  }
  write_safetensors(o.outputs, out, {});
  return 0;
}

}  // namespace tool
