// Heads over words and entities: masked ones of both, and classes of an entity, of two, and of each span of words.
#pragma once
#include <utility>
#include <vector>

#include <hft/layers/entities.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/masked_lm.hpp>

namespace hft {

/// Checkpoint names: those of ForMaskedLM, entity_head.dense, entity_head.norm, entity_head.bias; the table of entities
/// decodes them. (transformers.LukeForMaskedLM)
template <class Base>
class EntityForMaskedLM : public detail::masked_lm_head<Base> {
  using masked_lm = detail::masked_lm_head<Base>;

 public:
  using typename masked_lm::build_type, typename masked_lm::A, typename masked_lm::D, typename masked_lm::inputs;
  template <class Other>
  using on_build = EntityForMaskedLM<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForMaskedLM";

  struct options {
    typename Base::options base;
    MaskedLMHeadOptions head, entities;
  };
  template <class Config>
  static options options_of(const Config& config) {
    return {Base::options_of(config), config.masked_lm_head(), config.entity_head()};
  }

  explicit EntityForMaskedLM(const options& o) : masked_lm(o.base, o.head), entity_head(o.entities) {}

  /// input_ids (B,T), entity_ids (B,E) => logits (B,T,V), entity_logits (B,E,entities)
  EntityMaskedLMOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto both = args;
    if constexpr (D::tracked) both.return_logits = true;
    const auto base = this->model(in, args);
    const auto words =
        language_model_output<MaskedLMOutput<A, D>>(this->transformed(base.last_hidden_state), this->decoder, both);
    EntityMaskedLMOutput<A, D> out{words.logits};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = words.loss;
    if (!base.entity_last_hidden_state) return out;
    out.entity_logits = entity_head(base.entity_last_hidden_state);
    if constexpr (D::tracked) {
      if (args.entity_labels) {
        auto of_entities = args;
        of_entities.labels = args.entity_labels;
        const auto loss = token_classification_loss(out.entity_logits, of_entities);
        out.loss = out.loss ? add(out.loss, loss) : loss;
      }
    }
    return out;
  }

  void visit(visitor& v) override {
    masked_lm::visit(v);
    v("entity_head", entity_head);
  }
  void tie_weights() override {
    masked_lm::tie_weights();
    entity_head.decoder.weight = this->model.embeddings.entity_table();
    entity_head.decoder.bias = entity_head.bias;
  }

  struct entity_predictions {
    explicit entity_predictions(const MaskedLMHeadOptions& o)
        : dense(o.hidden_size, o.decoded_size, true),
          norm(o.norm),
          bias(decltype(bias)::unallocated({o.vocab_size})),
          decoder(o.decoded_size, o.vocab_size, true),
          activation(o.activation) {}
    template <class X>
    auto operator()(const X& x) const {
      return decoder(norm(activate(dense(x), activation)));
    }
    void visit(visitor& v) {
      v("dense", dense);
      v("norm", norm);
      v("bias", bias);
    }

    typename build_type::linear dense;
    LayerNorm<build_type> norm;
    typename build_type::template parameter<A, 1> bias;
    typename build_type::embeddings::linear decoder;  // the table of entities, and the bias
    Activation activation;
  } entity_head;
};

/// What entities are classified by. Names: how Transformers' class goes on.
struct one_entity {
  static constexpr const char* class_suffix = "ForEntityClassification";
  static constexpr bool bias = true;
  static constexpr isize parts = 1;
};
struct entity_pair {
  static constexpr const char* class_suffix = "ForEntityPairClassification";
  static constexpr bool bias = false;
  static constexpr isize parts = 2;
};

/// Classifies the first entity, or the first two. Checkpoint names: model, classifier.
/// (transformers.LukeForEntityClassification, LukeForEntityPairClassification)
template <class Base, class Kind>
class ForEntityClassification : public detail::classifying<Base> {
  using base = detail::classifying<Base>;

 public:
  using typename base::A, typename base::D, typename base::inputs, typename base::options;
  template <class Other>
  using on_build = ForEntityClassification<typename Base::template on_build<Other>, Kind>;
  static constexpr const char* class_suffix = Kind::class_suffix;
  template <class Config>
  static options options_of(const Config& config) {
    options o = base::options_with(config, true);
    o.head.hidden_size *= Kind::parts;
    return o;
  }

  explicit ForEntityClassification(const options& o) : base(o, Kind::bias) {}

  /// inputs => logits (B,labels). Throws value_error for fewer entities.
  SequenceClassifierOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    const auto& states = base.entity_last_hidden_state;
    if (!states || states.extent(1) < Kind::parts)
      throw value_error(this->where_, "entity_ids", detail::joined("at least ", Kind::parts, " a text"), "fewer");
    const isize B_ = states.extent(0), C = states.extent(2);
    const auto x = states.slice(1, 0, Kind::parts).dense().template reshape<2>({B_, Kind::parts * C});
    SequenceClassifierOutput<A, D> out{this->classifier(this->drop(x, context))};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = sequence_classification_loss(out.logits, this->head_, args);
    return out;
  }
};

/// Classifies each entity by its own state and those of the words that it begins and ends with. Checkpoint names:
/// model, classifier. (transformers.LukeForEntitySpanClassification)
template <class Base>
class ForEntitySpanClassification : public detail::classifying<Base> {
  using base = detail::classifying<Base>;

 public:
  using typename base::A, typename base::D, typename base::inputs, typename base::options;
  template <class Other>
  using on_build = ForEntitySpanClassification<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForEntitySpanClassification";
  template <class Config>
  static options options_of(const Config& config) {
    options o = base::options_with(config, true);
    o.head.hidden_size *= 3;
    return o;
  }

  explicit ForEntitySpanClassification(const options& o) : base(o, true) {}

  /// inputs => logits (B,E,labels). Throws value_error without entities, or for spans outside the text.
  TokenClassifierOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = this->model.begin(in, args);
    const auto base = this->model.run(in, args, context);
    const auto &words = base.last_hidden_state, &states = base.entity_last_hidden_state;
    if (!states || in.entity_start_positions.shape() != in.entity_ids.shape() ||
        in.entity_end_positions.shape() != in.entity_ids.shape())
      throw value_error(this->where_, "entity_ids", "entities, and the words that they start and end with", "fewer");
    const isize B_ = states.extent(0), E = states.extent(1), T = words.extent(1), C = states.extent(2);
    const auto rows = words.template reshape<2>({B_ * T, C});
    const auto at = [&](const Tensor<i64, 2>& positions) {
      const auto from = positions.dense();
      std::vector<isize> which;
      for (isize i = 0; i < B_ * E; ++i) {
        const i64 p = from.data()[i];
        if (p < 0 || p >= T)
          throw value_error(this->where_, "entity position", detail::joined("0 <= position < ", T), detail::joined(p));
        which.push_back(i / E * T + p);
      }
      return take_rows(rows, which).template reshape<3>({B_ * E, 1, C});
    };
    const auto own = states.template reshape<3>({B_ * E, 1, C});
    const auto x = concat_tokens(concat_tokens(at(in.entity_start_positions), at(in.entity_end_positions)), own)
                       .template reshape<3>({B_, E, 3 * C});
    TokenClassifierOutput<A, D> out{this->classifier(this->drop(x, context))};
    show_states(base, out);
    if constexpr (D::tracked) out.loss = token_classification_loss(out.logits, args);
    return out;
  }
};

}  // namespace hft
