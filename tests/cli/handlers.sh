#!/usr/bin/env bash
# Counts the instructions of the miss handlers' walks again, for each architecture of which compiler
# and emulator are installed, and holds the numbers of the program and of the README against them.
#
#   handlers.sh SOURCE_DIR
set -euo pipefail
handlers=$(readlink -f "$1")/src/pt/gpt/handlers
failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

status=0
rows=$("$handlers/count") || status=$?
if [[ $status -eq 2 ]]; then
  echo "skipped: there is nothing to count with"
  exit 77
fi
[[ $status -eq 0 ]] || fail "count ends with status $status"
while IFS= read -r row; do
  grep -qxF -- "$row" "$handlers/README.md" || fail "the README does not have: $row"
done <<<"$rows"

# Of the guarded table's rows: | architecture | level | array | leaf | miss | shared | walk | ...
counted=0
while read -r architecture numbers; do
  [[ $architecture != i386 ]] || continue  # which the program has no counts for
  grep -qF -- "{\"$architecture\", {$numbers}}" "$handlers/../handler_counts.h" ||
    fail "handler_counts.h does not have: $architecture $numbers"
  counted=$((counted + 1))
done < <(awk -F ' *[|] *' 'NF == 10 { print $2, $3 ", " $4 ", " $5 ", " $6 ", " $7 ", " $8 }' <<<"$rows")
[[ $counted -gt 0 ]] || fail "nothing was counted"

[[ $failures -eq 0 ]]
echo "the walks of $counted architectures take what is written"
