// The definitions of gguf_saving.hpp, apart from it: a program against the headers alone that writes no GGUF file, by
// pipelines/save_gguf.hpp, does not compile them.
#pragma once
#include <hft/models/gguf_saving.hpp>

#ifndef HFT_COMPILED
namespace hft::detail {
template <>
inline constexpr bool writes_gguf<gguf_metadata> = true;
}
#endif

#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/gguf_writer.hpp>
#include <hft/io/json.hpp>
#include <hft/log.hpp>
#include <hft/models/joins.hpp>
#include <hft/models/loading.hpp>
#include <hft/models/stacks.hpp>
#include <hft/progress.hpp>
#include <hft/quantization/convert.hpp>

namespace hft::detail {

/// Writes what has a key in a GGUF file's metadata.
class gguf_field_writer final : public field_visitor {
 public:
  /// Of special tokens those below `tokens` alone: some configs name ones that the vocabulary has not.
  gguf_field_writer(gguf_keys& keys, isize tokens) : keys_(keys), tokens_(tokens) {}

 private:
  void on_field(const char*, field_place field, const field_rule& rule) override {
    if (rule.gguf_key) std::visit([&](auto place) { write(rule.gguf_key, place); }, field);
  }

  void write(const char* key, isize* field) { keys_.number(key, *field); }
  void write(const char* key, f64* field) { keys_.real(key, *field); }
  void write(const char* key, bool* field) { keys_.flag(key, *field); }
  void write(const char* key, TokenIds* ids) {
    if (!ids->empty()) write_id(key, ids->ids[0]);
  }
  void write(const char* key, std::optional<isize>* field) {
    if (*field) write_id(key, **field);
  }
  template <class T>
  void write(const char* key, std::optional<T>* field) {
    if (*field) write(key, &**field);
  }
  template <class T>
  void write(const char*, T) {}
  void write_id(const char* key, isize n) {
    const bool token = std::string_view(key).starts_with("tokenizer.");
    if (n >= 0 && !(token && n >= tokens_)) keys_.number(key, n);  // -1 is none
  }

  gguf_keys& keys_;
  isize tokens_;
};

/// The inverse of read_fields of a file: what has a key and a value is written.
inline void write_fields(config_ref config, gguf_keys& keys) {
  gguf_field_writer writer(keys, get_field(config, "vocab_size").value_or(0));
  config.fields(writer);
}

/// A tensor of bytes of its own.
inline stored_tensor owned(std::string name, std::vector<isize> shape, dtype_id dtype, std::vector<std::byte> bytes) {
  stored_tensor t;
  t.name = std::move(name), t.shape = std::move(shape), t.dtype = dtype;
  auto held = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  t.bytes = *held;
  t.owner = std::move(held);
  return t;
}
inline stored_tensor owned(std::string name, std::vector<isize> shape, const std::vector<f32>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return owned(std::move(name), std::move(shape), dtype_id::f32, {bytes.begin(), bytes.end()});
}

inline std::vector<f32> widened(const stored_tensor& t) {
  std::vector<f32> values(std::size_t(t.numel()));
  convert(dtype_id::f32, values.data(), t.dtype, t.bytes.data(), t.numel());
  return values;
}

/// A parameter in the order and with the values that llama.cpp's converter gives it, in its own dtype where rows are
/// moved alone, else in f32.
inline stored_tensor in_file_order(stored_tensor t, const std::string& path, stored_as stored, const load_plan& plan,
                                   const std::string& where) {
  if (stored == stored_as::same || stored == stored_as::transposed || t.shape.empty()) return t;
  const isize cols = t.shape.back(), rows = t.shape[0], of_row = rows ? t.numel() / rows : 0;
  if (stored == stored_as::plus_one || stored == stored_as::minus_exp) {
    auto values = widened(t);
    for (f32& v : values) v = stored == stored_as::plus_one ? v + 1 : -std::exp(v);
    t = owned(t.name, t.shape, values);
  }
  if (stored == stored_as::after_padding) {
    const std::size_t left_out = std::size_t(std::min(plan.left_out, rows));
    t.bytes = t.bytes.subspan(t.bytes.size() / std::size_t(std::max<isize>(rows, 1)) * left_out);
    t.shape[0] -= isize(left_out);
    return t;
  }
  if (stored == stored_as::column_parts) {
    const auto places = order_of(stored, path, cols, plan, where);
    const auto values = widened(t);
    std::vector<f32> out(values.size());
    for (std::size_t i = 0; i < values.size(); i += places.size())
      for (std::size_t c = 0; c < places.size(); ++c) out[i + std::size_t(places[c])] = values[i + c];
    return owned(t.name, t.shape, out);
  }
  if (!reorders_rows(stored) && stored != stored_as::minus_exp) return t;
  const auto places = order_of(stored, path, rows, plan, where);
  if (places.empty() || !of_row) return t;
  const std::size_t row = t.bytes.size() / std::size_t(rows);
  std::vector<std::byte> out(t.bytes.size());
  for (std::size_t i = 0; i < places.size(); ++i)
    std::memcpy(out.data() + std::size_t(places[i]) * row, t.bytes.data() + i * row, row);
  return owned(t.name, t.shape, t.dtype, std::move(out));
}

/// The two tensors that a parameter is in the file, by a rule of joins; the second has the last part of each group.
inline std::pair<stored_tensor, stored_tensor> split_by(const join_rule& rule, const fitting& found, stored_tensor t,
                                                        const std::vector<row_parts>& stretches) {
  const isize rows = t.shape[0], cols = t.shape.back(), groups = stretches.at(0).groups;
  const isize behind = groups * stretches.at(0).rows.back(), before = rows - behind;
  const std::size_t bytes = t.bytes.size() / std::size_t(rows) * std::size_t(before);
  stored_tensor first = t, second = std::move(t);
  first.name = filled(rule.first, found), second.name = filled(rule.second, found);
  first.bytes = first.bytes.first(bytes), second.bytes = second.bytes.subspan(bytes);
  first.shape = {before, cols}, second.shape = {behind, cols};
  if (!rule.transposed) return {std::move(first), std::move(second)};
  const isize each = before / groups;
  const auto values = widened(first);
  std::vector<f32> turned(values.size());
  for (isize g = 0; g < groups; ++g)
    transpose(turned.data() + g * each * cols, values.data() + g * each * cols, each, cols);
  second.shape = {groups, behind / groups, cols};
  return {owned(first.name, {groups, cols, each}, turned), std::move(second)};
}

/// Whether llama.cpp's kernels take a tensor in f32 alone. (ModelBase.prepare_tensors)
inline bool is_always_f32(std::string_view name, std::size_t rank) {
  if (rank < 2 || !name.ends_with(".weight") || name.ends_with("_norm.weight")) return true;
  for (const std::string_view end :
       {"ffn_gate_inp", "ffn_gate_inp_shexp", "position_embd", "token_types", "ssm_conv1d", "shortconv.conv"})
    if (name.substr(0, name.size() - 7).ends_with(end)) return true;
  return false;
}

/// What a format becomes where a row is no whole number of its blocks. (llama-quant.cpp)
inline dtype_id smaller_blocks(dtype_id format) {
  switch (format) {
    case dtype_id::q4_k:
      return dtype_id::q5_0;
    case dtype_id::q5_k:
      return dtype_id::q5_1;
    case dtype_id::q6_k:
      return dtype_id::q8_0;
    default:
      return dtype_id::f16;
  }
}

/// llama.cpp's number of a file most of whose weights have a format. (LLAMA_FTYPE_MOSTLY_...)
inline std::optional<isize> file_type_of(dtype_id format) {
  switch (format) {
    case dtype_id::f32:
      return 0;
    case dtype_id::f16:
      return 1;
    case dtype_id::q4_0:
      return 2;
    case dtype_id::q4_1:
      return 3;
    case dtype_id::q8_0:
      return 7;
    case dtype_id::q5_0:
      return 8;
    case dtype_id::q5_1:
      return 9;
    case dtype_id::q4_k:
      return 14;
    case dtype_id::q5_k:
      return 16;
    case dtype_id::q6_k:
      return 18;
    case dtype_id::bf16:
      return 32;
    default:
      return {};
  }
}

/// The tensors of a model's file, and the parameters that stand in its metadata.
class gguf_collector final : public visitor {
 public:
  gguf_collector(const load_plan& plan, std::string where) : plan_(plan), where_(std::move(where)) {}

  std::vector<stored_tensor> tensors = {};
  std::map<std::string_view, std::vector<f32>> arrays = {};
  short_list left = {};  // that llama.cpp leaves out

 private:
  void on_parameter(const std::string& path, parameter& p) override {
    stored_tensor t;
    t.dtype = p.format(), t.shape = p.shape();
    if (!p.data() && p.size())
      throw weight_error(where_, quote_text(path), "values, which from_pretrained or from_config gives", "none");
    if (p.host_memory()) {
      t.bytes = {static_cast<const std::byte*>(p.data()), std::size_t(p.bytes())};
    } else {
      std::vector<std::byte> staged(std::size_t(p.bytes()));
      p.copy_to_host(staged.data(), staged.size());
      t = owned({}, t.shape, t.dtype, std::move(staged));
    }
    if (path.find(".lora_") != path.npos)
      throw unsupported_error(where_, "adapters in a GGUF file", "a model that they are merged into", quote_text(path));
    // The tables are of a headed model's paths.
    if (take(module_path(), path, t) || take("model." + module_path(), path, t)) return;
    if (!fits_any(plan_.names.may_be_left, path))
      throw unsupported_error(where_, "as a GGUF file", "a model whose parts llama.cpp has names for",
                              quote_text(path));
    left.add(quote_text(path));
  }

  bool take(const std::string& module, const std::string& path, const stored_tensor& from) {
    const name_tables& names = plan_.names;
    for (const value_rule& rule : names.gguf_values)
      if (const auto found = fit(rule.path, module); found && found->rest.empty() && from.numel() == 1) {
        auto& values = arrays[rule.key];
        const auto layer = std::size_t(std::stoull(std::string(found->numbers.at(0))));
        if (values.size() <= layer) values.resize(layer + 1);
        values[layer] = widened(from)[0];
        return true;
      }
    stored_tensor t = from;
    if (whole_of(names.gguf_stacks, module)) {
      t.name = module;
      tensors.push_back(std::move(t));
      return true;
    }
    const auto theirs = to_theirs(names.gguf, module);
    if (!theirs) return false;
    t.name = theirs->name;
    t = in_file_order(std::move(t), path, theirs->stored, plan_, where_);
    for (const join_rule& rule : names.gguf_joins)
      if (const auto found = fit(rule.whole, theirs->name); found && found->rest.empty()) {
        auto [first, second] = split_by(rule, *found, std::move(t), plan_.parts_of(path));
        tensors.push_back(std::move(first)), tensors.push_back(std::move(second));
        return true;
      }
    if (t.shape.size() > 2) std::erase(t.shape, isize(1));  // a convolution's, of one channel
    tensors.push_back(std::move(t));
    return true;
  }

  const load_plan& plan_;
  std::string where_;
};

/// What the file says of rotary positions, windows and what is seen, which config objects keep in layers' options.
inline void describe_attention(const AnyConfig& config, const std::string& where, gguf_keys& keys,
                               std::vector<stored_tensor>& tensors) {
  const isize layers = get_field(config.ref(), "num_hidden_layers").value_or(0);
  std::optional<RopeScaling> full, windowed;
  std::vector<bool> slides;
  bool both_ways = false, any = false;
  for (isize i = 0; i < layers; ++i) {
    const auto o = config.info().attention(config.ref().config.config, i);
    if (!o) break;
    if (!any && keys.contains("attention.key_length")) keys.number("attention.value_length", o->head_dim);
    if (!any && !o->recurrent()) keys.number("attention.head_count_kv", o->num_kv_heads);
    any = true;
    const bool window = o->visible.left < visibility::unlimited && !o->visible.chunk;
    slides.push_back(window);
    both_ways = both_ways || o->visible.right > 0;
    auto& rope = window ? windowed : full;
    if (o->rope && !rope) rope = o->rope;
  }
  if (both_ways) keys.flag("attention.causal", false);
  const auto windows = std::count(slides.begin(), slides.end(), true);
  if (windows && windows < isize(slides.size())) keys.flags("attention.sliding_window_pattern", slides);
  if (!any || (!full && !windowed)) return;
  const RopeScaling& rope = full ? *full : *windowed;
  const RopeParameters& p = rope.parameters();
  keys.real("rope.freq_base", p.rope_theta);
  if (rope.size() > 0) keys.number("rope.dimension_count", rope.size());
  if (full && windowed && full->parameters().rope_theta != windowed->parameters().rope_theta)
    keys.real("rope.freq_base_swa", windowed->parameters().rope_theta);
  const std::string_view type = p.rope_type.view();
  if (type == "default") return;
  const auto factors = [&](std::string name, const std::vector<f32>& values) {
    tensors.push_back(owned(std::move(name), {isize(values.size())}, values));
  };
  if (type == "llama3") {
    const auto scaled = rope.frequencies(rope.max_positions()).first;
    auto plain = RopeScaling({.rope_theta = p.rope_theta}, rope.size(), rope.max_positions()).frequencies(1).first;
    for (std::size_t i = 0; i < plain.size(); ++i) plain[i] /= scaled[i];
    return factors("rope_freqs.weight", plain);
  }
  if (type == "longrope" && p.short_factor == p.long_factor && p.attention_factor == 1)  // as such files are read
    return factors("rope_freqs.weight", {p.short_factor.begin(), p.short_factor.end()});
  if (type == "longrope") {
    factors("rope_factors_long.weight", {p.long_factor.begin(), p.long_factor.end()});
    factors("rope_factors_short.weight", {p.short_factor.begin(), p.short_factor.end()});
    keys.number("rope.scaling.original_context_length",
                p.original_max_position_embeddings.value_or(rope.max_positions()));
    return keys.real("rope.scaling.attn_factor", rope.frequencies(1).second);
  }
  if (type != "linear" && type != "yarn")
    throw unsupported_error(where, "rope_type as a GGUF file", "default, linear, yarn, longrope or llama3",
                            quote_text(type));
  keys.text("rope.scaling.type", type);
  keys.real("rope.scaling.factor", p.factor.value_or(1));
  if (type == "linear") return;
  keys.number("rope.scaling.original_context_length",
              p.original_max_position_embeddings.value_or(rope.max_positions()));
  if (p.beta_fast) keys.real("rope.scaling.yarn_beta_fast", *p.beta_fast);
  if (p.beta_slow) keys.real("rope.scaling.yarn_beta_slow", *p.beta_slow);
}

/// Gives tensors the dtypes of the file, and returns that of most weights.
inline dtype_id convert_all(std::vector<stored_tensor>& tensors, std::optional<dtype_id> wanted,
                            const std::string& where) {
  std::map<dtype_id, isize> sizes;
  std::map<std::pair<dtype_id, dtype_id>, short_list> others;
  isize parameters = 0;
  for (const stored_tensor& t : tensors) parameters += t.numel();
  progress task(wanted ? "quantizing" : "converting", where, parameters, "parameters");
  for (stored_tensor& t : tensors) {
    const isize cols = t.shape.empty() ? 1 : t.shape.back();
    dtype_id format = t.dtype == dtype_id::f64 ? dtype_id::f32 : t.dtype;
    if (wanted) format = *wanted;
    if (is_always_f32(t.name, t.shape.size())) format = dtype_id::f32;
    const dtype_id asked = format;
    while (cols % info(format).block) format = smaller_blocks(format);
    if (format != asked) others[{asked, format}].add(quote_text(t.name));
    sizes[format] += t.numel();
    if (format != t.dtype) {
      std::vector<std::byte> bytes(*storage_bytes(format, t.shape));
      convert_rows(format, bytes.data(), t.dtype, t.bytes.data(), cols ? t.numel() / cols : 0, cols);
      t = owned(t.name, t.shape, format, std::move(bytes));
    }
    task.advance(t.numel());
  }
  for (const auto& [formats, names] : others)
    log_message(log_level::warning, where,
                joined("rows that are no whole number of blocks of ", name(formats.first), " are ",
                       name(formats.second), ": ", names.text()));
  return std::max_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

/// What the fields of a config say of a pass, but for those that tensors show, or the options of attention.
class said_fields final : public field_visitor {
 public:
  std::map<std::string, json> values = {};

 private:
  void on_field(const char* name, field_place field, const field_rule& rule) override {
    static constexpr std::string_view left[] = {"initializer_range",
                                                "use_cache",
                                                "problem_type",
                                                "pretraining_tp",
                                                "output_*",
                                                "router_*",
                                                "*dropout*",
                                                "time_step_m*",
                                                "time_step_floor",
                                                "time_step_scale",
                                                "time_step_init_scheme",
                                                "rescale_prenorm_residual",
                                                "*_token_id",
                                                "chunk_size",  // of training, generation, and speed
                                                "attention_bias",
                                                "mlp_bias",
                                                "intermediate_size",
                                                "block_*",
                                                "*_layer_period",
                                                "*_layer_offset",  // by tensors
                                                "num_kv_heads",
                                                "multi_query",
                                                "*sliding_window_pattern",
                                                "original_max_position_embeddings"};  // of attention
    if (rule.is_old || fits_any(left, name)) return;
    std::visit([&](auto place) { say(name, place); }, field);
  }
  template <class T>
  void say(const char* name, const T* field) {
    values[name] = config_json(*field);
  }
  void say(const char*, TokenIds*) {}  // of generation
  void say(const char*, ClassLabels*) {}
  void say(const char*, RopeParameters*) {}
  void say(const char*, nested_config) {}
};

inline bool nearly(f64 a, f64 b) { return a == b || std::fabs(a - b) <= 1e-5 * std::max(std::fabs(a), std::fabs(b)); }
inline bool nearly(const json& a, const json& b) {
  return a == b || (a.is_number() && b.is_number() && nearly(a.get<f64>(), b.get<f64>()));
}
/// Whether two layers attend alike.
inline bool nearly(const AttentionOptions& a, const AttentionOptions& b) {
  const auto number = [](const std::optional<f64>& v) { return v.value_or(0); };
  if (a.num_kv_heads != b.num_kv_heads || a.head_dim != b.head_dim || a.visible.left != b.visible.left ||
      a.visible.right != b.visible.right || a.visible.chunk != b.visible.chunk || a.rotary != b.rotary ||
      a.recurrent() != b.recurrent() || a.rope.has_value() != b.rope.has_value() ||
      !nearly(number(a.scale), number(b.scale)) || !nearly(a.softcap, b.softcap) ||
      !nearly(number(a.clip_qkv), number(b.clip_qkv)))
    return false;
  if (!a.rope || !a.rotary || a.recurrent()) return true;
  for (const isize length : {isize(1), a.rope->max_positions() + 1}) {
    const auto x = a.rope->frequencies(length), y = b.rope->frequencies(length);
    if (!nearly(x.second, y.second) || !std::equal(x.first.begin(), x.first.end(), y.first.begin(), y.first.end(),
                                                   [](f32 v, f32 w) { return nearly(f64(v), f64(w)); }))
      return false;
  }
  return true;
}

/// What a file is read with otherwise than it was written: what GGUF has no key for, and llama.cpp takes as given.
inline std::string not_said(const AnyConfig& config, const gguf_file& file) {
  const AnyConfig read = read_config(config.info(), file);
  said_fields ours, theirs;
  config.ref().fields(ours), read.ref().fields(theirs);
  // A head that the model has not is none that is tied; and windows are those of attention, where a field says whether
  // there are any.
  if (!config.info().names.gguf_class.empty()) ours.values.erase("tie_word_embeddings");
  if (ours.values.contains("use_sliding_window")) ours.values.erase("sliding_window");
  short_list out;
  for (const auto& [name, value] : ours.values) {
    const json& other = theirs.values[name];
    const auto empty = [](const json& v) { return v.is_null() || (v.is_array() && v.empty()); };
    const bool lost =
        name == "mlp_only_layers" || (name == "sliding_window" && !gguf_says(file, "attention.sliding_window"));
    const bool added = value.is_null() && other.is_number_float();  // a softcap, where there is none
    if (added || (!empty(value) && (lost || (!empty(other) && !nearly(value, other)))))
      out.add(cat(name, ": ", value.dump(), ", read as ", lost ? "none" : other.dump()));
  }
  if (config.other_fields.contains("quantization_config"))
    out.add("quantization_config: rounding of what layers see, read as none");
  const isize layers = get_field(config.ref(), "num_hidden_layers").value_or(0);
  for (isize i = 0; i < layers; ++i) {
    const auto a = config.info().attention(config.ref().config.config, i);
    const auto b = config.info().attention(read.ref().config.config, i);
    if (a && b && !nearly(*a, *b)) out.add(cat("attention of layer ", i));
  }
  return out.text();
}

HFT_INLINE_ONCE void save_gguf(ModelParts& model, const AnyConfig& config, const std::string& architecture,
                               const gguf_metadata& tokenizer, const std::filesystem::path& file,
                               const SaveGgufOptions& options) {
  const std::string where = file.string();
  const name_tables& names = config.info().names;
  if (names.gguf.empty()) throw unsupported_error(where, "architecture", "one that GGUF has names for", architecture);
  if (options.dtype && (!info(*options.dtype).floating || *options.dtype == dtype_id::f64))
    throw value_error(where, "dtype", "f32, f16, bf16 or a block format", std::string(name(*options.dtype)));
  const load_plan plan = plan_of(model, config);
  gguf_collector parts(plan, where + ": " + architecture);
  model.visit(parts);
  auto tensors = stack(std::move(parts.tensors), names.gguf_stacks, "");
  const auto of_head =
      std::find_if(tensors.begin(), tensors.end(), [](const auto& t) { return t.name == "cls.output.weight"; });
  if (of_head != tensors.end() && architecture != config.info().class_name("ForSequenceClassification"))
    throw unsupported_error(where, "as a GGUF file", "a model whose parts llama.cpp has names for", architecture);

  gguf_metadata metadata;
  std::string_view name = names.gguf_name(config.info().model_type);
  for (const auto& [of_class, suffix] : names.gguf_classes)
    if (architecture == config.info().class_name(suffix)) name = of_class;
  metadata.set("general.architecture", name).set("general.type", "model");
  if (!options.name.empty()) metadata.set("general.name", options.name);
  gguf_keys keys(metadata, name);
  write_fields(config.ref(), keys);
  describe_attention(config, where, keys, tensors);
  if (const auto vocabulary = get_field(config.ref(), "vocab_size")) keys.number("vocab_size", *vocabulary);
  for (const auto& [key, values] : parts.arrays) metadata.set(key, values);
  config.info().complete_in(config.ref().config.config, keys);
  if (const auto up =
          std::find_if(tensors.begin(), tensors.end(), [](const auto& t) { return t.name == "blk.0.ffn_up.weight"; });
      up != tensors.end() && !keys.contains("feed_forward_length"))
    keys.number("feed_forward_length", up->shape[0]);

  for (const auto& [of_layers, extents] : keys.shapes())
    for (auto& t : tensors)
      if (const auto found = fit("blk.*", t.name); found && found->rest == "." + of_layers) t.shape = extents;

  const dtype_id most = convert_all(tensors, options.dtype, where);
  if (const auto type = file_type_of(most)) metadata.set("general.file_type", std::uint32_t(*type));
  if (info(most).block > 1) metadata.set("general.quantization_version", std::uint32_t(2));
  metadata.set(tokenizer);
  if (!parts.left.empty())
    log_message(log_level::warning, where,
                joined("GGUF has no names for, and the file is without: ", parts.left.text()));
  write_gguf(file, metadata, tensors, [&](const gguf_file& written) {
    std::string lost;
    try {
      lost = not_said(config, written);
    } catch (const error& e) {
      throw unsupported_error(where, "config as a GGUF file", "one that can be read from it again", e.what());
    }
    if (!lost.empty())
      log_message(log_level::warning, where, joined("GGUF has no keys for all of the config; of the file ", lost));
  });
}

}  // namespace hft::detail

#endif  // HFT_DEFINES
