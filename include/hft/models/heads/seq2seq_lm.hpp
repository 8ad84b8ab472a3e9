// ForConditionalGeneration: a head over the vocabulary on an encoder and a decoder.
#pragma once
#include <optional>

#include <hft/models/heads/lm_head.hpp>
#include <hft/models/seq2seq_model.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

struct Seq2SeqLMHeadOptions {
  LMHeadOptions head;
  f64 scale = 1;                                   // of what the head sees
  std::optional<i64> decoder_start_token_id = {};  // with which labels begin as the decoder's tokens
  std::optional<i64> pad_token_id = {};            // which stands there for labels that do not count
};

/// Labels (B,T), moved right by one, behind the start token: what the decoder sees where it is to predict them. Throws
/// value_error without the tokens that this takes. (transformers' _shift_right, shift_tokens_right)
Tensor<i64, 2> shift_right(const Tensor<i64, 2>& labels, const Seq2SeqLMHeadOptions& o);

/// Checkpoint names: model, lm_head. (transformers.T5ForConditionalGeneration and its like)
template <class Base>
class ForConditionalGeneration : public LMHead<Base> {
 public:
  using typename Headed<Base>::A, typename Headed<Base>::D, typename Headed<Base>::inputs;
  template <class Other>
  using on_build = ForConditionalGeneration<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForConditionalGeneration";

  struct options {
    typename Base::options base;
    Seq2SeqLMHeadOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    return {Base::options_of(config), config.seq2seq_lm_head()};
  }

  explicit ForConditionalGeneration(const options& o) : LMHead<Base>(o.base, o.head.head), head_(o.head) {}

  /// input_ids (B,S), decoder_input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n. Given
  /// labels, the decoder's tokens may be left to them.
  Seq2SeqLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    if constexpr (D::tracked) {
      if (args.labels && !in.decoder_input_ids) {
        inputs shifted = in;
        shifted.decoder_input_ids = shift_right(args.labels, head_);
        return with_decoder_tokens(shifted, args);
      }
    }
    return with_decoder_tokens(in, args);
  }

  /// What the encoder makes of input_ids (B,S): (B,S,C). It is an input of passes that generate.
  auto encode(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& attention_mask) const {
    return this->model.encode(inputs{.input_ids = input_ids, .attention_mask = attention_mask}, {}).last_hidden_state;
  }

 private:
  Seq2SeqLMOutput<A, D> with_decoder_tokens(const inputs& in, const ForwardArgs<A, D>& args) const {
    const auto base = this->model(in, args);
    const auto hidden = head_.scale == 1 ? base.last_hidden_state : scale(base.last_hidden_state, head_.scale);
    auto out = language_model_output<Seq2SeqLMOutput<A, D>>(hidden, this->lm_head, args);
    out.base = base;
    return out;
  }

  Seq2SeqLMHeadOptions head_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<i64, 2> shift_right(const Tensor<i64, 2>& labels, const Seq2SeqLMHeadOptions& o) {
  if (!o.decoder_start_token_id || !o.pad_token_id)
    throw value_error("labels", "without decoder_input_ids", "decoder_start_token_id and pad_token_id in the config",
                      "none");
  const auto from = labels.dense();
  const isize B = labels.extent(0), T = labels.extent(1);
  Tensor<i64, 2> ids({B, T});
  for (isize b = 0; b < B; ++b)
    for (isize t = 0; t < T; ++t) {
      const i64 label = t ? from.data()[b * T + t - 1] : *o.decoder_start_token_id;
      ids.data()[b * T + t] = label == -100 ? *o.pad_token_id : label;
    }
  return ids;
}

#endif  // HFT_DEFINES

}  // namespace hft
