#!/usr/bin/env bash
# Replays of traces whose page streams are at odds with their columns, all checksums right: an error,
# or the numbers of the columns.
#
#   forged_pages.sh MMUSIM AS_ISA FORGE_PAGES SOURCE_DIR MODULE_DIR PYTHON
set -euo pipefail
program=$(readlink -f "$1")
as_isa=$(readlink -f "$2")
forge=$(readlink -f "$3")
source=$(readlink -f "$4")
PYTHONPATH=$(readlink -f "$5")
export PYTHONPATH
python=$6
. "$(dirname "$0")/begin.sh"
export XDG_CACHE_HOME=$work/cache  # what has been compared is kept there
mkdir cache torn

"$program" trace cut "$source/workloads/traces/pipeline.mmt" --to 4M -o part.mmt -q >/dev/null
"$as_isa" part.mmt plain.mmt x86_64 12 400000
"$program" trace prepare plain.mmt -o honest.mmt --most 1000 -q >/dev/null
chunks=$("$program" trace info honest.mmt | sed -n 's/^file .* in \([0-9]*\) chunks/\1/p')
[[ $chunks -ge 5 ]] || fail "$chunks chunks are too few"

# Ways to replay trace.mmt: its page streams as $1 says, its counters into $2.
replay() { "$program" replay trace.mmt -q -m "$3" --run.stream="$1" --csv "$2" >/dev/null; }
replay_sets() { replay "$@" skylake-sp; }
replay_any() { replay "$@" zen2; }
replay_torn() {  # without its trailer
  head -c -32 trace.mmt >torn/trace.mmt
  "$program" replay torn/trace.mmt --accept-torn -q -m skylake-sp --run.stream="$1" --csv "$2" >/dev/null
}
compare() { "$program" compare trace.mmt -q -m skylake-sp,zen2 --run.stream="$1" --csv "$2" >/dev/null; }
sweep() {
  rm -rf swept
  "$program" sweep trace.mmt -q -m zen2 -o swept -v tlb.l2.entries=512,1024 --run.stream="$1" >/dev/null || {
    tail -1 swept/results.csv >&2
    return 1
  }
  sed 's|runs/[^,]*||' swept/results.csv >"$2"
}
curve() { "$program" curve trace.mmt -q --run.stream="$1" --csv "$2" >/dev/null; }
module() {
  "$python" - "$@" <<'END'
import sys
import mmusim
try:
    result = mmusim.replay("trace.mmt", machine="skylake-sp", keys={"run.stream": sys.argv[1]})
except mmusim.Error as error:
    sys.exit(f"mmusim: error: {error}")
with open(sys.argv[2], "w") as out:
    out.write(repr(result.counters))
END
}

# expect RESULT WAY STREAM: right numbers, or an error and none.
expect() {
  local status=0 came=right
  rm -f result
  "$2" "$3" result >/dev/null 2>err.txt || status=$?
  if [[ $status -ne 0 ]]; then
    came=error
    [[ ! -e result ]] || fail "$2 of $forged, $3: an error and a result"
    grep -q 'trace.mmt: byte [0-9]*: the page streams are at odds with the columns' err.txt ||
      fail "$2 of $forged, $3: $(cat err.txt)"
  else
    cmp -s result "full.$2" || fail "$2 of $forged, $3: other numbers, and no error"
  fi
  [[ $came == "$1" ]] || fail "$2 of $forged, $3: $came"
}

# Of all machines in one pass, most of which have the trace moved, each has right numbers or an error, whether it takes
# page streams, columns, or what page streams have out of the columns.
everyone() {
  local status=0
  "$program" compare trace.mmt -q --jobs 1 --csv "$1" >/dev/null 2>err.txt || status=$?
  [[ $forged != nothing ]] || cp "$1" full.everyone
  if [[ $forged == nothing || $forged == other-digests ]]; then
    [[ $status -eq 0 ]] || fail "all machines, $forged: $(cat err.txt)"
    cmp -s "$1" full.everyone || fail "all machines, $forged: other numbers"
    return
  fi
  [[ $status -eq 1 ]] || fail "all machines, $forged: status $status"
  grep -q ' at odds with the columns' err.txt || fail "all machines, $forged: $(cat err.txt)"
  if grep -v ' at odds with the columns' err.txt | grep -qv ' of 12 runs failed'; then
    fail "all machines, $forged: $(cat err.txt)"
  fi
  if [[ -e $1 ]] && grep -vxFf full.everyone "$1" >wrong.txt; then
    fail "all machines, $forged: $(cat wrong.txt)"
  fi
  rm -f "$1"
}

# ... and by itself.
each_alone() {
  local machine
  for machine in "$source"/configs/machines/*.cfg; do
    machine=$(basename "$machine" .cfg)
    replay full full.csv "$machine"
    rm -f alone.csv
    if replay auto alone.csv "$machine" 2>err.txt; then
      cmp -s alone.csv full.csv || fail "$machine alone, $forged: other numbers, and no error"
    else
      grep -q ' at odds with the columns' err.txt || fail "$machine alone, $forged: $(cat err.txt)"
    fi
  done
}

for forged in nothing left-out one-more other-page no-store in-one-page other-order not-returned \
  other-totals other-digests; do
  "$forge" honest.mmt trace.mmt $((chunks - 2)) $forged
  for way in replay_sets replay_any replay_torn compare sweep curve module; do
    wanted=error
    if [[ $forged == nothing ]]; then "$way" full "full.$way"; fi
    # A sum of all references is nothing that numbers hang on.
    if [[ $forged == nothing || $forged == other-digests ]]; then wanted=right; fi
    expect $wanted $way pages
    expect $wanted $way auto
  done
  expect right replay_sets full
  everyone all.csv
  if [[ $forged == left-out || $forged == other-digests ]]; then each_alone; fi
  if "$program" trace verify trace.mmt -q >/dev/null 2>err.txt; then
    [[ $forged == nothing ]] || fail "verify of $forged finds nothing"
  else
    grep -q 'the page streams are at odds with the columns' err.txt || fail "verify of $forged: $(cat err.txt)"
  fi
done
echo "nobody was deceived"
