#!/bin/sh
# A working day of a shell in some twenty million instructions: pipelines, subshells, command
# substitution, a loop that forks, a big sort, hash tables that grow the heap, compression that maps
# a large window. No input but what it makes itself, in the working directory, so that every run does
# the same work.
set -eu

numbers() { seq 1 "$1" | awk '{ x = (x * 69069 + 12345) % 1048576; print x, "line", $1 }'; }

# Sorting: two processes feed one that keeps all lines in memory.
numbers 1500 | sort -n | tail -n 3

# Hash tables: words counted by awk, then ranked.
numbers 700 | awk '{ count[$1 % 997] += $3 } END { for (k in count) print count[k], k }' |
  sort -rn | head -n 2

# Compression and back, and a checksum of both ends.
numbers 400 > numbers
gzip -6 < numbers | gzip -d | cmp - numbers
sha256sum < numbers | cut -c 1-16

# Small programs, one after the other, as configure scripts and makefiles run them.
for i in 1 2 3; do
  name=$(basename "/some/path/file$i.c" .c)
  (echo "$name" | tr a-z A-Z | sed 's/FILE/unit /' > "$name.out")
done
cat ./*.out | wc -l
ls -l | awk 'NR > 1 { sum += $5 } END { print sum }'
