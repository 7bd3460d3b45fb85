#!/usr/bin/env bash
# workloads/record-all: what it compiles and records, what it says of what it cannot, and its traces
# side by side in compare.
#
#   record_all.sh MMUSIM SOURCE_DIR
set -euo pipefail
program=$(readlink -f "$1")
source=$(readlink -f "$2")
. "$(dirname "$0")/begin.sh"

refused() {  # refused STATUS WORDS ARGUMENTS...
  local wanted=$1 words=$2 status=0
  shift 2
  "$source/workloads/record-all" "$@" >out.txt 2>err.txt || status=$?
  [[ $status -eq $wanted ]] || fail "status $status: $* ($(cat err.txt))"
  grep -qF -- "$words" err.txt || fail "'$words' is not in: $(cat err.txt)"
}

[[ $(uname -m) == x86_64 ]] || { echo "left out: not on this computer"; exit 0; }
isas=x86_64
machines=zen2
if command -v sparc64-linux-gnu-gcc >/dev/null; then
  isas+=,sparc64
  machines+=,ultrasparc-i
fi
"$source/workloads/record-all" --mmusim "$program" -o traces --isas $isas --programs gups,pipeline \
  --size 4K --work 2 >said.txt
for isa in ${isas//,/ }; do
  for name in gups pipeline; do
    grep -q "^$name.$isa.mmt " said.txt || fail "nothing is said of $name.$isa: $(cat said.txt)"
    "$program" trace verify "traces/$name.$isa.mmt" >/dev/null || fail "$name.$isa is not whole"
  done
  # Two pipelines of four programs each, run by a fifth.
  "$program" trace dump --events "traces/pipeline.$isa.mmt" >events.txt
  [[ $(grep -c ' exec ' events.txt) -eq 9 && $(grep -c ' fork ' events.txt) -eq 8 ]] ||
    fail "pipeline.$isa has other processes: $(grep -cE ' (exec|fork) ' events.txt)"
done
if [[ $isas == *,* ]]; then
  "$program" compare traces/gups.*.mmt -m $machines -q --csv runs.csv >table.txt
  [[ $(grep -c ',its ISA,false,' runs.csv) -eq 2 ]] || fail "not each its own trace: $(cat runs.csv)"
  grep -qE '^program +gups 4K 2$' table.txt || fail "not one program: $(head -n 5 table.txt)"
fi

# A program that prints something else leaves no trace; the rest goes on.
mkdir bin
echo 'int puts(const char *); int main(void) { return puts("odd") < 0; }' >odd.c
cat >bin/x86_64-linux-gnu-gcc <<'END'
#!/bin/bash
for word in "$@"; do
  [[ $word == */gups.c ]] && word=odd.c
  words+=("$word")
done
exec gcc "${words[@]}"
END
chmod +x bin/x86_64-linux-gnu-gcc
status=0
PATH=$PWD/bin:$PATH "$source/workloads/record-all" --mmusim "$program" -o odd --isas x86_64 \
  --programs gups,chase --size 4K --work 10 >said.txt 2>err.txt || status=$?
[[ $status -eq 1 && ! -e odd/gups.x86_64.mmt && -e odd/chase.x86_64.mmt ]] ||
  fail "a program that prints something else: status $status, $(ls odd)"
grep -q 'gups.x86_64: prints' err.txt || fail "what was printed is not said: $(cat err.txt)"

refused 2 "unknown ISA 'vax'; there are x86_64" --isas vax
refused 2 "unknown program 'emacs'" --programs emacs
refused 2 "--work needs --size" --work 3
refused 2 "unknown option --frobnicate" --frobnicate
refused 2 "-o needs a value" -o
# Without the compilers: which packages bring them, and, where they were asked for, no more.
mkdir few
for tool in bash awk cat cut dirname readlink grep sed paste mktemp rm mkdir uname stat printf tail \
  head gcc cc as ld; do
  ln -s "$(command -v $tool)" few/ 2>/dev/null || true
done
PATH=$PWD/few refused 1 "gcc-sparc64-linux-gnu libc6-dev-sparc64-cross" --isas sparc64 -o none
[[ ! -e none ]] || fail "something was begun without the compiler"
echo "recorded for $isas"
