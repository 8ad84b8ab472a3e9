#!/usr/bin/env bash
# Builds and runs the consumer with what pkg-config says of an installed hft.
#   pkg_config.sh PKGCONFIG_DIR COMPILER CONSUMER.cpp PROGRAM
set -euo pipefail
if ! command -v pkg-config >/dev/null; then
  echo "skipped: no pkg-config on this machine"
  exit 77
fi
export PKG_CONFIG_PATH=$1
read -ra cflags <<< "$(pkg-config --cflags hft)"
read -ra libs <<< "$(pkg-config --libs hft)"
"$2" -std=c++20 "${cflags[@]}" "$3" -o "$4" "${libs[@]}"
"$4"
