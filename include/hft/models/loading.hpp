// Giving a model the tensors of a checkpoint: which tensor is which parameter's, whatever name and layout it has in the
// file, what ties mean, and what is said of tensors that are missing or too many.
// (transformers/core_model_loading.py; PreTrainedModel.tie_weights)
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
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
#include <hft/io/json.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/linkage.hpp>
#include <hft/log.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/initialise.hpp>
#include <hft/models/joins.hpp>
#include <hft/models/load_options.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/models/stacks.hpp>
#include <hft/module.hpp>
#include <hft/name_rules.hpp>
#include <hft/progress.hpp>
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
  isize num_heads = 0, num_kv_heads = 0;                        // of attention, for the order of rows
  isize left_out = 0;  // rows of positions up to that of padding, for stored_as::after_padding
  // Of the weight at a path, for stored_as::row_parts; none: those of queries, keys and values of attention.
  std::function<std::vector<row_parts>(std::string_view path)> parts_of = {};
};

/// What loading and writing need to know of a model beside its parameters, but for ties and values at the start.
load_plan plan_of(const ModelParts& model, const AnyConfig& config);

/// How the file has one parameter: at most one of these.
struct stored_layout {
  std::vector<isize> rows = {}, columns = {};    // which of the file's each one is; empty: the same
  bool transposed = false;                       // (in, out)
  stored_as values = stored_as::same;            // plus_one or minus_exp: what was done to each
  isize left_out = 0;                            // rows at the beginning that it has not: zeros
  std::optional<stack_rule::layout> slice = {};  // it is scattered in this

  bool same() const {
    return rows.empty() && columns.empty() && !transposed && values == stored_as::same && !left_out && !slice;
  }
};

/// Gives one parameter its stored values: the mapped bytes themselves where dtype and layout agree, else a converted
/// copy.
void assign(parameter& p, const stored_tensor& stored, const std::string& where, const stored_layout& layout,
            std::optional<dtype_id> wanted);

/// The linear layers of a model by name, and whether they round what they see.
class linear_layers final : public visitor {
 public:
  explicit linear_layers(ModelParts& model) { model.visit(*this); }

  /// As a method of quantisation wants it.
  void round(const quantization_method& method, const json& config) {
    for (const auto& [layer, rounds] : layers_) *rounds = method.rounds(config, layer, last_parameter_);
  }
  std::vector<std::string> rounding() const {
    std::vector<std::string> names;
    for (const auto& [layer, rounds] : layers_)
      if (*rounds) names.push_back(layer);
    return names;
  }
  /// Whether a parameter is the weight of one that rounds.
  bool is_rounding_weight(std::string_view path) const {
    const auto layer = layers_.find(layer_of(path));
    return layer != layers_.end() && *layer->second;
  }
  /// Whether a parameter is the weight of one.
  bool is_weight(std::string_view path) const { return layers_.contains(layer_of(path)); }
  const std::string& last_parameter() const { return last_parameter_; }
  /// The layer whose weight a parameter is; none where it is none.
  static std::string_view layer_of(std::string_view path) {
    constexpr std::string_view ending = ".weight";
    return path.ends_with(ending) ? path.substr(0, path.size() - ending.size()) : std::string_view();
  }

 private:
  void on_parameter(const std::string& path, parameter&) override { last_parameter_ = path; }
  void on_linear(const std::string& path, bool& rounds) override { layers_.emplace(path, &rounds); }

  std::map<std::string, bool*, std::less<>> layers_;
  std::string last_parameter_;
};

/// Loads every parameter that `visit` shows. Throws weight_error that lists what is missing or of another shape, and
/// with options.strict what is unexpected, which is a warning else.
void load_weights(const checkpoint& source, const load_plan& plan, const LoadOptions& options, ModelParts& model);

}  // namespace detail

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE_ONCE load_plan plan_of(const ModelParts& model, const AnyConfig& config) {
  load_plan plan{.names = config.info().names, .base_model_prefix = model.base_model_prefix()};
  const config_ref ref = config.ref();
  plan.num_heads = get_field(ref, "num_attention_heads").value_or(0);
  plan.num_kv_heads = get_field(ref, "num_key_value_heads").value_or(plan.num_heads);
  const isize padding = get_field(ref, "pad_token_id").value_or(-1);
  plan.left_out = padding >= 0 && f64(padding) < field_visitor::largest_extent ? padding + 1 : 0;
  plan.parts_of = [&info = config.info(), c = ref.config.config](std::string_view path) {
    return info.gguf_parts(c, path);
  };
  return plan;
}

// llama.cpp stores rotary rows as pairs (2i, 2i + 1); Transformers as halves (i, i + R/2).
inline std::vector<isize> rows_of_pairs(isize rows, isize heads) {
  std::vector<isize> from;
  const isize D = rows / heads;
  for (isize h = 0; h < heads; ++h)
    for (isize i = 0; i < D; ++i) from.push_back(h * D + (i < D / 2 ? 2 * i : 2 * (i - D / 2) + 1));
  return from;
}

/// Where the rows of a parameter, or columns, lie in the file. Throws weight_error where they are not those that the
/// config says.
inline std::vector<isize> order_of(stored_as stored, const std::string& path, isize rows, const load_plan& plan,
                                   const std::string& where) {
  const isize kv = plan.num_kv_heads, heads = plan.num_heads;
  const bool pairs = stored == stored_as::rope_pairs;
  if (pairs && !plan.names.gguf_pairs) return {};
  std::vector<isize> from;
  if (pairs) {
    const isize count = path.find(".k_proj.") != path.npos ? kv : heads;
    if (count > 0 && rows % count == 0) from = rows_of_pairs(rows, count);
  } else {
    auto stretches = plan.parts_of ? plan.parts_of(path) : std::vector<row_parts>();
    if (stretches.empty() && stored == stored_as::minus_exp) return {};
    if (stretches.empty() && kv > 0) {
      const isize D = rows / (heads + 2 * kv);
      stretches.push_back({kv, {heads / kv * D, D, D}});
    }
    from = stored_rows(stretches);
  }
  if (isize(from.size()) != rows)
    throw weight_error(where, "tensor " + quote_text(path), "an extent that the config's heads divide into",
                       joined(rows));
  return from;
}

// Whether a tensor of a GGUF file has the elements of a parameter: llama.cpp leaves dimensions of 1 out, or adds them,
// and has vectors by groups.
inline bool is_reshaped(const std::vector<isize>& expected, const std::vector<isize>& found) {
  const auto without_ones = [](std::vector<isize> shape) {
    std::erase(shape, isize(1));
    return shape;
  };
  const auto flat = without_ones(expected), own = without_ones(found);
  isize count = 1;
  for (const isize n : own) count *= n;
  return flat == own || (expected.size() == 1 && expected[0] == count);
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

// Whether columns go to their places in blocks of so many, each of neighbours that begin one in the file.
inline bool moves_blocks(const std::vector<isize>& columns, isize block) {
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const isize in = isize(c) % block;
    if (columns[c] % block != in || (in && columns[c] != columns[c - 1] + 1)) return false;
  }
  return isize(columns.size()) % block == 0;
}

/// Values (rows, cols) in a parameter's own order, and their dtype; without bytes, those of the file are in it.
struct in_order {
  std::vector<std::byte> bytes = {};
  dtype_id dtype;
};
inline in_order put_in_order(const parameter& p, const stored_tensor& stored, const std::string& where,
                             const stored_layout& layout, isize rows, isize cols) {
  in_order out{.dtype = stored.dtype};
  if (layout.transposed || layout.values != stored_as::same) {
    std::vector<f32> values(std::size_t(p.size()));
    convert_to_float(dtype_id::f32, values.data(), stored.dtype, stored.bytes.data(),
                     p.size());  // (cols, rows) if transposed
    out.bytes.resize(values.size() * sizeof(f32));
    out.dtype = dtype_id::f32;
    auto* to = reinterpret_cast<f32*>(out.bytes.data());
    if (layout.transposed)
      transpose(to, values.data(), cols, rows);
    else if (layout.values == stored_as::plus_one)
      std::transform(values.begin(), values.end(), to, [](f32 v) { return v - 1; });
    else
      std::transform(values.begin(), values.end(), to, [](f32 v) { return std::log(-v); });
  }
  if (layout.left_out) {
    const std::size_t row = stored.bytes.size() / std::size_t(rows - layout.left_out);
    out.bytes.resize(std::size_t(rows) * row);
    std::copy(stored.bytes.begin(), stored.bytes.end(),
              out.bytes.begin() + std::ptrdiff_t(layout.left_out * isize(row)));
  }
  const auto& stored_element = info(stored.dtype);
  if (out.bytes.empty() && !layout.columns.empty() && moves_blocks(layout.columns, stored_element.block)) {
    out.bytes.resize(stored.bytes.size());
    const std::size_t block = std::size_t(stored_element.bytes);
    const isize blocks = cols / stored_element.block;  // in a row
    for (isize b = 0; b < rows * blocks; ++b) {
      const isize column = layout.columns[std::size_t(b % blocks * stored_element.block)];
      const isize from = b / blocks * blocks + column / stored_element.block;
      std::memcpy(out.bytes.data() + std::size_t(b) * block, stored.bytes.data() + std::size_t(from) * block, block);
    }
  } else if (!layout.columns.empty()) {
    if (out.bytes.empty()) {
      out.bytes.resize(std::size_t(p.size()) * sizeof(f32));
      out.dtype = dtype_id::f32;
      convert_to_float(dtype_id::f32, out.bytes.data(), stored.dtype, stored.bytes.data(), p.size());
    }
    auto* values = reinterpret_cast<f32*>(out.bytes.data());
    std::vector<f32> row(static_cast<std::size_t>(cols));
    for (isize r = 0; r < rows; ++r, values += cols) {
      for (std::size_t c = 0; c < row.size(); ++c) row[c] = values[layout.columns[c]];
      std::copy(row.begin(), row.end(), values);
    }
  }
  if (!layout.rows.empty()) {
    const std::byte* from = out.bytes.empty() ? stored.bytes.data() : out.bytes.data();
    const std::size_t size = out.bytes.empty() ? stored.bytes.size() : out.bytes.size();
    const std::size_t row = size / layout.rows.size();  // of a matrix, or an element of a bias
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < layout.rows.size(); ++i)
      std::memcpy(bytes.data() + i * row, from + std::size_t(layout.rows[i]) * row, row);
    out.bytes = std::move(bytes);
  }
  if (!out.bytes.empty()) return out;
  if (layout.slice) {
    if (stored_element.block > 1)
      throw weight_error(where, "tensor " + quote_text(stored.name), "a floating dtype, which can be reordered",
                         std::string(name(stored.dtype)));
    std::vector<std::byte> bytes(std::size_t(p.size() * stored_element.bytes));
    const bool vector = p.shape().size() == 1;
    take_from_slice(bytes.data(), stored.bytes.data(), *layout.slice, vector ? cols : rows, vector ? 1 : cols,
                    std::size_t(stored_element.bytes));
    return {std::move(bytes), stored.dtype};
  }
  return {.dtype = stored.dtype};
}

HFT_INLINE_ONCE void assign(parameter& p, const stored_tensor& stored, const std::string& where,
                            const stored_layout& layout, std::optional<dtype_id> wanted) {
  const isize cols = p.cols(), rows = cols ? p.size() / cols : 0;
  dtype_id format = format_for(p, stored, where, wanted);
  const auto alignment = std::uintptr_t(info(format).block > 1 ? 2 : info(format).bytes);
  if (format == stored.dtype && layout.same() && p.host_memory() &&
      reinterpret_cast<std::uintptr_t>(stored.bytes.data()) % alignment == 0) {
    p.bind(buffer::share(stored.owner, stored.bytes.data(), stored.bytes.size(), stored.mapped), stored.bytes.data(),
           format);
    return;
  }
  const auto [bytes, dtype] = put_in_order(p, stored, where, layout, rows, cols);
  const std::byte* from = bytes.empty() ? stored.bytes.data() : bytes.data();
  // What crosses blocks stays widened: to make blocks of it again would round it twice.
  if (dtype != stored.dtype && info(stored.dtype).block > 1 && !wanted && !p.required_format()) format = dtype;
  p.allocate(format);
  if (p.host_memory()) {
    p.convert_rows(format, p.data(), dtype, from, rows);
  } else {
    std::vector<std::byte> staged(std::size_t(p.bytes()));
    p.convert_rows(format, staged.data(), dtype, from, rows);
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
      // What llama.cpp calls by one name may be either of two parameters, of which a model has one.
      std::optional<renamed> first;
      for (const name_rule& rule : names_.gguf) {
        auto found = to_ours(std::span(&rule, 1), name);
        if (!found) continue;
        found->name = own_name(checkpoint_names{prefix_of_rules_, names_.rules}(found->name).name);
        if (is_own(found->name)) return *found;
        if (!first) first = std::move(found);
      }
      // Pieces of a stack have the model's own names.
      return first.value_or(renamed{own_name(checkpoint_names{prefix_of_rules_, names_.rules}(name).name)});
    } else
      for (const auto& [old, now] : names_.old_endings)
        if (path.name.ends_with(old)) path.name.replace(path.name.size() - old.size(), std::string::npos, now);
    if (!gguf_ && !names_.other_names.empty()) path.name = in_todays_names(path.name);
    path.name = own_name(std::move(path.name));
    return path;
  }
  bool is_own(const std::string& path) const { return own_.contains(path); }

 private:
  std::string own_name(std::string name) const {
    if (name.starts_with(prefix_) && own_.contains(name.substr(prefix_.size())))
      name.erase(0, prefix_.size());
    else if (own_.contains(prefix_ + name))
      name.insert(0, prefix_);
    return name;
  }
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

/// quantization_config of a folder's config.json; null where there is none.
inline json quantization_config_of(const checkpoint& source) {
  const auto file = source.path() / "config.json";
  if (source.is_gguf() || !std::filesystem::exists(file)) return nullptr;
  const json config = read_json(file);
  return config.is_object() && config.contains("quantization_config") ? config["quantization_config"] : json(nullptr);
}

HFT_INLINE_ONCE void load_weights(const checkpoint& source, const load_plan& plan, const LoadOptions& options,
                                  ModelParts& model) {
  const std::string where = source.path().string();
  std::span<const stored_tensor> tensors = source.tensors();
  std::vector<stored_tensor> put_together;
  std::vector<std::string> unpacked;  // names of those that a method had quantised
  const json quantization = quantization_config_of(source);
  const auto* method = source.is_gguf() ? nullptr : find_quantization_method(tensors, quantization, where);
  if (method) tensors = put_together = method->unpack(tensors, quantization, where, unpacked);
  std::optional<linear_layers> layers;  // where some round what they see
  if (method && method->rounds) layers.emplace(model).round(*method, quantization);
  const bool gguf = source.is_gguf();
  if (gguf && !(plan.names.gguf_joins.empty() && plan.names.gguf_values.empty())) {
    put_together = joined_tensors(tensors, plan.names.gguf_joins);
    for (auto& t : tensors_of_metadata(source.gguf(), plan.names.gguf_values)) put_together.push_back(std::move(t));
    tensors = put_together;
  }
  const std::string prefix = plan.base_model_prefix.empty() ? "" : cat(plan.base_model_prefix, ".");
  const auto slices = gguf ? unstack(tensors, plan.names.gguf_stacks, "") : unstack(tensors, plan.names.stacks, prefix);
  tensors = slices.tensors;

  std::set<std::string, std::less<>> own;
  isize parameters = 0;
  visiting own_paths([&](const std::string& path, parameter& p) { own.insert(path), parameters += p.size(); });
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
  isize requantised = 0;
  std::string conversions;               // of these
  std::optional<dtype_id> fixed_format;  // of weights whose type leaves options.dtype no choice
  const auto draw = [&](const std::string& path, parameter& p, std::string_view why) {
    if (problems.empty()) initialise(p, path, plan.initial, options.dtype.value_or(dtype_id::f32));
    drawn.add(cat(quote_text(path), why));
  };
  const auto place_of = [&](std::string_view path) {  // of a parameter that files have in a stack
    const auto whole =
        gguf || !path.starts_with(prefix) ? std::nullopt : whole_of(plan.names.stacks, path.substr(prefix.size()));
    return whole ? cat(", of ", quote_text(cat(prefix, whole->whole))) : "";
  };
  progress task("loading", where, parameters, "parameters");
  const auto give = [&](const std::string& path, parameter& p) {
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
    const auto rule = stored_by_rule.find(path);
    const stored_as stored = rule == stored_by_rule.end() ? stored_as::same : rule->second;
    if (stored == stored_as::after_padding && !expected.empty() && expected[0] > plan.left_out)
      layout.left_out = plan.left_out, expected[0] -= plan.left_out;
    const bool fits = t.shape == expected || (gguf && is_reshaped(expected, t.shape));
    if (!fits && options.ignore_mismatched_sizes)
      return draw(path, p, cat(", which has the shape ", shape_text(t.shape)));
    if (!fits)
      return problems.add(
          cat("tensor ", quote_text(t.name), ": expected ", shape_text(expected), ", found ", shape_text(t.shape)));
    if (stored == stored_as::plus_one || stored == stored_as::minus_exp) layout.values = stored;
    if (problems.empty() && stored == stored_as::column_parts)
      layout.columns = order_of(stored, path, p.cols(), plan, where);
    else if (problems.empty() && (reorders_rows(stored) || stored == stored_as::minus_exp))
      layout.rows = order_of(stored, path, p.shape()[0], plan, where);
    if (const auto slice = slices.apart.find(t.name); slice != slices.apart.end()) layout.slice = slice->second;
    if (!problems.empty()) return;
    if (layers && layers->is_rounding_weight(path))
      assign(p, method->weight_of(quantization, t), where, layout, options.dtype);
    else
      assign(p, t, where, layout, options.dtype);
    const auto required = p.required_format();
    if (info(t.dtype).block > 1 && info(p.format()).block > 1 && p.format() != t.dtype) {
      ++requantised;
      const std::string pair = cat(name(t.dtype), " to ", name(p.format()));
      if (conversions.find(pair) == conversions.npos) conversions += (conversions.empty() ? "" : ", ") + pair;
    }
    if (options.dtype && required && *required != *options.dtype && p.shape().size() > 1) fixed_format = required;
  };
  visiting v([&](const std::string& path, parameter& p) {
    give(path, p);
    task.advance(p.size());
  });
  model.visit(v);
  if (requantised)
    log_message(log_level::warning, where,
                joined(requantised, " weights that are quantised already are rounded a second time: ", conversions));
  if (fixed_format)
    log_message(log_level::warning, where,
                joined("dtype = ", name(*options.dtype), " is for weights of type any_q; those of this model are ",
                       name(*fixed_format), " by its type"));
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
