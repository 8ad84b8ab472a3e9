// The compiled part of files, configs, models and generation: written by scripts/list_compiled.sh; see linkage.hpp.
#pragma once
#ifndef HFT_COMPILING
#define HFT_COMPILING HFT_PART_MODELS
#endif

#include <hft/device.hpp>
#include <hft/error.hpp>
#include <hft/generation/generate.hpp>
#include <hft/generation/logits_process.hpp>
#include <hft/io/checkpoint.hpp>
#include <hft/io/gguf.hpp>
#include <hft/io/gguf_value.hpp>
#include <hft/io/gguf_writer.hpp>
#include <hft/io/hub.hpp>
#include <hft/io/json.hpp>
#include <hft/io/json_value.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/placeholder.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/io/safetensors_writer.hpp>
#include <hft/io/sorting.hpp>
#include <hft/io/strict_json.hpp>
#include <hft/io/utf8.hpp>
#include <hft/layers/rope_scaling.hpp>
#include <hft/layers/rotary_tables.hpp>
#include <hft/log.hpp>
#include <hft/models/config.hpp>
#include <hft/models/generation_config.hpp>
#include <hft/models/loading.hpp>
#include <hft/models/output.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/module.hpp>
#include <hft/nearest_name.hpp>
#include <hft/parallel.hpp>
#include <hft/quantization/bitsandbytes.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/tensor.hpp>
