// with_lora, and LoraLayer: a layer with adapters as PEFT's code sees it, whatever its dtypes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/module.hpp>

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
  bool dora = false;         // the columns of what comes out are rescaled to a trained magnitude (arXiv 2402.09353)
  bool bias = false;         // B has a bias, too; of an embedding never
  std::uint64_t stream = 0;  // of the dropout's random numbers; each layer has its own
};

namespace detail {
/// The tokens whose rows adapters replace, whatever their dtype (layers/token_rows.hpp).
struct TokenRows {
  struct set {
    std::string adapter;
    std::vector<i64> ids;
    isize cols;
  };
  virtual ~TokenRows() = default;
  virtual bool has(const std::string& adapter) const = 0;
  virtual void remove(const std::string& adapter) = 0;
  virtual bool empty() const = 0;
  virtual std::vector<set> sets() const = 0;
  virtual void copy_shapes(const TokenRows& other) = 0;  // another's sets, of zeros
};
}  // namespace detail

/// A layer with adapters as PEFT's code sees it, whatever its dtypes.
class LoraLayer {
 public:
  virtual isize in_features() const = 0;  // of an embedding: the rows of its table
  virtual isize out_features() const = 0;
  virtual bool is_embedding() const { return false; }
  /// Whether the checkpoint stores its weight as (in, out): GPT-2's Conv1D.
  bool fan_in_fan_out() const { return fan_in_fan_out_; }
  void set_fan_in_fan_out(bool stored_transposed) { fan_in_fan_out_ = stored_transposed; }
  virtual bool has_bias() const { return false; }
  /// The weight of its base in f32, row-major: (out, in), of an embedding (in, out).
  virtual void copy_base_weight(f32* to) const = 0;
  /// Puts another weight in the place of the base's, in a copy, until restore_base_weight(); not while it is merged.
  virtual void set_base_weight(const f32* from) = 0;
  /// The base's weight that was there before the first set_base_weight; not while it is merged.
  virtual void restore_base_weight() = 0;
  /// Where the weight lies: the same for tied ones.
  virtual const void* weight_data() const = 0;
  /// Sets an adapter's magnitude, if it has one, to the norms of the weight that it makes, as peft begins a DoRA.
  virtual void reset_magnitude(const std::string& name) = 0;

  struct adapter {
    std::string name;
    LoraLayerOptions options;
    bool active = false;
  };
  std::span<const adapter> adapters() const { return adapters_; }
  bool has_adapter(const std::string& name) const { return find(name) < adapters_.size(); }

  /// Adds an adapter, inactive and all zeros, under a name that the layer does not have. Its parameters are
  /// lora_A.NAME.weight (r, in) and lora_B.NAME.weight (out, r); of an embedding lora_embedding_A.NAME (r, in) and
  /// lora_embedding_B.NAME (out, r); and of a DoRA lora_magnitude_vector.NAME.weight (out), of a B with bias
  /// lora_B.NAME.bias (out), too.
  void add_adapter(const std::string& name, const LoraLayerOptions& options) {
    if (has_adapter(name)) throw value_error("LoraLayer", "adapter", "a new name", name);
    if (options.r < 1) throw value_error("LoraLayer", "r", "at least 1", detail::joined(options.r));
    make_factors(options);
    adapters_.push_back({name, options});
  }
  /// Lets an adapter replace the rows of these tokens, which begin as the weight has them. The parameter is
  /// token_adapter.trainable_tokens_delta.NAME (tokens, columns).
  virtual void add_tokens(const std::string& name, const std::vector<i64>& ids) = 0;
  /// Has the tokens of another layer, over a weight that is tied to that one's. They are the other's parameters.
  void share_tokens(const LoraLayer& other) {
    tokens_ = other.tokens_;
    owns_tokens_ = false;
  }
  bool shares_tokens(const LoraLayer& other) const { return !owns_tokens_ && tokens_ && tokens_ == other.tokens_; }
  bool has_tokens(const std::string& name) const { return tokens_ && tokens_->has(name); }
  bool owns_tokens() const { return owns_tokens_; }
  bool has_any_tokens() const { return tokens_ && !tokens_->empty(); }

  void delete_adapter(const std::string& name) {
    if (has_tokens(name)) {
      unmerge();
      if (owns_tokens_)
        tokens_->remove(name);
      else
        tokens_ = nullptr, owns_tokens_ = true;
    }
    if (!has_adapter(name)) return;
    unmerge();
    drop_factors(find(name));
    adapters_.erase(adapters_.begin() + std::ptrdiff_t(find(name)));
  }
  /// Makes these the active ones, as far as the layer has them.
  void set_adapter(std::span<const std::string> names) {
    unmerge();
    for (adapter& a : adapters_) a.active = std::find(names.begin(), names.end(), a.name) != names.end();
    active_.assign(names.begin(), names.end());
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
    tokens_ = nullptr;
    owns_tokens_ = true;
    active_.clear();
    while (!adapters_.empty()) {
      drop_factors(adapters_.size() - 1);
      adapters_.pop_back();
    }
    enabled_ = true;
  }

  /// Whether any adapter takes part in the layer's result, merged or not.
  bool adapted() const {
    return enabled_ && (replaces_tokens() ||
                        std::any_of(adapters_.begin(), adapters_.end(), [](const adapter& a) { return a.active; }));
  }

  /// Adapters of the same names, settings and state as another layer's, without their values.
  void copy_adapters(const LoraLayer& other) {
    if (other.owns_tokens_ && other.tokens_) copy_tokens(*other.tokens_);
    if (!other.merged_) active_ = other.active_;
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

  virtual void copy_tokens(const detail::TokenRows& tokens) = 0;
  virtual void make_factors(const LoraLayerOptions& options) = 0;
  virtual void drop_factors(std::size_t i) = 0;
  virtual void merge_weight() = 0;
  virtual void restore_weight() = 0;
  virtual void keep_merged_weight() = 0;

  bool replaces_tokens() const {
    return std::any_of(active_.begin(), active_.end(), [&](const std::string& name) { return has_tokens(name); });
  }

  std::vector<adapter> adapters_;
  std::vector<std::string> active_;  // adapters, whether the layer has them or not
  std::shared_ptr<detail::TokenRows> tokens_;
  bool owns_tokens_ = true;  // not those of the layer that it is tied to
  bool enabled_ = true, merged_ = false, fan_in_fan_out_ = false;

  std::size_t find(const std::string& name) const {
    std::size_t i = 0;
    while (i < adapters_.size() && adapters_[i].name != name) ++i;
    return i;
  }
};

namespace detail {

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
  void on_adaptable(const std::string& path, LoraLayer& layer) override {
    layer.set_fan_in_fan_out(weight_is_transposed());
    found_.emplace_back(path, &layer);
  }
  std::vector<std::pair<std::string, LoraLayer*>> found_;
};

}  // namespace detail

template <class From, class To>
void with_lora::copy_adapters(const From& from, To& to) {
  // visit() shows layers for change; nothing of `from` is changed.
  const auto source = detail::lora_layers::of(const_cast<From&>(from));
  const auto target = detail::lora_layers::of(to);
  for (std::size_t i = 0; i < source.size() && i < target.size(); ++i) {
    target[i].second->copy_adapters(*source[i].second);
    for (std::size_t k = 0; k < i; ++k)
      if (source[i].second->shares_tokens(*source[k].second)) target[i].second->share_tokens(*target[k].second);
  }
}

}  // namespace hft
