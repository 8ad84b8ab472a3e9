// Finds models that the Hugging Face hub's tools have downloaded, without network: the hub cache, read-only.
//
//   $HF_HUB_CACHE | $HF_HOME/hub | $XDG_CACHE_HOME/huggingface/hub | ~/.cache/huggingface/hub
//     models--org--name/refs/main             holds a commit
//     models--org--name/snapshots/<commit>/   the files, as symbolic links into ../../blobs
//
// Source: https://huggingface.co/docs/hub/local-cache
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>

namespace hft {

namespace detail {

/// One component of a path that cannot lead anywhere else: not empty, no separator of any system, not "." or "..".
bool is_plain_component(std::string_view name);

std::vector<std::string_view> split_path(std::string_view text);

/// Whether the text can be a model's id on the hub: "name" or "org/name" (huggingface_hub's validate_repo_id).
bool is_hub_id(std::string_view id);

inline bool is_commit(std::string_view text) {
  return text.size() == 40 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// An environment variable as a path, with a leading ~ expanded; empty where it is unset or empty.
inline std::filesystem::path environment_path(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return {};
  const std::string_view text = value;
  const char* home = std::getenv("HOME");
  if (home != nullptr && (text == "~" || text.substr(0, 2) == "~/"))
    return std::filesystem::path(home) / std::filesystem::path(text.substr(std::min<std::size_t>(2, text.size())));
  return std::filesystem::path(text);
}

}  // namespace detail

/// The folder of the hub cache, by the environment variables that huggingface_hub reads; empty where none of them nor
/// HOME is set.
std::filesystem::path hub_cache();

/// The folder or file of a model: an existing path is itself, an id ("org/name" or "name") is looked up in the hub
/// cache, at a branch, tag ("refs/pr/1" too) or commit. Throws file_error that says where it looked and how to get the
/// model; never uses the network.
std::filesystem::path resolve_model(std::string_view id_or_path, std::string_view revision = "main");

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE std::filesystem::path hub_cache() {
  if (auto path = detail::environment_path("HF_HUB_CACHE"); !path.empty()) return path;
  if (auto path = detail::environment_path("HUGGINGFACE_HUB_CACHE"); !path.empty()) return path;
  if (auto path = detail::environment_path("HF_HOME"); !path.empty()) return detail::below(path, "hub");
  if (auto path = detail::environment_path("XDG_CACHE_HOME"); !path.empty())
    return detail::below(path, "huggingface/hub");
  if (auto path = detail::environment_path("HOME"); !path.empty()) return detail::below(path, ".cache/huggingface/hub");
  return {};
}

HFT_INLINE_ONCE std::filesystem::path resolve_model(std::string_view id_or_path, std::string_view revision) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const std::string id(id_or_path);
  const fs::path path(id);
  if (id.empty()) throw file_error("resolve_model", "the model's name is empty", "a folder, a file or a hub id");
  if (id.find('\0') == id.npos && fs::exists(path, failed)) return path;
  if (!detail::is_hub_id(id))
    throw file_error("resolve_model", "model " + detail::quote_text(id),
                     "an existing folder or file, or a hub id such as 'org/name'");
  const auto parts = detail::split_path(revision);
  if (!std::all_of(parts.begin(), parts.end(), detail::is_plain_component))
    throw file_error("resolve_model", "revision " + detail::quote_text(revision), "a branch, tag or commit");

  // Says where it looked, and how to get the model.
  const auto fail = [&](const std::string& problem, const fs::path& looked_for) {
    throw file_error("resolve_model", detail::joined("model '", id, "' ", problem,
                                                     looked_for.empty() ? "" : ": looked for ", looked_for.string(),
                                                     "; 'hf download ", id, revision == "main" ? "" : " --revision ",
                                                     revision == "main" ? "" : revision, "' gets it"));
  };
  const fs::path cache = hub_cache();
  if (cache.empty())
    fail("is no folder or file here, and the hub cache is unknown: none of HF_HUB_CACHE, HF_HOME, HOME is set", {});
  std::string folder = "models";
  for (const std::string_view part : detail::split_path(id)) folder.append("--").append(part);
  const fs::path repository = detail::below(cache, folder);
  if (!fs::is_directory(repository, failed)) fail("is no folder or file here and is not in the hub cache", repository);

  std::string commit(revision);
  const fs::path reference = detail::below(repository, "refs/" + std::string(revision));
  if (!(detail::is_commit(commit) && fs::is_directory(detail::below(repository, "snapshots/" + commit), failed))) {
    if (!fs::is_regular_file(reference, failed))
      fail(detail::cat("is in the hub cache, but not its revision '", revision, "'"), reference);
    commit = read_text(reference, 4096);
    while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' '))
      commit.pop_back();
    if (!detail::is_commit(commit))
      throw file_error(reference.string(), "reference of the hub cache", "a commit of 40 hexadecimal digits",
                       detail::quote_text(commit));
  }
  const fs::path snapshot = detail::below(repository, "snapshots/" + commit);
  if (!fs::is_directory(snapshot, failed))
    fail(detail::cat("is in the hub cache without the files of '", revision, "'"), snapshot);
  return snapshot;
}

namespace detail {

HFT_INLINE_ONCE std::vector<std::string_view> split_path(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto slash = text.find('/');
    parts.push_back(text.substr(0, slash));
    if (slash == text.npos) return parts;
    text.remove_prefix(slash + 1);
  }
}

HFT_INLINE_ONCE bool is_plain_component(std::string_view name) {
  if (name.empty() || name == "." || name == "..") return false;
  return name.find_first_of(std::string_view("/\\:\0", 4)) == name.npos;
}

HFT_INLINE_ONCE bool is_hub_id(std::string_view id) {
  const auto parts = split_path(id);
  if (parts.size() > 2 || id.size() > 96 || id.find("--") != id.npos || id.find("..") != id.npos) return false;
  return std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    const auto plain = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
             c == '.';
    };
    const auto end = [](char c) { return c == '-' || c == '.'; };
    return !part.empty() && std::all_of(part.begin(), part.end(), plain) && !end(part.front()) && !end(part.back());
  });
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
