// autodiff<D>: a device that records. Tensor<T, R, autodiff<D>> is a tensor on D and a node of the graph; each op has
// an overload for it (ops/autodiff/) that computes on D and records how its gradient flows back.
//
//   auto y = model(ids, {.labels = labels});     // LlamaForCausalLM<f32, autodiff<cpu>>
//   backward(y.loss);                            // parameters hold their gradients: parameter::grad()
//
// An op without such an overload takes base devices only, so it does not compile for training; detach(x) and value(x)
// are the ways out. Programs that train include hft/train/autodiff.hpp, which brings all overloads; programs that do
// not include none of this, and pay nothing.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include <hft/autocast.hpp>
#include <hft/module.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Decorates a base device: ops on its tensors are recorded, and backward() computes gradients.
template <BaseDevice D>
struct autodiff {
  using base = D;
  static constexpr bool tracked = true;
  static constexpr bool host_memory = D::host_memory;
  template <class W>
  using activation = typename D::template activation<W>;
};

// ---- grad mode

namespace detail {
inline bool& grad_mode() {
  static thread_local bool enabled = true;
  return enabled;
}
class grad_mode_guard {
 public:
  grad_mode_guard(const grad_mode_guard&) = delete;
  grad_mode_guard& operator=(const grad_mode_guard&) = delete;

 protected:
  explicit grad_mode_guard(bool enabled) : before_(std::exchange(grad_mode(), enabled)) {}
  ~grad_mode_guard() { grad_mode() = before_; }

 private:
  bool before_;
};
}  // namespace detail

/// Whether ops of this thread are recorded.
inline bool grad_enabled() { return detail::grad_mode(); }

/// While it lives, ops of this thread are not recorded. (torch.no_grad)
struct no_grad : detail::grad_mode_guard {
  no_grad() : grad_mode_guard(false) {}
};
/// While it lives, ops of this thread are recorded again. (torch.enable_grad)
struct enable_grad : detail::grad_mode_guard {
  enable_grad() : grad_mode_guard(true) {}
};

namespace detail {
inline bool& anomaly_mode() {
  static thread_local bool enabled = false;
  return enabled;
}

/// Throws value_error, naming the op, for a NaN or an infinity in x while anomalies are looked for.
template <class T, std::size_t R, BaseDevice D>
void check_finite(const char* op, const char* what, const Tensor<T, R, D>& x) {
  if constexpr (std::is_floating_point_v<T> && D::host_memory) {
    if (!anomaly_mode()) return;
    const auto dense = x.dense();
    for (isize i = 0; i < dense.size(); ++i)
      if (!(dense.data()[i] - dense.data()[i] == 0))  // NaN for both
        throw value_error(op, joined(what, " ", shape_text(x.shape()), " at element ", i), "a finite value",
                          joined(dense.data()[i]));
  }
}
}  // namespace detail

/// While it lives, an op of this thread whose result, or the gradient of it, is not finite throws value_error that
/// names the op. Slow. (torch.autograd.detect_anomaly)
class detect_anomaly {
 public:
  detect_anomaly() : before_(std::exchange(detail::anomaly_mode(), true)) {}
  detect_anomaly(const detect_anomaly&) = delete;
  detect_anomaly& operator=(const detect_anomaly&) = delete;
  ~detect_anomaly() { detail::anomaly_mode() = before_; }

 private:
  bool before_;
};

// ---- the graph

namespace detail {

/// The dtype of a gradient: a tensor in half precision has one in f32.
template <class T, class D>
using gradient_dtype = typename D::template activation<T>;

class graph_node : public std::enable_shared_from_this<graph_node> {
 public:
  virtual ~graph_node() {
    // A chain of nodes is released in a loop: by recursion a long one would overflow the stack.
    while (!inputs.empty()) {
      const auto last = std::move(inputs.back());
      inputs.pop_back();
      if (last.use_count() == 1) {
        inputs.insert(inputs.end(), last->inputs.begin(), last->inputs.end());
        last->inputs.clear();
      }
    }
  }

  /// Sends this node's gradient to its inputs and forgets both it and what was saved for it.
  virtual void propagate() = 0;

  bool leaf() const { return leaf_; }

  std::vector<std::shared_ptr<graph_node>> inputs;
  const std::uint64_t order = next_order();  // inputs have smaller ones
  bool requires_grad = true;

 protected:
  explicit graph_node(bool leaf) : leaf_(leaf) {}

 private:
  static std::uint64_t next_order() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
  }
  bool leaf_;
};

/// A node whose gradient has elements T. Gradients are dense and flat: views of one tensor share one node's memory.
template <Scalar T, BaseDevice D>
class gradient_node final : public graph_node {
 public:
  using gradient = Tensor<T, 1, D>;
  using function = std::function<void(const gradient&)>;

  explicit gradient_node(isize size) : graph_node(true), size_(size) {}
  gradient_node(isize size, function f) : graph_node(false), size_(size), backward_(std::move(f)) {}

  /// The gradient so far; empty before the first.
  const gradient& grad() const { return grad_; }
  isize size() const { return size_; }
  void zero() { grad_ = {}; }

  /// Adds a whole gradient, in place where its memory is this node's alone.
  void accumulate(const gradient& g) {
    if (!grad_) {
      grad_ = g;
    } else if (grad_.memory().unique()) {
      add_flat(grad_, grad_, g);
    } else {
      gradient sum({size_});
      add_flat(sum, grad_, g);
      grad_ = std::move(sum);
    }
  }

  /// Lets f(gradient of that shape, bool add) write the gradient, or add to the one that is there.
  template <std::size_t R, class F>
  void accumulate_by(const Shape<R>& shape, F&& f) {
    const bool add = bool(grad_);
    if (!add)
      grad_ = gradient({size_});
    else if (!grad_.memory().unique())
      grad_ = grad_.clone();
    f(grad_.template reshape<R>(shape), add);
  }

  void propagate() override {
    if (!backward_)
      throw value_error("backward", "a graph that was already walked", "one backward for each forward pass");
    const gradient g = std::exchange(grad_, {});
    const function f = std::exchange(backward_, nullptr);
    if (g) f(g);
  }

 private:
  // In rows, which kernels split over threads.
  static void add_flat(const gradient& y, const gradient& a, const gradient& b) {
    constexpr isize row = 4096;
    const isize n = y.size(), rows = n / row, rest = n % row;
    const auto part = [](const gradient& g, isize from, isize rows, isize cols) {
      return matrix<T>{g.data() + from, rows, cols, cols};
    };
    const auto sum = [&](isize from, isize rows, isize cols) {
      add_kernel(D{}, part(y, from, rows, cols), matrix<const T>(part(a, from, rows, cols)),
                 matrix<const T>(part(b, from, rows, cols)));
    };
    if (rows) sum(0, rows, row);
    if (rest) sum(rows * row, 1, rest);
  }

  isize size_;
  gradient grad_;
  function backward_;
};

}  // namespace detail

/// A tensor on D whose history is recorded. A copy shares memory and node.
template <class T, std::size_t Rank, BaseDevice D>
class Tensor<T, Rank, autodiff<D>> {
 public:
  using dtype_t = T;
  using device = autodiff<D>;
  using inner = Tensor<T, Rank, D>;
  using node = detail::gradient_node<detail::gradient_dtype<T, D>, D>;
  using gradient = Tensor<detail::gradient_dtype<T, D>, Rank, D>;
  static constexpr std::size_t rank = Rank;

  Tensor() = default;
  /// A constant.
  Tensor(inner value) : value_(std::move(value)) {}
  /// What an op recorded.
  Tensor(inner value, std::shared_ptr<node> n) : value_(std::move(value)), node_(std::move(n)) {}

  /// A parameter's shape without memory; it requires a gradient.
  static Tensor unallocated(const Shape<Rank>& shape) {
    return {inner::unallocated(shape), std::make_shared<node>(hft::count(shape))};
  }
  /// A leaf that requires a gradient, over this memory.
  static Tensor leaf(inner value) {
    const isize n = value.size();
    return {std::move(value), std::make_shared<node>(n)};
  }

  const inner& value() const { return value_; }
  inner& value() { return value_; }
  const Shape<Rank>& shape() const { return value_.shape(); }
  isize extent(std::size_t dim) const { return value_.extent(dim); }
  isize size() const { return value_.size(); }
  explicit operator bool() const { return bool(value_); }

  bool requires_grad() const { return node_ && node_->requires_grad; }
  /// Freezes or unfreezes a leaf and all that shares it. Throws value_error for what an op computed.
  void requires_grad(bool wanted) {
    if (node_ && !node_->leaf())
      throw value_error("requires_grad", "", "a leaf", "the result of an op; detach it first");
    if (!node_ && wanted) node_ = std::make_shared<node>(size());
    if (node_) node_->requires_grad = wanted;
  }
  /// The gradient that backward left at a leaf; empty where none flowed.
  gradient grad() const { return node_ && node_->grad() ? node_->grad().template reshape<Rank>(shape()) : gradient(); }
  void zero_grad() {
    if (node_) node_->zero();
  }
  const std::shared_ptr<node>& history() const { return node_; }

  template <std::size_t Rank2>
  Tensor<T, Rank2, device> reshape(const Shape<Rank2>& shape) const;
  Tensor slice(std::size_t dim, isize begin, isize end) const;
  Tensor permute(const std::array<std::size_t, Rank>& order) const;
  Tensor dense() const;

 private:
  inner value_;
  std::shared_ptr<node> node_;
};

namespace detail {
template <class X>
inline constexpr bool is_tracked = false;
template <class T, std::size_t R, BaseDevice D>
inline constexpr bool is_tracked<Tensor<T, R, autodiff<D>>> = true;
}  // namespace detail

/// Some argument of an op is recorded; the others may be plain tensors, which are constants.
template <class... X>
concept AnyTracked = (detail::is_tracked<std::remove_cvref_t<X>> || ...);

/// The tensor itself, without its history.
template <class X>
const auto& value(const X& x) {
  if constexpr (AnyTracked<X>)
    return x.value();
  else
    return x;
}

/// The same values as a constant: no gradient flows to what computed them. (torch.Tensor.detach)
template <class T, std::size_t R, BaseDevice D>
Tensor<T, R, autodiff<D>> detach(const Tensor<T, R, autodiff<D>>& x) {
  return x.value();
}

namespace detail {

/// The node that a gradient of x flows to, or null. What ops capture.
template <class T, std::size_t R, BaseDevice D>
auto edge(const Tensor<T, R, autodiff<D>>& x) {
  return grad_enabled() && x.requires_grad() ? x.history() : nullptr;
}
template <class T, std::size_t R, BaseDevice D>
std::shared_ptr<gradient_node<gradient_dtype<T, D>, D>> edge(const Tensor<T, R, D>&) {
  return nullptr;
}

/// The result of an op: y, and, where one of the edges leads anywhere, a node that calls f(dy) with dy dense and of y's
/// shape.
template <class T, std::size_t R, BaseDevice D, class F, class... Edges>
Tensor<T, R, autodiff<D>> record(const char* op, Tensor<T, R, D> y, F f, const Edges&... edges) {
  check_finite(op, "result", y);
  if (!(bool(edges) || ...)) return y;
  using G = gradient_dtype<T, D>;
  auto n = std::make_shared<gradient_node<G, D>>(y.size(),
                                                 [op, f = std::move(f), shape = y.shape()](const Tensor<G, 1, D>& dy) {
                                                   check_finite(op, "gradient", dy);
                                                   f(dy.template reshape<R>(shape));
                                                 });
  n->inputs.reserve(sizeof...(Edges));
  ((edges ? n->inputs.push_back(edges) : void()), ...);
  return {std::move(y), std::move(n)};
}

template <class T, std::size_t R, BaseDevice D>
Tensor<T, 1, D> flat(const Tensor<T, R, D>& g) {
  return g.dense().template reshape<1>({g.size()});
}

/// Sends g to an edge, if there is one.
template <class Edge, class T, std::size_t R, BaseDevice D>
void send(const Edge& edge, const Tensor<T, R, D>& g) {
  if (edge) edge->accumulate(flat(g));
}

/// to += from, through whatever strides `to` has.
template <class T, std::size_t R, BaseDevice D>
void add_to_view(const Tensor<T, R, D>& to, const Tensor<T, R, D>& from) {
  if constexpr (R > 2) {
    for (isize i = 0; i < to.extent(0); ++i) add_to_view(to[i], from[i]);
  } else {
    add_kernel(D{}, to.rows(), matrix<const T>(to.rows()), matrix<const T>(from.rows()));
  }
}

/// Adds to a part of a node's gradient: view(whole) shows which.
template <class Edge, std::size_t R, class G, class View>
void send_to_part(const Edge& edge, const Shape<R>& whole, const G& g, View view) {
  edge->accumulate_by(whole, [&](const auto& total, bool add) {
    if (!add) std::memset(total.data(), 0, std::size_t(total.bytes()));
    add_to_view(view(total), g);
  });
}

}  // namespace detail

// ---- views

template <class T, std::size_t Rank, BaseDevice D>
template <std::size_t Rank2>
Tensor<T, Rank2, autodiff<D>> Tensor<T, Rank, autodiff<D>>::reshape(const Shape<Rank2>& shape) const {
  const auto e = detail::edge(*this);
  return detail::record(
      "reshape", value_.template reshape<Rank2>(shape), [e](const auto& dy) { detail::send(e, dy); }, e);
}

template <class T, std::size_t Rank, BaseDevice D>
Tensor<T, Rank, autodiff<D>> Tensor<T, Rank, autodiff<D>>::slice(std::size_t dim, isize begin, isize end) const {
  const auto e = detail::edge(*this);
  return detail::record(
      "slice", value_.slice(dim, begin, end),
      [e, whole = shape(), dim, begin, end](const auto& dy) {
        static_assert(D::host_memory, "hft: the gradient of a slice is cleared through the host");
        detail::send_to_part(e, whole, dy, [&](const auto& g) { return g.slice(dim, begin, end); });
      },
      e);
}

template <class T, std::size_t Rank, BaseDevice D>
Tensor<T, Rank, autodiff<D>> Tensor<T, Rank, autodiff<D>>::permute(const std::array<std::size_t, Rank>& order) const {
  const auto e = detail::edge(*this);
  return detail::record(
      "permute", value_.permute(order),
      [e, order](const auto& dy) {
        std::array<std::size_t, Rank> inverse{};
        for (std::size_t d = 0; d < Rank; ++d) inverse[order[d]] = d;
        detail::send(e, dy.permute(inverse));
      },
      e);
}

template <class T, std::size_t Rank, BaseDevice D>
Tensor<T, Rank, autodiff<D>> Tensor<T, Rank, autodiff<D>>::dense() const {
  if (value_.contiguous()) return *this;
  const auto e = detail::edge(*this);
  return detail::record(
      "dense", value_.dense(), [e](const auto& dy) { detail::send(e, dy); }, e);
}

// ---- backward

/// Of what no op has recorded there is none.
template <class Y, class... Seed>
requires(!detail::is_tracked<Y>) void backward(const Y&, const Seed&...) {
  static_assert(sizeof(Y) == 0,
                "hft: backward() takes a tensor that ops on autodiff<D> made: the loss of a "
                "LlamaForCausalLM<f32, autodiff<cpu>>");
}

/// Computes the gradient of y with respect to every leaf that it came from, newest op first, and adds it to what the
/// leaves hold. What ops saved is freed on the way, so a graph is walked once. `seed` is the gradient of y; without
/// one, ones. Throws value_error for a y that no leaf leads to, or a graph that was walked before.
template <class T, std::size_t R, BaseDevice D>
void backward(const Tensor<T, R, autodiff<D>>& y,
              const std::type_identity_t<Tensor<detail::gradient_dtype<T, D>, R, D>>& seed = {}) {
  if (!y.requires_grad())
    throw value_error("backward", "", "the result of recorded ops on leaves that require a gradient", "a constant");
  if (seed && seed.shape() != y.shape())
    throw shape_error("backward", "seed", detail::shape_text(y.shape()), detail::shape_text(seed.shape()));
  using G = detail::gradient_dtype<T, D>;
  y.history()->accumulate(detail::flat(seed ? seed : Tensor<G, R, D>::filled(y.shape(), G(1))));

  struct newest_first {
    bool operator()(const std::shared_ptr<detail::graph_node>& a, const std::shared_ptr<detail::graph_node>& b) const {
      return a->order < b->order;
    }
  };
  std::priority_queue<std::shared_ptr<detail::graph_node>, std::vector<std::shared_ptr<detail::graph_node>>,
                      newest_first>
      waiting;
  if (!y.history()->leaf()) waiting.push(y.history());
  std::uint64_t last = 0;
  while (!waiting.empty()) {
    const auto n = waiting.top();
    waiting.pop();
    if (std::exchange(last, n->order) == n->order) continue;  // it was reached along several edges
    n->propagate();
    for (auto& input : std::exchange(n->inputs, {}))
      if (!input->leaf()) waiting.push(std::move(input));
  }
}

// ---- gradient checkpointing

/// f(x, others...) without what its ops save: the graph of f is built again from its arguments when its gradient is
/// needed (Chen et al. 2016, arXiv 1604.06174). f must compute the same both times; it is copied, and so is what it
/// captures by value. What it captures must be parameters or constants: gradients flow to them and to the arguments.
template <class F, class X, class... Others>
requires(X::device::tracked) auto gradient_checkpoint(F f, const X& x, const Others&... others) {
  if (!grad_enabled()) return f(x, others...);
  typename std::invoke_result_t<F&, const X&, const Others&...>::inner y;
  {
    no_grad guard;
    F once = f;
    y = once(x, others...).value();
  }
  const auto edges = std::make_tuple(detail::edge(x), detail::edge(others)...);
  return std::apply(
      [&](const auto&... e) {
        // The parameters inside f are unknown before it runs again; an edge to a leaf of its own makes the graph reach
        // it.
        auto inside = (e || ...) ? nullptr : std::make_shared<typename X::node>(0);
        return detail::record(
            "gradient_checkpoint", std::move(y),
            [f, edges, values = std::make_tuple(x.value(), others.value()...),
             precision = autocast_dtype()](const auto& dy) {
              enable_grad guard;
              autocast as_before(precision);
              const auto again = [](const auto& edge, const auto& value) {
                using Again = Tensor<typename std::decay_t<decltype(value)>::dtype_t,
                                     std::decay_t<decltype(value)>::rank, typename X::device>;
                return edge ? Again::leaf(value) : Again(value);
              };
              constexpr auto count = std::make_index_sequence<1 + sizeof...(Others)>();
              const auto arguments = [&]<std::size_t... I>(std::index_sequence<I...>) {
                return std::make_tuple(again(std::get<I>(edges), std::get<I>(values))...);
              }
              (count);
              F twice = f;
              const auto result = std::apply(twice, arguments);
              if (!result.requires_grad()) return;
              backward(result, dy);
              const auto give = [](const auto& edge, const auto& argument) {
                if (edge && argument.grad()) detail::send(edge, argument.grad());
              };
              [&]<std::size_t... I>(std::index_sequence<I...>) {
                (give(std::get<I>(edges), std::get<I>(arguments)), ...);
              }
              (count);
            },
            e..., inside);
      },
      edges);
}

// ---- parameters

namespace detail {

/// A trainable tensor of a module as visitors see it. One of any_q is trainable where it holds f32, and a constant
/// where it holds another format.
template <class T, std::size_t Rank, BaseDevice D>
class trainable_parameter final : public parameter {
 public:
  using tensor = Tensor<T, Rank, autodiff<D>>;

  trainable_parameter(tensor& t, bool transposed)
      : parameter({t.shape().begin(), t.shape().end()}, transposed), tensor_(t) {}

  std::optional<dtype_id> required_format() const override {
    if constexpr (dtype<T>::any)
      return {};
    else
      return dtype<T>::id;
  }
  dtype_id format() const override { return tensor_.value().format(); }
  void* data() const override { return tensor_.value().data(); }
  const buffer& memory() const override { return tensor_.value().memory(); }
  isize bytes() const override { return tensor_.value().bytes(); }
  bool host_memory() const override { return D::host_memory; }
  /// Copies what is trained: it must not lie in a file. Of any_q most are constants, and the pages of those that are
  /// not are this process's own once they are written.
  void bind(buffer owner, const void* data, dtype_id format) override {
    if constexpr (dtype<T>::any) {
      tensor_.value() = Tensor<T, Rank, D>::wrap(std::move(owner), data, tensor_.shape(), format);
      if (!may_train()) set_trainable(false);
    } else {
      allocate(format);
      copy_from_host(data, std::size_t(bytes()));
    }
  }
  void allocate(dtype_id format) override {
    tensor_.value().allocate(format);
    if (!may_train()) set_trainable(false);
  }
  void convert_rows(dtype_id to, void* out, dtype_id from, const void* in, isize rows) const override {
    convert_rows_to<T>(to, out, from, in, rows, cols());
  }
  void copy_from_host(const void* from, std::size_t n) override { D::copy_from_host(data(), from, n); }
  void copy_to_host(void* to, std::size_t n) const override { D::copy_to_host(to, data(), n); }

  bool trainable() const override { return tensor_.requires_grad(); }
  void set_trainable(bool wanted) override {
    if (wanted && !may_train())
      throw unsupported_error("parameter", "training", "a weight in f32", std::string(name(format())));
    tensor_.requires_grad(wanted);
    if (!wanted) tensor_.zero_grad();
  }
  const void* identity() const override { return tensor_.history().get(); }
  bool has_grad() const override { return tensor_.history() && tensor_.history()->grad(); }
  /// Memory of its own, so that a clipper or an optimizer may write to it.
  void* grad() override {
    if (!has_grad()) return nullptr;
    if (!tensor_.history()->grad().memory().unique())
      tensor_.history()->accumulate_by(tensor_.shape(), [](const auto&, bool) {});
    return tensor_.history()->grad().data();
  }
  dtype_id grad_format() const override { return dtype<gradient_dtype<T, D>>::id; }
  void zero_grad() override { tensor_.zero_grad(); }

 private:
  bool may_train() const { return !dtype<T>::any || format() == dtype_id::f32; }

  tensor& tensor_;
};

}  // namespace detail

/// How a visitor meets a tensor of this device.
template <class T, std::size_t Rank, BaseDevice D>
detail::trainable_parameter<T, Rank, D> as_parameter(Tensor<T, Rank, autodiff<D>>& tensor, bool transposed) {
  return {tensor, transposed};
}

}  // namespace hft
