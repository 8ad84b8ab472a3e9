// ForMaskedLM: a head over the vocabulary, whose logits are of the token at their own position; and the same head of
// encoders that generate.
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
  bool tied = true;         // the decoder's weight to the token embeddings, its bias to the head's
  bool one_bias = false;    // the head has no bias beside the decoder's, which checkpoints call the decoder's
  isize decoded_size = 0;   // of what the decoder sees; 0: hidden_size
  bool transformed = true;  // else that is what the base model gives (EuroBERT): there is no dense, and no norm
  bool dense_bias = true;
  bool decoder_bias = true;   // whether there is any
  isize rest_size = 0;        // channels behind those that a layer of its own sees (MobileBERT)
  const char* name = "head";  // of all but the decoder in paths, of an architecture that has several (DeBERTa)
};

namespace detail {

/// dense, activation, LayerNorm, and a decoder that is often tied to the token embeddings.
/// Checkpoint names: model, head.dense, head.norm, head.bias, decoder.
template <class Base>
class masked_lm_head : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type, typename Headed<Base>::A, typename Headed<Base>::D,
      typename Headed<Base>::inputs;
  using Headed<Base>::model;

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

  masked_lm_head(const typename Base::options& base, const MaskedLMHeadOptions& o)
      : Headed<Base>(base),
        decoder(o.decoded_size ? o.decoded_size : o.hidden_size, o.vocab_size, o.decoder_bias),
        name_(o.name),
        activation_(o.activation),
        tied_(o.tied),
        bias_tied_(o.one_bias),
        one_bias_(o.one_bias) {
    if (o.decoder_bias) bias = decltype(bias)::unallocated({o.vocab_size});
    if (!o.transformed) return;
    dense.emplace(o.hidden_size, (o.decoded_size ? o.decoded_size : o.hidden_size) + o.rest_size, o.dense_bias);
    if (o.rest_size) rest.emplace(o.rest_size, o.vocab_size);
    norm.emplace(o.norm);
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    v(cat(name_, ".dense"), dense);
    v(cat(name_, ".norm"), norm);
    if (bias.extent(0)) v(cat(name_, ".bias"), bias);
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
    if (bias.extent(0) && bias_is_tied() && !one_bias_) out.emplace_back("decoder.bias", cat(name_, ".bias"));
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
    if (rest) detail::resize_rows(rest->weight, vocab_size);
    if (bias.extent(0)) detail::resize_rows(decoder.bias, vocab_size), detail::resize_rows(bias, vocab_size);
    tie_weights();
  }
  std::string output_embeddings() const override { return "decoder.weight"; }
  const auto& output_table() const { return decoder.weight; }
  auto& output_table() { return decoder.weight; }

  std::optional<typename build_type::linear> dense;
  std::optional<LayerNorm<build_type>> norm;
  typename build_type::template parameter<A, 1>
      bias;  // (V), the decoder's where it is tied; a checkpoint always has it, where there is one
  typename build_type::embeddings::linear decoder;
  std::optional<typename build_type::embeddings::linear> rest;

 protected:
  /// input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n.
  template <class Output>
  Output decode(const inputs& in, const ForwardArgs<A, D>& args) const {
    const auto base = model(in, args);
    auto out = decoded<Output>(transformed(base.last_hidden_state), args);
    show_states(base, out);
    return out;
  }
  /// What the decoder sees (B,T,C) => its logits, and with labels the loss.
  template <class Output, class X>
  Output decoded(const X& x, const ForwardArgs<A, D>& args) const {
    if (!rest) return language_model_output<Output>(x, decoder, args);
    const auto with_rest = [this](const auto& h) {
      const isize E = decoder.weight.extent(1), C = h.extent(h.rank - 1);
      return add(decoder(h.slice(h.rank - 1, 0, E).dense()), (*rest)(h.slice(h.rank - 1, E, C).dense()));
    };
    return language_model_output<Output>(x, with_rest, args);
  }
  /// (B,T,C) => (B,T,C), what the decoder sees
  template <class X>
  X transformed(const X& x) const {
    return dense ? (*norm)(activate((*dense)(x), activation_)) : x;
  }

 private:
  struct decoder_without_bias {
    typename build_type::embeddings::linear& layer;
    void visit(visitor& v) {
      v("weight", layer.weight);
      layer.visit_adapters(v);
    }
  };

  const char* name_;
  Activation activation_;
  bool tied_, bias_tied_, one_bias_;  // the bias alone
};

}  // namespace detail

/// (transformers.BertForMaskedLM and its like)
template <class Base>
class ForMaskedLM : public detail::masked_lm_head<Base> {
  using head = detail::masked_lm_head<Base>;

 public:
  using typename head::A, typename head::D, typename head::inputs, typename head::options;
  template <class Other>
  using on_build = ForMaskedLM<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForMaskedLM";

  explicit ForMaskedLM(const options& o) : head(o.base, o.head) {}

  /// input_ids (B,T) => logits (B,T,V)
  MaskedLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    return this->template decode<MaskedLMOutput<A, D>>(in, args);
  }
};

/// The same head on an encoder that sees the past alone, whose logits are of the token that follows.
/// (transformers.ElectraForCausalLM and its like)
template <class Base>
class EncoderForCausalLM : public detail::masked_lm_head<Base> {
  using head = detail::masked_lm_head<Base>;

 public:
  using typename head::A, typename head::D, typename head::inputs, typename head::options;
  template <class Other>
  using on_build = EncoderForCausalLM<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForCausalLM";
  static constexpr bool generates = true;

  explicit EncoderForCausalLM(const options& o) : head(o.base, o.head) {}

  /// input_ids (B,T) => logits (B,T,V), or (B,n,V) where args.logits_to_keep is n.
  CausalLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    return this->template decode<CausalLMOutput<A, D>>(in, args);
  }
};

}  // namespace hft
