// What forward passes take and return, with the names of Transformers' forward.
#pragma once
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <hft/io/stored_tensor.hpp>
#include <hft/layers/context.hpp>
#include <hft/layers/forward_args.hpp>
#include <hft/layers/inputs.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
struct no_loss {};
}  // namespace detail
/// The loss of an output, one element, empty without labels; nothing on a device that does not record.
template <class A, class D>
using loss_t = std::conditional_t<D::tracked, Tensor<A, 1, D>, detail::no_loss>;

template <Scalar A = f32, Device D = cpu>
struct BaseModelOutput {
 private:
  static constexpr bool logits = false;  // hft: a base model has none; a model with a head has, LlamaForCausalLM

 public:
  Tensor<A, 3, D> last_hidden_state = {};                             // (B,T,C)
  Tensor<A, 2, D> pooler_output = {};                                 // (B,C); empty without a pooler
  Tensor<A, 3, D> entity_last_hidden_state = {};                      // (B,E,C) of a pass over entities, too
  std::vector<Tensor<A, 3, D>> hidden_states = {};                    // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};        // (B,H,T,S) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> cross_attentions = {};  // of a decoder beside an encoder

  template <class V>
  void fields(V& v) const {
    v("last_hidden_state", last_hidden_state);
    v("pooler_output", pooler_output);
    v("entity_last_hidden_state", entity_last_hidden_state);
    v("cross_attentions", cross_attentions);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};
template <Scalar A = f32, Device D = cpu>
using BaseModelOutputWithPooling = BaseModelOutput<A, D>;
template <Scalar A = f32, Device D = cpu>
struct CausalLMOutput {
  static constexpr bool next_token = true;  // logits are of the token that follows
  Tensor<A, 3, D> logits = {};              // (B,T,V)
  [[no_unique_address]] loss_t<A, D> loss = {};
  Tensor<A, 4, D> logits_ngram = {};                // (B,n-1,T,V), of the tokens behind that; of streams (ProphetNet)
  std::vector<Tensor<A, 3, D>> hidden_states = {};  // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    v("logits_ngram", logits_ngram);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};
/// Of an encoder and a decoder.
template <Scalar A = f32, Device D = cpu>
struct Seq2SeqModelOutput {
  Tensor<A, 3, D> last_hidden_state = {};                               // (B,T,C)
  Tensor<A, 3, D> encoder_last_hidden_state = {};                       // (B,S,C)
  Tensor<A, 3, D> streams = {};                                         // (B,nT,C), of a decoder with some
  std::vector<Tensor<A, 3, D>> decoder_hidden_states = {};              // these where asked for
  std::vector<Tensor<A, 4, typename D::base>> decoder_attentions = {};  // (B,H,T,T) each
  std::vector<Tensor<A, 4, typename D::base>> cross_attentions = {};    // (B,H,T,S) each
  std::vector<Tensor<A, 3, D>> encoder_hidden_states = {};
  std::vector<Tensor<A, 4, typename D::base>> encoder_attentions = {};  // (B,H,S,S) each

  template <class V>
  void fields(V& v) const {
    v("last_hidden_state", last_hidden_state);
    states(v);
  }
  template <class V>
  void states(V& v) const {
    v("encoder_last_hidden_state", encoder_last_hidden_state);
    v("decoder_hidden_states", decoder_hidden_states);
    v("decoder_attentions", decoder_attentions);
    v("cross_attentions", cross_attentions);
    v("encoder_hidden_states", encoder_hidden_states);
    v("encoder_attentions", encoder_attentions);
  }
};
template <Scalar A = f32, Device D = cpu>
struct Seq2SeqLMOutput {
  static constexpr bool next_token = false;  // the decoder's tokens were moved
  Tensor<A, 3, D> logits = {};               // (B,T,V)
  [[no_unique_address]] loss_t<A, D> loss = {};
  Tensor<A, 4, D> logits_ngram = {};  // (B,n-1,T,V), of the tokens behind that; of streams (ProphetNet)
  Seq2SeqModelOutput<A, D> base = {};

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    v("logits_ngram", logits_ngram);
    base.states(v);
  }
};
template <Scalar A = f32, Device D = cpu>
struct MaskedLMOutput {
  static constexpr bool next_token = false;
  Tensor<A, 3, D> logits = {};  // (B,T,V)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};
/// Of a model that finds masked tokens, and says whether a text follows another.
template <Scalar A = f32, Device D = cpu>
struct PreTrainingOutput {
  const char* sentence_name = "seq_relationship_logits";  // what Transformers' class calls sentence_logits
  Tensor<A, 3, D> prediction_logits = {};                 // (B,T,V)
  Tensor<A, 2, D> sentence_logits = {};                   // (B,labels)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("prediction_logits", prediction_logits);
    v(sentence_name, sentence_logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};
/// Of a model that finds tokens which were replaced.
template <Scalar A = f32, Device D = cpu>
struct ReplacedTokensOutput {
  Tensor<A, 2, D> logits = {};  // (B,T)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};
/// Of a model that finds masked words and masked entities.
template <Scalar A = f32, Device D = cpu>
struct EntityMaskedLMOutput {
  Tensor<A, 3, D> logits = {};         // (B,T,V)
  Tensor<A, 3, D> entity_logits = {};  // (B,E,entities), where there are entities
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T+E,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T+E,T+E) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    v("entity_logits", entity_logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};
template <Scalar A = f32, Device D = cpu>
struct SequenceClassifierOutput {
  Tensor<A, 2, D> logits = {};  // (B,labels)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};
template <Scalar A = f32, Device D = cpu>
struct TokenClassifierOutput {
  Tensor<A, 3, D> logits = {};  // (B,T,labels)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};

/// The same of an encoder and a decoder.
template <Scalar A = f32, Device D = cpu>
struct Seq2SeqSequenceClassifierOutput {
  Tensor<A, 2, D> logits = {};  // (B,labels)
  [[no_unique_address]] loss_t<A, D> loss = {};
  Seq2SeqModelOutput<A, D> base = {};

  template <class V>
  void fields(V& v) const {
    v("logits", logits);
    base.states(v);
  }
};

/// Of a model that finds the span of a text that answers.
template <Scalar A = f32, Device D = cpu>
struct QuestionAnsweringModelOutput {
  Tensor<A, 2, D> start_logits = {}, end_logits = {};  // (B,T)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("start_logits", start_logits);
    v("end_logits", end_logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};

/// The same of an encoder and a decoder.
template <Scalar A = f32, Device D = cpu>
struct Seq2SeqQuestionAnsweringModelOutput {
  Tensor<A, 2, D> start_logits = {}, end_logits = {};  // (B,T)
  [[no_unique_address]] loss_t<A, D> loss = {};
  Seq2SeqModelOutput<A, D> base = {};

  template <class V>
  void fields(V& v) const {
    v("start_logits", start_logits);
    v("end_logits", end_logits);
    base.states(v);
  }
};

namespace detail {
// A tensor under a name, its memory kept alive: as files and tools take it.
template <Scalar A, std::size_t R, BaseDevice D>
void add_named(std::vector<stored_tensor>& out, const char* name, const Tensor<A, R, D>& t) {
  if (!t) return;
  static_assert(D::host_memory, "hft: named outputs are read on the host");
  const auto dense = std::make_shared<const Tensor<A, R, D>>(t.dense());
  out.push_back({name,
                 dtype<A>::id,
                 {t.shape().begin(), t.shape().end()},
                 std::as_bytes(std::span(dense->data(), std::size_t(dense->size()))),
                 dense});
}
}  // namespace detail

namespace detail {
struct output_namer {
  template <class T>
  void operator()(const char* name, const T& tensor) {
    add_named(out, name, tensor);
  }
  template <class T>
  void operator()(const char* name, const std::vector<T>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) add_named(out, cat(name, ".", i).c_str(), tensors[i]);
  }
  std::vector<stored_tensor> out;
};
}  // namespace detail

/// The outputs that are there, under the names of their fields; those of layers as NAME.0, NAME.1, ...
template <class Output>
std::vector<stored_tensor> named_outputs(const Output& y) {
  detail::output_namer named;
  y.fields(named);
  return std::move(named.out);
}

/// The last `keep` positions of x (B,T,C), or all where keep is 0.
template <Scalar A, Device D>
Tensor<A, 3, D> last_positions(const Tensor<A, 3, D>& x, isize keep) {
  const isize T = x.extent(1);
  return keep > 0 && keep < T ? x.slice(1, T - keep, T) : x;
}

/// Gives a head's output the states that its base model shows.
template <class Base, class Output>
requires requires(Output& out) { out.hidden_states; }
void show_states(Base&& base, Output& out) {
  out.hidden_states = std::forward<Base>(base).hidden_states;
  out.attentions = std::forward<Base>(base).attentions;
}

template <Scalar A, Device D, class Output>
void show_states(const Seq2SeqModelOutput<A, D>& base, Output& out) {
  out.base = base;
}

/// What a language model returns: the head's logits of the positions that args keep; on a device that records, and
/// given labels, their loss, and logits only where args ask for both.
///   next  whether a label is of the token that follows
template <class Output, class X, class Head, class Args>
Output language_model_output(const X& hidden, const Head& head, const Args& args, bool next = Output::next_token) {
  Output out;
  if constexpr (X::device::tracked) {
    if (args.labels) {
      out.loss = language_model_loss(hidden, head, args, next);
      if (args.return_logits) out.logits = head(last_positions(hidden, args.logits_to_keep));
      return out;
    }
  }
  out.logits = head(last_positions(hidden, args.logits_to_keep));
  return out;
}

/// The same of n streams of states (B,nT,C), of which the first gives logits, and the others logits_ngram. All, or the
/// first alone, are to predict the labels.
template <class Output, class X, class Head, class Args>
Output stream_model_output(const X& streams, isize n, bool all_learn, const Head& head, const Args& args) {
  Output out;
  const isize B = streams.extent(0), T = streams.extent(1) / n;
  const X first = n == 1 ? streams : X(streams.slice(1, 0, T).dense());
  if constexpr (X::device::tracked) {
    if (args.labels) {
      Args all = args;
      const isize times = all_learn ? n : 1;
      all.labels = Tensor<i64, 2>({B, times * T});
      const auto labels = args.labels.dense();
      for (isize b = 0; b < B; ++b)
        for (isize i = 0; i < times * T; ++i) all.labels.data()[b * times * T + i] = labels.data()[b * T + i % T];
      out.loss = language_model_loss(all_learn ? streams : first, head, all, false);
      if (!args.return_logits) return out;
    }
  }
  out.logits = head(last_positions(first, args.logits_to_keep));
  if (n > 1) {
    const X logits = head(streams.slice(1, T, n * T).dense());
    out.logits_ngram = logits.template reshape<4>({B, n - 1, T, logits.extent(2)});
  }
  return out;
}

}  // namespace hft
