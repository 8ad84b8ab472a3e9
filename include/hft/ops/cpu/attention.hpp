// Attention on the CPU, block by block over the keys with a running maximum (online softmax), so that scores are never
// in memory for more than a block.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

void attention_kernel(cpu, const attention_problem& p);

/// In f64, for checks.
void attention_kernel(cpu, const attention_problem_of<f64>& p);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/row_product.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

namespace hft {

namespace detail {

/// Whether query t of the problem sees key s of batch row b.
template <class A>
bool sees_key(const attention_problem_of<A>& p, isize b, isize t, isize s) {
  const key_range seen = p.seen(b, t);
  return s >= seen.begin && s < seen.end && (!p.key_mask || p.key_mask[b * p.mask_stride + s] != 0);
}

/// The score of key s for query t and head h of batch row b.
template <class A>
f64 attention_score(const attention_problem_of<A>& p, isize b, isize t, isize h, isize s) {
  const A *q = p.q.at(b, t, h), *k = p.k.at(b, s, h / (p.q.heads / p.k.heads));
  f64 dot = 0;
  for (isize d = 0; d < p.q.dim; ++d) dot += f64(q[d]) * k[d];
  f64 x = dot * p.scale;
  if (p.bias.data) x += p.bias.at(b, t, h)[s];
  if (p.softcap > 0) x = p.softcap * std::tanh(x / p.softcap);
  if (p.alibi_slopes) x += f64(p.alibi_slopes[h]) * f64(s - p.place(t));
  return x;
}

}  // namespace detail

// ---- the oracle: one score at a time, sums in f64

template <class A>
void attention_kernel(isa::generic, const attention_problem_of<A>& p) {
  const isize group = p.q.heads / p.k.heads;
  for (isize b = 0; b < p.q.batch; ++b)
    for (isize t = 0; t < p.q.tokens; ++t)
      for (isize h = 0; h < p.q.heads; ++h) {
        f64 top = p.sinks ? p.sinks[h] : -INFINITY;
        for (isize s = 0; s < p.k.tokens; ++s)
          if (detail::sees_key(p, b, t, s)) top = std::max(top, detail::attention_score(p, b, t, h, s));
        A* y = p.y.at(b, t, h);
        std::fill_n(y, p.v.dim, A(0));
        if (p.log_sums) *p.log_sum(b, t, h) = -INFINITY;
        if (top == -INFINITY) continue;
        f64 sum = p.sinks ? std::exp(p.sinks[h] - top) : 0;
        for (isize s = 0; s < p.k.tokens; ++s)
          if (detail::sees_key(p, b, t, s)) sum += std::exp(detail::attention_score(p, b, t, h, s) - top);
        for (isize s = 0; s < p.k.tokens; ++s)
          if (detail::sees_key(p, b, t, s)) {
            const A weight = A(std::exp(detail::attention_score(p, b, t, h, s) - top) / sum);
            for (isize d = 0; d < p.v.dim; ++d) y[d] += weight * p.v.at(b, s, h / group)[d];
          }
        if (p.log_sums) *p.log_sum(b, t, h) = A(top + std::log(sum));
      }
}

// ---- by vectors
//
// The rows of a key head are the queries of all its query heads, row t * group + g, so that K and V are read once for a
// group. A tile of rows walks over blocks of keys and keeps for each row the running maximum m of its scores, the sum l
// of exp(score - m) and the sum o of exp(score - m) * v (Milakov & Gimelshein 2018, arXiv 1805.02867).
//
//   T > 1   Tiles of rows over threads. A block of K is transposed once for its tile; both products are register tiles.
//   T = 1   Chunks of keys over threads, whose (m, l, o) are combined at the end. Scores are dot products with K's
//   rows.
//
// Blocks and chunks are counted from the first key that the mask leaves visible, and a hidden key adds exactly nothing:
// a sequence gives the same bits alone and padded on either side, as long as both have T > 1 or both T = 1. Chunks have
// a fixed length, so the number of threads changes no bit either. Keys and values that a mask hides between visible
// ones (not those before the first or behind the last) must be finite: a weight of 0 times infinity is no 0.

namespace detail {

/// scores[r * score_stride + s] = q_r . k_s for R rows and n keys; scores up to the next multiple of 4 are written. The
/// rows of q are padded with zeros to whole vectors. Rows of `ahead` (n, ahead_dim), read next, are fetched meanwhile.
template <class V, isize R>
void dot_products(f32* scores, isize score_stride, const f32* q, isize q_stride, const f32* k, isize k_stride, isize n,
                  isize dim, const f32* ahead, isize ahead_stride, isize ahead_dim) {
  for (isize s = 0; s < n; s += 4) {
    const f32* key[4];
    for (isize i = 0; i < 4; ++i) {
      const isize row = std::min(s + i, n - 1);
      key[i] = k + row * k_stride;
      for (isize d = 0; d < ahead_dim; d += 16) __builtin_prefetch(ahead + row * ahead_stride + d);
    }
    V sum[R][4];
    HFT_UNROLL
    for (isize i = 0; i < R; ++i) sum[i][0] = sum[i][1] = sum[i][2] = sum[i][3] = V::zero();
    for (isize d = 0; d < dim; d += V::width) {
      V x[4];
      if (d + V::width <= dim) {
        HFT_UNROLL
        for (isize i = 0; i < 4; ++i) x[i] = V::load(key[i] + d);
      } else {
        HFT_UNROLL
        for (isize i = 0; i < 4; ++i) x[i] = V::load_n(key[i] + d, dim - d);
      }
      HFT_UNROLL
      for (isize i = 0; i < R; ++i) {
        const V y = V::load(q + i * q_stride + d);
        HFT_UNROLL
        for (isize j = 0; j < 4; ++j) sum[i][j] = fma(x[j], y, sum[i][j]);
      }
    }
    HFT_UNROLL
    for (isize i = 0; i < R; ++i) store_sums(scores + i * score_stride + s, sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
  }
}

/// The keys of batch row b from the first to the last that its mask leaves visible.
inline key_range unmasked_keys(const attention_problem& p, isize b) {
  key_range r{0, p.k.tokens};
  if (!p.key_mask) return r;
  const u8* mask = p.key_mask + b * p.mask_stride;
  while (r.begin < r.end && !mask[r.begin]) ++r.begin;
  while (r.begin < r.end && !mask[r.end - 1]) --r.end;
  return r;
}

/// A tile of rows of one key head, on its way over the keys.
template <class V>
class attention_tile {
 public:
  static constexpr isize block = 64;  // keys at a time

  /// The f32 that a tile of so many rows needs as scratch.
  static isize scratch_size(const attention_problem& p, isize rows, bool transposes) {
    return rows * (round_up(p.q.dim, V::width) + block + round_up(p.v.dim, V::width) + 2) +
           (transposes ? p.q.dim * block : 0) + block;
  }

  attention_tile(const attention_problem& problem, f32* scratch, isize max_rows)
      : p(problem),
        group(p.q.heads / p.k.heads),
        q_stride(round_up(p.q.dim, V::width)),
        o_stride(round_up(p.v.dim, V::width)) {
    const auto take = [&](isize n) { return std::exchange(scratch, scratch + n); };
    q = take(max_rows * q_stride);
    o = take(max_rows * o_stride);
    scores = take(max_rows * block);
    hidden = take(block);
    m = take(max_rows);
    l = take(max_rows);
    transposed = scratch;
  }

  /// Takes rows [first_row, first_row + row_count) of a key head, with nothing seen yet but the sink, if `sink`.
  void start(isize batch_row, isize head, isize first_row, isize row_count, key_range unmasked, bool sink = true) {
    b = batch_row, hk = head, first = first_row, rows = row_count, keys = unmasked;
    for (isize r = 0; r < rows; ++r) {
      f32* to = q + r * q_stride;
      isa::map_row<V>(
          to, p.q.dim, [&](V x) { return x * V::set(p.scale); }, p.q.at(b, token(r), query_head(r)));
      std::fill(to + p.q.dim, to + q_stride, 0.0f);
    }
    std::fill_n(o, rows * o_stride, 0.0f);
    std::fill_n(m, rows, -INFINITY);
    std::fill_n(l, rows, 0.0f);
    if (p.sinks && sink)
      for (isize r = 0; r < rows; ++r) m[r] = p.sinks[query_head(r)], l[r] = 1;
  }

  /// The keys that row r sees, by the unmasked range and its place.
  key_range visible(isize r) const {
    const key_range seen = p.seen(b, token(r));
    return {std::max(keys.begin, seen.begin), std::min(keys.end, seen.end)};
  }

  /// Takes in keys [begin, end). Transpose says by which product the scores come.
  template <bool Transpose>
  void see(isize begin, isize end) {
    for (isize key = begin; key < end; key += block) {
      const isize n = std::min(block, end - key);
      const u8* mask = p.key_mask ? p.key_mask + b * p.mask_stride + key : nullptr;
      const bool holes = mask && std::memchr(mask, 0, std::size_t(n));
      if (holes) {
        if (std::find_if(mask, mask + n, [](u8 x) { return x != 0; }) == mask + n) continue;
        for (isize i = 0; i < n; ++i) hidden[i] = mask[i] ? INFINITY : -INFINITY;
      }
      if constexpr (Transpose)
        scores_by_transposing(key, n);
      else
        scores_by_dot_products(key, n);
      for (isize r = 0; r < rows; ++r) exponentials(r, key, n, holes);
      row_product<V>{o, o_stride, scores, block, p.v.at(b, key, hk), p.v.token_stride, n, true}(rows, p.v.dim);
    }
  }

  void finish() {
    for (isize r = 0; r < rows; ++r) {
      const V scale = V::set(l[r] > 0 ? 1 / l[r] : 0);
      if (p.log_sums) *p.log_sum(b, token(r), query_head(r)) = m[r] + std::log(l[r]);
      isa::map_row<V>(
          p.y.at(b, token(r), query_head(r)), p.v.dim, [=](V x) { return x * scale; }, o + r * o_stride);
    }
  }

  f32 *q, *o, *m, *l;
  const attention_problem& p;
  isize group, q_stride, o_stride, rows = 0;

 private:
  isize token(isize r) const { return (first + r) / group; }
  isize query_head(isize r) const { return hk * group + (first + r) % group; }

  void scores_by_transposing(isize key, isize n) {
    const f32* k = p.k.at(b, key, hk);
    const isize step = p.k.token_stride, dim = p.q.dim, width = round_up(n, V::width);
    transpose_rows<V>(transposed, block, k, step, n, dim);
    row_product<V>{scores, block, q, q_stride, transposed, block, dim, false}(rows, width);
  }

  void scores_by_dot_products(isize key, isize n) {
    const auto dots = [&]<isize R>(Int<R>, isize r) {
      dot_products<V, R>(scores + r * block, block, q + r * q_stride, q_stride, p.k.at(b, key, hk), p.k.token_stride, n,
                         p.q.dim, p.v.at(b, key, hk), p.v.token_stride, r ? 0 : p.v.dim);
    };
    isize r = 0;
    for (; r + 3 <= rows; r += 3) dots(Int<3>{}, r);
    if (rows - r == 2) dots(Int<2>{}, r);
    if (rows - r == 1) dots(Int<1>{}, r);
  }

  /// Turns row r's scores of keys [key, key + n) into exp(score - m), 0 where hidden, and brings m, l and o along.
  void exponentials(isize r, isize key, isize n, bool holes) {
    f32* x = scores + r * block;
    const isize width = round_up(n, V::width);
    const key_range range = visible(r);
    const isize begin = std::max<isize>(range.begin - key, 0), end = std::min(range.end - key, n);
    if (begin >= end) return std::fill_n(x, width, 0.0f), void();

    const V least = V::set(-INFINITY);
    V top = least;
    const bool edge = begin > 0 || end < width;
    const f32 slope = p.alibi_slopes ? p.alibi_slopes[query_head(r)] : 0;
    const f32* bias = p.bias.data ? p.bias.at(b, token(r), query_head(r)) + key : nullptr;
    const isize place = p.place(token(r));
    for (isize i = 0; i < width; i += V::width) {
      V v = V::load(x + i);
      if (bias) v = v + V::load_n(bias + i, std::min(V::width, n - i));
      if (p.softcap > 0) v = V::set(p.softcap) * tanh(v / V::set(p.softcap));
      if (p.alibi_slopes) v = fma(V::set(slope), V::set(f32(key + i - place)) + iota(v), v);
      if (holes) v = min(v, V::load(hidden + i));
      if (edge) {
        const V index = V::set(f32(i)) + iota(v);
        v = select(less(index, V::set(f32(begin))), least, select(less(index, V::set(f32(end))), v, least));
      }
      v.store(x + i);
      top = max(top, v);
    }
    const f32 new_m = std::max(m[r], max(top));
    if (new_m == -INFINITY) return std::fill_n(x, width, 0.0f), void();
    if (new_m > m[r]) {
      const f32 shrink = std::exp(m[r] - new_m);
      l[r] *= shrink;
      isa::map_row<V>(
          o + r * o_stride, o_stride, [=](V v) { return v * V::set(shrink); }, o + r * o_stride);
      m[r] = new_m;
    }
    V total = V::zero();
    for (isize i = 0; i < width; i += V::width) {
      const V e = exp(V::load(x + i) - V::set(new_m));
      e.store(x + i);
      total = total + e;
    }
    l[r] += sum(total);
  }

  isize b = 0, hk = 0, first = 0;
  key_range keys{};
  f32 *scores, *hidden, *transposed;
};

inline buffer attention_scratch(isize floats) { return cpu::allocate(std::size_t(floats) * sizeof(f32)); }

/// T > 1: tiles of rows over threads.
template <class V>
void attend_prompt(const attention_problem& p) {
  constexpr isize tile_rows = 64;
  const isize rows = p.q.tokens * (p.q.heads / p.k.heads), tiles = (rows + tile_rows - 1) / tile_rows;
  const isize tasks = p.q.batch * p.k.heads * tiles;
  const isize work = p.q.batch * p.q.heads * p.q.tokens * p.k.tokens * (p.q.dim + p.v.dim);
  parallel_for(tasks, work < 500000 ? tasks : 1, [&](isize begin, isize end) {
    const isize max_rows = std::min(tile_rows, rows);
    const buffer scratch = attention_scratch(attention_tile<V>::scratch_size(p, max_rows, true));
    attention_tile<V> tile(p, static_cast<f32*>(scratch.data()), max_rows);
    for (isize i = begin; i < end; ++i) {
      // Under causality late tiles see more keys than early ones: taken in turn, every range of tasks is as heavy.
      const isize b = i / tiles / p.k.heads, hk = i / tiles % p.k.heads, j = i % tiles;
      const isize first = (j % 2 ? tiles - 1 - j / 2 : j / 2) * tile_rows;
      const key_range unmasked = unmasked_keys(p, b);
      tile.start(b, hk, first, std::min(tile_rows, rows - first), unmasked);
      const isize from = tile.visible(0).begin, to = tile.visible(tile.rows - 1).end;
      constexpr isize block = attention_tile<V>::block;
      tile.template see<true>(unmasked.begin + (from - unmasked.begin) / block * block, to);
      tile.finish();
    }
  });
}

/// T = 1: chunks of keys over threads.
template <class V>
void attend_token(const attention_problem& p) {
  constexpr isize chunk = 64;  // so short that a few heads split evenly over the threads; combining costs 2 % at most
  const isize group = p.q.heads / p.k.heads;
  isize seen = 0;  // by the row that sees most
  for (isize b = 0; b < (p.chunk_starts ? p.q.batch : 1); ++b)
    seen = std::max(seen, p.seen(b, 0).end - p.seen(b, 0).begin);
  const isize chunks = std::max<isize>(1, (seen + chunk - 1) / chunk);
  const isize tasks = p.q.batch * p.k.heads * chunks, o_stride = round_up(p.v.dim, V::width);
  const isize work = p.q.batch * p.k.heads * seen * (p.q.dim + p.v.dim);  // elements read
  const isize part = group * (o_stride + 2);                              // o, m, l of a chunk's rows
  const buffer parts = chunks > 1 ? attention_scratch(tasks * part) : buffer();
  parallel_for(tasks, work < 16384 ? tasks : 1, [&](isize begin, isize end) {
    const buffer scratch = attention_scratch(attention_tile<V>::scratch_size(p, group, false));
    attention_tile<V> tile(p, static_cast<f32*>(scratch.data()), group);
    for (isize i = begin; i < end; ++i) {
      const isize b = i / chunks / p.k.heads, hk = i / chunks % p.k.heads, c = i % chunks;
      tile.start(b, hk, 0, group, unmasked_keys(p, b), c == 0);
      const key_range range = tile.visible(0);
      const isize from = range.begin + c * chunk;
      tile.template see<false>(from, std::min(from + chunk, range.end));
      if (chunks == 1) {
        tile.finish();
      } else {
        f32* to = static_cast<f32*>(parts.data()) + i * part;
        to = std::copy_n(tile.o, group * o_stride, to);
        to = std::copy_n(tile.m, group, to);
        std::copy_n(tile.l, group, to);
      }
    }
  });
  if (chunks == 1) return;
  parallel_for(p.q.batch * p.q.heads, std::max<isize>(1, 65536 / (chunks * o_stride)), [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      const isize b = i / p.q.heads, h = i % p.q.heads, hk = h / group, g = h % group;
      const f32* first = static_cast<const f32*>(parts.data()) + (b * p.k.heads + hk) * chunks * part;
      const auto m = [&](isize c) { return first[c * part + group * o_stride + g]; };
      const auto l = [&](isize c) { return first[c * part + group * (o_stride + 1) + g]; };
      f32 top = -INFINITY, sum = 0;
      for (isize c = 0; c < chunks; ++c) top = std::max(top, m(c));
      f32* y = p.y.at(b, 0, h);
      std::fill_n(y, p.v.dim, 0.0f);
      if (p.log_sums) *p.log_sum(b, 0, h) = -INFINITY;
      if (top == -INFINITY) continue;
      for (isize c = 0; c < chunks; ++c) sum += l(c) * std::exp(m(c) - top);
      if (p.log_sums) *p.log_sum(b, 0, h) = top + std::log(sum);
      for (isize c = 0; c < chunks; ++c) {
        const V share = V::set(std::exp(m(c) - top) / sum);
        isa::map_row<V>(
            y, p.v.dim, [=](V y, V o) { return fma(share, o, y); }, y, first + c * part + g * o_stride);
      }
    }
  });
}

}  // namespace detail

template <isa::vectorised Isa>
void attention_kernel(Isa, const attention_problem& p) {
  if (p.q.tokens == 1)
    detail::attend_token<isa::floats<Isa>>(p);
  else
    detail::attend_prompt<isa::floats<Isa>>(p);
}

// ---- on all threads

HFT_INLINE void attention_kernel(cpu, const attention_problem& p) { attention_kernel(isa::native{}, p); }
HFT_INLINE void attention_kernel(cpu, const attention_problem_of<f64>& p) { attention_kernel(isa::generic{}, p); }

}  // namespace hft
#endif  // HFT_DEFINES
