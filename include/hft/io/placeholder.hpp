// What stands in the place of a file that was not really downloaded: a Git LFS pointer, or a web page. Both are told by
// name instead of as a file that is broken somewhere.
#pragma once
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include <hft/error.hpp>
#include <hft/linkage.hpp>

namespace hft::detail {

/// Throws format_error where a file's content is a Git LFS pointer, which no file is that anybody means to open.
void refuse_lfs_pointer(std::string_view content, std::string_view where);

/// Throws format_error where the content of a file that is no text for people is an HTML or XML page.
void refuse_web_page(std::string_view content, std::string_view where);
inline void refuse_web_page(std::span<const std::byte> content, std::string_view where) {
  refuse_web_page(std::string_view(reinterpret_cast<const char*>(content.data()), content.size()), where);
}

#if HFT_DEFINES(MODELS)

// version https://git-lfs.github.com/spec/v1
// oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
// size 12345
// https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
HFT_INLINE void refuse_lfs_pointer(std::string_view content, std::string_view where) {
  constexpr std::string_view versions[] = {"version https://git-lfs.github.com/spec/",
                                           "version https://hawser.github.com/spec/"};
  if (!std::any_of(std::begin(versions), std::end(versions), [&](auto v) { return content.starts_with(v); })) return;
  const auto pointer = content.substr(0, 1024);  // which the format never exceeds
  std::string_view size;
  if (const auto at = pointer.find("\nsize "); at != pointer.npos) {
    size = pointer.substr(at + 6);
    size = size.substr(0, size.find_first_not_of("0123456789"));
  }
  throw format_error(where, joined("this is a Git LFS pointer, not the file", size.empty() ? "" : " of ", size,
                                   size.empty() ? "" : " bytes",
                                   " itself: 'git lfs pull' in its folder gets that, and so does "
                                   "'hf download'"));
}

HFT_INLINE void refuse_web_page(std::string_view content, std::string_view where) {
  if (content.starts_with("\xef\xbb\xbf")) content.remove_prefix(3);
  content.remove_prefix(std::min(content.size(), content.find_first_not_of(" \t\r\n")));
  std::string begin(content.substr(0, 16));
  for (char& c : begin)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  for (const std::string_view page : {"<!doctype", "<html", "<?xml"})
    if (begin.starts_with(page))
      throw format_error(where, joined("this is ", page == "<?xml" ? "an XML" : "an HTML",
                                       " page, not the file: the download was answered by a web page, perhaps of an "
                                       "error or a login; get the file again, as 'hf download' does"));
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
