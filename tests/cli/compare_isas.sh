#!/usr/bin/env bash
# compare over traces of several ISAs: which machine gets which, and what the results say of it.
#
#   compare_isas.sh MMUSIM AS_ISA SOURCE_DIR
set -euo pipefail
program=$(readlink -f "$1")
as_isa=$(readlink -f "$2")
source=$(readlink -f "$3")
. "$(dirname "$0")/begin.sh"

# refused WORDS ARGUMENTS...: a usage error that has these words.
refused() {
  local words=$1 status=0
  shift
  "$program" compare "$@" -q >out.txt 2>err.txt || status=$?
  [[ $status -eq 2 && $(wc -l <err.txt) -eq 1 ]] || fail "status $status: $* ($(cat err.txt))"
  grep -qF -- "$words" err.txt || fail "'$words' is not in: $(cat err.txt)"
}
# Fields of a machine's row of runs.csv, by name.
fields() {
  awk -F, -v row="$1/mlpt" -v names="$2" '
    NR == 1 { for (i = 1; i <= NF; ++i) at[$i] = i; n = split(names, name, " "); next }
    $1 == row { for (i = 1; i <= n; ++i) printf "%s%s", $at[name[i]], i < n ? " " : "\n" }' runs.csv
}
expect() {  # expect MACHINE NAMES VALUES
  local have
  have=$(fields "$1" "$2")
  [[ $have == "$3" ]] || fail "$1: '$2' is '$have', not '$3'"
}

"$program" trace import "$source/tests/cli/data/tiny.log" -o x86.mmt 2>/dev/null
"$as_isa" x86.mmt sparc.mmt sparc64 13
"$as_isa" x86.mmt ppcle.mmt ppc64le 12
"$as_isa" x86.mmt i386.mmt i386 12
"$as_isa" x86.mmt arm.mmt arm 12
"$as_isa" x86.mmt alpha.mmt alpha 13
"$as_isa" x86.mmt other.mmt sparc64 13
"$as_isa" x86.mmt large.mmt aarch64 16

# Each its own; ppc64le for ppc64; IA-64 has pages of 16K, so those of 8K are nearer than those of
# 4K, and those of 64K cannot be moved there. arm is nobody's.
machines=zen2,core2,ultrasparc-i,power8,itanium2-madison,pentium4,alpha-21264
"$program" compare x86.mmt large.mmt arm.mmt sparc.mmt ppcle.mmt i386.mmt -q -m $machines \
  --csv runs.csv --json runs.json >table.txt
expect zen2 "trace trace_isa trace_why moved" "x86.mmt x86_64 its ISA false"
expect core2 "trace trace_isa trace_why" "i386.mmt i386 its ISA"
expect ultrasparc-i "trace trace_isa trace_why moved" "sparc.mmt sparc64 its ISA false"
expect power8 "trace trace_isa trace_why moved" "ppcle.mmt ppc64le the nearest true"
expect itanium2-madison "trace trace_isa trace_why moved" "sparc.mmt sparc64 the nearest true"
expect pentium4 "trace trace_isa trace_why moved" "i386.mmt i386 its ISA false"
expect alpha-21264 "trace trace_isa trace_why moved" "sparc.mmt sparc64 the nearest true"
grep -qE '^ultrasparc-i +sparc64 +its ISA +as recorded' table.txt || fail "no row of the trace table"
grep -qE '^power8 +ppc64le +the nearest +moved' table.txt || fail "the table does not say what moved"
[[ $(grep -c 'not used' table.txt) -eq 2 ]] || fail "what nobody uses is not said: $(cat table.txt)"
grep -qE 'not used +arm.mmt' table.txt || fail "arm.mmt is not said to be unused"
[[ $(grep -c '^        "path": "sparc.mmt"' runs.json) -eq 3 ]] || fail "runs.json says other traces"

# The work is that of the base, and the results of a run are those of its trace by itself.
"$program" replay sparc.mmt -q -m ultrasparc-i --csv alone.csv >/dev/null
count() { awk -F, -v name="$1" '$1 == name { print $2 }' alone.csv; }
expect ultrasparc-i "work" "$(count run.instructions)"
"$program" compare x86.mmt sparc.mmt -q -m zen2,ultrasparc-i -b ultrasparc-i --csv runs.csv >table.txt
walks=$(fields ultrasparc-i first_level_data_misses)
awk -v a="$walks" -v b="$(count mmu.first.data_misses)" -v n="$(count run.instructions)" \
  'BEGIN { exit !(a - 1000 * b / n < 1e-6 && 1000 * b / n - a < 1e-6) }' ||
  fail "$walks is not $(count mmu.first.data_misses) per 1000 of $(count run.instructions)"
grep -q 'to ultrasparc-i/mlpt' table.txt || fail "the base is not said"

# A trace half as long is told per 1000 instructions of the base all the same.
"$program" compare x86.mmt -t ultrasparc-i=sparc.mmt -q -m zen2,ultrasparc-i --limit 3 \
  --csv runs.csv >table.txt
grep -q 'stopped at run.limit' table.txt || fail "that it stopped is not said"

# Said explicitly: beside others, and alone, when the machines need not be named.
"$program" compare x86.mmt sparc.mmt -q -m zen2,ultrasparc-i,ultrasparc-iii \
  --trace ultrasparc-iii=other.mmt --csv runs.csv >table.txt
expect ultrasparc-i "trace trace_why" "sparc.mmt its ISA"
expect ultrasparc-iii "trace trace_why" "other.mmt given"
"$program" compare -t power8=ppcle.mmt -t zen2=x86.mmt -p mlpt,gpt -q --csv runs.csv >table.txt
[[ $(wc -l <runs.csv) -eq 5 ]] || fail "not two machines with two page tables each"
expect power8 "trace trace_why moved" "ppcle.mmt given true"

# One trace for all is as it was: no word of traces.
"$program" compare x86.mmt -q -m zen2,power8 --csv runs.csv >table.txt
! grep -q trace_isa runs.csv || fail "columns of traces where there is one"
! grep -q 'its ISA' table.txt || fail "a table of traces where there is one"

refused 'both of sparc64' x86.mmt sparc.mmt other.mmt -m zen2
refused 'is none of the machines' x86.mmt sparc.mmt -m zen2 -t zen=x86.mmt
refused "did you mean 'zen2'" x86.mmt sparc.mmt -m zen2 -t zen=x86.mmt
refused 'is no MACHINE=TRACE' x86.mmt sparc.mmt -m zen2 -t zen2
refused 'gets two traces' x86.mmt -m zen2 -t zen2=x86.mmt -t zen2=sparc.mmt
refused 'no trace for machine power8' -m zen2,power8 -t zen2=x86.mmt
refused 'a script is compared by itself' x86.mmt s.workload -m zen2
refused 'TRACE|SCRIPT is missing' -m zen2
refused '--trace MACHINE=TRACE' x86.mmt sparc.mmt -m zen2 --run.trace=x86.mmt
status=0
"$program" compare x86.mmt nowhere.mmt -q -m zen2 >out.txt 2>err.txt || status=$?
[[ $status -eq 1 && ! -s out.txt ]] && grep -q 'nowhere.mmt' err.txt || fail "a missing trace"
echo "traces of 8 ISAs went where they belong"
