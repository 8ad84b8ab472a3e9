// Adafactor: second moments as the outer product of row and column means, so the state is next to nothing
// (Shazeer & Stern 2018, arXiv 1804.04235).
#pragma once
#include <cmath>
#include <optional>
#include <vector>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/train/optimizers/optimizer.hpp>

namespace hft {

struct AdafactorOptions {
  f64 eps = 1e-30;         // added to squared gradients
  f64 clip_threshold = 1;  // largest root mean square of an update
  f64 decay_rate = -0.8;   // beta2 at step t is 1 - t^decay_rate
  f64 weight_decay = 0;
};

/// As Transformers' Trainer makes it (transformers.optimization.Adafactor with scale_parameter and relative_step off
/// and no first moment): the learning rate is the schedule's. Matrices, and each matrix of a tensor of higher rank, are
/// factored; vectors have a full second moment.
class Adafactor final : public Optimizer {
 public:
  explicit Adafactor(AdafactorOptions options = {}) : options_(options) {}

  std::string_view name() const override { return "Adafactor"; }

 protected:
  std::vector<state_tensor> make_state(const trainable& p) const override {
    if (p.shape.size() < 2) return {{"exp_avg_sq", dtype_id::f32, p.shape}};
    auto rows = p.shape, cols = p.shape;
    rows.pop_back();
    cols.erase(cols.end() - 2);
    return {{"exp_avg_sq_row", dtype_id::f32, rows}, {"exp_avg_sq_col", dtype_id::f32, cols}};
  }

  void update(std::span<const work> todo) override {
    for (const work& w : todo) {
      const f64 beta2 = 1 - std::pow(f64(w.state->step), options_.decay_rate);
      if (w.parameter->shape.size() < 2)
        update_vector(w, beta2);
      else
        update_matrices(w, beta2);
    }
  }

 private:
  using V = isa::lanes<f32>;

  // Sums over rows are taken row by row, and those of all rows in their order, whatever the number of threads.
  static f64 total(const std::vector<f64>& parts) {
    f64 sum = 0;
    for (const f64 x : parts) sum += x;
    return sum;
  }

  // The step that a unit of update takes: lr, less where the root mean square of all is above the threshold.
  f64 step_size(const work& w, f64 sum_of_squares) const {
    const f64 rms = std::sqrt(sum_of_squares / f64(w.parameter->size()));
    return w.lr / std::max(1.0, rms / options_.clip_threshold);
  }
  f32 kept(const work& w) const { return f32(w.parameter->decays ? 1 - options_.weight_decay * w.lr : 1); }

  void update_vector(const work& w, f64 beta2) const {
    const isize n = w.parameter->size();
    f32 *p = w.parameter->value, *v = w.state->tensors[0].as<f32>();
    const f32* g = w.parameter->grad;
    f64 sum = 0;
    for (isize i = 0; i < n; ++i) {
      v[i] = f32(beta2 * f64(v[i]) + (1 - beta2) * (f64(g[i]) * f64(g[i]) + options_.eps));
      sum += f64(g[i]) * f64(g[i]) / f64(v[i]);
    }
    const f64 size = step_size(w, sum);
    const f32 keep = kept(w);
    for (isize i = 0; i < n; ++i) p[i] = p[i] * keep - f32(size * f64(g[i]) / std::sqrt(f64(v[i])));
  }

  void update_matrices(const work& w, f64 beta2) const {
    const auto& shape = w.parameter->shape;
    const isize cols = shape.back(), rows = shape[shape.size() - 2], all_rows = w.parameter->size() / cols;
    f32 *p = w.parameter->value, *row_state = w.state->tensors[0].as<f32>(), *col_state = w.state->tensors[1].as<f32>();
    const f32* g = w.parameter->grad;
    const isize grain = std::max<isize>(1, 16384 / cols);

    parallel_for(all_rows, grain, [&](isize begin, isize end) {
      for (isize r = begin; r < end; ++r) {
        const f32* gr = g + r * cols;
        const f64 squares = isa::sum_lanes<V>(cols, [&](isize i, auto part) {
          const V x = part.template load<V>(gr + i);
          return x * x;
        });
        row_state[r] = f32(beta2 * f64(row_state[r]) + (1 - beta2) * (squares / f64(cols) + options_.eps));
      }
    });
    constexpr isize strip = 64;  // columns that are summed together
    for (isize m = 0; m < all_rows / rows; ++m)
      parallel_for(cols, strip, [&](isize begin, isize end) {
        for (isize c = begin; c < end; c += strip) {
          const isize n = std::min(strip, end - c);
          f64 squares[strip] = {};
          for (isize r = 0; r < rows; ++r) {
            const f32* gr = g + (m * rows + r) * cols + c;
            for (isize i = 0; i < n; ++i) squares[i] += f64(gr[i]) * f64(gr[i]);
          }
          f32* state = col_state + m * cols + c;
          for (isize i = 0; i < n; ++i)
            state[i] = f32(beta2 * f64(state[i]) + (1 - beta2) * (squares[i] / f64(rows) + options_.eps));
        }
      });

    // The update of g[r, c] is g[r, c] * row_factor[r] * col_factor[c].
    std::vector<f32> row_factor(std::size_t(all_rows), 0), col_factor(std::size_t(all_rows / rows * cols), 0);
    for (isize m = 0; m < all_rows / rows; ++m) {
      f64 mean = 0;
      for (isize r = m * rows; r < (m + 1) * rows; ++r) mean += f64(row_state[r]) / f64(rows);
      for (isize r = m * rows; r < (m + 1) * rows; ++r)
        row_factor[std::size_t(r)] = f32(std::sqrt(mean / f64(row_state[r])));
    }
    for (std::size_t c = 0; c < col_factor.size(); ++c) col_factor[c] = f32(1 / std::sqrt(f64(col_state[c])));

    std::vector<f64> squares(std::size_t(all_rows), 0);
    parallel_for(all_rows, grain, [&](isize begin, isize end) {
      for (isize r = begin; r < end; ++r) {
        const f32 *gr = g + r * cols, *cf = col_factor.data() + r / rows * cols;
        const V rf = V::set(row_factor[std::size_t(r)]);
        squares[std::size_t(r)] = isa::sum_lanes<V>(cols, [&](isize i, auto part) {
          const V u = part.template load<V>(gr + i) * rf * part.template load<V>(cf + i);
          return u * u;
        });
      }
    });
    const f64 size = step_size(w, total(squares));
    const V keep = V::set(kept(w));
    parallel_for(all_rows, grain, [&](isize begin, isize end) {
      for (isize r = begin; r < end; ++r) {
        const f32 *gr = g + r * cols, *cf = col_factor.data() + r / rows * cols;
        f32* pr = p + r * cols;
        const V rf = V::set(f32(-size * f64(row_factor[std::size_t(r)])));
        isa::for_lanes<V>(cols, [&](isize i, auto part) {
          const V u = part.template load<V>(gr + i) * part.template load<V>(cf + i);
          part.store(fma(u, rf, part.template load<V>(pr + i) * keep), pr + i);
        });
      }
    });
  }

  AdafactorOptions options_;
};

}  // namespace hft
