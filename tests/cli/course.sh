#!/usr/bin/env bash
# The assignment of workloads/course, marked: the solution earns all points, the template its few, half a
# page table what its half keeps; and each fault planted in the solution costs points where it belongs, and
# has a hint.
#
#   course.sh MMUSIM SOURCE_DIR CXX
set -eu
program=$(readlink -f "$1") source=$(readlink -f "$2") cxx=$3
source "$(dirname "$(readlink -f "$0")")/begin.sh"
course=$source/workloads/course

built() {  # built NAME FILE
  "$cxx" -std=c++20 -shared -fPIC -Wall -Wextra -Werror -I "$source/src" -o "$1.so" "$2" || fail "$1 does not compile"
}
# points NAME: of each stage and all, "25 15 ..."
points() {
  "$program" page-table grade "./$1.so" --ops 1000 -q --csv "$1.csv" --json "$1.json" >"$1.txt"
  awk -F, 'NR > 1 { printf "%s%s", separator, $2; separator = " " }' "$1.csv"
}

built template "$course/template/my_table.cc"
[[ $(points template) == '6 0 2 0 0 0 0 8' ]] || fail "the template: $(points template)"
grep -q '^| 1. a translation | 25 ' "$course/README.md"
grep -q '^The template says 8 points of 100' "$course/README.md"

built solution "$course/solution/my_table.cc"
[[ $(points solution) == '25 15 20 15 10 5 10 100' ]] || { cat solution.txt; fail "the solution: $(points solution)"; }
! grep -q hint solution.txt
"$program" replay pipeline -p ./solution.so --limit 1M --check -q >/dev/null

# The first translation, in 60 lines that are no comment and not empty.
built first "$source/tests/cli/data/course_first.cc"
[[ $(points first) == 25\ * ]] || { cat first.txt; fail "the first translation: $(points first)"; }
[[ $(grep -vcE '^[[:space:]]*(//.*)?$' "$source/tests/cli/data/course_first.cc") -le 60 ]]

# The solution with all faults in it, of which that with the number `planted` is there: compiled once, linked with each number.
sed -E 's@^#include "pt/simple_table.h"@#include <cstdio>\n#include <cstdlib>\n\n&\n\nextern const int planted;@
  s@path.add\(address, kWord, level, level != top_\);@if (planted != 1 || level != 1) &@
  s@table.parent \+ table.slot \* kWord@table.parent + (planted == 2 ? table.slot ^ 1 : table.slot) * kWord@
  s@  bool unlink\(const Table& table\) override \{@&\n    if (planted == 3) __builtin_trap();\n    if (planted == 4) std::exit(0);@
  s@  std::optional<PhysAddr> make_word\(.*@&\n    if (planted == 5 \&\& (std::puts("here") < 0 || std::fflush(stdout) != 0)) return std::nullopt;\n    if (planted == 5 \&\& va.value() >> 12 == 0x401a) __builtin_trap();@' \
  "$course/solution/my_table.cc" >planted.cc
for number in 1 2 3 4 5; do
  grep -q "planted [!=]= $number" planted.cc || fail "fault $number is not planted"
done
"$cxx" -std=c++20 -fPIC -Wall -Wextra -Werror -I "$source/src" -c -o planted.o planted.cc || fail "planted.cc does not compile"
with_fault() {  # with_fault NAME NUMBER
  echo "extern const int planted; const int planted = $2;" >number.cc
  "$cxx" -shared -fPIC -o "$1.so" planted.o number.cc
}

# planted NAME NUMBER STAGES...: which stages are no longer whole; all others are, but for those that come of it
# (5, 6 and 7, which ask for all).
planted() {
  local name=$1 number=$2 at=0 of earned
  shift 2
  with_fault "$name" "$number"
  read -ra earned <<<"$(points "$name")"
  for of in 25 15 20 15; do
    if [[ " $* " == *" $((at + 1)) "* ]]; then
      [[ ${earned[at]} -lt $of ]] || { cat "$name.txt"; fail "$name: stage $((at + 1)) is whole"; }
    else
      [[ ${earned[at]} -eq $of ]] || { cat "$name.txt"; fail "$name: stage $((at + 1)) has ${earned[at]}"; }
    fi
    at=$((at + 1))
  done
  grep -q '"hint": "[A-Z]' "$name.json" || fail "$name: no hint"
}
planted unnamed_word 1 4
planted wrong_unlink 2 3
planted crashes 3 2 3 4
# What ends the process, with whatever status, has not kept its promises.
planted exits 4 2 3 4
! "$program" replay pipeline -p ./exits.so --limit 3M -q >/dev/null 2>exits.err || fail "exit() of a plug-in went unnoticed"
grep -q '^mmusim: error: something called exit' exits.err
# What it prints is not among the points, and what goes wrong with programs only (the first page of
# pipeline) costs the last stage.
with_fault late 5
"$program" page-table grade ./late.so --ops 1000 -q --csv - >late.csv
[[ $(wc -l <late.csv) -eq 9 && $(tail -n 1 late.csv) == all,9* ]] || { cat late.csv; fail "a crash in a program"; }
"$program" page-table grade ./late.so --ops 1000 -q | grep -q 'signal .*: here' || fail "what was printed before is not told"
echo good
