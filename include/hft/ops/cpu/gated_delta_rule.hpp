// The gated delta rule on the CPU, and its gradients. Of a prompt's tokens a chunk at a time is computed by products
// (delta_chunk.hpp). For others, the columns of a state know nothing of one another: a vector of them goes through all
// tokens in a piece of memory that stays in the nearest cache.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Queries and keys (B,T,Hk,K), values (B,T,H,V), the logarithms of decays and the rates of writing (B*T,H), and the
/// state (B,H,K,V) before the first token, or null for zeros.
template <class T>
struct delta_inputs {
  heads_view<const T> q, k, v;
  matrix<const T> log_decay, beta;
  const T* state;

  isize group() const { return v.heads / k.heads; }  // values' heads that read one key's head
  isize state_size() const { return k.dim * v.dim; }
};

/// Where the gradients of its inputs are written; those of log_decay and beta are dense.
template <class T>
struct delta_gradients {
  heads_view<T> q, k, v;
  matrix<T> log_decay, beta;
};

/// Steps from one saved state to the next: backward computes the states between them again.
inline constexpr isize delta_chunk = 64;

/// y (B,T,H,V) and the last state (B,H,K,V). `saved`, if not null, gets the states before each chunk, (B,H,chunks,K,V),
/// which backward starts from.
template <class T>
void gated_delta_rule_kernel(cpu, heads_view<T> y, T* last, T* saved, const delta_inputs<T>& in);

/// The gradients of all inputs but the first state, from dy (B,T,H,V) and what the forward pass saved.
template <class T>
void gated_delta_rule_backward_kernel(cpu, const delta_gradients<T>& d, heads_view<const T> dy, const T* saved,
                                      const delta_inputs<T>& in);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include <hft/ops/cpu/chunks.hpp>
#include <hft/ops/cpu/delta_chunk.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

// ---- the oracle

/// y (B,T,H,V) and the last state (B,H,K,V).
template <class T>
void gated_delta_rule_kernel(isa::generic, heads_view<T> y, T* last, const delta_inputs<T>& in) {
  const isize H = in.v.heads, K = in.k.dim, V = in.v.dim;
  for (isize b = 0; b < in.v.batch; ++b)
    for (isize h = 0; h < H; ++h) {
      T* S = last + (b * H + h) * K * V;
      for (isize i = 0; i < K * V; ++i) S[i] = in.state ? in.state[(b * H + h) * K * V + i] : T(0);
      for (isize t = 0; t < in.v.tokens; ++t) {
        const T decay = std::exp(in.log_decay.row(b * in.v.tokens + t)[h]), beta = in.beta.row(b * in.v.tokens + t)[h];
        const T *q = in.q.at(b, t, h / in.group()), *k = in.k.at(b, t, h / in.group());
        for (isize j = 0; j < V; ++j) {
          T known = 0, sum = 0;
          for (isize i = 0; i < K; ++i) known += (S[i * V + j] *= decay) * k[i];
          const T change = beta * (in.v.at(b, t, h)[j] - known);
          for (isize i = 0; i < K; ++i) sum += (S[i * V + j] += k[i] * change) * q[i];
          y.at(b, t, h)[j] = sum;
        }
      }
    }
}

// ---- by vectors of columns

namespace detail {

/// The column sums over i < K of f(i), a vector each; two at a time, since one must not wait for the other.
template <class V, class F>
V sum_of_rows(isize K, F f) {
  V even = V::zero(), odd = V::zero();
  isize i = 0;
  for (; i + 1 < K; i += 2) even = f(i, even), odd = f(i + 1, odd);
  return i < K ? f(i, even) + odd : even + odd;
}

/// Columns [j, j + a vector) of one head's state through the tokens from `first` on, before which it is `before`.
template <class V, class T, class Part>
void delta_columns(heads_view<T> y, T* last, T* saved, const delta_inputs<T>& in, isize b, isize h, isize j,
                   isize first, const T* before, Part part, T* S) {
  const isize K = in.k.dim, columns = in.v.dim, tokens = in.v.tokens, h_k = h / in.group();
  for (isize i = 0; i < K; ++i)
    (before ? part.template load<V>(before + i * columns + j) : V::zero()).store(S + i * V::width);
  const auto keep = [&](T* to) {
    for (isize i = 0; i < K; ++i) part.store(V::load(S + i * V::width), to + i * columns + j);
  };
  for (isize t = first; t < tokens; ++t) {
    if (saved && t % delta_chunk == 0) keep(saved + t / delta_chunk * K * columns);
    const isize row = b * tokens + t;
    const T *q = in.q.at(b, t, h_k), *k = in.k.at(b, t, h_k);
    const V decay = V::set(std::exp(in.log_decay.row(row)[h]));
    const V known =
        sum_of_rows<V>(K, [&](isize i, V sum) { return fma(V::load(S + i * V::width), V::set(k[i]), sum); });
    const V value = part.template load<V>(in.v.at(b, t, h) + j);
    const V change = V::set(in.beta.row(row)[h]) * (value - decay * known);
    const V read = sum_of_rows<V>(K, [&](isize i, V sum) {
      T* at = S + i * V::width;
      const V now = fma(V::set(k[i]), change, decay * V::load(at));
      now.store(at);
      return fma(now, V::set(q[i]), sum);
    });
    part.store(read, y.at(b, t, h) + j);
  }
  keep(last);
}

// ---- by chunks

/// Tokens [0, tokens): the heads that read one head of keys, and of those blocks of columns, over threads.
inline void delta_rule_by_chunks(heads_view<f32> y, f32* last, f32* saved, const delta_inputs<f32>& in, isize tokens) {
  static_assert(delta_chunk == scan_tokens, "what is saved is the state before a chunk");
  const isize K = in.k.dim, V = in.v.dim, Hk = in.k.heads, chunks = (in.v.tokens + delta_chunk - 1) / delta_chunk;
  const isize blocks = (V + scan_columns - 1) / scan_columns;
  for_each_group(in.v.batch * Hk, in.group() * blocks, [&](isize group, isize begin, isize end) {
    const isize b = group / Hk, h_k = group % Hk;
    delta_keys keys(K, std::min(V, scan_columns));
    for (isize first = 0; first < tokens; first += scan_tokens) {
      const isize n = std::min(scan_tokens, tokens - first);
      keys.see(in.k, in.q, b, first, n, h_k);
      for (isize unit = begin; unit < end; ++unit) {
        const isize h = h_k * in.group() + unit / blocks, j = unit % blocks * scan_columns;
        const isize columns = std::min(scan_columns, V - j), head = b * in.v.heads + h, at = head * K * V + j;
        if (first == 0) begin_state(last + at, in.state ? in.state + at : nullptr, K, columns, V);
        if (saved)
          begin_state<f32>(saved + (head * chunks + first / scan_tokens) * K * V + j, last + at, K, columns, V);
        const auto row = [&](isize i) { return b * in.v.tokens + first + i; };
        keys(
            last + at, V, columns, [&](isize i) { return row_of(in.v, b, first + i, h, j, columns); },
            [&](isize i) { return std::exp(in.log_decay.row(row(i))[h]); },
            [&](isize i) { return in.beta.row(row(i))[h]; },
            [&](isize i, const f32* sums) { std::copy_n(sums, columns, row_of(y, b, first + i, h, j, columns)); });
      }
    }
  });
}

}  // namespace detail

template <class T>
void gated_delta_rule_kernel(cpu, heads_view<T> y, T* last, T* saved, const delta_inputs<T>& in) {
  using V = isa::lanes<T>;
  const isize H = in.v.heads, K = in.k.dim, columns = in.v.dim, blocks = (columns + V::width - 1) / V::width;
  const isize tokens = in.v.tokens, chunks = (tokens + delta_chunk - 1) / delta_chunk;
  const isize chunked = detail::tokens_by_chunks<T>(tokens, K, columns);
  if constexpr (std::is_same_v<T, f32>)
    if (chunked) detail::delta_rule_by_chunks(y, last, saved, in, chunked);
  if (chunked && chunked == tokens) return;
  const T* const before = chunked ? last : in.state;
  const isize work = std::max<isize>(1, (tokens - chunked) * K * V::width);
  parallel_for(in.v.batch * H * blocks, std::max<isize>(1, 16384 / work), [&](isize begin, isize end) {
    const buffer scratch = cpu::allocate(std::size_t(K * V::width) * sizeof(T));
    for (isize n = begin; n < end; ++n) {
      const isize r = n / blocks, j = n % blocks * V::width, at = r * in.state_size();
      isa::for_lanes<V>(std::min(V::width, columns - j), [&](isize, auto part) {
        detail::delta_columns<V>(y, last + at, saved ? saved + r * chunks * in.state_size() : nullptr, in, r / H, r % H,
                                 j, chunked, before ? before + at : nullptr, part, static_cast<T*>(scratch.data()));
      });
    }
  });
}

// ---- the gradient

namespace detail {

/// One head from its last token to its first, of sequence b. What it sends to queries and keys is added to what is
/// there if `add`. With P = decay S(t-1) the state that a token finds, e = v - P^T k and G the gradient of S(t):
///   G += q dy^T;  c = G^T k;  dbeta = c e;  dv = beta c;  dP = G - k dv^T;  dlog_decay = sum of dP P
///   dq = S(t) dy;  dk = beta G e - P dv
template <class T>
void delta_backward(const delta_gradients<T>& d, heads_view<const T> dy, const T* saved, const delta_inputs<T>& in,
                    isize b, isize h, bool add, std::vector<T>& scratch) {
  using V = isa::lanes<T>;
  const isize K = in.k.dim, columns = in.v.dim, size = in.state_size(), tokens = in.v.tokens, h_k = h / in.group();
  scratch.resize(std::size_t((delta_chunk + 2) * size + (delta_chunk + 1) * columns));
  T *states = scratch.data(), *G = states + (delta_chunk + 1) * size;  // those before each step, and the last one
  T *errors = G + size, *dv = errors + delta_chunk * columns;
  std::fill_n(G, size, T(0));
  for (isize chunk = (tokens + delta_chunk - 1) / delta_chunk; chunk-- > 0;) {
    const isize first = chunk * delta_chunk, steps = std::min(delta_chunk, tokens - first);
    std::copy_n(saved + chunk * size, size, states);
    for (isize s = 0; s < steps; ++s) {
      const isize t = first + s, row = b * tokens + t;
      const T *k = in.k.at(b, t, h_k), *before = states + s * size;
      const V decay = V::set(std::exp(in.log_decay.row(row)[h])), beta = V::set(in.beta.row(row)[h]);
      isa::for_lanes<V>(columns, [&](isize j, auto part) {
        const auto at = [&](isize i) { return part.template load<V>(before + i * columns + j); };
        const V known = sum_of_rows<V>(K, [&](isize i, V sum) { return fma(at(i), V::set(k[i]), sum); });
        const V e = part.template load<V>(in.v.at(b, t, h) + j) - decay * known, change = beta * e;
        part.store(e, errors + s * columns + j);
        for (isize i = 0; i < K; ++i)
          part.store(fma(V::set(k[i]), change, decay * at(i)), states + (s + 1) * size + i * columns + j);
      });
    }
    for (isize s = steps; s-- > 0;) {
      const isize t = first + s, row = b * tokens + t;
      const T *q = in.q.at(b, t, h_k), *k = in.k.at(b, t, h_k), *g = dy.at(b, t, h), *e = errors + s * columns;
      const T decay = std::exp(in.log_decay.row(row)[h]), beta = in.beta.row(row)[h];
      d.beta.row(row)[h] = 0;
      isa::for_lanes<V>(columns, [&](isize j, auto part) {
        const V gj = part.template load<V>(g + j);
        const V c = sum_of_rows<V>(K, [&](isize i, V sum) {
          T* at = G + i * columns + j;
          const V now = fma(V::set(q[i]), gj, part.template load<V>(at));
          part.store(now, at);
          return fma(now, V::set(k[i]), sum);
        });
        d.beta.row(row)[h] += sum(c * part.template load<V>(e + j));
        part.store(V::set(beta) * c, dv + j);
      });
      std::copy_n(dv, columns, d.v.at(b, t, h));
      T of_decay = 0;
      for (isize i = 0; i < K; ++i) {
        T* of_state = G + i * columns;
        const T *before = states + s * size + i * columns, *after = before + size;
        V dq = V::zero(), written = V::zero(), found = V::zero(), kept = V::zero();
        isa::for_lanes<V>(columns, [&](isize j, auto part) {
          const auto load = [&](const T* p) { return part.template load<V>(p + j); };
          const V G_ij = load(of_state), P = V::set(decay) * load(before), dv_j = load(dv);
          dq = fma(load(after), load(g), dq);
          written = fma(G_ij, load(e), written);
          found = fma(P, dv_j, found);
          const V dP = G_ij - V::set(k[i]) * dv_j;
          kept = fma(dP, P, kept);
          part.store(V::set(decay) * dP, of_state + j);
        });
        const T dk = beta * sum(written) - sum(found), dq_i = sum(dq);
        d.q.at(b, t, h_k)[i] = add ? d.q.at(b, t, h_k)[i] + dq_i : dq_i;
        d.k.at(b, t, h_k)[i] = add ? d.k.at(b, t, h_k)[i] + dk : dk;
        of_decay += sum(kept);
      }
      d.log_decay.row(row)[h] = of_decay;
    }
  }
}

}  // namespace detail

template <class T>
void gated_delta_rule_backward_kernel(cpu, const delta_gradients<T>& d, heads_view<const T> dy, const T* saved,
                                      const delta_inputs<T>& in) {
  const isize Hk = in.k.heads, group = in.group(), chunks = (in.v.tokens + delta_chunk - 1) / delta_chunk;
  parallel_for(in.v.batch * Hk, 1, [&](isize begin, isize end) {
    std::vector<T> scratch;
    for (isize r = begin; r < end; ++r)
      for (isize n = 0; n < group; ++n)
        detail::delta_backward(d, dy, saved + (r * group + n) * chunks * in.state_size(), in, r / Hk,
                               r % Hk * group + n, n > 0, scratch);
  });
}

HFT_INSTANTIATE(void gated_delta_rule_kernel(cpu, heads_view<f32>, f32*, f32*, const delta_inputs<f32>&))
HFT_INSTANTIATE(void gated_delta_rule_kernel(cpu, heads_view<f64>, f64*, f64*, const delta_inputs<f64>&))
HFT_INSTANTIATE(void gated_delta_rule_backward_kernel(cpu, const delta_gradients<f32>&, heads_view<const f32>,
                                                      const f32*, const delta_inputs<f32>&))
HFT_INSTANTIATE(void gated_delta_rule_backward_kernel(cpu, const delta_gradients<f64>&, heads_view<const f64>,
                                                      const f64*, const delta_inputs<f64>&))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
