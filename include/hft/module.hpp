// Modules: structs with named members, `operator()`, and
//
//   void visit(visitor& v) { v("q_proj", q_proj); v("k_proj", k_proj); }
//
// A member's name is its checkpoint name, or the model's name rules say what the checkpoint calls it: the path that a
// visitor sees spells the key in the file. There is one visitor type; loader, saver, counter, quantiser, optimizer are
// its subclasses, and see each tensor through the type-erased `parameter`.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/name_rules.hpp>
#include <hft/progress.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// A tensor of a module as visitors see it, whatever its type.
class parameter {
 public:
  virtual ~parameter() = default;

  /// Extents in the module, row-major. For `transposed()` ones the checkpoint stores them reversed.
  const std::vector<isize>& shape() const { return shape_; }
  bool transposed() const { return transposed_; }
  isize size() const { return count(shape_); }
  /// The elements of a row; a number without extents is a row of one.
  isize cols() const { return shape_.empty() ? 1 : shape_.back(); }

  /// The dtype that the module's type demands; nothing where it takes any format (any_q).
  virtual std::optional<dtype_id> required_format() const = 0;
  /// The dtype it holds now; for any_q before loading f32.
  virtual dtype_id format() const = 0;
  /// Whether it has memory, and where; the device's, not always the host's.
  virtual void* data() const = 0;
  virtual isize bytes() const = 0;
  /// What keeps data() alive.
  virtual const buffer& memory() const = 0;
  /// Whether the host may use data().
  virtual bool host_memory() const = 0;

  /// Uses the memory that `owner` keeps alive, row-major and of `format`, as it is: no copy.
  virtual void bind(buffer owner, const void* data, dtype_id format) = 0;
  /// New uninitialised memory of `format`.
  virtual void allocate(dtype_id format) = 0;
  /// Rows of another dtype as those of a format that it can hold.
  virtual void convert_rows(dtype_id to, void* out, dtype_id from, const void* in, isize rows) const = 0;
  virtual void copy_from_host(const void* from, std::size_t bytes) = 0;
  virtual void copy_to_host(void* to, std::size_t bytes) const = 0;

  // ---- training; on a device that records nothing, no parameter is trainable

  /// Whether a backward pass computes its gradient.
  virtual bool trainable() const { return false; }
  /// Freezes it, or makes it trainable; throws unsupported_error where its type is frozen, as block formats are.
  virtual void set_trainable(bool wanted) {
    if (wanted) throw unsupported_error("parameter", "training", "a floating dtype on a device that records");
  }
  /// Equal for the parameters of a tied pair, which share memory and gradient, and for nothing else that is trainable.
  virtual const void* identity() const { return data(); }
  /// Whether it has a gradient, and where: dense, of shape(), in grad_format(); null where it has none.
  virtual bool has_grad() const { return false; }
  virtual void* grad() { return nullptr; }
  virtual dtype_id grad_format() const { return dtype_id::f32; }
  virtual void zero_grad() {}

 protected:
  parameter(std::vector<isize> shape, bool transposed) : shape_(std::move(shape)), transposed_(transposed) {}

 private:
  std::vector<isize> shape_;
  bool transposed_;
};

namespace detail {

template <class T, std::size_t Rank, BaseDevice D>
class parameter_of final : public parameter {
 public:
  parameter_of(Tensor<T, Rank, D>& tensor, bool transposed)
      : parameter({tensor.shape().begin(), tensor.shape().end()}, transposed), tensor_(tensor) {}

  std::optional<dtype_id> required_format() const override {
    if constexpr (dtype<T>::any)
      return {};
    else
      return dtype<T>::id;
  }
  dtype_id format() const override { return tensor_.format(); }
  void* data() const override { return tensor_.data(); }
  isize bytes() const override { return tensor_.bytes(); }
  const buffer& memory() const override { return tensor_.memory(); }
  bool host_memory() const override { return D::host_memory; }
  void bind(buffer owner, const void* data, dtype_id format) override {
    tensor_ = Tensor<T, Rank, D>::wrap(std::move(owner), data, tensor_.shape(), format);
  }
  void allocate(dtype_id format) override { tensor_.allocate(format); }
  void convert_rows(dtype_id to, void* out, dtype_id from, const void* in, isize rows) const override {
    convert_rows_to<T>(to, out, from, in, rows, cols());
  }
  void copy_from_host(const void* from, std::size_t n) override { D::copy_from_host(tensor_.data(), from, n); }
  void copy_to_host(void* to, std::size_t n) const override { D::copy_to_host(to, tensor_.data(), n); }

 private:
  Tensor<T, Rank, D>& tensor_;
};

}  // namespace detail

class LoraLayer;

/// Walks a module's parameters in the order of its members.
class visitor {
 public:
  virtual ~visitor() = default;

  /// A member: a module, a vector of modules (named "0", "1", ...), an optional one, or a tensor.
  template <class Member>
  void operator()(std::string_view name, Member& member) {
    const auto keep = enter(name);
    walk(member);
    path_.resize(keep);
  }

  /// A matrix that checkpoints store the other way round.
  template <class T, class D>
  void transposed(std::string_view name, Tensor<T, 2, D>& weight) {
    transposed_ = true;
    (*this)(name, weight);
    transposed_ = false;
  }
  /// A module whose parameters a checkpoint has under other names; `names` outlives the call.
  template <class Module>
  void under(const checkpoint_names& names, Module& m) {
    const auto* outer = std::exchange(names_, &names);
    m.visit(*this);
    names_ = outer;
  }

  /// A linear layer whose parameters are another member's: only the adapters on it are its own.
  template <class Layer>
  void tied(std::string_view name, Layer& layer) {
    struct adapters_alone {
      Layer& layer;
      void visit(visitor& v) {
        v.when_loaded([&] { layer.prepare(); });
        layer.visit_adapters(v);
      }
    } alone{layer};
    (*this)(name, alone);
  }
  /// What a layer does once its parameters have their values; done by after_loading, and by no other visitor.
  template <class Work>
  void when_loaded(Work&& work) {
    if (loaded_) work();
  }
  /// A linear layer announces itself before its parameters, with whether it rounds what it sees.
  void linear(bool& rounds);
  /// A layer that takes adapters announces itself.
  void adaptable(LoraLayer& layer);

 protected:
  explicit visitor(bool loaded = false) : loaded_(loaded) {}

  virtual void on_parameter(const std::string& path, parameter& p) = 0;
  virtual void on_linear(const std::string&, bool&) {}
  virtual void on_adaptable(const std::string&, LoraLayer&) {}
  /// Whether checkpoints store the weight of the layer that announces itself as (in, out).
  bool weight_is_transposed() const;
  /// The path of what is being seen by its modules' own names, whatever checkpoints call it.
  const std::string& module_path() const { return path_; }

 private:
  template <class M>
  void walk(M& member) {
    if constexpr (requires { member.visit(*this); }) {
      member.visit(*this);
    } else if constexpr (requires { member.has_value(); }) {
      if (member) walk(*member);
    } else if constexpr (requires { member.begin(); }) {
      isize i = 0;
      for (auto& element : member) (*this)(detail::cat(i++), element);
    } else {
      leaf(member);
    }
  }

  template <class T, std::size_t Rank, BaseDevice D>
  void leaf(Tensor<T, Rank, D>& tensor) {
    const renamed seen = stored_name();
    detail::parameter_of<T, Rank, D> p(tensor, transposed_ || seen.stored == stored_as::transposed);
    on_parameter(seen.name, p);
  }
  // A decorated device's header brings as_parameter.
  template <class T, std::size_t Rank, Device D>
  requires(D::tracked) void leaf(Tensor<T, Rank, D>& tensor) {
    const renamed seen = stored_name();
    auto p = as_parameter(tensor, transposed_ || seen.stored == stored_as::transposed);
    on_parameter(seen.name, p);
  }

  // Appends a member's name to the path, and returns the length that the path had.
  std::size_t enter(std::string_view name);
  renamed stored_name() const;

  std::string path_;
  const checkpoint_names* names_ = nullptr;
  bool transposed_ = false, loaded_;
};

/// Lets the layers of a module do what waits for its parameters' values, and tells how far it is where `task` is given.
class after_loading final : public visitor {
 public:
  explicit after_loading(detail::progress* task = nullptr) : visitor(true), task_(task) {}

 private:
  // A layer does its work behind its parameters: those before this one are done.
  void on_parameter(const std::string&, parameter& p) override {
    if (task_ && begun_) task_->advance(begun_);
    begun_ = p.size();
  }

  detail::progress* task_;
  isize begun_ = 0;
};

/// A visitor made of a callable f(path, parameter&).
template <class F>
class visiting final : public visitor {
 public:
  explicit visiting(F f) : f_(std::move(f)) {}

 private:
  void on_parameter(const std::string& path, parameter& p) override { f_(path, p); }
  F f_;
};

/// Calls f(const std::string& path, parameter&) for each parameter of a module.
template <class Module, class F>
void for_each_parameter(Module& m, F f) {  // not `module`, which begins a line of its own in C++20
  visiting<F> v(std::move(f));
  m.visit(v);
}

/// The number of elements of all parameters.
template <class Module>
isize num_parameters(const Module& module) {
  isize n = 0;
  for_each_parameter(const_cast<Module&>(module), [&](const std::string&, parameter& p) { n += p.size(); });
  return n;
}

#if HFT_DEFINES(MODELS)

[[gnu::noinline]] HFT_INLINE std::size_t visitor::enter(std::string_view name) {
  const auto length = path_.size();
  if (length) path_ += '.';
  path_ += name;
  return length;
}

HFT_INLINE renamed visitor::stored_name() const { return names_ ? (*names_)(path_) : renamed{path_}; }

HFT_INLINE void visitor::linear(bool& rounds) { on_linear(stored_name().name, rounds); }

HFT_INLINE void visitor::adaptable(LoraLayer& layer) { on_adaptable(stored_name().name, layer); }

HFT_INLINE bool visitor::weight_is_transposed() const {
  return names_ && (*names_)(path_ + ".weight").stored == stored_as::transposed;
}

#endif  // HFT_DEFINES

}  // namespace hft
