// The weights that a path offers, whatever their kind: a folder with safetensors (one file or sharded), a single
// .safetensors file, or a .gguf file.
#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/gguf.hpp>
#include <hft/io/hub.hpp>
#include <hft/io/json.hpp>
#include <hft/io/safetensors.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>
#include <hft/log.hpp>

namespace hft {

/// Named tensors of one model. Opening maps the files and reads their headers; the weights stay on disk until used.
class checkpoint {
 public:
  /// Opens what the path is:
  ///   a .gguf file, or a .safetensors file
  ///   a folder: model.safetensors, or model.safetensors.index.json and its shards, or its only .gguf file
  /// Throws file_error where there are no weights, or only pickled ones, which are never read, or where the index leads
  /// out of the folder; format_error where a file is not sound. The index says which files there are: as Transformers
  /// does, all that is in them is taken, and what it names and they lack is told to the log.
  static checkpoint open(const std::filesystem::path& path);

  /// The file or folder that was opened.
  const std::filesystem::path& path() const noexcept { return path_; }
  bool is_gguf() const noexcept { return gguf_.has_value(); }
  /// The GGUF file, for its metadata. Throws value_error where the weights are of another kind.
  const gguf_file& gguf() const;
  /// The safetensors files; none for a GGUF file.
  std::span<const safetensors_file> shards() const noexcept { return shards_; }

  /// All tensors, file by file. Those of a type hft does not have are left out; find throws for them.
  std::span<const stored_tensor> tensors() const noexcept {
    if (gguf_) return gguf_->tensors();
    return shards_.size() == 1 ? shards_[0].tensors() : std::span<const stored_tensor>(tensors_);
  }
  /// A tensor by name, or null. Throws unsupported_error for one whose type hft does not have.
  const stored_tensor* find(std::string_view name) const;

 private:
  void open_folder();
  void open_shards(const std::filesystem::path& index_path);
  // The file of a tensor as the index names it: below the folder, perhaps in folders of their own.
  std::filesystem::path shard_path(const std::string& name, const std::string& where, const std::string& tensor) const;
  // A folder without safetensors under the usual names: one .gguf file will do; otherwise say what is there instead.
  void open_other_folder();

  static bool is_pickle(const std::filesystem::path& name);
  [[noreturn]] static void refuse_pickle(const std::filesystem::path& where, const std::string& name);
  [[noreturn]] static void refuse_file(const std::filesystem::path& path);

  // Of several shards, one list and one index. A tensor that two of them have is the later one's.
  void gather();

  checkpoint() = default;

  std::filesystem::path path_;
  std::optional<gguf_file> gguf_;
  std::vector<safetensors_file> shards_;
  std::vector<stored_tensor> tensors_;
  detail::name_index by_name_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE checkpoint checkpoint::open(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code failed;
  checkpoint out;
  out.path_ = path;
  const fs::file_status status = fs::status(path, failed);
  if (!fs::exists(status)) throw file_error(path.string(), "no such file or folder");
  if (fs::is_directory(status))
    out.open_folder();
  else if (detail::extension_of(path) == ".gguf")
    out.gguf_ = gguf_file::open(path);
  else if (detail::extension_of(path) == ".safetensors")
    out.shards_.push_back(safetensors_file::open(path));
  else
    refuse_file(path);
  out.gather();
  return out;
}

HFT_INLINE_ONCE const gguf_file& checkpoint::gguf() const {
  if (!gguf_) throw value_error(path_.string(), "weights", "a GGUF file", "safetensors");
  return *gguf_;
}

HFT_INLINE_ONCE const stored_tensor* checkpoint::find(std::string_view name) const {
  if (gguf_) return gguf_->find_tensor(name);
  if (shards_.size() != 1)
    if (const stored_tensor* tensor = by_name_.find(tensors_, name, detail::tensor_name{})) return tensor;
  for (const safetensors_file& shard : shards_)
    if (const stored_tensor* tensor = shard.find(name)) return tensor;  // throws where it cannot be read
  return nullptr;
}

HFT_INLINE_ONCE void checkpoint::open_folder() {
  // A link that leads nowhere counts: it is opened, and the error names it (a download that was broken off).
  const auto has = [&](const char* name) { return detail::is_there(detail::below(path_, name), true); };
  // Transformers' order of preference.
  if (has("model.safetensors"))
    shards_.push_back(safetensors_file::open(detail::below(path_, "model.safetensors")));
  else if (has("model.safetensors.index.json"))
    open_shards(detail::below(path_, "model.safetensors.index.json"));
  else
    open_other_folder();
}

HFT_INLINE_ONCE void checkpoint::open_shards(const std::filesystem::path& index_path) {
  const std::string where = index_path.string();
  const json index = read_json(index_path);
  const json* weight_map = find_member(index, "weight_map", where);
  if (weight_map == nullptr || !weight_map->is_object() || weight_map->empty())
    throw format_error(where, "'weight_map'", "an object that maps tensors to files",
                       weight_map == nullptr ? "nothing" : detail::describe(*weight_map));
  std::map<std::string, std::filesystem::path> files;
  for (const auto& [tensor, file] : weight_map->get_ref<const json::object_t&>()) {
    const auto name = json_as<std::string>(file, where, "weight_map." + tensor);
    if (!files.contains(name)) files.emplace(name, shard_path(name, where, tensor));
  }
  for (const auto& [name, path] : files) shards_.push_back(safetensors_file::open(path));

  std::vector<std::string_view> held, gone;
  for (const safetensors_file& shard : shards_) {
    for (const auto& t : shard.tensors()) held.push_back(t.name);
    for (const auto& t : shard.unreadable()) held.push_back(t.name);
  }
  detail::sort_names(held);
  for (const auto& [tensor, file] : weight_map->get_ref<const json::object_t&>())
    if (!std::binary_search(held.begin(), held.end(), tensor)) gone.push_back(tensor);
  if (!gone.empty())
    detail::log_message(
        log_level::warning, where,
        detail::joined("tensor ", detail::quote_text(gone[0]), gone.size() > 1 ? " and others are" : " is",
                       " not in the files that the index names (", gone.size(), " in all)"));
}

HFT_INLINE_ONCE std::filesystem::path checkpoint::shard_path(const std::string& name, const std::string& where,
                                                             const std::string& tensor) const {
  namespace fs = std::filesystem;
  const auto refuse = [&](const char* expected) {
    throw format_error(where, "file of tensor " + detail::quote_text(tensor), expected, detail::quote_text(name));
  };
  const auto parts = detail::split_path(name);
  if (!std::all_of(parts.begin(), parts.end(), detail::is_plain_component) || !name.ends_with(".safetensors"))
    refuse("the name of a .safetensors file in the same folder or below it");
  const fs::path path = detail::below(path_, name);
  if (parts.size() == 1) return path;
  // The file itself may be a link to anywhere, as it is in the hub cache; the folders on the way may not.
  std::error_code failed;
  const fs::path root = fs::canonical(path_, failed), folder = fs::canonical(path.parent_path(), failed);
  if (!failed && std::mismatch(root.begin(), root.end(), folder.begin(), folder.end()).first != root.end())
    refuse("folders that do not lead out of the model's");
  return path;
}

HFT_INLINE_ONCE void checkpoint::open_other_folder() {
  namespace fs = std::filesystem;
  std::vector<fs::path> ggufs;
  std::string pickle;
  std::error_code failed;
  for (fs::directory_iterator item(path_, failed), end; !failed && item != end; item.increment(failed)) {
    const fs::path name = item->path().filename();
    if (detail::extension_of(name) == ".gguf") ggufs.push_back(item->path());
    if (is_pickle(name) && (pickle.empty() || name.string() < pickle)) pickle = name.string();
  }
  if (ggufs.size() == 1) {
    gguf_ = gguf_file::open(ggufs[0]);
    return;
  }
  if (ggufs.size() > 1)
    throw file_error(path_.string(), detail::joined("the folder has ", ggufs.size(), " .gguf files; name one of them"));
  if (!pickle.empty()) refuse_pickle(path_, pickle);
  throw file_error(path_.string(), "the folder has no weights",
                   "model.safetensors, model.safetensors.index.json or a .gguf file");
}

HFT_INLINE_ONCE bool checkpoint::is_pickle(const std::filesystem::path& name) {
  const std::string extension = detail::extension_of(name);
  for (const char* pickled : {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
    if (extension == pickled) return true;
  return false;
}

HFT_INLINE_ONCE void checkpoint::refuse_pickle(const std::filesystem::path& where, const std::string& name) {
  throw file_error(
      where.string(),
      detail::joined("the weights are pickled (", name, "), and pickle is never read: it can run any code. ",
                     "Convert them to safetensors: model.save_pretrained(folder) in Transformers writes it"));
}

HFT_INLINE_ONCE void checkpoint::refuse_file(const std::filesystem::path& path) {
  if (is_pickle(path)) refuse_pickle(path, path.filename().string());
  throw file_error(path.string(), "weights", "a folder, a .safetensors file or a .gguf file",
                   detail::quote_text(detail::extension_of(path)));
}

HFT_INLINE_ONCE void checkpoint::gather() {
  if (shards_.size() <= 1) return;
  std::map<std::string_view, std::size_t> places;
  for (const safetensors_file& shard : shards_)
    for (const stored_tensor& t : shard.tensors())
      if (const auto [place, is_new] = places.emplace(t.name, tensors_.size()); is_new)
        tensors_.push_back(t);
      else
        tensors_[place->second] = t;
  by_name_ = detail::name_index(tensors_, detail::tensor_name{});
}

#endif  // HFT_DEFINES

}  // namespace hft
