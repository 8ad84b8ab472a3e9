// Marian: BART's layers with positions that are sines and cosines, and two vocabularies where it says so, for
// translation. Junczys-Dowmunt et al. 2018, arXiv 1804.00344. transformers/models/marian/modeling_marian.py
#pragma once
#include <hft/models/seq2seq_config.hpp>

namespace hft {

/// transformers.MarianConfig; fields have its names and defaults.
struct MarianConfig : Seq2SeqConfig {
  std::optional<isize> decoder_vocab_size = {};  // default: vocab_size
  bool share_encoder_decoder_embeddings = true;

  static constexpr const char* model_type = "marian";
  static constexpr const char* class_prefix = "Marian";

  MarianConfig() {
    style = {.where = "MarianModel",
             .positions = Seq2SeqStyle::position_kind::fixed,
             .first_position = 0,
             .embedding_norm = false};
    vocab_size = 58101;
    pad_token_id = decoder_start_token_id = 58100;
    bos_token_id = {};
    eos_token_id = forced_eos_token_id = 0;
  }
  void fields(field_visitor& v);
  void check() const;

  isize decoder_vocabulary() const { return decoder_vocab_size.value_or(vocab_size); }
  token_tables tables() const {
    return share_encoder_decoder_embeddings ? Seq2SeqConfig::tables() : token_tables::apart;
  }
  TextModelOptions<> decoder() const {
    auto o = Seq2SeqConfig::decoder();
    o.embeddings.vocab_size = decoder_vocabulary();
    return o;
  }
  TextModelOptions<> text_model() const { return decoder(); }
  Seq2SeqLMHeadOptions seq2seq_lm_head() const {
    auto o = Seq2SeqConfig::seq2seq_lm_head();
    o.head.vocab_size = decoder_vocabulary();
    return o;
  }

  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {
      {"ForConditionalGeneration", "MTModel"}};
  static constexpr name_tables names{.rules = rules, .ignored = ignored, .class_suffixes = class_suffixes};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MarianModel = PreTrainedModel<MarianConfig, detail::BartBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MarianMTModel = PreTrainedModel<MarianConfig, ForConditionalGeneration<detail::BartBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MarianForCausalLM = PreTrainedModel<MarianConfig, ForCausalLM<detail::BartDecoder<build<W, D, L, S>>>>;

struct marian : architecture<MarianConfig, MarianModel, MarianMTModel, MarianForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void MarianConfig::fields(field_visitor& v) {
  Seq2SeqConfig::fields(v);
  v("decoder_vocab_size", decoder_vocab_size, v.extent);
  v("share_encoder_decoder_embeddings", share_encoder_decoder_embeddings);
  v("forced_eos_token_id", forced_eos_token_id);
}

HFT_INLINE void MarianConfig::check() const {
  Seq2SeqConfig::check(model_type);
  if (share_encoder_decoder_embeddings && decoder_vocabulary() != vocab_size)
    throw config_error(model_type, "decoder_vocab_size", "vocab_size, where one table is shared",
                       detail::joined(decoder_vocabulary(), " and ", vocab_size));
}

#endif  // HFT_DEFINES

}  // namespace hft
