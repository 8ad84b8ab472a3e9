// The one source file in which a program compiles what its others only declare: see linkage.hpp. A program that is
// built without CMake's hft::compiled has a source file with this include alone, and -DHFT_COMPILED for all of them.
#pragma once
#ifdef HFT_DEFINITIONS
#error "hft: <hft/compiled.hpp> must be the first header of hft in its source file"
#endif
#define HFT_COMPILING

#include <hft/error.hpp>
#include <hft/io/checkpoint.hpp>
#include <hft/io/gguf.hpp>
#include <hft/io/gguf_value.hpp>
#include <hft/io/gguf_writer.hpp>
#include <hft/io/hub.hpp>
#include <hft/io/json.hpp>
#include <hft/io/json_value.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/io/safetensors_writer.hpp>
#include <hft/io/sorting.hpp>
#include <hft/io/utf8.hpp>
#include <hft/models/config.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/quantization/bitsandbytes.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/tokenizers/apply_chat_template.hpp>
#include <hft/tokenizers/chat_template.hpp>
