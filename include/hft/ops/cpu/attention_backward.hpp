// Gradients of attention on the CPU, block by block (Dao 2023, arXiv 2307.08691): the scores of a block are computed
// again from q and k, and their softmax from the saved logarithms of its sums, so that no (T,S) matrix is ever in
// memory.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/heads.hpp>
#include <hft/parallel.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The gradients of an attention problem, whose y and log_sums the forward pass left.
template <class A>
struct attention_backward_problem {
  heads_view<const A> dy;    // (B,T,H,Dv)
  heads_view<A> dq;          // (B,T,H,D)
  heads_view<A> dk, dv;      // (B,S,Hk,D), (B,S,Hk,Dv)
  heads_view<A> dbias = {};  // (1|B,T,1|H,S), broadcast ones with a stride of 0; null: not wanted
  A* dsinks = nullptr;       // (H); null: not wanted
};

/// Writes p.y again with p.dropout, from the log_sums that attention_kernel left.
template <class A>
void attention_dropout_kernel(cpu, const attention_problem_of<A>& p);

/// Writes all of g's gradients, for so many threads. Those of the bias and the sinks are split by what is written, and
/// come from scores that are computed once more: they are not in memory in between.
template <class A>
void attention_backward_kernel(cpu, const attention_problem_of<A>& p, const attention_backward_problem<A>& g,
                               isize threads = num_threads());

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>

#include <hft/ops/cpu/attention.hpp>
#include <hft/ops/cpu/gemm.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

namespace hft {

namespace detail {

/// How the gradients of a problem are split into tasks: by batch row and key head, as long as these keep all threads
/// busy; else by query head, whose gradients of a shared key head are summed afterwards, and by every chunks-th block
/// of keys, too, whose gradients of the queries are summed. Sums are in one order, so a number of threads gives one
/// result.
struct attention_backward_split {
  bool by_query_head = false;
  isize chunks = 1;

  attention_backward_split(isize batch, isize heads, isize key_heads, isize key_blocks, isize threads) {
    const auto busy = [&](isize tasks) { return tasks % threads == 0 || tasks >= 8 * threads; };
    if (busy(batch * key_heads)) return;
    by_query_head = heads > key_heads;
    if (!busy(batch * heads))
      chunks = std::min(std::max<isize>(1, key_blocks), (4 * threads - 1) / (batch * heads) + 1);
  }
};

/// What one thread needs to walk the blocks of one key head.
template <class A>
class attention_backward_task {
 public:
  static constexpr isize block = 64;  // queries, and keys, at a time
  using V = isa::lanes<A>;

  /// The views of `backward` have a head for each query head where split.by_query_head, and `chunks` times the rows of
  /// dq.
  attention_backward_task(const attention_problem_of<A>& forward, const attention_backward_problem<A>& backward,
                          const attention_backward_split& tasks)
      : p(forward),
        g(backward),
        split(tasks),
        memory(cpu::allocate(std::size_t(3 * block * block + p.q.tokens) * sizeof(A))),
        weights(static_cast<A*>(memory.data())),
        slopes(weights + block * block),
        caps(slopes + block * block),
        deltas(caps + block * block) {}

  /// The forward pass again, with dropout of the weights, of a query head.
  void drop(isize b, isize h) {
    const isize hk = h / (p.q.heads / p.k.heads), T = p.q.tokens, S = p.k.tokens;
    for (isize t = 0; t < T; ++t) std::fill_n(p.y.at(b, t, h), p.v.dim, A(0));
    for (isize t = 0; t < T; t += block)
      for (isize s = 0; s < S; s += block) {
        const isize rows = std::min(block, T - t), cols = std::min(block, S - s);
        if (hidden(b, t, rows, s, cols)) continue;
        const matrix<A> weight{weights, rows, cols, block};
        weigh(b, h, hk, t, s, weight);
        for (isize r = 0; r < rows; ++r) keep(b, h, t + r, s, weight.row(r), cols);
        gemm_nn<A>(view(p.y, b, t, h, rows), weight, view(p.v, b, s, hk, cols), true);
      }
  }

  /// The gradients of task i, in the order of batch rows, heads, chunks.
  void operator()(isize i) {
    const isize heads = split.by_query_head ? p.q.heads : p.k.heads, group = p.q.heads / heads;
    const isize chunk = i % split.chunks, head = i / split.chunks % heads, b = i / split.chunks / heads;
    const isize hk = head / (heads / p.k.heads), T = p.q.tokens, S = p.k.tokens, step = split.chunks * block;
    dq_row = chunk * p.q.batch + b, dk_head = head;
    for (isize first = chunk * block; first < S; first += step)
      for (isize s = first; s < std::min(S, first + block); ++s) {
        std::fill_n(g.dk.at(b, s, head), p.k.dim, A(0));
        std::fill_n(g.dv.at(b, s, head), p.v.dim, A(0));
      }
    for (isize h = head * group; h < (head + 1) * group; ++h) {
      for (isize t = 0; t < T; ++t) {
        deltas[t] = delta(b, t, h);
        std::fill_n(g.dq.at(dq_row, t, h), p.q.dim, A(0));
      }
      for (isize s = chunk * block; s < S; s += step)
        for (isize t = 0; t < T; t += block) visit(b, h, hk, t, std::min(block, T - t), s, std::min(block, S - s));
    }
  }

  /// The gradient of the bias's rows of a block of queries, for all batch rows and heads that read them. Task i is in
  /// the order of the bias's batch rows and heads, and blocks.
  void bias_gradient(isize i) {
    const isize T = p.q.tokens, S = p.k.tokens, blocks = (T + block - 1) / block;
    const isize t = i % blocks * block, head = i / blocks % g.dbias.heads, row = i / blocks / g.dbias.heads;
    const isize rows = std::min(block, T - t);
    for (isize r = 0; r < rows; ++r) std::fill_n(g.dbias.at(row, t + r, head), S, A(0));
    for (isize b = row; b < (g.dbias.batch == 1 ? p.q.batch : row + 1); ++b)
      for (isize h = head; h < (g.dbias.heads == 1 ? p.q.heads : head + 1); ++h) {
        for (isize r = 0; r < rows; ++r) deltas[t + r] = delta(b, t + r, h);
        for (isize s = 0; s < S; s += block) {
          const isize cols = std::min(block, S - s);
          if (hidden(b, t, rows, s, cols)) continue;
          const matrix<A> slope{slopes, rows, cols, block};
          differentiate(b, h, h / (p.q.heads / p.k.heads), t, s, {weights, rows, cols, block}, slope, 1);
          for (isize r = 0; r < rows; ++r) {
            const A* x = slope.row(r);
            A* to = g.dbias.at(row, t + r, head) + s;
            isa::for_lanes<V>(cols, [&](isize k, auto part) {
              part.store(part.template load<V>(to + k) + part.template load<V>(x + k), to + k);
            });
          }
        }
      }
  }

  /// The gradient of head h's sink: its weight times what it takes from the values.
  void sink_gradient(isize h) const {
    A sum = 0;
    for (isize b = 0; b < p.q.batch; ++b)
      for (isize t = 0; t < p.q.tokens; ++t) sum -= std::exp(p.sinks[h] - *p.log_sum(b, t, h)) * delta(b, t, h);
    g.dsinks[h] = sum;
  }

 private:
  // Whether the places of keys [s, s + cols) hide them from all of queries [t, t + rows) of batch row b.
  bool hidden(isize b, isize t, isize rows, isize s, isize cols) const {
    return s >= p.seen(b, t + rows - 1).end || s + cols <= p.seen(b, t).begin;
  }

  // dy . y of a query.
  A delta(isize b, isize t, isize h) const {
    const A *dy = g.dy.at(b, t, h), *y = p.y.at(b, t, h);
    return isa::sum_lanes<V>(
        p.v.dim, [&](isize i, auto part) { return part.template load<V>(dy + i) * part.template load<V>(y + i); });
  }

  // The weights of a block: softmax of its scores by the saved sums.
  void weigh(isize b, isize h, isize hk, isize t, isize s, matrix<A> weight) const {
    gemm<A>(weight, view(p.q, b, t, h, weight.rows), view(p.k, b, s, hk, weight.cols), nullptr);
    for (isize r = 0; r < weight.rows; ++r)
      scores_to_weights(b, h, t + r, s, weight.row(r), caps + r * block, weight.cols);
  }

  // Drops elements of a row of weights, or of their gradients, that begins at key s, a multiple of 4.
  void keep(isize b, isize h, isize t, isize s, A* x, isize cols) const {
    const isize groups = (p.k.tokens + 3) / 4;
    const isize first = ((b * p.q.heads + h) * p.q.tokens + t) * groups + s / 4;
    const A scale = A(1 / (1 - p.dropout.p));
    for (isize i = 0; i < cols; i += 4) {
      const unsigned kept = p.dropout.kept(std::uint64_t(first + i / 4));
      for (isize j = i; j < std::min(i + 4, cols); ++j) x[j] = kept >> (j - i) & 1 ? x[j] * scale : A(0);
    }
  }

  // The weights of a block, and the slopes of its scores times `factor`.
  void differentiate(isize b, isize h, isize hk, isize t, isize s, matrix<A> weight, matrix<A> slope, A factor) const {
    weigh(b, h, hk, t, s, weight);
    gemm<A>(slope, view(g.dy, b, t, h, slope.rows), view(p.v, b, s, hk, slope.cols), nullptr);  // dy v^T
    for (isize r = 0; r < slope.rows; ++r) {
      if (p.dropout.p > 0) keep(b, h, t + r, s, slope.row(r), slope.cols);
      // The slope of a score: weight * (dy . v - dy . y), through the cap.
      const V delta = V::set(deltas[t + r]), scale = V::set(factor);
      const A *w = weight.row(r), *cap = caps + r * block;
      A* d = slope.row(r);
      isa::for_lanes<V>(slope.cols, [&](isize i, auto part) {
        V x = part.template load<V>(w + i) * (part.template load<V>(d + i) - delta) * scale;
        if (p.softcap > 0) x = x * part.template load<V>(cap + i);
        part.store(x, d + i);
      });
    }
  }

  // Queries [t, t + rows) against keys [s, s + cols).
  void visit(isize b, isize h, isize hk, isize t, isize rows, isize s, isize cols) {
    if (hidden(b, t, rows, s, cols)) return;
    const auto queries = view(p.q, b, t, h, rows), keys = view(p.k, b, s, hk, cols), dy = view(g.dy, b, t, h, rows);
    const matrix<A> weight{weights, rows, cols, block}, slope{slopes, rows, cols, block};
    differentiate(b, h, hk, t, s, weight, slope, p.scale);
    if (p.dropout.p > 0)
      for (isize r = 0; r < rows; ++r) keep(b, h, t + r, s, weight.row(r), cols);
    gemm_tn<A>(view(g.dv, b, s, dk_head, cols), weight, dy, true);
    gemm_tn<A>(view(g.dk, b, s, dk_head, cols), slope, queries, true);
    gemm_nn<A>(view(g.dq, dq_row, t, h, rows), slope, keys, true);
  }

  // q . k of query t and keys from s on => exp(score - log_sum), 0 where hidden; with a cap also the cap's slope.
  void scores_to_weights(isize b, isize h, isize t, isize s, A* x, A* cap, isize cols) const {
    const A log_sum = *p.log_sum(b, t, h);
    if (log_sum == -INFINITY) return std::fill_n(x, cols, A(0)), void();
    const isize place = p.place(t);
    const key_range seen = p.seen(b, t);
    const isize end = std::clamp<isize>(seen.end - s, 0, cols), begin = std::clamp<isize>(seen.begin - s, 0, end);
    const A* bias = p.bias.data ? p.bias.at(b, t, h) + s : nullptr;
    const bool scaled = bias || p.alibi_slopes || p.softcap > 0;
    if (scaled) {
      for (isize i = begin; i < end; ++i) {
        A score = x[i] * p.scale;
        if (bias) score += bias[i];
        if (p.softcap > 0) {
          const A ratio = std::tanh(score / p.softcap);
          score = p.softcap * ratio, cap[i] = 1 - ratio * ratio;
        }
        if (p.alibi_slopes) score += A(p.alibi_slopes[h]) * A(s + i - place);
        x[i] = score;
      }
    }
    const V factor = V::set(scaled ? A(1) : p.scale), shift = V::set(-log_sum);
    isa::for_lanes<V>(end - begin, [&](isize i, auto part) {
      part.store(exp(fma(part.template load<V>(x + begin + i), factor, shift)), x + begin + i);
    });
    std::fill(x, x + begin, A(0));
    std::fill(x + end, x + cols, A(0));
    if (p.softcap > 0) std::fill(cap, cap + begin, A(0)), std::fill(cap + end, cap + cols, A(0));
    if (p.key_mask)
      for (isize i = begin; i < end; ++i)
        if (!p.key_mask[b * p.mask_stride + s + i]) x[i] = 0;
  }

  template <class T>
  static matrix<T> view(const heads_view<T>& x, isize b, isize token, isize head, isize rows) {
    return {x.at(b, token, head), rows, x.dim, x.token_stride};
  }

  const attention_problem_of<A>& p;
  const attention_backward_problem<A>& g;
  const attention_backward_split& split;
  buffer memory;
  A *weights, *slopes, *caps, *deltas;
  isize dq_row = 0, dk_head = 0;  // where the gradients of the task at hand go
};

/// A gradient of which tasks write parts, in memory of its own: (parts x batch rows, tokens, heads of the parts, dim).
template <class A>
class split_gradient {
 public:
  split_gradient(const heads_view<A>& to, isize rows, isize heads) : sum_(to), parts(to) {
    if (rows == 1 && heads == 1) return;
    const isize all = to.heads * heads;
    memory_ = cpu::allocate(std::size_t(rows * to.batch * to.tokens * all * to.dim) * sizeof(A));
    parts = to;
    parts.data = static_cast<A*>(memory_.data());
    parts.batch = rows * to.batch, parts.heads = all;
    parts.head_stride = to.dim, parts.token_stride = all * to.dim, parts.batch_stride = to.tokens * all * to.dim;
  }

  /// The sums of the parts, where they are to be.
  void add_up() const {
    if (!memory_) return;
    using V = isa::lanes<A>;
    const isize rows = parts.batch / sum_.batch, heads = parts.heads / sum_.heads;
    parallel_for(sum_.batch * sum_.tokens, 16, [&](isize begin, isize end) {
      for (isize i = begin; i < end; ++i)
        for (isize h = 0; h < sum_.heads; ++h) {
          const isize b = i / sum_.tokens, t = i % sum_.tokens;
          A* y = sum_.at(b, t, h);
          std::copy_n(parts.at(b, t, h * heads), sum_.dim, y);
          for (isize part = 1; part < rows * heads; ++part) {
            const A* x = parts.at(part / heads * sum_.batch + b, t, h * heads + part % heads);
            isa::for_lanes<V>(sum_.dim, [&](isize k, auto lanes) {
              lanes.store(lanes.template load<V>(y + k) + lanes.template load<V>(x + k), y + k);
            });
          }
        }
    });
  }

 private:
  heads_view<A> sum_;
  buffer memory_;

 public:
  heads_view<A> parts;
};

}  // namespace detail

template <class A>
void attention_dropout_kernel(cpu, const attention_problem_of<A>& p) {
  const attention_backward_problem<A> none{};
  const detail::attention_backward_split whole(1, 1, 1, 1, 1);
  parallel_for(p.q.batch * p.q.heads, 1, [&](isize begin, isize end) {
    detail::attention_backward_task<A> task(p, none, whole);
    for (isize i = begin; i < end; ++i) task.drop(i / p.q.heads, i % p.q.heads);
  });
}

template <class A>
void attention_backward_kernel(cpu, const attention_problem_of<A>& p, const attention_backward_problem<A>& g,
                               isize threads) {
  using task_t = detail::attention_backward_task<A>;
  const detail::attention_backward_split split(p.q.batch, p.q.heads, p.k.heads,
                                               (p.k.tokens + task_t::block - 1) / task_t::block, threads);
  const isize shared = split.by_query_head ? p.q.heads / p.k.heads : 1;
  const detail::split_gradient<A> dq(g.dq, split.chunks, 1), dk(g.dk, 1, shared), dv(g.dv, 1, shared);
  const attention_backward_problem<A> parts{g.dy, dq.parts, dk.parts, dv.parts};
  const detail::attention_backward_split whole(1, 1, 1, 1, 1);
  parallel_for(p.k.batch * p.k.heads * shared * split.chunks, 1, [&](isize begin, isize end) {
    task_t task(p, parts, split);
    for (isize i = begin; i < end; ++i) task(i);
  });
  dq.add_up(), dk.add_up(), dv.add_up();
  if (g.dbias.data)
    parallel_for(g.dbias.batch * g.dbias.heads * ((p.q.tokens + task_t::block - 1) / task_t::block), 1,
                 [&](isize begin, isize end) {
                   task_t task(p, g, whole);
                   for (isize i = begin; i < end; ++i) task.bias_gradient(i);
                 });
  if (g.dsinks) {
    const task_t task(p, g, whole);
    for (isize h = 0; h < p.q.heads; ++h) task.sink_gradient(h);
  }
}

HFT_INSTANTIATE(void attention_dropout_kernel(cpu, const attention_problem_of<f32>&))
HFT_INSTANTIATE(void attention_dropout_kernel(cpu, const attention_problem_of<f64>&))
HFT_INSTANTIATE(void attention_backward_kernel(cpu, const attention_problem_of<f32>&,
                                               const attention_backward_problem<f32>&, isize))
HFT_INSTANTIATE(void attention_backward_kernel(cpu, const attention_problem_of<f64>&,
                                               const attention_backward_problem<f64>&, isize))

}  // namespace hft
#endif  // HFT_DEFINES
