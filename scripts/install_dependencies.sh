#!/usr/bin/env bash
# Installs from Debian's (or Ubuntu's) own packages what is missing, and nothing else; as root, or with sudo.
#   scripts/install_dependencies.sh [tool | tests]
#     tool    what building and running build/hft needs
#     tests   (default) that, and what the tests and the style checks need
# On another system, install the same libraries with its package manager; CMake finds them.
set -euo pipefail

tool=(g++ cmake make pkg-config libeigen3-dev libsimdjson-dev libutf8proc-dev libpcre2-dev libcli11-dev)
tests=(libboost-test-dev libbenchmark-dev libxtensor-dev libsentencepiece-dev python3-dev clang clang-format)
case ${1:-tests} in
  tool) packages=("${tool[@]}") ;;
  tests) packages=("${tool[@]}" "${tests[@]}") ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
shift || true
packages+=("$@")  # further packages that a script of this folder needs

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install_dependencies: not a Debian system; expected to be installed: ${packages[*]}" >&2
  exit 0
fi
missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} = 0 ]; then
  echo "install_dependencies: nothing is missing" >&2
  exit 0
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install_dependencies: run as root, or install sudo, to install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "install_dependencies: installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}" > "$log" 2>&1
}
# The package lists may be absent or old: the second try brings them up to date.
install || { "${as_root[@]}" apt-get -q update > "$log" 2>&1 && install; } || {
  tail -n 20 "$log" >&2
  echo "install_dependencies: apt-get failed" >&2
  exit 1
}
