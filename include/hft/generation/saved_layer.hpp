// What a file keeps of one layer of a cache. saved_cache.hpp knows the layers of cache_layer.hpp; a kind in a header of
// its own says for itself what it consists of.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/tensor.hpp>

namespace hft {

struct SavedLayer {
  std::string kind;                // keys_and_values, recurrent, or that of a SaveableLayer; empty: nothing is held
  isize first = 0;                 // the position of the first token that is held
  isize tokens = 0;                // those that went into it
  json settings = json::object();  // of a SaveableLayer
  std::vector<stored_tensor> tensors = {};

  /// The tensor of that name. Throws format_error where there is none, or of another rank.
  const stored_tensor& tensor(std::string_view name, std::size_t rank, const std::string& where) const;
};

/// A layer of a kind of its own.
class SaveableLayer {
 public:
  virtual ~SaveableLayer() = default;
  virtual SavedLayer saved() const = 0;
  /// Takes what was saved into an empty layer. Throws value_error where it was saved by one with other settings,
  /// format_error where it contradicts itself; `where` names the file and the layer.
  virtual void restore(const SavedLayer& from, const std::string& where) = 0;
};

namespace detail {

/// A tensor as a file takes it, its values on the host.
template <Scalar T, std::size_t R, BaseDevice D>
stored_tensor stored(std::string name, const Tensor<T, R, D>& t) {
  const auto dense = std::make_shared<Tensor<T, R>>(to_host(t).dense());
  return {.name = std::move(name),
          .dtype = dtype<T>::id,
          .shape = {dense->shape().begin(), dense->shape().end()},
          .bytes = {reinterpret_cast<const std::byte*>(dense->data()), std::size_t(dense->bytes())},
          .owner = dense};
}

/// A file's tensor, in place where it lies as T does. Throws value_error where its dtype is another.
template <Scalar T, std::size_t R, BaseDevice D = cpu>
Tensor<T, R, D> loaded(const stored_tensor& t, const std::string& where) {
  if (t.dtype != dtype<T>::id)
    throw value_error(where, joined("dtype of ", t.name), joined(info(dtype<T>::id).name, ", as the cache has"),
                      std::string(info(t.dtype).name));
  Shape<R> shape;
  std::copy(t.shape.begin(), t.shape.end(), shape.begin());
  const auto whole = [&] {
    if (reinterpret_cast<std::uintptr_t>(t.bytes.data()) % alignof(T) == 0)
      return Tensor<T, R>::wrap(buffer::share(t.owner, t.bytes.data(), t.bytes.size(), t.mapped), t.bytes.data(),
                                shape);
    const Tensor<T, R> copy(shape);
    std::memcpy(copy.data(), t.bytes.data(), t.bytes.size());
    return copy;
  };
  return to_device<D>(whole());
}

}  // namespace detail

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE const stored_tensor& SavedLayer::tensor(std::string_view name, std::size_t rank,
                                                        const std::string& where) const {
  for (const auto& t : tensors)
    if (t.name == name) {
      if (t.shape.size() != rank)
        throw format_error(where, detail::cat("tensor ", name), detail::joined(rank, " dimensions"),
                           detail::joined(t.shape.size()));
      return t;
    }
  throw format_error(where, "tensor", std::string(name), "none of that name");
}

#endif  // HFT_DEFINES

}  // namespace hft
