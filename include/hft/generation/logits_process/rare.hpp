// Logits processors that few programs use: one compiles those whose header it includes, which enters them here.
// hft::compiled has all.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/nearest_name.hpp>

namespace hft::detail {

/// Null where the program has not included the header.
struct rare_processors {
  using maker = LogitsProcessor* (*)(const json& config);
  inline static maker watermark = nullptr;
  inline static maker synthid = nullptr;
};

inline bool enter(rare_processors::maker& place, rare_processors::maker made) {
  place = made;
  return true;
}

/// The processor that GenerationConfig::watermarking_config describes, which is not null.
LogitsProcessor* make_watermark(const json& config);

/// Throws value_error, which names the nearest field, for a key of `object` that `known` lacks.
void check_fields(const json& object, const json& known, const char* where);

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE LogitsProcessor* make_watermark(const json& config) {
  if (!config.is_object())
    json_mismatch(config, "GenerationConfig", "watermarking_config",
                  "a WatermarkingConfig or a SynthIDTextWatermarkingConfig");
  const bool synthid = config.contains("keys") || config.contains("ngram_len");
  const auto made = synthid ? rare_processors::synthid : rare_processors::watermark;
  if (!made)
    throw unsupported_error(
        "generate", "watermarking_config",
        joined("#include <hft/generation/logits_process/", synthid ? "synthid" : "watermark", ".hpp>"),
        "a program without it");
  return made(config);
}

HFT_INLINE_ONCE void check_fields(const json& object, const json& known, const char* where) {
  std::vector<std::string_view> names;
  for (const auto& [name, unused] : known.items()) names.push_back(name);
  if (!object.is_object()) json_mismatch(object, where, "", "an object");
  for (const auto& [key, unused] : object.items())
    if (!known.contains(key))
      throw value_error(where, "unknown field",
                        joined("one of its fields; the nearest is '", nearest_name(key, names), "'"), quote_text(key));
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
