// TextModel: embeddings, blocks, and where an architecture has them a last norm and a pooler. It is the base model of
// decoders and of encoders; heads stand on it (models/heads/).
//
//   template <class B> using MyBlock = PreNormBlock<LayerNorm<B>, SelfAttention<B, alibi>, MLP<B, gelu>>;
//   TextModel<MyBlock, LayerNorm, build<f32>> model(config.text_model());
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <hft/layers/block.hpp>
#include <hft/layers/pooler.hpp>
#include <hft/layers/text_embeddings.hpp>
#include <hft/log.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/models/output.hpp>
#include <hft/models/vocabulary.hpp>

namespace hft {

/// What a TextModel is built from; configs make it. Layer: the options of a block.
template <class Layer = BlockOptions>
struct TextModelOptions {
  const char* where = "TextModel";  // who speaks in errors
  TextEmbeddingsOptions embeddings;
  std::vector<Layer> layers = {};
  std::optional<NormOptions> norm = {};  // after the last block
  bool pooler = false;
  bool shows_embeddings = true;  // whether output_hidden_states begins with them
  bool causal = true;            // else both directions are seen, and no cache is taken
};

/// Checkpoint names: those of TextEmbeddings, layers, norm, pooler.
template <template <class> class Block, template <class> class Norm, class B>
class TextModel : public ModelParts {
 public:
  using build_type = B;
  using A = typename B::activation;
  using D = typename B::device;
  using options = TextModelOptions<typename Block<B>::options>;
  template <class Other>
  using on_build = TextModel<Block, Norm, Other>;
  static constexpr const char* class_suffix = "Model";
  template <class Config>
  static options options_of(const Config& config) {
    return config.text_model();
  }

  explicit TextModel(const options& o)
      : embeddings(o.embeddings),
        layers(o.layers.begin(), o.layers.end()),
        where_(o.where),
        causal_(o.causal),
        shows_embeddings_(o.shows_embeddings),
        max_positions_(o.embeddings.max_positions),
        padding_row_(o.embeddings.pad_token_id.value_or(-1)) {
    if (o.norm) norm.emplace(*o.norm);
    if (o.pooler) pooler.emplace(o.embeddings.hidden_size);
  }

  /// input_ids (B,T) => last_hidden_state (B,T,C), with a pooler pooler_output (B,C). Throws value_error for ids, types
  /// or positions outside their tables, shape_error for arguments that do not fit each other.
  BaseModelOutput<A, D> operator()(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args = {}) const {
    auto context = begin(input_ids, args);
    return run(input_ids, args, context);
  }

  /// The context of a pass, which layers and heads share.
  ForwardContext<A, D> begin(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args) const {
    if constexpr (!D::tracked)
      if (args.past_key_values && !causal_)
        throw value_error(where_, "past_key_values", "none: an encoder sees both directions");
    if (args.token_type_ids && args.token_type_ids.shape() != input_ids.shape())
      throw shape_error(where_, "token_type_ids", detail::shape_text(input_ids.shape()),
                        detail::shape_text(args.token_type_ids.shape()));
    return make_context(where_, input_ids, args, max_positions_);
  }
  BaseModelOutput<A, D> run(const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args,
                            ForwardContext<A, D>& context) const {
    BaseModelOutput<A, D> out;
    if (args.output_hidden_states) context.hidden_states = &out.hidden_states;
    if (args.output_attentions) context.attentions = &out.attentions;
    out.last_hidden_state =
        run_layers(layers, embeddings(input_ids, args.token_type_ids, context), context);  // (B,T,C)
    if (norm) out.last_hidden_state = (*norm)(out.last_hidden_state);
    context.hidden_states = nullptr, context.attentions = nullptr;
    if (args.output_hidden_states) show_last(out);
    if (pooler) out.pooler_output = (*pooler)(out.last_hidden_state);
    return out;
  }

  void visit(visitor& v) override {
    embeddings.visit(v);
    v("layers", layers);
    v("norm", norm);
    v("pooler", pooler);
  }
  void resize_token_embeddings(isize vocab_size) override {
    detail::resize_rows(embeddings.embed_tokens.weight, vocab_size);
  }
  isize max_positions() const override { return max_positions_; }
  std::string input_embeddings() const override { return "embed_tokens.weight"; }
  isize padding_row() const override { return padding_row_; }
  /// A checkpoint that was saved with add_pooling_layer=False has no pooler, nor has then the model.
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) override {
    if (!pooler || stored("pooler.dense.weight") || stored("pooler.dense.bias")) return;
    pooler.reset();
    detail::log_message(log_level::warning, where_, "the checkpoint has no pooler: there is no pooler_output");
  }

  TextEmbeddings<B> embeddings;
  std::vector<Block<B>> layers;
  std::optional<Norm<B>> norm;
  std::optional<Pooler<B>> pooler;

 private:
  // As Transformers shows them: the last one behind the norm; of Mamba every layer's, and not the embeddings.
  void show_last(BaseModelOutput<A, D>& out) const {
    auto& states = out.hidden_states;
    if (shows_embeddings_)
      states.back() = out.last_hidden_state;
    else
      states.erase(states.begin()), states.push_back(out.last_hidden_state);
  }

  const char* where_;
  bool causal_, shows_embeddings_;
  isize max_positions_, padding_row_;
};

}  // namespace hft
