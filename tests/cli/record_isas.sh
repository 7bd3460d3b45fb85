#!/usr/bin/env bash
# Recordings of one program on every instruction set that has a compiler and a QEMU here, held
# against what can be counted by hand: bytes a memset stores, loads and frames of a recursion, what
# was mapped, a child, a function of which an instruction faults. QEMU does not report all of it by itself (src/record/README.md).
#
#   record_isas.sh MMUSIM RECORDED SOURCE_DIR
set -euo pipefail
program=$(readlink -f "$1")
recorded=$(readlink -f "$2")
source=$(readlink -f "$3")
. "$(dirname "$0")/begin.sh"

fail() {
  echo "FAILED: $isa: $*" >&2
  exit 1
}
expect() {  # expect NAME AT_LEAST [AT_MOST]
  local have
  have=$(awk -v name="$1" '$1 == name { print $2 }' said.txt)
  [[ -n $have && $have -ge $2 && $have -le ${3:-$2} ]] || fail "$1 is $have, not $2${3:+ to $3}"
}

# check ISA COMPILER MACHINE [flags]: MACHINE is of this ISA, or - if there is none.
check() {
  isa=$1
  local compiler=$2 machine=$3 words
  shift 3
  "$compiler" -std=gnu11 -O1 -static "$@" "$source/tests/cli/data/probes.c" -o probes ||
    fail "does not compile"
  "$program" record --isa "$isa" -q -o t.mmt -- ./probes >out.txt || fail "exit status $?"
  read -r -a words <out.txt
  [[ ${words[5]} -eq 201 ]] || fail "the program itself says: $(cat out.txt)"
  "$recorded" t.mmt "${words[@]:0:5}" >said.txt
  expect zeroed 40000
  expect probes 201
  expect child_probes 10
  expect mmaps 1
  expect munmaps 1
  expect forks 2
  expect sevens 1
  # An instruction that faults counts when it is repeated. In the child it never is.
  local calm
  calm=$(awk '$1 == "calm" { print $2 }' said.txt)
  [[ $calm -ge 20 && $((calm % 5)) -eq 0 ]] || fail "calm() is $calm instructions in 5 calls"
  expect faulty "$calm"
  expect child_faulty 1 $((calm / 5 - 2))
  if [[ $isa == sparc64 ]]; then
    # Of 201 frames, six can be in registers; all others come back. What main() stands on, its
    # library and the windows fork() flushes are a few more.
    expect windows_stored 195 215
    expect windows_loaded 195 215
    expect windows_astray 0
  fi
  "$program" trace verify t.mmt >/dev/null || fail "the trace is not whole"
  # mremap leaves and moves what Linux leaves and moves.
  "$compiler" -O1 -static "$@" "$source/tests/cli/data/remap.c" -o remap
  "$program" record -q -o remap.mmt -- ./remap >out.txt
  sed "$places" native.txt | diff - <(sed "$places" out.txt) >difference.txt ||
    fail "mremap: $(cat difference.txt)"
  "$program" trace verify -q remap.mmt >out.txt && ! grep remark out.txt || fail "remap is not sound"
  if [[ $machine != - ]]; then
    # At the addresses it was recorded at, of its own byte order.
    "$program" replay t.mmt -m "$machine" --check -q --csv counters.csv >/dev/null ||
      fail "the replay fails"
    grep -q '^relocation.active,0,' counters.csv || fail "its own machine's replay moved it"
    grep -q '^access.refused,0,' counters.csv || fail "accesses were refused"
  fi
  tried+=" $isa"
}

cc -O1 "$source/tests/cli/data/remap.c" -o native
./native >native.txt
places='/next one/d'  # on SPARC and Alpha mappings go up
tried=
[[ $(uname -m) != x86_64 ]] || check x86_64 cc zen2
each_isa check <<'END'
sparc64 sparc64-linux-gnu-gcc ultrasparc-iii
ppc64 powerpc64-linux-gnu-gcc power8
ppc64le powerpc64le-linux-gnu-gcc -
alpha alpha-linux-gnu-gcc alpha-21264 -Wl,--no-relax
aarch64 aarch64-linux-gnu-gcc -
arm arm-linux-gnueabihf-gcc -
riscv64 riscv64-linux-gnu-gcc -
i386 i686-linux-gnu-gcc pentium4
END
echo "recorded:$tried"
