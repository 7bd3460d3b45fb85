#!/usr/bin/env bash
# The programs of workloads/programs: compile without a warning, print the same on every instruction
# set that has a compiler and a QEMU here, and refuse arguments that are no numbers.
#
#   programs.sh SOURCE_DIR
set -euo pipefail
source=$(readlink -f "$1")
. "$(dirname "$0")/begin.sh"

# Program, size, work, what it prints. On nine instruction sets it was the same.
expected="
arena    2M   200   fcbff277842fa6b3
btree    256K 500   6f92e0b461469390
chase    256K 20000 5bc1039c30464469
gups     256K 20000 a121c117ff0efc2d
hashjoin 256K 10000 3d2848c9bd0dd0fc
pipeline 4K   2     b32c7a96713e8ecd
prefork  64K  200   81a3d3739d139269
sort     64K  2     cde820dfafb52b3a
sparse   2M   10000 12c019ee21ea1413
"
for file in "$source"/workloads/programs/*.c; do
  grep -q "^$(basename "$file" .c) " <<<"$expected" || fail "$file has no checksum here"
done

# run_all ISA COMPILER [flags]: "" is this computer.
run_all() {
  local isa=$1 compiler=$2 name size amount sum printed run=()
  shift 2
  [[ -z $isa ]] || run=("qemu-$isa")
  while read -r name size amount sum; do
    [[ -n $name ]] || continue
    # Without help a QEMU does not start another for what its program executes.
    [[ $name != pipeline || -z $isa ]] || continue
    "$compiler" -std=gnu11 -O2 -Wall -Wextra -Werror -static "$@" \
      "$source/workloads/programs/$name.c" -o "$name" || fail "$name for $compiler"
    printed=$("${run[@]}" "./$name" "$size" "$amount") || fail "$name of $compiler"
    [[ $printed == "checksum $sum" ]] || fail "$name of $compiler: '$printed', not $sum"
  done <<<"$expected"
  ran+=" ${isa:-this computer}"
}

ran=
run_all "" cc
for name in arena pipeline sort; do
  for bad in x -1 1T 99999999999G ""; do
    status=0
    ./$name "$bad" >out 2>err || status=$?
    [[ $status -eq 2 && ! -s out && $(wc -l <err) -eq 1 ]] || fail "$name '$bad': status $status"
  done
  status=0
  ./$name 1 2 3 4 >out 2>err || status=$?
  [[ $status -eq 2 ]] && grep -q usage err || fail "$name with four arguments: status $status"
done
./gups 100G 2>err && fail "gups of 100G runs"
grep -q 'SIZE is too large' err || fail "gups of 100G says: $(cat err)"

each_isa run_all <<'END'
sparc64 sparc64-linux-gnu-gcc
ppc64 powerpc64-linux-gnu-gcc
alpha alpha-linux-gnu-gcc -Wl,--no-relax
aarch64 aarch64-linux-gnu-gcc
arm arm-linux-gnueabihf-gcc
i386 i686-linux-gnu-gcc
END
echo "ran on:$ran"
