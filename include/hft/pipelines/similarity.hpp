// How alike vectors are, and which are most alike. sentence_transformers/util/similarity.py, util/retrieval.py
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>
#include <hft/ops/linear.hpp>
#include <hft/tensor.hpp>

namespace hft {
namespace detail {

/// Each vector (..., C) at length 1 (torch.nn.functional.normalize).
template <std::size_t R>
Tensor<f32, R> unit_vectors(const Tensor<f32, R>& x) {
  const auto dense = x.dense();
  const isize C = x.extent(R - 1);
  Tensor<f32, R> y(x.shape());
  for (isize r = 0; r < (C ? x.size() / C : 0); ++r) {
    const f32* from = dense.data() + r * C;
    f64 square = 0;
    for (isize c = 0; c < C; ++c) square += f64(from[c]) * f64(from[c]);
    const f32 scale = f32(1 / std::max(std::sqrt(square), 1e-12));
    for (isize c = 0; c < C; ++c) y.data()[r * C + c] = from[c] * scale;
  }
  return y;
}

}  // namespace detail

/// (N,C) and (M,C) => (N,M) by a function's name: cosine, dot, euclidean, manhattan. Larger for the more alike;
/// distances are negative. Throws shape_error for vectors of two sizes, unsupported_error for another name.
Tensor<f32, 2> similarity(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b, std::string_view function = "cosine");

/// The same of each a[i] and b[i]: (N,C) and (N,C) => (N).
Tensor<f32, 1> similarity_pairwise(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b,
                                   std::string_view function = "cosine");

/// A place in a list of vectors or texts, and how well it fits.
struct SearchHit {
  isize corpus_id;
  f32 score;
};

/// Of each query (N,C) the top_k vectors of a corpus (M,C) that are most alike, best first; of equal ones the first.
std::vector<std::vector<SearchHit>> semantic_search(const Tensor<f32, 2>& queries, const Tensor<f32, 2>& corpus,
                                                    isize top_k = 10, std::string_view function = "cosine");

#if HFT_DEFINES(MODELS)

namespace detail {

inline void check_vectors(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b, std::string_view function) {
  if (a.extent(1) != b.extent(1))
    throw shape_error("similarity", "", joined("vectors of ", a.extent(1), " features"), shape_text(b.shape()));
  if (function != "cosine" && function != "dot" && function != "euclidean" && function != "manhattan")
    throw unsupported_error("similarity", "similarity_fn_name", "cosine, dot, euclidean or manhattan",
                            quote_text(function));
}

// How alike two vectors of n features are, which for cosine have length 1.
inline f32 vector_similarity(const f32* a, const f32* b, isize n, std::string_view function) {
  f64 sum = 0;
  if (function == "euclidean" || function == "manhattan") {
    const bool euclidean = function == "euclidean";
    for (isize c = 0; c < n; ++c) {
      const f64 d = f64(a[c]) - f64(b[c]);
      sum += euclidean ? d * d : std::abs(d);
    }
    return f32(-(euclidean ? std::sqrt(sum) : sum));
  }
  for (isize c = 0; c < n; ++c) sum += f64(a[c]) * f64(b[c]);
  return f32(sum);
}

}  // namespace detail

HFT_INLINE Tensor<f32, 2> similarity(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b, std::string_view function) {
  detail::check_vectors(a, b, function);
  const isize N = a.extent(0), M = b.extent(0), C = a.extent(1);
  if (!N || !M) return Tensor<f32, 2>({N, M});
  if (function == "cosine") return linear(detail::unit_vectors(a), detail::unit_vectors(b));
  const auto x = a.dense(), y = b.dense();
  if (function == "dot") return linear(x, y);
  Tensor<f32, 2> out({N, M});
  for (isize i = 0; i < N; ++i)
    for (isize j = 0; j < M; ++j)
      out.data()[i * M + j] = detail::vector_similarity(x.data() + i * C, y.data() + j * C, C, function);
  return out;
}

HFT_INLINE Tensor<f32, 1> similarity_pairwise(const Tensor<f32, 2>& a, const Tensor<f32, 2>& b,
                                              std::string_view function) {
  detail::check_vectors(a, b, function);
  const isize N = a.extent(0), C = a.extent(1);
  if (b.extent(0) != N)
    throw shape_error("similarity_pairwise", "", detail::joined("as many vectors, ", N), detail::joined(b.extent(0)));
  const bool cosine = function == "cosine";
  const auto x = cosine ? detail::unit_vectors(a) : a.dense(), y = cosine ? detail::unit_vectors(b) : b.dense();
  Tensor<f32, 1> out({N});
  for (isize i = 0; i < N; ++i)
    out.data()[i] = detail::vector_similarity(x.data() + i * C, y.data() + i * C, C, function);
  return out;
}

HFT_INLINE std::vector<std::vector<SearchHit>> semantic_search(const Tensor<f32, 2>& queries,
                                                               const Tensor<f32, 2>& corpus, isize top_k,
                                                               std::string_view function) {
  if (top_k < 1) throw value_error("semantic_search", "top_k", "1 or more", detail::joined(top_k));
  const auto scores = similarity(queries, corpus, function);
  const isize N = scores.extent(0), M = scores.extent(1);
  std::vector<std::vector<SearchHit>> out;
  for (isize i = 0; i < N; ++i) {
    auto& hits = out.emplace_back();
    for (isize j = 0; j < M; ++j) hits.push_back({j, scores.data()[i * M + j]});
    const auto kept = hits.begin() + std::min(top_k, M);
    std::partial_sort(hits.begin(), kept, hits.end(), [](const SearchHit& x, const SearchHit& y) {
      return x.score != y.score ? x.score > y.score : x.corpus_id < y.corpus_id;
    });
    hits.erase(kept, hits.end());
  }
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft
