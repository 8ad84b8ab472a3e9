// Models of `hft train` with an adapter over frozen weights.
#include <algorithm>

#include "train_adapter.hpp"

namespace tool {

using namespace hft;

namespace {

bool is_quantised(const checkpoint& source) {
  return std::any_of(source.tensors().begin(), source.tensors().end(), [](const stored_tensor& t) {
    return info(t.dtype).block > 1 || t.name.find(".quant_state.") != t.name.npos;
  });
}

}  // namespace

trained_model load_trained_lora(const checkpoint& source, adapter_start start, std::uint64_t seed, bool bf16) {
  trained_model out;
  // any_q keeps each weight in the format that the file has: LoRA over floating weights, QLoRA over block formats.
  with_trained_class<any_q, lora_archs>(source, [&]<class M>(std::type_identity<M>) {
    constexpr training_task task = task_of<M>();
    LoraConfig& config = start.config;
    if (const char* name = task_type_of(task); name && !config.task_type && start.folder.empty())
      config.task_type = name;
    const bool classifies =
        task == training_task::sequence_classification || task == training_task::token_classification;
    if (classifies || !config.modules_to_save.empty() || config.bias != "none") {
      const char* what = classifies ? "the head of a classifier" : "modules_to_save or bias";
      if (is_quantised(source))
        throw unsupported_error("hft train", "an adapter on quantised weights", "no weights that are trained whole",
                                what);
      out = load_trained_lora_f32(source, start, seed, bf16);
      return;
    }
    LoadOptions options;
    if (bf16 && !is_quantised(source)) options.dtype = dtype_id::bf16;
    out = make_trained(with_adapter(detail::load_erased<M>(source, options), start, seed));
  });
  return out;
}

}  // namespace tool
