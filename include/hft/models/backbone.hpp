// Backbone: embeddings, blocks, and where an architecture has them a last norm and a pooler. It is the base model of
// decoders and of encoders, of text and of images; heads stand on it (models/heads/).
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/layers/alibi_bias.hpp>
#include <hft/layers/block.hpp>
#include <hft/layers/block_sparse_bias.hpp>
#include <hft/layers/pooler.hpp>
#include <hft/layers/relative_position_bias.hpp>
#include <hft/layers/token_embeddings.hpp>
#include <hft/log.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/models/output.hpp>
#include <hft/models/vocabulary.hpp>

namespace hft {

/// What a model over tokens alone has none of: nothing can be made one.
struct no_part {
  explicit operator bool() const { return false; }
  void reset() {}
};
/// A part that a model over these embeddings may have.
template <class Embeddings, class Part>
using part_beside =
    std::conditional_t<std::is_same_v<Embeddings, TokenEmbeddingsOptions>, no_part, std::optional<Part>>;

/// What a Backbone is built from; configs make it. Layer: the options of a block.
template <class Embeddings, class Layer>
struct BackboneOptions {
  const char* where = "Backbone";  // who speaks in errors
  Embeddings embeddings;
  std::vector<Layer> layers = {};
  std::optional<NormOptions> norm = {};  // after the last block
  // Channels, and to how many a last layer brings them (OPT).
  part_beside<Embeddings, std::pair<isize, isize>> project_out = {};
  part_beside<Embeddings, PoolerOptions> pooler = {};
  part_beside<Embeddings, RelativePositionOptions> position_bias = {};  // of every self-attention of a pass
  bool position_bias_of_layers = false;                                 // whether each has one of its own (UMT5)
  part_beside<Embeddings, AlibiBiasOptions> alibi = {};                 // the same, of models that round them
  part_beside<Embeddings, BlockSparseOptions> block_sparse = {};        // the same, of texts that are long enough
  std::optional<LayerGroups> groups = {};                               // of layers that stand in several places
  f64 dropout = 0;                                                      // of what it gives, in a training pass
  isize contact_inputs = 0;                                             // of ESM's contact_head; 0: there is none
  f64 layer_drop = 0;                                                   // the share of layers that training leaves out
  bool shows_embeddings = true;                                         // whether output_hidden_states begins with them
  bool shows_normed = true;                                             // and ends with what the last norm gives
  isize cache_renewed_after = 0;  // tokens, with one more of which generation begins anew (Phi-3); 0: it never does
  bool causal = true;             // else both directions are seen, and no cache is taken

  /// Of layers, each as often as it stands somewhere.
  isize places() const { return groups ? groups->size * isize(groups->order.size()) : isize(layers.size()); }
  /// The same over other embeddings.
  template <class Other>
  BackboneOptions<Other, Layer> over(const Other& others) const {
    return {where,
            others,
            layers,
            norm,
            project_out,
            pooler,
            position_bias,
            position_bias_of_layers,
            alibi,
            block_sparse,
            groups,
            dropout,
            contact_inputs,
            layer_drop,
            shows_embeddings,
            shows_normed,
            cache_renewed_after,
            causal};
  }
};

/// Checkpoint names: those of the embeddings, layers (where they are in groups layers.GROUP), norm, project_out,
/// pooler, position_bias.
template <template <class> class Embeddings, template <class> class Block, template <class> class Norm, class B>
class Backbone : public ModelParts {
 public:
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  using inputs = typename Embeddings<B>::inputs;
  using options = BackboneOptions<typename Embeddings<B>::options, typename Block<B>::options>;
  template <class Other>
  using on_build = Backbone<Embeddings, Block, Norm, Other>;
  static constexpr const char* class_suffix = "Model";
  static constexpr bool text = std::is_base_of_v<TextInputs, inputs>;
  static constexpr bool tokens_alone = std::is_same_v<typename Embeddings<B>::options, TokenEmbeddingsOptions>;
  template <class Part>
  using part = part_beside<typename Embeddings<B>::options, Part>;
  template <class Config>
  static options options_of(const Config& config) {
    return Embeddings<B>::model_of(config);
  }

  [[gnu::cold]] explicit Backbone(const options& o);

  /// inputs => last_hidden_state (B,T,C), with a pooler pooler_output (B,P). Throws value_error for ids, types or
  /// positions outside their tables, shape_error for arguments that do not fit each other.
  BaseModelOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    auto context = begin(in, args);
    return run(in, args, context);
  }

  BaseModelOutput<A, D> operator()(const typename inputs::main& x, const ForwardArgs<A, D>& args = {}) const {
    return (*this)(inputs{x}, args);
  }

  /// The context of a pass, which layers and heads share.
  ForwardContext<A, D> begin(const inputs& in, const ForwardArgs<A, D>& args) const {
    if constexpr (!D::tracked)
      if (args.past_key_values) {
        if (!causal_) throw value_error(where_, "past_key_values", "none: an encoder sees both directions");
        args.past_key_values->check_model(cache_.model, where_);
      }
    return embeddings.begin(where_, in, args);
  }
  BaseModelOutput<A, D> run(const inputs& in, const ForwardArgs<A, D>& args, ForwardContext<A, D>& context) const;

  void visit(visitor& v) override;
  void resize_token_embeddings(isize vocab_size) override {
    if constexpr (text)
      detail::resize_rows(embeddings.token_table(), vocab_size);
    else
      throw unsupported_error(where_, "resize_token_embeddings", "a model over tokens", "one over others");
  }
  /// Layers with a window keep what it shows.
  CacheOptions cache_options() const override { return cache_; }
  isize max_positions() const override { return embeddings.max_positions(); }
  std::string input_embeddings() const override { return embeddings.main_parameter(); }
  isize padding_row() const override { return embeddings.padding_row(); }
  /// A sum of without_effect: what of its inputs it has no use for. Blocks without attention know no positions.
  unsigned ignored_inputs() const requires text {
    constexpr bool attends = requires(const typename Block<B>::options& o) { o.attention; };
    return embeddings.ignored_inputs() | (attends ? 0 : without_effect::position_ids);
  }
  /// A checkpoint that was saved with add_pooling_layer=False has no pooler, nor has then the model.
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) override {
    leave_out_computed(stored);
    if constexpr (!tokens_alone) {
      if (!pooler || !pooler->projects() || stored("pooler.dense.weight") || stored("pooler.dense.bias")) return;
      pooler.reset();
      detail::log_message(log_level::warning, where_, "the checkpoint has no pooler: there is no pooler_output");
    }
  }
  /// Drops what a checkpoint may lack since it can be computed: angles of rotary positions.
  void leave_out_computed(const std::function<bool(std::string_view)>& stored);
  /// The table of the tokens, which heads are tied to.
  const auto& token_table() const requires text { return embeddings.token_table(); }
  auto& token_table() requires text { return embeddings.token_table(); }

  Embeddings<B> embeddings;
  std::vector<Block<B>> layers;
  std::optional<Norm<B>> norm;
  part<typename B::linear> project_out;
  part<Pooler<B>> pooler;
  part<std::vector<RelativePositionBias<B>>> position_bias;  // one, or one for each layer
  part<typename B::linear> contact_head;  // of ESM, over the attention weights of all heads; no pass uses it

 private:
  template <class Layer>
  static CacheOptions cache_of(const std::vector<Layer>& layers) {
    CacheOptions cache;
    CachedModel model{.num_hidden_layers = isize(layers.size())};
    if constexpr (requires(const Layer& l) { l.attention.visible; }) {
      bool states = false;
      for (const Layer& l : layers) {
        const isize left = l.attention.visible.left;
        const bool recurrent = l.attention.recurrent();
        states = states || recurrent;
        cache.layer_types.push_back(recurrent                      ? "linear_attention"
                                    : left < visibility::unlimited ? "sliding_attention"
                                                                   : "full_attention");
        if (left < visibility::unlimited) cache.sliding_window = std::max(cache.sliding_window, left + 1);
      }
      if (!cache.sliding_window && !states) cache = {};
      if (!layers.empty()) {
        const auto& a = layers[0].attention;
        model.hidden_size = a.hidden_size, model.num_attention_heads = a.num_heads;
        model.num_key_value_heads = a.num_kv_heads, model.head_dim = a.head_dim;
      }
      model.sliding_window = cache.sliding_window;
    } else {
      cache.layer_types = {"linear_attention"};  // blocks without attention are recurrent
    }
    cache.model = model;
    return cache;
  }
  // Of groups: layers.GROUP.LAYER
  void visit_layers(visitor& v) {
    if (!groups_) return v("layers", layers);
    for (std::size_t i = 0; i < layers.size(); ++i)
      v(detail::cat("layers.", i / std::size_t(groups_->size), ".", i % std::size_t(groups_->size)), layers[i]);
  }

  // As Transformers shows them: the last one behind the norm; of Mamba every layer's, and not the embeddings.
  void show_last(BaseModelOutput<A, D>& out) const {
    auto& states = out.hidden_states;
    if (!shows_normed_) return;
    if (shows_embeddings_)
      states.back() = out.last_hidden_state;
    else
      states.erase(states.begin()), states.push_back(out.last_hidden_state);
  }

  const char* where_;
  part<AlibiBiasOptions> alibi_;
  part<BlockSparseOptions> block_sparse_;
  std::optional<LayerGroups> groups_;
  isize places_;
  f64 dropout_, layer_drop_;
  bool bias_of_layers_, shows_embeddings_, shows_normed_, causal_;
  CacheOptions cache_;
};

// Not within the class, where they would be inline: a source file does not compile those that hft::compiled has.

template <template <class> class Embeddings, template <class> class Block, template <class> class Norm, class B>
Backbone<Embeddings, Block, Norm, B>::Backbone(const options& o)
    : embeddings(o.embeddings),
      layers(o.layers.begin(), o.layers.end()),
      where_(o.where),
      alibi_(o.alibi),
      block_sparse_(o.block_sparse),
      groups_(o.groups),
      places_(o.places()),
      dropout_(o.dropout),
      layer_drop_(o.layer_drop),
      bias_of_layers_(o.position_bias_of_layers),
      shows_embeddings_(o.shows_embeddings),
      shows_normed_(o.shows_normed),
      causal_(o.causal),
      cache_(cache_of(o.layers)) {
  cache_.renewed_after = o.cache_renewed_after;
  if (o.norm) norm.emplace(*o.norm);
  if constexpr (!tokens_alone) {
    if (o.project_out) project_out.emplace(o.project_out->first, o.project_out->second);
    if (o.pooler) pooler.emplace(*o.pooler);
    if (o.contact_inputs) contact_head.emplace(o.contact_inputs, 1, true);
    if (o.position_bias) position_bias.emplace();
    for (std::size_t i = 0; position_bias && i < (bias_of_layers_ ? layers.size() : 1); ++i)
      position_bias->emplace_back(*o.position_bias);  // each made anew: copies would be one parameter
  }
}

template <template <class> class Embeddings, template <class> class Block, template <class> class Norm, class B>
auto Backbone<Embeddings, Block, Norm, B>::run(const inputs& in, const ForwardArgs<A, D>& args,
                                               ForwardContext<A, D>& context) const -> BaseModelOutput<A, D> {
  BaseModelOutput<A, D> out;
  if (args.output_hidden_states) context.hidden_states = &out.hidden_states;
  if (args.output_attentions) context.attentions = &out.attentions, context.cross_attentions = &out.cross_attentions;
  const auto x = embeddings(in, context);  // (B,T,C)
  const auto bias_of = [&, T = x.extent(1)](std::size_t i) {
    if constexpr (!tokens_alone)
      if (position_bias) (*position_bias)[i].begin(context, T);
  };
  if (!bias_of_layers_) bias_of(0);
  if constexpr (text && !tokens_alone)
    if (alibi_) context.attention_bias = alibi_bias<A>(*alibi_, context.key_mask, x.extent(1), context.key_length);
  if constexpr (!tokens_alone)
    if (block_sparse_ && x.extent(1) > block_sparse_->full_until()) {
      context.attention_bias = block_sparse_bias<A, typename B::base>(*block_sparse_, x.extent(1));
      context.padding_sees_nothing = true;
    }
  if constexpr (D::tracked) context.layer_drop = layer_drop_;
  const auto before = [&](std::size_t i) {
    if (bias_of_layers_) bias_of(i);
  };
  out.last_hidden_state = run_layers(layers, x, context, before, groups_ ? &*groups_ : nullptr);
  if constexpr (!tokens_alone)
    if (context.target_mapping)  // what was asked for stands behind the tokens
      out.last_hidden_state = out.last_hidden_state.slice(1, context.key_length, x.extent(1)).dense();
  if (norm) out.last_hidden_state = (*norm)(out.last_hidden_state);
  if constexpr (!tokens_alone)
    if (project_out) out.last_hidden_state = (*project_out)(out.last_hidden_state);
  if constexpr (D::tracked) context.dropout.begin_layer(places_ + 1);  // one before it is a head's
  out.last_hidden_state = apply_dropout(out.last_hidden_state, dropout_, context);
  context.hidden_states = nullptr, context.attentions = context.cross_attentions = nullptr;
  if (args.output_hidden_states) show_last(out);
  if constexpr (!tokens_alone) {
    if (context.words) {
      const auto all = out.last_hidden_state;
      out.last_hidden_state = all.slice(1, 0, context.words).dense();
      out.entity_last_hidden_state = all.slice(1, context.words, all.extent(1)).dense();
    }
    if (pooler) out.pooler_output = (*pooler)(out.last_hidden_state);
  }
  return out;
}

template <template <class> class Embeddings, template <class> class Block, template <class> class Norm, class B>
void Backbone<Embeddings, Block, Norm, B>::visit(visitor& v) {
  embeddings.visit(v);
  visit_layers(v);
  v("norm", norm);
  if constexpr (!tokens_alone) {
    v("project_out", project_out);
    v("pooler", pooler);
    if (bias_of_layers_)
      v("position_bias", position_bias);
    else if (position_bias)
      v("position_bias", (*position_bias)[0]);
    v("contact_head.regression", contact_head);
  }
}

template <template <class> class Embeddings, template <class> class Block, template <class> class Norm, class B>
void Backbone<Embeddings, Block, Norm, B>::leave_out_computed(const std::function<bool(std::string_view)>& stored) {
  if constexpr (requires { embeddings.leave_out_absent(stored); }) embeddings.leave_out_absent(stored);
  if constexpr (requires { layers[0].self_attn.inv_freq; })
    for (std::size_t i = 0; i < layers.size(); ++i)
      if (auto& own = layers[i].self_attn.inv_freq;
          own.extent(0) && !stored(detail::cat("layers.", i, ".self_attn.rotary_embeddings.inv_freq")))
        own = {};
}

}  // namespace hft
