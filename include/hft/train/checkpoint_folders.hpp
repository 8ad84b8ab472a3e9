// The folders checkpoint-N of a training run: written whole or not at all, found, and removed when there are too many.
#pragma once
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <hft/dtype.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/linkage.hpp>

namespace hft {

namespace detail {

// What was renamed in a folder survives a power cut once the folder is synced; not every file system can.
inline void sync_folder(const std::filesystem::path& folder) {
  const file_descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) (void)::fsync(fd.get());
}

/// Lets write(temporary folder) fill a folder that then appears under its name, in place of an older one. Where
/// anything fails, on a full disk, say, the older one stays and nothing else is left. Files must be synced by `write`.
inline void write_folder_atomically(const std::filesystem::path& target,
                                    const std::function<void(const std::filesystem::path&)>& write) {
  namespace fs = std::filesystem;
  const auto beside = [&](const char* what) {
    return target.parent_path() / ("." + target.filename().string() + what);
  };
  const fs::path incomplete = beside(".incomplete"), old = beside(".old");
  std::error_code failed;
  fs::create_directories(target.parent_path(), failed);
  fs::remove_all(incomplete, failed);  // of a run that was killed
  fs::remove_all(old, failed);
  if (!fs::create_directory(incomplete, failed))
    throw file_error(incomplete.string(), "cannot create the folder: " + failed.message());
  try {
    write(incomplete);
    sync_folder(incomplete);
    const bool replaces = fs::exists(target);
    if (replaces) fs::rename(target, old);
    fs::rename(incomplete, target);
    sync_folder(target.parent_path());
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(incomplete, failed);
    if (fs::exists(old) && !fs::exists(target)) fs::rename(old, target, failed);
    throw file_error(target.string(), std::string("cannot write: ") + e.code().message());
  } catch (...) {
    fs::remove_all(incomplete, failed);
    throw;
  }
  fs::remove_all(old, failed);
}

}  // namespace detail

/// A checkpoint folder and the step it was written at.
struct CheckpointFolder {
  isize step = 0;
  std::filesystem::path path;
};

/// The folders checkpoint-N of a run, by step. (sort_checkpoints)
std::vector<CheckpointFolder> sort_checkpoints(const std::filesystem::path& output_dir);

/// The newest checkpoint, or nothing. (get_last_checkpoint)
inline std::optional<std::filesystem::path> get_last_checkpoint(const std::filesystem::path& output_dir) {
  const auto all = sort_checkpoints(output_dir);
  return all.empty() ? std::nullopt : std::optional(all.back().path);
}

/// Removes the oldest checkpoints beyond `limit`; the newest and the best stay. (rotate_checkpoints)
void rotate_checkpoints(const std::filesystem::path& output_dir, std::optional<isize> limit,
                        const std::optional<std::string>& best);

#if HFT_DEFINES(TRAIN)

HFT_INLINE std::vector<CheckpointFolder> sort_checkpoints(const std::filesystem::path& output_dir) {
  std::vector<CheckpointFolder> found;
  std::error_code failed;
  for (std::filesystem::directory_iterator item(output_dir, failed), end; !failed && item != end;
       item.increment(failed)) {
    const std::string name = item->path().filename().string();
    constexpr std::string_view prefix = "checkpoint-";
    if (!name.starts_with(prefix) || !item->is_directory()) continue;
    isize step = 0;
    const char *begin = name.data() + prefix.size(), *last = name.data() + name.size();
    if (const auto r = std::from_chars(begin, last, step); r.ec != std::errc() || r.ptr != last || begin == last)
      continue;
    found.push_back({step, item->path()});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return found;
}

HFT_INLINE void rotate_checkpoints(const std::filesystem::path& output_dir, std::optional<isize> limit,
                                   const std::optional<std::string>& best) {
  if (limit.value_or(0) <= 0) return;
  const auto all = sort_checkpoints(output_dir);
  const auto is_best = [&](const CheckpointFolder& c) {
    return best && std::filesystem::path(*best).lexically_normal() == c.path.lexically_normal();
  };
  isize protects = 1 + isize(!all.empty() && std::any_of(all.begin(), all.end() - 1, is_best));
  isize left = isize(all.size());
  for (std::size_t i = 0; i + 1 < all.size() && left > std::max(*limit, protects); ++i) {
    if (is_best(all[i])) continue;
    std::error_code kept;  // one that cannot be removed is no reason to stop training
    std::filesystem::remove_all(all[i].path, kept);
    --left;
  }
}

#endif  // HFT_DEFINES

}  // namespace hft
