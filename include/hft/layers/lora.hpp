// with_lora: the layer kind whose linear layers take low-rank adapters (Hu et al. 2021, arXiv 2106.09685):
//   y = x W^T + b + sum over active adapters of scaling * dropout(x) A^T B^T
//
//   LlamaForCausalLM<f32, autodiff<cpu>, with_lora>     // LoRA
//   LlamaForCausalLM<q4_0, autodiff<cpu>, with_lora>    // QLoRA: the quantised base is frozen by its type
//   LlamaForCausalLM<q4_0, cpu, with_lora>              // inference with adapters
//
// Without an adapter such a layer computes what a Linear does. hft/train/peft/peft_model.hpp adds, loads and switches
// adapters; a layer knows only its own.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/layers/context.hpp>
#include <hft/layers/linear.hpp>
#include <hft/ops/dropout.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

template <class B>
class LoraLinear;

/// The layer kind of adapters: Linear is a LoraLinear, and half-precision weights stay as they are in the file.
struct with_lora {
  static constexpr bool freezes = true;
  template <class B>
  using linear = LoraLinear<B>;

  /// Gives `to` adapters of the shapes, settings and state of those of `from`, whose values follow by their paths.
  template <class From, class To>
  static void copy_adapters(const From& from, To& to);
};

/// What an adapter is in one layer.
struct LoraLayerOptions {
  isize r = 8;               // its rank
  f64 scaling = 1;           // lora_alpha / r, or / sqrt(r)
  f64 dropout = 0;           // of the layer's input, in a training pass
  std::uint64_t stream = 0;  // of the dropout's random numbers; each layer has its own
};

/// A layer with adapters as PEFT's code sees it, whatever its dtypes.
class LoraLayer {
 public:
  virtual isize in_features() const = 0;
  virtual isize out_features() const = 0;
  /// Whether the checkpoint stores its weight as (in, out): GPT-2's Conv1D.
  virtual bool fan_in_fan_out() const { return false; }
  /// The weight of its base, (out, in) in f32, row-major.
  virtual void copy_base_weight(f32* to) const = 0;

  struct adapter {
    std::string name;
    LoraLayerOptions options;
    bool active = false;
  };
  std::span<const adapter> adapters() const { return adapters_; }
  bool has_adapter(const std::string& name) const { return find(name) < adapters_.size(); }

  /// Adds an adapter, inactive and all zeros, under a name that the layer does not have. Its parameters are
  /// lora_A.NAME.weight (r, in) and lora_B.NAME.weight (out, r).
  void add_adapter(const std::string& name, const LoraLayerOptions& options) {
    if (has_adapter(name)) throw value_error("LoraLayer", "adapter", "a new name", name);
    if (options.r < 1) throw value_error("LoraLayer", "r", "at least 1", detail::cat(options.r));
    make_factors(options.r);
    adapters_.push_back({name, options});
  }
  void delete_adapter(const std::string& name) {
    if (!has_adapter(name)) return;
    unmerge();
    drop_factors(find(name));
    adapters_.erase(adapters_.begin() + std::ptrdiff_t(find(name)));
  }
  /// Makes these the active ones, as far as the layer has them.
  void set_adapter(std::span<const std::string> names) {
    unmerge();
    for (adapter& a : adapters_) a.active = std::find(names.begin(), names.end(), a.name) != names.end();
  }
  /// While disabled, the layer is its base.
  void enable_adapters(bool enabled) {
    if (!enabled) unmerge();
    enabled_ = enabled;
  }
  bool enabled() const { return enabled_; }

  /// Adds the active adapters to the weight, of which a changed copy is made; a block format is quantised again.
  void merge() {
    if (merged_ || !adapted()) return;
    merge_weight();
    merged_ = true;
  }
  /// Puts the weight back that was there before, to the bit.
  void unmerge() {
    if (!merged_) return;
    restore_weight();
    merged_ = false;
  }
  bool merged() const { return merged_; }
  /// Forgets all adapters; a merged weight stays.
  void unload() {
    if (merged_) keep_merged_weight();
    merged_ = false;
    while (!adapters_.empty()) {
      drop_factors(adapters_.size() - 1);
      adapters_.pop_back();
    }
    enabled_ = true;
  }

  /// Whether any adapter takes part in the layer's result, merged or not.
  bool adapted() const {
    return enabled_ && std::any_of(adapters_.begin(), adapters_.end(), [](const adapter& a) { return a.active; });
  }

  /// Adapters of the same names, settings and state as another layer's, without their values.
  void copy_adapters(const LoraLayer& other) {
    for (const adapter& a : other.adapters_) {
      add_adapter(a.name, a.options);
      adapters_.back().active = a.active && !other.merged_;  // a merged weight is shared as it is
    }
    enabled_ = other.enabled_;
  }

 protected:
  LoraLayer() = default;
  LoraLayer(const LoraLayer&) = default;
  LoraLayer(LoraLayer&&) = default;
  LoraLayer& operator=(const LoraLayer&) = default;
  LoraLayer& operator=(LoraLayer&&) = default;
  ~LoraLayer() = default;

  virtual void make_factors(isize r) = 0;
  virtual void drop_factors(std::size_t i) = 0;
  virtual void merge_weight() = 0;
  virtual void restore_weight() = 0;
  virtual void keep_merged_weight() = 0;

  std::vector<adapter> adapters_;
  bool enabled_ = true, merged_ = false;

 private:
  std::size_t find(const std::string& name) const {
    std::size_t i = 0;
    while (i < adapters_.size() && adapters_[i].name != name) ++i;
    return i;
  }
};

/// A Linear with adapters. Checkpoint names: weight, bias; lora_A.NAME.weight, lora_B.NAME.weight.
template <class B>
class LoraLinear : public Linear<B>, public LoraLayer {
 public:
  using base_layer = Linear<B>;
  using factor = typename B::template parameter<typename B::activation, 2>;

  using Linear<B>::Linear;

  /// (..., in) => (..., out)
  template <class X>
  auto operator()(const X& x) const {
    return adapt(x, Linear<B>::operator()(x));
  }

  /// The result of the base layer, with what the active adapters add to it.
  ///   x (..., in), y (..., out) => (..., out)
  template <class X, class Y>
  Y adapt(const X& x, Y y) const {
    if (merged_ || !enabled_) return y;
    for (std::size_t i = 0; i < adapters_.size(); ++i)
      if (adapters_[i].active) {
        const auto low = linear(drop(x, adapters_[i].options), factors_[i].down);  // (..., r)
        y = add(y, linear(scale(low, adapters_[i].options.scaling), factors_[i].up));
      }
    return y;
  }

  isize in_features() const override { return this->weight.extent(1); }
  isize out_features() const override { return this->weight.extent(0); }

  void copy_base_weight(f32* to) const override {
    const auto& weight = this->merged_ ? original_ : value_of(this->weight);
    convert_rows(dtype_id::f32, to, weight.format(), bytes_of(weight), out_features(), in_features());
  }

  void visit(visitor& v) {
    Linear<B>::visit(v);
    visit_adapters(v);
  }
  void visit_adapters(visitor& v) {
    v.adaptable(*this);
    for (std::size_t i = 0; i < adapters_.size(); ++i) {
      v("lora_A." + adapters_[i].name + ".weight", factors_[i].down);
      v("lora_B." + adapters_[i].name + ".weight", factors_[i].up);
    }
  }

 private:
  using D = typename B::base;
  struct factor_pair {
    factor down, up;  // A (r, in), B (out, r)
  };

  template <class X>
  static X drop(const X& x, const LoraLayerOptions& o) {
    if constexpr (X::device::tracked) {
      const auto& pass = detail::current_pass();
      if (pass.training && o.dropout > 0)
        return dropout(x, Dropout{.p = o.dropout, .seed = pass.dropout_seed, .stream = o.stream});
    }
    return x;
  }

  // The tensor that holds a parameter's values, on a device that records or not.
  static auto& value_of(auto& tensor) {
    if constexpr (requires { tensor.history(); })
      return tensor.value();
    else
      return tensor;
  }

  void make_factors(isize r) override {
    using A = typename B::activation;
    factors_.push_back({factor::unallocated({r, in_features()}), factor::unallocated({out_features(), r})});
    static_assert(D::host_memory, "hft: adapters are made on the host");
    for (factor* f : {&factors_.back().down, &factors_.back().up}) {
      value_of(*f).allocate(dtype<A>::id);
      std::fill_n(value_of(*f).data(), f->size(), A(0));
    }
  }
  void drop_factors(std::size_t i) override { factors_.erase(factors_.begin() + std::ptrdiff_t(i)); }

  void merge_weight() override {
    auto& weight = value_of(this->weight);
    original_ = weight;
    auto merged = std::decay_t<decltype(weight)>::unallocated(weight.shape());
    merged.allocate(weight.format());
    const isize rows = out_features(), cols = in_features(), bytes = weight.bytes() / rows;
    parallel_for(rows, 8, [&](isize begin, isize end) {
      std::vector<f32> row(static_cast<std::size_t>(cols));
      for (isize o = begin; o < end; ++o) {
        convert_rows(dtype_id::f32, row.data(), weight.format(), bytes_of(weight) + o * bytes, 1, cols);
        for (std::size_t i = 0; i < adapters_.size(); ++i) {
          if (!adapters_[i].active) continue;
          const auto &a = value_of(factors_[i].down), &b = value_of(factors_[i].up);
          for (isize k = 0; k < adapters_[i].options.r; ++k) {
            const f32 share = f32(adapters_[i].options.scaling * f64(b.data()[o * b.stride(0) + k]));
            const auto* from = a.data() + k * a.stride(0);
            for (isize c = 0; c < cols; ++c) row[std::size_t(c)] += share * f32(from[c]);
          }
        }
        convert_rows(weight.format(), bytes_of(merged) + o * bytes, dtype_id::f32, row.data(), 1, cols);
      }
    });
    weight = std::move(merged);
  }
  void restore_weight() override { value_of(this->weight) = std::exchange(original_, {}); }
  void keep_merged_weight() override { original_ = {}; }

  static std::byte* bytes_of(const auto& tensor) { return reinterpret_cast<std::byte*>(tensor.data()); }

  std::vector<factor_pair> factors_;                                                         // beside adapters_
  std::decay_t<decltype(value_of(std::declval<decltype(Linear<B>::weight)&>()))> original_;  // while it is merged
};

namespace detail {

/// A linear layer that adapters are put on.
template <class L>
concept AdaptedLinear = requires(const L& l) {
  typename L::base_layer;
  l.adapted();
};

/// All layers of a module that take adapters, with their paths.
class lora_layers final : public visitor {
 public:
  template <class Module>
  static std::vector<std::pair<std::string, LoraLayer*>> of(Module& m) {
    lora_layers v;
    m.visit(v);
    return std::move(v.found_);
  }
  std::vector<std::pair<std::string, LoraLayer*>> take() { return std::move(found_); }

 private:
  void on_parameter(const std::string&, parameter&) override {}
  void on_adaptable(const std::string& path, LoraLayer& layer) override { found_.emplace_back(path, &layer); }
  std::vector<std::pair<std::string, LoraLayer*>> found_;
};

}  // namespace detail

template <class From, class To>
void with_lora::copy_adapters(const From& from, To& to) {
  // visit() shows layers for change; nothing of `from` is changed.
  const auto source = detail::lora_layers::of(const_cast<From&>(from));
  const auto target = detail::lora_layers::of(to);
  for (std::size_t i = 0; i < source.size() && i < target.size(); ++i)
    target[i].second->copy_adapters(*source[i].second);
}

}  // namespace hft
