// Models that hft train, hft bench train and hft backward work on.
#pragma once
#include <hft/io/checkpoint.hpp>
#include <hft/train/peft/lora_config.hpp>
#include <hft/train/training_model.hpp>

namespace tool {

/// What a model is trained for, which decides how batches are made.
enum class training_task { causal_lm, masked_lm, seq2seq_lm, sequence_classification, token_classification, other };

struct trained_model {
  std::shared_ptr<void> model;  // what `training` refers to
  std::unique_ptr<hft::TrainingModel> training;
  training_task task = training_task::causal_lm;
  hft::json config;  // as config.json has it
  std::vector<std::string> warnings;
  hft::isize vocab_size = 0;
};

/// The adapter that training begins with: a new one, or that of a folder.
struct adapter_start {
  std::string folder;      // empty: a new one
  hft::LoraConfig config;  // of either
};

/// The class that a checkpoint names, to be trained whole: all its weights are f32. Throws unsupported_error for one
/// without a loss.
trained_model load_trained(const hft::checkpoint&);
/// The same with an adapter over the f32 weights.
trained_model load_trained(const hft::checkpoint&, const adapter_start&);
/// The same with a LoRA adapter over weights that stay as they are stored; floating ones in bf16 where asked. Where
/// modules are trained whole, as the head of a classifier is, all weights are f32, for bf16 with its values. A new
/// one's config without a task_type gets the class's, so that a classifier's head is trained, too, as in peft. Throws
/// unsupported_error where modules of a quantised model are to be trained whole.
trained_model load_trained_lora(const hft::checkpoint&, adapter_start, std::uint64_t seed, bool bf16);

}  // namespace tool
