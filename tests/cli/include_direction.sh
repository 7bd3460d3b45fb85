#!/usr/bin/env bash
# Holds the include direction of the house: a file may include its own folder and those below it in
# the order written here, and nothing below src/sim includes arch/. Folders of arch/ see each other
# only through what src/ offers.
#
#   include_direction.sh SOURCE_DIR
set -u
cd "$1" || exit 1

# Folders with the same number may not include each other, but where `also` has FROM:TO.
ranks='base=0 symbols=1 config=1 mem=2 trace=2 stats=2 record=3 pt=3 tlb=4 mmu=5 kernel=6 arch=7 sim=8 report=9 sweep=10 cli=11 python=12'
also='mem:stats'

{
  find src arch -name '*.h' -o -name '*.cc'
  grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.h' --include='*.cc' src arch
  find src -mindepth 1 -maxdepth 1 -type d -printf 'folder %f\n'
} | awk -v ranks="$ranks" -v also="$also" '
  BEGIN {
    for (n = split(ranks, pairs, " "); n > 0; --n) {
      split(pairs[n], pair, "=")
      rank[pair[1]] = pair[2]
    }
    for (n = split(also, pairs, " "); n > 0; --n) allowed[pairs[n]] = 1
  }
  function complain(text) {
    print text
    ++failures
  }
  /^folder / {
    if (!($2 in rank)) complain("src/" $2 " has no place in the order")
    next
  }
  !/:/ {
    exists[$0] = 1
    next
  }
  {
    split($0, quoted, "\"")
    target = quoted[2]
    split($0, field, ":")
    file = field[1]
    place = file ":" field[2]
    ++checked
    from = file
    sub("^src/", "", from)
    sub("/.*", "", from)
    to = target
    sub("/.*", "", to)
    if (target == "commit.h" && file == "src/cli/version.cc") next  # made by the build
    if (target !~ "/" || !(("src/" target) in exists) && !(target in exists)) {
      complain(place ": \"" target "\" is no file below src/ or arch/ (write the folder'"'"'s name first)")
    } else if (!(from in rank) || !(to in rank)) {
      complain(place ": the order of the folders \"" from "\" and \"" to "\" is not written in this test")
    } else if (from == "arch" && to == "arch") {
      split(file, mine, "/")
      split(target, theirs, "/")
      if (mine[2] != theirs[2]) complain(place ": arch/" mine[2] " includes arch/" theirs[2])
    } else if (from != to && rank[to] + 0 >= rank[from] + 0 && !((from ":" to) in allowed)) {
      complain(place ": " from " may not include " to)
    }
  }
  END {
    # The test must not pass because it saw nothing.
    if (checked <= 100) complain("only " checked " includes were seen")
    print checked " includes, " failures + 0 " against the direction"
    exit failures > 0
  }'
