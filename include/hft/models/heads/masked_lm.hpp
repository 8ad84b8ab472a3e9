// ForMaskedLM: a head over the vocabulary, whose logits are of the token at their own position.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/models/heads/headed.hpp>
#include <hft/models/vocabulary.hpp>
#include <hft/ops/activation.hpp>

namespace hft {

struct MaskedLMHeadOptions {
  isize hidden_size, vocab_size;
  Activation activation;
  NormOptions norm;
  bool tied = true;           // the decoder's weight to the token embeddings, its bias to the head's
  bool one_bias = false;      // the head has no bias beside the decoder's, which checkpoints call the decoder's
  bool transforms = true;     // else the decoder sees the model's states as they are (Funnel)
  isize embedding_size = 0;   // channels that the decoder sees; 0: hidden_size
  isize rest_size = 0;        // channels behind these that a layer of its own sees (MobileBERT)
  const char* name = "head";  // in paths, of an architecture that has several (DeBERTa)
};

/// dense, activation, LayerNorm, and a decoder that is often tied to the token embeddings.
/// Checkpoint names: model, head.dense, head.norm, head.bias, decoder. (transformers.BertForMaskedLM and its like)
template <class Base>
class ForMaskedLM : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type, typename Headed<Base>::A, typename Headed<Base>::D,
      typename Headed<Base>::inputs;
  using Headed<Base>::model;
  template <class Other>
  using on_build = ForMaskedLM<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForMaskedLM";

  struct options {
    typename Base::options base;
    MaskedLMHeadOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{Base::options_of(config), config.masked_lm_head()};
    o.base.pooler.reset();
    return o;
  }

  explicit ForMaskedLM(const options& o)
      : Headed<Base>(o.base),
        dense(o.head.hidden_size, width(o.head) + o.head.rest_size, true),
        norm(o.head.norm),
        bias(decltype(bias)::unallocated({o.head.vocab_size})),
        decoder(width(o.head), o.head.vocab_size, true),
        name_(o.head.name),
        transforms_(o.head.transforms),
        activation_(o.head.activation),
        tied_(o.head.tied),
        bias_tied_(o.head.one_bias),
        one_bias_(o.head.one_bias) {
    if (o.head.rest_size) rest.emplace(o.head.rest_size, o.head.vocab_size);
  }

  /// input_ids (B,T) => logits (B,T,V)
  MaskedLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    const auto base = model(in, args);
    const auto x =
        transforms_ ? norm(activate(dense(base.last_hidden_state), activation_)) : base.last_hidden_state;  // (B,T,C)
    const auto with_rest = [this](const auto& h) {
      const isize E = decoder.weight.extent(1);
      return add(decoder(h.slice(h.rank - 1, 0, E).dense()),
                 (*rest)(h.slice(h.rank - 1, E, h.extent(h.rank - 1)).dense()));
    };
    using Output = MaskedLMOutput<A, D>;
    auto out =
        rest ? language_model_output<Output>(x, with_rest, args) : language_model_output<Output>(x, decoder, args);
    show_states(base, out);
    return out;
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    if (transforms_) {
      v(detail::cat(name_, ".dense"), dense);
      v(detail::cat(name_, ".norm"), norm);
    }
    v(detail::cat(name_, ".bias"), bias);
    v("rest", rest);
    if (tied_) {
      v.tied("decoder", decoder);
    } else if (bias_is_tied()) {
      decoder_without_bias own{decoder};
      v("decoder", own);
    } else {
      v("decoder", decoder);
    }
  }
  void tie_weights() override {
    if (tied_) decoder.weight = model.token_table();
    if (bias_is_tied()) decoder.bias = bias;
  }
  tied_pairs tied_parameters() const override {
    tied_pairs out;
    if (bias_is_tied() && !one_bias_) out.emplace_back("decoder.bias", detail::cat(name_, ".bias"));
    if (tied_) out.emplace_back("decoder.weight", this->input_embeddings());
    return out;
  }
  /// The bias stays tied where the weight alone is untied; no config says so, thus a model that is saved must have both
  /// untied.
  void untie(std::string_view copy) override {
    if (tied_) {
      detail::end_tie(decoder.weight);
      tied_ = false;
      bias_tied_ = true;
    }
    if (copy == "decoder.bias" && bias_is_tied()) {
      detail::end_tie(decoder.bias);
      bias_tied_ = false;
    }
  }
  void set_tie_word_embeddings(bool tied) override { tied_ = tied; }
  /// Ties the bias where another model, of the same config, has it tied.
  void take_ties(const auto& other) { bias_tied_ = other.bias_is_tied(); }
  bool bias_is_tied() const { return tied_ || bias_tied_; }
  void resize_token_embeddings(isize vocab_size) override {
    Headed<Base>::resize_token_embeddings(vocab_size);
    detail::resize_rows(decoder.weight, vocab_size);
    detail::resize_rows(decoder.bias, vocab_size);
    detail::resize_rows(bias, vocab_size);
    if (rest) detail::resize_rows(rest->weight, vocab_size);
    tie_weights();
  }
  std::string output_embeddings() const override { return "decoder.weight"; }
  const auto& output_table() const { return decoder.weight; }
  auto& output_table() { return decoder.weight; }

  typename build_type::linear dense;
  LayerNorm<build_type> norm;
  typename build_type::template parameter<A, 1>
      bias;  // (V), the decoder's where it is tied; a checkpoint always has it
  typename build_type::embeddings::linear decoder;
  std::optional<typename build_type::embeddings::linear> rest;

 private:
  struct decoder_without_bias {
    typename build_type::embeddings::linear& layer;
    void visit(visitor& v) {
      v("weight", layer.weight);
      layer.visit_adapters(v);
    }
  };

  static isize width(const MaskedLMHeadOptions& o) { return o.embedding_size ? o.embedding_size : o.hidden_size; }

  const char* name_;
  bool transforms_;
  Activation activation_;
  bool tied_, bias_tied_, one_bias_;  // the bias alone
};

}  // namespace hft
