// OffloadedCache: keys and values where there is more room than in the memory that computes.
//
//   OffloadedCache<> cache(model.cache_options(), "/var/tmp");
//   generate(model, prompt, config, {.past_key_values = &cache});
//
// On a host that is a file: a layer's pages are let go once another layer is computed, and the next layer's are asked
// for meanwhile, so that two layers are resident whatever the text's length; what the system keeps of the file beside
// that it gives up as others need memory. Of a device of its own memory it is the host: each pass copies a layer there
// and forgets the copy. Layers with a window or a state, which are small, stay where they are.
// (transformers.DynamicCache and StaticCache with offloading)
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <hft/generation/cache.hpp>
#include <hft/generation/cache_kinds.hpp>
#include <hft/io/json.hpp>
#include <hft/io/scratch_file.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// A layer in a file. Base: DynamicLayer or StaticLayer of a device whose memory is the host's.
template <class Base>
class FileLayer final : public Base {
 public:
  using typename Base::tensor;

  template <class... Options>
  explicit FileLayer(std::filesystem::path folder, Options... options) : Base(options...), folder_(std::move(folder)) {}

  /// Hints for the system: its pages are not needed for a while, or soon.
  void let_go() const { advise(MADV_DONTNEED); }
  void ask_for() const { advise(MADV_WILLNEED); }

 protected:
  tensor memory(const Shape<4>& shape) const override {
    const tensor like = tensor::unallocated(shape);
    const std::size_t bytes = std::size_t(like.bytes());
    const buffer mapped = scratch_file(bytes, folder_).map();
    return tensor::wrap(mapped, mapped.data(), shape);
  }

 private:
  void advise(int how) const {
    for (const auto* t : {&this->keys_, &this->values_}) {
      if (!*t || !t->memory().read_only()) continue;  // memory of a file that was read, or none
      const auto page = std::uintptr_t(::sysconf(_SC_PAGESIZE)), at = std::uintptr_t(t->memory().data());
      if (at % page == 0) ::madvise(t->memory().data(), t->memory().bytes(), how);
    }
  }

  std::filesystem::path folder_;
};

/// A layer of a device's cache on the host. HostBase: DynamicLayer or StaticLayer of the host.
template <class HostBase, Scalar A, BaseDevice D>
class HostLayer final : public CacheLayer<A, D> {
 public:
  using typename CacheLayer<A, D>::tensor;
  using typename CacheLayer<A, D>::view;

  template <class... Options>
  explicit HostLayer(Options... options) : host_(options...) {}

  view update(const tensor& keys, const tensor& values) override {
    const auto all = host_.update(to_host(keys), to_host(values));
    return {to_device<D>(all.keys), to_device<D>(all.values), all.first};
  }
  isize get_seq_length() const override { return host_.get_seq_length(); }
  isize get_max_cache_shape() const override { return host_.get_max_cache_shape(); }
  void reorder(std::span<const isize> rows) override { host_.reorder(rows); }
  void crop(isize length) override { host_.crop(length); }
  void check_crop(isize length) const override { host_.check_crop(length); }
  void reset() override { host_.reset(); }
  isize batch_size() const override { return host_.batch_size(); }

 private:
  HostBase host_;
};

template <Scalar A = f32, BaseDevice D = cpu>
class OffloadedCache : public LayeredCache<A, D> {
 public:
  using typename LayeredCache<A, D>::tensor;
  using typename LayeredCache<A, D>::view;
  using typename LayeredCache<A, D>::layer_pointer;

  /// `model`: what model.cache_options() says; with max_cache_len room for so many tokens, else it grows. `folder` is
  /// that of the files, which have no names and are gone with the cache; best one that is on a disk, which /tmp often
  /// is not. Throws value_error as LayeredCache does; update throws file_error where the folder has no space.
  explicit OffloadedCache(CacheOptions model = {},
                          std::filesystem::path folder = std::filesystem::temp_directory_path())
      : LayeredCache<A, D>(std::move(model), "OffloadedCache"), folder_(std::move(folder)) {}

  view update(isize layer, const tensor& keys, const tensor& values) override {
    if (last_ != layer) ask(last_, false);
    ask(layer + 1, true);
    last_ = layer;
    return LayeredCache<A, D>::update(layer, keys, values);
  }

 protected:
  layer_pointer make_layer(const std::string& type) const override {
    if (type != "full_attention") return LayeredCache<A, D>::make_layer(type);
    const isize room = this->options().max_cache_len;
    if constexpr (D::host_memory) {
      if (room) return std::make_unique<FileLayer<StaticLayer<A, D>>>(folder_, room);
      return std::make_unique<FileLayer<DynamicLayer<A, D>>>(folder_);
    } else {
      if (room) return std::make_unique<HostLayer<StaticLayer<A, cpu>, A, D>>(room);
      return std::make_unique<HostLayer<DynamicLayer<A, cpu>, A, D>>();
    }
  }

 private:
  void ask([[maybe_unused]] isize i, [[maybe_unused]] bool needed) {
    if constexpr (D::host_memory) {
      if (i < 0 || i >= isize(this->layers().size())) return;
      const auto tell = [&](const auto* layer) {
        if (layer) needed ? layer->ask_for() : layer->let_go();
      };
      tell(dynamic_cast<const FileLayer<DynamicLayer<A, D>>*>(this->layers()[std::size_t(i)].get()));
      tell(dynamic_cast<const FileLayer<StaticLayer<A, D>>*>(this->layers()[std::size_t(i)].get()));
    }
  }

  std::filesystem::path folder_;
  isize last_ = -1;  // the layer of the last update
};

#if HFT_DEFINES(MODELS)

namespace detail {
inline const bool offloaded_caches = [] {
  cache_kinds<f32, cpu>::offloaded = [](CacheOptions model, const json& config) -> std::unique_ptr<Cache<f32>> {
    const auto folder =
        config.is_null() ? std::optional<std::string>() : get_optional<std::string>(config, "folder", "cache_config");
    if (!folder) return std::make_unique<OffloadedCache<f32>>(std::move(model));
    return std::make_unique<OffloadedCache<f32>>(std::move(model), *folder);
  };
  return true;
}();
}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
