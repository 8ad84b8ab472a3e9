// Giving a model the tensors of a checkpoint: which tensor is which parameter's, whatever name and layout it has in the
// file, what ties mean, and what is said of tensors that are missing or too many.
// (transformers/core_model_loading.py; PreTrainedModel.tie_weights)
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/checkpoint.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/linkage.hpp>
#include <hft/log.hpp>
#include <hft/models/initialise.hpp>
#include <hft/models/load_options.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/models/stacks.hpp>
#include <hft/module.hpp>
#include <hft/name_rules.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/quantization/methods.hpp>

namespace hft {

namespace detail {

/// Whether a checkpoint has the parameter at a path.
using is_stored = std::function<bool(std::string_view path)>;

// What a loader needs to know of a model beside its parameters.
struct load_plan {
  const name_tables& names;
  std::string_view base_model_prefix = names.base_model_prefix;
  tied_pairs tied = {};                                         // that the config ties, under checkpoint names
  std::function<void()> untie = {};                             // where a checkpoint has a copy of other values
  std::function<void(const is_stored&)> leave_out_absent = {};  // drops members that the checkpoint has not, if it may
  initial_values initial = {};                                  // of what the checkpoint lacks, where that is allowed
  isize num_heads = 0, num_kv_heads = 0;                        // of attention, for stored_as::rope_pairs
};

// (rows, cols) => (cols, rows)
void transpose(f32* to, const f32* from, isize rows, isize cols);

/// How the file has one parameter: at most one of these.
struct stored_layout {
  isize paired_heads = 0;                        // whose rows are pairs (stored_as::rope_pairs)
  bool transposed = false;                       // (in, out)
  bool plus_one = false;                         // each value is 1 more
  std::optional<stack_rule::layout> slice = {};  // it is scattered in this

  bool same() const { return !paired_heads && !transposed && !plus_one && !slice; }
};

/// Gives one parameter its stored values: the mapped bytes themselves where dtype and layout agree, else a converted
/// copy.
void assign(parameter& p, const stored_tensor& stored, const std::string& where, const stored_layout& layout,
            std::optional<dtype_id> wanted);

/// Loads every parameter that `visit` shows. Throws weight_error that lists what is missing or of another shape, and
/// with options.strict what is unexpected, which is a warning else.
void load_weights(const checkpoint& source, const load_plan& plan, const LoadOptions& options, ModelParts& model);

}  // namespace detail

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE void transpose(f32* to, const f32* from, isize rows, isize cols) {
  for (isize r = 0; r < rows; ++r)
    for (isize c = 0; c < cols; ++c) to[c * rows + r] = from[r * cols + c];
}

// llama.cpp stores rotary rows as pairs (2i, 2i + 1); Transformers as halves (i, i + R/2).
inline void unpermute_rows(std::byte* to, const std::byte* from, isize rows, std::size_t row_bytes, isize heads) {
  const isize D = rows / heads;
  for (isize h = 0; h < heads; ++h)
    for (isize i = 0; i < D; ++i)
      std::memcpy(to + std::size_t(h * D + i) * row_bytes,
                  from + std::size_t(h * D + (i < D / 2 ? 2 * i : 2 * (i - D / 2) + 1)) * row_bytes, row_bytes);
}

/// The format that a parameter gets. Throws weight_error for a tensor that has no such.
inline dtype_id format_for(const parameter& p, const stored_tensor& stored, const std::string& where,
                           std::optional<dtype_id> wanted) {
  if (!info(stored.dtype).floating)
    throw weight_error(where, "tensor " + quote_text(stored.name), "a floating or block dtype",
                       std::string(name(stored.dtype)));
  const dtype_id as_stored = stored.dtype == dtype_id::f64 ? dtype_id::f32 : stored.dtype;  // no kernel takes f64
  const dtype_id format = p.required_format().value_or(p.shape().size() > 1 ? wanted.value_or(as_stored) : as_stored);
  if (p.cols() % info(format).block)
    throw weight_error(where, "tensor " + quote_text(stored.name),
                       joined("rows of a multiple of ", info(format).block, " for ", name(format)),
                       shape_text(p.shape()));
  return format;
}

/// Values (rows, cols) in a parameter's own order, and their dtype; without bytes, those of the file are in it.
struct in_order {
  std::vector<std::byte> bytes = {};
  dtype_id dtype;
};
inline in_order put_in_order(const parameter& p, const stored_tensor& stored, const std::string& where,
                             const stored_layout& layout, isize rows, isize cols) {
  if (layout.transposed || layout.plus_one) {
    std::vector<f32> values(std::size_t(p.size()));
    convert(dtype_id::f32, values.data(), stored.dtype, stored.bytes.data(), p.size());  // (cols, rows) if transposed
    std::vector<std::byte> bytes(values.size() * sizeof(f32));
    auto* out = reinterpret_cast<f32*>(bytes.data());
    if (layout.transposed)
      transpose(out, values.data(), cols, rows);
    else
      std::transform(values.begin(), values.end(), out, [](f32 v) { return v - 1; });
    return {std::move(bytes), dtype_id::f32};
  }
  if (layout.paired_heads) {
    std::vector<std::byte> bytes(stored.bytes.size());
    const isize stored_rows = p.shape()[0];  // of a matrix, or the elements of a bias
    unpermute_rows(bytes.data(), stored.bytes.data(), stored_rows, bytes.size() / std::size_t(stored_rows),
                   layout.paired_heads);
    return {std::move(bytes), stored.dtype};
  }
  if (layout.slice) {
    const auto& element = info(stored.dtype);
    if (element.block > 1)
      throw weight_error(where, "tensor " + quote_text(stored.name), "a floating dtype, which can be reordered",
                         std::string(name(stored.dtype)));
    std::vector<std::byte> bytes(std::size_t(p.size() * element.bytes));
    const bool vector = p.shape().size() == 1;
    take_from_slice(bytes.data(), stored.bytes.data(), *layout.slice, vector ? cols : rows, vector ? 1 : cols,
                    std::size_t(element.bytes));
    return {std::move(bytes), stored.dtype};
  }
  return {.dtype = stored.dtype};
}

HFT_INLINE void assign(parameter& p, const stored_tensor& stored, const std::string& where, const stored_layout& layout,
                       std::optional<dtype_id> wanted) {
  const isize cols = p.cols(), rows = cols ? p.size() / cols : 0;
  const dtype_id format = format_for(p, stored, where, wanted);
  const auto alignment = std::uintptr_t(info(format).block > 1 ? 2 : info(format).bytes);
  if (format == stored.dtype && layout.same() && p.host_memory() &&
      reinterpret_cast<std::uintptr_t>(stored.bytes.data()) % alignment == 0) {
    p.bind(buffer::share(stored.owner, stored.bytes.data(), stored.bytes.size(), stored.mapped), stored.bytes.data(),
           format);
    return;
  }
  const auto [bytes, dtype] = put_in_order(p, stored, where, layout, rows, cols);
  const std::byte* from = bytes.empty() ? stored.bytes.data() : bytes.data();
  p.allocate(format);
  if (p.host_memory()) {
    convert_rows(format, p.data(), dtype, from, rows, cols);
  } else {
    std::vector<std::byte> staged(std::size_t(p.bytes()));
    convert_rows(format, staged.data(), dtype, from, rows, cols);
    p.copy_from_host(staged.data(), staged.size());
  }
  // They have been read; where others are in the same slice, these are read again.
  if (stored.mapped && !layout.slice) buffer::let_pages_go(stored.bytes.data(), stored.bytes.size());
}

/// Where both parameters of a tied pair are stored with different values, the config is wrong: they are two. Else one
/// is enough, whichever it is. (PreTrainedModel.tie_weights)
inline void settle_ties(const load_plan& plan, std::string_view where,
                        std::map<std::string, const stored_tensor*, std::less<>>& available) {
  bool different = false;
  for (const auto& [copy, original] : plan.tied) {
    const auto c = available.find(copy), o = available.find(original);
    if (c == available.end()) continue;
    if (o == available.end()) {
      available.emplace(original, c->second);
    } else {
      const stored_tensor &a = *c->second, &b = *o->second;
      const bool differs =
          a.dtype != b.dtype || a.shape != b.shape ||
          (a.bytes.data() != b.bytes.data() && !std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin()));
      if (differs)
        log_message(log_level::warning, where,
                    joined("the config ties ", quote_text(copy), " to ", quote_text(original),
                           ", but the checkpoint has both with different values: they are not tied"));
      different = different || differs;
    }
  }
  if (different) plan.untie();
  for (const auto& [copy, original] : plan.tied)
    if (!different)
      available.erase(copy);
    else if (const auto o = available.find(original); o != available.end())
      available.emplace(copy, o->second);  // of several pairs, one that is not stored twice
}

/// The path of the parameter that a tensor of the file is or, where the model has no such one, would be: today's name,
/// with the base model's prefix or without it, whichever the model has. (core_model_loading.rename_source_key)
class path_finder {
 public:
  path_finder(const load_plan& plan, bool gguf, std::set<std::string, std::less<>> own)
      : names_(plan.names),
        gguf_(gguf),
        prefix_of_rules_(plan.base_model_prefix),
        prefix_(plan.base_model_prefix.empty() ? "" : std::string(plan.base_model_prefix) + "."),
        own_(std::move(own)) {}

  renamed operator()(const std::string& name) const {
    renamed path{name};
    if (gguf_) {
      path = to_ours(names_.gguf, name).value_or(path);
      path.name = checkpoint_names{prefix_of_rules_, names_.rules}(path.name).name;
    } else
      for (const auto& [old, now] : names_.old_endings)
        if (path.name.ends_with(old)) path.name.replace(path.name.size() - old.size(), std::string::npos, now);
    if (!gguf_ && !names_.other_names.empty()) path.name = in_todays_names(path.name);
    if (path.name.starts_with(prefix_) && own_.contains(path.name.substr(prefix_.size())))
      path.name.erase(0, prefix_.size());
    else if (own_.contains(prefix_ + path.name))
      path.name.insert(0, prefix_);
    return path;
  }
  bool is_own(const std::string& path) const { return own_.contains(path); }

 private:
  std::string in_todays_names(std::string_view name) const {
    const bool prefixed = name.starts_with(prefix_);
    const auto found = to_ours(names_.other_names, prefixed ? name.substr(prefix_.size()) : name);
    return !found ? std::string(name) : prefixed ? prefix_ + found->name : found->name;
  }

  const name_tables& names_;
  bool gguf_;
  std::string_view prefix_of_rules_;
  std::string prefix_;
  std::set<std::string, std::less<>> own_;  // paths of the model, tied ones too
};

/// A list for a message that ends after the first few.
class short_list {
 public:
  void add(std::string_view entry) {
    if (++size_ <= most) text_.append(text_.empty() ? "" : "; ").append(entry);
  }
  bool empty() const { return size_ == 0; }
  std::string text() const { return size_ > most ? cat(text_, "; and ", size_ - most, " more") : text_; }

 private:
  static constexpr int most = 8;
  std::string text_;
  int size_ = 0;
};

HFT_INLINE void load_weights(const checkpoint& source, const load_plan& plan, const LoadOptions& options,
                             ModelParts& model) {
  const std::string where = source.path().string();
  std::span<const stored_tensor> tensors = source.tensors();
  std::vector<stored_tensor> put_together;
  std::vector<std::string> unpacked;  // names of those that a method had quantised
  if (const auto* method = source.is_gguf() ? nullptr : find_quantization_method(tensors, where))
    tensors = put_together = method->unpack(tensors, where, unpacked);
  const bool gguf = source.is_gguf();
  const std::string prefix = plan.base_model_prefix.empty() ? "" : cat(plan.base_model_prefix, ".");
  const auto slices = gguf ? unstack(tensors, plan.names.gguf_stacks, "") : unstack(tensors, plan.names.stacks, prefix);
  tensors = slices.tensors;

  std::set<std::string, std::less<>> own;
  visiting own_paths([&](const std::string& path, parameter&) { own.insert(path); });
  model.visit(own_paths);
  for (const auto& [copy, original] : plan.tied) own.insert(copy);
  const path_finder path_of(plan, source.is_gguf(), std::move(own));

  std::map<std::string, const stored_tensor*, std::less<>> available;  // by path
  std::map<std::string, stored_as, std::less<>> stored_by_rule;        // of GGUF files, by path
  short_list problems, unexpected;
  const auto sort_in = [&](const std::string& name, const stored_tensor* t) {
    if (fits_any(plan.names.ignored, name)) return;
    const auto [path, stored] = path_of(name);
    if (stored != stored_as::same) stored_by_rule.emplace(path, stored);
    if (!path_of.is_own(path)) {
      if (!fits_any(plan.names.may_be_left, path))
        unexpected.add(cat("unexpected ", quote_text(name), t ? " " + shape_text(t->shape) : ""));
    } else if (!t) {
      source.find(name);  // throws, and names the dtype that hft does not have
    } else if (const auto [at, first] = available.emplace(std::string(path), t); !first && t->name < at->second->name) {
      at->second = t;  // of two names of one parameter Transformers, too, takes the first
    }
  };
  for (const auto& t : tensors) sort_in(t.name, &t);
  if (source.is_gguf())
    for (const auto& t : source.gguf().unreadable()) sort_in(t.name, nullptr);
  for (const auto& shard : source.shards())
    for (const auto& t : shard.unreadable()) sort_in(t.name, nullptr);

  if (plan.leave_out_absent && !options.strict)
    plan.leave_out_absent([&](std::string_view path) { return available.contains(path); });
  settle_ties(plan, where, available);
  short_list drawn;
  const auto draw = [&](const std::string& path, parameter& p, std::string_view why) {
    if (problems.empty()) initialise(p, path, plan.initial, options.dtype.value_or(dtype_id::f32));
    drawn.add(cat(quote_text(path), why));
  };
  const auto place_of = [&](std::string_view path) {  // of a parameter that files have in a stack
    const auto whole =
        gguf || !path.starts_with(prefix) ? std::nullopt : whole_of(plan.names.stacks, path.substr(prefix.size()));
    return whole ? cat(", of ", quote_text(cat(prefix, whole->whole))) : "";
  };
  visiting v([&](const std::string& path, parameter& p) {
    const auto found = available.find(path);
    if (found == available.end()) {
      if (options.init_missing) return draw(path, p, "");
      return problems.add(cat("missing ", quote_text(path), " ", shape_text(p.shape()), place_of(path)));
    }
    const stored_tensor& t = *found->second;
    // GGUF and methods of quantisation store all weights as (out, in).
    stored_layout layout;
    layout.transposed =
        p.transposed() && !source.is_gguf() && !std::binary_search(unpacked.begin(), unpacked.end(), t.name);
    std::vector<isize> expected = p.shape();
    if (layout.transposed) std::reverse(expected.begin(), expected.end());
    if (t.shape != expected && options.ignore_mismatched_sizes)
      return draw(path, p, cat(", which has the shape ", shape_text(t.shape)));
    if (t.shape != expected)
      return problems.add(
          cat("tensor ", quote_text(t.name), ": expected ", shape_text(expected), ", found ", shape_text(t.shape)));
    if (const auto rule = stored_by_rule.find(path); rule != stored_by_rule.end()) {
      if (rule->second == stored_as::rope_pairs && plan.names.gguf_pairs)
        layout.paired_heads = path.find(".k_proj.") != path.npos ? plan.num_kv_heads : plan.num_heads;
      layout.plus_one = rule->second == stored_as::plus_one;
    }
    if (const auto slice = slices.apart.find(t.name); slice != slices.apart.end()) layout.slice = slice->second;
    if (problems.empty()) assign(p, t, where, layout, options.dtype);
  });
  model.visit(v);
  if (problems.empty() && !drawn.empty())
    log_message(log_level::warning, where,
                joined("the checkpoint does not have, and training has to fill: ", drawn.text()));
  if (problems.empty() && unexpected.empty()) return;
  if (problems.empty() && !options.strict)
    return log_message(log_level::warning, where,
                       joined("tensors that the model does not have are left: ", unexpected.text()));
  // What is unexpected often says why something is missing.
  if (!unexpected.empty()) problems.add(unexpected.text());
  throw weight_error(where, "weights do not fit the model: " + problems.text());
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
