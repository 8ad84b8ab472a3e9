// M2M-100 and NLLB-200: mBART's layers with positions that are sines and cosines and skip padding. Fan et al. 2020,
// arXiv 2010.11125; NLLB team 2022, arXiv 2207.04672. transformers/models/m2m_100/modeling_m2m_100.py
#pragma once
#include <hft/models/seq2seq_config.hpp>

namespace hft {

/// transformers.M2M100Config; fields have its names and defaults.
struct M2M100Config : Seq2SeqConfig {
  static constexpr const char* model_type = "m2m_100";
  static constexpr const char* class_prefix = "M2M100";

  M2M100Config() {
    style = {.where = "M2M100Model",
             .norms = norms::before,
             .positions = Seq2SeqStyle::position_kind::past_padding,
             .embedding_norm = false,
             .final_bias = false};
    vocab_size = 128112;
    encoder_layerdrop = decoder_layerdrop = 0.05;
    activation_function = "relu";
    attention_dropout = 0.1;
    scale_embedding = true;
  }
  void check() const {
    if (d_model < 4) throw config_error(model_type, "d_model", "at least 4", detail::joined(d_model));
    Seq2SeqConfig::check(model_type);
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using M2M100Model = PreTrainedModel<M2M100Config, detail::BartBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using M2M100ForConditionalGeneration =
    PreTrainedModel<M2M100Config, ForConditionalGeneration<detail::BartBase<build<W, D, L, S>>>>;

struct m2m_100 : architecture<M2M100Config, M2M100Model, M2M100ForConditionalGeneration> {};

}  // namespace hft
