// Caches as files: a long prompt is computed once.
//
//   DynamicCache<> cache(model.cache_options());
//   generate(model, prompt, {.max_new_tokens = 1}, {.past_key_values = &cache});
//   save_cache(cache, "prompt.safetensors");
//   ...
//   auto cache = load_cache("prompt.safetensors");
//   generate(model, longer_prompt, config, {.past_key_values = &cache});
//
// A file of safetensors: layers.I.keys and layers.I.values (B,Hk,S,D), layers.I.state.NAME (B,...), cross.I.keys and
// cross.I.values (B,S,Hk,D), and of a PrefixCache token_ids (B,S). Its metadata: format "hft.cache", version, and as
// JSON layers, options, model, config.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/generation/cache.hpp>
#include <hft/generation/saved_layer.hpp>
#include <hft/io/json.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <map>

#include <hft/io/safetensors_writer.hpp>
#endif

namespace hft {

namespace detail {

/// What a file holds of a cache, or is to hold, the element type erased.
struct SavedCache {
  std::string where;
  CacheOptions options;  // and the model
  json config;           // null where none was given
  std::vector<SavedLayer> layers;
  std::vector<SavedLayer> crosses;    // kind is empty where a place is
  std::vector<std::vector<i64>> ids;  // of each row; empty where they are not known
  isize batch = 0;                    // 0: it holds nothing
};

void write_saved_cache(const std::filesystem::path& path, SavedCache cache);
/// Throws format_error for a file that is no saved cache, or contradicts itself.
SavedCache read_saved_cache(const safetensors_file& file);
/// Throws value_error, which names the fields, where two configs differ; either may be null.
void check_same_config(const std::string& where, const json& saved, const json& given);

}  // namespace detail

/// Writes what a cache holds, all or nothing. With a config, config_to_json(model.config()), who reads the file is told
/// where another model's differs; without one, by the numbers of CachedModel alone. Throws file_error where the file
/// cannot be written, unsupported_error for layers of a kind that cannot be saved.
template <Scalar A, BaseDevice D>
void save_cache(const LayeredCache<A, D>& cache, const std::filesystem::path& path, const json& config = nullptr) {
  detail::SavedCache saved{path.string(), cache.options(), config, {}, {}, {}};
  saved.options.model = cache.model();
  for (const auto& layer : cache.layers()) {
    auto& to = saved.layers.emplace_back();
    if (const auto* own = dynamic_cast<const SaveableLayer*>(layer.get())) {
      to = own->saved();
    } else if (const auto* kv = dynamic_cast<const detail::kv_layer<A, D>*>(layer.get())) {
      to = {"keys_and_values", kv->first(), kv->get_seq_length()};
      if (to.tokens == 0) continue;
      const auto held = kv->held();
      to.tensors = {detail::stored("keys", held.first), detail::stored("values", held.second)};
    } else if (auto* recurrent = dynamic_cast<RecurrentLayer<A, D>*>(layer.get())) {
      to = {"recurrent", 0, recurrent->get_seq_length()};
      for (const auto& [name, t] : recurrent->state().tensors)
        if (t) to.tensors.push_back(detail::stored("state." + name, t));
    } else {
      throw unsupported_error("save_cache", detail::joined("layer ", saved.layers.size() - 1),
                              "a kind of layer that can be saved (see SaveableLayer)", "another");
    }
  }
  for (const auto& cross : cache.crosses()) {
    auto& to = saved.crosses.emplace_back();
    if (!cross.keys) continue;
    to.kind = "keys_and_values";
    to.tensors = {detail::stored("keys", cross.keys), detail::stored("values", cross.values)};
  }
  if (const auto* ids = cache.token_ids()) saved.ids = *ids;
  detail::write_saved_cache(path, std::move(saved));
}

namespace detail {

template <Scalar A, BaseDevice D>
void load_into(LayeredCache<A, D>& cache, const safetensors_file& file, const json& config) {
  cache.reset();
  const auto saved = read_saved_cache(file);
  check_same_config(saved.where, saved.config, config);
  const CachedModel own = cache.model();
  try {
    for (std::size_t i = 0; i < saved.layers.size(); ++i) {
      const SavedLayer& from = saved.layers[i];
      const std::string where = cat(saved.where, ": layer ", i);
      if (from.kind == "recurrent") {
        auto& state = cache.state(isize(i));
        for (const auto& t : from.tensors) {
          from.tensor(t.name, 4, where);
          state[std::string_view(t.name).substr(6)] = loaded<A, 4, D>(t, where).clone();  // layers write to it
        }
        state.tokens = from.tokens;
        continue;
      }
      CacheLayer<A, D>& layer = cache.at(isize(i));
      if (auto* made = dynamic_cast<SaveableLayer*>(&layer)) {
        made->restore(from, where);
        continue;
      }
      auto* kv = dynamic_cast<kv_layer<A, D>*>(&layer);
      if (!kv || (from.kind != "keys_and_values" && !from.kind.empty()))
        throw value_error(where, "kind", "that of the cache's layer", from.kind);
      if (from.tensors.empty()) continue;
      const isize room = kv->get_max_cache_shape();
      if (room && from.tokens > room)
        throw value_error(where, "tokens", joined("at most the cache's room for ", room), joined(from.tokens));
      const auto keys = loaded<A, 4, D>(from.tensor("keys", 4, where), where);
      kv->hold(keys, loaded<A, 4, D>(from.tensor("values", 4, where), where), from.first, keys.extent(2));
      const auto* sliding = dynamic_cast<SlidingWindowLayer<A, D>*>(kv);
      const isize needed = sliding ? std::max<isize>(0, from.tokens - (sliding->window() - 1)) : 0;
      if (from.first > needed)
        throw value_error(where, "tokens", joined("those from ", needed, " on, as the cache's layer needs"),
                          joined("those from ", from.first, " on"));
    }
    for (std::size_t i = 0; i < saved.crosses.size(); ++i) {
      const SavedLayer& from = saved.crosses[i];
      const std::string where = cat(saved.where, ": cross ", i);
      auto& to = cache.cross(isize(i));
      if (from.kind.empty()) continue;
      to = {loaded<A, 4, D>(from.tensor("keys", 4, where), where),
            loaded<A, 4, D>(from.tensor("values", 4, where), where)};
    }
    if (auto* ids = cache.token_ids()) *ids = saved.ids;
    cache.set_model(saved.options.model);
    cache.check_model(own, saved.where.c_str());
  } catch (...) {
    cache.reset();
    cache.set_model(own);
    throw;
  }
}

}  // namespace detail

/// Reads what was saved into a cache, which forgets what it held. Keys and values stay in the file until they are asked
/// for, and are not copied before more come behind them. Throws file_error, format_error for a file that is damaged,
/// value_error where it was saved of another model, by a config other than the given one, with another dtype, or by a
/// cache whose layers are not those of this, unsupported_error where one of them has a state and the other has none;
/// the cache is then empty.
template <Scalar A, BaseDevice D>
void load_cache(LayeredCache<A, D>& cache, const std::filesystem::path& path, const json& config = nullptr) {
  detail::load_into(cache, safetensors_file::open(path), config);
}

/// The cache that was saved: layers that grow, have their room or a window, or keep a state, as those of the file. Of
/// kinds in headers of their own, such as quantised ones, make an empty cache and read into that. Throws as above.
template <Scalar A = f32, BaseDevice D = cpu>
LayeredCache<A, D> load_cache(const std::filesystem::path& path, const json& config = nullptr) {
  const auto file = safetensors_file::open(path);
  LayeredCache<A, D> cache(detail::read_saved_cache(file).options, file.where().c_str());
  detail::load_into(cache, file, config);
  return cache;
}

#if HFT_DEFINES(MODELS)

namespace detail {

inline json cached_model_json(const CachedModel& model) {
  json object = json::object();
  for (std::size_t i = 0; i < CachedModel::names.size(); ++i) object[CachedModel::names[i]] = model.values()[i];
  return object;
}
inline CachedModel cached_model_of(const json& object, const std::string& where) {
  std::array<isize, 6> v{};
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = hft::get<isize>(object, CachedModel::names[i], 0, where);
  return {v[0], v[1], v[2], v[3], v[4], v[5]};
}

HFT_INLINE_ONCE void write_saved_cache(const std::filesystem::path& path, SavedCache cache) {
  std::vector<stored_tensor> tensors;
  json layers = json::array(), crosses = json::array();
  const auto add = [&](const char* prefix, std::vector<SavedLayer>& from, json& to) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      auto& layer = from[i];
      to.push_back(
          {{"kind", layer.kind}, {"first", layer.first}, {"tokens", layer.tokens}, {"settings", layer.settings}});
      for (auto& t : layer.tensors) {
        t.name = cat(prefix, i, ".", t.name);
        tensors.push_back(std::move(t));
      }
    }
  };
  add("layers.", cache.layers, layers);
  add("cross.", cache.crosses, crosses);
  const bool known = !cache.ids.empty() && std::all_of(cache.ids.begin(), cache.ids.end(), [&](const auto& row) {
    return row.size() == cache.ids[0].size();
  });
  if (known) tensors.push_back(stored("token_ids", ids_tensor(cache.ids)));
  const json options = {{"layer_types", json(cache.options.layer_types)},
                        {"sliding_window", cache.options.sliding_window},
                        {"max_cache_len", cache.options.max_cache_len}};
  std::map<std::string, std::string> metadata{
      {"format", "hft.cache"},     {"version", "1"},
      {"layers", layers.dump()},   {"cross", crosses.dump()},
      {"options", options.dump()}, {"model", cached_model_json(cache.options.model).dump()}};
  if (!cache.config.is_null()) metadata["config"] = cache.config.dump();
  write_safetensors(path, tensors, metadata);
}

HFT_INLINE_ONCE SavedCache read_saved_cache(const safetensors_file& file) {
  constexpr isize most = isize(1) << 40;
  SavedCache cache;
  cache.where = file.where();
  const auto& metadata = file.metadata();
  const auto said = [&](const char* key) {
    const auto at = metadata.find(key);
    return at == metadata.end() ? std::string() : at->second;
  };
  if (said("format") != "hft.cache")
    throw format_error(cache.where, "format", "a file of save_cache, 'hft.cache'", quote_text(said("format")));
  if (said("version") != "1") throw format_error(cache.where, "version", "1", quote_text(said("version")));
  if (!file.unreadable().empty())
    throw format_error(cache.where, joined("dtype of ", file.unreadable()[0].name), "one that caches have",
                       file.unreadable()[0].dtype);
  const auto parsed = [&](const char* key) { return parse_json(said(key), cat(cache.where, ": ", key)); };

  const json options = parsed("options");
  cache.options.layer_types = hft::get<std::vector<std::string>>(options, "layer_types", {}, cache.where);
  cache.options.sliding_window = hft::get<isize>(options, "sliding_window", 0, cache.where);
  cache.options.max_cache_len = hft::get<isize>(options, "max_cache_len", 0, cache.where);
  if (cache.options.sliding_window > most || cache.options.max_cache_len > most)
    throw format_error(cache.where, "options", joined("lengths to ", most), said("options"));
  cache.options.model = cached_model_of(parsed("model"), cache.where);
  if (metadata.count("config")) cache.config = parsed("config");

  const auto read = [&](const char* key, std::vector<SavedLayer>& to) {
    const json list = parsed(key);
    if (!list.is_array() || list.size() > 1 << 16)
      throw format_error(cache.where, key, "a list of at most 65536 layers", describe(list));
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string where = cat(cache.where, ": ", key, ' ', i);
      const json& layer = list[i];
      const json* settings = find_member(layer, "settings", where);
      to.push_back({require<std::string>(layer, "kind", where), require<isize>(layer, "first", where),
                    require<isize>(layer, "tokens", where), settings ? *settings : json::object()});
      if (to.back().first < 0 || to.back().tokens < to.back().first || to.back().tokens > most)
        throw format_error(where, "tokens", joined("first to ", most, ", and first from 0 on"),
                           joined(to.back().tokens, ", first ", to.back().first));
    }
  };
  read("layers", cache.layers);
  read("cross", cache.crosses);

  const stored_tensor* ids = nullptr;
  for (const stored_tensor& t : file.tensors()) {
    if (t.name == "token_ids") {
      ids = &t;
      continue;
    }
    const auto fail = [&] { throw format_error(cache.where, "tensor", "one of a layer that is there", t.name); };
    const bool across = t.name.starts_with("cross.");
    if (!across && !t.name.starts_with("layers.")) fail();
    auto& of = across ? cache.crosses : cache.layers;
    std::size_t i = 0, at = across ? 6 : 7;
    const std::size_t begin = at;
    while (at < t.name.size() && at < begin + 5 && t.name[at] >= '0' && t.name[at] <= '9')
      i = 10 * i + std::size_t(t.name[at++] - '0');
    if (at == begin || at == t.name.size() || t.name[at] != '.' || i >= of.size()) fail();
    of[i].tensors.push_back(t);
    of[i].tensors.back().name = t.name.substr(at + 1);
  }

  isize tokens = 0;
  const auto check = [&](const SavedLayer& layer, const std::string& where, bool across) {
    for (const auto& t : layer.tensors) {
      const isize rows = t.shape.empty() ? 0 : t.shape[0];
      if (!cache.batch) cache.batch = rows;
      if (rows < 1 || rows != cache.batch)
        throw format_error(where, joined("rows of ", t.name),
                           joined(std::max<isize>(1, cache.batch), ", as others have"), joined(rows));
    }
    if (layer.kind == "recurrent") {
      for (const auto& t : layer.tensors)
        if (!t.name.starts_with("state.")) throw format_error(where, "tensor", "state.NAME", t.name);
      return;
    }
    if (layer.tokens && !across) {
      if (tokens && layer.tokens != tokens)
        throw format_error(where, "tokens", joined(tokens, ", as in layers before it"), joined(layer.tokens));
      tokens = layer.tokens;
    }
    if (layer.kind != "keys_and_values") return;  // says for itself what it needs
    if (layer.tensors.empty() && !layer.tokens) return;
    const auto& k = layer.tensor("keys", 4, where).shape;
    const auto& v = layer.tensor("values", 4, where).shape;
    if (k[1] != v[1] || k[2] != v[2] || layer.tensors.size() != 2)
      throw format_error(where, "values", joined("the heads and tokens of keys, ", shape_text(k)), shape_text(v));
    if (!across && k[2] != layer.tokens - layer.first)
      throw format_error(where, "keys", joined(layer.tokens - layer.first, " tokens, as the metadata says"),
                         joined(k[2]));
  };
  for (std::size_t i = 0; i < cache.layers.size(); ++i) check(cache.layers[i], cat(cache.where, ": layer ", i), false);
  for (std::size_t i = 0; i < cache.crosses.size(); ++i) check(cache.crosses[i], cat(cache.where, ": cross ", i), true);
  if (ids) {
    if (ids->shape != std::vector<isize>{cache.batch, tokens} || ids->dtype != dtype_id::i64)
      throw format_error(cache.where, "token_ids", joined("i64 (", cache.batch, ", ", tokens, ")"),
                         joined(info(ids->dtype).name, ' ', shape_text(ids->shape)));
    const auto rows = loaded<i64, 2>(*ids, cache.where);
    for (isize b = 0; b < cache.batch; ++b)
      cache.ids.emplace_back(rows.data() + b * tokens, rows.data() + (b + 1) * tokens);
  }
  return cache;
}

HFT_INLINE_ONCE void check_same_config(const std::string& where, const json& saved, const json& given) {
  if (saved.is_null() || given.is_null() || saved == given) return;
  if (!saved.is_object() || !given.is_object())
    throw format_error(where, "config", "an object", describe(saved.is_object() ? given : saved));
  std::string here, there;
  isize more = 0, named = 0;
  const auto differs = [&](const std::string& name) {
    const json *a = find_member(given, name), *b = find_member(saved, name);
    const std::string is = a ? a->dump() : "nothing", was = b ? b->dump() : "nothing";
    if (is == was) return;
    if (named == 4) return void(++more);
    const char* comma = named++ ? ", " : "";
    here += cat(comma, name, " = ", is);
    there += cat(comma, was);
  };
  for (const auto& [name, unused] : given.items()) differs(name);
  for (const auto& [name, unused] : saved.items())
    if (!given.contains(name)) differs(name);
  if (here.empty()) return;
  if (more) there += cat(", and ", more, " more that differ");
  throw value_error(where, "config", "a cache of this model, " + here, "one of another, " + there);
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
