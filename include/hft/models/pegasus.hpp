// PEGASUS: mBART's layers with positions that are sines and cosines, for summaries. Zhang et al. 2019, arXiv
// 1912.08777. transformers/models/pegasus/modeling_pegasus.py
#pragma once
#include <hft/models/seq2seq_config.hpp>

namespace hft {

/// transformers.PegasusConfig; fields have its names and defaults.
struct PegasusConfig : Seq2SeqConfig {
  static constexpr const char* model_type = "pegasus";
  static constexpr const char* class_prefix = "Pegasus";

  PegasusConfig() {
    style = {.where = "PegasusModel",
             .norms = norms::before,
             .positions = Seq2SeqStyle::position_kind::fixed,
             .first_position = 0,
             .embedding_norm = false};
    pad_token_id = decoder_start_token_id = 0;
    bos_token_id = {};
    eos_token_id = forced_eos_token_id = 1;
  }
  void fields(field_visitor& v) {
    Seq2SeqConfig::fields(v);
    v("forced_eos_token_id", forced_eos_token_id);
  }
  void check() const { Seq2SeqConfig::check(model_type); }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using PegasusModel = PreTrainedModel<PegasusConfig, detail::BartBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using PegasusForConditionalGeneration =
    PreTrainedModel<PegasusConfig, ForConditionalGeneration<detail::BartBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using PegasusForCausalLM = PreTrainedModel<PegasusConfig, ForCausalLM<detail::BartDecoder<build<W, D, L, S>>>>;

struct pegasus : architecture<PegasusConfig, PegasusModel, PegasusForConditionalGeneration, PegasusForCausalLM> {};

}  // namespace hft
