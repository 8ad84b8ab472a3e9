// PreTrainedModel: from_pretrained and save_pretrained for every model, as transformers.PreTrainedModel has them.
//
// A model M derives from PreTrainedModel<M> and provides
//   using config_type, using build_type
//   explicit M(config_type)                      a module whose parameters have shapes and no memory
//   const config_type& config() const
//   void visit(visitor&)                         its parameters under their checkpoint names
//   void tie_weights()                           shares what the config ties; called after loading
//   static std::string architecture()            what config.json lists: "LlamaForCausalLM"
//   static constexpr std::string_view base_model_prefix   the base model's name inside the headed one: "model"; a base
//   model
//                                                itself has it too, and drops it from the names of a headed checkpoint
// and its config
//   static std::string current_name(std::string) optional: today's name of a tensor of an older checkpoint
//   static name_map gguf_names(); static Config from_gguf(const gguf_file&); isize gguf_permuted_heads(path) const
//   optional static bool ignored(std::string_view name)   optional: tensors of old checkpoints that are no parameters
#pragma once
#include <concepts>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/checkpoint.hpp>
#include <hft/io/hub.hpp>
#include <hft/io/safetensors_writer.hpp>
#include <hft/layers/build.hpp>
#include <hft/linkage.hpp>
#include <hft/models/config.hpp>
#include <hft/models/generation_config.hpp>
#include <hft/models/name_map.hpp>
#include <hft/module.hpp>
#include <hft/quantization/bitsandbytes.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

struct LoadOptions {
  std::optional<dtype_id> dtype;  // for weights of type any_q: convert to this format; default: as stored
  std::string revision = "main";  // of a hub id
};

struct SaveOptions {
  std::optional<dtype_id> dtype;  // f32, f16, bf16; default: the model's own, f32 for block formats
  std::uint64_t max_shard_size = 50'000'000'000;
};

namespace detail {

// What a loader needs to know of a model beside its parameters; erased, so that loading is compiled once.
struct load_plan {
  std::string_view base_model_prefix;
  name_map gguf_names;
  std::string (*current_name)(std::string) = nullptr;
  bool (*ignored)(std::string_view) = nullptr;
  bool (*may_be_left)(std::string_view) = nullptr;        // names that a checkpoint may have beyond the model's
  std::vector<std::pair<std::string, std::string>> tied;  // paths that the config ties, each with that of its original
  void (*untie)(const void* config) = nullptr;            // where a checkpoint has a copy of other values
  // Of the parameter at a path, the heads whose rows a GGUF file has in another order, or 0.
  isize (*gguf_permuted_heads)(const void* config, std::string_view path) = nullptr;
  const void* config = nullptr;
};

// (rows, cols) => (cols, rows)
void transpose(f32* to, const f32* from, isize rows, isize cols);

/// Gives one parameter its stored values: the mapped bytes themselves where dtype and order agree, else a converted
/// copy.
void assign(parameter& p, const stored_tensor& stored, const std::string& where, isize permuted_heads, bool transposed,
            std::optional<dtype_id> wanted);

/// Loads every parameter that `visit` shows, strictly: throws weight_error that lists what is missing, unexpected or of
/// another shape.
void load_weights(const checkpoint& source, const load_plan& plan, const LoadOptions& options,
                  const std::function<void(visitor&)>& visit);

/// Sets what a folder says of generation: generation_config.json alone where there is one, else the fields of it that
/// config.json has, as old checkpoints do, beside the special tokens that `config` has from there.
void read_generation_config(const std::filesystem::path& folder, GenerationConfig& config);

/// Writes every parameter that `visit` shows as safetensors into `folder`.
void save_weights(const std::filesystem::path& folder, dtype_id dtype, std::uint64_t max_shard_size,
                  const std::function<void(visitor&)>& visit);

std::string_view torch_dtype_name(dtype_id id);

}  // namespace detail

/// The config of a checkpoint: config.json of a folder, or the metadata of a GGUF file.
/// Throws file_error, format_error, config_error, or unsupported_error for a model_type that is not Config's.
template <class Config>
Config read_config(const checkpoint& source) {
  if (source.is_gguf()) {
    if constexpr (requires { requires std::same_as<decltype(Config::from_gguf(source.gguf())), Config>; }) {
      Config config;
      detail::naming_the_file(source.path().string(), [&] { config = Config::from_gguf(source.gguf()); });
      return config;
    } else {
      throw unsupported_error(source.path().string(), detail::joined(Config::model_type, " from a GGUF file"));
    }
  }
  const auto file = source.path() / "config.json";
  const json object = read_json(file);
  const auto type = get<std::string>(object, "model_type", "", file.string());
  if (!type.empty() && type != Config::model_type)
    throw unsupported_error(file.string(), "model_type", detail::quote_text(Config::model_type),
                            detail::quote_text(type));
  return config_from_json<Config>(object, file.string());
}

template <class Derived>
class PreTrainedModel {
 public:
  /// Loads a model from a Transformers folder, a .gguf file, or a hub id that is in the hub cache.
  /// Weights are mapped, not copied, where the file's dtype is the model's; else they are converted.
  /// Throws file_error, format_error, config_error, and weight_error where the tensors are not exactly the model's.
  static Derived from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return load(checkpoint::open(resolve_model(id_or_path, options.revision)), options);
  }

  /// The same from an opened checkpoint.
  static Derived load(const checkpoint& source, const LoadOptions& options = {}) {
    using Config = typename Derived::config_type;
    Derived model(read_config<Config>(source));
    model.load_weights(source, options);
    if (!source.is_gguf()) detail::read_generation_config(source.path(), model.generation_config);
    return model;
  }

  /// Fills the parameters from a checkpoint; strict.
  void load_weights(const checkpoint& source, const LoadOptions& options = {}) {
    using Config = typename Derived::config_type;
    Derived& self = derived();
    detail::load_plan plan;
    plan.base_model_prefix = Derived::base_model_prefix;
    plan.config = &self.config();
    if constexpr (requires { self.config().gguf_permuted_heads(""); })
      plan.gguf_permuted_heads = [](const void* config, std::string_view path) {
        return static_cast<const Config*>(config)->gguf_permuted_heads(path);
      };
    if constexpr (requires { Config::gguf_names(); })
      if (source.is_gguf()) plan.gguf_names = Config::gguf_names();
    if constexpr (requires { Config::current_name(""); }) plan.current_name = &Config::current_name;
    if constexpr (requires { self.tied_parameters(); }) {
      plan.tied = self.tied_parameters();
      plan.untie = [](const void* config) {  // it is the model's own, which is being loaded
        const_cast<Config*>(static_cast<const Config*>(config))->tie_word_embeddings = false;
      };
    }
    if constexpr (requires { Config::ignored(""); }) plan.ignored = &Config::ignored;
    if constexpr (requires { Config::may_be_left(""); }) plan.may_be_left = &Config::may_be_left;
    detail::load_weights(source, plan, options, [&](visitor& v) { self.visit(v); });
    self.tie_weights();
    after_loading work;
    self.visit(work);
  }

  /// Writes config.json, generation_config.json and model.safetensors (or shards of it), which Transformers loads.
  /// Weights are written in options.dtype; by default in the model's own scalar dtype, block formats as f32.
  void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options = {}) const {
    // visit() shows parameters for change; saving changes none.
    Derived& self = const_cast<Derived&>(derived());
    const dtype_id dtype = options.dtype.value_or(own_dtype());
    if (info(dtype).block > 1 || !info(dtype).floating)
      throw value_error("save_pretrained", "dtype", "f32, f16 or bf16", std::string(name(dtype)));
    detail::save_weights(folder, dtype, options.max_shard_size, [&](visitor& v) { self.visit(v); });
    json config = config_to_json(self.config());
    config["architectures"] = json::array({Derived::architecture()});
    config["dtype"] = detail::torch_dtype_name(dtype);
    write_file_atomically(folder / "config.json", dump(config));
    // Settings that nobody made are not written: most models without a head to generate with have none.
    if (const json generation = generation_config.to_json(); generation != GenerationConfig().to_json())
      write_file_atomically(folder / "generation_config.json", dump(generation));
  }

  /// The settings that generate starts from; from_pretrained reads them from generation_config.json.
  GenerationConfig generation_config;

 private:
  Derived& derived() { return static_cast<Derived&>(*this); }
  const Derived& derived() const { return static_cast<const Derived&>(*this); }

  dtype_id own_dtype() const {
    using W = typename Derived::build_type::weight;
    if constexpr (Scalar<W>) {
      return dtype<W>::id;
    } else {  // the format of the largest weight, if it is a scalar one
      dtype_id id = dtype_id::f32;
      isize largest = 0;
      for_each_parameter(const_cast<Derived&>(derived()), [&](const std::string&, parameter& p) {
        if (p.size() > largest) largest = p.size(), id = p.format();
      });
      return info(id).block == 1 ? id : dtype_id::f32;
    }
  }
};

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

HFT_INLINE void assign(parameter& p, const stored_tensor& stored, const std::string& where, isize permuted_heads,
                       bool transposed, std::optional<dtype_id> wanted) {
  const isize cols = p.shape().back(), rows = cols ? p.size() / cols : 0;
  if (!info(stored.dtype).floating)
    throw weight_error(where, "tensor " + quote_text(stored.name), "a floating or block dtype",
                       std::string(name(stored.dtype)));
  const dtype_id format =
      p.required_format().value_or(p.shape().size() > 1 ? wanted.value_or(stored.dtype) : stored.dtype);
  if (cols % info(format).block)
    throw weight_error(where, "tensor " + quote_text(stored.name),
                       joined("rows of a multiple of ", info(format).block, " for ", name(format)),
                       shape_text(p.shape()));
  const auto alignment = std::uintptr_t(info(format).block > 1 ? 2 : info(format).bytes);
  if (format == stored.dtype && !transposed && !permuted_heads && p.host_memory() &&
      reinterpret_cast<std::uintptr_t>(stored.bytes.data()) % alignment == 0) {
    p.bind(buffer::share(stored.owner, stored.bytes.data(), stored.bytes.size(), stored.mapped), stored.bytes.data(),
           format);
    return;
  }
  const std::byte* from = stored.bytes.data();
  dtype_id from_format = stored.dtype;
  std::vector<std::byte> reordered;
  if (transposed) {
    std::vector<f32> values(std::size_t(p.size()));
    convert(dtype_id::f32, values.data(), stored.dtype, from, p.size());  // (cols, rows)
    reordered.resize(values.size() * sizeof(f32));
    auto* out = reinterpret_cast<f32*>(reordered.data());
    transpose(out, values.data(), cols, rows);
    from = reordered.data(), from_format = dtype_id::f32;
  } else if (permuted_heads) {
    reordered.resize(stored.bytes.size());
    const isize stored_rows = p.shape()[0];  // of a matrix, or the elements of a bias
    unpermute_rows(reordered.data(), from, stored_rows, stored.bytes.size() / std::size_t(stored_rows), permuted_heads);
    from = reordered.data();
  }
  p.allocate(format);
  if (p.host_memory()) {
    convert_rows(format, p.data(), from_format, from, rows, cols);
  } else {
    std::vector<std::byte> staged(std::size_t(p.bytes()));
    convert_rows(format, staged.data(), from_format, from, rows, cols);
    p.copy_from_host(staged.data(), staged.size());
  }
  if (stored.mapped) buffer::let_pages_go(stored.bytes.data(), stored.bytes.size());  // they have been read
}

/// Where both parameters of a tied pair are stored with different values, the config is wrong: they are two. Else one
/// is enough, whichever it is. (PreTrainedModel.tie_weights)
HFT_INLINE void settle_ties(const load_plan& plan,
                            std::map<std::string, const stored_tensor*, std::less<>>& available) {
  bool different = false;
  for (const auto& [copy, original] : plan.tied) {
    const auto c = available.find(copy), o = available.find(original);
    if (c == available.end()) continue;
    if (o == available.end()) {
      available.emplace(original, c->second);
    } else {
      const stored_tensor &a = *c->second, &b = *o->second;
      different = different || a.dtype != b.dtype || a.shape != b.shape ||
                  (a.bytes.data() != b.bytes.data() && !std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin()));
    }
  }
  if (different) plan.untie(plan.config);
  for (const auto& [copy, original] : plan.tied)
    if (!different)
      available.erase(copy);
    else if (const auto o = available.find(original); o != available.end())
      available.emplace(copy, o->second);  // of several pairs, one that is not stored twice
}

HFT_INLINE void load_weights(const checkpoint& source, const load_plan& plan, const LoadOptions& options,
                             const std::function<void(visitor&)>& visit) {
  std::map<std::string, const stored_tensor*, std::less<>> available;  // by module path
  const std::string where = source.path().string(), prefix = std::string(plan.base_model_prefix) + ".";
  bool headed = false, headed_file = false;  // whether paths of the model, and names in the file, have the prefix
  std::span<const stored_tensor> tensors = source.tensors();
  std::vector<stored_tensor> put_together;
  std::vector<std::string> unpacked;  // names of those that were quantised by bitsandbytes
  if (!source.is_gguf() && holds_bitsandbytes(tensors, where))
    tensors = put_together = unpack_bitsandbytes(tensors, where, unpacked);
  // A tensor of a dtype that hft does not have is asked for, which throws and names that dtype.
  const auto refuse = [&](const auto& unreadable) {
    for (const auto& t : unreadable)
      if (!plan.ignored || !plan.ignored(t.name)) source.find(t.name);
  };
  if (source.is_gguf()) refuse(source.gguf().unreadable());
  for (const auto& shard : source.shards()) refuse(shard.unreadable());
  visiting own_paths([&](const std::string& path, parameter&) { headed = headed || path.starts_with(prefix); });
  visit(own_paths);
  for (const auto& t : tensors) headed_file = headed_file || t.name.starts_with(prefix);
  for (const auto& t : tensors) {
    if (plan.ignored && plan.ignored(t.name)) continue;
    std::string path = plan.gguf_names.translate(t.name).value_or(t.name);
    if (plan.current_name && !source.is_gguf()) path = plan.current_name(std::move(path));
    if (!source.is_gguf() && !plan.base_model_prefix.empty()) {
      if (!headed && headed_file) {
        if (!path.starts_with(prefix)) continue;  // the head of a headed checkpoint
        path.erase(0, prefix.size());
      } else if (headed && !headed_file) {
        path.insert(0, prefix);
      }
    } else if (source.is_gguf() && !headed) {
      if (!path.starts_with(prefix)) continue;
      path.erase(0, prefix.size());
    }
    available.emplace(std::move(path), &t);
  }
  settle_ties(plan, available);
  std::string problems;
  int shown = 0;
  const auto problem = [&](const std::string& text) {
    if (++shown <= 8) problems += (problems.empty() ? "" : "; ") + text;
  };
  visiting v([&](const std::string& path, parameter& p) {
    const auto found = available.find(path);
    if (found == available.end()) return problem(cat("missing ", quote_text(path), " ", shape_text(p.shape())));
    const stored_tensor& t = *found->second;
    available.erase(found);
    // GGUF and bitsandbytes store all weights as (out, in).
    const bool transposed =
        p.transposed() && !source.is_gguf() && !std::binary_search(unpacked.begin(), unpacked.end(), t.name);
    std::vector<isize> expected = p.shape();
    if (transposed) std::reverse(expected.begin(), expected.end());
    if (t.shape != expected)
      return problem(
          cat("tensor ", quote_text(t.name), ": expected ", shape_text(expected), ", found ", shape_text(t.shape)));
    const isize permuted_heads =
        source.is_gguf() && plan.gguf_permuted_heads ? plan.gguf_permuted_heads(plan.config, path) : 0;
    if (problems.empty()) assign(p, t, where, permuted_heads, transposed, options.dtype);
  });
  visit(v);
  for (const auto& [path, t] : available)
    if (!plan.may_be_left || !plan.may_be_left(path))
      problem(cat("unexpected ", quote_text(t->name), " ", shape_text(t->shape)));
  if (shown > 8) problems += cat("; and ", shown - 8, " more");
  if (!problems.empty()) throw weight_error(where, "weights do not fit the model: " + problems);
}

HFT_INLINE void read_generation_config(const std::filesystem::path& folder, GenerationConfig& config) {
  const auto own = folder / "generation_config.json";
  if (is_there(own)) {
    config = {};
    config.update(read_json(own), own.string());
    return;
  }
  const auto file = folder / "config.json";
  const json object = read_json(file);
  json known = json::object();
  for (const auto& field : config.fields()) {
    const std::string_view name = field.name;
    const bool special = name == "bos_token_id" || name == "eos_token_id" || name == "pad_token_id";
    if (!special && name != "seed" && object.contains(name)) known[name] = object[name];
  }
  config.update(known, file.string());
}

HFT_INLINE void save_weights(const std::filesystem::path& folder, dtype_id dtype, std::uint64_t max_shard_size,
                             const std::function<void(visitor&)>& visit) {
  std::vector<stored_tensor> tensors;
  visiting v([&](const std::string& path, parameter& p) {
    stored_tensor t;
    t.name = path;
    t.dtype = dtype;
    t.shape = p.shape();
    std::shared_ptr<std::vector<std::byte>> bytes;
    const auto take = [&](std::size_t n) {
      bytes = std::make_shared<std::vector<std::byte>>(n);
      return bytes->data();
    };
    const auto* from = static_cast<const std::byte*>(p.data());
    std::vector<std::byte> staged;
    if (!p.host_memory()) {
      staged.resize(std::size_t(p.bytes()));
      p.copy_to_host(staged.data(), staged.size());
      from = staged.data();
    }
    const std::size_t size = std::size_t(p.size() * info(dtype).bytes);
    if (p.transposed()) {
      std::reverse(t.shape.begin(), t.shape.end());
      std::vector<f32> values(std::size_t(p.size())), turned(values.size());
      convert(dtype_id::f32, values.data(), p.format(), from, p.size());
      const isize rows = p.shape()[0], cols = p.shape()[1];
      transpose(turned.data(), values.data(), rows, cols);
      convert(dtype, take(size), dtype_id::f32, turned.data(), p.size());
    } else if (p.format() == dtype && staged.empty()) {
      t.bytes = {from, size};
    } else {
      convert(dtype, take(size), p.format(), from, p.size());
    }
    if (bytes) t.bytes = *bytes, t.owner = std::move(bytes);
    tensors.push_back(std::move(t));
  });
  visit(v);
  save_checkpoint(folder, tensors, max_shard_size);
}

HFT_INLINE std::string_view torch_dtype_name(dtype_id id) {
  switch (id) {
    case dtype_id::f16:
      return "float16";
    case dtype_id::bf16:
      return "bfloat16";
    case dtype_id::f64:
      return "float64";
    default:
      return "float32";
  }
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
