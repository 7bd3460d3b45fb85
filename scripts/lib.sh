# What scripts/run and scripts/test share: the Debian packages mmusim needs, installing what is
# missing, configuring and building. Sourced by bash, with $root set to the checkout.

# To build and run.
run_packages=(
  cmake ninja-build g++ libc6-dev
  libboost-program-options-dev libfmt-dev libspdlog-dev nlohmann-json3-dev
  libzstd-dev libxxhash-dev liblzma-dev zlib1g-dev liblz4-dev
  libsnappy-dev libarchive-dev libsqlite3-dev libdw-dev librapidcheck-dev libjs-vega
)
# Besides, to test: libraries, clang with its sanitizers and tools, a browser that looks at reports, valgrind and
# QEMU to record traces, and the compiler of one instruction set that is not the host's, of the other byte order.
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev
  clang clang-format clang-tidy libclang-rt-14-dev lld llvm
  chromium fonts-dejavu-core
  valgrind qemu-user gcc-sparc64-linux-gnu libc6-dev-sparc64-cross zstd xz-utils
  man-db zsh pybind11-dev python3-dev python3-pandas slurm-wlm munge
)

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# Prints those of its arguments that are not installed.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    sed -n 's/ installed$//p') || true  # dpkg-query fails if it does not know one
  for package in "$@"; do
    grep -qxF -- "$package" <<<"$installed" || printf '%s\n' "$package"
  done
}

# Installs those of its arguments that are missing; silent and quick when none is. On a system
# other than Debian it leaves it to CMake to say what is missing.
need_packages() {
  command -v dpkg-query >/dev/null || return 0
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      say "These packages are missing, and installing them needs root. Please type:"
      say ""
      say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
      say ""
      exit 1
    fi
  fi
  say "Installing: ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq
             -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
  local log
  log=$(mktemp)
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
    </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    die "apt-get could not install what is missing"
  fi
  rm -f "$log"
}

# configure PRESET [cmake arguments]: makes build/PRESET if it is not there yet, was made for a
# checkout in another place, or with other arguments.
configure() {
  local preset=$1 dir=$root/build/$1
  shift
  local arguments=("$@")
  if [[ $preset == release ]]; then
    arguments+=(-DCMAKE_CXX_COMPILER=g++)
  fi
  if command -v ccache >/dev/null; then
    arguments+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  local wanted="$root ${arguments[*]}"
  if [[ -f $dir/build.ninja && $(cat "$dir/.configured" 2>/dev/null) == "$wanted" ]]; then
    return
  fi
  # Anew: CMake forgets what a preset says where a cache was made with another compiler's name.
  rm -f "$dir/CMakeCache.txt"
  say "Configuring build/$preset"
  mkdir -p "$dir"
  rm -f "$dir/.configured"
  (cd "$root" && cmake --preset "$preset" --log-level=WARNING "${arguments[@]}") \
    </dev/null >"$dir/configure.log" 2>&1 || { cat "$dir/configure.log" >&2; return 1; }
  printf '%s\n' "$wanted" >"$dir/.configured"
}

# For compilers whose heap is malloc's (clang, the linkers): in huge pages, and not given back in between, since a quarter
# of what they take is the first touch of their pages.
huge_heap=glibc.malloc.hugetlb=1:glibc.malloc.top_pad=0x10000000:glibc.malloc.mmap_threshold=0x1000000
huge_heap+=:glibc.malloc.trim_threshold=0x20000000

# build PRESET [targets]: silent when there is nothing to do.
build() {
  local dir=$root/build/$1
  shift
  if ninja -C "$dir" -n "$@" 2>/dev/null </dev/null | grep -q 'no work to do'; then
    return
  fi
  say "Building ${dir#"$root"/}"
  GLIBC_TUNABLES=$huge_heap ninja -C "$dir" "$@" </dev/null >&2
}

# tidy_one "HASH ... FILE": clang-tidy of the file; if it finds nothing, the line is added to those of
# clean files. One that is not done at the deadline is left for the next time.
# Environment: clean (a file of such lines), deadline (seconds since the epoch).
tidy_one() {
  local left=$((deadline - $(date +%s))) status=0
  [[ $left -gt 0 ]] || return 0
  GLIBC_TUNABLES=$huge_heap timeout "$left" clang-tidy --quiet -p build/tidy "${1##* }" 2>/dev/null || status=$?
  [[ $status -ne 124 ]] || return 0
  [[ $status -eq 0 ]] || return 1
  printf '%s\n' "$1" >>"$clean"
}
