#!/usr/bin/env bash
# Holds the include direction of the house: a file may include its own folder and those below it in
# the order written here, and nothing below src/sim includes arch/. Folders of arch/ see each other
# only through what src/ offers.
#
#   include_direction.sh SOURCE_DIR
set -u
cd "$1" || exit 1

# Folders with the same number may not include each other.
declare -A rank=(
  [base]=0 [config]=1 [mem]=2 [trace]=2 [stats]=2 [pt]=3 [tlb]=4 [mmu]=5 [kernel]=6
  [arch]=7 [sim]=8 [report]=9 [cli]=10
)
# Where one of those with the same number uses another: FROM:TO.
declare -A also=([mem:stats]=1)

failures=0
complain() {
  echo "$1"
  failures=$((failures + 1))
}
checked=0
while IFS=: read -r file line text; do
  target=$(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]*)".*/\1/p' <<<"$text")
  [[ -n $target ]] || continue
  checked=$((checked + 1))
  from=${file#src/}
  from=${from%%/*}
  to=${target%%/*}
  if [[ $target == commit.h && $file == src/cli/version.cc ]]; then
    continue  # made by the build
  fi
  if [[ $target != */* || ! -e src/$target && ! -e $target ]]; then
    complain "$file:$line: \"$target\" is no file below src/ or arch/ (write the folder's name first)"
    continue
  fi
  if [[ -z ${rank[$from]:-} || -z ${rank[$to]:-} ]]; then
    complain "$file:$line: the order of the folders '$from' and '$to' is not written in this test"
    continue
  fi
  if [[ $from == arch && $to == arch ]]; then
    mine=$(cut -d/ -f2 <<<"$file")
    theirs=$(cut -d/ -f2 <<<"$target")
    [[ $mine == "$theirs" ]] || complain "$file:$line: arch/$mine includes arch/$theirs"
    continue
  fi
  if [[ $from != "$to" && ${rank[$to]} -ge ${rank[$from]} && -z ${also[$from:$to]:-} ]]; then
    complain "$file:$line: $from may not include $to"
  fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.h' --include='*.cc' src arch)

# The test must not pass because it saw nothing.
[[ $checked -gt 100 ]] || complain "only $checked includes were seen"
for folder in src/*/ ; do
  name=$(basename "$folder")
  [[ -n ${rank[$name]:-} ]] || complain "src/$name has no place in the order"
done
echo "$checked includes, $failures against the direction"
[[ $failures -eq 0 ]]
