#!/usr/bin/env bash
# Installs the build, then uses it as a stranger would: the program from another place, with its
# machines, and the libraries from another CMake project.
#
#   install.sh BUILD_DIR SOURCE_DIR CXX
set -eu
build=$1 source=$2 cxx=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cmake --install "$build" --prefix "$tmp/prefix" >"$tmp/install.log" || {
  cat "$tmp/install.log"
  exit 1
}
cd "$tmp"

mkdir elsewhere
cd elsewhere
program=$tmp/prefix/bin/mmusim
"$program" --version
"$program" list machines | grep -q '^skylake-sp '
[[ -f $tmp/prefix/share/mmusim/configs/machines/skylake-sp.cfg ]]
"$program" trace import "$source/tests/cli/data/tiny.log" -o t.mmt
"$program" replay t.mmt --machine zen2 --check >/dev/null

cmake -G Ninja -S "$source/tests/package" -B "$tmp/consumer" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$tmp/prefix" >"$tmp/configure.log" 2>&1 || {
  cat "$tmp/configure.log"
  exit 1
}
cmake --build "$tmp/consumer"
"$tmp/consumer/consumer" "$tmp/consumer.mmt" | grep -qx good
# What the library wrote, the program reads.
"$program" trace verify "$tmp/consumer.mmt"
