// Random keys and values of tests/data/generation/caches.safetensors, and what Transformers' caches make of them.
#pragma once
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include <hft/generation/cache.hpp>

#include "../golden_tensors.hpp"

namespace hft::test {

class states {
 public:
  explicit states(const std::string& name)
      : file_("generation/caches"),
        keys_(file_.get<f32, 4>(name + ".keys")),
        values_(file_.get<f32, 4>(name + ".values")) {}

  /// Tokens [from, to) of these rows, of all where none are named.
  Tensor<f32, 4> keys(isize from, isize to, const std::vector<isize>& rows = {}) const {
    return of(keys_, from, to, rows);
  }
  Tensor<f32, 4> values(isize from, isize to, const std::vector<isize>& rows = {}) const {
    return of(values_, from, to, rows);
  }
  kv_view<f32> update(Cache<f32>& cache, isize layer, isize from, isize to, const std::vector<isize>& rows = {}) const {
    return cache.update(layer, keys(from, to, rows), values(from, to, rows));
  }
  /// Whether a cache gives what Transformers' of that name does, to `part` of the largest value.
  void check(const kv_view<f32>& got, const std::string& name, f64 part = 0) const {
    file_.check(got.keys, name + ".all_keys", part);
    file_.check(got.values, name + ".all_values", part);
  }

 private:
  static Tensor<f32, 4> of(const Tensor<f32, 4>& x, isize from, isize to, const std::vector<isize>& rows) {
    const auto tokens = x.slice(1, from, to).dense();
    return rows.empty() ? tokens : detail::reordered(tokens, rows);
  }

  golden_tensors file_;
  Tensor<f32, 4> keys_, values_;
};

}  // namespace hft::test
