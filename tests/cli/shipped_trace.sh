#!/usr/bin/env bash
# The shipped trace: sound, small, and replayed with checks to the very counters kept in
# tests/golden. After a change that is meant to change them, make them anew with
#   tests/cli/shipped_trace.sh MMUSIM SOURCE_DIR --update
#
#   shipped_trace.sh MMUSIM SOURCE_DIR [--one]      --one: a single machine, for slow builds
set -eu
program=$1 source=$2
trace=workloads/traces/pipeline.mmt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$source"
bytes=$(stat -c %s "$trace")
[[ $bytes -le $((5 * 1024 * 1024)) ]] || { echo "$trace has $bytes bytes, more than 5 MiB"; exit 1; }
"$program" trace verify --quiet "$trace"
status=0
machines=(skylake-sp zen2 tiny)
[[ ${3:-} != --one ]] || machines=(skylake-sp)
for machine in "${machines[@]}"; do
  golden=tests/golden/pipeline-$machine.csv
  "$program" replay "$trace" --machine "$machine" --quiet --csv "$tmp/plain.csv" >/dev/null
  "$program" replay "$trace" --machine "$machine" --quiet --check --csv "$tmp/checked.csv" >/dev/null
  # The fast way and the checked way count the same.
  grep -v '^check\.' "$tmp/checked.csv" | diff "$tmp/plain.csv" - || status=1
  cut -d, -f1,2 "$tmp/plain.csv" >"$tmp/counters.csv"
  if [[ ${3:-} == --update ]]; then
    cp "$tmp/counters.csv" "$golden"
  else
    diff "$golden" "$tmp/counters.csv" || { echo "$machine: not what $golden says"; status=1; }
  fi
done
exit $status
