// Modules of a sentence-transformers folder that make other vectors of the tokens' vectors: WordWeights,
// WeightedLayerPooling, CNN and LSTM. sentence_transformers/sentence_transformer/modules
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <hft/ops/linear.hpp>
#include <hft/pipelines/sentence_features.hpp>
#include <hft/pipelines/sentence_words.hpp>

namespace hft {
namespace detail {

/// Each token's vector times its word's weight, and the weights' sums, which a mean divides by.
struct sentence_word_weights {
  Tensor<f32, 1> weights{};  // (V)

  static sentence_word_weights load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string& where) const { check_token_size(sizes, where, "", 0); }
};

/// The weight of each word of a vocabulary: its own in `word_weights`, or that of its lower case, or
/// unknown_word_weight. (V)
Tensor<f32, 1> word_weights_of(const json& config, const std::vector<std::string>& vocabulary,
                               const std::string& where);

/// The weighted mean of what the model's layers made, from layer_start on. A model that does not show them is left as
/// it is.
struct sentence_weighted_layers {
  isize layer_start = 4;
  Tensor<f32, 1> layer_weights{};  // (layers - layer_start)

  static sentence_weighted_layers load(const std::filesystem::path& folder);
  /// Throws config_error where the model has another number of layers.
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string& where) const { check_token_size(sizes, where, "", 0); }
  void visit(visitor& v) { v("layer_weights", layer_weights); }
};

/// Convolutions over the tokens of several widths, their channels end to end.
struct sentence_cnn {
  struct convolution {
    isize width, stride;
    Tensor<f32, 3> weight{};  // (out, in, width)
    Tensor<f32, 1> bias{};    // (out)

    void visit(visitor& v) {
      v("weight", weight);
      v("bias", bias);
    }
  };
  isize in, channels;
  std::vector<convolution> convs{};

  static sentence_cnn load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string& where) const {
    check_token_size(sizes, where, "in_embedding_dimension", in);
    sizes.tokens = channels * isize(convs.size());
  }
  void visit(visitor& v) { v("convs", convs); }
};

/// An LSTM over the tokens (Hochreiter and Schmidhuber 1997), one way or both. torch.nn.LSTM
struct sentence_lstm {
  struct direction {
    Tensor<f32, 2> weight_ih{}, weight_hh{};  // (4 hidden, in), (4 hidden, hidden); gates in, forget, cell, out
    Tensor<f32, 1> bias_ih{}, bias_hh{};      // (4 hidden)
  };
  isize in, hidden, layers;
  bool bidirectional;
  std::vector<direction> directions{};  // forward and backward of each layer

  static sentence_lstm load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string& where) const {
    check_token_size(sizes, where, "embedding_dimension", in);
    sizes.tokens = hidden * (bidirectional ? 2 : 1);
  }
  void visit(visitor& v);

 private:
  // x (B,T,in), of which each row's first lengths[b] count => to (B,T,.), its features from `offset` on
  void run(const direction& d, bool backward, const Tensor<f32, 3>& x, const std::vector<isize>& lengths,
           const Tensor<f32, 3>& to, isize offset) const;
};

}  // namespace detail

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE Tensor<f32, 1> word_weights_of(const json& config, const std::vector<std::string>& vocabulary,
                                          const std::string& where) {
  Tensor<f32, 1> weights({isize(vocabulary.size())});
  const f64 unknown = get<f64>(config, "unknown_word_weight", 1, where);
  const json* known = find_member(config, "word_weights", where);
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const json* own = known ? find_member(*known, vocabulary[i], where) : nullptr;
    if (known && !own) own = find_member(*known, lower_case(vocabulary[i]), where);
    weights.data()[i] = f32(own ? json_as<f64>(*own, where, "word_weights." + vocabulary[i]) : unknown);
  }
  return weights;
}

HFT_INLINE sentence_word_weights sentence_word_weights::load(const std::filesystem::path& folder) {
  const auto where = (folder / "config.json").string();
  const json config = read_json(where);
  return {word_weights_of(config, require<std::vector<std::string>>(config, "vocab", where), where)};
}

HFT_INLINE void sentence_word_weights::operator()(SentenceFeatures& features) const {
  const auto x = features.token_embeddings.clone();
  const auto ids = features.input_ids.dense(), mask = features.attention_mask.dense();
  const isize B = x.extent(0), T = x.extent(1), C = x.extent(2), V = weights.extent(0);
  if (!ids || ids.extent(1) != T)
    throw unsupported_error("WordWeights", "", "the tokens that its vocabulary counts", "others");
  features.token_weights_sum = Tensor<f32, 1>::zeros({B});
  for (isize i = 0; i < B * T; ++i) {
    const i64 id = ids.data()[i];
    if (id < 0 || id >= V)
      throw value_error("WordWeights", "id", joined("0 <= id < ", V, " (words of its vocabulary)"), joined(id));
    const f32 weight = mask.data()[i] ? weights.data()[id] : 0;
    for (isize c = 0; c < C; ++c) x.data()[i * C + c] *= weight;
    features.token_weights_sum.data()[i / T] += weight;
  }
  features.token_embeddings = x;
}

HFT_INLINE sentence_weighted_layers sentence_weighted_layers::load(const std::filesystem::path& folder) {
  const auto where = (folder / "config.json").string();
  const json config = read_json(where);
  const isize layers = get<isize>(config, "num_hidden_layers", 12, where);
  sentence_weighted_layers module{get<isize>(config, "layer_start", 4, where)};
  if (module.layer_start < 0 || layers < module.layer_start || layers > 1 << 16)
    throw config_error(where, "layer_start", joined("0 to num_hidden_layers, which is ", layers),
                       joined(module.layer_start));
  module.layer_weights = Tensor<f32, 1>::unallocated({layers + 1 - module.layer_start});
  load_module_weights(module, folder);
  return module;
}

HFT_INLINE void sentence_weighted_layers::operator()(SentenceFeatures& features) const {
  const auto& layers = features.all_layer_embeddings;
  if (layers.empty()) return;
  const isize n = layer_weights.extent(0);
  if (isize(layers.size()) != layer_start + n)
    throw config_error("WeightedLayerPooling", "num_hidden_layers",
                       joined(isize(layers.size()) - 1, ", as the model has"), joined(layer_start + n - 1));
  f32 sum = 0;
  for (isize l = 0; l < n; ++l) sum += layer_weights.data()[l];
  auto y = Tensor<f32, 3>::zeros(layers[0].shape());
  for (isize l = 0; l < n; ++l) {
    const auto x = layers[std::size_t(layer_start + l)].dense();
    for (isize i = 0; i < y.size(); ++i) y.data()[i] += layer_weights.data()[l] * x.data()[i];
  }
  for (isize i = 0; i < y.size(); ++i) y.data()[i] /= sum;
  features.token_embeddings = y;
}

// A size under its name, or the one that folders before version 5.4 have.
inline isize renamed_extent(const json& config, const char* name, const char* older, const std::string& where) {
  return module_extent(config, find_member(config, name, where) ? name : older, where);
}

HFT_INLINE sentence_cnn sentence_cnn::load(const std::filesystem::path& folder) {
  const auto where = (folder / "cnn_config.json").string();
  const json config = read_json(where);
  sentence_cnn cnn{
      .in = renamed_extent(config, "in_embedding_dimension", "in_word_embedding_dimension", where),
      .channels = find_member(config, "out_channels", where) ? module_extent(config, "out_channels", where) : 256};
  const auto widths = get<std::vector<isize>>(config, "kernel_sizes", {1, 3, 5}, where);
  const auto strides = get<std::vector<isize>>(config, "stride_sizes", std::vector<isize>(widths.size(), 1), where);
  if (widths.empty() || strides.size() != widths.size())
    throw config_error(where, "stride_sizes", joined("as many as kernel_sizes, ", widths.size()),
                       joined(strides.size()));
  for (std::size_t i = 0; i < widths.size(); ++i) {
    // Others would give another number of tokens than their neighbours.
    if (widths[i] < 1 || widths[i] % 2 == 0 || widths[i] > 1 << 12)
      throw config_error(where, "kernel_sizes", "odd numbers", joined(widths[i]));
    if (strides[i] < 1 || strides[i] != strides[0])
      throw config_error(where, "stride_sizes", "one number from 1 on for all", joined(strides[i]));
    cnn.convs.push_back({widths[i], strides[i], Tensor<f32, 3>::unallocated({cnn.channels, cnn.in, widths[i]}),
                         Tensor<f32, 1>::unallocated({cnn.channels})});
  }
  load_module_weights(cnn, folder);
  return cnn;
}

HFT_INLINE void sentence_cnn::operator()(SentenceFeatures& features) const {
  const auto x = features.token_embeddings.dense();
  const isize B = x.extent(0), T = x.extent(1), S = (T - 1) / convs[0].stride + 1;
  const isize all = channels * isize(convs.size());
  const auto y = Tensor<f32, 3>::zeros({B, S, all});
  for (std::size_t n = 0; n < convs.size(); ++n) {
    const auto& conv = convs[n];
    for (isize b = 0; b < B; ++b)
      for (isize s = 0; s < S; ++s)
        for (isize o = 0; o < channels; ++o) {
          f64 sum = conv.bias.data()[o];
          for (isize k = 0; k < conv.width; ++k) {
            const isize t = s * conv.stride + k - (conv.width - 1) / 2;
            if (t < 0 || t >= T) continue;
            const f32* token = x.data() + (b * T + t) * in;
            const f32* weight = conv.weight.data() + o * in * conv.width + k;
            for (isize c = 0; c < in; ++c) sum += f64(token[c]) * f64(weight[c * conv.width]);
          }
          y.data()[(b * S + s) * all + isize(n) * channels + o] = f32(sum);
        }
  }
  features.token_embeddings = y;
}

HFT_INLINE sentence_lstm sentence_lstm::load(const std::filesystem::path& folder) {
  const auto where = (folder / "lstm_config.json").string();
  const json config = read_json(where);
  sentence_lstm lstm{.in = renamed_extent(config, "embedding_dimension", "word_embedding_dimension", where),
                     .hidden = module_extent(config, "hidden_dim", where),
                     .layers = get<isize>(config, "num_layers", 1, where),
                     .bidirectional = get<bool>(config, "bidirectional", true, where)};
  if (lstm.layers < 1 || lstm.layers > 1 << 10)
    throw config_error(where, "num_layers", "1 to 1024", joined(lstm.layers));
  const isize ways = lstm.bidirectional ? 2 : 1, gates = 4 * lstm.hidden;
  for (isize i = 0; i < lstm.layers * ways; ++i)
    lstm.directions.push_back({Tensor<f32, 2>::unallocated({gates, i < ways ? lstm.in : lstm.hidden * ways}),
                               Tensor<f32, 2>::unallocated({gates, lstm.hidden}), Tensor<f32, 1>::unallocated({gates}),
                               Tensor<f32, 1>::unallocated({gates})});
  load_module_weights(lstm, folder);
  return lstm;
}

HFT_INLINE void sentence_lstm::visit(visitor& v) {
  const std::size_t ways = bidirectional ? 2 : 1;
  for (std::size_t i = 0; i < directions.size(); ++i) {
    auto& d = directions[i];
    const auto name = [&](const char* kind) {
      return cat("encoder.", kind, "_l", i / ways, i % ways ? "_reverse" : "");
    };
    v(name("weight_ih"), d.weight_ih);
    v(name("weight_hh"), d.weight_hh);
    v(name("bias_ih"), d.bias_ih);
    v(name("bias_hh"), d.bias_hh);
  }
}

HFT_INLINE void sentence_lstm::run(const direction& d, bool backward, const Tensor<f32, 3>& x,
                                   const std::vector<isize>& lengths, const Tensor<f32, 3>& to, isize offset) const {
  const isize T = x.extent(1), H = hidden;
  const auto from_input = linear(x, d.weight_ih, d.bias_ih);  // (B,T,4H)
  const auto sigmoid = [](f32 v) { return 1 / (1 + std::exp(-v)); };
  for (isize b = 0; b < x.extent(0); ++b) {
    const auto h = Tensor<f32, 2>::zeros({1, H});
    std::vector<f32> cell(std::size_t(H), 0.0f);
    for (isize step = 0, n = lengths[std::size_t(b)]; step < n; ++step) {
      const isize t = backward ? n - 1 - step : step;
      const auto from_state = linear(h, d.weight_hh, d.bias_hh);
      const auto gate = [&](isize g, isize i) {
        return from_input.data()[((b * T + t) * 4 + g) * H + i] + from_state.data()[g * H + i];
      };
      for (isize i = 0; i < H; ++i) {
        f32& c = cell[std::size_t(i)];
        c = sigmoid(gate(1, i)) * c + sigmoid(gate(0, i)) * std::tanh(gate(2, i));
        h.data()[i] = sigmoid(gate(3, i)) * std::tanh(c);
      }
      std::copy_n(h.data(), H, to.data() + (b * T + t) * to.extent(2) + offset);
    }
  }
}

HFT_INLINE void sentence_lstm::operator()(SentenceFeatures& features) const {
  auto x = features.token_embeddings.dense();
  const auto mask = features.attention_mask.dense();
  const isize B = x.extent(0), T = x.extent(1), ways = bidirectional ? 2 : 1;
  std::vector<isize> lengths;
  for (isize b = 0; b < B; ++b)
    lengths.push_back(std::max<isize>(1, std::count(mask.data() + b * T, mask.data() + (b + 1) * T, i64(1))));
  for (isize layer = 0; layer < layers; ++layer) {
    const auto y = Tensor<f32, 3>::zeros({B, T, ways * hidden});
    for (isize way = 0; way < ways; ++way)
      run(directions[std::size_t(layer * ways + way)], way == 1, x, lengths, y, way * hidden);
    x = y;
  }
  features.token_embeddings = x;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
