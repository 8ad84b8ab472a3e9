// Entities beside the words of a text (Yamada et al. 2020, arXiv 2010.01057): their inputs, their embeddings, which
// stand behind those of the words, and an attention that knows both kinds.
#pragma once
#include <optional>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/text_embeddings.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/concat_tokens.hpp>

namespace hft {

struct EntityChoiceInputs;

/// Of models over words and E entities. Without entity_ids there are words alone.
struct EntityInputs : TextInputs {
  using choice = EntityChoiceInputs;

  Tensor<i64, 2> entity_ids = {};             // (B,E)
  Tensor<i64, 2> entity_attention_mask = {};  // (B,E)
  Tensor<i64, 2> entity_token_type_ids = {};  // (B,E)
  Tensor<i64, 3> entity_position_ids = {};    // (B,E,M), the words of each; -1: no more of them
  Tensor<i64, 2> entity_start_positions = {}, entity_end_positions = {};  // (B,E), of LukeForEntitySpanClassification

  void fields(input_visitor& v) {
    TextInputs::fields(v);
    v("entity_ids", entity_ids);
    v("entity_attention_mask", entity_attention_mask);
    v("entity_token_type_ids", entity_token_type_ids);
    v("entity_position_ids", entity_position_ids);
    v("entity_start_positions", entity_start_positions);
    v("entity_end_positions", entity_end_positions);
  }
};

/// The same where the model chooses between N texts.
struct EntityChoiceInputs : MultipleChoiceInputs {
  Tensor<i64, 3> entity_ids = {}, entity_attention_mask = {}, entity_token_type_ids = {};  // (B,N,E)
  Tensor<i64, 4> entity_position_ids = {};                                                 // (B,N,E,M)

  void fields(input_visitor& v) {
    MultipleChoiceInputs::fields(v);
    v("entity_ids", entity_ids);
    v("entity_attention_mask", entity_attention_mask);
    v("entity_token_type_ids", entity_token_type_ids);
    v("entity_position_ids", entity_position_ids);
  }
  EntityInputs texts() const {
    const auto rows = [](const Tensor<i64, 3>& x) {
      return x ? x.dense().reshape<2>({x.extent(0) * x.extent(1), x.extent(2)}) : Tensor<i64, 2>();
    };
    EntityInputs in;
    static_cast<TextInputs&>(in) = MultipleChoiceInputs::texts();
    in.entity_ids = rows(entity_ids);
    in.entity_attention_mask = rows(entity_attention_mask);
    in.entity_token_type_ids = rows(entity_token_type_ids);
    if (const auto& p = entity_position_ids)
      in.entity_position_ids = p.dense().reshape<3>({p.extent(0) * p.extent(1), p.extent(2), p.extent(3)});
    return in;
  }
};

struct EntityEmbeddingsOptions : TextEmbeddingsOptions {
  isize entities = 0, entity_size = 0;  // rows and width of their table; another width than the words' is projected
  isize entity_positions = 0;           // rows of their table of positions
};

/// Those of the words, and behind them those of entities: entity, mean of the positions of its words, and type, normed.
/// Checkpoint names: those of TextEmbeddings,
/// entities.{embed_tokens,project_in,embed_positions,embed_token_types,norm}.
template <class B>
class EntityEmbeddings : public TextEmbeddings<B> {
 public:
  using options = EntityEmbeddingsOptions;
  using inputs = EntityInputs;

  template <class Config>
  static auto model_of(const Config& config) {
    return config.entity_model();
  }

  explicit EntityEmbeddings(const EntityEmbeddingsOptions& o)
      : TextEmbeddings<B>(o), entities(o), dropout_(o.dropout) {}

  /// Words (B,T) and entities (B,E) => (B,T+E,C). Throws shape_error for entities that do not fit each other.
  template <class Context>
  auto operator()(const EntityInputs& in, Context& context) const {
    const auto x = TextEmbeddings<B>::operator()(in, context);  // (B,T,C)
    const auto& ids = in.entity_ids;
    if (!ids) return x;
    const isize B_ = x.extent(0), T = x.extent(1), E = ids.extent(1);
    const auto fits = [&](const Tensor<i64, 2>& t) { return !t || t.shape() == ids.shape(); };
    const auto& p = in.entity_position_ids;
    if (ids.extent(0) != B_ || !fits(in.entity_attention_mask) || !fits(in.entity_token_type_ids) || !p ||
        p.extent(0) != B_ || p.extent(1) != E)
      throw shape_error("entity_ids", "", "a mask, types and entity_position_ids of their shape, a row for each text",
                        detail::shape_text(ids.shape()));
    context.words = T;
    if (context.key_mask || in.entity_attention_mask) hide(in.entity_attention_mask, T, E, context);
    return concat_tokens(x, apply_dropout(entities(in, x.extent(2)), dropout_, context));
  }

  void visit(visitor& v) {
    TextEmbeddings<B>::visit(v);
    v("entities", entities);
  }
  /// The table of the entities.
  const auto& entity_table() const { return entities.embed_tokens.weight; }

  struct entity_tables {
    explicit entity_tables(const EntityEmbeddingsOptions& o)
        : embed_tokens(o.entities, o.entity_size, 0),
          embed_positions(o.entity_positions, o.hidden_size),
          embed_token_types(o.token_types, o.hidden_size),
          norm(*o.norm) {
      if (o.entity_size != o.hidden_size) project_in.emplace(o.entity_size, o.hidden_size);
    }
    auto operator()(const EntityInputs& in, isize C) const {
      const auto& ids = in.entity_ids;
      auto x = embed_tokens(ids);  // (B,E,S)
      if (project_in) x = (*project_in)(x);
      x = add(x, positions(in.entity_position_ids, C));
      const auto& types = in.entity_token_type_ids;
      return norm(add(x, embed_token_types(types ? types : Tensor<i64, 2>::zeros(ids.shape()))));
    }
    /// (B,E,M) => (B,E,C), the mean of those that are there
    auto positions(const Tensor<i64, 3>& p, isize C) const {
      using A = typename B::activation;
      const isize B_ = p.extent(0), E = p.extent(1), M = p.extent(2);
      const auto from = p.dense();
      Tensor<i64, 2> rows({B_, E * M});
      auto shares = Tensor<A, 2>::zeros({B_ * E, M});
      std::vector<isize> places;
      for (isize e = 0; e < B_ * E; ++e) {
        isize count = 0;
        for (isize m = 0; m < M; ++m) count += from.data()[e * M + m] != -1;
        for (isize i = e * M; i < (e + 1) * M; ++i) {
          const bool there = from.data()[i] != -1;
          rows.data()[i] = there ? from.data()[i] : 0;
          if (there) shares.data()[i] = A(1) / A(count);
          places.push_back(i);
        }
      }
      using Rows = typename B::template tensor<2>;
      const auto found = embed_positions(rows).template reshape<2>({B_ * E * M, C});
      return combine_rows(std::vector<Rows>{found}, {places}, Rows(to_device<typename B::base>(shares)))
          .template reshape<3>({B_, E, C});
    }
    void visit(visitor& v) {
      v("embed_tokens", embed_tokens);
      v("project_in", project_in);
      v("embed_positions", embed_positions);
      v("embed_token_types", embed_token_types);
      v("norm", norm);
    }

    Embedding<B> embed_tokens, embed_positions, embed_token_types;
    std::optional<typename B::linear> project_in;
    LayerNorm<B> norm;
  } entities;

 private:
  template <class Context>
  static void hide(const Tensor<i64, 2>& mask, isize T, isize E, Context& context) {
    const auto given = mask.dense();
    const isize B_ = context.position_ids.extent(0);
    Tensor<u8, 2> keys({B_, T + E});
    for (isize b = 0; b < B_; ++b)
      for (isize t = 0; t < T + E; ++t)
        keys.data()[b * (T + E) + t] =
            t < T ? !context.key_mask || context.key_mask.data()[b * T + t] : !mask || given.data()[b * E + t - T] != 0;
    context.key_mask = to_device<typename B::base>(keys);
  }

  f64 dropout_;
};

/// Self-attention whose queries depend on whether they and the keys are words or entities. Checkpoint names: q_proj (of
/// words, to words), w2e_query, e2w_query, e2e_query, k_proj, v_proj, o_proj.
template <class B>
class EntityAwareAttention {
 public:
  using linear_t = typename B::column_linear;

  explicit EntityAwareAttention(const AttentionOptions& o)
      : q_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        k_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        v_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        core_(o),
        wide_(wide(o)) {
    if (o.entity_aware)
      for (auto* q : {&w2e_query, &e2w_query, &e2e_query}) q->emplace(o.hidden_size, o.num_heads * o.head_dim, o.bias);
  }

  /// (B,T+E,C) => (B,T+E,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X k = k_proj(x), v = v_proj(x);
    const auto as_is = [](auto&, auto&) {};
    if (!w2e_query || !context.words) return o_proj(core_(q_proj(x), k, v, context, as_is));
    // Words are keys in the first half of a head twice as wide, entities in the second; of a query each half meets the
    // keys of its kind alone.
    const isize W = context.words, S = x.extent(1), C = k.extent(2);
    const X words = x.slice(1, 0, W), others = x.slice(1, W, S);
    const auto zeros = [&](isize n) {
      using A = typename B::activation;
      return X(to_device<typename B::base>(Tensor<A, 3>::zeros({x.extent(0), n, C})));
    };
    const X q = beside(concat_tokens(X(q_proj(words)), X((*e2w_query)(others))),
                       concat_tokens(X((*w2e_query)(words)), X((*e2e_query)(others))));
    const X keys =
        beside(concat_tokens(X(k.slice(1, 0, W)), zeros(S - W)), concat_tokens(zeros(W), X(k.slice(1, W, S))));
    const X y = wide_(q, keys, beside(v, zeros(S)), context, as_is);  // (B,T+E,2HD)
    const isize H = core_.options().num_heads, D = core_.options().head_dim;
    const auto halves = y.template reshape<4>({x.extent(0), S, H, 2 * D});
    return o_proj(X(halves.slice(3, 0, D).dense().template reshape<3>({x.extent(0), S, H * D})));
  }

  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("w2e_query", w2e_query);
    v("e2w_query", e2w_query);
    v("e2e_query", e2e_query);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("o_proj", o_proj);
  }

  linear_t q_proj, k_proj, v_proj;
  std::optional<linear_t> w2e_query, e2w_query, e2e_query;
  typename B::row_linear o_proj;

 private:
  static AttentionOptions wide(AttentionOptions o) {
    o.scale = o.scale.value_or(1 / std::sqrt(f64(o.head_dim)));
    o.head_dim *= 2;
    return o;
  }
  /// Two (B,T,HD) => (B,T,2HD), head by head
  template <class X>
  X beside(const X& a, const X& b) const {
    const isize D = core_.options().head_dim, N = a.size() / D;
    const auto one = [&](const X& x) { return X(x.dense().template reshape<3>({N, 1, D})); };
    return concat_tokens(one(a), one(b)).template reshape<3>({a.extent(0), a.extent(1), 2 * a.extent(2)});
  }

  AttentionCore<B, no_positions> core_, wide_;
};

}  // namespace hft
