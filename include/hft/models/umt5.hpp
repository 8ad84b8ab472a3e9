// UMT5: mT5 whose layers each have their own bias of positions. Chung et al. 2023, arXiv 2304.09151.
// transformers/models/umt5/modeling_umt5.py
#pragma once
#include <hft/models/mt5.hpp>

namespace hft {

/// transformers.UMT5Config; fields have its names and defaults.
struct UMT5Config : MT5Config {
  static constexpr const char* model_type = "umt5";
  static constexpr const char* class_prefix = "UMT5";

  static constexpr name_tables names{.base_model_prefix = "",
                                     .prefixes = prefixes,
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_architecture = "t5",
                                     .gguf_classes = gguf_classes,
                                     .gguf_told = gguf_is_umt5,
                                     .ignored = ignored,
                                     .may_be_left = may_be_left,
                                     .kept_linear = kept_linear};

  TextModelOptions<> encoder() const { return with_biases(MT5Config::encoder()); }
  TextModelOptions<> decoder() const { return with_biases(MT5Config::decoder()); }
  Seq2SeqLMHeadOptions seq2seq_lm_head() const { return T5Config::seq2seq_lm_head(); }

 private:
  static TextModelOptions<> with_biases(TextModelOptions<> o) {
    o.position_bias_of_layers = true;
    return o;
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using UMT5Model = PreTrainedModel<UMT5Config, detail::T5Base<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using UMT5ForConditionalGeneration =
    PreTrainedModel<UMT5Config, ForConditionalGeneration<detail::T5Base<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using UMT5EncoderModel = PreTrainedModel<UMT5Config, EncoderModel<detail::T5Encoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using UMT5ForSequenceClassification =
    PreTrainedModel<UMT5Config, ForSequenceClassification<detail::T5Base<build<W, D, L, S>>, last_eos>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using UMT5ForTokenClassification =
    PreTrainedModel<UMT5Config, ForTokenClassification<EncoderModel<detail::T5Encoder<build<W, D, L, S>>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using UMT5ForQuestionAnswering = PreTrainedModel<UMT5Config, ForQuestionAnswering<detail::T5Base<build<W, D, L, S>>>>;

struct umt5 : architecture<UMT5Config, UMT5Model, UMT5ForConditionalGeneration, UMT5EncoderModel,
                           UMT5ForSequenceClassification, UMT5ForTokenClassification, UMT5ForQuestionAnswering> {};

}  // namespace hft
