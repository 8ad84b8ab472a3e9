// Modules of SparseEncoder's folders, whose vectors have a number for each token of a vocabulary, or for each of many
// latent features, most of them 0. sentence_transformers/sparse_encoder/modules
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <hft/ops/linear.hpp>
#include <hft/pipelines/sentence_features.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// Of each vector (N,C) the `count` largest values, the others 0; of equal ones the first.
Tensor<f32, 2> largest_features(const Tensor<f32, 2>& x, isize count);

namespace detail {

/// Of logits (B,T,V) the sum or the largest over the tokens, after relu and a logarithm, or two.
/// Formal et al. 2021, arXiv 2107.05720 and 2109.10086.
struct splade_pooling {
  bool sum = false;
  bool twice = false;

  static splade_pooling load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string& where) const {
    check_token_size(sizes, where, "", 0);
    sizes.sentence = sizes.tokens;
  }
};

/// The weight of each token that is in the text, whatever stands beside it.
struct sparse_static_embedding {
  PreTrainedTokenizerFast tokenizer;
  Tensor<f32, 1> weight;  // (V)

  static sparse_static_embedding load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string&) const { sizes = {.sentence = weight.extent(0)}; }
};

/// A vector's largest k features in a wider space. Wen et al. 2025, arXiv 2503.01776.
struct sparse_auto_encoder {
  isize in, hidden, k;
  bool normalize;
  const char* encoder_name = "encoder.weight";  // or, as the decoder is tied to it, what files call that
  Tensor<f32, 2> encoder{};                     // (hidden, in)
  Tensor<f32, 1> pre_bias{};                    // (in)
  Tensor<f32, 1> latent_bias{};                 // (hidden)

  static sparse_auto_encoder load(const std::filesystem::path& folder);
  void operator()(SentenceFeatures& features) const;
  void sizes(SentenceSizes& sizes, const std::string& where) const {
    module_feature().size(sizes, where, "input_dim", in) = hidden;
  }
  void visit(visitor& v) {
    v(encoder_name, encoder);
    v("pre_bias", pre_bias);
    v("latent_bias", latent_bias);
  }
};

}  // namespace detail

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<f32, 2> largest_features(const Tensor<f32, 2>& x, isize count) {
  const isize N = x.extent(0), C = x.extent(1);
  if (count < 1) throw value_error("SparseEncoder", "max_active_dims", "1 or more", detail::joined(count));
  if (count >= C) return x;
  const auto values = x.dense();
  auto y = Tensor<f32, 2>::zeros({N, C});
  std::vector<isize> order(std::size_t(C), isize(0));
  for (isize n = 0; n < N; ++n) {
    const f32* row = values.data() + n * C;
    std::iota(order.begin(), order.end(), isize(0));
    std::partial_sort(order.begin(), order.begin() + count, order.end(),
                      [&](isize a, isize b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    for (isize i = 0; i < count; ++i) y.data()[n * C + order[std::size_t(i)]] = row[order[std::size_t(i)]];
  }
  return y;
}

namespace detail {

HFT_INLINE splade_pooling splade_pooling::load(const std::filesystem::path& folder) {
  const auto where = (folder / "config.json").string();
  const json config = read_json(where);
  const auto strategy = get<std::string>(config, "pooling_strategy", "max", where);
  const auto activation = get<std::string>(config, "activation_function", "relu", where);
  if (strategy != "max" && strategy != "sum")
    throw unsupported_error(where, "pooling_strategy", "max or sum", quote_text(strategy));
  if (activation != "relu" && activation != "log1p_relu")
    throw unsupported_error(where, "activation_function", "relu or log1p_relu", quote_text(activation));
  return {strategy == "sum", activation == "log1p_relu"};
}

HFT_INLINE void splade_pooling::operator()(SentenceFeatures& features) const {
  const auto x = features.token_embeddings.dense();
  const auto mask = features.attention_mask.dense();
  const isize B = x.extent(0), T = x.extent(1), V = x.extent(2);
  features.sentence_embedding = Tensor<f32, 2>::zeros({B, V});
  for (isize i = 0; i < B * T; ++i) {
    if (!mask.data()[i]) continue;  // a value of 0, which neither changes the sum nor the largest
    f32* out = features.sentence_embedding.data() + i / T * V;
    for (isize v = 0; v < V; ++v) {
      f32 value = std::log1p(std::max(x.data()[i * V + v], 0.0f));
      if (twice) value = std::log1p(value);
      out[v] = sum ? out[v] + value : std::max(out[v], value);
    }
  }
}

HFT_INLINE sparse_static_embedding sparse_static_embedding::load(const std::filesystem::path& folder) {
  return {AutoTokenizer::from_pretrained(folder.string()),
          read_module_tensor<1>(safetensors_file::open(folder / "model.safetensors"), "weight")};
}

HFT_INLINE void sparse_static_embedding::operator()(SentenceFeatures& features) const {
  TokenizerCallOptions options;
  options.truncation = true;
  options.add_special_tokens = false;
  const isize B = isize(features.texts.size()), V = weight.extent(0);
  features.sentence_embedding = Tensor<f32, 2>::zeros({B, V});
  for (isize b = 0; b < B; ++b) {
    const auto batch = tokenizer(features.prompt + features.texts[std::size_t(b)], options);
    for (const i64 id : batch.input_ids[0]) {
      if (id < 0 || id >= V)
        throw value_error("SparseStaticEmbedding", "id", joined("0 <= id < ", V, " (weights)"), joined(id));
      features.sentence_embedding.data()[b * V + id] = weight.data()[id];
    }
  }
}

HFT_INLINE sparse_auto_encoder sparse_auto_encoder::load(const std::filesystem::path& folder) {
  const auto where = (folder / "config.json").string();
  const json config = read_json(where);
  sparse_auto_encoder module{.in = module_extent(config, "input_dim", where),
                             .hidden = get<isize>(config, "hidden_dim", 512, where),
                             .k = get<isize>(config, "k", 8, where),
                             .normalize = get<bool>(config, "normalize", false, where)};
  if (module.hidden < 1 || f64(module.hidden) > field_visitor::largest_extent)
    throw config_error(where, "hidden_dim", joined("1 to ", isize(field_visitor::largest_extent)),
                       joined(module.hidden));
  if (module.k < 1 || module.k > module.hidden)
    throw config_error(where, "k", joined("1 to hidden_dim, which is ", module.hidden), joined(module.k));
  module.encoder = Tensor<f32, 2>::unallocated({module.hidden, module.in});
  module.pre_bias = Tensor<f32, 1>::unallocated({module.in});
  module.latent_bias = Tensor<f32, 1>::unallocated({module.hidden});
  constexpr const char* tied = "decoder.linear.weight";
  if (safetensors_file::open(folder / "model.safetensors").find(tied)) module.encoder_name = tied;
  load_module_weights(module, folder);
  return module;
}

HFT_INLINE void sparse_auto_encoder::operator()(SentenceFeatures& features) const {
  auto x = features.sentence_embedding.clone();
  for (isize b = 0; b < x.extent(0); ++b) {
    f32* row = x.data() + b * in;
    if (normalize) {  // with the deviation of a sample, as torch.std has it
      f64 mean = 0, square = 0;
      for (isize c = 0; c < in; ++c) mean += f64(row[c]) / f64(in);
      for (isize c = 0; c < in; ++c) square += (f64(row[c]) - mean) * (f64(row[c]) - mean);
      const f64 deviation = std::sqrt(square / f64(in - 1));
      for (isize c = 0; c < in; ++c) row[c] = f32((f64(row[c]) - mean) / (deviation + 1e-5));
    }
    for (isize c = 0; c < in; ++c) row[c] -= pre_bias.data()[c];
  }
  auto y = largest_features(linear(x, encoder, latent_bias), features.max_active_dims.value_or(k));
  for (isize i = 0; i < y.size(); ++i) y.data()[i] = std::max(y.data()[i], 0.0f);
  features.sentence_embedding = y;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
