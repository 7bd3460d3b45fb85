#!/usr/bin/env bash
# Installs the build, then uses it as a stranger would: the program from another place, with its
# machines, and the libraries from another CMake project; and as Debian packages.
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
# Where /proc is not mounted too, by whatever name it is started.
if unshare -rm true 2>/dev/null; then
  ln -s "$program" link
  for start in "$program" "PATH=$tmp/prefix/bin:$PATH; mmusim" ../prefix/bin/mmusim ./link; do
    unshare -rm sh -c "mount -t tmpfs none /proc && $start replay pipeline --limit 1000 -q" >replay.txt
    grep -qF "trace     $tmp/prefix/share/mmusim/workloads/traces/pipeline.mmt" replay.txt
  done
fi
"$program" trace import "$source/tests/cli/data/tiny.log" -o t.mmt
"$program" replay t.mmt --machine zen2 --check >/dev/null

# The Debian packages hold the same, and run from where they are unpacked.
cpack --config "$build/CPackConfig.cmake" -G DEB -B "$tmp/packages" >"$tmp/cpack.log" 2>&1 || {
  cat "$tmp/cpack.log"
  exit 1
}
for package in $(cd "$tmp/packages" && printf '%s\n' *.deb | sed 's/_.*//'); do
  dpkg-deb -I "$tmp/packages/${package}_"*.deb >"$tmp/$package.txt"
  dpkg-deb -x "$tmp/packages/${package}_"*.deb "$tmp/root"
done
grep -qE '^ Depends: .*libarchive13.*libc6 .*libstdc\+\+6' "$tmp/mmusim.txt"
grep -qE '^ Depends: mmusim \(= ' "$tmp/mmusim-dev.txt"
DESTDIR=$tmp/destination cmake --install "$build" --prefix /usr >>"$tmp/install.log"
diff <(cd "$tmp/root" && find . -type f -o -type l | sort) \
  <(cd "$tmp/destination" && find . -type f -o -type l | sort)
unpacked=$tmp/root/usr
"$unpacked/bin/mmusim" replay pipeline -m zen2 --limit 1000 -q >replay.txt
grep -qF "trace     $unpacked/share/mmusim/workloads/traces/pipeline.mmt" replay.txt
"$unpacked/bin/mmusim" record -o r.mmt -- true 2>recorded.txt
"$unpacked/bin/mmusim" trace verify r.mmt >/dev/null
# The Python module, where it was built: by the interpreter whose it is.
if [[ -s $tmp/python3-mmusim.txt ]]; then
  grep -qE '^ Depends: .*mmusim \(= .*python3 \(>= ' "$tmp/python3-mmusim.txt"
  PYTHONPATH=$unpacked/lib/python3/dist-packages /usr/bin/python3 -c '
import mmusim, sys
path = mmusim.replay("pipeline", limit=1000)["provenance"]["trace"]["path"]
assert path == sys.argv[1] + "/share/mmusim/workloads/traces/pipeline.mmt", path' "$unpacked"
fi
for file in share/man/man1/mmusim.1 share/man/man1/mmusim-trace-info.1 share/man/man5/mmusim-keys.5 \
  share/bash-completion/completions/mmusim share/zsh/vendor-completions/_mmusim \
  share/doc/mmusim/copyright lib/mmusim/mmusim-recorder.so include/mmusim/pt/plugin_entry.h \
  lib/cmake/mmusim/mmusimConfig.cmake share/mmusim/configs/machines/zen2.cfg; do
  [[ -s $unpacked/$file ]] || { echo "not in the packages: $file"; exit 1; }
done

cmake -G Ninja -S "$source/tests/package" -B "$tmp/consumer" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$tmp/prefix" >"$tmp/configure.log" 2>&1 || {
  cat "$tmp/configure.log"
  exit 1
}
cmake --build "$tmp/consumer"
"$tmp/consumer/consumer" "$tmp/consumer.mmt" | grep -qx good
# What the library wrote, the program reads.
"$program" trace verify "$tmp/consumer.mmt"
