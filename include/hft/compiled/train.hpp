// The compiled part of training: written by scripts/list_compiled.sh; see linkage.hpp.
#pragma once
#ifndef HFT_COMPILING
#define HFT_COMPILING HFT_PART_TRAIN
#endif

#include <hft/train/argument_parser.hpp>
#include <hft/train/arguments.hpp>
#include <hft/train/checkpoint_folders.hpp>
#include <hft/train/collators/language_modeling.hpp>
#include <hft/train/collators/padding.hpp>
#include <hft/train/data/csv.hpp>
#include <hft/train/data/dataset.hpp>
#include <hft/train/data/group_texts.hpp>
#include <hft/train/data/load_dataset.hpp>
#include <hft/train/data/text_labels.hpp>
#include <hft/train/loss_curve.hpp>
#include <hft/train/metrics.hpp>
#include <hft/train/optimizers/make_optimizer.hpp>
#include <hft/train/peft/adapter_files.hpp>
#include <hft/train/peft/lora_config.hpp>
#include <hft/train/peft/peft_adapters.hpp>
#include <hft/train/peft/token_targets.hpp>
#include <hft/train/schedules.hpp>
#include <hft/train/trainer.hpp>
