// hft backward: the loss of a batch with labels, and the gradient of every parameter.
#include <algorithm>
#include <hft/auto_peft.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/train/autodiff.hpp>
#include <hft/train/peft/peft_model.hpp>
#include <set>

#include "model.hpp"

namespace tool {

using namespace hft;
using device = autodiff<cpu>;

namespace {

// Memory of its own under a name.
stored_tensor named(std::string name, std::vector<isize> shape, std::vector<f32> values) {
  const auto owner = std::make_shared<const std::vector<f32>>(std::move(values));
  return {std::move(name), dtype_id::f32, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

/// loss, and grad.NAME of each parameter in the checkpoint's layout; a tied pair once.
template <class Model, class Name>
std::vector<stored_tensor> gradients(Model& model, const std::string& path, Name name) {
  auto tensors = read_tensors(path);
  const auto labels = std::find_if(tensors.begin(), tensors.end(), [](const auto& t) { return t.name == "labels"; });
  if (labels == tensors.end()) throw value_error(path, "", "an input 'labels'", "none");
  ForwardArgs<f32, device> args;
  set_labels(args, *labels, path);
  tensors.erase(labels);
  const auto loss = model(read_inputs<typename Model::inputs>(tensors, path), args).loss;
  if (!loss) throw value_error(model.architecture(), "labels", "the labels of this class", "others");
  backward(loss);
  std::vector<stored_tensor> out{named("loss", {}, {loss.value().data()[0]})};
  std::set<const void*> seen;
  for_each_parameter(model, [&](const std::string& path, parameter& p) {
    if (!p.has_grad() || !seen.insert(p.identity()).second) return;
    const auto* g = static_cast<const f32*>(p.grad());
    std::vector<f32> values(g, g + p.size());
    auto shape = p.shape();
    if (p.transposed()) {
      const isize rows = shape[0], cols = shape[1];
      for (isize r = 0; r < rows; ++r)
        for (isize c = 0; c < cols; ++c) values[std::size_t(c * rows + r)] = g[r * cols + c];
      std::swap(shape[0], shape[1]);
    }
    out.push_back(named("grad." + name(path), std::move(shape), std::move(values)));
  });
  return out;
}

template <class M>
concept HasLoss = requires(const M& m, ForwardArgs<f32, device> args) {
  m(typename M::inputs{}, args).loss;
};

}  // namespace

int backward(const forward_options& o) {
  set_up(o);
  const auto source = checkpoint::open(resolve_model(o.model, o.revision));
  std::vector<stored_tensor> out;
  const bool found = with_named_class<f32, device>(lora_archs(), source, [&]<HasLoss M>(std::type_identity<M>) {
    auto model = detail::load_erased<M>(source);
    if (o.adapter.empty()) {
      out = gradients(model, o.inputs, [](const std::string& path) { return path; });
    } else {  // the adapter's parameters alone, under the names of its file
      PeftModel peft(std::move(model), o.adapter, "default", true);
      warn(peft.warnings());
      out = gradients(peft, o.inputs, [&](const std::string& path) { return peft.stored_name(path).value_or(path); });
    }
  });
  if (!found) {
    const detail::checkpoint_kind kind(source);
    throw unsupported_error(o.model, "backward", "a class with a loss, of an architecture that `hft info` knows",
                            kind.model_type + (kind.architecture.empty() ? "" : " (" + kind.architecture + ")"));
  }
  write_safetensors(o.outputs, out, {});
  return 0;
}

}  // namespace tool
