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

# The guarded table's rows have nine numbers or lists of them, those of the others three.
counted=0
while read -r header architecture numbers; do
  [[ $architecture != i386 ]] || continue  # which the program has no counts for
  grep -qF -- "{\"$architecture\", $numbers}" "$handlers/../../$header" ||
    fail "$header does not have: $architecture $numbers"
  counted=$((counted + 1))
done < <(awk -F ' *[|] *' '
  NF == 12 { printf "gpt/handler_counts.h %s {%s, %s, %s, %s, %s, %s, {%s}, {%s}, {%s}}\n", $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 }
  NF == 6 { printf "hashed/handler_counts.h %s {%s}, {%s}\n", $2, $4, $5 }' <<<"$rows")
[[ $counted -gt 0 ]] || fail "nothing was counted"

[[ $failures -eq 0 ]]
echo "$counted rows of walks take what is written"
