// Heads that find answers in ways of their own: BigBird's, which leaves the question out, and XLNet's, which tries
// several beginnings.
#pragma once
#include <algorithm>
#include <optional>
#include <vector>

#include <hft/layers/channels.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/norm.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/headed.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/softmax.hpp>
#include <hft/ops/top_k.hpp>

namespace hft {

/// A question, and the text behind it.
struct QuestionInputs : TextInputs {
  Tensor<i64, 2> question_lengths = {};  // (B,1); empty: up to the first separator

  void fields(input_visitor& v) {
    TextInputs::fields(v);
    v("question_lengths", question_lengths);
  }
};

struct QuestionHeadOptions {
  MLPOptions mlp;
  NormOptions norm;
  i64 sep_token_id;
  f64 dropout = 0;  // in a training pass
};

/// Checkpoint names: model, qa.up_proj, qa.down_proj, qa.norm, qa_outputs. (transformers.BigBirdForQuestionAnswering)
template <class Base>
class ForAnswersBehindQuestion : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type, typename Headed<Base>::A, typename Headed<Base>::D;
  using inputs = QuestionInputs;
  template <class Other>
  using on_build = ForAnswersBehindQuestion<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForQuestionAnswering";

  struct options {
    typename Base::options base;
    QuestionHeadOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{Base::options_of(config), config.question_head()};
    o.base.pooler.reset();
    return o;
  }

  explicit ForAnswersBehindQuestion(const options& o)
      : Headed<Base>(o.base),
        qa(o.head.mlp),
        norm(o.head.norm),
        qa_outputs(o.head.norm.size, 2, true),
        head_(o.head),
        where_(o.base.where),
        last_layer_(o.base.places()) {}

  /// input_ids (B,T) => start_logits (B,T), end_logits (B,T), those of the question lower by 1e6
  QuestionAnsweringModelOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    const isize B = in.input_ids.extent(0), T = in.input_ids.extent(1);
    const auto lengths = question_lengths(in);
    inputs typed = in;
    if (!in.token_type_ids && !args.token_type_ids) {
      typed.token_type_ids = Tensor<i64, 2>({B, T});
      for (isize i = 0; i < B * T; ++i) typed.token_type_ids.data()[i] = i % T >= lengths[std::size_t(i / T)];
    }
    auto context = this->model.begin(typed, args);
    const auto base = this->model.run(typed, args, context);
    if constexpr (D::tracked) context.dropout.begin_layer(last_layer_);
    const auto& x = base.last_hidden_state;
    const auto h = norm(add(apply_dropout(qa(apply_dropout(x, head_.dropout, context)), head_.dropout, context), x));
    const auto logits = qa_outputs(h);  // (B,T,2)
    Tensor<A, 2, typename D::base> lower({B, T});
    for (isize i = 0; i < B * T; ++i) lower.data()[i] = i % T && i % T < lengths[std::size_t(i / T)] ? A(-1e6) : A(0);
    const auto one = [&](isize i) { return add(logits.slice(2, i, i + 1).dense().template reshape<2>({B, T}), lower); };
    QuestionAnsweringModelOutput<A, D> out{one(0), one(1)};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = question_answering_loss(out.start_logits, out.end_logits, args);
    return out;
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    v("qa", qa);
    v("qa.norm", norm);
    v("qa_outputs", qa_outputs);
  }

  MLP<build_type> qa;
  LayerNorm<build_type> norm;
  typename build_type::linear qa_outputs;

 private:
  std::vector<i64> question_lengths(const inputs& in) const {
    const isize B = in.input_ids.extent(0), T = in.input_ids.extent(1);
    const auto ids = in.input_ids.dense();
    std::vector<i64> lengths;
    if (in.question_lengths) {
      if (in.question_lengths.shape() != Shape<2>{B, 1})
        throw shape_error(where_, "question_lengths", detail::shape_text(Shape<2>{B, 1}),
                          detail::shape_text(in.question_lengths.shape()));
      const auto given = in.question_lengths.dense();
      lengths.assign(given.data(), given.data() + B);
    } else {
      for (isize b = 0; b < B; ++b) {
        const i64* row = ids.data() + b * T;
        const isize at = std::find(row, row + T, head_.sep_token_id) - row;
        lengths.push_back(at < T ? at + 1 : 1);
      }
    }
    return lengths;
  }

  QuestionHeadOptions head_;
  const char* where_;
  isize last_layer_;
};

/// Of a model that tries several beginnings, and several ends of each.
template <Scalar A = f32, Device D = cpu>
struct BeamAnswersOutput {
  Tensor<A, 2, D> start_top_log_probs = {};  // (B,K); probabilities, in spite of the name
  Tensor<i64, 2> start_top_index = {};       // (B,K)
  Tensor<A, 2, D> end_top_log_probs = {};    // (B,N*K): of the n-th best end for each beginning
  Tensor<i64, 2> end_top_index = {};         // (B,N*K)
  Tensor<A, 1, D> cls_logits = {};           // (B), above 0 where there is no answer
  // Of a device that records, in the place of all these: (B,T), of ends those behind the true or else the best start.
  Tensor<A, 2, D> start_logits = {}, end_logits = {};
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("start_top_log_probs", start_top_log_probs);
    v("start_top_index", start_top_index);
    v("end_top_log_probs", end_top_log_probs);
    v("end_top_index", end_top_index);
    v("cls_logits", cls_logits);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};

struct BeamHeadOptions {
  isize hidden_size, beginnings, ends;
  NormOptions norm;
};

/// Checkpoint names: model, start_logits, end_logits, answer_class. With labels it gives the loss alone, in which
/// whether there is an answer has no part. (transformers.XLNetForQuestionAnswering)
template <class Base>
class ForBeamAnswers : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type, typename Headed<Base>::A, typename Headed<Base>::D,
      typename Headed<Base>::inputs;
  template <class Other>
  using on_build = ForBeamAnswers<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForBeamAnswers";

  struct options {
    typename Base::options base;
    BeamHeadOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    return {Base::options_of(config), config.beam_head()};
  }

  explicit ForBeamAnswers(const options& o)
      : Headed<Base>(o.base),
        start(o.head.hidden_size, 1, true),
        end_0(2 * o.head.hidden_size, o.head.hidden_size, true),
        end_norm(o.head.norm),
        end_1(o.head.hidden_size, 1, true),
        answer_0(2 * o.head.hidden_size, o.head.hidden_size, true),
        answer_1(o.head.hidden_size, 1),
        head_(o.head),
        where_(o.base.where) {}

  BeamAnswersOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    const auto base = this->model(in, args);
    const auto& x = base.last_hidden_state;
    const isize B = x.extent(0), T = x.extent(1);
    const auto begins = start(x).template reshape<2>({B, T});
    BeamAnswersOutput<A, D> out;
    show_states(base, out);
    if constexpr (D::tracked) {
      auto at = top_k(begins.value(), 1);
      if (args.start_positions) {
        const auto positions = args.start_positions.dense();
        for (isize b = 0; b < B; ++b) at[std::size_t(b)] = isize(std::clamp<i64>(positions.data()[b], 0, T - 1));
      }
      out.start_logits = begins, out.end_logits = ends(x, select_tokens(x, at));
      out.loss = question_answering_loss(out.start_logits, out.end_logits, args);
    } else {
      find_beams(x, softmax(begins), out);
    }
    return out;
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    v("start_logits.dense", start);
    v("end_logits.dense_0", end_0);
    v("end_logits.LayerNorm", end_norm);
    v("end_logits.dense_1", end_1);
    v("answer_class.dense_0", answer_0);
    v("answer_class.dense_1", answer_1);
  }

  typename build_type::linear start, end_0;
  LayerNorm<build_type> end_norm;
  typename build_type::linear end_1, answer_0, answer_1;

 private:
  using rows_t = Tensor<A, 2, D>;

  /// Texts x (N,T,C) that begin with states (N,C) => logits of their ends (N,T)
  template <class X>
  rows_t ends(const X& x, const rows_t& states) const {
    const isize N = x.extent(0), T = x.extent(1);
    std::vector<isize> each;
    for (isize i = 0; i < N * T; ++i) each.push_back(i / T);
    const X with = take_rows(states, each).template reshape<3>(x.shape());
    const X h = end_norm(activate(X(end_0(concat_channels(x, with))), Activation::tanh));
    return end_1(h).template reshape<2>({N, T});
  }

  void find_beams(const Tensor<A, 3, D>& x, const rows_t& p, BeamAnswersOutput<A, D>& out) const {
    const isize B = x.extent(0), T = x.extent(1), C = x.extent(2), K = head_.beginnings, N = head_.ends;
    if (K > T || N > T)
      throw value_error(where_, "start_n_top and end_n_top", detail::joined("at most ", T, ", the tokens of the text"),
                        detail::joined(K, " and ", N));
    const auto flat = x.dense().template reshape<2>({B * T, C});
    const auto begins = top_k(p, K);
    std::vector<isize> tokens, texts, places;
    for (isize i = 0; i < B * K; ++i) {
      tokens.push_back(i / K * T + begins[std::size_t(i)]);
      for (isize t = 0; t < T; ++t) texts.push_back(i / K * T + t);
    }
    const auto each = take_rows(flat, texts).template reshape<3>({B * K, T, C});
    const auto q = softmax(ends(each, take_rows(flat, tokens)));  // (B*K,T)
    const auto found = top_k(q, N);
    out.start_top_log_probs = rows_t({B, K}), out.end_top_log_probs = rows_t({B, N * K});
    out.start_top_index = Tensor<i64, 2>({B, K}), out.end_top_index = Tensor<i64, 2>({B, N * K});
    for (isize i = 0; i < B * K; ++i) {
      const isize b = i / K, k = i % K;
      out.start_top_index.data()[i] = begins[std::size_t(i)];
      out.start_top_log_probs.data()[i] = p.data()[b * T + begins[std::size_t(i)]];
      for (isize n = 0; n < N; ++n) {
        const isize at = found[std::size_t(i * N + n)], to = (b * N + n) * K + k;
        out.end_top_index.data()[to] = at;
        out.end_top_log_probs.data()[to] = q.data()[i * T + at];
      }
    }
    for (isize i = 0; i < B * T; ++i) places.push_back(i);
    const auto mean = combine_rows(std::vector<rows_t>{flat}, {places}, p).template reshape<3>({B, 1, C});
    const auto last = x.slice(1, T - 1, T).dense();
    const auto h = activate(Tensor<A, 3, D>(answer_0(concat_channels(mean, last))), Activation::tanh);
    out.cls_logits = answer_1(h).template reshape<1>({B});
  }

  BeamHeadOptions head_;
  const char* where_;
};

}  // namespace hft
