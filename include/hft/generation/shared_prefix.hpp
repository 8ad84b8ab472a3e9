// SharedPrefix: one prompt, computed once and in memory once, gone on with many times at once.
//
//   DynamicCache<> cache(model.cache_options());
//   model(prompt, {.past_key_values = &cache});
//   const SharedPrefix<> prefix(cache);
//   auto many = prefix.continuations(16);           // a cache of 16 rows
//   generate(model, ids, config, {.past_key_values = &many});  // ids (16,T), each row begins with the prompt
//
// The rows are mappings of the same pages, which the system copies where a row is written to: behind the prompt. So no
// kernel knows of it, and a row costs the pages of its own tokens. What makes rows others (reorder: beams) copies them.
#pragma once
#include <cstddef>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include <hft/generation/cache.hpp>
#include <hft/io/scratch_file.hpp>

namespace hft {

template <Scalar A = f32, BaseDevice D = cpu>
class SharedPrefix {
 public:
  using tensor = Tensor<A, 4, D>;

  /// Of a cache of one row. `room`: so many more tokens each row takes in before it is copied as a whole. Throws
  /// value_error for several rows or none, unsupported_error for layers whose tokens are not as they were computed
  /// (quantised), file_error where there is no memory.
  explicit SharedPrefix(const LayeredCache<A, D>& cache, isize room = 256) : options_(cache.options()) {
    static_assert(D::host_memory, "hft: SharedPrefix shares pages of the host's memory");
    if (cache.batch_size() != 1)
      throw value_error("SharedPrefix", "batch size", "one row", detail::joined(cache.batch_size()));
    if (room < 1) throw value_error("SharedPrefix", "room", "at least 1", detail::joined(room));
    options_.model = cache.model();
    options_.max_cache_len = 0;
    length_ = cache.get_seq_length();
    for (const auto& layer : cache.layers()) {
      part p;
      const auto* kv = dynamic_cast<const detail::kv_layer<A, D>*>(layer.get());
      if (auto* recurrent = dynamic_cast<RecurrentLayer<A, D>*>(layer.get())) {
        for (const auto& [name, t] : recurrent->state().tensors) p.state.tensors.emplace_back(name, t ? t.clone() : t);
        p.state.tokens = recurrent->get_seq_length();
        p.recurrent = true;
      } else if (!kv || kv->get_seq_length() != length_ ||
                 (kv->first() && !dynamic_cast<const SlidingWindowLayer<A, D>*>(layer.get()))) {
        throw unsupported_error("SharedPrefix", "a layer", "keys and values as they were computed", "others");
      } else {
        const auto held = kv->held();
        p.first = kv->first(), p.tokens = held.first.extent(2);
        p.keys = shared(held.first, room), p.values = shared(held.second, room);
      }
      parts_.push_back(std::move(p));
    }
    for (const auto& c : cache.crosses()) crosses_.push_back(c);
  }

  isize get_seq_length() const { return length_; }

  /// A cache of n rows, each of which holds the prefix.
  LayeredCache<A, D> continuations(isize n) const {
    if (n < 1) throw value_error("SharedPrefix", "continuations", "at least 1", detail::joined(n));
    LayeredCache<A, D> cache(options_);
    const std::vector<isize> first_row(std::size_t(n), 0);
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const part& p = parts_[i];
      if (p.recurrent) {
        auto& state = cache.state(isize(i));
        for (const auto& [name, t] : p.state.tensors)
          state.tensors.emplace_back(name, n == 1 && t ? t.clone() : detail::reordered(t, first_row));
        state.tokens = p.state.tokens;
      } else {
        dynamic_cast<detail::kv_layer<A, D>&>(cache.at(isize(i)))
            .hold(p.keys.rows(n), p.values.rows(n), p.first, p.tokens);
      }
    }
    for (std::size_t i = 0; i < crosses_.size(); ++i)
      if (const auto& c = crosses_[i]; c.keys)
        cache.cross(isize(i)) = {c.keys.repeated(0, n), c.values.repeated(0, n), c.first};
    return cache;
  }

 private:
  // Keys or values of one layer, (Hk,room,D) in a file.
  struct shared_tensor {
    std::shared_ptr<const scratch_file> file;
    Shape<4> shape{};

    tensor rows(isize n) const {
      const buffer memory = file->map_copies(std::size_t(n));
      return tensor::wrap(memory, memory.data(), {n, shape[1], shape[2], shape[3]});
    }
  };
  struct part {
    bool recurrent = false;
    recurrent_state<A, D> state;
    shared_tensor keys, values;
    isize first = 0, tokens = 0;
  };

  // x (1,Hk,S,D) with room for more, a row of it whole pages.
  static shared_tensor shared(const tensor& x, isize room) {
    const isize page = isize(scratch_file::page());
    const isize token = x.extent(1) * x.extent(3) * isize(sizeof(typename tensor::storage));
    const isize step = page / std::gcd(page, token);  // tokens of whole pages
    const isize tokens = (x.extent(2) + room + step - 1) / step * step;
    shared_tensor made{std::make_shared<scratch_file>(std::size_t(token * tokens)),
                       {1, x.extent(1), tokens, x.extent(3)}};
    const buffer memory = made.file->map();
    const auto all = tensor::wrap(memory, memory.data(), made.shape);
    copy_into(all.slice(2, 0, x.extent(2)), x);
    return made;
  }

  CacheOptions options_;
  isize length_ = 0;
  std::vector<part> parts_;
  std::vector<kv_view<A, D>> crosses_;
};

}  // namespace hft
