// SentenceTransformer: texts to vectors, by an encoder and the pooling that its own folder names.
// Reimers & Gurevych 2019, arXiv 1908.10084; the folder layout is that of the sentence-transformers package.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/models/bert.hpp>
#include <hft/tokenizers/pretrained.hpp>

namespace hft {

/// How token vectors become one; 1_Pooling/config.json. Several modes are joined end to end, in this order.
struct PoolingConfig {
  bool pooling_mode_cls_token = false;
  bool pooling_mode_max_tokens = false;
  bool pooling_mode_mean_tokens = true;
  bool pooling_mode_mean_sqrt_len_tokens = false;

  /// Throws format_error for values of a wrong type, unsupported_error for a mode that is not one of these.
  static PoolingConfig from_json(const json& object, std::string_view where) {
    for (const char* other : {"pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"})
      if (get<bool>(object, other, false, where))
        throw unsupported_error(std::string(where), other, "cls, max, mean or mean_sqrt_len", "true");
    return {.pooling_mode_cls_token = get<bool>(object, "pooling_mode_cls_token", false, where),
            .pooling_mode_max_tokens = get<bool>(object, "pooling_mode_max_tokens", false, where),
            .pooling_mode_mean_tokens = get<bool>(object, "pooling_mode_mean_tokens", true, where),
            .pooling_mode_mean_sqrt_len_tokens = get<bool>(object, "pooling_mode_mean_sqrt_len_tokens", false, where)};
  }

  int modes() const {
    return pooling_mode_cls_token + pooling_mode_max_tokens + pooling_mode_mean_tokens +
           pooling_mode_mean_sqrt_len_tokens;
  }
};

/// Token vectors (B,T,C) and their mask (B,T) => (B, modes * C).
inline Tensor<f32, 2> pool(const Tensor<f32, 3>& tokens, const Tensor<i64, 2>& mask, const PoolingConfig& config) {
  const isize B = tokens.extent(0), T = tokens.extent(1), C = tokens.extent(2);
  const auto x = tokens.dense();
  const auto m = mask.dense();
  auto y = Tensor<f32, 2>::zeros({B, config.modes() * C});
  for (isize b = 0; b < B; ++b) {
    f32* out = y.data() + b * y.extent(1);
    std::vector<f64> sum(std::size_t(C), 0.0);
    std::vector<f32> largest(std::size_t(C), -INFINITY);
    isize seen = 0, first = -1;
    for (isize t = 0; t < T; ++t) {
      if (!m.data()[b * T + t]) continue;
      if (first < 0) first = t;
      ++seen;
      const f32* row = x.data() + (b * T + t) * C;
      for (isize c = 0; c < C; ++c) {
        sum[std::size_t(c)] += row[c];
        largest[std::size_t(c)] = std::max(largest[std::size_t(c)], row[c]);
      }
    }
    if (config.pooling_mode_cls_token) out = std::copy_n(x.data() + (b * T + std::max<isize>(first, 0)) * C, C, out);
    if (config.pooling_mode_max_tokens) out = std::copy(largest.begin(), largest.end(), out);
    const auto mean = [&](f64 divisor) {
      for (isize c = 0; c < C; ++c) *out++ = f32(sum[std::size_t(c)] / std::max(divisor, 1e-9));
    };
    if (config.pooling_mode_mean_tokens) mean(f64(seen));
    if (config.pooling_mode_mean_sqrt_len_tokens) mean(std::sqrt(f64(seen)));
  }
  return y;
}

/// Scales each row to length 1 (torch.nn.functional.normalize).
inline void normalize_rows(const Tensor<f32, 2>& x) {
  for (isize r = 0; r < x.extent(0); ++r) {
    f32* row = x.data() + r * x.stride(0);
    f64 square = 0;
    for (isize c = 0; c < x.extent(1); ++c) square += f64(row[c]) * row[c];
    const f32 scale = f32(1 / std::max(std::sqrt(square), 1e-12));
    for (isize c = 0; c < x.extent(1); ++c) row[c] *= scale;
  }
}

/// Model is an encoder whose output has last_hidden_state, BertModel for most.
template <class Model = BertModel<f32>>
class SentenceTransformer {
 public:
  /// A folder with modules.json: a Transformer, a Pooling, and perhaps a Normalize. Throws what loading the parts
  /// throws, and unsupported_error for another kind of module.
  static SentenceTransformer from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    const auto folder = resolve_model(id_or_path, options.revision);
    PoolingConfig pooling;
    bool normalize = false;
    isize longest = 0;
    const auto file = folder / "modules.json";
    const json modules = read_json(file);
    for (const json& module : json_as<std::vector<json>>(modules, file.string(), "")) {
      const auto type = require<std::string>(module, "type", file.string());
      const auto kind = type.substr(type.rfind('.') + 1);
      const auto path = require<std::string>(module, "path", file.string());
      if (path.find("..") != path.npos || path.starts_with('/'))
        throw file_error(file.string(), "path", "a folder inside this one", detail::quote_text(path));
      if (kind == "Transformer") {
        const auto settings = folder / "sentence_bert_config.json";
        if (detail::is_there(settings))
          longest = get<isize>(read_json(settings), "max_seq_length", 0, settings.string());
      } else if (kind == "Pooling") {
        const auto settings = folder / path / "config.json";
        pooling = PoolingConfig::from_json(read_json(settings), settings.string());
      } else if (kind == "Normalize") {
        normalize = true;
      } else {
        throw unsupported_error(file.string(), "module", "Transformer, Pooling or Normalize", detail::quote_text(type));
      }
    }
    return {Model::from_pretrained(folder.string(), options), AutoTokenizer::from_pretrained(folder.string()), pooling,
            normalize, longest};
  }

  /// Vectors (N, C) of N texts, computed in batches of `batch_size` texts of like length.
  Tensor<f32, 2> encode(const std::vector<std::string>& texts, isize batch_size = 32) const {
    std::vector<std::size_t> order(texts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return texts[a].size() < texts[b].size(); });
    Tensor<f32, 2> result;
    for (std::size_t begin = 0; begin < order.size(); begin += std::size_t(batch_size)) {
      std::vector<std::string> batch;
      const std::size_t end = std::min(order.size(), begin + std::size_t(batch_size));
      for (std::size_t i = begin; i < end; ++i) batch.push_back(texts[order[i]]);
      const auto y = encode_batch(batch);
      if (!result) result = Tensor<f32, 2>({isize(texts.size()), y.extent(1)});
      for (std::size_t i = begin; i < end; ++i)
        std::copy_n(y.data() + isize(i - begin) * y.extent(1), y.extent(1),
                    result.data() + isize(order[i]) * y.extent(1));
    }
    return result;
  }

  /// The vectors of tokenised texts: ids, mask and types (B,T) => (B, C).
  Tensor<f32, 2> encode_ids(const Tensor<i64, 2>& input_ids, const ForwardArgs<>& args) const {
    auto mask = args.attention_mask;
    if (!mask) mask = Tensor<i64, 2>::filled(input_ids.shape(), 1);
    const auto y = pool(model_(input_ids, args).last_hidden_state, mask, pooling_);
    if (normalize_) normalize_rows(y);
    return y;
  }

  const Model& model() const { return model_; }
  const PreTrainedTokenizerFast& tokenizer() const { return tokenizer_; }

 private:
  SentenceTransformer(Model model, PreTrainedTokenizerFast tokenizer, PoolingConfig pooling, bool normalize,
                      isize longest)
      : model_(std::move(model)),
        tokenizer_(std::move(tokenizer)),
        pooling_(pooling),
        normalize_(normalize),
        longest_(longest) {}

  Tensor<f32, 2> encode_batch(const std::vector<std::string>& texts) const {
    TokenizerCallOptions options;
    options.padding = PaddingStrategy::longest;
    options.truncation = true;
    options.return_token_type_ids = true;
    if (longest_ > 0) options.max_length = std::size_t(longest_);
    const auto batch = tokenizer_(texts, options);
    ForwardArgs<> args;
    args.attention_mask = ids_tensor(batch.attention_mask);
    args.token_type_ids = ids_tensor(batch.token_type_ids);
    return encode_ids(ids_tensor(batch.input_ids), args);
  }

  Model model_;
  PreTrainedTokenizerFast tokenizer_;
  PoolingConfig pooling_;
  bool normalize_;
  isize longest_;
};

}  // namespace hft
