// Strategies beside greedy search, sampling and beams: a program compiles those whose header it includes, which enters
// them here. hft::compiled has all.
#pragma once
#include <hft/error.hpp>
#include <hft/generation/generate_options.hpp>
#include <hft/generation/logits_process/processor.hpp>
#include <hft/models/generation_config.hpp>

namespace hft::detail {

class generation_inputs;
class generation_loop;
class generation_step;

/// Null where the program has not included the header.
struct strategies {
  using strategy = GenerateOutput (*)(generation_loop&);
  inline static strategy assisted = nullptr;
  inline static strategy contrastive_search = nullptr;
  inline static strategy dola = nullptr;
  inline static strategy group_beam_search = nullptr;
  inline static strategy constrained_beam_search = nullptr;
  /// Of caches that remember their ids (cache_use.hpp).
  inline static isize (*kept_tokens)(CacheBase&, const Tensor<i64, 2>& ids, const Tensor<i64, 2>& mask,
                                     const generation_step&) = nullptr;
  inline static void (*remember_tokens)(CacheBase&, const generation_inputs&) = nullptr;
  /// The processor of guidance_scale, which asks the model itself.
  inline static LogitsProcessor* (*guidance)(const generation_loop&) = nullptr;

  /// What the settings ask for, or null where that is greedy search, sampling or beam search. Throws value_error for
  /// settings that ask for two, unsupported_error where a header is missing. (GenerationConfig.get_generation_mode)
  static strategy asked_for(const GenerationConfig& config, const GenerateOptions& options);
  /// Throws unsupported_error unless the header of what a setting asks for is there.
  static void check_header(bool there, const char* setting, const char* header) {
    if (!there)
      throw unsupported_error("generate", setting, joined("#include <hft/generation/", header, ">"),
                              "a program without it");
  }
};

[[gnu::cold, gnu::noinline]] inline strategies::strategy strategies::asked_for(const GenerationConfig& config,
                                                                               const GenerateOptions& options) {
  struct {
    const char *setting, *header;
    strategy made;
  } asked{};
  const auto ask = [&](bool set, const char* setting, const char* header, strategy made) {
    if (!set) return;
    if (asked.setting) throw value_error("generate", setting, joined("not to be set beside ", asked.setting), "both");
    asked = {setting, header, made};
  };
  const bool drawn = config.do_sample.value_or(false);
  ask(config.prompt_lookup_num_tokens.value_or(0) > 0, "prompt_lookup_num_tokens", "assisted_generation.hpp", assisted);
  ask(config.assistant_early_exit.value_or(0) > 0, "assistant_early_exit", "assisted_generation.hpp", assisted);
  ask(bool(options.assistant_model), "assistant_model", "assisted_generation.hpp", assisted);
  ask(!drawn && config.penalty_alpha.value_or(0) > 0 && config.top_k.value_or(50) > 1, "penalty_alpha",
      "contrastive_search.hpp", contrastive_search);
  ask(!config.dola_layers.is_null(), "dola_layers", "dola.hpp", dola);
  const bool by_token = asked.setting;
  ask(config.num_beam_groups.value_or(1) > 1, "num_beam_groups", "group_beam_search.hpp", group_beam_search);
  ask(!config.force_words_ids.is_null(), "force_words_ids", "constrained_beam_search.hpp", constrained_beam_search);
  ask(!options.constraints.empty() && config.force_words_ids.is_null(), "constraints", "constrained_beam_search.hpp",
      constrained_beam_search);
  if (by_token && config.num_beams.value_or(1) > 1)
    throw value_error("generate", asked.setting, "num_beams = 1", joined(*config.num_beams, " beams"));
  if (asked.setting) check_header(asked.made, asked.setting, asked.header);
  return asked.made;
}

}  // namespace hft::detail
