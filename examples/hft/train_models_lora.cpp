#include <hft/train/peft/peft_model.hpp>

#include "train_models.hpp"

namespace tool {

using namespace hft;

// any_q keeps each weight in the format that the file has: LoRA over floating weights, QLoRA over block formats.
template <template <class, class, class, class> class Model>
using adapted = Model<any_q, autodiff<cpu>, with_lora, runtime>;

trained_model load_trained_lora(const checkpoint& source, const LoraConfig& config, std::uint64_t seed) {
  const detail::checkpoint_kind kind(source);
  std::optional<trained_model> out;
  const auto load = [&]<class M>(std::type_identity<M>) {
    out = make_trained(get_peft_model(M::load(source), config, "default", seed));
  };
  const auto attempt = [&]<class... Models>(const char* model_type, type_list<Models...> models) {
    if (!out && kind.model_type == model_type) with_named_class(models, kind, source, load);
  };
  attempt(LlamaConfig::model_type, type_list<adapted<LlamaForCausalLM>, adapted<LlamaForSequenceClassification>>{});
  attempt(GPT2Config::model_type, type_list<adapted<GPT2LMHeadModel>>{});
  attempt(BertConfig::model_type, type_list<adapted<BertForMaskedLM>, adapted<BertForSequenceClassification>,
                                            adapted<BertForTokenClassification>>{});
  if (!out) fail_untrainable(kind);
  return *std::move(out);
}

}  // namespace tool
