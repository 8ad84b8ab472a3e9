// The version of hft: semantic versioning. The build system reads the three numbers from this file.
#pragma once

#define HFT_VERSION_MAJOR 0
#define HFT_VERSION_MINOR 1
#define HFT_VERSION_PATCH 0

namespace hft {

inline constexpr int version_major = HFT_VERSION_MAJOR;
inline constexpr int version_minor = HFT_VERSION_MINOR;
inline constexpr int version_patch = HFT_VERSION_PATCH;
inline constexpr const char* version_string = "0.1.0";

}  // namespace hft
