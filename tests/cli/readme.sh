#!/usr/bin/env bash
# The README, and other texts of its kind, as whoever pastes them: their blocks of commands ("sh") are run one behind the other, in a
# folder that looks like a fresh checkout, and what the text says they print ("text", "..." for lines left
# out) they must print.
#
#   readme.sh MMUSIM SOURCE_DIR FILE...     files below SOURCE_DIR: README.md, a course's lectures
set -u
program=$(readlink -f "$1")
checkout=$(readlink -f "$2")
tests=$(dirname "$(readlink -f "$0")")
source "$tests/begin.sh"
ln -s "$checkout/configs" "$checkout/workloads" .
mkdir -p build/release/src/cli
ln -s "$program" build/release/src/cli/mmusim

# A build within a test would wait for the one that tests: what scripts/run does once it has built.
function scripts/run() {
  local quick_start
  eval "$(grep -m1 '^quick_start=' "$checkout/scripts/run")"
  build/release/src/cli/mmusim "${quick_start[@]}"
}

# shown BLOCK: its lines, in order and without others between but for "...", are in printed.txt.
shown() {
  awk -v printed=printed.txt '
    BEGIN { while ((getline line <printed) > 0) have[++n] = line }
    $0 == "..." { gap = 1; next }
    first == "" { first = $0; gap = 1 }
    {
      do ++at; while (gap && at <= n && have[at] != $0)
      if (at > n || have[at] != $0) { print "is not printed: " $0; exit 1 }
      gap = 0
    }' "$1"
}

shift 2
for text; do
  rm -f block.* last.sh
  # Blocks as files: block.01.sh, block.02.text, ...
  awk '/^```(sh|text)$/ { name = sprintf("block.%02d.%s", ++n, substr($0, 4)); next }
       /^```$/ { name = "" }
       name != "" { print >name }' "$checkout/$text"
  blocks=$(printf '%s\n' block.*.sh | wc -l)
  [[ $blocks -ge 4 ]] || fail "only $blocks blocks of commands in $text"
  for block in block.*; do
    if [[ $block == *.text ]]; then
      shown "$block" || { cat printed.txt; fail "$text: $(head -n 1 last.sh)"; }
      continue
    fi
    cp "$block" last.sh
    : >printed.txt
    while IFS= read -r line; do
      # In this shell: a line may set what the next ones need.
      eval "$line" >out.txt 2>err.txt </dev/null || { cat err.txt; fail "$text: $line"; }
      ! grep -E ': (error|warning): ' err.txt || fail "$text: $line"
      cat out.txt >>printed.txt
    done <"$block"
  done
  echo "good: $text, $blocks blocks"
done
